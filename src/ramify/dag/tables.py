"""Tables of any library that is installed: what goes into a query by name, and what comes out of one.

A table is an Arrow table, a record batch, what has `__arrow_c_stream__`, a pandas or Polars frame, a list
of dicts, a dict of columns (sequences or one-dimensional arrays), or a NumPy structured array.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Final, Literal

from ramify.errors import ArgumentError, MissingExtraError

Format = Literal["arrow", "pandas", "polars", "rows"]
FORMATS: Final = ("arrow", "pandas", "polars", "rows")

_EXTRA_OF: Final = {"pandas": "pandas", "pyarrow": "pandas", "polars": "polars", "numpy": "numpy"}


def missing(package: str, extra: str, what: str) -> MissingExtraError:
    """The error for a package that is not installed, and what brings it."""
    return MissingExtraError(
        f"{what} needs {package}: pip install 'ramify[{extra}]'", package=package, extra=extra
    )


def best_format() -> Format:
    """pandas where it is installed, else Arrow, else rows."""
    if find_spec("pandas") is not None:
        return "pandas"
    return "arrow" if find_spec("pyarrow") is not None else "rows"


def check_format(form: Format) -> None:
    """Raises `MissingExtraError` where the library of this format is not installed."""
    needed = {"arrow": ["pyarrow"], "pandas": ["pandas"], "polars": ["polars"], "rows": []}[form]
    for package in needed:
        if find_spec(package) is None:
            raise missing(package, _EXTRA_OF[package], f"a result as {form}")


# ---- out


def from_rows(names: Sequence[str], rows: Sequence[Sequence[Any]], form: Format) -> Any:
    """Rows of a database in this format; of equal names the later ones get a number, `a`, `a_1`.

    >>> from_rows(["a", "a"], [(1, 2)], "rows")
    [{'a': 1, 'a_1': 2}]
    """
    columns = distinct(names)
    if form == "rows":
        return [dict(zip(columns, row, strict=True)) for row in rows]
    if form == "pandas":
        import pandas as pd

        return pd.DataFrame.from_records([tuple(row) for row in rows], columns=columns, coerce_float=False)
    if form == "polars":
        import polars as pl

        return pl.DataFrame(
            [tuple(row) for row in rows], schema=columns, orient="row", infer_schema_length=None
        )
    import pyarrow as pa

    return pa.table(list(map(list, zip(*rows, strict=True))) or [[] for _ in columns], names=columns)


def distinct(names: Sequence[str]) -> list[str]:
    """The names with a number behind those that are there already.

    >>> distinct(["a", "b", "a", "a_1"])
    ['a', 'b', 'a_1', 'a_1_1']
    """
    taken: dict[str, None] = {}
    for name in names:
        new, count = name, 0
        while new in taken:
            count += 1
            new = f"{name}_{count}"
        taken[new] = None
    return list(taken)


def from_arrow(table: Any, form: Format) -> Any:
    """An Arrow table in this format."""
    names = distinct(table.column_names)
    if names != table.column_names:
        table = table.rename_columns(names)
    if form == "polars":
        import polars as pl

        return pl.from_arrow(table)
    if form == "pandas":
        return table.to_pandas()
    return table.to_pylist() if form == "rows" else table


# ---- in


def library_of(value: Any) -> str:
    """The top package that the type of a value, or a base of it, is from, without importing anything.

    >>> library_of([1])
    'builtins'
    """
    tops = [cls.__module__.partition(".")[0] for cls in type(value).__mro__]
    known = ("pandas", "polars", "pyarrow", "numpy", "zarr", "tiledb")
    return next((top for top in tops if top in known), tops[0])


def is_table(value: Any) -> bool:
    """Whether `as_arrow` and `as_columns` know what to do with it."""
    if library_of(value) == "numpy":
        return getattr(getattr(value, "dtype", None), "names", None) is not None
    if hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__"):
        return type(value).__name__ not in ("Series", "ChunkedArray") and library_of(value) != "numpy"
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(name, str) and _is_column(c) for name, c in value.items())
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _is_column(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return True
    if isinstance(value, str | bytes | Mapping):
        return False
    return hasattr(value, "__len__") and getattr(value, "ndim", 1) == 1


def as_arrow(value: Any, name: str) -> Any:
    """The table as an Arrow one. Raises `ArgumentError` for what is none, naming it `name`."""
    import pyarrow as pa

    if not is_table(value):
        raise no_table(value, name)
    if library_of(value) == "pyarrow" and isinstance(value, pa.Table):
        return value
    try:
        if library_of(value) == "pandas":
            return pa.Table.from_pandas(value, preserve_index=False)
        if isinstance(value, list):
            return pa.Table.from_pylist([dict(row) for row in value])
        if isinstance(value, Mapping) or library_of(value) == "numpy":
            return pa.table({key: pa.array(column) for key, column in as_columns(value, name).items()})
        return pa.table(value)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ArgumentError(f"the table {name!r} has no form in Arrow: {error}", names=[name]) from error


def parquet_file(path: str) -> Any:
    """A Parquet file, to be read in part; closed by `with`."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(path)


def concatenated(tables: Sequence[Any]) -> Any:
    """Arrow tables of one schema, one after the other."""
    import pyarrow as pa

    return pa.concat_tables(tables)


def as_columns(value: Any, name: str) -> dict[str, Any]:
    """The columns of a list of dicts, a dict of columns or a structured array, by name.

    >>> as_columns([{"a": 1}, {"a": 2, "b": 3}], "t")
    {'a': [1, 2], 'b': [None, 3]}
    """
    if isinstance(value, list):
        keys = dict.fromkeys(key for row in value for key in row)
        return {key: [row.get(key) for row in value] for key in keys}
    if isinstance(value, Mapping):
        if len({len(column) for column in value.values()}) > 1:
            sizes = ", ".join(f"{key}: {len(column)}" for key, column in value.items())
            raise ArgumentError(f"the columns of {name!r} are of different lengths ({sizes})", names=[name])
        return {key: _native(column) for key, column in value.items()}
    return {key: _native(value[key]) for key in value.dtype.names}


def _native(column: Any) -> Any:
    """In this machine's byte order, without gaps: Arrow takes nothing else."""
    dtype = getattr(column, "dtype", None)
    if library_of(column) != "numpy" or dtype is None:
        return column
    return column.astype(dtype.newbyteorder("="), copy=not column.flags["C_CONTIGUOUS"])


def as_rows(value: Any, name: str) -> list[dict[str, Any]]:
    """The table as a list of dicts of plain Python values."""
    if not is_table(value):
        raise no_table(value, name)
    if isinstance(value, list):
        columns = as_columns(value, name)
        return [{key: plain(row.get(key)) for key in columns} for row in value]
    if find_spec("pyarrow") is not None:
        rows: list[dict[str, Any]] = as_arrow(value, name).to_pylist()
        return rows
    if library_of(value) in ("pandas", "polars"):
        listed = value.to_dict("records") if library_of(value) == "pandas" else value.to_dicts()
        return [{key: plain(one) for key, one in row.items()} for row in listed]
    columns = {key: list(map(plain, column)) for key, column in as_columns(value, name).items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def plain(value: Any) -> Any:
    """A NumPy scalar as Python's own value; anything else as it is.

    >>> plain("text")
    'text'
    """
    if library_of(value) != "numpy" or getattr(value, "shape", None) != () or not hasattr(value, "item"):
        return value
    if value.dtype.kind == "M":  # nanoseconds would come as an int
        return value.astype("datetime64[us]").item() if value.dtype.str[3:] != "[D]" else value.item()
    return value.astype("timedelta64[us]").item() if value.dtype.kind == "m" else value.item()


def no_table(value: Any, name: str) -> ArgumentError:
    """The error for what is not a table."""
    kind = type(value).__name__
    wanted = "an Arrow table, a pandas or Polars frame, a list of dicts, a dict of columns of one length"
    return ArgumentError(
        f"{name!r} is no table but {kind}: give {wanted} and one dimension, or a structured array",
        names=[name],
    )
