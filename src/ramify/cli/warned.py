"""What Ramify warns of, as people at a terminal read it: one line, without the place in our code."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from ramify.cli.output import hush
from ramify.errors import RamifyWarning
from ramify.show.text import one_line

_LONGEST = 2000
"""Characters of a warning that are shown."""

Listener = Callable[[str], object]


class Warned:
    """Stands in for `warnings.showwarning`: ours are one line each, all others are shown as ever."""

    def __init__(self) -> None:
        self.usual: Any = warnings.showwarning
        self.listeners: list[Listener] = []
        """Who shows a warning while a run is watched; the last one does."""

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Shows one warning."""
        if not issubclass(category, RamifyWarning) or file is not None:
            self.usual(message, category, filename, lineno, file, line)
            return
        text = one_line(str(message), _LONGEST)
        try:
            if self.listeners:
                self.listeners[-1](text)
            else:
                print(f"ramify: warning: {text}", file=sys.stderr, flush=True)
        except OSError:  # nobody reads it: that must not end what it is a warning about
            hush(err=True)


def show_plainly() -> None:
    """From now on, in this process, warnings of Ramify are one line each."""
    if not isinstance(warnings.showwarning, Warned):
        warnings.showwarning = Warned()


@contextmanager
def shown_by(observers: Sequence[Any]) -> Iterator[None]:
    """While this is entered, the observer that draws the run shows warnings, among its own lines."""
    shown = warnings.showwarning
    notes = [observer.note for observer in observers if hasattr(observer, "note")]
    if not isinstance(shown, Warned) or not notes:
        yield
        return
    shown.listeners.append(notes[0])
    try:
        yield
    finally:
        shown.listeners.remove(notes[0])
