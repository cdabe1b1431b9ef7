"""Slices of TileDB arrays, dense and sparse. Needs the extra `arrays`."""

from __future__ import annotations

import datetime
from typing import Any, Final

import numpy as np
import tiledb

from ramify.dag.arrays_numpy import Arrays, laid_out
from ramify.dag.ranges import Dim, Layout, Part, parse_attrs, parse_ranges, whole_number
from ramify.errors import ArgumentError

_ORDERS: Final = {None: "C", "R": "C", "C": "F", "G": "G", "U": "U"}


def read_tiledb(uri: Any, ranges: Any, attrs: Any, layout: Layout | None, what: str) -> Arrays:
    """Attributes by name (one without a name is `""`), of a sparse array the coordinates too.

    `uri` may be an open array, which stays open. `attrs` may name dimensions; then a sparse array gives no
    other coordinates than these. The domain of a dense array can be far larger than what was ever written:
    what is open ends where that does.
    """
    if not isinstance(uri, str):
        return _read(uri, ranges, attrs, layout, what)
    with tiledb.open(uri) as array:
        return _read(array, ranges, attrs, layout, what)


def _read(array: Any, ranges: Any, attrs: Any, layout: Layout | None, what: str) -> Arrays:
    schema = array.schema
    written = None if schema.sparse else array.nonempty_domain()
    dims = [_dim(schema.domain.dim(n), written and written[n]) for n in range(schema.domain.ndim)]
    parts = parse_ranges(ranges, dims)
    if not schema.sparse and written is None and not _are_closed(ranges, dims):
        raise ArgumentError(
            f"{what}: nothing is written in it, so a range without both ends has none", names=["ranges"]
        )
    has = [schema.attr(n).name for n in range(schema.nattr)]
    names = parse_attrs(attrs, [*has, *(dim.name for dim in dims)], what)
    asked = has if names is None else [name for name in names if name in has]
    coordinates = [] if names is None else [name for name in names if name not in has]
    if layout == "G" and any(len(several) > 1 for several in parts) and schema.sparse:
        raise ArgumentError(
            f"{what}: global order goes with one range per dimension", names=["layout", "ranges"]
        )
    order = _ORDERS[layout] if schema.sparse else "C"
    query = array.query(attrs=asked, dims=coordinates or None, order=order)
    found = query.multi_index[tuple(map(_index, parts))]
    if schema.sparse:
        return {name: np.asarray(found[name]) for name in found}
    return {name: laid_out(found[name], layout) for name in (names or asked)}


def _index(parts: list[Part]) -> Any:
    """Slices are inclusive in `multi_index`."""
    return [slice(low, high) for low, high in parts] if parts else slice(None)


def _are_closed(ranges: Any, dims: list[Dim]) -> bool:
    """Whether no end is left to the array: such ranges are the same in a domain that has no borders."""
    bare = [Dim(dim.name, dim.accept) for dim in dims]
    return all(several and None not in sum(several, ()) for several in parse_ranges(ranges, bare))


def _dim(dim: Any, written: Any) -> Dim:
    """The dimension; `written` are the first and the last coordinate of a dense array's."""
    made = _unwritten(dim)
    return made if written is None else made._replace(first=written[0], last=written[1])


def _unwritten(dim: Any) -> Dim:
    kind = np.dtype(dim.dtype).kind
    if kind in "SU":
        return Dim(dim.name, _text)
    low, high = dim.domain
    if kind == "M":
        unit = np.datetime_data(dim.dtype)[0]
        made = Dim(dim.name, lambda value: _time(value, unit), low, high)
        return made._replace(accept_start=lambda value: _time(value, unit, up=True))
    if kind in "iu":
        return Dim(dim.name, whole_number, int(low), int(high))
    return Dim(dim.name, _number, float(low), float(high))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return str(value)


def _number(value: Any) -> float:
    if isinstance(value, bool | str | bytes):
        raise TypeError(f"{value!r:.80} is no number")
    made = float(value)
    if made != made:
        raise ValueError("NaN is no coordinate")
    return made


def _time(value: Any, unit: str, up: bool = False) -> np.datetime64:
    """A moment in the dimension's unit, the last that is not later, or with `up` the first that is not
    earlier; one that has a time zone in UTC."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    if not isinstance(value, str | datetime.date | np.datetime64):
        raise TypeError(f"{value!r:.80} is no date or time")
    exact = np.datetime64(value)
    made: np.datetime64 = exact.astype(f"datetime64[{unit}]")
    if np.isnat(made):
        raise ValueError(f"{value!r} is no date or time")
    one: Any = np.ones((), f"timedelta64[{unit}]")[()]  # of a unit that is known only now
    return made + one if up and made < exact else made
