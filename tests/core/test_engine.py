"""The engine, one law at a time. The hostile suite tests all of them together."""

import pytest

from ramify.core.engine import EVERYTHING, Engine
from ramify.core.graph import GATHER, GROW, REUSABLE, WORK
from ramify.core.table import MEANINGS, NAMES, ROWS
from ramify.core.views import counts, snapshot, story
from ramify.errors import DuplicateKeyError, GraphError, IllegalTransition, UnknownKeyError


def states(engine: Engine) -> dict[str, str]:
    return {key: NAMES[state] for key, state in zip(engine.keys, engine.state, strict=True)}


def finish(engine: Engine, key: str, digest: str = "d") -> None:
    node = engine.find(key)
    engine.succeeded(node, engine.started(node, 0.0), digest, 0.0)


def chain(*flags: int) -> Engine:
    engine = Engine()
    for number, flag in enumerate(flags):
        engine.add("abcdef"[number], (number - 1,) if number else (), flag)
    return engine


def test_the_table_names_every_state_and_no_step_twice() -> None:
    assert len(NAMES) == len(MEANINGS)
    assert {row.target for row in ROWS} == set(range(len(NAMES)))
    assert all(source < len(NAMES) for row in ROWS for source in row.sources)
    assert len({row.step for row in ROWS}) == len(ROWS)


def test_a_node_starts_when_its_parents_are_good() -> None:
    engine = chain(WORK, WORK)
    engine.want(None, EVERYTHING)
    assert engine.ready == [0]
    finish(engine, "a")
    assert engine.ready == [0, 1]
    assert engine.busy == 1


def test_only_what_is_wanted_runs() -> None:
    engine = Engine()
    a = engine.add("a")
    engine.add("b")
    c = engine.add("c", (a,))
    engine.want([c], "asked for")
    assert states(engine) == {"a": "ready", "b": "idle", "c": "waiting"}
    assert engine.why == {c: "asked for"}


def test_an_equal_node_is_no_news_and_an_unequal_one_an_error() -> None:
    engine = Engine()
    a = engine.add("a", (), WORK, "f(1)")
    assert engine.add("a", (), WORK, "f(1)") == a
    with pytest.raises(DuplicateKeyError, match=r"its work was f\(1\), now f\(2\)") as caught:
        engine.add("a", (), WORK, "f(2)")
    assert caught.value.key == "a"
    assert len(engine) == 1


@pytest.mark.parametrize("parents", [(1,), (-1,), (0, 0)])
def test_a_parent_must_be_there_once(parents: tuple[int, ...]) -> None:
    engine = Engine()
    engine.add("a")
    with pytest.raises(GraphError):
        engine.add("b", parents)
    assert engine.keys == ["a"]
    assert engine.add("b") == 1


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(UnknownKeyError) as caught:
        Engine().find("b")
    assert caught.value.key == "b"
    assert isinstance(caught.value, KeyError)


def test_a_failure_blocks_what_needs_it_and_nothing_else() -> None:
    engine = Engine()
    a, b = engine.add("a"), engine.add("b")
    c = engine.add("c", (a, b))
    engine.add("d", (c,))
    engine.add("e", (b,))
    engine.want(None, EVERYTHING)
    engine.failed(a, engine.started(a, 0.0), "no", 0.0)
    assert states(engine) == {"a": "failed", "b": "ready", "c": "blocked", "d": "blocked", "e": "waiting"}
    assert engine.reasons[engine.find("d")] == a
    assert "blocked by 'a'" in story(engine, engine.find("d"))


def test_news_of_an_old_attempt_changes_nothing() -> None:
    engine = chain(WORK)
    engine.want(None, EVERYTHING)
    first = engine.started(0, 0.0)
    engine.again(0, first, "no", 0.0)
    second = engine.started(0, 0.0)
    assert not engine.succeeded(0, first, "late", 0.0)
    assert states(engine) == {"a": "running"}
    assert engine.succeeded(0, second, "d", 0.0)
    assert not engine.failed(0, second, "twice", 0.0)
    assert states(engine) == {"a": "succeeded"}


def test_an_illegal_event_raises_changes_nothing_and_tells_the_story() -> None:
    engine = chain(WORK, WORK)
    engine.want(None, EVERYTHING)
    before = snapshot(engine)
    with pytest.raises(
        IllegalTransition, match="'b' cannot start: it is waiting, 0 of its 1 parents"
    ) as caught:
        engine.started(1, 0.0)
    assert snapshot(engine) == before
    assert caught.value.story.startswith("it is waiting")
    with pytest.raises(IllegalTransition, match="attempt 3"):
        engine.succeeded(0, 3, "d", 0.0)


def test_a_gather_is_good_when_its_parents_are() -> None:
    engine = Engine()
    members = tuple(engine.add(f"g/{n}") for n in range(3))
    first = engine.add("@gather/g", members, GATHER)
    second = engine.add("@gather/all", (first,), GATHER)
    engine.add("use", (second,))
    engine.want(None, EVERYTHING)
    for n in range(3):
        finish(engine, f"g/{n}")
    assert states(engine)["use"] == "ready"
    assert counts(engine) == {"ready": 1, "succeeded": 3}


def test_an_early_hit_leaves_what_is_above_alone() -> None:
    engine = chain(WORK | REUSABLE, WORK | REUSABLE)
    engine.want([1], "asked for")
    assert engine.asks == [1]
    engine.early(1, "old", 0.0)
    assert states(engine) == {"a": "idle", "b": "reused"}
    assert engine.busy == 0


def test_an_early_hit_is_void_when_an_ancestor_runs() -> None:
    engine = chain(REUSABLE, REUSABLE, REUSABLE)
    engine.want([0, 2], "asked for")
    engine.asks.clear()
    engine.early(2, "old c", 0.0)
    engine.early(0, None, 0.0)
    engine.settle(0.0)
    assert states(engine)["c"] == "waiting"
    assert states(engine)["b"] == "waiting"
    engine.late(0, None, 0.0)
    finish(engine, "a")
    assert engine.checks[-1] == 1
    engine.late(1, "old b", 0.0)
    engine.late(2, "old c", 0.0)
    assert states(engine) == {"a": "succeeded", "b": "reused", "c": "reused"}


def test_growth_is_all_or_nothing() -> None:
    engine = chain(GROW)
    engine.want(None, EVERYTHING)
    attempt = engine.started(0, 0.0)
    before = snapshot(engine)
    with pytest.raises(GraphError):
        engine.grew(0, attempt, [("x", (), WORK, ""), ("y", (9,), WORK, "")], 0.0)
    assert snapshot(engine) == before
    new = engine.grew(0, attempt, [("x", (), WORK, ""), ("y", (1,), WORK, "")], 0.0)
    assert list(new) == [1, 2]
    assert list(engine.grew(0, attempt, [("x", (), WORK, "")], 0.0)) == []


def test_a_grow_node_sleeps_until_all_that_it_waits_for_is_at_rest() -> None:
    engine = Engine()
    a, b, g = engine.add("a"), engine.add("b"), engine.add("g", (), GROW)
    engine.want(None, EVERYTHING)
    engine.slept(g, engine.started(g, 0.0), [a, b], 0.0)
    finish(engine, "a")
    assert states(engine)["g"] == "asleep"
    engine.failed(b, engine.started(b, 0.0), "no", 0.0)
    assert states(engine)["g"] == "ready"
    engine.slept(g, engine.started(g, 0.0), [a, b], 0.0)
    assert states(engine)["g"] == "ready", "what it waits for is at rest already"


def test_a_sleeper_that_is_woken_is_not_woken_again_by_what_it_waited_for() -> None:
    engine = Engine()
    a, g = engine.add("a"), engine.add("g", (), GROW)
    engine.want(None, EVERYTHING)
    engine.slept(g, engine.started(g, 0.0), [a], 0.0)
    assert engine.woken(g, "a file came", 0.0)
    assert not engine.woken(g, "again", 0.0)
    finish(engine, "g")
    finish(engine, "a")
    assert states(engine) == {"a": "succeeded", "g": "succeeded"}
    assert not engine.watched


def test_a_reset_takes_what_came_of_it_along() -> None:
    engine = Engine()
    a, b = engine.add("a"), engine.add("b")
    c = engine.add("c", (a,))
    engine.want(None, EVERYTHING)
    for key in "abc":
        finish(engine, key)
    assert engine.reset([a], "asked for", 0.0) == [a, c]
    engine.want([a, c], "again")
    assert states(engine) == {"a": "ready", "b": "succeeded", "c": "waiting"}
    assert b not in engine.ready[-1:]


def test_nothing_is_reset_while_a_descendant_runs() -> None:
    engine = chain(WORK, WORK)
    engine.want(None, EVERYTHING)
    finish(engine, "a")
    engine.started(1, 0.0)
    before = snapshot(engine)
    with pytest.raises(IllegalTransition, match="'b' cannot reset"):
        engine.reset([0], "asked for", 0.0)
    assert snapshot(engine) == before


def test_giving_up_ends_all_but_what_runs() -> None:
    engine = chain(WORK, WORK)
    engine.add("z")
    engine.want(None, EVERYTHING)
    attempt = engine.started(0, 0.0)
    engine.cancelled_all("enough", 0.0)
    assert states(engine) == {"a": "running", "b": "cancelled", "z": "cancelled"}
    assert engine.stopped(0, attempt, "enough", 0.0)
    assert engine.busy == 0


def test_a_running_node_that_is_cancelled_is_asked_to_stop() -> None:
    engine = chain(WORK)
    engine.want(None, EVERYTHING)
    attempt = engine.started(0, 0.0)
    assert engine.cancelled(0, "enough", 0.0)
    assert engine.stopping == [(0, attempt)]
    assert states(engine) == {"a": "running"}


def test_a_long_chain_and_a_wide_join_need_no_recursion() -> None:
    engine = Engine()
    node = engine.add("0")
    for number in range(1, 50_000):
        node = engine.add(str(number), (node,))
    engine.want([node], "asked for")
    engine.failed(0, engine.started(0, 0.0), "no", 0.0)
    assert counts(engine) == {"failed": 1, "blocked": 49_999}
    wide = Engine()
    top = tuple(wide.add(f"t{n}", (), GATHER) for n in range(20_000))
    wide.add("end", top, GATHER)
    wide.want(None, EVERYTHING)
    assert NAMES[wide.state[20_000]] == "succeeded"
