"""Shapes of graphs with about `n` nodes, for anything that adds a node by `add(*parents)` and returns it.

Each returns the nodes that nothing depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Add = Callable[..., Any]


def independent(add: Add, n: int) -> list[Any]:
    """Nodes without edges."""
    return [add() for _ in range(n)]


def chain(add: Add, n: int) -> list[Any]:
    """Each node after the one before."""
    node = add()
    for _ in range(n - 1):
        node = add(node)
    return [node]


def tree(add: Add, n: int) -> list[Any]:
    """Pairs of nodes joined, and pairs of those, down to one."""
    level = [add() for _ in range((n + 1) // 2)]
    while len(level) > 1:
        level = [add(*level[i : i + 2]) for i in range(0, len(level), 2)]
    return level


def join(add: Add, n: int) -> list[Any]:
    """One node after all the others."""
    return [add(*[add() for _ in range(n - 1)])]


def ladder(add: Add, n: int) -> list[Any]:
    """Two chains, each node after both nodes of the rung before."""
    rung = add(), add()
    for _ in range(n // 2 - 1):
        rung = add(*rung), add(*rung)
    return list(rung)


SHAPES = {shape.__name__: shape for shape in (independent, chain, tree, join, ladder)}
