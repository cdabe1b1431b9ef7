"""Stored parameters are replaced by their values, wherever they stand."""

from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from ramify.dag.stored import ParamLoader, StoredParam, replace_stored_params
from ramify.errors import MissingError

ONE, TWO = uuid4(), uuid4()
Pair = namedtuple("Pair", "left right")


@dataclass(frozen=True)
class Box:
    inside: Any


def replaced(tree: Any) -> Any:
    return replace_stored_params(tree, ParamLoader({ONE.hex: "one", TWO: (2,)}))


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        (StoredParam(ONE), "one"),
        ([1, StoredParam(ONE)], [1, "one"]),
        ((StoredParam(TWO),), ((2,),)),
        ({"k": {StoredParam(ONE): 1}}, {"k": {"one": 1}}),
        ({StoredParam(ONE), 3}, {"one", 3}),
        (Pair(StoredParam(ONE), [StoredParam(ONE)]), Pair("one", ["one"])),
        (Box([StoredParam(ONE)]), Box(["one"])),
    ],
)
def test_parameters_are_found_in_every_container(tree: Any, value: Any) -> None:
    found = replaced(tree)
    assert found == value and type(found) is type(value)


def test_what_has_no_parameter_is_not_copied_and_what_is_shared_stays_so() -> None:
    plain, shared = [1], [StoredParam(ONE)]
    tree = {"plain": plain, "a": shared, "b": shared}
    found = replaced(tree)
    assert found["plain"] is plain and found["a"] is found["b"] and tree["a"] is shared
    assert replaced(plain) is plain


def test_each_is_decoded_once_and_equal_ones_are_one_object() -> None:
    decoded: list[bytes] = []

    def decode(data: bytes) -> Any:
        decoded.append(data)
        return json.loads(data)

    loader = ParamLoader({ONE.hex: b"[1]"})
    found = replace_stored_params([StoredParam(ONE, decode), StoredParam(str(ONE), decode)], loader)
    assert found == [[1], [1]] and found[0] is found[1] and decoded == [b"[1]"]
    assert replace_stored_params(StoredParam(ONE), loader) == b"[1]"


def test_a_decoder_may_be_an_object() -> None:
    class Upper:
        def decode(self, data: str) -> str:
            return data.upper()

    assert replace_stored_params(StoredParam(ONE, Upper()), {ONE: "one"}) == "ONE"


def test_a_missing_one_lists_what_is_there() -> None:
    gone = UUID(int=5)
    with pytest.raises(MissingError, match=ONE.hex) as caught:
        replaced([StoredParam(gone)])
    assert isinstance(caught.value, KeyError)
    assert caught.value.task_id == gone  # type: ignore[attr-defined]  # facts of the error are attributes
    with pytest.raises(KeyError, match="nothing at all"):
        replace_stored_params(StoredParam(gone), {})


def test_depth_is_no_limit() -> None:
    tree: Any = StoredParam(ONE)
    for _ in range(3000):
        tree = [tree]
    found = replaced(tree)
    for _ in range(3000):
        (found,) = found
    assert found == "one"


@pytest.mark.parametrize("wrong", [5, None, b"x"])
def test_a_task_is_named_by_its_uuid(wrong: Any) -> None:
    with pytest.raises(TypeError, match="task_id"):
        StoredParam(wrong)
    with pytest.raises(ValueError, match="badly formed"):
        StoredParam("no uuid")
    with pytest.raises(TypeError, match="decoder"):
        StoredParam(ONE, 5)
