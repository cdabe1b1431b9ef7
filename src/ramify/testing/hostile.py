"""A hostile world for the engine: random graphs, and an executor that lies, repeats itself and comes late.

`History(seed).run()` drives one engine through one random history and checks the laws after every event. The
same seed gives the same history.
"""

from __future__ import annotations

from random import Random
from typing import Any

from ramify.core.columns import EVERYTHING
from ramify.core.engine import Engine
from ramify.core.graph import GATHER, GROW, KIND, REUSABLE, WORK, NewNode
from ramify.core.replay import Rows, replay
from ramify.core.table import (
    ASKED,
    BAD,
    BUSY,
    CANCELLED,
    CHECKED,
    FAILED,
    GOOD,
    IDLE,
    NAMES,
    READY,
    REST,
    ROWS,
    RUNNING,
    WAITING,
)
from ramify.core.views import snapshot
from ramify.errors import GraphError, IllegalTransition

_REACHABLE: dict[int, set[int]] = {
    start: {row.target for row in ROWS if start in row.sources} for start in range(len(NAMES))
}
for _ in NAMES:
    for _targets in _REACHABLE.values():
        _targets |= {far for near in tuple(_targets) for far in _REACHABLE[near]}


class History:
    """One random history of one engine, judged by an oracle as it goes."""

    def __init__(self, seed: int, *, nodes: int = 12, reuse: bool = True, growth: bool = True) -> None:
        self.random = Random(seed)
        self.engine = Engine()
        self.reuse, self.growth = reuse, growth
        self.size = nodes
        self.t = 0.0
        self.passes = 0
        self.log: list[Rows] = []
        self.old_news: list[tuple[int, int]] = []
        self.started: list[tuple[int, int]] = []
        self.first: list[NewNode] = []

    def run(self, steps: int = 60) -> Engine:
        """Builds a graph, wants some of it, does `steps` hostile things, then lets everything end."""
        engine = self.engine
        for _ in range(self.random.randint(1, self.size)):
            self.first.append(self._new_node(len(engine)))
            engine.add(*self.first[-1])
        self._want()
        for _ in range(steps):
            self._hostile_step()
            self._judge()
        self._finish()
        self._judge()
        self._judge_end()
        return engine

    def replayed(self) -> Engine:
        """A second engine, made of the log alone."""
        self.log.append(self.engine.take())
        engine = Engine()
        for node in self.first:
            engine.add(*node)
        return replay(engine, self.log)

    # ---- the world

    def _new_node(self, number: int, prefix: str = "n") -> NewNode:
        parents = self.random.sample(range(number), min(number, self.random.choice((0, 0, 1, 1, 2, 3))))
        kinds = [WORK] * 6 + [GATHER] + ([GROW] if self.growth else [])
        flags = self.random.choice(kinds)
        if flags == WORK and self.reuse and self.random.random() < 0.6:
            flags |= REUSABLE
        return f"{prefix}{number}", tuple(parents), flags, ""

    def _time(self) -> float:
        self.t += 1.0
        return self.t

    def _want(self) -> None:
        engine, random = self.engine, self.random
        if random.random() < 0.5:
            engine.want(None, EVERYTHING, self._time())
        else:
            chosen = random.sample(range(len(engine)), random.randint(1, len(engine)))
            engine.want(chosen, "asked for", self._time())

    def _hostile_step(self) -> None:
        action = self.random.choice(
            (self._answer,) * 4
            + (self._start, self._end, self._start, self._end)
            + (self._lie, self._cancel, self._reset, self._want, self._wake, self._take)
        )
        before = bytes(self.engine.state)
        action()
        for node, old in enumerate(before):
            new = self.engine.state[node]
            assert old == new or new in _REACHABLE[old], f"{NAMES[old]} -> {NAMES[new]}"

    def _take(self) -> None:
        self.log.append(self.engine.take())

    def _answer(self) -> None:
        engine = self.engine
        while engine.asks or engine.fresh:
            asks, engine.asks = engine.asks, []
            for node in asks:
                hit = f"old{node}" if self.random.random() < 0.5 else None
                answered = engine.state[node] == ASKED
                assert engine.early(node, hit, self._time()) == answered
            if not engine.asks:
                engine.settle(self._time())
                self._judge_hits()
        checks, engine.checks = engine.checks, []
        for node in checks:
            hit = f"old{node}" if self.random.random() < 0.5 else None
            answered = engine.state[node] == CHECKED
            assert engine.late(node, hit, self._time()) == answered

    def _start(self) -> None:
        self._answer()
        engine = self.engine
        if not engine.ready:
            return
        node = engine.ready.pop(self.random.randrange(len(engine.ready)))
        if engine.state[node] != READY:
            self._refused(lambda: engine.started(node, self._time()))
            return
        assert all(GOOD[engine.state[p]] for p in engine.parents[node])
        attempt = engine.started(node, self._time(), "here")
        self.started.append((node, attempt))

    def _end(self) -> None:
        engine, random = self.engine, self.random
        if not self.started:
            return
        node, attempt = self.started.pop(random.randrange(len(self.started)))
        self.old_news.append((node, attempt))
        current = engine.state[node] == RUNNING and engine.attempts[node] == attempt
        if current and engine.flags[node] & KIND == GROW:
            self._grow(node, attempt)
            return
        roll = random.random()
        if roll < 0.6:
            told = engine.succeeded(node, attempt, f"new{node}", self._time())
        elif roll < 0.75:
            told = engine.again(node, attempt, "once more", self._time())
            if told:
                engine.ready.append(node)
        elif roll < 0.9:
            told = engine.failed(node, attempt, "no", self._time())
        else:
            told = engine.stopped(node, attempt, "stop", self._time())
        assert told == current

    def _grow(self, node: int, attempt: int) -> None:
        engine, random = self.engine, self.random
        known = len(engine)
        if self.passes < 12 and random.random() < 0.7:
            self.passes += 1
            batch = [self._new_node(known + k, "g") for k in range(random.randint(1, 3))]
            if random.random() < 0.2:
                self._refused_growth(node, attempt, batch)
            engine.grew(node, attempt, batch, self._time())
            assert len(engine) == known + len(batch)
            engine.want(range(known, len(engine)), "grown", self._time())
        if random.random() < 0.5:
            others = [n for n in range(len(engine)) if n != node]
            on = random.sample(others, min(len(others), random.randint(0, 2)))
            assert engine.slept(node, attempt, on, self._time())
        else:
            assert engine.succeeded(node, attempt, None, self._time())

    def _refused_growth(self, node: int, attempt: int, batch: list[NewNode]) -> None:
        before = snapshot(self.engine)
        bad: NewNode = ("bad", (len(self.engine) + 99,), WORK, "")
        try:
            self.engine.grew(node, attempt, [*batch, bad], self._time())
        except GraphError:
            assert snapshot(self.engine) == before
        else:
            raise AssertionError("a growth with an unknown parent was taken")

    def _refused(self, act: Any) -> None:
        before = snapshot(self.engine)
        try:
            act()
        except IllegalTransition as error:
            assert error.args
            assert snapshot(self.engine) == before
        else:
            raise AssertionError("an illegal event was taken")

    def _lie(self) -> None:
        """Repeats old news, answers what was not asked, tells of attempts that never were."""
        engine, random = self.engine, self.random
        before = snapshot(engine)
        if self.old_news:
            node, attempt = random.choice(self.old_news)
            if engine.state[node] != RUNNING or engine.attempts[node] != attempt:
                assert not engine.succeeded(node, attempt, "late", self._time())
                assert not engine.failed(node, attempt, "late", self._time())
                assert not engine.stopped(node, attempt, "late", self._time())
        node = random.randrange(len(engine))
        self._refused(lambda: engine.succeeded(node, engine.attempts[node] + 1, "false", self._time()))
        if engine.state[node] not in (ASKED, CHECKED):
            assert not engine.early(node, "false", self._time())
            assert not engine.late(node, "false", self._time())
        assert snapshot(engine) == before

    def _cancel(self) -> None:
        engine = self.engine
        if self.random.random() < 0.1:
            engine.cancelled_all("give up", self._time())
            return
        node = self.random.randrange(len(engine))
        state = engine.state[node]
        assert engine.cancelled(node, "give up", self._time()) == (not REST[state])
        if state == RUNNING:
            assert engine.stopping.pop() == (node, engine.attempts[node])

    def _reset(self) -> None:
        engine = self.engine
        chosen = self.random.sample(range(len(engine)), 1)
        try:
            back = engine.reset(chosen, "again, please", self._time())
        except IllegalTransition:
            return
        assert all(engine.state[n] == IDLE for n in back)
        engine.want([n for n in back if engine.wanted[n]], "reset", self._time())

    def _wake(self) -> None:
        node = self.random.randrange(len(self.engine))
        self.engine.woken(node, "look again", self._time())

    def _finish(self) -> None:
        """An honest world from here on: all that can end, ends."""
        engine = self.engine
        self.passes = 99
        for node, attempt in self.started:
            engine.succeeded(node, attempt, None, self._time())
        self.started = []
        while engine.busy:
            self._answer()
            idle = engine.busy and not (engine.ready or engine.checks or engine.asks)
            assert not idle, "busy, and nothing to do: the run would hang"
            ready, engine.ready = engine.ready, []
            for node in ready:
                if engine.state[node] == READY:
                    attempt = engine.started(node, self._time())
                    engine.succeeded(node, attempt, f"new{node}", self._time())

    # ---- the oracle

    def _judge(self) -> None:
        engine = self.engine
        state = engine.state
        assert engine.busy == sum(BUSY[s] for s in state), "busy is miscounted"
        assert max(state) < len(NAMES), "a step was taken that the table does not have"
        ready, asks, checks = set(engine.ready), set(engine.asks), set(engine.checks)
        for node, parents in enumerate(engine.parents):
            open_parents = sum(not GOOD[state[p]] for p in parents)
            assert engine.need[node] == open_parents, f"need of {node}"
            now = state[node]
            assert now != READY or node in ready
            assert now != ASKED or node in asks
            assert now != CHECKED or node in checks
            if now in (READY, CHECKED):
                assert not open_parents
            if now == WAITING:
                assert open_parents, f"{node} waits for nothing"
                assert not any(state[p] == FAILED for p in parents)

    def _judge_hits(self) -> None:
        """After settling, no early hit has an ancestor that runs, unless something started on it."""
        engine = self.engine
        if engine.asks:
            return
        dirty = bytearray(len(engine))
        for node, parents in enumerate(engine.parents):
            if any(dirty[p] for p in parents):
                dirty[node] = 1
                hit = engine.state[node] == 8 and not engine._is_used(node)
                assert not hit or self._was_late(node), f"the early hit of {node} should be void"
            if engine.state[node] in (READY, WAITING):
                dirty[node] = 1

    def _was_late(self, node: int) -> bool:
        return not engine_need(self.engine, node)

    def _judge_end(self) -> None:
        """At rest, what was wanted has a value, an end, or a parent that keeps it from one."""
        engine = self.engine
        for node in range(len(engine)):
            if engine.wanted[node] and engine.state[node] == WAITING:
                assert any(
                    engine.state[p] == CANCELLED or not REST[engine.state[p]] or BAD[engine.state[p]]
                    for p in engine.parents[node]
                )


def engine_need(engine: Engine, node: int) -> int:
    """How many parents of a node are not good."""
    return engine.need[node]
