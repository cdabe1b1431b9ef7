"""Progress: the groups, the callback's lines, plain lines, and the live picture in a terminal."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from ramify.core.engine import Engine
from ramify.core.graph import GATHER, REUSABLE
from ramify.show.groups import Counts, Groups, fold, summed
from ramify.show.progress import CallbackProgress, LineProgress, make_progress
from ramify.show.watch import Watch


def test_a_group_that_was_seen_to_run_once_is_given_no_time() -> None:
    watch = Watch(io.StringIO())
    for now in (5.0, 7.5):
        assert watch.took("a") is None
        watch.pace("a", Counts(total=2, succeeded=1, running=1), now)
    assert watch.took("a") == 2.5
    watch.pace("b", Counts(total=2, succeeded=2), 8.0)  # it was over when it was first seen
    assert watch.took("b") is None


class Play:
    """An engine whose rows are shown to an observer as they come."""

    def __init__(self, observer: Any, *jobs: tuple[str, tuple[str, ...]], flags: int = 0) -> None:
        self.engine = Engine()
        self.observer = observer
        for key, parents in jobs:
            self.engine.add(key, tuple(self.engine.number[p] for p in parents), flags)
        observer.begin(self.engine, {"name": "calm-otter", "workers": 2})
        self.engine.want(None, "asked for")

    def start(self, key: str) -> None:
        self.engine.started(self.engine.number[key], 0.0)
        self.show()

    def end(self, key: str, failure: dict[str, Any] | None = None, again: bool = False) -> None:
        node = self.engine.number[key]
        attempt = self.engine.attempts[node]
        if failure is None:
            self.engine.succeeded(node, attempt, "d", 1.0)
        elif again:
            self.engine.again(node, attempt, failure, 1.0)
        else:
            self.engine.failed(node, attempt, failure, 1.0)
        self.show()

    def show(self) -> None:
        self.observer.saw(list(zip(*self.engine.take(), strict=True)))


BAD = {"type": "ValueError", "message": "no\x1b[31m\nmore"}


# ---- groups


def test_groups_count_states_and_leave_gathers_out() -> None:
    engine = Engine()
    first = engine.add("g/1")
    engine.add("other")
    second = engine.add("g/2")
    engine.add("@all", (first, second), GATHER)
    groups = Groups(engine)
    engine.want(None, "asked for")
    engine.failed(first, engine.started(first, 0.0), BAD, 1.0)
    engine.started(second, 1.0)
    assert groups.names == ["g", "other"]
    assert groups.counts("g") == Counts(total=2, failed=1, running=1)
    assert summed(groups.all()) == Counts(total=3, failed=1, running=1)
    engine.add("g/3")
    groups.update()
    assert groups.counts("g").total == 3


def test_fold_keeps_what_runs_and_hides_what_is_over() -> None:
    counts = {f"g{i}": Counts(total=9, succeeded=9) for i in range(30)} | {"now": Counts(total=9, running=1)}
    shown, rest = fold(counts, 5)
    assert [name for name, _ in shown] == ["g0", "g1", "g2", "now"]
    assert len(rest) == 27


# ---- the callback


def test_callback_says_what_the_contract_says() -> None:
    lines: list[str] = []
    play = Play(CallbackProgress(lines.append), ("a", ()), ("b", ("a",)))
    for key in ("a", "b"):
        play.start(key)
        play.end(key)
    play.observer.ended()
    assert lines == [
        "[execute] starting (2 jobs)",
        "[execute] [1/2] completed: a",
        "[execute] [2/2] completed: b",
        "[execute] done",
    ]


def test_callback_tells_reuse_and_failure() -> None:
    lines: list[str] = []
    play = Play(CallbackProgress(lines.append), ("a", ()), ("b", ()), ("c", ("b",)), flags=REUSABLE)
    for key, digest in (("a", "d"), ("b", None)):
        play.engine.early(play.engine.number[key], digest, 0.0)
    play.engine.early(play.engine.number["c"], None, 0.0)
    play.engine.settle(0.0)
    play.engine.late(play.engine.number["b"], None, 0.0)
    play.show()
    play.start("b")
    play.end("b", BAD)
    play.observer.ended()
    assert lines[1:] == [
        "[execute] [1/3] skipped: a",
        "[execute] [2/3] failed: b",
        "[execute] stopped (2 of 3 jobs)",
    ]


def test_which_observer_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    kinds = {
        "none": make_progress(False),
        "callback": make_progress(False, print),
        "both": make_progress(True, print),
        "lines": make_progress(True, stream=io.StringIO()),
        "live": make_progress(True, stream=Terminal()),
    }
    names = {key: [type(o).__name__ for o in found] for key, found in kinds.items()}
    assert names == {
        "none": [],
        "callback": ["CallbackProgress"],
        "both": ["CallbackProgress"],
        "lines": ["LineProgress"],
        "live": ["LiveProgress"],
    }
    for name, value in (("CI", "1"), ("TERM", "dumb")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert type(make_progress(True, stream=Terminal())[0]) is LineProgress


# ---- plain lines


def test_plain_lines_come_rarely_and_failures_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    out = io.StringIO()
    play = Play(LineProgress(out), *((f"g/{i}", ()) for i in range(20)))
    for i in range(20):
        play.start(f"g/{i}")
        play.end(f"g/{i}", BAD if i == 3 else None)
        clock[0] += 1.0
        play.observer.tick()
    play.observer.ended()
    lines = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    assert lines[0] == "calm-otter: 20 jobs, 2 at a time"
    assert "g/3 FAILED: ValueError: no\\x1b[31m ..." in lines
    assert lines[-1] == "19/20 done, 1 failed, in 20.0 s"
    assert 5 <= len(lines) <= 14
    assert "\x1b" not in out.getvalue()


def test_a_long_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    out = io.StringIO()
    play = Play(LineProgress(out), ("slow", ()))
    play.start("slow")
    for _ in range(650):
        clock[0] += 0.1
        play.observer.tick()
    assert len(out.getvalue().splitlines()) == 3


def test_many_failures_are_not_all_told_one_by_one() -> None:
    out = io.StringIO()
    play = Play(LineProgress(out), *((f"g/{i}", ()) for i in range(100)))
    for i in range(100):
        play.start(f"g/{i}")
        play.end(f"g/{i}", BAD)
    assert 10 < len(out.getvalue().splitlines()) < 15


def test_a_retry_is_told_as_one() -> None:
    out = io.StringIO()
    play = Play(LineProgress(out), ("a", ()))
    play.start("a")
    play.end("a", BAD, again=True)
    assert "a failed, and is tried again" in out.getvalue()
