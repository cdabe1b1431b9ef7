"""Conditions as text: what they mean, and that nothing but comparing gets in."""

from __future__ import annotations

import pytest

from ramify.core.condition import Condition
from ramify.errors import ArgumentError

NAMES = ["attempts", "exit_code", "type", "message"]
FACTS = {"attempts": 2, "exit_code": None, "type": "OSError", "message": "the disk is busy"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("attempts < 3", True),
        ("1 < attempts < 2", False),
        ("not attempts == 2", False),
        ("exit_code < 3", False),
        ("exit_code >= 0", False),
        ("exit_code is None", True),
        ("exit_code in message", False),
        ("exit_code not in message", True),
        ("'busy' in message and type in ('OSError', 'IOError')", True),
        ("type == 'X' or attempts > -1", True),
        ("  True", True),
        ("message", True),
        ("attempts in [1, 2]", True),
        ("attempts not in {1, 2}", False),
    ],
)
def test_what_holds(text: str, holds: bool) -> None:
    assert Condition(text, NAMES)(FACTS) is holds


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("__import__('os')", 0),
        ("attempts < f(1)", 11),
        ("message.upper() == 'A'", 0),
        ("'é' == message.x", 7),
        ("attempts + 1 < 3", 0),
        ("FACTS['a']", 0),
        ("  nothing", 2),
        ("attempts <", 10),
        ("attempts < 3 and\nlimit", 17),
        ("[a for a in type]", 0),
        ("(lambda: 1)", 1),
        ("b'a' in message", 0),
        ("attempts := 3", 9),
        ("f'{message}' == ''", 0),
        ("", 0),
    ],
)
def test_anything_else_is_refused_with_its_place(text: str, position: int) -> None:
    with pytest.raises(ArgumentError) as refused:
        Condition(text, NAMES)
    assert getattr(refused.value, "position") == position  # noqa: B009  # a fact of this error alone


@pytest.mark.parametrize("text", ["(" * 500 + "1" + ")" * 500, "not " * 400 + "1", "1 " * 2000])
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    try:
        Condition(text, NAMES)
    except ArgumentError:
        return
    assert text.startswith("not")  # so deep is still fine
