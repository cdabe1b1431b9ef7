"""Queries as work: one call runs one query, in DuckDB inside this process or in a database by URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ramify.dag.masked import without_secrets
from ramify.dag.sql_parameters import settled
from ramify.dag.sql_running import interrupt, interrupt_calls, running
from ramify.dag.sql_text import Parameters, first_line
from ramify.dag.tables import FORMATS, Format, best_format, check_format
from ramify.errors import ArgumentError

__all__ = ["Query", "interrupt"]


@dataclass(frozen=True, repr=False, eq=False)
class Query:
    """A query that can be called, again and again and from several threads at once; it pickles as its text.

    `database` is None for DuckDB in memory, `duckdb:///file.db` for a file of DuckDB's (its configuration may
    follow: `?access_mode=read_only`), or any URL of SQLAlchemy's: `sqlite:///file.db`,
    `postgresql+psycopg://user@host/name`. A plain `postgresql://` is taken by psycopg 3. A password is better
    kept out of it (`PGPASSWORD`, `~/.pgpass`); one that is there is masked in the repr and in every error.

    `init_commands` are run first, on the same connection; the query and they are one transaction, which is
    committed when all of it was good (in DuckDB each statement is its own, unless they say BEGIN). For
    DuckDB, MariaDB's `SET @A = 1` is understood, and `@A` after it.

    `result_format` is "pandas", "arrow", "polars" or "rows" (a list of dicts). None is pandas; where pandas
    is not installed, Arrow; where that is not either, rows. With `raw_results`, None is Arrow. A statement
    without rows gives a table of one column, `Count`, with the number of rows that it changed; after
    `CREATE` and the like it is empty.

    >>> Query("select 1", database="postgresql://me:hunter2@db/x")
    Query('select 1', database='postgresql://me:***@db/x')
    """

    ramify_name: ClassVar[str] = "SQL query"

    sql: str
    database: str | None = None
    init_commands: Sequence[str] = ()
    result_format: Format | None = None
    raw_results: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.sql, str) or not self.sql.strip():
            raise ArgumentError(f"a query is a text; it is {self.sql!r:.80}", names=["sql"])
        if self.database is not None and not isinstance(self.database, str):
            kind = type(self.database).__name__
            raise ArgumentError(
                f"a database is a URL as text, or None; it is of type {kind}", names=["database"]
            )
        commands = self.init_commands
        if isinstance(commands, str) or not all(isinstance(one, str) for one in commands):
            raise ArgumentError(
                f"init_commands is a list of texts; it is {commands!r:.80}", names=["init_commands"]
            )
        object.__setattr__(self, "init_commands", tuple(commands))
        if self.result_format not in (None, *FORMATS):
            known = ", ".join(FORMATS)
            raise ArgumentError(
                f"result_format is one of {known}; it is {self.result_format!r}", names=["result_format"]
            )

    def __repr__(self) -> str:
        where = "" if self.database is None else f", database={without_secrets(self.database)!r}"
        return f"Query({first_line(self.sql)!r}{where})"

    def __call__(
        self,
        parameters: Parameters | None = (),
        tables: Mapping[str, Any] | None = None,
        *,
        token: Any = None,
    ) -> Any:
        """Runs the query and gives its result.

        `parameters` is a sequence for `?` (or `$1`), or a mapping for `:name` and `$name`; values are
        bound, never written into the text. `tables` can be queried by their names: Arrow tables, pandas and
        Polars frames, lists of dicts, dicts of columns, NumPy structured arrays. DuckDB reads them where
        they are; in another database they become temporary tables. `token` is for `interrupt`.

        Raises `QueryError` with the database's own words, `ArgumentError` for parameters that do not fit,
        `MissingExtraError`, and `JobCancelled` after an interruption.

        >>> Query("select 2 * ? as doubled", "sqlite://", result_format="rows")([136])
        [{'doubled': 272}]
        """
        form = self._form()
        check_format(form)
        given = settled(parameters, self.sql)
        named = dict(tables or {})
        with running(self, first_line(self.sql), token) as call:
            if self.database is None or self.database.partition(":")[0] == "duckdb":
                from ramify.dag.sql_duckdb import run_in_duckdb

                return run_in_duckdb(call, self.database, self.init_commands, self.sql, given, named, form)
            from ramify.dag.sql_engine import run_in_database

            return run_in_database(call, self.database, self.init_commands, self.sql, given, named, form)

    def interrupt(self, token: Any = None) -> int:
        """Stops the calls of this very object that run now, in any thread; with `token`, only those that
        were given it. Returns their number at once; each raises `JobCancelled` when its database has stopped.

        >>> Query("select 1").interrupt()
        0
        """
        return interrupt_calls(lambda call: call.query is self and (token is None or call.token == token))

    def _form(self) -> Format:
        if self.result_format is not None:
            return self.result_format
        return "arrow" if self.raw_results else best_format()
