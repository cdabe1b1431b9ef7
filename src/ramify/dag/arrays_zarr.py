"""Slices of Zarr arrays and groups of arrays. Needs the extra `arrays`."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr

from ramify.dag.arrays_numpy import UNNAMED, Arrays, as_numbers, as_slice, laid_out
from ramify.dag.ranges import Layout, index_dim, parse_attrs, parse_ranges
from ramify.errors import ArrayReadError


def read_zarr(source: Any, ranges: Any, attrs: Any, layout: Layout | None, what: str) -> Arrays:
    """Of a group each array directly in it is an attribute; a lone array is one, named "values"."""
    node = zarr.open(source, mode="r") if isinstance(source, str) else source
    if isinstance(node, zarr.Array):
        parse_attrs(attrs, [UNNAMED], what)
        return {UNNAMED: _select(node, ranges, layout, what)}
    members = dict(node.arrays())
    names = parse_attrs(attrs, members, what) or sorted(members)
    return {name: _select(members[name], ranges, layout, f"{what}/{name}") for name in names}


def _select(array: Any, ranges: Any, layout: Layout | None, what: str) -> Any:
    _refuse_pickles(array, what)
    dims = [index_dim(name, size) for name, size in zip(_names(array), array.shape, strict=True)]
    parts = parse_ranges(ranges, dims)
    if all(len(several) < 2 for several in parts):
        return laid_out(np.asarray(array[tuple(map(as_slice, parts))]), layout)
    index = tuple(
        as_numbers(several, size) if len(several) > 1 else as_slice(several)
        for several, size in zip(parts, array.shape, strict=True)
    )
    return laid_out(np.asarray(array.oindex[index]), layout)


def _names(array: Any) -> list[str]:
    """The names of the dimensions, where the array has any."""
    named = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    given = (
        list(named) if isinstance(named, list | tuple) and len(named) == array.ndim else [None] * array.ndim
    )
    return [f"axis {n}" if name is None else str(name) for n, name in enumerate(given)]


def _refuse_pickles(array: Any, what: str) -> None:
    """An array of the older format may hold pickles, and reading one runs what is in it."""
    metadata = array.metadata
    codecs = [*(getattr(metadata, "filters", None) or ()), getattr(metadata, "compressor", None)]
    if any(getattr(codec, "codec_id", "") == "pickle" for codec in codecs):
        raise ArrayReadError(
            f"{what} holds pickles, which are not read here: store it as text or numbers", uri=what
        )
