"""A catalogue of runs in one SQLite file.

It is a projection: losing it loses nothing that the journals do not hold, so it is written without waiting
for the disk, and a failure to write is a warning. The default rollback journal is used, since WAL cannot be
shared over network file systems.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from ramify.catalogue.filters import Filter
from ramify.catalogue.schema import VERSION, Row, decoded, insert, note_end, prepare
from ramify.errors import RamifyWarning, StorageError, UnknownRunError

if TYPE_CHECKING:
    from sqlite3 import Connection

_BUSY: Final = 5.0
"""Seconds to wait for another process that is writing."""

_ENTRY: Final = "name, folder, started, facts, ended, label, kind, namespace, created_by, id, status"
_NEWEST: Final = "ORDER BY started DESC, name DESC"

StatusOf = Callable[[str], str]
"""The status of a run of which no end is written down, by its folder."""


class SqliteCatalogue:
    """The runs that were registered, by run folder.

    Entries are dicts with `name`, `folder` (of the run), `started` (seconds since the epoch), `facts`, `end`
    (None until the run said that it is over), `label` (what a person calls it), `kind`, `namespace`,
    `created_by`, `id` (the text of a UUID) and `status` (None as `end`).

    >>> import tempfile
    >>> home = tempfile.mkdtemp(); os.makedirs(home + "/exp/run/calm-otter")
    >>> catalogue = SqliteCatalogue(home + "/.ramify/@catalogue")
    >>> catalogue.runs()
    []
    >>> catalogue.began("calm-otter", home + "/exp/run/calm-otter", {"started": 1.0})
    >>> catalogue.ended("calm-otter", {"status": "COMPLETED"})
    >>> [(run["name"], run["end"]) for run in catalogue.runs()]
    [('calm-otter', {'status': 'COMPLETED'})]
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._folders: dict[str, str] = {}

    # ---- writing

    def began(self, name: str, folder: str, facts: dict[str, Any]) -> None:
        """Registers a run; `folder` is the run's own, with the journal. A failure is a `RamifyWarning`."""
        folder = os.path.abspath(folder)
        self._folders[name] = folder
        self._try(lambda: self._insert([(name, folder, facts, None)]))

    def record(self, name: str, folder: str, facts: dict[str, Any], end: dict[str, Any] | None) -> None:
        """As `began`, and `ended` where the run is over already; in one step."""
        self._try(lambda: self._insert([(name, folder, facts, end)]))

    def ended(self, name: str, facts: dict[str, Any], folder: str | None = None) -> None:
        """Notes how the run of that folder ended; without one, the newest of that name that is not over.

        A failure is a `RamifyWarning`.
        """
        folder = folder or self._folders.get(name)
        self._try(lambda: self._note_end(name, folder, facts))

    def rebuild(self, rows: Iterable[Row]) -> int:
        """Replaces everything by these runs; returns how many there are. A damaged file is thrown away."""
        chosen = list(rows)
        for beside in ("", "-journal", "-wal", "-shm"):
            try:
                os.unlink(self.path + beside)
            except FileNotFoundError:
                continue
        self._insert(chosen)
        return len(chosen)

    def _insert(self, rows: list[Row]) -> None:
        self._write(lambda db: insert(db, rows))

    def _note_end(self, name: str, folder: str | None, facts: dict[str, Any]) -> None:
        newest = "SELECT folder FROM runs WHERE name = ? ORDER BY ended IS NULL DESC, started DESC LIMIT 1"

        def act(db: Connection) -> None:
            found = [(folder,)] if folder else db.execute(newest, (name,)).fetchall()
            for (one,) in found:
                note_end(db, one, facts)

        self._write(act)

    def _write(self, act: Callable[[Connection], None]) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        connection = self._connect(self.path)
        try:
            connection.execute("PRAGMA synchronous=OFF")
            connection.execute("BEGIN IMMEDIATE")
            prepare(connection, self.path)
            act(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _try(self, act: Callable[[], None]) -> None:
        import sqlite3

        try:
            act()
        except (OSError, StorageError, sqlite3.Error) as error:
            warnings.warn(
                f"the run is not in the list of runs: {self.path} cannot be written ({error}); the run "
                "itself is not affected, and `ramify ls --rebuild` makes the list again",
                RamifyWarning,
                stacklevel=4,
            )

    # ---- reading

    def runs(self, search: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
        """The runs whose folder is still there, the newest first.

        `search` is a text in the name, the folder, the command or the status; `limit` is the most to return.
        `gone` counts what was left out since its folder is not there any more.
        """
        found: list[dict[str, Any]] = []
        self.gone = 0
        for row in self._rows(f"SELECT {_ENTRY} FROM runs {_NEWEST}"):
            if not os.path.isdir(row[1]):
                self.gone += 1
                continue
            if limit is not None and len(found) >= limit:
                break
            entry = _entry(row)
            if search is None or _mentions(entry, search.casefold()):
                found.append(entry)
        return found

    gone = 0
    """How many runs the last `runs` left out, since their folders are not there any more."""

    def page(
        self, wanted: Filter, status_of: StatusOf, page: int = 1, per_page: int = 10
    ) -> tuple[list[dict[str, Any]], int]:
        """The runs of one page, the newest first, and how many fit in all. Pages count from 1.

        `status_of` is asked for the runs of which no end is written down. Folders that are gone do not count.
        """
        condition, values = wanted.where()
        found = []
        self.gone = 0
        query = f"SELECT folder, status FROM runs WHERE {condition} {_NEWEST}"
        for folder, status in self._rows(query, values):
            if not os.path.isdir(folder):
                self.gone += 1
            elif wanted.status is None or (status or status_of(folder)) == wanted.status:
                found.append(folder)
        chosen = found[(page - 1) * per_page : page * per_page]
        marks = ", ".join("?" * len(chosen))
        query = f"SELECT {_ENTRY} FROM runs WHERE folder IN ({marks}) {_NEWEST}"
        entries = [_entry(row) for row in self._rows(query, chosen)]
        for entry in entries:
            entry["status"] = entry["status"] or status_of(entry["folder"])
        return entries, len(found)

    def find(self, name: str) -> str:
        """The folder of a run: its exact name, `latest`, a beginning or a part that no other run has.

        Raises `UnknownRunError`, with the names that fit, where there is none or more than one.
        """
        runs = self.runs()
        if not runs:
            raise UnknownRunError(
                "there are no runs here yet: `ramify run flow.py` makes one", name=name, fits=[]
            )
        if name == "latest":
            return str(runs[0]["folder"])
        for fits in (_same, str.startswith, str.__contains__):
            chosen = [run for run in runs if fits(run["name"], name)]
            if len(chosen) == 1 or (chosen and fits is _same):
                return str(chosen[0]["folder"])
            if chosen:
                raise _several(name, [run["name"] for run in chosen])
        raise UnknownRunError(f"no run {name!r} here: `ramify ls` lists them", name=name, fits=[])

    def names(self) -> set[str]:
        """The names that are taken."""
        return {row[0] for row in self._rows("SELECT name FROM runs")}

    def _rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        if not os.path.exists(self.path):
            return []
        import sqlite3

        try:
            connection = self._connect(f"file:{_quoted(self.path)}?mode=ro", uri=True)
            try:
                connection.create_function("fold", 1, str.casefold, deterministic=True)
                self._check_version(connection)
                return list(connection.execute(query, tuple(values)))
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StorageError(
                f"the list of runs {self.path} cannot be read ({error}): `ramify ls --rebuild` makes it anew",
                path=self.path,
                errno=None,
            ) from error

    def _check_version(self, connection: Connection) -> None:
        """A list that an earlier version wrote is brought up to date before it is read."""
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            self._write(lambda _: None)

    def _connect(self, path: str, uri: bool = False) -> Connection:
        import sqlite3

        return sqlite3.connect(path, timeout=_BUSY, uri=uri, isolation_level=None)


def _entry(row: tuple[Any, ...]) -> dict[str, Any]:
    name, folder, started, facts, ended, label, kind, namespace, created_by, identity, status = row
    return {
        "name": name,
        "folder": folder,
        "started": started,
        "facts": decoded(facts),
        "end": decoded(ended),
        "label": label,
        "kind": kind,
        "namespace": namespace,
        "created_by": created_by,
        "id": identity,
        "status": status,
    }


def _several(name: str, fits: list[str]) -> UnknownRunError:
    some = ", ".join(fits[:5]) + (", ..." if len(fits) > 5 else "")
    return UnknownRunError(
        f"{name!r} fits {len(fits)} runs: {some}; write more of the name", name=name, fits=fits
    )


def _same(one: str, other: str) -> bool:
    return one == other


def _mentions(entry: dict[str, Any], text: str) -> bool:
    end = entry["end"] or {}
    command = entry["facts"].get("command")
    told = (entry["name"], entry["label"], entry["folder"], command, end.get("status"))
    return any(text in str(one).casefold() for one in told if one)


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path)
