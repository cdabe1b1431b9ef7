"""A journal for runs in memory: in memory first, on disk when there is enough of it, or when it got old.

Most live graphs are small and over in a moment. Nothing is made for them until they end, and what drives them
only puts records into a list; they are encoded and written once a second by the thread that waits, and by
whoever drives only when there are very many.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from ramify.ports import Journal

LIMIT: Final = 10_000
"""So many rows may be in memory."""


class LateJournal:
    """Keeps records until `flush`, `close`, or until there are `limit` rows.

    Then `make` gives the journal that they are written to.

    Where writing fails, `refused` is called once with the error, and from then on nothing is kept.

    >>> from ramify.journals.memory import MemoryJournal
    >>> there = MemoryJournal()
    >>> journal = LateJournal(lambda: there, print, limit=3)
    >>> journal.append(["run", {}]); len(there.records)
    0
    >>> journal.append(["rows", "sS", [0, 0], [0.0, 0.1], [None, None]]); len(there.records)
    2
    """

    def __init__(
        self, make: Callable[[], Journal], refused: Callable[[Exception], object], limit: int = LIMIT
    ) -> None:
        self._make = make
        self._refused = refused
        self._limit = limit
        self._kept: deque[Sequence[Any]] = deque()
        self._count = 0
        self._lock = threading.RLock()
        self._journal: Journal | None = None
        self.failed = False
        """Whether writing was given up."""

    def append(self, record: Sequence[Any]) -> None:
        """Keeps one record, or writes all that are kept. Raises nothing."""
        if self.failed:
            return
        self._kept.append(record)
        self._count += len(record[1]) if record[0] == "rows" else 1
        if self._count >= self._limit:
            self.flush()

    def extend(self, records: Sequence[Sequence[Any]]) -> None:
        """As `append`, for each."""
        for record in records:
            self.append(record)

    def flush(self) -> None:
        """Writes what is kept. From any thread; raises nothing."""
        with self._lock:
            if self.failed:
                return
            try:
                self._write()
            except Exception as error:  # nothing of this may end the run, and somebody is told
                self.failed = True
                self._kept.clear()
                self._refused(error)

    def _write(self) -> None:
        if self._journal is None:
            self._journal = self._make()
        self._count = 0
        while self._kept:  # others go on adding to it
            self._journal.extend([self._kept.popleft() for _ in range(len(self._kept))])

    def close(self) -> None:
        """Writes what is kept, and closes; a later record opens it again."""
        self.flush()
        with self._lock:
            if self._journal is not None:
                try:
                    self._journal.close()
                except OSError as error:
                    self._refused(error)
