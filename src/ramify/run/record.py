"""What a run writes down, and who watches it: rows of the engine's log to the journal and to observers."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ramify.core.columns import Columns
from ramify.core.replay import Rows
from ramify.errors import RamifyWarning
from ramify.ports import Journal, Observer


class Recorder:
    """Writes batches of rows, and keeps them for the observers until the waiting thread shows them.

    Records of a journal: `["run", facts]` first, `["rows", letters, nodes, times, data]` for every batch,
    `["at", node, attempt, handle]` for what a recovered driver could hold on to, `["end", facts]` last.
    With `prompt`, a start is written before it is made, however short the job was the last time.
    """

    def __init__(self, journal: Journal, observers: Sequence[Observer] = (), *, prompt: bool = False) -> None:
        self.journal = journal
        self.prompt = prompt
        self.observers = list(observers)
        self._unseen: deque[Rows] = deque()

    def begin(self, facts: dict[str, Any]) -> None:
        """The first record: what the run is."""
        self.journal.append(["run", facts])

    def introduce(self, engine: Columns, facts: dict[str, Any]) -> None:
        """Tells the observers which run they are to watch."""
        for observer in self._those_with("begin"):
            self._guarded(observer, lambda: observer.begin(engine, facts))  # noqa: B023  # called at once

    def write(self, rows: Rows) -> None:
        """One batch of rows."""
        self.journal.append(["rows", *rows])
        if self.observers:
            self._unseen.append(rows)

    def handle(self, node: int, attempt: int, data: Any) -> None:
        """Where an attempt runs."""
        self.journal.append(["at", node, attempt, data])

    def show(self) -> None:
        """Shows the observers what happened since the last call; in the waiting thread only."""
        while self._unseen:
            letters, nodes, times, data = self._unseen.popleft()
            changes = list(zip(letters, nodes, times, data, strict=True))
            for observer in list(self.observers):
                self._guarded(observer, lambda: observer.saw(changes))  # noqa: B023  # called at once
        for observer in self._those_with("tick"):
            self._guarded(observer, observer.tick)

    def end(self, facts: dict[str, Any]) -> None:
        """The last record: how it ended. The observers are told even where it cannot be written."""
        try:
            self.show()
            self.journal.append(["end", facts])
        finally:
            self.journal.close()
            for observer in list(self.observers):
                self._guarded(observer, observer.ended)

    def _those_with(self, method: str) -> list[Any]:
        return [observer for observer in self.observers if hasattr(observer, method)]

    def _guarded(self, observer: Observer, act: Callable[[], None]) -> None:
        """What watches a run must not end it."""
        try:
            act()
        except Exception as error:
            self.observers = [other for other in self.observers if other is not observer]
            warnings.warn(
                f"{type(observer).__name__} failed and is shown nothing more: {error!r}",
                RamifyWarning,
                stacklevel=3,
            )
