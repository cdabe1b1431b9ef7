"""Moments of a run: what was there, in which state, and how the frames are chosen."""

from __future__ import annotations

from pathlib import Path

import pytest
from grown_runs import Growing, write_diamond, write_waves
from hypothesis import given
from hypothesis import strategies as st
from written_runs import T0

from ramify.core.engine import Engine
from ramify.core.graph import GATHER, GROW, RULE
from ramify.core.replay import replay
from ramify.errors import ArgumentError
from ramify.journals.file import read_journal
from ramify.run.view import JOURNAL, RunView, load_graph
from ramify.show.frames import WORDS, Timeline, frames, states_at


def folded(folder: str, seconds: float) -> Engine:
    """The journal until a moment, row by row: what the frames must agree with."""
    engine = Engine()
    for what, *fields in read_journal(f"{folder}/{JOURNAL}"):
        if what == "graph":
            load_graph(engine, [what, *fields])
        elif what == "rows":
            for letter, node, t, fact in zip(*fields, strict=True):
                if t - T0 <= seconds:
                    replay(engine, [(letter, [node], [t], [fact])])
    return engine


def shown(engine: Engine) -> dict[str, str]:
    return {
        key: WORDS[state]
        for key, state in zip(engine.keys, engine.state, strict=True)
        if not key.startswith("@")
    }


@pytest.mark.parametrize("fails", [(), ("map/1/2",)])
def test_every_moment_is_as_the_journal_says(tmp_path: Path, fails: tuple[str, ...]) -> None:
    folder = write_waves(tmp_path, fails=fails)
    view = RunView(folder)
    moments = [frame.seconds for frame in frames(view, count=1000)]
    assert moments == sorted(set(moments)) and moments[0] == 0 and len(moments) > 10
    for seconds in [*moments, moments[-1] + 99, moments[1] / 2]:
        assert states_at(view, seconds) == shown(folded(folder, seconds))


def test_a_moment_as_a_share_and_what_is_no_moment(tmp_path: Path) -> None:
    view = RunView(write_diamond(tmp_path, fails=["b"]))
    assert states_at(view, 0) == {"a": "Running", "b": "Not Started", "c": "Not Started", "d": "Not Started"}
    assert states_at(view, "100%") == states_at(view, 1e9)
    assert states_at(view, "100%") == {
        "a": "Completed",
        "b": "Failed",
        "c": "Completed",
        "d": "Parent Failed",
    }
    assert states_at(view, "50%") == states_at(view, 0.75) == states_at(view, "0.75")
    for wrong in (-1, "soon", "%", float("nan"), "-3%"):
        with pytest.raises(ArgumentError, match="no moment"):
            states_at(view, wrong)


def test_what_grew_is_told_with_the_rule(tmp_path: Path) -> None:
    told = [frame.grew for frame in frames(RunView(write_waves(tmp_path, waves=2)))]
    assert [text for text in told if text] == [
        "+ 1 node: source",
        "+ 5 nodes by rule wave 0: map/0/0, map/0/1, map/0/2, and 2 more",
        "+ 5 nodes by rule wave 1: map/1/0, map/1/1, map/1/2, and 2 more",
    ]
    chosen = frames(RunView(write_waves(tmp_path / "other", waves=2)), at=["100%", 0])
    assert [(frame.seconds == 0, frame.grew[:25]) for frame in chosen] == [
        (True, ""),
        (False, "+ 10 nodes by rule wave 0"),
    ]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Timeline:
    return Timeline(write_waves(tmp_path_factory.mktemp("long"), waves=5, each=7))


@pytest.mark.slow
@given(count=st.integers(1, 60))
def test_no_more_frames_than_asked_for(long: Timeline, count: int) -> None:
    every = frames(long, count=1000)
    some = frames(long, count=count)
    assert len(some) == min(count, len(every))
    assert {(frame.seconds, frame.states) for frame in some} <= {(f.seconds, f.states) for f in every}
    assert some[-1].states == every[-1].states
    assert count == 1 or some[0].states == every[0].states
    if count >= 12:  # ends, and as many of growth as there are
        assert len([frame for frame in some if frame.grew]) == 6


def test_fewer_than_one_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="one frame at least"):
        frames(RunView(write_diamond(tmp_path)), count=0)


def test_nothing_happened_yet(tmp_path: Path) -> None:
    run = Growing(tmp_path)
    (frame,) = frames(RunView(run.folder))
    assert (frame.seconds, frame.states, frame.grew) == (0.0, b"", "")
    assert states_at(RunView(run.folder), 5) == {}


def test_a_run_that_goes_on_is_read_on(tmp_path: Path) -> None:
    run = Growing(tmp_path)
    run.engine.add("a")
    run.engine.add("@rules/more", (0,), GROW | RULE)
    run.start()
    told = Timeline(run.folder)
    assert told.statuses(told.frames()[-1]) == {"a": "Not Started"}
    for node, attempt in run.passes():
        run.grow(node, attempt, [("b", (0,), 0, "")])
    assert told.refresh()
    assert told.statuses(told.frames()[-1]) == {"a": "Completed", "b": "Completed"}
    assert states_at(told, 0) == {"a": "Running"}
    assert [growth.by for growth in told.growths] == ["", "rule more"]


def test_gathers_and_rules_are_no_nodes(tmp_path: Path) -> None:
    run = Growing(tmp_path)
    a, b = run.engine.add("a"), run.engine.add("b")
    both = run.engine.add("@gather/both", (a, b), GATHER)
    run.engine.add("c", (both,))
    run.start()
    assert list(run.passes()) == []
    run.end()
    assert states_at(RunView(run.folder), "100%") == dict.fromkeys("abc", "Completed")
    assert RunView(run.folder).job_ids() == ["a", "b", "c"]


def test_a_reset_shows(tmp_path: Path) -> None:
    run = Growing(tmp_path)
    run.engine.add("a")
    run.start()
    assert list(run.passes()) == []
    run.engine.reset([0], "once more", run.now + 1)
    run.flush()
    run.end()
    view = RunView(run.folder)
    assert [states_at(view, t)["a"] for t in (0, 0.5, 1.5)] == ["Running", "Completed", "Not Started"]
