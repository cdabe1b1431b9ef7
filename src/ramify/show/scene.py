"""One layout for all frames of a run, that of the graph as it is at last: nothing moves as it grows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ramify.core.graph import GATHER, KIND
from ramify.show.drawing import Drawing, drawn
from ramify.show.frames import WORDS, Frame, Growth, Timeline
from ramify.show.picture import LIMIT, STATUSES, URGENCY, Shape, group_names
from ramify.show.svg import NARROW, draw_on, legend_lines
from ramify.show.text import duration


class Scene:
    """The shapes and the drawing of a run, and how they are at a moment.

    More than `limit` nodes are folded to groups by their names, once for all frames; None folds nothing.
    `shapes` are those of the graph as it is at last.
    """

    def __init__(self, timeline: Timeline, limit: int | None = LIMIT) -> None:
        self.timeline = timeline
        self.title = timeline.label
        self._groups: list[int] = [-1] * len(timeline.engine)
        """The number of the shape in which each node is; -1 for those that are not shown."""
        self._names: list[tuple[str, str]] = []
        shown = [node for node in range(len(timeline.engine)) if timeline.is_shown(node)]
        self._sort_in(shown, limit)
        self._parents = self._find_parents(shown)
        self.shapes = self.at(bytes(timeline.engine.state))
        self.drawing: Drawing = drawn(self.shapes)

    # ---- what is where

    def _sort_in(self, shown: Sequence[int], limit: int | None) -> None:
        engine = self.timeline.engine
        names = [self.timeline.name_of(node) for node in shown]
        keys = [engine.keys[node] for node in shown]
        groups = keys
        if limit is not None and len(shown) > limit:
            parents = self._shown_parents(shown)
            shapes = [
                Shape(key, name, parents=above) for key, name, above in zip(keys, names, parents, strict=True)
            ]
            groups = group_names(shapes, limit)
        numbers: dict[str, int] = {}
        sizes = [0] * len(shown)
        for node, group in zip(shown, groups, strict=True):
            self._groups[node] = numbers.setdefault(group, len(numbers))
            sizes[self._groups[node]] += 1
        first: dict[int, int] = {}
        for place, node in enumerate(shown):
            first.setdefault(self._groups[node], place)
        for group, number in numbers.items():
            place = first[number]
            self._names.append((keys[place], names[place] if sizes[number] == 1 else group))

    def _shown_parents(self, shown: Sequence[int]) -> list[tuple[str, ...]]:
        """One parent of each kind is enough to tell a node's layer: through a gather, its last one."""
        engine = self.timeline.engine
        found = []
        for node in shown:
            above = []
            for parent in engine.parents[node]:
                while engine.flags[parent] & KIND == GATHER and engine.parents[parent]:
                    parent = engine.parents[parent][-1]
                if self.timeline.is_shown(parent):
                    above.append(engine.keys[parent])
            found.append(tuple(dict.fromkeys(above)))
        return found

    def _find_parents(self, shown: Iterable[int]) -> list[tuple[str, ...]]:
        """The ids of the shapes above each shape; gathers are seen through."""
        above: list[dict[int, None]] = [{} for _ in self._names]
        engine, groups = self.timeline.engine, self._groups
        through: dict[int, dict[int, None]] = {}
        for node, parents in enumerate(engine.parents):
            gather = engine.flags[node] & KIND == GATHER
            mine = groups[node]
            into = through.setdefault(node, {}) if gather else above[mine] if mine >= 0 else None
            if into is None:
                continue
            for parent in parents:
                if parent in through:
                    into.update(through[parent])
                elif groups[parent] >= 0:
                    into[groups[parent]] = None
        for growth in self.timeline.growths:
            self._tie(growth, above)
        ids = [identity for identity, _ in self._names]
        return [tuple(ids[g] for g in one if g != number) for number, one in enumerate(above)]

    def _tie(self, growth: Growth, above: list[dict[int, None]]) -> None:
        """What a node added, and what waits for nothing else, hangs on that node."""
        adder = self._groups[growth.adder] if growth.adder >= 0 else -1
        if adder < 0:
            return
        for node in growth.nodes:
            if self._groups[node] >= 0 and not self.timeline.engine.parents[node]:
                above[self._groups[node]][adder] = None

    # ---- how it is

    def at(self, states: bytes) -> list[Shape]:
        """The shapes when the nodes were in these states; those that were not there have the count 0."""
        tallies: list[dict[str, int]] = [{} for _ in self._names]
        for group, state in zip(self._groups, states, strict=False):
            if group >= 0:
                tally = tallies[group]
                tally[WORDS[state]] = tally.get(WORDS[state], 0) + 1
        shapes = []
        for (identity, name), parents, tally in zip(self._names, self._parents, tallies, strict=True):
            count = sum(tally.values())
            status = next((one for one in URGENCY if one in tally), STATUSES[-1])
            parted = tally if count > 1 else {}
            shapes.append(Shape(identity, name, status, parents, count, parted))
        return shapes

    def caption(self, frame: Frame) -> str:
        """When a frame is, and what came."""
        return "  ·  ".join(part for part in (duration(frame.seconds), frame.grew) if part)

    def svg(self, frame: Frame) -> str:
        """One frame as SVG; all frames are of one size."""
        wide = max(self.drawing.width, NARROW)
        most = dict.fromkeys(STATUSES, len(self._groups))
        title = f"{self.title}  ·  {self.caption(frame)}"
        least = (wide, legend_lines(most, wide))
        return draw_on(self.drawing, self.at(frame.states), title=title, least=least)
