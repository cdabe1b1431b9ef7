"""Functions over parts of stored arrays: what is asked for is read where the function is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import unquote, urlsplit

from ramify.dag.masked import without_secrets
from ramify.dag.ranges import Layout, parse_layout
from ramify.dag.tables import is_table, library_of, missing
from ramify.errors import ArgumentError, ArrayReadError, RamifyError

if TYPE_CHECKING:
    from ramify.dag.arrays_numpy import Arrays

Entry = dict[str, Any]
"""What is read of one array, in plain containers, so that values of other nodes can stand anywhere in it."""

_KEYS: Final = ("uri", "ranges", "attrs", "layout")


def array_entry(uri: Any, ranges: Any = None, attrs: Any = None, layout: Any = None) -> Entry:
    """One array and what is read of it; see `read_array`.

    >>> array_entry("a.npy", [(0, 9)])
    {'uri': 'a.npy', 'ranges': [(0, 9)], 'attrs': None, 'layout': None}
    """
    return {"uri": uri, "ranges": ranges, "attrs": attrs, "layout": layout}


class ArrayList:
    """Several arrays for one function, which gets a dict for each, in the order in which they were added.

    >>> several = ArrayList().add("a.npy").add("b.zarr", ranges=[(0, 9)], buffers=["x"])
    >>> len(several), [entry["uri"] for entry in several]
    (2, ['a.npy', 'b.zarr'])
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def add(self, uri: Any, ranges: Any = None, buffers: Any = None, layout: Any = None) -> Self:
        """Adds an array: its URI or itself, and as in `read_array` its ranges, attributes and layout."""
        self.entries.append(array_entry(uri, ranges, buffers, layout))
        return self

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __repr__(self) -> str:
        return f"ArrayList of {len(self)}"


class ArrayCall:
    """A function whose first argument is read from an array: `ArrayCall(func)(entry, *args, **kwargs)`.

    With one entry, `func(data, *args, **kwargs)` is called, where `data` is a dict of NumPy arrays by
    attribute; with a list of entries or an `ArrayList`, `func` gets a dict for each of them first.

    >>> ArrayCall(len)(array_entry({"a": [1, 2], "b": [3, 4]}, [1]))
    2
    """

    def __init__(self, func: Callable[..., Any]) -> None:
        if not callable(func):
            kind = type(func).__name__
            raise ArgumentError(f"{func!r:.80} of type {kind} cannot be called", names=["func"])
        self.func = func
        self.__wrapped__ = func  # whose signature says what keywords there are
        for name in ("__name__", "__qualname__", "__doc__"):
            if hasattr(func, name):
                setattr(self, name, getattr(func, name))

    def __call__(self, arrays: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.func(*read_arrays(arrays), *args, **kwargs)

    def __repr__(self) -> str:
        return f"ArrayCall({getattr(self.func, '__qualname__', self.func)})"


def read_arrays(arrays: Any) -> list[Arrays]:
    """What one entry, a list of entries or an `ArrayList` asks for: a dict of NumPy arrays for each."""
    several = arrays.entries if isinstance(arrays, ArrayList) else arrays
    if isinstance(several, Mapping):
        several = [several]
    if not isinstance(several, list | tuple) or not all(_is_entry(one) for one in several):
        raise ArgumentError(
            f"arrays are given as array_entry(uri, ranges, attrs, layout), a list of these, or an ArrayList; "
            f"it is of type {type(arrays).__name__}",
            names=["arrays"],
        )
    return [read_array(**one) for one in several]


def _is_entry(value: Any) -> bool:
    return isinstance(value, Mapping) and "uri" in value and set(value) <= set(_KEYS)


def read_array(uri: Any, ranges: Any = None, attrs: Any = None, layout: Any = None) -> Arrays:
    """Reads a part of an array and gives a dict of NumPy arrays by attribute.

    `uri` is the path or URI of a TileDB array, a Zarr array or group (`.zarr`, or a folder that is one), a
    `.npy`, `.npz` or `.parquet` file; or a NumPy array, a dict of arrays, an open TileDB array, a Zarr array
    or group, an Arrow table, a pandas or Polars frame.

    `ranges` has an entry for each dimension: a coordinate, `(start, end)` or a slice, both INCLUSIVE, a list
    of these, or None or `[]` for all of it. Dimensions at the end may be left out. Coordinates are those of
    the array: whole numbers that count from 0 in NumPy, Zarr and tables (one dimension, `rows`); in TileDB
    whole numbers, floats, texts, dates and times, as its domain has them. Several ranges are joined in the
    order given.

    `attrs` names the attributes (None or empty: all): attributes of TileDB, arrays of a Zarr group or `.npz`
    file, fields of a structured array, columns of a table. A lone NumPy or Zarr array has one, "values"; an
    unnamed attribute of TileDB's is `""`. A sparse TileDB array gives its coordinates too.

    `layout` is "R" or "row-major" (the default), "C" or "col-major", "G" or "global-order", "U" or
    "unordered". It is the order of a sparse array's cells, and of a dense array's elements in memory, where
    G and U bind nothing.

    Raises `ArgumentError` for ranges, attributes and layouts that the array does not have, `ArrayReadError`
    for an array that is not there or cannot be read, and `MissingExtraError`.

    >>> import numpy
    >>> square = numpy.arange(1, 17).reshape(4, 4)
    >>> read_array(square, [[0, (1, 3)], None])["values"].sum().item()
    136
    """
    order = parse_layout(layout)
    what = _named(uri)
    if find_spec("numpy") is None:
        raise missing("numpy", "numpy", "a node over an array")
    try:
        return _read(uri, ranges, attrs, order, what)
    except ModuleNotFoundError as error:
        raise _missing(error, what) from error
    except (RamifyError, MemoryError):
        raise
    except Exception as error:  # of any of the libraries, and each has its own for a damaged file
        told = without_secrets(str(error)) or type(error).__name__
        hidden = told not in (str(error), type(error).__name__)
        raise ArrayReadError(f"{what} cannot be read: {told}", uri=what) from (None if hidden else error)


def _named(uri: Any) -> str:
    if isinstance(uri, str | os.PathLike):
        return without_secrets(os.fsdecode(uri))
    return f"the {type(uri).__name__}"


def _missing(error: ModuleNotFoundError, what: str) -> Exception:
    extras = {"tiledb": "arrays", "zarr": "arrays", "pyarrow": "pandas"}
    package = (error.name or "").partition(".")[0]
    return missing(package, extras[package], what) if package in extras else error


def _read(uri: Any, ranges: Any, attrs: Any, layout: Layout | None, what: str) -> Arrays:
    if isinstance(uri, str | os.PathLike):
        return _read_place(os.fsdecode(uri), ranges, attrs, layout, what)
    library = library_of(uri)
    if library == "zarr":
        from ramify.dag.arrays_zarr import read_zarr

        return read_zarr(uri, ranges, attrs, layout, what)
    if library == "tiledb":
        from ramify.dag.arrays_tiledb import read_tiledb

        return read_tiledb(uri, ranges, attrs, layout, what)
    if library == "numpy" and hasattr(uri, "dtype") and hasattr(uri, "shape"):
        from ramify.dag.arrays_numpy import read_numpy

        return read_numpy(uri, ranges, attrs, layout, what)
    if isinstance(uri, Mapping):
        from ramify.dag.arrays_numpy import read_named

        return read_named(uri, ranges, attrs, layout, what)
    if is_table(uri):
        from ramify.dag.arrays_table import read_table

        return read_table(uri, ranges, attrs, what)
    raise ArgumentError(
        f"{what} is no array: give a path or URI, a NumPy array, a dict of arrays, a Zarr array or group, an "
        "Arrow table or a frame",
        names=["uri"],
    )


def _read_place(place: str, ranges: Any, attrs: Any, layout: Layout | None, what: str) -> Arrays:
    path = _local(place)
    kind = _kind(place, path)
    if kind == "zarr":
        from ramify.dag.arrays_zarr import read_zarr

        return read_zarr(path or place, ranges, attrs, layout, what)
    if kind == "tiledb":
        from ramify.dag.arrays_tiledb import read_tiledb

        return read_tiledb(path or place, ranges, attrs, layout, what)
    if path is None:
        raise ArrayReadError(f"{what}: files are read from this machine only: give a path", uri=what)
    if kind == "parquet":
        from ramify.dag.arrays_table import read_parquet

        return read_parquet(path, ranges, attrs)
    from ramify.dag.arrays_numpy import read_file

    return read_file(path, ranges, attrs, layout)


def _local(place: str) -> str | None:
    """The path on this machine, or None for what is elsewhere."""
    if place.startswith("file://"):
        return unquote(urlsplit(place).path)
    return None if "://" in place else place


_MARKS: Final = {"zarr": ("zarr.json", ".zarray", ".zgroup"), "tiledb": ("__schema", "__array_schema.tdb")}
_ENDS: Final = {
    "zarr": (".zarr", ".zarr.zip"),
    "numpy": (".npy", ".npz"),
    "parquet": (".parquet", ".pq"),
}


def _kind(place: str, path: str | None) -> str:
    """What holds the array, by the folder's contents, else by the name's end."""
    if path is not None:
        if not os.path.exists(path):
            raise ArrayReadError(f"there is no array at {path}", uri=path)
        for kind, marks in _MARKS.items():
            if any(os.path.exists(os.path.join(path, mark)) for mark in marks):
                return kind
    name = place.rstrip("/").lower()
    found = next((kind for kind, ends in _ENDS.items() if name.endswith(ends)), None)
    if found is None and path is not None:
        raise ArrayReadError(
            f"{path} is no array that is known here: a folder of TileDB or Zarr, or a .npy, .npz or .parquet "
            "file",
            uri=path,
        )
    return found or "tiledb"
