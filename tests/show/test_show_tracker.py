"""The text tracker: lines for growth, failures and counts, of a run here and of a journal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from grown_runs import Growing, write_waves

from ramify.core.engine import Engine
from ramify.core.graph import GATHER, GROW, RULE
from ramify.run.memory import MemoryRun
from ramify.run.view import RunView
from ramify.show.frames import Timeline, timeline
from ramify.show.tracker import TextTracker, follow


def told(folder: str) -> list[str]:
    lines: list[str] = []
    follow(
        timeline(RunView(folder)), lines.append, lambda: (_ for _ in ()).throw(AssertionError("it is over"))
    )
    return lines


def test_growth_is_told_from_the_beginning_with_the_time(tmp_path: Path) -> None:
    lines = told(write_waves(tmp_path, waves=2, each=2, fails=["map/1/0"]))
    assert lines == [
        "0 ms  + 1 node: source",
        "1.0 s  + 3 nodes by rule wave 0: map/0/0, map/0/1, reduce/0",
        "3.0 s  + 3 nodes by rule wave 1: map/1/0, map/1/1, reduce/1",
        "4.0 s  5/7 done, 1 failed, 1 blocked",
    ]


def test_a_run_that_goes_on_is_followed_to_its_end(tmp_path: Path) -> None:
    run = Growing(tmp_path)
    run.engine.add("a")
    run.engine.add("@rules/more", (0,), GROW | RULE)
    run.start()

    class Driven(Timeline):
        @property
        def status(self) -> str:
            return "RUNNING" if self.end is None else str(self.end["status"])

    passes = run.passes()
    acts = [lambda: _one_pass(run, passes), lambda: None, lambda: _finish(run, passes)]
    lines: list[str] = []
    follow(Driven(run.folder), lines.append, lambda: acts.pop(0)())
    assert lines == [
        "0 ms  + 1 node: a",
        "0 ms  0/1 done",
        "1.0 s  + 2 nodes by rule more: b, c",
        "1.0 s  1/3 done",
        "2.0 s  3/3 done",
    ]
    assert not acts


def _one_pass(run: Growing, passes: Iterator[tuple[int, int]]) -> None:
    node, attempt = next(passes)
    run.grow(node, attempt, [("b", (0,), 0, ""), ("c", (0,), 0, "")])
    run.flush()


def _finish(run: Growing, passes: Iterator[tuple[int, int]]) -> None:
    assert list(passes) == []
    run.end()


def test_an_observer_tells_growth_failures_and_counts() -> None:
    lines: list[str] = []
    tracker = TextTracker(lines.append, every=0.0)
    engine = Engine()
    a = engine.add("a")
    rule = engine.add("@rules/map", (a,), GROW | RULE)
    tracker.begin(engine, {"name": "calm-otter"})
    engine.want(None, "asked for")
    engine.succeeded(a, engine.started(a, 0.0), None, 1.0)
    attempt = engine.started(rule, 1.0)
    new = [(f"m{i}", (a,), 0, "") for i in range(4)] + [("@gather/m", (2, 3, 4, 5), GATHER, "")]
    engine.grew(rule, attempt, new, 2.0)
    engine.want(range(2, 7), "grown", 2.0)
    show(tracker, engine)
    engine.failed(2, engine.started(2, 3.0), {"type": "ValueError", "message": "no\x1b[2J"}, 4.0)
    show(tracker, engine)
    show(tracker, engine)
    tracker.ended()
    assert lines == [
        "calm-otter: 1 node",
        "+ 4 nodes by rule map: m0, m1, m2, and 1 more",
        "1/5 done",
        "m0 FAILED: ValueError: no\\x1b[2J",
        "1/5 done, 1 failed",
    ]


def show(tracker: TextTracker, engine: Engine) -> None:
    tracker.saw(list(zip(*engine.take(), strict=True)))


def test_nodes_that_no_event_tells_are_seen_at_the_next_tick() -> None:
    lines: list[str] = []
    tracker = TextTracker(lines.append, every=0.0, name_of={1: "a person's name"}.get)
    engine = Engine()
    engine.add("a")
    tracker.begin(engine, {})
    engine.add("b")
    tracker.tick()
    tracker.ended()
    assert lines == ["1 node", "+ 1 node: a person's name", "0/2 done"]


def test_counts_wait_for_their_time_and_are_told_at_the_end() -> None:
    lines: list[str] = []
    tracker = TextTracker(lines.append, every=1e9)
    engine = Engine()
    nodes = [engine.add(str(i)) for i in range(50)]
    tracker.begin(engine, {})
    engine.want(None, "asked for")
    for node in nodes:
        engine.succeeded(node, engine.started(node, 0.0), None, 1.0)
        show(tracker, engine)
    tracker.ended()
    assert lines == ["50 nodes", "1/50 done", "50/50 done"]


def test_many_failures_are_not_all_told() -> None:
    lines: list[str] = []
    tracker = TextTracker(lines.append)
    engine = Engine()
    nodes = [engine.add(str(i)) for i in range(30)]
    tracker.begin(engine, {})
    engine.want(None, "asked for")
    for node in nodes:
        engine.failed(node, engine.started(node, 0.0), None, 1.0)
    show(tracker, engine)
    assert len([line for line in lines if "FAILED" in line]) == 10
    assert len([line for line in lines if line.startswith("more nodes fail")]) == 1
    assert lines[-1] == "0/30 done, 30 failed"


def test_it_watches_a_real_run() -> None:
    lines: list[str] = []
    run = MemoryRun(observers=[TextTracker(lines.append, every=0.0)])
    run.add("a", int)
    run.driver.recorder.introduce(run.engine, {"name": "real"})
    run.start()
    run.driver.recorder.end({})
    assert lines[0] == "real: 1 node" and re.fullmatch(r"1/1 done", lines[-1])
