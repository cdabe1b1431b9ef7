"""Values as text of a variable and back: exact both ways, or refused by name."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from ramify.errors import ArgumentError
from ramify.pipeline.definition import Output, Variable

_INT: Final = re.compile(r"[+-]?[0-9]+")
_FLOAT: Final = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?:inf(?:inity)?|nan)", re.IGNORECASE
)
_DIGITS: Final = 4300
"""Digits of an int, at the most: Python reads no more from a text."""

_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")
_TYPES: Final = {"int": int, "float": float, "str": str}


def to_text(name: str, value: object) -> str | None:
    """The text of a variable; None, an unset variable, for None. `ArgumentError` names what cannot be.

    >>> to_text("x", 0.1), to_text("x", None), to_text("x", " a=b ")
    ('0.1', None, ' a=b ')
    """
    if value is None:
        return None
    if isinstance(value, float):
        return repr(float(value))
    text = str(value)
    if "\0" in text:
        raise ArgumentError(f"{name} holds a NUL, which no variable can: write it to a file", names=[name])
    return text


def from_text(output: Output, text: str | None) -> Variable:
    """What bash exported, in the type that was declared. `ValueError` says what is wrong with it.

    >>> from_text(Output("n", "int"), " 12 "), from_text(Output("s", "str"), " 12 ")
    (12, ' 12 ')
    >>> from_text(Output("n", "int"), "notanint")
    Traceback (most recent call last):
        ...
    ValueError: n must be an int; it is 'notanint'
    """
    if text is None or (not text.strip() and output.kind != "str" and output.may_be_none):
        if output.may_be_none:
            return None
        raise ValueError(f"{output.name} was not set: export it in a step, as in `export {output.name}=...`")
    if output.kind == "str":
        return _writable(output, text)
    bare = text.strip()
    if output.kind == "int" and len(bare) > _DIGITS:
        raise ValueError(
            f"{output.name} is an int of {len(bare)} digits; {_DIGITS} is the most: make it a str"
        )
    if output.kind == "int" and _INT.fullmatch(bare):
        return int(bare)
    if output.kind == "float" and _FLOAT.fullmatch(bare):
        return float(bare)
    article = "an" if output.kind == "int" else "a"
    raise ValueError(f"{output.name} must be {article} {output.kind}; it is {_shown(text)}")


def check_value(output: Output, value: Any) -> Variable:
    """What a function returned for a variable. `ValueError` says what is wrong with it.

    >>> check_value(Output("x", "float"), 3)
    3.0
    """
    if value is None:
        if output.may_be_none:
            return None
        raise ValueError(f"{output.name} is None: declare it with may_be_none=True, or return a value")
    if output.kind == "float" and type(value) is int:
        return _as_float(output, value)
    if output.kind == "str" and isinstance(value, str):
        return _writable(output, value)
    if type(value) is _TYPES.get(output.kind):
        return cast("Variable", value)
    article = "an" if output.kind == "int" else "a"
    raise ValueError(
        f"{output.name} must be {article} {output.kind}; it is {_shown(value)}, "
        f"of type {type(value).__name__}"
    )


def _as_float(output: Output, value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{output.name} is an int that no float can hold: make it a str") from error


def _writable(output: Output, text: str) -> str:
    """The text, where each task that takes it can have it: as a variable, and in a plan."""
    found = _UNWRITABLE.search(text)
    if found is None:
        return text
    what = "a NUL" if found[0] == "\0" else "bytes that are no text in UTF-8"
    raise ValueError(
        f"{output.name} holds {what}, at {found.start()}: put it in a file, an output of its own"
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"
