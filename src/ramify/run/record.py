"""What a run writes down, and who watches it: rows of the engine's log to the journal and to observers."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Sequence
from typing import Any

from ramify.core.replay import Rows
from ramify.errors import RamifyWarning
from ramify.ports import Journal, Observer


class Recorder:
    """Writes batches of rows, and keeps them for the observers until the waiting thread shows them.

    Records of a journal: `["run", facts]` first, `["rows", letters, nodes, times, data]` for every batch,
    `["at", node, attempt, handle]` for what a recovered driver could hold on to, `["end", facts]` last.
    """

    def __init__(self, journal: Journal, observers: Sequence[Observer] = ()) -> None:
        self.journal = journal
        self.observers = list(observers)
        self._unseen: deque[Rows] = deque()

    def begin(self, facts: dict[str, Any]) -> None:
        """The first record: what the run is."""
        self.journal.append(["run", facts])

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
            for observer in self.observers:
                try:
                    observer.saw(changes)
                except Exception as error:
                    self.observers.remove(observer)
                    warnings.warn(
                        f"{type(observer).__name__} failed and is shown nothing more: {error!r}",
                        RamifyWarning,
                        stacklevel=2,
                    )
        for observer in self.observers:
            tick = getattr(observer, "tick", None)
            if tick is not None:
                tick()

    def end(self, facts: dict[str, Any]) -> None:
        """The last record: how it ended."""
        self.show()
        self.journal.append(["end", facts])
        self.journal.close()
        for observer in self.observers:
            observer.ended()
