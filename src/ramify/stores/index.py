"""What is known of the outputs of a folder without opening them: one line per output, added by the driver.

A line holds where the output is, its keys, its digest, its suffix, and the signature of its payload and of
its sidecar: size, time of change and inode, of each file. Where the signature is as it was, the output is
taken to be so too; else it is read and compared with its digest. The index is a projection of the sidecars:
without it, everything is read.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from ramify.files.local import make_folder, remove_file, write_atomic

NAME: Final = ".index"
"""The index's name in the folder of outputs: no key begins with a dot."""


class Row(NamedTuple):
    """One output: where it is, the keys of its trace, its digest, its suffix, its payload's signature."""

    place: str
    own: str
    early: str | None
    late: str
    digest: str
    suffix: str
    signature: str


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Row)


class OutputIndex:
    """The index of one folder of outputs; only the folder's one driver writes it.

    >>> import tempfile
    >>> index = OutputIndex(tempfile.mkdtemp())
    >>> index.add(Row("a", "own", None, "late", "digest", ".json", "1.2.3")); index.flush()
    >>> OutputIndex(index.outputs).rows["a"].late
    'late'
    """

    def __init__(self, outputs: str) -> None:
        self.outputs = outputs
        self.path = os.path.join(outputs, NAME)
        self.rows: dict[str, Row] = {}
        self._lines = 0
        self._new: deque[bytes] = deque()  # added by whoever drives, written by the waiting thread
        self._load()

    def _load(self) -> None:
        try:
            with open(self.path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            return
        whole = data[: data.rfind(b"\n") + 1]
        try:
            rows = _decoder.decode_lines(whole)
        except msgspec.MsgspecError:
            self._load_what_can_be_read(whole)
            return
        self._lines = len(rows)
        self.rows = {row.place: row for row in rows}

    def _load_what_can_be_read(self, lines: bytes) -> None:
        for line in lines.splitlines():
            self._lines += 1
            try:
                row = _decoder.decode(line)
            except msgspec.MsgspecError:  # a line of another version: its output is read instead
                continue
            self.rows[row.place] = row

    def add(self, row: Row) -> None:
        """Notes an output; written with the next `flush`."""
        self.rows[row.place] = row
        self._new.append(_encode(row))

    def flush(self) -> None:
        """Adds what was noted to the file; a file of mostly stale lines is written anew."""
        lines = drained(self._new)
        if not lines:
            return
        self._lines += len(lines)
        if self._lines > 2 * len(self.rows) + 1000:
            rows = list(self.rows.values())
            self._lines = len(rows)
            write_atomic(self.path, b"".join(_encode(row) + b"\n" for row in rows))
            return
        make_folder(self.outputs)
        with open(self.path, "ab") as file:
            file.write(b"\n".join(lines) + b"\n")

    def forget(self, places: Sequence[str]) -> None:
        """Removes outputs from the index, at once."""
        gone = [place for place in places if self.rows.pop(place, None) is not None]
        if gone:
            self._lines = 2 * len(self.rows) + 1001
            remove_file(self.path)
            self._new = deque(_encode(row) for row in self.rows.values())
            self.flush()


def drained(lines: deque[bytes]) -> list[bytes]:
    """Takes all lines out, while others may be adding some."""
    found = []
    while lines:
        found.append(lines.popleft())
    return found


def signature(path: str) -> str | None:
    """Size, time of change and inode of a file; of a folder, of all that is in it. None: there is nothing."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISDIR(found.st_mode):
        return f"{found.st_size}.{found.st_mtime_ns}.{found.st_ino}"
    hashed = blake2b(digest_size=16)
    for above, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            inner = os.stat(os.path.join(above, name))
            hashed.update(f"{above[len(path) :]}/{name} {inner.st_size}.{inner.st_mtime_ns}.".encode())
            hashed.update(f"{inner.st_ino}\n".encode())
    return hashed.hexdigest()
