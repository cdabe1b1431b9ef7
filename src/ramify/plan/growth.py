"""What is added to a plan while its run goes on: written first, committed by a record of the run's journal.

Functions and arguments are put where those of the plan are; definitions are lines of their own file, in which
the last of an id counts. What was written and never committed is harmless: nothing refers to it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from typing import Final

import msgspec

from ramify.errors import StorageError
from ramify.files.local import link_file
from ramify.plan.definition import Definition, Growth
from ramify.plan.folder import NewPlan, write_literals
from ramify.plan.opened import Plan
from ramify.plan.paths import GROWN, GROWN_NOTES

_definitions: Final = msgspec.json.Decoder(Definition)
_notes: Final = msgspec.json.Decoder(Growth)
_encode_lines: Final = msgspec.json.Encoder().encode_lines


def write_growth(plan: Plan, new: NewPlan) -> Callable[[], None]:
    """Writes definitions, and what they need, beside those of the plan, and has them count.

    The definitions come last: a worker that sees that there are more reads the notes as well. Returns what
    takes them off the disk again, for a growth that comes to nothing after all.

    Raises `StorageError` where the disk refuses, `UnpicklableError` for an argument that cannot be written;
    nothing refers to what was written until then.
    """
    fresh = {name: note for name, note in new.codes.items() if name not in plan.codes}
    write_literals(plan.path, new)
    note = Growth([d.id for d in new.definitions], fresh, new.folders)
    before = [(path, _size(path)) for path in (_file_of(plan, GROWN_NOTES), _file_of(plan, GROWN))]

    def undo() -> None:
        for path, size in before:
            _cut(path, size)

    try:
        _append(_file_of(plan, GROWN_NOTES), _encode_lines([note]))
        _append(_file_of(plan, GROWN), _encode_lines(new.definitions))
    except StorageError:
        undo()
        raise
    plan.take_growth(new.definitions, fresh, new.folders)
    return undo


def read_growth(folder: str, growths: int | None = None) -> tuple[list[Definition], list[Growth]]:
    """The definitions that the first so many growths added, or all (None), in order, and their notes."""
    notes = [_notes.decode(line) for line in islice(_lines(os.path.join(folder, GROWN_NOTES)), growths)]
    count = sum(len(note.definitions) for note in notes)
    return [_definitions.decode(line) for line in islice(_lines(os.path.join(folder, GROWN)), count)], notes


def home_of_growth(plan: Plan, folder: str, growths: int) -> str:
    """The folder that holds the first so many growths of the run in `folder`: its own, as a rule.

    Where there are no hard links it has what there was when the run began, and the plan has all.
    """
    kept = list(islice(_lines(os.path.join(folder, GROWN_NOTES)), growths))
    has_own = os.path.exists(os.path.join(folder, GROWN_NOTES))
    return folder if has_own and len(kept) == growths else plan.path


def take_up_growth(plan: Plan, folder: str, growths: int) -> None:
    """Has the plan hold the first so many growths of the run in this folder, and no other.

    What a driver wrote that was killed before the journal had it is cut off: it may have given a job another
    definition, and nobody will ever do what that one needs. A later run of the plan may have had growths of
    its own.
    """
    if home_of_growth(plan, folder, growths) == folder:
        for name in (GROWN, GROWN_NOTES):
            own, kept = _file_of(plan, name), os.path.join(folder, name)
            if not (os.path.exists(own) and os.path.samefile(own, kept)):
                _remove(own)
                link_file(kept, own)
    elif not growths:
        _remove(_file_of(plan, GROWN))
        _remove(_file_of(plan, GROWN_NOTES))
    notes = list(islice(_lines(_file_of(plan, GROWN_NOTES)), growths))
    count = sum(len(_notes.decode(line).definitions) for line in notes)
    _cut(_file_of(plan, GROWN_NOTES), sum(map(len, notes)))
    _cut(_file_of(plan, GROWN), sum(map(len, islice(_lines(_file_of(plan, GROWN)), count))))


def forget_growth(plan: Plan) -> None:
    """A new run begins with the plan as it was made; an earlier one has kept its own."""
    for name in (GROWN, GROWN_NOTES):
        _remove(_file_of(plan, name))
    plan.begin_anew()


def prepare_growth(plan: Plan) -> None:
    """Makes the files that growth is written to, so that the run can keep them from its beginning."""
    for name in (GROWN, GROWN_NOTES):
        _append(_file_of(plan, name), b"")


def _file_of(plan: Plan, name: str) -> str:
    """The path of one of the plan's own files."""
    return os.path.join(plan.path, name)


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


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _size(path: str) -> int:
    return os.stat(path).st_size if os.path.exists(path) else 0


def _cut(path: str, size: int) -> None:
    if _size(path) > size:
        os.truncate(path, size)


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
