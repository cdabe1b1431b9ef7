"""A text tracker: one line for every growth of a graph, and one when its counts have changed. Plain lines.

`TextTracker` is an observer of a run of this process; `follow` reads the journal of any run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from ramify.core.columns import Columns
from ramify.core.rule_keys import called
from ramify.show.frames import Timeline
from ramify.show.groups import Counts, Groups, summed
from ramify.show.growth_words import grown_by, growth_text, is_shown
from ramify.show.text import duration, visible
from ramify.show.watch import Changes, failure_line, troubles

EVERY: Final = 1.0
"""Seconds between two lines of counts, at least."""

_FAILURES: Final = 10
"""So many failures are told one by one."""


class TextTracker:
    """Tells `put` a line for each growth, for each of the first failures, and for counts that have changed.

    Counts are told once in `every` seconds at most, and at the end. It is an observer of a run: give it to
    what takes observers. `name_of` gives what a node is called; its key if nothing is said.

    >>> from ramify.core.engine import Engine
    >>> engine = Engine(); a = engine.add("a"); tracker = TextTracker(print, every=0.0)
    >>> tracker.begin(engine, {"name": "calm-otter"})
    calm-otter: 1 node
    >>> new = engine.added([("b", (a,), 0, ""), ("c", (a,), 0, "")], 0.5)
    >>> tracker.saw(list(zip(*engine.take())))
    + 2 nodes: b, c
    0/3 done
    >>> tracker.ended()
    """

    def __init__(
        self,
        put: Callable[[str], object] = print,
        *,
        every: float = EVERY,
        name_of: Callable[[int], str | None] | None = None,
    ) -> None:
        self._put = put
        self._every = every
        self._name_of = name_of
        self._engine: Columns | None = None
        self._groups: Groups | None = None
        self._known = 0
        self._failures = 0
        self._told = ""
        self._next = 0.0

    def begin(self, engine: Columns, facts: dict[str, Any]) -> None:
        """The run is about to start, or its journal was opened."""
        self._engine = engine
        self._known = len(engine.need)
        self._groups = Groups(engine)
        nodes = sum(is_shown(engine, node) for node in range(self._known))
        name = f"{visible(str(facts['name']))}: " if facts.get("name") else ""
        self._put(f"{name}{nodes} {'node' if nodes == 1 else 'nodes'}")
        self._told = self._counts()

    def saw(self, changes: Changes) -> None:
        """What happened: rows of the log, which the engine has folded already."""
        for letter, node, _, data in changes:
            if letter in "+g":
                self._grew(len(data[0] if letter == "g" else data), node)
            elif letter in "fr":
                self._failed(node, letter == "r", data)
        self.tick()

    def tick(self) -> None:
        """Tells nodes that came without an event, and the counts where they have changed and it is time."""
        if self._engine is None:
            return
        self._grew(len(self._engine.need) - self._known, -1)
        now = time.monotonic()
        if now >= self._next and self._tell_counts():
            self._next = now + self._every

    def ended(self) -> None:
        """Nothing more happens: the last counts."""
        if self._engine is not None:
            self._grew(len(self._engine.need) - self._known, -1)
            self._tell_counts()

    def _name(self, node: int) -> str:
        assert self._engine is not None, "begin is called before anything else"
        named = self._name_of(node) if self._name_of is not None else None
        return named or self._engine.keys[node]

    def _grew(self, count: int, by: int) -> None:
        assert self._engine is not None, "begin is called before anything else"
        new = range(self._known, min(self._known + count, len(self._engine.need)))
        self._known = max(self._known, new.stop)
        names = [self._name(node) for node in new if is_shown(self._engine, node)]
        if names:
            whom = grown_by(self._engine, by, self._name)
            self._put(growth_text(names, [whom] if whom else []))

    def _failed(self, node: int, again: bool, failure: Any) -> None:
        self._failures += 1
        if self._failures <= _FAILURES:
            self._put(failure_line(called(self._name(node)), again, failure))
        elif self._failures == _FAILURES + 1:
            self._put("more nodes fail; `ramify status --failed` tells of all")

    def _tell_counts(self) -> bool:
        told = self._counts()
        if told == self._told:
            return False
        self._told = told
        self._put(told)
        return True

    def _counts(self) -> str:
        assert self._groups is not None, "begin is called before anything else"
        self._groups.update()
        return counts_text(summed(self._groups.all()))


def counts_text(whole: Counts) -> str:
    """The counts of a run in one line.

    >>> counts_text(Counts(5, succeeded=2, running=1, failed=1))
    '2/5 done, 1 running, 1 failed'
    """
    running = [f"{whole.running} running"] if whole.running else []
    return ", ".join([f"{whole.done}/{whole.total} done", *running, *troubles(whole)])


def follow(timeline: Timeline, put: Callable[[str], object], wait: Callable[[], object]) -> None:
    """Tells every growth of a run from its beginning, with the time, and counts when they have changed.

    `wait` is called between two looks, until the run is over.
    """
    told, counted = 0, ""
    groups = Groups(timeline.engine)
    while True:
        for growth in timeline.growths[told:]:
            put(f"{duration(growth.seconds)}  {timeline.growth_text([growth])}")
        told = len(timeline.growths)
        groups.update()
        counts = counts_text(summed(groups.all()))
        if counts != counted:
            counted = counts
            put(f"{duration(timeline.seconds)}  {counts}")
        if timeline.status != "RUNNING":
            return
        wait()
        timeline.refresh()
