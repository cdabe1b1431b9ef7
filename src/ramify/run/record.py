"""What a run writes down, and who watches it: rows of the engine's log to the journal and to observers."""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ramify.core.columns import Columns
from ramify.core.replay import Rows
from ramify.errors import RamifyWarning
from ramify.ports import Journal, Observer
from ramify.worker.failure import capped

_PATIENCE = 1.0
"""Seconds that what later runs may use stays unwritten; after a kill it is found again, but slower."""

_LONGEST = 100_000
"""Most characters of a fact about a run."""


class Recorder:
    """Writes batches of rows, and keeps them for the observers until the waiting thread shows them.

    Records of a journal: `["run", facts]` first, `["rows", letters, nodes, times, data]` for every batch,
    `["at", node, attempt, handle]` for what a recovered driver could hold on to, `["end", facts]` last.
    With `prompt`, a start is written before it is made, however short the job was the last time.

    `notes` gives what is to be said before a batch: `["why", [[node, kind, subject, old, new], ...]]` for
    causes that do not go without saying, `["declared", texts by id]` for what was found of declared files and
    variables, `["uses", [[node, attempt, cpu_seconds, peak_memory, pid, host], ...]]` for what good attempts
    took. `keep` writes what is no part of the journal.
    """

    def __init__(
        self,
        journal: Journal,
        observers: Sequence[Observer] = (),
        *,
        prompt: bool = False,
        notes: Callable[[], Sequence[Sequence[Any]]] | None = None,
        keep: Callable[[], None] | None = None,
    ) -> None:
        self.journal = journal
        self.prompt = prompt
        self._notes = notes
        self._keep = keep
        self._kept = time.monotonic()
        self.observers = list(observers)
        self._unseen: deque[Rows] = deque()

    def begin(self, facts: dict[str, Any]) -> None:
        """The first record: what the run is."""
        self.journal.append(["run", facts])

    def introduce(self, engine: Columns, facts: dict[str, Any]) -> None:
        """Tells the observers which run they are to watch."""
        for observer in self._those_with("begin"):
            self._guarded(observer, lambda: observer.begin(engine, facts))  # noqa: B023  # called at once

    def write(self, rows: Rows) -> None:
        """One batch of rows."""
        if self._notes is not None:
            for note in self._notes():
                self.journal.append(note)
        self.journal.append(["rows", *rows])
        if self.observers:
            self._unseen.append(rows)

    def handle(self, node: int, attempt: int, data: Any) -> None:
        """Where an attempt runs."""
        self.journal.append(["at", node, attempt, data])

    def show(self) -> None:
        """Shows the observers what happened since the last call; in the waiting thread only."""
        self.tend()
        while self._unseen:
            letters, nodes, times, data = self._unseen.popleft()
            changes = list(zip(letters, nodes, times, data, strict=True))
            for observer in list(self.observers):
                self._guarded(observer, lambda: observer.saw(changes))  # noqa: B023  # called at once
        for observer in self._those_with("tick"):
            self._guarded(observer, observer.tick)

    def tend(self) -> None:
        """Has what later runs may use written down, about once a second; in the waiting thread only."""
        if self._keep is not None and time.monotonic() - self._kept > _PATIENCE:
            self._keep()
            self._kept = time.monotonic()

    def look_after(self, keep: Callable[[], None]) -> None:
        """Has `keep` called about once a second until `let_go`."""
        self._keep = keep

    def let_go(self) -> None:
        """Nothing more is asked of the run."""
        self._notes = self._keep = None

    def end(self, facts: dict[str, Any]) -> None:
        """The last record: how it ended. The observers are told even where it cannot be written."""
        try:
            self.show()
            self.journal.append(["end", facts])
        finally:
            self.journal.close()
            for observer in list(self.observers):
                self._guarded(observer, observer.ended)

    def _those_with(self, method: str) -> list[Any]:
        return [observer for observer in self.observers if hasattr(observer, method)]

    def _guarded(self, observer: Observer, act: Callable[[], None]) -> None:
        """What watches a run must not end it."""
        try:
            act()
        except Exception as error:
            self.observers = [other for other in self.observers if other is not observer]
            warnings.warn(
                f"{type(observer).__name__} failed and is shown nothing more: {error!r}",
                RamifyWarning,
                stacklevel=3,
            )


def encodable(fact: Any) -> Any:
    """The fact in words that UTF-8 can say: names of files may hold any bytes."""
    if isinstance(fact, list):
        return [encodable(one) for one in fact]
    return capped(fact, _LONGEST) if isinstance(fact, str) else fact
