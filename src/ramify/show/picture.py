"""What a picture of a graph is drawn from: plain shapes, one for a node, or one for many that are alike.

Statuses are the public words of `Status`, and "Reused" for what was completed by an earlier run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ramify.show.layering import acyclic, layers

NOT_STARTED: Final = "Not Started"
RUNNING: Final = "Running"
COMPLETED: Final = "Completed"
REUSED: Final = "Reused"
FAILED: Final = "Failed"
CANCELLED: Final = "Cancelled"
PARENT_FAILED: Final = "Parent Failed"

STATUSES: Final = (COMPLETED, REUSED, RUNNING, FAILED, PARENT_FAILED, CANCELLED, NOT_STARTED)
"""Every status, in the order of legends and bars."""

URGENCY: Final = (FAILED, RUNNING, PARENT_FAILED, CANCELLED, NOT_STARTED, COMPLETED, REUSED)
"""A group has the first of these that any of its nodes has."""

LIMIT: Final = 300
"""With more shapes than this a picture can no longer be read, so they are folded."""


class Shape(msgspec.Struct, frozen=True):
    """One node to be drawn, or a group of them.

    `parents` are ids of other shapes; those that are not drawn are left out. A group has a `count` above 1
    and says in `statuses` how many of its nodes are in which. `title` is what is told about it where there is
    room: a tooltip. One whose `count` is 0 is not there yet: nothing is drawn in its place.

    >>> Shape("1", "train", "Running", ("0",)).name
    'train'
    """

    id: str
    name: str
    status: str = NOT_STARTED
    parents: tuple[str, ...] = ()
    count: int = 1
    statuses: Mapping[str, int] = {}
    title: str = ""

    def tally(self) -> Mapping[str, int]:
        """How many nodes are in which status."""
        return self.statuses or {self.status: self.count}


def counts(shapes: Iterable[Shape]) -> dict[str, int]:
    """How many nodes are in which status, in the order of legends; a status without any is left out.

    >>> counts([Shape("1", "a", "Failed"), Shape("2", "b", "Completed", count=4)])
    {'Completed': 4, 'Failed': 1}
    """
    found: dict[str, int] = {}
    for shape in shapes:
        for status, count in shape.tally().items():
            found[status] = found.get(status, 0) + count
    known = [status for status in STATUSES if found.get(status)]
    return {status: found[status] for status in [*known, *sorted(found.keys() - set(STATUSES))]}


def numbered_parents(shapes: Sequence[Shape]) -> list[list[int]]:
    """The parents of each shape as numbers; a ValueError names an id that two shapes have.

    >>> numbered_parents([Shape("x", "a"), Shape("y", "b", parents=("x", "elsewhere"))])
    [[], [0]]
    """
    number: dict[str, int] = {}
    for shape in shapes:
        if shape.id in number:
            raise ValueError(f"two shapes of one picture have the id {shape.id!r}: ids must differ")
        number[shape.id] = len(number)
    return [[number[parent] for parent in shape.parents if parent in number] for shape in shapes]


def fold(shapes: Sequence[Shape], limit: int = LIMIT) -> list[Shape]:
    """The same graph with at most `limit` shapes: those with like names become one, the coarser the more.

    First copies go together (`score (1)`, `score (2)`), then what has the same path but for its end
    (`grid/1`, `grid/2`), then names that differ in digits only, and at last the nodes of neighbouring layers.
    Nodes in unlike places of the graph may meet in one shape, so that shapes may have edges both ways.

    >>> [shape.name for shape in fold([Shape("1", "f (1)"), Shape("2", "f (2)"), Shape("3", "g")], 2)]
    ['f', 'g']
    """
    return list(shapes) if len(shapes) <= limit else _folded(shapes, group_names(shapes, limit))


def group_names(shapes: Sequence[Shape], limit: int) -> list[str]:
    """The name of the group to which each shape goes, so that there are at most `limit` groups.

    >>> group_names([Shape("1", "f (1)"), Shape("2", "f (2)"), Shape("3", "g")], 2)
    ['f', 'f', 'g']
    """
    names = [shape.name for shape in shapes]
    for stem in _stems(names):
        groups = [stem(name) for name in names]
        if len(set(groups)) <= limit:
            return groups
    return _banded(shapes, groups, max(1, limit))


_COPY: Final = re.compile(r" \(\d+\)$")
_DIGITS: Final = re.compile(r"\d+")


def _stems(names: Iterable[str]) -> list[Callable[[str], str]]:
    """Ways to name groups, from fine to coarse."""
    depth = min(6, max(name.count("/") for name in names))
    paths: list[Callable[[str], str]] = [
        lambda name, depth=depth: "/".join(_COPY.sub("", name).split("/")[:depth])  # type: ignore[misc]  # mypy cannot type a lambda's default
        for depth in range(depth, 0, -1)
    ]
    return [
        lambda name: _COPY.sub("", name),
        *paths,
        lambda name: _DIGITS.sub("#", _COPY.sub("", name).split("/")[0]),
    ]


def _folded(shapes: Sequence[Shape], groups: Sequence[str]) -> list[Shape]:
    members: dict[str, list[Shape]] = {}
    group_of: dict[str, str] = {}
    for shape, group in zip(shapes, groups, strict=True):
        members.setdefault(group, []).append(shape)
        group_of[shape.id] = group
    ids = {group: inside[0].id for group, inside in members.items()}
    folded = []
    for group, inside in members.items():
        above = {group_of[p]: None for shape in inside for p in shape.parents if p in group_of}
        parents = tuple(ids[other] for other in above if other != group)
        folded.append(_group(group, inside, ids[group], parents))
    return folded


def _group(name: str, inside: Sequence[Shape], id: str, parents: tuple[str, ...]) -> Shape:
    if len(inside) == 1:
        alone = inside[0]
        return Shape(id, alone.name, alone.status, parents, alone.count, alone.statuses, alone.title)
    tally = counts(inside)
    status = next((status for status in URGENCY if status in tally), NOT_STARTED)
    return Shape(id, name, status, parents, sum(tally.values()), tally)


def _banded(shapes: Sequence[Shape], groups: Sequence[str], limit: int) -> list[str]:
    """Groups where no name helps: the largest of those by name stay, the rest are joined by their layers."""
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group] = sizes.get(group, 0) + 1
    large = sorted((group for group in sizes if sizes[group] > 1), key=sizes.__getitem__, reverse=True)
    kept = set(large[: limit // 2])
    rows = layers(*acyclic(numbered_parents(shapes)))
    deepest = max(rows) + 1
    bands = min(deepest, limit - len(kept))
    names = [_band_name(band * deepest // bands, (band + 1) * deepest // bands) for band in range(bands)]
    band_of = [0] * deepest
    for band in range(bands):
        for row in range(band * deepest // bands, (band + 1) * deepest // bands):
            band_of[row] = band
    return [group if group in kept else names[band_of[row]] for group, row in zip(groups, rows, strict=True)]


def _band_name(first: int, stop: int) -> str:
    return f"layer {stop}" if stop - first == 1 else f"layers {first + 1}–{stop}"
