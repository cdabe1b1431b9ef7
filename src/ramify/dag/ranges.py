"""One grammar for what is read of an array, whatever holds the array: ranges, attributes and layout.

Of each dimension a scalar, `(start, end)` or a slice (both inclusive, an open end is None), a list of these,
or None, `[]` or `()` for all of it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from ramify.errors import ArgumentError

Layout = Literal["R", "C", "G", "U"]
Part = tuple[Any, Any]
"""Start and end, inclusive; None where the dimension has no border."""

_LAYOUTS: Final[dict[str, Layout]] = {
    "r": "R",
    "c": "C",
    "g": "G",
    "u": "U",
    "row-major": "R",
    "col-major": "C",
    "global-order": "G",
    "unordered": "U",
}


class Dim(NamedTuple):
    """One dimension: `accept` makes a coordinate of a value, or raises TypeError or ValueError saying why.

    Coordinates lie from `low` to `high`; an open end means `first` or `last`, where these are known. Where a
    value can lie between two coordinates, `accept_start` makes the later one of it and `accept` the earlier.
    """

    name: str
    accept: Callable[[Any], Any]
    low: Any = None
    high: Any = None
    first: Any = None
    last: Any = None
    accept_start: Callable[[Any], Any] | None = None


def whole_number(value: Any) -> int:
    """An int of Python's or NumPy's.

    >>> whole_number(3)
    3
    """
    if isinstance(value, bool) or not hasattr(type(value), "__index__") or getattr(value, "shape", ()) != ():
        raise TypeError(f"{value!r:.80} is no integer")
    return operator.index(value)


def index_dim(name: str, size: int) -> Dim:
    """A dimension that counts from 0."""
    return Dim(name, whole_number, 0, size - 1)


def parse_ranges(ranges: Any, dims: Sequence[Dim]) -> list[list[Part]]:
    """The parts of each dimension, in the order given; an empty list is all of it.

    Dimensions that are not mentioned are read whole. Raises `ArgumentError` with the dimension's name and
    position.

    >>> dims = [index_dim("rows", 4), index_dim("cols", 4)]
    >>> parse_ranges([[1, (2, 3)], None], dims)
    [[(1, 1), (2, 3)], []]
    >>> parse_ranges([slice(2, None)], dims)
    [[(2, 3)], []]
    """
    if ranges is None:
        return [[] for _ in dims]
    if not isinstance(ranges, list | tuple):
        raise ArgumentError(
            f"ranges is a list with one entry per dimension; it is {ranges!r:.80} of type "
            f"{type(ranges).__name__}",
            names=["ranges"],
        )
    if len(ranges) > len(dims):
        names = ", ".join(repr(dim.name) for dim in dims) or "none"
        raise ArgumentError(
            f"ranges has {len(ranges)} entries, and the array {len(dims)} dimensions ({names})",
            names=["ranges"],
        )
    given = [*ranges, *[None] * (len(dims) - len(ranges))]
    return [_parts(one, dim, place) for place, (one, dim) in enumerate(zip(given, dims, strict=True))]


def _parts(given: Any, dim: Dim, place: int) -> list[Part]:
    if given is None or (isinstance(given, list | tuple) and not given):
        return []
    parts = [_part(one, dim, place) for one in (given if isinstance(given, list) else [given])]
    return [] if (None, None) in parts else parts


def _part(given: Any, dim: Dim, place: int) -> Part:
    if isinstance(given, slice):
        if given.step is not None:
            raise _wrong(dim, place, f"{given} has a step, and ranges have none")
        start, end = given.start, given.stop
    elif isinstance(given, tuple):
        if len(given) != 2:
            raise _wrong(dim, place, f"{given!r:.80} is no (start, end); several ranges are a list")
        start, end = given
    elif given is None:
        start = end = None
    else:
        start, end = _start(given, dim, place), _coordinate(given, dim, place)
        if start != end:
            raise _wrong(dim, place, f"{given!r:.80} lies between two coordinates, {end} and {start}")
        return start, end
    if start is None and end is None:
        return None, None
    first = dim.low if dim.first is None else dim.first
    last = dim.high if dim.last is None else dim.last
    low = first if start is None else _start(start, dim, place)
    high = last if end is None else _coordinate(end, dim, place)
    if low is not None and high is not None and low > high:
        told = "" if None not in (start, end) else f" (an open end is at {first} or {last})"
        raise _wrong(dim, place, f"the range {start!r}..{end!r} ends before it starts{told}")
    return low, high


def _start(value: Any, dim: Dim, place: int) -> Any:
    return _coordinate(
        value, dim if dim.accept_start is None else dim._replace(accept=dim.accept_start), place
    )


def _coordinate(value: Any, dim: Dim, place: int) -> Any:
    if isinstance(value, list | tuple | dict | set | slice | range) or getattr(value, "shape", ()) != ():
        raise _wrong(
            dim,
            place,
            f"{value!r:.80} of type {type(value).__name__} is no coordinate: give a scalar, (start, end), a "
            "slice, or a list of these (an array as array.tolist())",
        )
    try:
        made = dim.accept(value)
        outside = (dim.low is not None and made < dim.low) or (dim.high is not None and made > dim.high)
    except (TypeError, ValueError, OverflowError) as error:
        raise _wrong(dim, place, str(error)) from error
    if outside:
        raise _wrong(dim, place, f"{value!r:.80} is outside {dim.low}..{dim.high}")
    return made


def _wrong(dim: Dim, place: int, what: str) -> ArgumentError:
    return ArgumentError(f"ranges: dimension {dim.name!r} (position {place}): {what}", names=["ranges"])


def parse_layout(layout: Any) -> Layout | None:
    """One letter for a layout by its letter or its name.

    >>> parse_layout("row-major"), parse_layout("g"), parse_layout(None)
    ('R', 'G', None)
    """
    if layout is None:
        return None
    found = _LAYOUTS.get(layout.lower().replace("_", "-")) if isinstance(layout, str) else None
    if found is None:
        raise ArgumentError(
            f"layout is R (row-major), C (col-major), G (global-order) or U (unordered); not {layout!r:.60}",
            names=["layout"],
        )
    return found


def parse_attrs(attrs: Any, known: Iterable[str], what: str) -> list[str] | None:
    """The names of the attributes to read, in the order given; None for all of them.

    Raises `ArgumentError` for one that `what`, the array, does not have.

    >>> parse_attrs(["b"], ["a", "b"], "the array"), parse_attrs((), ["a"], "the array")
    (['b'], None)
    """
    if attrs is None:
        return None
    if isinstance(attrs, str | bytes) or not isinstance(attrs, Iterable):
        raise ArgumentError(f"attrs is a list of names; it is {attrs!r:.80}", names=["attrs"])
    asked, has = [str(name) for name in attrs], list(known)
    if strange := [name for name in asked if name not in has]:
        names = ", ".join(map(repr, has)) or "none"
        raise ArgumentError(
            f"{what} has no attribute {', '.join(map(repr, strange))}; it has {names}", names=["attrs"]
        )
    return asked or None
