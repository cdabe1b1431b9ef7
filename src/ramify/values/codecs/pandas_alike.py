"""Whether a frame or a series that was read back is what was written: values, types, labels and all."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

_ATOMS: Final = frozenset({"str", "bytes", "int", "float", "bool", "NoneType", "date", "Decimal", "time"})


def alike(before: Any, after: Any) -> bool:
    """Whether the two are the same for a user: not only equal, but of equal types down to object cells.

    >>> alike(pd.Series([1, 2]), pd.Series([1, 2])), alike(pd.Series([1, 2]), pd.Series([1.0, 2.0]))
    (True, False)
    """
    if type(before) is not type(after):
        return False
    check = pd.testing.assert_series_equal if type(before) is pd.Series else pd.testing.assert_frame_equal
    try:
        check(before, after, check_exact=True, check_freq=True, check_flags=True)
    except (AssertionError, TypeError, ValueError):
        return False
    return _same_axes(before, after) and _same_cells(before, after)


def _same_axes(before: Any, after: Any) -> bool:
    for one, two in zip(before.axes, after.axes, strict=True):
        if type(one) is not type(two) or one.dtype != two.dtype or not _same_names(one.names, two.names):
            return False
        if one.dtype == object and not _same_types(one, two):
            return False
    return bool(before.attrs == after.attrs)


def _same_names(one: Any, two: Any) -> bool:
    return list(one) == list(two) and list(map(type, one)) == list(map(type, two))


def _same_cells(before: Any, after: Any) -> bool:
    columns = [before] if before.ndim == 1 else [before.iloc[:, i] for i in range(before.shape[1])]
    others = [after] if after.ndim == 1 else [after.iloc[:, i] for i in range(after.shape[1])]
    return all(
        one.dtype == two.dtype and (one.dtype != object or _same_types(one, two))
        for one, two in zip(columns, others, strict=True)
    )


def _same_types(one: Any, two: Any) -> bool:
    """Cells of an object column: `assert_frame_equal` holds None and NaN, a list and an array to be equal."""
    if isinstance(one, pd.MultiIndex):
        return all(_same_types(one.levels[i], two.levels[i]) for i in range(one.nlevels))
    kinds = list(map(type, one))
    return {kind.__name__ for kind in set(kinds)} <= _ATOMS and kinds == list(map(type, two))
