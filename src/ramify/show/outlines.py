"""Curves, circles and dashes as straight pieces, for what can draw nothing else."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from ramify.show.drawing import Box, Line

Point = tuple[float, float]

_WORDS: Final = re.compile(r"[A-Z]|-?[\d.]+")
_NUMBERS: Final = {"M": 2, "L": 2, "H": 1, "V": 1, "A": 7, "Z": 0}
_PIECES: Final = 12
"""Of a bow between two layers."""


def bows(line: Line, down: bool) -> list[Point]:
    """An edge as a picture shows it: bows between the layers, straight beside the boxes."""
    points = [line.points[0]]
    for number, (one, other) in enumerate(pairwise(line.points)):
        aligned = one[0] == other[0] if down else one[1] == other[1]
        if aligned or number % 2 == 0:
            points.append(other)
            continue
        middle = (one[1] + other[1]) / 2 if down else (one[0] + other[0]) / 2
        first = (one[0], middle) if down else (middle, one[1])
        second = (other[0], middle) if down else (middle, other[1])
        points += [_cubic(one, first, second, other, step / _PIECES) for step in range(1, _PIECES + 1)]
    return points


def _cubic(one: Point, first: Point, second: Point, other: Point, t: float) -> Point:
    a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
    x, y = (a * p + b * q + c * r + d * s for p, q, r, s in zip(one, first, second, other, strict=True))
    return x, y


def rounded(box: Box, radius: float = 6.0) -> list[Point]:
    """The closed outline of a box with round corners."""
    points = []
    right, foot = box.x + box.width - radius, box.y + box.height - radius
    left, head = box.x + radius, box.y + radius
    for x, y, quarter in ((left, head, 2), (right, head, 3), (right, foot, 0), (left, foot, 1)):
        for step in range(5):
            angle = (quarter + step / 4) * math.pi / 2
            points.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
    return [*points, points[0]]


def dashes(points: Sequence[Point], on: float, off: float) -> Iterator[list[Point]]:
    """The pieces of a dashed line.

    >>> list(dashes([(0, 0), (10, 0)], 4, 2))
    [[(0, 0), (4.0, 0.0)], [(6.0, 0.0), (10.0, 0.0)]]
    """
    piece, left, drawn = [points[0]], on, True
    for one, other in pairwise(points):
        far, at = math.dist(one, other), 0.0
        while far - at >= left:
            at += left
            here = (one[0] + (other[0] - one[0]) * at / far, one[1] + (other[1] - one[1]) * at / far)
            if drawn:
                yield [*piece, here]
            piece, drawn = [here], not drawn
            left = on if drawn else off
        left -= far - at
        piece.append(other)
    if drawn and len(piece) > 1 and math.dist(piece[0], piece[-1]) > 0:
        yield piece


def sign_lines(path: str) -> list[list[Point]]:
    """The lines of a sign of `palette.LOOKS`, whose arcs are parts of circles.

    >>> sign_lines("M4 4 12 12M2 3H5V7")
    [[(4.0, 4.0), (12.0, 12.0)], [(2.0, 3.0), (5.0, 3.0), (5.0, 7.0)]]
    """
    lines: list[list[Point]] = []
    words = _WORDS.findall(path)
    place, letter = 0, "M"
    while place < len(words):
        if words[place].isalpha():
            letter, place = words[place], place + 1
        numbers = [float(word) for word in words[place : place + _NUMBERS[letter]]]
        place += len(numbers)
        if letter == "M":
            lines.append([(numbers[0], numbers[1])])
            letter = "L"
        elif letter == "Z":
            lines[-1].append(lines[-1][0])
        else:
            lines[-1] += _reach(lines[-1][-1], letter, numbers)
    return lines


def _reach(here: Point, letter: str, numbers: Sequence[float]) -> list[Point]:
    if letter == "H":
        return [(numbers[0], here[1])]
    if letter == "V":
        return [(here[0], numbers[0])]
    if letter == "L":
        return [(numbers[0], numbers[1])]
    radius, _, _, large, clockwise, x, y = numbers
    return _arc(here, (x, y), radius, large == 1, clockwise == 1)


def _arc(one: Point, other: Point, radius: float, large: bool, clockwise: bool) -> list[Point]:
    """Points on a circle from one to the other; y grows downwards."""
    half = math.dist(one, other) / 2
    away = math.sqrt(max(0.0, radius * radius - half * half)) / (2 * half)
    side = 1 if large != clockwise else -1
    x = (one[0] + other[0]) / 2 - side * away * (other[1] - one[1])
    y = (one[1] + other[1]) / 2 + side * away * (other[0] - one[0])
    begin = math.atan2(one[1] - y, one[0] - x)
    turn = (math.atan2(other[1] - y, other[0] - x) - begin) % (2 * math.pi)
    if not clockwise:
        turn -= 2 * math.pi
    return [
        (x + radius * math.cos(begin + turn * step / 16), y + radius * math.sin(begin + turn * step / 16))
        for step in range(1, 17)
    ]
