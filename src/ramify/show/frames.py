"""How a graph grew and what became of its nodes: moments of a run, folded from its journal.

The journal is folded once to see when something changed, and once more to look at the chosen moments, so the
cost is linear in its length, and in nodes times moments. While the run goes on the moments are those so far.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from ramify.core.engine import Engine
from ramify.core.replay import replay
from ramify.core.table import NAMES
from ramify.errors import ArgumentError
from ramify.run.view import RunView, load_graph
from ramify.show.growth_words import grown_by, growth_text, is_shown
from ramify.show.picture import CANCELLED, COMPLETED, FAILED, NOT_STARTED, PARENT_FAILED, REUSED, RUNNING

COUNT: Final = 60
"""So many frames are made if nothing else is said."""

_WORDS: Final = {
    "running": RUNNING,
    "succeeded": COMPLETED,
    "reused": REUSED,
    "failed": FAILED,
    "blocked": PARENT_FAILED,
    "cancelled": CANCELLED,
}
WORDS: Final = tuple(_WORDS.get(name, NOT_STARTED) for name in NAMES)
"""What pictures call each state of the engine, by its number."""

_NEWS: Final = "sSfrxXRt"
"""Letters of events after which the statuses of nodes are others; see `core.columns.EVENTS`."""


class Frame(msgspec.Struct, frozen=True):
    """A graph at a moment: `seconds` since the run began, the engine's state of each node that was there.

    `states` are numbers of `core.table.NAMES`, by node number: its length tells which nodes were there.
    `grew` says what had come since the frame before, in words; the first of chosen moments says nothing.
    """

    seconds: float
    states: bytes
    grew: str = ""


class Growth(NamedTuple):
    """Nodes that came at once: after so many events, when, their numbers, and who added them.

    `adder` is the number of the node or rule that did, -1 for the start and for a person; `by` is its name.
    """

    position: int
    seconds: float
    nodes: range
    adder: int
    by: str


class Timeline(RunView):
    """One run with the moments at which anything changed, as its journal tells at the moment of opening."""

    def __init__(self, folder: str) -> None:
        self._batches: list[tuple[Any, ...]] = []
        self._events = 0
        self._began: float | None = None
        self._now = 0.0
        self._at: list[float] = []
        self._after: list[int] = []
        self.growths: list[Growth] = []
        super().__init__(folder)

    # ---- reading

    def _fold_one(self, what: str, *fields: Any) -> None:
        known = len(self.engine)
        super()._fold_one(what, *fields)
        if what == "rows":
            self._batches.append(fields)
            self._take_rows(known, *fields)
        elif what == "graph":
            self._batches.append((what, *fields))
            self._events += 1
            self._grew(range(known, len(self.engine)), -1)
        elif what == "run" and self._began is None:
            self._began = self.facts.get("started")

    def _take_rows(
        self, known: int, letters: str, nodes: list[int], times: list[float], data: list[Any]
    ) -> None:
        for letter, node, t, fact in zip(letters, nodes, times, data, strict=True):
            self._events += 1
            self._now = max(self._now, self._since(t))
            if letter in "+g":
                new = fact[0] if letter == "g" else fact
                self._grew(range(known, known + len(new)), node)
                known += len(new)
            elif (letter in _NEWS or (letter in "el" and fact is not None)) and self.is_shown(node):
                self._changed()

    def _since(self, t: float) -> float:
        """Seconds since the beginning; some events have no time of their own."""
        if self._began is None and t > 0:
            self._began = t
        return max(0.0, t - (self._began or t))

    def _grew(self, nodes: range, adder: int) -> None:
        if any(self.is_shown(node) for node in nodes):
            self._changed()
            by = grown_by(self.engine, adder, self.name_of)
            self.growths.append(Growth(self._events, self._now, nodes, adder, by))

    def _changed(self) -> None:
        if self._at and self._at[-1] == self._now:
            self._after[-1] = self._events
        else:
            self._at.append(self._now)
            self._after.append(self._events)

    # ---- the graph

    def is_shown(self, node: int) -> bool:
        """Whether the node does work of the graph; -1 stands for all."""
        return node < 0 or is_shown(self.engine, node)

    def name_of(self, node: int) -> str:
        """What a person calls the node."""
        return self.labels.get(node) or self.engine.keys[node]

    @property
    def seconds(self) -> float:
        """From the beginning to the last change."""
        return self._at[-1] if self._at else 0.0

    def second(self, time: float | str) -> float:
        """A moment in seconds since the beginning; `"50%"` is half of the way to the last change.

        Raises `ArgumentError` for what is before the beginning, and for what is no time.
        """
        try:
            share = isinstance(time, str) and time.strip().endswith("%")
            number = float(str(time).strip().removesuffix("%"))
            number = number / 100 * self.seconds if share else number
        except ValueError:
            number = math.nan
        if number >= 0:
            return number
        raise ArgumentError(
            f"no moment {time!r}: give seconds since the beginning of the run, as 2.5, or a share, as '50%'",
            names=["time"],
        )

    # ---- looking

    def statuses(self, frame: Frame) -> dict[str, str]:
        """See `states_at`."""
        keys = self.engine.keys
        return {keys[node]: WORDS[state] for node, state in enumerate(frame.states) if self.is_shown(node)}

    def frames(self, count: int | None = None, at: Iterable[float | str] | None = None) -> list[Frame]:
        """See `frames`."""
        if count is not None and count < 1:
            raise ArgumentError(f"count={count}: there must be one frame at least", names=["count"])
        if at is None:
            chosen = [(self._at[n], self._after[n]) for n in self._thinned(count or COUNT)] or [(0.0, 0)]
        else:
            seconds = sorted(self.second(one) for one in at)
            chosen = [(one, self._position(one)) for one in seconds]
        positions = [position for _, position in chosen]
        told = self._told(positions, 0 if at is None or not positions else positions[0])
        seen = zip(chosen, self._played(positions), told, strict=True)
        return [Frame(when, states, grew) for (when, _), states, grew in seen]

    def _position(self, seconds: float) -> int:
        place = bisect_right(self._at, seconds)
        return self._after[place - 1] if place else 0

    def _thinned(self, count: int) -> list[int]:
        """Numbers of moments: the first, the last, those of growth, and others evenly between them."""
        total = len(self._at)
        if total <= count:
            return list(range(total))
        if count == 1:
            return [total - 1]
        ends = {0, total - 1}
        places = dict.fromkeys(bisect_left(self._after, growth.position) for growth in self.growths)
        grown = [place for place in places if place not in ends]
        others = total - len(ends) - len(grown)
        room = max(0, count - len(ends))
        chosen = {*ends, *_even(grown, max(room // 2, room - others))}
        rest = [place for place in range(total) if place not in places and place not in ends]
        chosen.update(_even(rest, count - len(chosen)))
        return sorted(chosen)

    def _told(self, positions: Sequence[int], start: int) -> Iterator[str]:
        place = sum(growth.position <= start for growth in self.growths)
        for position in positions:
            first = place
            while place < len(self.growths) and self.growths[place].position <= position:
                place += 1
            yield self.growth_text(self.growths[first:place])

    def growth_text(self, growths: Sequence[Growth]) -> str:
        """What came, in words; "" for nothing."""
        names = [self.name_of(node) for one in growths for node in one.nodes if self.is_shown(node)]
        return growth_text(names, list(dict.fromkeys(one.by for one in growths if one.by)))

    def _played(self, stops: Sequence[int]) -> Iterator[bytes]:
        """The states after so many events each; the stops never fall."""
        engine, done = Engine(), 0
        left = list(reversed(stops))
        for batch in self._batches:
            size = 1 if batch[0] == "graph" else len(batch[0])
            low = 0
            while left and left[-1] <= done + size:
                cut = left.pop() - done
                _fold(engine, batch, low, cut)
                low = cut
                yield bytes(engine.state)
            if not left:
                return
            _fold(engine, batch, low, size)
            done += size
        yield from (bytes(engine.state) for _ in left)


def _fold(engine: Engine, batch: tuple[Any, ...], low: int, high: int) -> None:
    if low >= high:
        return
    if batch[0] == "graph":
        load_graph(engine, list(batch))
    else:
        letters, nodes, times, data = (column[low:high] for column in batch)
        replay(engine, [(letters, nodes, times, data)])


def _even(numbers: Sequence[int], count: int) -> list[int]:
    """So many of these at most, evenly chosen."""
    if len(numbers) <= count:
        return list(numbers)
    return [numbers[(2 * place + 1) * len(numbers) // (2 * count)] for place in range(count)]


def timeline(view: RunView) -> Timeline:
    """The moments of a run that was opened in any way; while it goes on, those until now."""
    return view if isinstance(view, Timeline) else Timeline(view.folder)


def frames(
    view: RunView, *, count: int | None = None, at: Iterable[float | str] | None = None
) -> list[Frame]:
    """The graph at the moments at which it grew or a status changed, thinned to `count` (60 if not said).

    The first and the last change are always among them, and growth before other changes. `at` chooses the
    moments instead, in seconds since the beginning of the run or as shares ("50%"); they are sorted.

    Raises `ArgumentError` for a count below 1 and for what is no moment.
    """
    return timeline(view).frames(count, at)


def states_at(view: RunView, time: float | str) -> dict[str, str]:
    """The status of every node that was there at a moment, by key, in the words of pictures.

    `time` is in seconds since the beginning of the run, or a share of its length as "50%"; after the end
    everything is as it was at the end. Raises `ArgumentError` for what is before the beginning.
    """
    told = timeline(view)
    (frame,) = told.frames(at=[time])
    return told.statuses(frame)
