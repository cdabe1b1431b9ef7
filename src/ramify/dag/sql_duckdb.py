"""Queries in DuckDB, inside this process. Needs the extra `sql`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ramify.dag.masked import without_secrets
from ramify.dag.sql_parameters import refuse
from ramify.dag.sql_running import RunningCall
from ramify.dag.sql_text import Parameters, bind, dialect_of, replace, with_variables
from ramify.dag.tables import (
    Format,
    as_arrow,
    as_columns,
    from_arrow,
    from_rows,
    is_table,
    library_of,
    missing,
    no_table,
)
from ramify.errors import ArgumentError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

DIALECT = dialect_of("duckdb")


def run_in_duckdb(
    call: RunningCall,
    database: str | None,
    init_commands: Sequence[str],
    sql: str,
    parameters: Parameters,
    tables: Mapping[str, Any],
    form: Format,
) -> Any:
    """Runs the commands and the query on a connection of their own; see `Query`."""
    try:
        import duckdb
    except ModuleNotFoundError:
        raise missing("duckdb", "sql", "a query without a database") from None
    *commands, text = with_variables([*init_commands, sql], DIALECT)
    path, config = _place(database)
    at = sql
    try:
        with duckdb.connect(path, config=config) as connection, call.stopped_by(connection.interrupt):
            connection.execute("SET python_enable_replacements = false")  # no variables of ours as tables
            for name, table in tables.items():
                connection.register(name, _registrable(table, name))
            for at in commands:
                call.check()
                connection.execute(at)
            call.check()
            at = sql
            return _fetch(connection, text, parameters, form)
    except duckdb.Error as error:
        call.check()
        refuse(error, at, database or "DuckDB")


def _place(database: str | None) -> tuple[str, dict[str, Any]]:
    """The file of a URL, `duckdb:///relative.db` or `duckdb:////absolute.db`, and its configuration."""
    if database is None:
        return ":memory:", {}
    parts = urlsplit(database)
    if parts.netloc or parts.fragment:
        raise ArgumentError(
            f"a file of DuckDB's is duckdb:///relative.db or duckdb:////absolute.db; it is "
            f"{without_secrets(database)}",
            names=["database"],
        )
    return unquote(parts.path[1:]) or ":memory:", dict(parse_qsl(parts.query))


def _fetch(connection: DuckDBPyConnection, text: str, parameters: Parameters, form: Format) -> Any:
    given: Any = parameters
    if isinstance(parameters, Mapping):
        bound = bind(text, parameters, DIALECT)
        text = replace(text, [(sign, f"${sign.text[1:]}") for sign, _ in bound])
    relation = connection.sql(text, params=given or None)
    if relation is None:  # versions before 2.0, of a statement without rows
        return from_rows(["Count"], [], form)
    if form == "pandas":
        return relation.df()
    if form == "rows" or find_spec("pyarrow") is None:
        return from_rows(relation.columns, relation.fetchall(), form)
    return from_arrow(relation.to_arrow_table(), form)


def _registrable(table: Any, name: str) -> Any:
    """DuckDB reads frames and Arrow tables where they are; the rest is put into columns first."""
    if not is_table(table):
        raise no_table(table, name)
    if library_of(table) == "pandas":
        return table
    if find_spec("pyarrow") is not None:
        return as_arrow(table, name)
    if hasattr(table, "__arrow_c_stream__"):
        return table
    if find_spec("numpy") is None:
        raise missing("numpy", "numpy", f"the table {name!r}")
    import numpy as np

    return {key: np.asarray(column) for key, column in as_columns(table, name).items()}
