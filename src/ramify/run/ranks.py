"""Which ready job goes first."""

from __future__ import annotations

from collections.abc import Sequence

from ramify.core.keys import sort_key


def ranks(keys: Sequence[str], parents: Sequence[tuple[int, ...]], *, by_path: bool) -> list[int]:
    """The rank of each node, lowest first: by id; with `by_path`, the longest way to a leaf first.

    With one worker the order is by id, so that a run reads like a list. With more, what much depends on goes
    first, and ids decide between equals.

    >>> ranks(["g/10", "g/9", "a"], [(), (), (0,)], by_path=False)
    [2, 1, 0]
    >>> ranks(["g/10", "g/9", "a"], [(), (), (0,)], by_path=True)
    [0, 2, 1]
    """
    order = sorted(range(len(keys)), key=[_id_key(k) for k in keys].__getitem__)
    if by_path:
        height = heights(parents)
        order.sort(key=lambda node: -height[node])
    rank = [0] * len(keys)
    for place, node in enumerate(order):
        rank[node] = place
    return rank


def _id_key(job_id: str) -> tuple[tuple[int, object], ...]:
    return ((5, job_id),) if job_id[:1] == "@" else sort_key(job_id)


def heights(parents: Sequence[tuple[int, ...]]) -> list[int]:
    """How many nodes lie below each on the longest way; parents stand before their children."""
    height = [0] * len(parents)
    for node in range(len(parents) - 1, -1, -1):
        above = height[node] + 1
        for parent in parents[node]:
            if height[parent] < above:
                height[parent] = above
    return height
