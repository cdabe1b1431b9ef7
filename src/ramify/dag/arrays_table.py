"""Slices of tables, in memory and in Parquet files: the dimension is the row, the attributes are columns."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any

from ramify.dag.arrays_numpy import Arrays, table_rows
from ramify.dag.ranges import Part, parse_attrs
from ramify.dag.tables import as_arrow, concatenated, parquet_file


def read_table(value: Any, ranges: Any, attrs: Any, what: str) -> Arrays:
    """Of an Arrow table or a frame."""
    table = as_arrow(value, what)
    names = parse_attrs(attrs, table.column_names, what) or table.column_names
    return _columns(table.select(names), table_rows(ranges, table.num_rows))


def read_parquet(path: str, ranges: Any, attrs: Any) -> Arrays:
    """Of a Parquet file, of which only the row groups and columns are read that are asked for."""
    with parquet_file(path) as file:
        names = parse_attrs(attrs, file.schema_arrow.names, path) or file.schema_arrow.names
        parts = table_rows(ranges, file.metadata.num_rows)
        sizes = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
        ends = list(accumulate(sizes))
        wanted = sorted({n for low, high in parts for n in _groups(low, high, ends)})
        table = file.read_row_groups(wanted, columns=names)
    return _columns(table.select(names), [_moved(part, wanted, sizes, ends) for part in parts])


def _groups(low: int, high: int, ends: list[int]) -> range:
    return range(bisect_right(ends, low), min(bisect_right(ends, high) + 1, len(ends)))


def _moved(part: Part, wanted: list[int], sizes: list[int], ends: list[int]) -> Part:
    """The part where the rows of the groups that were not read do not count."""
    first = bisect_right(ends, part[0])
    missing = sum(sizes[:first]) - sum(sizes[n] for n in wanted if n < first)
    return part[0] - missing, part[1] - missing


def _columns(table: Any, parts: list[Part]) -> Arrays:
    pieces = [table.slice(low, high - low + 1) for low, high in parts]
    joined = pieces[0] if len(pieces) == 1 else concatenated(pieces)
    return {name: joined.column(name).to_numpy() for name in joined.column_names}
