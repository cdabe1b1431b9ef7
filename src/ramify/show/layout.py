"""A layered drawing of a graph, as numbers: each node's row, its place in the row, the bends of edges.

Cost is linear in nodes, edges and bends. Long edges get a bend in each row that they pass, so that they run
between the boxes; where there would be more than `BENDS` of them, the longest edges get none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from ramify.show.crossings import Ranks, untangle
from ramify.show.layering import Edge, acyclic, layers

BENDS: Final = 40_000
"""More bends than this would take longer than a person waits, and draw a wall."""

SETTLING: Final = 30
"""So often each row is moved to its neighbours; a large graph gets fewer."""

STRAIGHT: Final = 8.0
"""How much a bend pulls more than a box does: long edges are to run straight."""


class Route(NamedTuple):
    """One edge: its ends, its bends as (row, place) from top to bottom, and which way it points."""

    upper: int
    lower: int
    bends: tuple[tuple[int, float], ...]
    back: bool
    both: bool


class Layout(NamedTuple):
    """Where everything is. Places are in the unit of the sizes that were given; the leftmost edge is 0."""

    rows: list[int]
    places: list[float]
    routes: list[Route]
    depth: int
    breadth: float


def layered(
    parents: Sequence[Sequence[int]],
    sizes: Sequence[float] | None = None,
    gap: float = 1.0,
    edge_gap: float | None = None,
) -> Layout:
    """Lays out the graph in which node `i` has the parents `parents[i]`.

    `sizes` are the extents of the nodes along their rows (default 1), `gap` is kept free between two boxes of
    a row, `edge_gap` (default half of it) between an edge that passes and what is next to it. A place is the
    middle of a node. Deterministic; the number of layers does not matter to the stack.

    >>> layout = layered([[], [0], [0], [1, 2]])
    >>> layout.rows, layout.places, layout.depth, layout.breadth
    ([0, 1, 1, 2], [1.5, 0.5, 2.5, 1.5], 3, 3.0)
    """
    if not parents:
        return Layout([], [], [], 0, 0.0)
    extents = [1.0] * len(parents) if sizes is None else list(sizes)
    order, edges = acyclic(parents)
    rows = layers(order, edges)
    ranks, chains = _ranked(rows, edges)
    untangle(ranks)
    extents += [0.0] * (len(ranks.up) - len(extents))
    gaps = (gap, gap / 2 if edge_gap is None else edge_gap)
    offsets = [_offsets(layer, extents, len(parents), gaps) for layer in ranks.layers]
    places = _settled(ranks, offsets, len(parents))
    _straighten(ranks, offsets, places, len(parents))
    first = min(place - extent / 2 for place, extent in zip(places, extents, strict=True))
    places = [place - first for place in places]
    routes = [
        Route(edge.upper, edge.lower, _bends(rows[edge.upper], chain, places), edge.back, edge.both)
        for edge, chain in zip(edges, chains, strict=True)
    ]
    breadth = max(place + extent / 2 for place, extent in zip(places, extents, strict=True))
    return Layout(rows, places[: len(parents)], routes, len(ranks.layers), breadth)


def _bends(row: int, chain: Sequence[int], places: list[float]) -> tuple[tuple[int, float], ...]:
    return tuple((row + step, places[point]) for step, point in enumerate(chain, 1))


def _ranked(rows: list[int], edges: list[Edge]) -> tuple[Ranks, list[list[int]]]:
    """The points in their rows, tied to each other; and the bends of each edge."""
    ranks = Ranks([[] for _ in range(max(rows) + 1)], [[] for _ in rows], [[] for _ in rows])
    for node, row in enumerate(rows):
        ranks.layers[row].append(node)
    chains: list[list[int]] = [[] for _ in edges]
    spans = [rows[edge.lower] - rows[edge.upper] for edge in edges]
    left = BENDS
    for number in sorted(range(len(edges)), key=spans.__getitem__):
        left -= spans[number] - 1
        if left < 0:
            break  # this one and all that are longer run straight, behind the boxes
        chains[number] = _tie(ranks, edges[number], rows)
    return ranks, chains


def _tie(ranks: Ranks, edge: Edge, rows: list[int]) -> list[int]:
    first, last = rows[edge.upper] + 1, rows[edge.lower]
    chain = list(range(len(ranks.up), len(ranks.up) + last - first))
    for row, point in enumerate(chain, first):
        ranks.layers[row].append(point)
        ranks.up.append([])
        ranks.down.append([])
    ends = [edge.upper, *chain, edge.lower]
    for upper, lower in pairwise(ends):
        ranks.down[upper].append(lower)
        ranks.up[lower].append(upper)
    return chain


def _settled(ranks: Ranks, offsets: list[list[float]], nodes: int) -> list[float]:
    """The place of every point: rows are moved to the means of their neighbours, up and down by turns."""
    places = [0.0] * len(ranks.up)
    for layer, offset in zip(ranks.layers, offsets, strict=True):
        for point, left in zip(layer, offset, strict=True):
            places[point] = left - offset[-1] / 2
    turns = max(6, min(SETTLING, 60_000 // len(places)))
    for turn in range(turns):
        both = turn >= turns * 2 // 3
        _turn(ranks, offsets, places, nodes, None if both else turn % 2 == 1)
    sources = sum([not above for above in ranks.up])
    sinks = sum([not below for below in ranks.down])
    _turn(
        ranks, offsets, places, nodes, sources > sinks
    )  # a tree's nodes are in the middle of their branches
    return places


def _turn(
    ranks: Ranks, offsets: list[list[float]], places: list[float], nodes: int, downwards: bool | None
) -> None:
    for row in range(len(offsets)) if downwards else reversed(range(len(offsets))):
        _move(ranks, row, offsets[row], places, nodes, downwards)


def _offsets(layer: list[int], extents: list[float], nodes: int, gaps: tuple[float, float]) -> list[float]:
    """How far each point of a row is from the first at least."""
    offsets = [0.0]
    for one, other in pairwise(layer):
        gap = gaps[0] if one < nodes and other < nodes else gaps[1]
        offsets.append(offsets[-1] + (extents[one] + extents[other]) / 2 + gap)
    return offsets


def _move(
    ranks: Ranks, row: int, offsets: list[float], places: list[float], nodes: int, downwards: bool | None
) -> None:
    """Moves one row as near as can be to what it is tied to: above, below, or both if `downwards` is None."""
    layer = ranks.layers[row]
    targets, weights = [], []
    for point, offset in zip(layer, offsets, strict=True):
        ties = ranks.up[point] if downwards else ranks.down[point]
        if downwards is None or not ties:
            ties = ranks.up[point] + ranks.down[point]
        strengths = [STRAIGHT if point >= nodes and other >= nodes else 1.0 for other in ties]
        pull = sum(strengths)
        wanted = sum([places[other] * s for other, s in zip(ties, strengths, strict=True)])
        targets.append((wanted / pull if pull else places[point]) - offset)
        weights.append(pull * (STRAIGHT if point >= nodes else 1.0) if pull else 0.01)
    for point, offset, found in zip(layer, offsets, monotone(targets, weights), strict=True):
        places[point] = found + offset


def _straighten(ranks: Ranks, offsets: list[list[float]], places: list[float], nodes: int) -> None:
    """Puts what follows each other without a branch on one line, as far as there is room beside it."""
    row_of, position = [0] * len(places), [0] * len(places)
    for row, layer in enumerate(ranks.layers):
        for index, point in enumerate(layer):
            row_of[point], position[point] = row, index
    paths = list(_paths(ranks, nodes))
    for _ in range(2):
        for path in paths:
            rooms = [_room(ranks, offsets, places, row_of[point], position[point]) for point in path]
            _align(path, rooms, places, ranks, nodes)


def _paths(ranks: Ranks, nodes: int) -> Iterator[list[int]]:
    """Points that follow each other without a branch: bends of an edge, boxes with one edge on that side."""
    follower = [-1] * len(ranks.up)
    first = bytearray(b"\x01") * len(ranks.up)
    for point, below in enumerate(ranks.down):
        if len(below) == 1 and len(ranks.up[below[0]]) == 1:
            follower[point] = below[0]
            first[below[0]] = 0
    for start in range(len(ranks.up)):
        if first[start] and (follower[start] >= 0 or start >= nodes):
            path = [start]
            while follower[path[-1]] >= 0:
                path.append(follower[path[-1]])
            yield path


def _room(
    ranks: Ranks, offsets: list[list[float]], places: list[float], row: int, index: int
) -> tuple[float, float]:
    """How far left and right a point may go between the ones beside it."""
    layer, offset = ranks.layers[row], offsets[row]
    low, high = float("-inf"), float("inf")
    if index:
        low = places[layer[index - 1]] + offset[index] - offset[index - 1]
    if index + 1 < len(layer):
        high = places[layer[index + 1]] - offset[index + 1] + offset[index]
    return low, high


def _align(
    path: list[int], rooms: list[tuple[float, float]], places: list[float], ranks: Ranks, nodes: int
) -> None:
    """Stretches as long as can be are put on one line each, near where their points were."""
    start = 0
    while start < len(path):
        low, high = rooms[start]
        stop = start + 1
        while stop < len(path) and max(low, rooms[stop][0]) <= min(high, rooms[stop][1]):
            low, high = max(low, rooms[stop][0]), min(high, rooms[stop][1])
            stop += 1
        stretch = path[start:stop]
        line = min(max(_line(stretch, places, ranks, nodes, low, high), low), high)
        if stop - start > 1 or stretch[0] >= nodes:
            for point in stretch:
                places[point] = line
        start = stop


def _line(
    stretch: list[int], places: list[float], ranks: Ranks, nodes: int, low: float, high: float
) -> float:
    """Where a stretch is best: bends below or above the end of their edge, boxes where most of them are."""
    if all(point >= nodes for point in stretch):
        for end in (*ranks.up[stretch[0]], *ranks.down[stretch[-1]]):
            if low <= places[end] <= high:
                return places[end]
    return sorted([places[point] for point in stretch])[len(stretch) // 2]


def monotone(targets: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The never falling row that is nearest to the targets, by weighted squares; linear in their number.

    Neighbours that are in each other's way are pooled at their mean (Ayer, Brunk, Ewing, Reid and Silverman,
    1955).

    >>> monotone([1, 3, 2, 5], [1, 1, 1, 1])
    [1.0, 2.5, 2.5, 5.0]
    """
    blocks: list[tuple[float, float, int]] = []
    for target, weight in zip(targets, weights, strict=True):
        block = (float(target), weight, 1)
        while blocks and blocks[-1][0] > block[0]:
            mean, other, count = blocks.pop()
            both = other + block[1]
            block = ((mean * other + block[0] * block[1]) / both, both, count + block[2])
        blocks.append(block)
    return [mean for mean, _, count in blocks for _ in range(count)]
