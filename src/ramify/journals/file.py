"""A journal as one file of JSON lines.

Each record is one line, and lines are handed to the operating system whole, so that a killed process leaves
at most one cut short, which reading skips and writing replaces. The first line names the format's version.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from ramify.errors import JournalError, StorageError

VERSION: Final = 1
"""The version of the format; a reader refuses a later one."""

_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


class FileJournal:
    """Writes records to the end of a file, which is made with its first record.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     journal = FileJournal(folder + "/journal.jsonl")
    ...     journal.append(["run", {"name": "calm-otter"}])
    ...     journal.close()
    ...     list(read_journal(folder + "/journal.jsonl"))
    [['run', {'name': 'calm-otter'}]]
    """

    def __init__(self, path: str, *, durable: bool = False) -> None:
        self.path = path
        self.durable = durable
        self._file: int | None = None
        self._refusal: StorageError | None = None

    def append(self, record: Sequence[Any]) -> None:
        """Writes one record; raises `StorageError` where the file system refuses.

        A line that was written in part (a full disk) is taken back. What comes after a record that could not
        be written is refused as well: a journal has no gaps.
        """
        self._write(_encode(record) + b"\n")

    def extend(self, records: Sequence[Sequence[Any]]) -> None:
        """Writes several records at once, or none of them; raises as `append`."""
        self._write(_encode_lines(records))

    def _write(self, lines: bytes) -> None:
        if self._refusal is not None:
            raise self._refusal
        try:
            file = self._open() if self._file is None else self._file
            _put(file, lines)
            if self.durable:
                os.fsync(file)
        except OSError as error:
            self._refusal = StorageError(
                f"the journal {self.path} cannot be written: {error.strerror}; "
                "make room or give the run another folder",
                path=self.path,
                errno=error.errno,
            )
            raise self._refusal from error

    def _open(self) -> int:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            whole = _whole_lines(self.path) if os.fstat(file).st_size else 0
            os.ftruncate(file, whole)
            if not whole:
                _put(file, _encode(["ramify-journal", VERSION]) + b"\n")
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return file

    def close(self) -> None:
        """Closes the file; may be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _put(file: int, lines: bytes) -> None:
    """Writes all of it, or nothing."""
    written = 0
    try:
        while written < len(lines):
            written += os.write(file, lines[written:] if written else lines)
    except OSError:
        os.ftruncate(file, os.fstat(file).st_size - written)
        raise


def _whole_lines(path: str) -> int:
    """How many bytes of the file are whole lines."""
    with open(path, "rb") as file:
        data = file.read()
    return data.rfind(b"\n") + 1


def read_journal(path: str) -> Iterator[list[Any]]:
    """The records of a journal, in order; a last line that was cut short is left out.

    Raises `JournalError` for a file that is no journal, a later version, and a whole line that is not JSON.
    """
    yield from JournalReader(path).new()


class JournalReader:
    """Reads a journal that may still grow: each time only what is new.

    `line` is the number of the last line that was given, the first being the version's.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.line = 0
        self._offset = 0

    def new(self) -> Iterator[list[Any]]:
        """The records that came since the last call; raises as `read_journal` does.

        Where reading stops early, the next call goes on behind the last record that was given.
        """
        with open(self.path, "rb") as file:
            file.seek(self._offset)
            data = file.read()
        for line in data[: data.rfind(b"\n") + 1].splitlines(keepends=True):
            record = _decode(line, self.path, self.line + 1)
            self.line += 1
            self._offset += len(line)
            if self.line > 1:
                yield record
            else:
                _check_head(record, self.path)

    def has_grown(self) -> bool:
        """Whether there may be something new; costs one question about the file."""
        return os.path.getsize(self.path) > self._offset


def _check_head(head: list[Any], path: str) -> None:
    if head[:1] != ["ramify-journal"]:
        raise JournalError(f"{path} is not a journal of Ramify", path=path, line=1)
    if head[1] > VERSION:
        raise JournalError(
            f"{path} has version {head[1]}, this Ramify reads up to {VERSION}: update it", path=path, line=1
        )


def _decode(line: bytes, path: str, number: int) -> list[Any]:
    try:
        record = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise JournalError(f"line {number} of {path} is damaged: {error}", path=path, line=number) from error
    if not isinstance(record, list):
        raise JournalError(f"line {number} of {path} is no record", path=path, line=number)
    return record
