"""When an old result is still good: keys, traces and what is said of a difference. All of it pure."""

import pytest

from ramify.rebuild.keys import Inputs, early_key, gathered, late_key
from ramify.rebuild.trace import Cause, Trace, own_change, trace_of, upstream_change


def test_keys_do_not_depend_on_the_order_of_the_arguments() -> None:
    assert Inputs("f", {"x": "=1", "y": "=2"}).base() == Inputs("f", {"y": "=2", "x": "=1"}).base()


@pytest.mark.parametrize(
    "other",
    [
        Inputs("g", {"x": "=1"}),
        Inputs("f", {"x": "=2"}),
        Inputs("f", {"y": "=1"}),
        Inputs("f", {}),
        Inputs("f"),
    ],
)
def test_any_difference_of_the_inputs_is_another_key(other: Inputs) -> None:
    base = Inputs("f", {"x": "=1"}).base()
    assert early_key(base, None, []) != early_key(other.base(), None, [])
    assert late_key(base, None, []) != late_key(other.base(), None, [])


def test_points_parents_and_the_two_kinds_are_told_apart() -> None:
    base = Inputs("f").base()
    keys = [
        early_key(base, None, []),
        early_key(base, "1", []),
        early_key(base, "2", []),
        early_key(base, "1", ["k"]),
        late_key(base, None, []),
        late_key(base, "1", []),
        late_key(base, "1", ["k"]),
        late_key(base, "1", ["k", "l"]),
        late_key(base, "1", ["l", "k"]),
    ]
    assert len(set(keys)) == len(keys)


def test_what_cannot_be_judged_takes_the_early_key_from_all_below() -> None:
    base = Inputs("f").base()
    assert early_key(base, None, ["a", None]) is None
    assert gathered(["a", None]) is None
    assert not Inputs(None).is_sound
    assert not Inputs("f", {}, ("argument x: it is a lock",)).is_sound


def test_a_trace_comes_back_from_its_record() -> None:
    trace = Trace("f", {"x": "=1"}, "late", "early", {"a": "digest"})
    assert trace_of({"trace": trace.to_record()}) == trace
    assert trace_of({}) is None
    assert trace_of({"trace": {"late": 3}}) is None


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        (Inputs("f", {"x": "=1", "y": "#a"}), None),
        (Inputs("g", {"x": "=1", "y": "#a"}), Cause("code")),
        (Inputs("f", {"x": "=2", "y": "#a"}), Cause("argument", "x", "1", "2")),
        (Inputs("f", {"x": "=1", "y": "#b"}), Cause("argument", "y", "", "")),
        (Inputs("f", {"x": "=1"}), Cause("argument", "y", "", "")),
        (Inputs("f", {"x": "=1", "y": "#a", "z": "=3"}), Cause("argument", "z", "", "3")),
        (Inputs(None, {"x": "=1", "y": "#a"}), Cause("unsound", "its code has no fingerprint")),
    ],
)
def test_the_first_difference_is_the_cause(now: Inputs, cause: Cause | None) -> None:
    assert own_change(Trace("f", {"x": "=1", "y": "#a"}, "late"), now) == cause


def test_the_parent_that_differs_is_named() -> None:
    trace = Trace("f", {}, "late", None, {"a": "1", "b": "2"})
    assert upstream_change(trace, {"a": "1", "b": "3"}) == Cause("upstream", "b")
    assert upstream_change(trace, {"a": "1", "b": "2", "c": "3"}) == Cause("upstream", "c")


def test_causes_are_told_in_words() -> None:
    assert Cause("argument", "lr", "0.1", "0.2").text == "argument lr changed: 0.1 -> 0.2"
    assert Cause("code", "code of helpers.clean").text == "code of helpers.clean changed"
    assert Cause("upstream", "x").text == "upstream x changed"
    assert Cause("no output").text == "it has no output"
