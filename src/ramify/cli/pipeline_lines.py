"""Lines about single tasks, as they begin and end: what `-v` adds to a run of a pipeline."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from ramify.core.columns import Columns
from ramify.core.graph import GATHER, KIND, RULE
from ramify.core.keys import decode_key
from ramify.show.text import visible
from ramify.show.watch import Changes

_WORDS: Final = {"s": "launched", "S": "completed", "f": "failed", "r": "tried again"}


class TaskLines:
    """An observer that prints a line for each task that starts or ends."""

    def __init__(self) -> None:
        self._engine: Columns | None = None

    def begin(self, engine: Columns, facts: dict[str, Any]) -> None:
        """The run is about to start."""
        self._engine = engine

    def saw(self, changes: Changes) -> None:
        """Prints what is of a task."""
        assert self._engine is not None, "begin is called before anything else"
        engine = self._engine
        for letter, node, at, _ in changes:
            if letter in _WORDS and engine.flags[node] & KIND != GATHER and not engine.flags[node] & RULE:
                when = time.strftime("%H:%M:%S", time.localtime(at))
                click.echo(
                    f"{when} {visible(str(decode_key(engine.keys[node])))}: {_WORDS[letter]}", err=True
                )

    def ended(self) -> None:
        """Nothing more happens."""
