"""The results of a project, by their keys: what one run has made, any other may reuse.

Each run that executes something adds one file to `@traces`: a line that says where its outputs are, then a
line for each result. One writer per file, whole lines only, and nothing is ever changed in place, so many
processes may write and read at once, on any file system. What was reused is not written again. The files are
a projection of the sidecars: `rebuild_traces` makes them again.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from ramify.files.local import make_folder, read_if_there, remove_file, write_atomic
from ramify.stores.folder import FolderStore
from ramify.stores.index import Row, drained
from ramify.stores.known import KnownOutputs

FOLDER: Final = "@traces"
_SUFFIX: Final = ".jsonl"


class Header(msgspec.Struct, frozen=True, omit_defaults=True):
    """The first line of a file: where the outputs are, which run made them, and of which target."""

    outputs: str
    run: str
    target: str = ""


class Found(NamedTuple):
    """A result elsewhere: the folder of outputs, and the place in it."""

    outputs: str
    place: str
    own: str
    early: str | None
    late: str


_encode = msgspec.json.Encoder().encode
_header = msgspec.json.Decoder(Header)
_line = msgspec.json.Decoder(tuple[str, str, str | None, str])


class TraceWriter:
    """Writes down what one run makes. Nothing is on disk before the first result."""

    def __init__(self, home: str, outputs: str, run: str, target: str = "") -> None:
        self.folder = os.path.join(home, FOLDER)
        self.header = Header(os.path.abspath(outputs), run, target)
        mark = blake2b(self.header.outputs.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
        self.path = os.path.join(self.folder, f"{run}-{mark}{_SUFFIX}")
        self._new: deque[bytes] = deque()

    def add(self, row: Row) -> None:
        """Notes a result; written with the next `flush`."""
        self._new.append(_encode((row.place, row.own, row.early, row.late)))

    def flush(self) -> None:
        """Adds what was noted to the file."""
        lines = drained(self._new)
        if not lines:
            return
        if not os.path.exists(self.path):
            make_folder(self.folder)
            lines.insert(0, _encode(self.header))
        with open(self.path, "ab") as file:
            file.write(b"\n".join(lines) + b"\n")


class Elsewhere:
    """Results outside of a run's own folder, by their keys; read when first asked for, the newest first.

    `homes` are `.ramify` folders of projects, `outputs` single folders of outputs; `own` is left out.
    """

    def __init__(self, own: str, homes: Iterable[str] = (), outputs: Iterable[str] = ()) -> None:
        self.own = os.path.abspath(own)
        self.homes = list(homes)
        self.outputs = [os.path.abspath(folder) for folder in outputs]
        self._by_own: dict[str, None] | None = None
        self._by_early: dict[str, list[Found]] = {}
        self._by_late: dict[str, list[Found]] = {}
        self._last: dict[tuple[str, str], Found] = {}
        self._known: dict[str, KnownOutputs] = {}

    @classmethod
    def of_rows(cls, known: KnownOutputs, rows: Iterable[Row]) -> Elsewhere:
        """These outputs of one folder, and nothing else."""
        found = cls("")
        found._known[known.store.outputs] = known
        found._by_own = {}
        for row in rows:
            found._add(Found(known.store.outputs, row.place, row.own, row.early, row.late), "")
        return found

    def may_have(self, own: str) -> bool:
        """Whether there is any result of this code and these arguments."""
        return own in self._read()

    def of_target(self, target: str) -> list[Found]:
        """One result of each folder that has some of this target, the newest first."""
        self._read()
        return list({f.outputs: f for (name, _), f in self._last.items() if name == target}.values())

    def early(self, key: str, place: str) -> tuple[Found, Row] | None:
        """A result with this early key that is there and whole; one of the same place if there is one."""
        self._read()
        return self._first(self._by_early.get(key, ()), place, key, early=True)

    def late(self, key: str, place: str) -> tuple[Found, Row] | None:
        """As `early`, by the late key."""
        self._read()
        return self._first(self._by_late.get(key, ()), place, key, early=False)

    def last(self, target: str, place: str) -> Found | None:
        """The newest result of one job of a target, whatever it was made of."""
        if not target or not self.homes:
            return None
        self._read()
        return self._last.get((target, place))

    def known(self, outputs: str) -> KnownOutputs:
        """What is known of a folder of outputs."""
        found = self._known.get(outputs)
        if found is None:
            found = self._known[outputs] = KnownOutputs(FolderStore(outputs))
        return found

    def _first(self, found: Iterable[Found], place: str, key: str, early: bool) -> tuple[Found, Row] | None:
        for one in sorted(found, key=lambda f: f.place != place):
            row = self.known(one.outputs).row(one.place)
            if row is not None and (row.early if early else row.late) == key:
                return one, row
        return None

    def _read(self) -> dict[str, None]:
        if self._by_own is None:
            self._by_own = {}
            for outputs in self.outputs:
                for row in self.known(outputs).rows():
                    self._add(Found(outputs, row.place, row.own, row.early, row.late), "")
            for home in self.homes:
                for header, found in read_traces(home):
                    if header.outputs != self.own:
                        for one in found:
                            self._add(one, header.target)
        return self._by_own

    def _add(self, found: Found, target: str) -> None:
        assert self._by_own is not None, "only _read calls this"
        if found.place.startswith("/") or ".." in found.place.split("/"):  # nothing outside of its folder
            return
        self._by_own[found.own] = None
        if found.early is not None:
            self._by_early.setdefault(found.early, []).append(found)
        self._by_late.setdefault(found.late, []).append(found)
        if target:
            self._last.setdefault((target, found.place), found)


def read_traces(home: str) -> Iterator[tuple[Header, list[Found]]]:
    """The files of a project and the results in each, the newest first; damaged lines are left out."""
    folder = os.path.join(home, FOLDER)
    try:
        entries = [e for e in os.scandir(folder) if e.name.endswith(_SUFFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in sorted(entries, key=_age, reverse=True):
        data = read_if_there(entry.path) or b""
        first, *lines = data[: data.rfind(b"\n") + 1].splitlines() or [b""]
        try:
            header = _header.decode(first)
        except msgspec.MsgspecError:  # nobody can say where these outputs are
            continue
        yield header, list(_found(header.outputs, reversed(lines)))


def _age(entry: os.DirEntry[str]) -> tuple[int, str]:
    try:
        return entry.stat().st_mtime_ns, entry.name
    except FileNotFoundError:  # another process has just removed it
        return 0, entry.name


def _found(outputs: str, lines: Iterable[bytes]) -> Iterator[Found]:
    for line in lines:
        try:
            place, own, early, late = _line.decode(line)
        except msgspec.MsgspecError:  # a line of another version: a result less to reuse
            continue
        yield Found(outputs, place, own, early, late)


def rebuild_traces(home: str, outputs: Iterable[tuple[str, str]]) -> int:
    """Writes `@traces` anew from folders of outputs, `(folder, target)`, oldest first; returns the results.

    A result that several folders hold is kept for the newest of them.
    """
    folder = os.path.join(home, FOLDER)
    try:
        old = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(_SUFFIX)]
    except FileNotFoundError:
        old = []
    met: set[str] = set()
    written: set[str] = set()
    for where, target in reversed(list(outputs)):
        rows = [row for row in KnownOutputs(FolderStore(where)).rows() if row.late not in met]
        met.update(row.late for row in rows)
        writer = TraceWriter(home, where, "again", target)
        lines = [_encode(writer.header), *(_encode((r.place, r.own, r.early, r.late)) for r in rows)]
        if rows:
            make_folder(folder)
            write_atomic(writer.path, b"\n".join(lines) + b"\n")
            written.add(writer.path)
    for path in old:
        if path not in written:
            remove_file(path)
    return len(met)
