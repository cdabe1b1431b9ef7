"""The order within each layer: few crossings, by medians and means of neighbours, then by exchanges.

The points are numbered: nodes first, then the bends of long edges. `Ranks.up[p]` and `Ranks.down[p]` are the
points next to `p`, one layer above and below. The method is that of Sugiyama, Tagawa and Toda (1981), with
the sweeps and exchanges of Gansner, Koutsofios, North and Vo, "A technique for drawing directed graphs"
(1993).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import Final, NamedTuple

SWEEPS: Final = 24
"""So many sweeps at most for a small graph; a large one gets fewer."""

PATIENCE: Final = 5
"""So many sweeps may bring nothing before the search ends."""

WORK: Final = 800_000
"""So many points and segments are looked at, over all sweeps, before no further sweep begins."""

EXCHANGES: Final = 4_000
"""With more segments than this, neighbours are not exchanged one by one."""


class Ranks(NamedTuple):
    """Points in layers, from top to bottom, and what each is tied to in the next ones."""

    layers: list[list[int]]
    up: list[list[int]]
    down: list[list[int]]


def untangle(ranks: Ranks) -> None:
    """Orders each layer in place.

    >>> ranks = Ranks([[0, 1], [2, 3]], [[], [], [1], [0]], [[3], [2], [], []])
    >>> untangle(ranks); crossings(ranks)
    0
    """
    _depth_first(ranks)
    size = max(1, len(ranks.up) + sum(map(len, ranks.down)))
    best, fewest = [list(layer) for layer in ranks.layers], crossings(ranks)
    since = 0
    for sweep in range(max(2, min(SWEEPS, WORK // size))):
        if not fewest or since == PATIENCE:
            break
        _sweep(ranks, downwards=sweep % 2 == 0, mirrored=sweep % 4 > 1)
        _exchange(ranks)
        count, since = crossings(ranks), since + 1
        if count < fewest:
            best, fewest, since = [list(layer) for layer in ranks.layers], count, 0
    ranks.layers[:] = best


def _depth_first(ranks: Ranks) -> None:
    """The first order: a tree gets no crossing by it."""
    layer_of = [0] * len(ranks.up)
    for row, layer in enumerate(ranks.layers):
        for point in layer:
            layer_of[point] = row
    starts = [point for layer in ranks.layers for point in layer if not ranks.up[point]]
    for layer in ranks.layers:
        layer.clear()
    seen = bytearray(len(ranks.up))
    for start in starts:
        stack = [start]
        while stack:
            point = stack.pop()
            if not seen[point]:
                seen[point] = 1
                ranks.layers[layer_of[point]].append(point)
                stack += reversed(ranks.down[point])


def _sweep(ranks: Ranks, downwards: bool, mirrored: bool) -> None:
    """Goes through the layers once, each by the one before; `mirrored` turns those that are equal around."""
    layers, ties = (ranks.layers, ranks.up) if downwards else (ranks.layers[::-1], ranks.down)
    place = [0] * len(ranks.up)
    for row, layer in enumerate(layers):
        if row:
            _sort(layer, ties, place, mirrored)
        for position, point in enumerate(layer):
            place[point] = position


def _sort(layer: list[int], ties: list[list[int]], place: list[int], mirrored: bool) -> None:
    """By the mean of the neighbours; points without any stay where they are."""
    tied = [point for point in layer if ties[point]]
    means = {point: sum([place[other] for other in ties[point]]) / len(ties[point]) for point in tied}
    if mirrored:
        tied.reverse()
    tied.sort(key=means.__getitem__)
    if len(tied) == len(layer):
        layer[:] = tied
        return
    rest = iter(tied)
    layer[:] = [next(rest) if ties[point] else point for point in layer]


def crossings(ranks: Ranks) -> int:
    """How many pairs of segments cross."""
    count = 0
    place = [0] * len(ranks.up)
    for layer in ranks.layers:
        for position, point in enumerate(layer):
            place[point] = position
    for layer in ranks.layers:
        seen: list[int] = []
        for point in layer:
            ends = sorted([place[other] for other in ranks.down[point]])
            for end in ends:
                count += len(seen) - bisect_right(seen, end)
            for end in ends:
                insort(seen, end)
    return count


def _exchange(ranks: Ranks) -> None:
    """Exchanges neighbours in a layer where that saves crossings, until none does."""
    if sum(map(len, ranks.down)) > EXCHANGES:
        return
    place = [0] * len(ranks.up)
    for layer in ranks.layers:
        for position, point in enumerate(layer):
            place[point] = position
    for _ in range(4):
        if not sum([_exchange_layer(layer, ranks, place) for layer in ranks.layers]):
            return


def _exchange_layer(layer: list[int], ranks: Ranks, place: list[int]) -> int:
    ends = {
        point: [sorted([place[other] for other in ties[point]]) for ties in (ranks.up, ranks.down)]
        for point in layer
    }
    saved = 0
    for left in range(len(layer) - 1):
        one, other = layer[left], layer[left + 1]
        gain = sum(_crossed(a, b) - _crossed(b, a) for a, b in zip(ends[one], ends[other], strict=True))
        if gain > 0:
            layer[left], layer[left + 1] = other, one
            saved += gain
    for position, point in enumerate(layer):
        place[point] = position
    return saved


def _crossed(left: Sequence[int], right: Sequence[int]) -> int:
    """How many pairs cross if the point with the ends `left` stands before the one with `right`."""
    count = reached = 0
    for end in left:
        while reached < len(right) and right[reached] < end:
            reached += 1
        count += reached
    return count
