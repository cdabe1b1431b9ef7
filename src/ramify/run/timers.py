"""What is due when: attempts that are limited in time, nodes that wait before the next one, the run's end."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush


class Timers:
    """Attempts by the moment at which they are due; `sooner` is called when the first moment came nearer.

    Moments are seconds of a clock that never goes back. Attempt 0 stands for the node as a whole, node -1 for
    the run.

    >>> timers = Timers(lambda: None)
    >>> timers.add(5.0, 1, 1); timers.add(3.0, 2, 1)
    >>> timers.due(4.0), timers.next()
    ([(2, 1)], 5.0)
    """

    def __init__(self, sooner: Callable[[], None]) -> None:
        self._sooner = sooner
        self._heap: list[tuple[float, int, int]] = []

    def add(self, when: float, node: int, attempt: int) -> None:
        """Something is to be looked at, at that moment."""
        heappush(self._heap, (when, node, attempt))
        if self._heap[0][0] == when:
            self._sooner()

    def due(self, now: float) -> list[tuple[int, int]]:
        """Takes the attempts whose moment has come."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            found.append(heappop(self._heap)[1:])
        return found

    def next(self) -> float | None:
        """The nearest moment, or None."""
        heap = self._heap
        return heap[0][0] if heap else None
