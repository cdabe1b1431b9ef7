"""Where in the user's code something was said: file and line, for messages."""

from __future__ import annotations

import os
import sys
from types import CodeType
from typing import NamedTuple


class Place(NamedTuple):
    """A line of the user's code; as text `file:line`, the file below the current folder where it is there."""

    file: str
    line: int

    def __str__(self) -> str:
        file = self.file
        if not file.startswith("<"):
            below = os.path.relpath(file)
            file = file if below.startswith("..") else below
        return f"{file}:{self.line}"


NOWHERE = Place("<unknown>", 0)


def place_of_caller(depth: int = 2) -> Place:
    """The line that called the function that asks, with `depth` 2; one more for each function between."""
    frame = sys._getframe(depth)
    return Place(frame.f_code.co_filename, frame.f_lineno)


def place_of_yield(generator: object) -> Place:
    """The line at which a generator stands, that of the innermost which it yields from."""
    for _ in range(100):
        inner = getattr(generator, "gi_yieldfrom", None)
        if getattr(inner, "gi_frame", None) is None:
            break
        generator = inner
    frame = getattr(generator, "gi_frame", None)
    if frame is None:
        return NOWHERE
    return Place(frame.f_code.co_filename, frame.f_lineno)


def place_of_code(code: CodeType) -> Place:
    """The line at which a function begins.

    >>> def flow(dsl): ...
    >>> place_of_code(flow.__code__).line > 0
    True
    """
    return Place(code.co_filename, code.co_firstlineno)
