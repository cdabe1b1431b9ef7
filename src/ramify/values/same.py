"""Whether two values are equal, of any kind: arrays and tables have no single truth of `==`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def same_mapping(one: Mapping[Any, Any], two: Mapping[Any, Any]) -> bool:
    """Whether two mappings have equal keys and equal values, whatever their order."""
    return len(one) == len(two) and all(key in two and same_value(one[key], two[key]) for key in one)


def same_value(one: Any, two: Any) -> bool:
    """Whether two values are equal.

    >>> same_value({"a": [1]}, {"a": [1]}), same_value(1, "1")
    (True, False)
    """
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        return same_mapping(one, two)
    if type(one) is type(two) and isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same_value, one, two))
    if type(one) is type(two) and callable(getattr(one, "equals", None)):
        return bool(one.equals(two))  # pandas, Polars and Arrow
    if getattr(one, "shape", ()) != getattr(two, "shape", ()):
        return False  # arrays of two shapes cannot even be compared
    equal = one == two
    return bool(equal.all()) if hasattr(equal, "all") and hasattr(equal, "shape") else bool(equal)
