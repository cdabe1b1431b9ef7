"""A journal that lives in this process: for runs in memory, and for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class MemoryJournal:
    """Keeps records in a list, `records`."""

    def __init__(self) -> None:
        self.records: list[list[Any]] = []

    def append(self, record: Sequence[Any]) -> None:
        """Keeps one record."""
        self.records.append(list(record))

    def extend(self, records: Sequence[Sequence[Any]]) -> None:
        """Keeps several."""
        self.records += map(list, records)

    def close(self) -> None:
        """Nothing is to be closed."""


class NoJournal:
    """Keeps nothing: for a run that nobody is going to read."""

    def append(self, record: Sequence[Any]) -> None:
        """Forgets the record."""

    def extend(self, records: Sequence[Sequence[Any]]) -> None:
        """Forgets them all."""

    def close(self) -> None:
        """Nothing is to be closed."""
