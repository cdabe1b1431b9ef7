"""The table of the catalogue: what is asked for has columns of its own, beside the facts as told."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ramify.catalogue.identity import run_uuid
from ramify.errors import StorageError

if TYPE_CHECKING:
    from sqlite3 import Connection

VERSION: Final = 3
"""Earlier versions had fewer columns; all had `folder`, `name`, `started`, `facts` and `ended`."""

COLUMNS: Final = (
    "folder TEXT PRIMARY KEY",
    "name TEXT NOT NULL",
    "label TEXT",
    "id TEXT",
    "kind TEXT",
    "namespace TEXT",
    "created_by TEXT",
    "status TEXT",
    "started REAL NOT NULL",
    "ended_at REAL",
    "jobs INTEGER",
    "done INTEGER",
    "failed INTEGER",
    "command TEXT NOT NULL",
    "facts TEXT NOT NULL",
    "ended TEXT",
)
NAMES: Final = tuple(column.partition(" ")[0] for column in COLUMNS)
_INSERT: Final = f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * len(NAMES))})"
_OF_END: Final = ("status", "ended_at", "jobs", "done", "failed", "ended")
_DONE: Final = ("succeeded", "reused")

Row = tuple[str, str, dict[str, Any], dict[str, Any] | None]
"""Name, run folder, what was known at the start, what was known at the end."""


def prepare(db: Connection, path: str) -> None:
    """Makes the table, or brings it to the present version; in the caller's transaction.

    Raises `StorageError` for a table of a later version.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version > VERSION:
        raise StorageError(
            f"the list of runs {path} is of version {version}, this Ramify knows up to {VERSION}: update "
            "it, or make the list anew with `ramify ls --rebuild`",
            path=path,
            errno=None,
        )
    old = _old_rows(db)
    db.execute("DROP TABLE IF EXISTS runs")
    db.execute(f"CREATE TABLE runs({', '.join(COLUMNS)}) WITHOUT ROWID")
    db.execute("CREATE INDEX runs_by_start ON runs(started)")
    db.execute(f"PRAGMA user_version={VERSION}")
    insert(db, old)


def _old_rows(db: Connection) -> list[Row]:
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchall():
        return []
    found = db.execute("SELECT name, folder, facts, ended FROM runs").fetchall()
    return [(name, folder, decoded(facts) or {}, decoded(ended)) for name, folder, facts, ended in found]


def insert(db: Connection, rows: list[Row]) -> None:
    """Writes runs, in place of those of the same folders. Of one that goes on, what is known stays known."""
    db.executemany(
        _INSERT, [_line(name, folder, _whole(db, folder, facts), end) for name, folder, facts, end in rows]
    )


def _whole(db: Connection, folder: str, facts: dict[str, Any]) -> dict[str, Any]:
    """A driver that goes on with a run says what is new, and not the run's id, its name or its beginning."""
    if "started" in facts or "resumed" not in facts:
        return facts
    query = "SELECT facts FROM runs WHERE folder = ?"
    old = db.execute(query, (os.path.abspath(folder),)).fetchall()
    return {**(decoded(old[0][0]) or {}), **facts} if old else facts


def note_end(db: Connection, folder: str, end: dict[str, Any]) -> None:
    """Writes how the run of a folder ended."""
    told = _of_end(end)
    setting = ", ".join(f"{name} = ?" for name in _OF_END)
    db.execute(
        f"UPDATE runs SET {setting} WHERE folder = ?",  # the names are this module's own
        (*(told[name] for name in _OF_END), folder),
    )


def _line(name: str, folder: str, facts: dict[str, Any], end: dict[str, Any] | None) -> tuple[Any, ...]:
    values = {
        "folder": os.path.abspath(folder),
        "name": name,
        "label": facts.get("label") or name,
        "id": str(run_uuid({"name": name, **facts})),
        "kind": facts.get("kind") or "plan",
        "namespace": facts.get("namespace") or facts.get("created_by"),
        "created_by": facts.get("created_by"),
        "started": float(facts.get("started") or facts.get("created") or time.time()),
        "command": " ".join(map(str, facts.get("command") or ())),
        "facts": encoded(facts),
        **_of_end(end),
    }
    return tuple(values[column] for column in NAMES)


def _of_end(end: dict[str, Any] | None) -> dict[str, Any]:
    if end is None:
        return dict.fromkeys(_OF_END)
    counts = end.get("counts") or {}
    return {
        "status": end.get("status"),
        "ended_at": end.get("ended"),
        "jobs": sum(counts.values()),
        "done": sum(counts.get(state, 0) for state in _DONE),
        "failed": counts.get("failed", 0),
        "ended": encoded(end),
    }


def encoded(facts: dict[str, Any]) -> str:
    """Facts as JSON; what has no place in it as its text."""
    return msgspec.json.encode(facts, enc_hook=str).decode()


def decoded(text: str | None) -> Any:
    """What `encoded` was given; None for None."""
    return None if text is None else msgspec.json.decode(text)
