"""Where the boxes and lines of a picture are, in pixels: what every kind of picture is made of.

Where several nodes have the same several parents, the edges meet in a junction: twenty nodes that wait for
twenty others are forty lines, not four hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from ramify.show.labels import shortened, width
from ramify.show.layering import acyclic, components, layers
from ramify.show.layout import Layout, layered
from ramify.show.picture import Shape, numbered_parents

HEIGHT: Final = 32.0
"""Of every box."""

GAP: Final = 18.0
"""Between two boxes beside each other."""

EDGE_GAP: Final = 9.0
"""Between an edge that passes and what is beside it."""

LANE: Final = 34.0
"""Between two layers at least; more where edges go far."""

PART_GAP: Final = 36.0
"""Between parts of the graph that nothing joins."""

LONGEST: Final = 190.0
"""A name that is wider is shortened."""

PAGE: Final = (1000.0, 640.0)
"""What a person sees at once; which way a graph flows is chosen by it."""


class Box(NamedTuple):
    """The upper left corner of a shape's box, its extent, and its name as it fits."""

    x: float
    y: float
    width: float
    height: float
    label: str


class Line(NamedTuple):
    """An edge between two boxes or junctions by number: its points, and which way it points.

    The points go from `upper` to `lower`; `back` points at `upper`, `both` at each.
    """

    upper: int
    lower: int
    points: tuple[tuple[float, float], ...]
    back: bool
    both: bool


class Drawing(NamedTuple):
    """Boxes in the order of the shapes, then junctions as boxes without extent; lines; the whole extent.

    `down` is False if the graph flows to the right.
    """

    boxes: list[Box]
    lines: list[Line]
    width: float
    height: float
    down: bool


def drawn(shapes: Sequence[Shape]) -> Drawing:
    """Where everything goes. The last few answers are kept, as a live picture changes its colours only.

    >>> drawing = drawn([Shape("1", "a"), Shape("2", "b", parents=("1",))])
    >>> len(drawing.boxes), len(drawing.lines), drawing.boxes[0].y < drawing.boxes[1].y
    (2, 1, True)
    """
    parents = tuple(tuple(above) for above in numbered_parents(shapes))
    return _drawn(parents, tuple((shape.name, shape.count) for shape in shapes))


def present(shapes: Sequence[Shape], drawing: Drawing) -> list[bool]:
    """Which boxes are to be seen: shapes with a count, junctions between two of them.

    >>> shapes = [Shape("1", "a"), Shape("2", "b", count=0)]
    >>> present(shapes, drawn(shapes))
    [True, False]
    """
    there = [shape.count > 0 for shape in shapes]
    above, below = set(), set()
    for line in drawing.lines:
        if line.lower >= len(shapes) and there[line.upper]:
            above.add(line.lower)
        elif line.upper >= len(shapes) and there[line.lower]:
            below.add(line.upper)
    joints = above & below
    return there + [number in joints for number in range(len(shapes), len(drawing.boxes))]


def tips(drawing: Drawing, shapes: int) -> dict[tuple[tuple[float, float], int], list[int]]:
    """One arrowhead for all edges that end at one place: where, which way (-1 is back), and of which lines.

    >>> tips(drawn([Shape("1", "a"), Shape("2", "b", parents=("1",))]), 2)
    {((28.0, 66.0), 1): [0]}
    """
    found: dict[tuple[tuple[float, float], int], list[int]] = {}
    for number, line in enumerate(drawing.lines):
        if not line.back and line.lower < shapes:
            found.setdefault((line.points[-1], 1), []).append(number)
        if (line.back or line.both) and line.upper < shapes:
            found.setdefault((line.points[0], -1), []).append(number)
    return dict(sorted(found.items()))


def count_text(count: int) -> str:
    """What stands behind the name of a group."""
    return f"×{count:,}".replace(",", "\u202f") if count > 1 else ""


@lru_cache(maxsize=4)
def _drawn(parents: tuple[tuple[int, ...], ...], names: tuple[tuple[str, int], ...]) -> Drawing:
    joined = bundled(parents)
    labels = [shortened(name, LONGEST) or "(no name)" for name, _ in names]
    widths = [_box_width(label, count) for label, (_, count) in zip(labels, names, strict=True)]
    more = len(joined) - len(names)
    measured = _Measured(joined, [*labels, *[""] * more], [*widths, *[0.0] * more])
    down = _flows_down(measured)
    parts = [_part(nodes, measured, down) for nodes in components(joined)]
    return _packed(parts, len(joined), down)


class _Measured(NamedTuple):
    parents: list[list[int]]
    labels: list[str]
    widths: list[float]


def bundled(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """The graph with a junction, numbered after the nodes, where three nodes or more share three parents.

    >>> bundled([[], [], [], [0, 1, 2], [2, 1, 0], [0, 1, 2], [5]])
    [[], [], [], [7], [7], [7], [5], [0, 1, 2]]
    """
    joined = [list(above) for above in parents]
    alike: dict[tuple[int, ...], list[int]] = {}
    for node, above in enumerate(parents):
        alike.setdefault(tuple(sorted(set(above))), []).append(node)
    for shared, nodes in alike.items():
        if len(shared) >= 3 and len(nodes) >= 3:
            for node in nodes:
                joined[node] = [len(joined)]
            joined.append(list(shared))
    return joined


def _box_width(label: str, count: int) -> float:
    beside = width(count_text(count)) + 8 if count > 1 else 0.0
    return max(56.0, 30 + width(label) + beside + 10)


def _flows_down(measured: _Measured) -> bool:
    """Whether the picture is easier to see as a whole from top to bottom than from left to right."""
    placed = layers(*acyclic(measured.parents))
    depth = max(placed, default=-1) + 1
    rows, heights, columns = [0.0] * depth, [0.0] * depth, [0.0] * depth
    for row, wide in zip(placed, measured.widths, strict=True):
        rows[row] += wide + GAP
        heights[row] += HEIGHT + GAP
        columns[row] = max(columns[row], wide)
    down = max(max(rows, default=0) / PAGE[0], depth * (HEIGHT + LANE) / PAGE[1])
    right = max((sum(columns) + depth * LANE) / PAGE[0], max(heights, default=0) / PAGE[1])
    return down <= max(1.0, right * 1.2)


class _Part(NamedTuple):
    nodes: list[int]
    boxes: list[Box]
    lines: list[Line]
    width: float
    height: float


def _part(nodes: list[int], measured: _Measured, down: bool) -> _Part:
    """One part that hangs together, with its upper left corner at 0, 0."""
    number = {node: place for place, node in enumerate(nodes)}
    parents = [[number[parent] for parent in measured.parents[node]] for node in nodes]
    widths = [measured.widths[node] for node in nodes]
    heights = [HEIGHT if wide else 0.0 for wide in widths]
    along, across = (heights, widths) if down else (widths, heights)
    layout = layered(parents, across, GAP if down else GAP - 6, EDGE_GAP)
    starts, ends = _bands(layout, along)
    boxes = []
    for place, node in enumerate(nodes):
        start, end = starts[layout.rows[place]], ends[layout.rows[place]]
        middle, at = (start + end) / 2, layout.places[place]
        wide, high = widths[place], heights[place]
        if not down and high:
            wide = end - start  # a column reads better if its boxes are alike
        x, y = (at, middle) if down else (middle, at)
        boxes.append(Box(x - wide / 2, y - high / 2, wide, high, measured.labels[node]))
    lines = _lines(layout, boxes, starts, ends, nodes, down)
    size = (layout.breadth, ends[-1])
    return _Part(nodes, boxes, lines, *(size if down else size[::-1]))


def _bands(layout: Layout, along: Sequence[float]) -> tuple[list[float], list[float]]:
    """Where each layer begins and ends along the flow; the lane after it is wide enough for its edges."""
    thick = [0.0] * layout.depth
    for row, extent in zip(layout.rows, along, strict=True):
        thick[row] = max(thick[row], extent)
    far = [0.0] * layout.depth
    for route in layout.routes:
        points = [
            (layout.rows[route.upper], layout.places[route.upper]),
            *route.bends,
            (layout.rows[route.lower], layout.places[route.lower]),
        ]
        for (row, place), (_, following) in pairwise(points):
            far[row] = max(far[row], abs(place - following))
    starts, ends, at = [], [], 0.0
    for row in range(layout.depth):
        starts.append(at)
        ends.append(at + thick[row])
        at += thick[row] + LANE + min(110.0, far[row] * 0.12)
    return starts, ends


def _lines(
    layout: Layout,
    boxes: Sequence[Box],
    starts: Sequence[float],
    ends: Sequence[float],
    nodes: Sequence[int],
    down: bool,
) -> list[Line]:
    lines = []
    for route in layout.routes:
        upper, lower = boxes[route.upper], boxes[route.lower]
        way = [(layout.places[route.upper], upper.y + upper.height if down else upper.x + upper.width)]
        way.append((way[0][0], ends[layout.rows[route.upper]]))
        for row, place in route.bends:
            way += [(place, starts[row]), (place, ends[row])]
        way.append((layout.places[route.lower], starts[layout.rows[route.lower]]))
        way.append((way[-1][0], lower.y if down else lower.x))
        points = tuple((place, at) if down else (at, place) for place, at in way)
        lines.append(Line(nodes[route.upper], nodes[route.lower], points, route.back, route.both))
    return lines


def _packed(parts: Sequence[_Part], count: int, down: bool) -> Drawing:
    """Puts the parts into rows like words on a page: large ones first, so that rows are of like height."""
    area = sum((part.width + PART_GAP) * (part.height + PART_GAP) for part in parts)
    page = max([PAGE[0], (1.6 * area) ** 0.5, *[part.width for part in parts]])
    boxes = [Box(0, 0, 0, 0, "")] * count
    lines: list[Line] = []
    x = y = tall = wide = 0.0
    for part in sorted(parts, key=lambda part: -part.height):
        gap = PART_GAP if len(part.nodes) > 1 else GAP
        if x and x + part.width > page:
            x, y = 0.0, y + tall + gap
            tall = 0.0
        for node, box in zip(part.nodes, part.boxes, strict=True):
            boxes[node] = box._replace(x=box.x + x, y=box.y + y)
        for line in part.lines:
            lines.append(line._replace(points=tuple((px + x, py + y) for px, py in line.points)))
        wide, tall = max(wide, x + part.width), max(tall, part.height)
        x += part.width + gap
    return Drawing(boxes, lines, wide, y + tall, down)
