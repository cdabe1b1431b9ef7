"""What is written down of a graph that runs in memory: its journal, its logs, its line in the catalogue.

The folder is `@runs/NAME/run/NAME` in the project's `.ramify`, like that of any other run; there is no plan
in it, and there are no outputs. It is made late (see `LateJournal`), and whatever goes wrong with it is one
warning: the graph itself is not affected.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from ramify._version import __version__
from ramify.catalogue import open_catalogue
from ramify.core.engine import Engine
from ramify.errors import RamifyError, RamifyWarning
from ramify.files.lock import FolderLock
from ramify.journals.file import FileJournal
from ramify.ports import Journal, Order, Outcome
from ramify.run.ends import use_of
from ramify.run.late_journal import LIMIT, LateJournal
from ramify.run.names import new_name
from ramify.run.record import encodable
from ramify.run.view import IN_MEMORY, JOURNAL, LOGS
from ramify.settings import RUNS
from ramify.worker.logs import Echo, echoing, log_path, open_log

_TRIES: Final = 50
"""Names that are tried before one with chance in it is taken."""

Names = Callable[[], dict[str, Any]]
"""Gives what is said of the nodes beside the graph: `labels` by number, and the numbers of `local` ones."""


class Recording:
    """Writes down one live graph; see the module.

    `home` is the project's `.ramify` folder, `facts` are what is known of the run: `id`, `label`,
    `namespace`, `created_by`. `begin` is called at the start of the first session, `again` at that of each,
    `end` at the end of each.
    """

    def __init__(self, home: str, facts: dict[str, Any], *, names: Names = dict, limit: int = LIMIT) -> None:
        self.home = home
        told = {**_surroundings(), **facts}
        self.facts = {name: encodable(fact) for name, fact in told.items()}
        self.journal = LateJournal(self._open_journal, self._refused, limit)
        self.name: str | None = None
        self.folder: str | None = None
        self._names = names
        self._said: dict[str, Any] = {}
        self._begun = False
        self._lock: FolderLock | None = None
        self._listed = ""
        self._engine: Engine | None = None
        self._warned = False
        self._opening = threading.RLock()
        self._end: dict[str, Any] | None = None

    # ---- what the run tells

    def announce(self) -> None:
        """The run will come: it is in the list of runs from now on."""
        if not self._begun and self.name is None:
            self.facts["created"] = time.time()
            self.journal.append(["run", self.facts])
        self.journal.flush()
        self._enlist()

    def begin(self, engine: Engine) -> None:
        """The first session begins: the whole graph is written, as it is now."""
        self._begun, self._engine = True, engine
        self.facts["started"] = time.time()
        self.journal.append(["run", self.facts])
        self.journal.append(["graph", engine.keys[:], engine.parents[:], engine.flags.hex()])
        self._say_names()

    def again(self) -> None:
        """Another session begins, where one has ended."""
        if self._end is not None:
            self._end, self._listed = None, "again" if self._listed else ""
            self._retake()
            self.journal.append(["run", {"resumed": time.time()}])

    def used(self, node: int, attempt: int, outcome: Outcome) -> None:
        """What an attempt in another process took."""
        self.journal.append(["uses", [[node, attempt, *use_of(outcome)]]])

    def tend(self) -> None:
        """Writes what there is, and registers the run."""
        self.journal.flush()
        self._enlist()

    def end(
        self,
        status: str,
        counts: dict[str, int],
        interrupted: str | None,
        unfired: dict[str, str] | None = None,
    ) -> None:
        """A session is over; `unfired` are rules by name, and what each waits for.

        Raises nothing. Of a graph without any node nothing is kept.
        """
        if not self._engine and self.folder is None:
            return
        self._say_names()
        self._end = {
            "status": status,
            "ended": time.time(),
            "counts": counts,
            "interrupted": interrupted,
            **({"unfired": unfired} if unfired else {}),
        }
        self.journal.append(["end", self._end])
        self.journal.close()
        self._enlist()
        if self._lock is not None:
            with self._opening:
                self._guarded(self._lock.release)

    def _say_names(self) -> None:
        said = self._names()
        if any(said.values()) and said != self._said:
            self._said = said
            self.journal.append(["names", said])

    # ---- what the nodes print

    def logs(self) -> str | None:
        """The folder of logs, which is there from now on; None where nothing can be written."""
        if self.folder is None:
            self.tend()
        return None if self.journal.failed or self.folder is None else os.path.join(self.folder, LOGS)

    def folder_of_logs(self) -> str | None:
        """The run's folder, in which there is one of logs, where something can be written."""
        return None if self.logs() is None else self.folder

    def hearing(self, perform: Callable[[Order], Outcome]) -> Callable[[Order], Outcome]:
        """`perform`, with what the call prints in this thread kept too."""

        def heard(order: Order) -> Outcome:
            with Echo(self._log_of, order.job_id, order.attempt):
                return perform(order)

        return heard

    listening = staticmethod(echoing)
    """While this is entered, what nodes print in threads is heard."""

    def _log_of(self, key: str, attempt: int) -> int:
        """The file of an attempt, opened; -1 where there can be none."""
        logs = self.logs()
        if logs is None:
            return -1
        try:
            return open_log(log_path(logs, key, attempt))
        except OSError as error:
            self._warn(f"what {key!r} prints is not kept: {error}")
            return -1

    # ---- the folder

    def _open_journal(self) -> Journal:
        with self._opening:
            self.name = self._make_folder()
            target = os.path.join(self.home, RUNS, self.name, "run")
            self.facts["name"] = self.name
            self.folder = os.path.join(target, self.name)
            os.makedirs(self.folder)
            self._retake()
        return FileJournal(os.path.join(self.folder, JOURNAL))

    def _make_folder(self) -> str:
        """Makes the folder of a name that no other run has."""
        above = os.path.join(self.home, RUNS)
        os.makedirs(above, exist_ok=True)
        for number in range(_TRIES):
            name = new_name() if number < _TRIES - 1 else f"{new_name()}-{os.urandom(4).hex()}"
            with suppress(FileExistsError):  # another run has this name: the next one
                os.mkdir(os.path.join(above, name))
                return name
        raise FileExistsError(f"no name for a run is free in {above}")

    def _retake(self) -> None:
        """Says to whoever looks that this process drives the run."""
        if self.folder is not None and not self.journal.failed:
            self._lock = FolderLock(os.path.dirname(self.folder), run=self.name)
            self._guarded(self._lock.acquire)

    def _enlist(self) -> None:
        """The run's line in the catalogue, as the run is now."""
        with self._opening:
            now = "ended" if self._end is not None else "began" if self._begun else "announced"
            if self.name is None or self.folder is None or self.journal.failed or now == self._listed:
                return
            catalogue = open_catalogue(self.home)
            if self._end is not None and self._listed:
                catalogue.ended(self.name, self._end, self.folder)
            else:
                catalogue.record(self.name, self.folder, self.facts, self._end)
            self._listed = now

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (OSError, RamifyError) as error:
            self._refused(error)

    def _refused(self, error: Exception) -> None:
        self.journal.failed = True
        self._warn(f"the graph goes on, but nothing more is written down of it: {error}")

    def _warn(self, text: str) -> None:
        """Once. Nobody is there to whom a warning could be raised: where warnings are errors it is told."""
        if self._warned:
            return
        self._warned = True
        try:
            warnings.warn(text, RamifyWarning, stacklevel=2)
        except RamifyWarning:
            print(f"RamifyWarning: {text}", file=sys.stderr)


def _surroundings() -> dict[str, Any]:
    return {
        "kind": IN_MEMORY,
        "version": __version__,
        "mode": "memory",
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "python": sys.version.split()[0],
        "command": list(sys.argv),
    }
