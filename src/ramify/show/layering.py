"""Layers of a graph: which row each node stands in, so that its parents stand above it.

A graph that is drawn may have cycles, although one that runs has none: a draft that is about to be refused,
or groups of nodes that feed each other. The edges that close a cycle are told apart and drawn upwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Edge(NamedTuple):
    """From `upper` to `lower`, by number, as drawn; `back` if the arrow points up, `both` if each way."""

    upper: int
    lower: int
    back: bool = False
    both: bool = False


def acyclic(parents: Sequence[Sequence[int]]) -> tuple[list[int], list[Edge]]:
    """An order in which uppers come before lowers, and the edges: no double ones, no loops.

    >>> acyclic([[], [0, 0], [1]])[0]
    [0, 1, 2]
    >>> acyclic([[1], [0]])[1]
    [Edge(upper=0, lower=1, back=False, both=True)]
    """
    children = _children(parents)
    open_parents = [len(set(above) - {node}) for node, above in enumerate(parents)]
    order: list[int] = []
    place = [-1] * len(parents)
    for start in _starts(open_parents, place):
        stack = [start]
        while stack:
            node = stack.pop()
            place[node] = len(order)
            order.append(node)
            for child in reversed(children[node]):
                open_parents[child] -= 1
                if not open_parents[child] and place[child] < 0:
                    stack.append(child)
    return order, _edges(children, place)


def _children(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    children: list[list[int]] = [[] for _ in parents]
    for node, above in enumerate(parents):
        for parent in dict.fromkeys(above):
            if parent != node:
                children[parent].append(node)
    return children


def _starts(open_parents: list[int], place: list[int]) -> Iterator[int]:
    """The nodes without parents; then, while a cycle is left, the first node that waits for it."""
    yield from [node for node, count in enumerate(open_parents) if not count]
    for node in range(len(place)):
        if place[node] < 0:
            yield node


def _edges(children: list[list[int]], place: list[int]) -> list[Edge]:
    found: dict[tuple[int, int], Edge] = {}
    for parent, below in enumerate(children):
        for child in below:
            back = place[parent] > place[child]
            ends = (child, parent) if back else (parent, child)
            found[ends] = Edge(*ends, both=True) if ends in found else Edge(*ends, back)
    return list(found.values())


def layers(order: Sequence[int], edges: Sequence[Edge]) -> list[int]:
    """The row of each node, from 0: the longest way to it, but no further from its children than need be.

    >>> layers([0, 1, 2, 3], [Edge(0, 1), Edge(1, 2), Edge(3, 2)])
    [0, 1, 2, 1]
    """
    above: list[list[int]] = [[] for _ in order]
    below: list[list[int]] = [[] for _ in order]
    for edge in edges:
        above[edge.lower].append(edge.upper)
        below[edge.upper].append(edge.lower)
    rows = [0] * len(order)
    for node in order:
        rows[node] = max((rows[upper] + 1 for upper in above[node]), default=0)
    for node in reversed(order):
        if len(below[node]) > len(above[node]):  # fewer edges grow longer than shorter
            rows[node] = min(rows[lower] for lower in below[node]) - 1
    return rows


def components(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """The parts of a graph that no edge joins: each in order, and by their first nodes.

    >>> components([[], [], [0], [1], []])
    [[0, 2], [1, 3], [4]]
    """
    root = list(range(len(parents)))
    for node, above in enumerate(parents):
        for parent in above:
            low, high = sorted((_root(root, node), _root(root, parent)))
            root[high] = low
    parts: dict[int, list[int]] = {}
    for node in range(len(parents)):
        parts.setdefault(_root(root, node), []).append(node)
    return list(parts.values())


def _root(root: list[int], node: int) -> int:
    while root[node] != node:
        root[node] = root[root[node]]
        node = root[node]
    return node
