"""Slices of NumPy arrays, in memory and in `.npy` and `.npz` files, and of columns of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ramify.dag.ranges import Layout, Part, index_dim, parse_attrs, parse_ranges

if TYPE_CHECKING:
    import numpy.typing as npt

UNNAMED: Final = "values"
"""The name of the attribute of an array whose attribute has none."""

Arrays = dict[str, "npt.NDArray[Any]"]


def read_file(path: str, ranges: Any, attrs: Any, layout: Layout | None) -> Arrays:
    """Of a `.npy` file only what is asked for comes into memory; nothing that is pickled is loaded.

    What is changed in the result stays in memory.
    """
    if path.endswith(".npz"):
        with np.load(path, allow_pickle=False) as members:
            return read_named(members, ranges, attrs, layout, path)
    return read_numpy(np.load(path, mmap_mode="c", allow_pickle=False), ranges, attrs, layout, path)


def read_numpy(array: Any, ranges: Any, attrs: Any, layout: Layout | None, what: str) -> Arrays:
    """Of a structured array each field is an attribute; of any other the whole is one, named "values"."""
    fields = array.dtype.names
    if fields is not None:
        return read_named({name: array[name] for name in fields}, ranges, attrs, layout, what)
    parse_attrs(attrs, [UNNAMED], what)
    return {UNNAMED: select(array, ranges, layout)}


def read_named(
    arrays: Mapping[str, Any], ranges: Any, attrs: Any, layout: Layout | None, what: str
) -> Arrays:
    """The same ranges of each array that is asked for."""
    names = parse_attrs(attrs, arrays, what) or list(arrays)
    return {name: select(np.asarray(arrays[name]), ranges, layout) for name in names}


def select(array: npt.NDArray[Any], ranges: Any, layout: Layout | None) -> npt.NDArray[Any]:
    """The part of the array in these ranges; it may share the array's memory."""
    dims = [index_dim(f"axis {n}", size) for n, size in enumerate(array.shape)]
    parts = parse_ranges(ranges, dims)
    if all(len(several) < 2 for several in parts):
        return laid_out(array[tuple(map(as_slice, parts))], layout)
    return laid_out(array[np.ix_(*map(as_numbers, parts, array.shape))], layout)


def as_slice(parts: Sequence[Part]) -> slice:
    """None or one part as a slice of Python's own."""
    return slice(parts[0][0], parts[0][1] + 1) if parts else slice(None)


def as_numbers(parts: Sequence[Part], size: int) -> npt.NDArray[np.intp]:
    """The positions in several parts, one after the other."""
    return np.concatenate([np.arange(low, high + 1) for low, high in parts or [(0, size - 1)]])


def laid_out(array: Any, layout: Layout | None) -> npt.NDArray[Any]:
    """The array with its elements in this order in memory; one without a bound order as it is."""
    if layout == "R":
        return np.ascontiguousarray(array).reshape(np.shape(array))
    return (
        np.asfortranarray(array).reshape(np.shape(array), order="F") if layout == "C" else np.asarray(array)
    )


# ---- tables


def table_rows(ranges: Any, size: int) -> list[Part]:
    """The rows that these ranges of a table's one dimension mean."""
    [parts] = parse_ranges(ranges, [index_dim("rows", size)])
    return parts or [(0, size - 1)]
