"""Whether two calls are one call: what is added again under a key that is taken must be what is there."""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import Any, Final

_BY_VALUE: Final = (int, float, complex, str, bytes, bool, type(None), range)
_LONGEST: Final = 1000
"""So many characters, or bytes, of an argument are kept for a comparison."""
_MOST: Final = 100
"""So many items of an argument are."""


def is_same(one: Any, other: Any) -> bool:
    """Whether two arguments are the same object, or equal and of a kind whose equality is beyond doubt.

    >>> is_same([1, {"a": "b"}], [1, {"a": "b"}]), is_same(1, True), is_same(object(), object())
    (True, False, False)
    """
    if one is other:
        return True
    kind = type(one)
    if kind is not type(other):
        return False
    if kind in (tuple, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    if kind is dict:
        return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())
    if kind in (FunctionType, MethodType, partial):
        return is_same_function(one, other)
    return isinstance(one, _BY_VALUE) and bool(one == other)


def is_same_function(one: Any, other: Any) -> bool:
    """Whether two functions are one, or were made by the same lines with the same values around them.

    >>> def made(step):
    ...     return lambda x: x + step
    >>> is_same_function(made(1), made(1)), is_same_function(made(1), made(2))
    (True, False)
    """
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if type(one) is MethodType:
        return one.__self__ is other.__self__ and one.__func__ is other.__func__
    if type(one) is partial:
        return is_same((one.func, one.args, one.keywords), (other.func, other.args, other.keywords))
    if type(one) is not FunctionType:
        return False
    return one.__code__ is other.__code__ and is_same(_around(one), _around(other))


def _around(function: FunctionType) -> Any:
    """The values that a function was made with."""
    cells = tuple(_held(cell) for cell in function.__closure__ or ())
    return function.__defaults__, function.__kwdefaults__, cells


def _held(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that has no value yet
        return cell


def may_stay(value: Any) -> bool:
    """Whether keeping arguments costs next to nothing, and holds nothing that is large.

    >>> may_stay((1, "text", [2.5, None])), may_stay(["x" * 5000]), may_stay(object())
    (True, False, False)
    """
    kind = type(value)
    if kind in (str, bytes):
        return len(value) <= _LONGEST
    if kind in (tuple, list):
        return len(value) <= _MOST and all(map(may_stay, value))
    if kind is dict:
        return len(value) <= _MOST and all(map(may_stay, value.values()))
    return isinstance(value, _BY_VALUE)
