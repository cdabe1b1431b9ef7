"""The order of definitions: what is needed first, else as drafted. A cycle is refused with its path."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

from ramify.errors import CycleError


def parents_first(needs: Mapping[int, Sequence[int]], name: Callable[[int], str]) -> list[int]:
    """The nodes so that each comes after what it needs; among those that could, the smallest number.

    `needs[n]` are the nodes that `n` needs. Raises `CycleError` with the names along one cycle.

    >>> parents_first({0: [1], 1: [], 2: [0]}, str)
    [1, 0, 2]
    >>> parents_first({0: [1], 1: [0]}, "ab".__getitem__)
    Traceback (most recent call last):
        ...
    ramify.errors.CycleError: a -> b -> a: each needs the next, so none could ever start
    """
    missing = {node: len(parents) for node, parents in needs.items()}
    children: dict[int, list[int]] = {node: [] for node in needs}
    for node, parents in needs.items():
        for parent in parents:
            children[parent].append(node)
    ready = [node for node, count in missing.items() if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for child in children[node]:
            missing[child] -= 1
            if not missing[child]:
                heapq.heappush(ready, child)
    if len(order) < len(needs):
        raise _cycle(needs, {node for node, count in missing.items() if count}, name)
    return order


def _cycle(needs: Mapping[int, Sequence[int]], stuck: set[int], name: Callable[[int], str]) -> CycleError:
    """Among the stuck nodes each needs another stuck one, so walking on must come back."""
    node = min(stuck)
    seen: dict[int, int] = {}
    walk: list[int] = []
    while node not in seen:
        seen[node] = len(walk)
        walk.append(node)
        node = next(parent for parent in needs[node] if parent in stuck)
    path = [name(n) for n in [*walk[seen[node] :], node]]
    return cycle_error(path)


def cycle_error(path: list[str]) -> CycleError:
    """The error for a cycle through these ids, the first again at the end."""
    shown = path if len(path) <= 12 else [*path[:6], f"... {len(path) - 11} more ...", *path[-5:]]
    return CycleError(f"{' -> '.join(shown)}: each needs the next, so none could ever start", path=path)
