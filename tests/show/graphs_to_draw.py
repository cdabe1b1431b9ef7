"""Graphs for the tests of pictures, and what stands in an SVG."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from ramify.show.picture import STATUSES, Shape

NAMES = st.text(max_size=40)


@st.composite
def random_parents(draw: st.DrawFn) -> list[list[int]]:
    """Parents by number, in a random order of numbers, so that a parent may come after its child."""
    size = draw(st.integers(1, 24))
    order = draw(st.permutations(range(size)))
    parents: list[list[int]] = [[] for _ in range(size)]
    for place in range(1, size):
        above = draw(st.lists(st.integers(0, place - 1), max_size=4))
        parents[order[place]] = [order[other] for other in above]
    return parents


def shapes_of(parents: Sequence[Sequence[int]], names: Sequence[str] | None = None) -> list[Shape]:
    """Shapes with these parents; every status comes up."""
    return [
        Shape(
            id=str(node),
            name=names[node] if names else f"node {node}",
            status=STATUSES[node % len(STATUSES)],
            parents=tuple(map(str, above)),
        )
        for node, above in enumerate(parents)
    ]


@dataclass
class Rect:
    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Rect) -> bool:
        apart = 0.2  # numbers are written with one decimal
        return (
            self.x + apart < other.x + other.width
            and other.x + apart < self.x + self.width
            and self.y + apart < other.y + other.height
            and other.y + apart < self.y + self.height
        )

    def holds(self, x: float, y: float, inset: float = 0.0) -> bool:
        return (
            self.x + inset <= x <= self.x + self.width - inset
            and self.y + inset <= y <= self.y + self.height - inset
        )

    def touched(self, x: float, y: float) -> bool:
        """Whether a point is on the border, to a tenth of a pixel."""
        return self.holds(x, y, -0.2) and not self.holds(x, y, 0.2)


@dataclass
class Drawn:
    boxes: dict[str, Rect]
    """By the id of the shape."""
    edges: list[tuple[str, str, list[tuple[float, float]]]]
    """From, to (empty at a junction), the points that the curve passes."""
    text: str
    """All that is to be read, tooltips as well."""
    whole: Rect


def read_svg(document: str) -> Drawn:
    """What an XML reader sees."""
    root = ET.fromstring(document)
    boxes: dict[str, Rect] = {}
    edges = []
    for element in root.iter():
        if "data-id" in element.attrib:
            frames = [e for e in element if e.get("class", "").startswith("rg-box")]
            assert len(frames) == 1 and element.attrib["data-id"] not in boxes
            boxes[element.attrib["data-id"]] = Rect(*(float(frames[0].get(n, "")) for n in _SIDES))
        elif "data-from" in element.attrib:
            points = passed(element.attrib["d"])
            edges.append((element.attrib["data-from"], element.attrib["data-to"], points))
    _, _, wide, high = map(float, root.attrib["viewBox"].split())
    return Drawn(boxes, edges, "\n".join(root.itertext()), Rect(0, 0, wide, high))


_SIDES = ("x", "y", "width", "height")


def passed(path: str) -> list[tuple[float, float]]:
    """Points along a path of M, L and C, eight for each bow."""
    at = (0.0, 0.0)
    found = []
    for command, text in re.findall(r"([MLC])([^MLC]*)", path):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", text)]
        ends = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command == "C":
            found += [bow(at, *ends, step / 8) for step in range(1, 8)]
        elif command == "L":
            found.append(((at[0] + ends[0][0]) / 2, (at[1] + ends[0][1]) / 2))
        at = ends[-1]
        found.append(at)
    return found


def bow(
    start: tuple[float, float],
    first: tuple[float, float],
    second: tuple[float, float],
    end: tuple[float, float],
    t: float,
) -> tuple[float, float]:
    """A point of a cubic curve."""
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    points = (start, first, second, end)
    return (
        sum(w * x for w, (x, _) in zip(weights, points, strict=True)),
        sum(w * y for w, (_, y) in zip(weights, points, strict=True)),
    )
