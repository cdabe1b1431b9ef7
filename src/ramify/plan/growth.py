"""What is added to a plan while its run goes on: written first, committed by a record of the run's journal.

Functions and arguments are put where those of the plan are; definitions are lines of their own file, in which
the last of an id counts. What was written and never committed is harmless: nothing refers to it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec

from ramify.errors import StorageError
from ramify.plan.definition import Definition, Growth
from ramify.plan.folder import NewPlan, write_literals
from ramify.plan.opened import Plan
from ramify.plan.paths import GROWN, GROWN_NOTES

_definitions: Final = msgspec.json.Decoder(Definition)
_notes: Final = msgspec.json.Decoder(Growth)


def write_growth(plan: Plan, new: NewPlan) -> None:
    """Writes definitions, and what they need, beside those of the plan, and has them count.

    The definitions come last: a worker that sees that there are more reads the notes as well.

    Raises `StorageError` where the disk refuses, `UnpicklableError` for an argument that cannot be written;
    nothing refers to what was written until then.
    """
    fresh = {name: note for name, note in new.codes.items() if name not in plan.codes}
    write_literals(plan.path, new)
    note = Growth([d.id for d in new.definitions], fresh, new.folders)
    _append(os.path.join(plan.path, GROWN_NOTES), msgspec.json.Encoder().encode_lines([note]))
    _append(os.path.join(plan.path, GROWN), msgspec.json.Encoder().encode_lines(new.definitions))
    plan.take_growth(new.definitions, fresh, new.folders)


def read_growth(folder: str) -> tuple[list[Definition], list[Growth]]:
    """The definitions that were added, in order, and the notes; what is cut short is not there."""
    return (
        [_definitions.decode(line) for line in _lines(os.path.join(folder, GROWN))],
        [_notes.decode(line) for line in _lines(os.path.join(folder, GROWN_NOTES))],
    )


def forget_growth(plan: Plan) -> None:
    """A new run begins with the plan as it was made; an earlier one has kept its own."""
    for name in (GROWN, GROWN_NOTES):
        with suppress(FileNotFoundError):
            os.unlink(os.path.join(plan.path, name))
    plan.begin_anew()


def prepare_growth(plan: Plan) -> None:
    """Makes the files that growth is written to, so that the run can keep them from its beginning."""
    for name in (GROWN, GROWN_NOTES):
        _append(os.path.join(plan.path, name), b"")


def _lines(path: str) -> Iterable[bytes]:
    try:
        with open(path, "rb") as file:
            return [line for line in file.read().splitlines(keepends=True) if line.endswith(b"\n")]
    except FileNotFoundError:
        return []


def _append(path: str, data: bytes) -> None:
    """Adds whole lines; what a driver before this one left of a line is cut off, as nobody counts it."""
    try:
        with open(path, "rb+" if os.path.exists(path) else "xb+", buffering=0) as file:
            file.seek(_end_of_lines(file))
            file.truncate()
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", path=path) from error


def _end_of_lines(file: io.FileIO) -> int:
    """Where the last whole line ends."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 1024)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
