"""Nodes whose work is a query, or a function of parts of arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ramify.dag.execution import by_name
from ramify.errors import ArgumentError

if TYPE_CHECKING:
    from ramify.dag.node import Node

_WRITTEN: Final = ("output_uri", "output_schema", "output_array_name")
"""Where a hosted service writes what a query brings."""


class DataNodes:
    """What adds such nodes: a graph, or a graph with options."""

    if TYPE_CHECKING:

        def _submit_call(
            self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], verb: str
        ) -> Node[Any]:
            """Adds a call; its options are among the keywords."""

    def submit_sql(
        self,
        sql: str,
        *,
        database: str | None = None,
        parameters: Any = (),
        tables: Mapping[str, Any] | None = None,
        init_commands: Sequence[str] = (),
        result_format: Any = None,
        raw_results: bool = False,
        **options: Any,
    ) -> Node[Any]:
        """Adds a query, in DuckDB inside the worker or in the database of a URL; see `ramify.dag.sql.Query`.

        `parameters` are bound to `?` (a sequence) or `:name` (a mapping); `tables` can be queried by their
        names. Nodes may be in both. A timeout, and a cancel with `force=True`, stop the query. Other options
        are those of `submit`.

        Raises `ArgumentError` for a query that cannot be, and for an option that there is not.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> six = dag.submit(max, 6, 1)
        >>> node = dag.submit_sql("select 7 * ? as answer", parameters=[six], result_format="rows")
        >>> dag.compute(); node.result()
        [{'answer': 42}]
        """
        _check_options(options)
        query = by_name("sql", "Query")(sql, database, init_commands, result_format, raw_results)
        return self._submit_call(query, (parameters, tables), options, "submit_sql")

    def submit_array_udf(
        self,
        *args: Any,
        uri: Any = None,
        func: Callable[..., Any] | None = None,
        ranges: Any = None,
        attrs: Any = None,
        layout: str | None = None,
        **options: Any,
    ) -> Node[Any]:
        """Adds a call of `func` on parts of an array: `submit_array_udf(uri, func, ranges)`.

        The documented form `(func, uri=..., ranges=...)` does as well. The function gets a dict of NumPy
        arrays by attribute and dimension, or one for each entry of an `ArrayList`; then the other arguments.
        `ranges` are inclusive, one item per dimension: see `ramify.dag.arrays.read_array`. Arrays are TileDB
        and Zarr arrays, `.npy`, `.npz` and Parquet files, and NumPy arrays; nodes may be anywhere in it.

        Raises `ArgumentError` where no array or no function is given. The node fails with `ArgumentError` for
        ranges that the array does not have, and `ArrayReadError` for what cannot be read.

        >>> import numpy
        >>> from ramify import DAG
        >>> dag = DAG()
        >>> whole = numpy.arange(1, 17).reshape(4, 4)
        >>> node = dag.submit_array_udf(whole, lambda part: int(part["values"].sum()), [(0, 1), None])
        >>> dag.compute(); node.result()
        36
        """
        left = list(args)
        if func is None and left and callable(left[0]):
            func = left.pop(0)
        if uri is None and left:
            uri = left.pop(0)
        if func is None and left and callable(left[0]):
            func = left.pop(0)
        if ranges is None and left:
            ranges = left.pop(0)
        _check_given(uri, func)
        call = by_name("arrays", "ArrayCall")(func)
        read = _entries(uri, ranges, attrs, layout)
        return self._submit_call(call, (read, *left), options, "submit_array_udf")


def _check_options(options: dict[str, Any]) -> None:
    """Now, and not when the query is called with them."""
    from ramify.dag.options import RESERVED, UNUSED

    written = [name for name in _WRITTEN if options.pop(name, None) is not None]
    if written:
        raise ArgumentError(
            f"{written[0]}= writes no array here: the result is the node's value, for a node after it",
            names=written,
        )
    strange = sorted(options.keys() - RESERVED - UNUSED)
    if strange:
        raise ArgumentError(f"{strange[0]}= is no option of submit_sql()", names=strange)


def _check_given(uri: Any, func: Any) -> None:
    for name, what, is_there in (("func", "function", callable(func)), ("uri", "array", uri is not None)):
        if not is_there:
            raise ArgumentError(
                "submit_array_udf takes (uri, func, ranges) or (func, uri=..., ranges=...), and no "
                f"{what} is given",
                names=[name],
            )


def _entries(uri: Any, ranges: Any, attrs: Any, layout: Any) -> Any:
    """What is read, in plain containers: nodes are looked for in those."""
    from ramify.dag.arrays import ArrayList, array_entry

    if not isinstance(uri, ArrayList):
        return array_entry(uri, ranges, attrs, layout)
    if ranges is not None or attrs is not None or layout is not None:
        raise ArgumentError(
            "an ArrayList says itself what is read: give ranges, buffers and layout to its add()",
            names=["ranges", "attrs", "layout"],
        )
    return list(uri)
