"""Queries in any database that SQLAlchemy has a URL for. Needs the extra `sql`, and the database's driver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ramify.dag.masked import names_secret, without_secrets
from ramify.dag.sql_parameters import refuse
from ramify.dag.sql_running import RunningCall
from ramify.dag.sql_text import Parameters, Sign, bind, dialect_of, replace
from ramify.dag.tables import Format, as_rows, from_rows, missing
from ramify.errors import ArgumentError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine
    from sqlalchemy.engine import URL

_DRIVERS: Final = {"psycopg": "postgres", "duckdb_engine": "sql"}
"""The extra of Ramify that brings a driver."""

_WATCH: Final = """
    SELECT set_config(name, '1s', false) FROM pg_settings
    WHERE name = 'client_connection_check_interval' AND setting = '0'
"""
"""Has PostgreSQL end the query of a client that was killed; it would run to its end. New in version 14."""


def run_in_database(
    call: RunningCall,
    database: str,
    init_commands: Sequence[str],
    sql: str,
    parameters: Parameters,
    tables: Mapping[str, Any],
    form: Format,
) -> Any:
    """Runs the commands and the query on a connection of their own, as one transaction; see `Query`."""
    try:
        import sqlalchemy
    except ModuleNotFoundError:
        raise missing("sqlalchemy", "sql", "a query in a database") from None
    url = _url(database)
    secrets = _secrets(url)
    at = sql
    try:
        engine = _engine(url)
        with engine.connect() as connection:
            _prepare(connection)
            with call.stopped_by(_stop_of(connection)):
                for name, table in tables.items():
                    call.check()
                    _add_table(connection, name, table)
                for at in init_commands:
                    call.check()
                    connection.exec_driver_sql(at, execution_options={"no_parameters": True})
                call.check()
                at = sql
                result = _fetch(connection, sql, parameters, form)
                connection.commit()
        return result
    except sqlalchemy.exc.DBAPIError as error:
        call.check()
        refuse(error.orig or error, at, database, secrets)
    except sqlalchemy.exc.SQLAlchemyError as error:
        refuse(error, at, database, secrets)


def _url(database: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError as NoUrl

    try:
        url = make_url(database)
    except (NoUrl, ValueError):
        raise ArgumentError(
            f"the database {without_secrets(database)!r} is no URL: give sqlite:///file.db, "
            "postgresql+psycopg://user@host/name, duckdb:///file.db, or None for DuckDB in memory",
            names=["database"],
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _secrets(url: URL) -> list[str]:
    """The passwords as they are, and as URLs write them."""
    from urllib.parse import quote, quote_plus

    several = [one for name, told in url.normalized_query.items() if names_secret(name) for one in told]
    plain = [*several, *([] if url.password is None else [str(url.password)])]
    return list({form for one in plain for form in (one, quote(one, safe=""), quote_plus(one))} - {""})


def _engine(url: URL) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    try:
        return create_engine(url, poolclass=NullPool)
    except ModuleNotFoundError as error:
        package = error.name or url.get_driver_name()
        raise missing(package, _DRIVERS.get(package, "sql"), f"a {url.get_backend_name()} database") from None


def _prepare(connection: Connection) -> None:
    version: Any = connection.dialect.server_version_info
    if connection.dialect.name == "postgresql" and version and version >= (14,):
        connection.exec_driver_sql(_WATCH, execution_options={"no_parameters": True})
        connection.commit()


def _stop_of(connection: Connection) -> Callable[[], object]:
    """What stops the statement that this connection runs, from another thread."""
    driver: Any = connection.connection.driver_connection
    for name in ("cancel_safe", "interrupt", "cancel"):
        if callable(getattr(driver, name, None)):
            stop: Callable[[], object] = getattr(driver, name)
            return stop
    return _cannot_stop


def _cannot_stop() -> None:
    """The driver has no way; the call ends after its statement."""


def _fetch(connection: Connection, sql: str, parameters: Parameters, form: Format) -> Any:
    if parameters:
        text, given = _for_driver(sql, parameters, connection)
        result = connection.exec_driver_sql(text, given)
    else:
        result = connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
    if result.returns_rows:
        return from_rows(list(result.keys()), result.fetchall(), form)
    return from_rows(["Count"], [(result.rowcount,)] if result.rowcount >= 0 else [], form)


def _for_driver(sql: str, parameters: Parameters, connection: Connection) -> tuple[str, Any]:
    """The query with the driver's own signs for parameters, and the values as it takes them."""
    dialect = connection.dialect
    bound = bind(sql, parameters, dialect_of(dialect.name))
    marks, given = _marks(bound, dialect.paramstyle)
    doubles = dialect.paramstyle in ("format", "pyformat")
    signs = [(sign, mark) for (sign, _), mark in zip(bound, marks, strict=True)]
    return replace(sql, signs, (lambda text: text.replace("%", "%%")) if doubles else str), given


def _marks(bound: Sequence[tuple[Sign, Any]], style: str) -> tuple[list[str], Any]:
    names = [f"p{n}" for n in range(len(bound))]
    values = [value for _, value in bound]
    if style in ("pyformat", "named"):
        form = "%({})s" if style == "pyformat" else ":{}"
        return [form.format(name) for name in names], dict(zip(names, values, strict=True))
    if style in ("numeric", "numeric_dollar"):
        sign = "$" if style == "numeric_dollar" else ":"
        return [f"{sign}{n + 1}" for n in range(len(bound))], tuple(values)
    return ["?" if style == "qmark" else "%s"] * len(bound), tuple(values)


# ---- tables


def _add_table(connection: Connection, name: str, value: Any) -> None:
    """Makes a temporary table of this connection, with the types that its values have."""
    import sqlalchemy as sa

    rows = as_rows(value, name)
    kept = [key for key in (rows[0] if rows else {}) if isinstance(key, str)]
    if not kept:
        raise ArgumentError(
            f"the table {name!r} has no rows, so its columns have no types: give one row, or use DuckDB",
            names=[name],
        )
    columns = [sa.Column(key, _type_of([row[key] for row in rows])) for key in kept]
    table = sa.Table(name, sa.MetaData(), *columns, prefixes=["TEMPORARY"])
    table.create(connection)
    connection.execute(table.insert(), rows)


def _type_of(values: Sequence[Any]) -> Any:
    import datetime
    import decimal

    import sqlalchemy as sa

    known: dict[type, Any] = {
        bool: sa.Boolean(),
        int: sa.BigInteger(),
        float: sa.Double(),
        str: sa.Text(),
        bytes: sa.LargeBinary(),
        datetime.date: sa.Date(),
        datetime.datetime: sa.DateTime(),
        datetime.time: sa.Time(),
        decimal.Decimal: sa.Numeric(),
        dict: sa.JSON(),
        list: sa.JSON(),
    }
    kinds = {
        next((base for base in type(v).__mro__ if base in known), type(v)) for v in values if v is not None
    }
    if kinds == {int, float}:
        return sa.Double()
    found = known.get(next(iter(kinds))) if len(kinds) == 1 else None
    if found is None and kinds:
        told = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise ArgumentError(
            f"a column of a temporary table has values of type {told}: give one type per column"
        )
    return found or sa.Text()
