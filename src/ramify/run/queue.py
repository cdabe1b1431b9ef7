"""What may start next: ready nodes by rank, held back where what they ask for is not free.

Nodes that ask for the same things wait in one heap, so a look at the queue costs the number of different
demands, not the number of nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Final

Demand = tuple[tuple[str, float], ...]
"""What an attempt holds while it runs: (name of the resource, amount), sorted by name."""

NOTHING: Final[Demand] = ()


class ReadyQueue:
    """Ready nodes; `pop` gives the best that fits.

    `ranks` orders the nodes, lowest first (None: by number). `limits` are the amounts that there are;
    a resource without a limit is free.

    >>> queue = ReadyQueue(limits={"cores": 2})
    >>> queue.demands[7] = (("cores", 2.0),)
    >>> for node in (7, 8): queue.push(node)
    >>> queue.hold(8); queue.pop(), queue.pop()
    (7, 8)
    """

    def __init__(self, ranks: Sequence[int] | None = None, limits: Mapping[str, float] | None = None) -> None:
        self.limits = dict(limits or {})
        self.free = dict(self.limits)
        self.demands: dict[int, Demand] = {}
        self._ranks = ranks
        self._node = _inverse(ranks) if ranks is not None else None
        self._heaps: dict[Demand, list[int]] = {NOTHING: []}

    def push(self, node: int) -> None:
        """Puts a ready node in."""
        rank = self._ranks[node] if self._ranks is not None and node < len(self._ranks) else node
        demand = self.demands.get(node, NOTHING) if self.demands else NOTHING
        if demand:
            heappush(self._heaps.setdefault(demand, []), rank)
        else:
            heappush(self._heaps[NOTHING], rank)

    def pop(self) -> int | None:
        """Takes the best node that fits what is free; None where none does."""
        if len(self._heaps) == 1:
            heap = self._heaps[NOTHING]
            return self._node_of(heappop(heap)) if heap else None
        best = None
        for demand, heap in self._heaps.items():
            if heap and self._fits(demand) and (best is None or heap[0] < best[0]):
                best = heap
        return None if best is None else self._node_of(heappop(best))

    def _node_of(self, rank: int) -> int:
        node = self._node
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
