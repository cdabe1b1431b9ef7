"""What may start next: ready nodes by rank, held back where what they ask for is not free.

Nodes that ask for the same things wait in one heap, so a look at the queue costs the number of different
demands, not the number of nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from heapq import heappop, heappush
from typing import Final

Demand = tuple[tuple[str, float], ...]
"""What an attempt holds while it runs: (name of the resource, amount), sorted by name."""

NOTHING: Final[Demand] = ()

_RANKS: Final = 40
"""Bits for ranks below those for priorities."""
_MASK: Final = (1 << _RANKS) - 1


class ReadyQueue:
    """Ready nodes; `pop` gives the best that fits.

    `ranks` orders the nodes, lowest first (None: by number), or makes that order when it is first needed.
    `limits` are the amounts that there are; a resource without a limit is free. `demands` says what nodes ask
    for, and `places` which of the executors they belong to (0 where nothing is said); both are filled in
    before the nodes are pushed.

    >>> queue = ReadyQueue(limits={"cores": 2})
    >>> queue.demands[7] = (("cores", 2.0),)
    >>> for node in (7, 8): queue.push(node)
    >>> queue.pop(), queue.pop()
    (7, 8)
    """

    def __init__(
        self,
        ranks: Sequence[int] | Callable[[], Sequence[int]] | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self.limits = dict(limits or {})
        self.free = dict(self.limits)
        self.demands: dict[int, Demand] = {}
        self.places: dict[int, int] = {}
        self.priorities: dict[int, int] = {}
        """Of those nodes that are to come before others, whatever their rank, or (below 0) after them."""
        self._make_ranks = ranks if callable(ranks) else None
        self._ranks = None if callable(ranks) else ranks
        self._node = None if self._ranks is None else _inverse(self._ranks)
        self._usual: list[int] = []
        self._heaps: dict[tuple[int, Demand], list[int]] = {(0, NOTHING): self._usual}

    def push(self, node: int) -> None:
        """Puts a ready node in."""
        if self._make_ranks is not None:
            self._ranks, self._make_ranks = self._make_ranks(), None
            self._node = _inverse(self._ranks)
        ranks = self._ranks
        rank = ranks[node] if ranks is not None and node < len(ranks) else node
        if self.priorities:
            rank -= self.priorities.get(node, 0) << _RANKS
        if self.demands or self.places:
            kind = self.places.get(node, 0), self.demands.get(node, NOTHING)
            heappush(self._heaps.setdefault(kind, []), rank)
        else:
            heappush(self._usual, rank)

    def pop(self, full: Container[int] = ()) -> int | None:
        """Takes the best node that fits what is free, of an executor that is not `full`, or gives None."""
        if len(self._heaps) == 1:
            usual = self._usual
            return self._node_of(heappop(usual)) if usual and 0 not in full else None
        best = None
        for (place, demand), heap in self._heaps.items():
            if heap and place not in full and (best is None or heap[0] < best[0]) and self._fits(demand):
                best = heap
        return None if best is None else self._node_of(heappop(best))

    def _node_of(self, rank: int) -> int:
        node = self._node
        rank &= _MASK
        return node[rank] if node is not None and rank < len(node) else rank

    def _fits(self, demand: Demand) -> bool:
        free = self.free
        return all(free.get(name, amount) >= amount for name, amount in demand)

    def __bool__(self) -> bool:
        return any(self._heaps.values())

    def hold(self, node: int) -> None:
        """An attempt of the node begins: what it asked for is taken."""
        self._change(node, -1.0)

    def release(self, node: int) -> None:
        """The attempt ended: what it held is free again."""
        self._change(node, 1.0)

    def _change(self, node: int, sign: float) -> None:
        for name, amount in self.demands.get(node, NOTHING):
            if name in self.free:
                self.free[name] += sign * amount


def _inverse(ranks: Sequence[int]) -> list[int]:
    nodes = [0] * len(ranks)
    for node, rank in enumerate(ranks):
        nodes[rank] = node
    return nodes
