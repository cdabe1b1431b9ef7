"""What stands for something else, inside containers."""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from typing import Any

import pytest

from ramify.values.substitution import find, replace


class Stand:
    def __init__(self, value: Any) -> None:
        self.value = value


def filled(value: Any) -> Any:
    return replace(value, Stand, lambda stand: stand.value)


Point = namedtuple("Point", ["x", "y"])


@dataclass
class Open:
    inner: Any
    other: int = 0


@dataclass(frozen=True)
class Shut:
    inner: Any
    names: tuple[str, ...] = field(default=("a",))


@dataclass(slots=True)
class Slotted:
    inner: Any


class Own(list[Any]):
    label = ""


class OwnTuple(tuple[Any, ...]):
    label: str


def stands(value: Any) -> Any:
    return Stand(value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (stands(1), 1),
        ([stands(1), 2], [1, 2]),
        ((stands(1), (stands(2),)), (1, (2,))),
        ({"a": stands(1)}, {"a": 1}),
        (Point(stands(1), [stands(2)]), Point(1, [2])),
        (deque([stands(1), 3], maxlen=5), deque([1, 3], maxlen=5)),
        (Open(stands(1), 5), Open(1, 5)),
        (Shut((stands(1),)), Shut((1,))),
        (Slotted({"k": stands(1)}), Slotted({"k": 1})),
        (OrderedDict([("b", stands(1)), ("a", 2)]), OrderedDict([("b", 1), ("a", 2)])),
        ([[[[stands("deep")]]]], [[[["deep"]]]]),
    ],
)
def test_containers_of_every_kind(given: Any, expected: Any) -> None:
    result = filled(given)
    assert result == expected and type(result) is type(expected)
    assert len(find(given, Stand)) == str(given).count("Stand object")


def test_keys_and_members() -> None:
    one, two = Stand("one"), Stand(2)
    assert filled({one: 1, (two, "x"): one}) == {"one": 1, (2, "x"): "one"}
    assert filled({one, 5}) == {"one", 5}
    assert filled(frozenset({(one,)})) == frozenset({("one",)})
    assert filled({Shut(one): 1}) == {Shut("one"): 1}
    assert find({one: {two}}, Stand) == [one, two]


def test_a_partial() -> None:
    made = filled(functools.partial(max, Stand(3), key=Stand(abs)))
    assert made(-5) == -5 and made.args == (3,)


def test_what_is_shared_stays_shared_and_what_is_untouched_is_not_copied() -> None:
    untouched, shared = [1, [2]], [Stand(1)]
    result = filled({"a": shared, "b": (shared, untouched), "c": untouched})
    assert result["a"] is result["b"][0] and result["a"] == [1]
    assert result["b"][1] is untouched and result["c"] is untouched
    whole = {"x": [1, (2, {3})], "y": "text"}
    assert filled(whole) is whole
    assert isinstance(shared[0], Stand), "what was given is as it was"


def test_one_stand_in_two_places_is_asked_once() -> None:
    asked = []

    def put(stand: Stand) -> list[Any]:
        asked.append(stand)
        return []

    stand = Stand(0)
    result = replace([stand, (stand,), {"a": stand}], Stand, put)
    assert len(asked) == 1 and result[0] is result[1][0] is result[2]["a"]


def test_what_is_put_in_is_not_looked_into() -> None:
    inner = Stand(5)
    assert replace([Stand([inner])], Stand, lambda stand: stand.value)[0][0] is inner


def test_what_holds_itself() -> None:
    knot: list[Any] = [Stand(1)]
    knot.append(knot)
    result = filled(knot)
    assert result[0] == 1 and result[1] is result
    through: dict[str, Any] = {"stand": Stand(2)}
    pair = (through, [through])
    through["pair"] = pair
    made = filled(pair)
    assert made[0]["pair"] is made and made[1][0] is made[0] and made[0]["stand"] == 2


def test_three_thousand_levels() -> None:
    value: Any = Stand("bottom")
    for level in range(3000):
        value = [value] if level % 2 else (value, level)
    found = filled(value)
    for level in reversed(range(3000)):
        found = found[0]
        assert level >= 0
    assert found == "bottom"


def test_classes_of_ones_own_keep_what_they_hold() -> None:
    own = Own([Stand(1)])
    own.label = "kept"
    made = filled(own)
    assert type(made) is Own and made == [1] and made.label == "kept"
    row = OwnTuple((Stand(1),))
    row.label = "kept"
    made_row = filled(row)
    assert type(made_row) is OwnTuple and made_row == (1,) and made_row.label == "kept"
    counts: defaultdict[str, Any] = defaultdict(int, {"a": Stand(1)})
    assert filled(counts).default_factory is int


def test_what_is_not_looked_into_is_given_as_it_is() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.zeros(3)
    for value in ["text", b"bytes", range(3), array, object(), iter([1])]:
        assert filled(value) is value
        assert filled([value, Stand(1)])[0] is value
