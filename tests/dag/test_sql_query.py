"""Queries in DuckDB and SQLite: parameters, tables, results, errors, interruption."""

from __future__ import annotations

import datetime
import pickle
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ramify.dag import sql_duckdb, sql_engine, sql_running
from ramify.dag.masked import without_secrets
from ramify.dag.sql import Query, interrupt
from ramify.dag.sql_text import Dialect, bind, dialect_of, first_line, signs, with_variables
from ramify.dag.tables import from_rows
from ramify.errors import ArgumentError, JobCancelled, MissingExtraError, QueryError
from ramify.executors.threads import ThreadExecutor
from ramify.ports import Order, Outcome

pytest.importorskip("duckdb")
pytest.importorskip("sqlalchemy")
np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

WHERES = [None, "sqlite://"]


def rows(sql: str, database: str | None = None, parameters: Any = (), tables: Any = None, **more: Any) -> Any:
    return Query(sql, database=database, result_format="rows", **more)(parameters, tables)


# ---- parameters


@pytest.mark.parametrize("where", WHERES)
def test_a_parents_value_fills_a_question_mark(where: str | None) -> None:
    assert rows("select 2 * ? as doubleit", where, [np.int64(136)]) == [{"doubleit": 272}]


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize("sign", [":", "$"])
def test_parameters_have_names(where: str | None, sign: str) -> None:
    sql = f"select {sign}a || '-' || {sign}b || {sign}a as x, ':a' as y"
    assert rows(sql, where, {"a": "1", "b": "2"}) == [{"x": "1-21", "y": ":a"}]


@pytest.mark.parametrize("where", WHERES)
def test_a_value_is_never_part_of_the_text(where: str | None) -> None:
    hostile = "'); drop table t; --"
    assert rows("select ? as x", where, [hostile]) == [{"x": hostile}]


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize(
    "value",
    [None, True, 1.5, "é", b"\0\1", datetime.date(2024, 2, 29)],
    ids=lambda value: type(value).__name__,
)
def test_values_arrive_as_they_are(where: str | None, value: Any) -> None:
    [found] = rows("select ? as x", where, (value,))
    assert found["x"] == (value if where is None or not isinstance(value, datetime.date) else "2024-02-29")


def test_signs_in_quotes_and_comments_are_no_parameters() -> None:
    sql = "select ?, '?', \"?\" -- ?\n, `?` /* ? /* ? */ ? */ , $$ ? $$, $t$ ? $$ ? $t$, ?::int"
    assert [sign.start for sign in signs(sql, dialect_of("postgresql"))] == [7, sql.index("?::")]
    assert len(list(signs("/* /* ? */ ?", Dialect()))) == 1
    assert len(list(signs(r"'\'?', ?", dialect_of("mysql")))) == 1
    assert len(list(signs("# ?\n ?", dialect_of("mariadb")))) == 1


@pytest.mark.parametrize(
    "sql, parameters, told",
    [
        ("select ?", (), "1 ? stand in the query, and parameters has 0"),
        ("select :a", {}, "parameters has no a"),
        ("select :a", {"a": 1, "b": 2}, "nothing in the query stands for b"),
        ("select $1 + $3", [1, 2], "the query asks for $1, $3, parameters has 2"),
    ],
)
def test_parameters_that_do_not_fit_are_told(sql: str, parameters: Any, told: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        bind(sql, parameters, dialect_of("sqlite"))
    assert told in str(caught.value)


def test_numbers_choose_from_a_sequence_in_any_order() -> None:
    assert rows("select $2 || $1 || $2 as x", "sqlite://", ["a", "b"]) == [{"x": "bab"}]


def test_parameters_of_no_kind_are_told() -> None:
    with pytest.raises(ArgumentError, match=r"parameters is a sequence .* it is a str: select \?"):
        rows("select ?", None, "abc")


# ---- results


@pytest.mark.parametrize("where", WHERES)
def test_the_four_formats(where: str | None) -> None:
    sql = "select 1 as a, 'x' as b union all select 2, null order by 1"
    assert list(Query(sql, where)()["a"]) == [1, 2] and isinstance(Query(sql, where)(), pd.DataFrame)
    assert isinstance(Query(sql, where, raw_results=True)(), pa.Table)
    assert Query(sql, where, result_format="arrow")().to_pydict() == {"a": [1, 2], "b": ["x", None]}
    assert Query(sql, where, result_format="polars")().rows() == [(1, "x"), (2, None)]
    assert rows(sql, where) == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize("form", ["arrow", "pandas", "polars"])
def test_no_rows_and_equal_names(where: str | None, form: Any) -> None:
    table = Query("select 1 as a, 2 as a where 1 = 0", where, result_format=form)()
    names = table.column_names if form == "arrow" else table.columns
    assert [*names] == ["a", "a_1"] and len(table) == 0


@pytest.mark.parametrize("where", WHERES)
def test_statements_without_rows_count_what_they_changed(where: str | None) -> None:
    make = "create table t (x integer)"
    assert rows(make, where) == []
    assert rows("insert into t values (1), (2)", where, init_commands=[make]) == [{"Count": 2}]


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_without_pandas_and_arrow_the_result_is_what_is_left(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    gone = {"pandas"} | {package}
    find = sql_duckdb.find_spec
    monkeypatch.setattr("ramify.dag.tables.find_spec", lambda name: None if name in gone else find(name))
    found = Query("select 1 as a", "sqlite://")()
    assert found == [{"a": 1}] if package == "pyarrow" else isinstance(found, pa.Table)
    with pytest.raises(MissingExtraError, match=r"pip install 'ramify\[pandas\]'") as caught:
        Query("select 1", result_format="pandas")()
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize("where, package", [(None, "duckdb"), ("sqlite://", "sqlalchemy")])
def test_a_missing_library_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, where: str | None, package: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ramify\[sql\]'"):
        Query("select 1", where)()


def test_a_missing_driver_is_named() -> None:
    with pytest.raises(MissingExtraError, match="pymysql") as caught:
        Query("select 1", "mysql+pymysql://me:hunter2@nowhere/db")()
    assert "hunter2" not in str(caught.value)


# ---- tables

LIST = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
TABLES = {
    "arrow": lambda: pa.Table.from_pylist(LIST),
    "batch": lambda: pa.RecordBatch.from_pylist(LIST),
    "pandas": lambda: pd.DataFrame(LIST, index=[7, 8]),
    "polars": lambda: pl.DataFrame(LIST),
    "dicts": lambda: LIST,
    "columns": lambda: {"a": np.array([1, 2]), "b": ["x", "y"]},
    "structured": lambda: np.array([(1, "x"), (2, "y")], dtype=[("a", ">i4"), ("b", "U4")]),
}


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize("kind", TABLES)
def test_tables_are_queried_by_name(where: str | None, kind: str) -> None:
    tables = {"first": TABLES[kind](), "second one": [{"a": 2, "c": 0.5}]}
    sql = 'select b, c from first join "second one" using (a)'
    assert rows(sql, where, tables=tables) == [{"b": "y", "c": 0.5}]


def test_tables_are_read_without_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    find = sql_duckdb.find_spec
    for module in ("tables", "sql_duckdb"):
        name = f"ramify.dag.{module}.find_spec"
        monkeypatch.setattr(name, lambda name: None if name == "pyarrow" else find(name))
    for kind in ("pandas", "dicts", "columns", "structured"):
        for where in WHERES:
            assert rows("select sum(a) as a from t", where, tables={"t": TABLES[kind]()}) == [{"a": 3}], kind


def test_a_temporary_table_keeps_its_types_and_goes_with_its_connection(tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/x.db"
    when = datetime.datetime(2024, 2, 29, 12, 30)
    table = [{"i": None, "f": 1, "s": "é", "y": b"\0", "t": when}, {"i": 2**40, "f": 0.5, "s": None}]
    [_, found] = rows("select i, f, s, y, t from t order by f desc", where, tables={"t": table})[::-1]
    assert found == {"i": None, "f": 1.0, "s": "é", "y": b"\0", "t": "2024-02-29 12:30:00.000000"}
    with pytest.raises(QueryError, match="no such table: t"):
        rows("select * from t", where)


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize("value", [3, "text", [], [1, 2], np.arange(3), {"a": 1}, {"a": [1], "b": [1, 2]}])
def test_what_is_no_table_is_told(where: str | None, value: Any) -> None:
    with pytest.raises(ArgumentError, match="'t'"):
        rows("select * from t", where, tables={"t": value})


def test_a_column_of_two_kinds_is_told() -> None:
    with pytest.raises(ArgumentError, match="values of type int, str"):
        rows("select 1", "sqlite://", tables={"t": [{"a": 1}, {"a": "x"}]})


def test_a_query_sees_no_variables_of_the_program() -> None:
    frame = pd.DataFrame({"x": [1]})
    with pytest.raises(QueryError, match="frame"):
        rows("select * from frame")
    assert len(frame) == 1


# ---- what goes before, and where


def test_init_commands_share_the_connection() -> None:
    commands = ["create temp table t (x integer)", "insert into t values (1), (2)"]
    for where in WHERES:
        assert rows("select sum(x) as n from t", where, init_commands=commands) == [{"n": 3}]


def test_mariadbs_variables_in_duckdb() -> None:
    commands = ["SET @A = 20 + 1;", "set @b := @A * 2", "create table t as select @b as x, '@A' as y"]
    assert rows("select x, y, @A as a, @ -3 as n from t", init_commands=commands) == [
        {"x": 42, "y": "@A", "a": 21, "n": 3}
    ]


@pytest.mark.parametrize("command", ["SET @A = 1, @B = 2", "SET GLOBAL @A = 1", "SET @A = 1; select 2"])
def test_other_forms_of_variables_name_duckdbs_own(command: str) -> None:
    with pytest.raises(ArgumentError, match="SET VARIABLE name = value"):
        with_variables([command], dialect_of("duckdb"))


def test_files_of_duckdb_last(tmp_path: Path) -> None:
    where = f"duckdb:///{tmp_path}/a%20b.db"
    rows("create table t as select 1 as x", where)
    assert (tmp_path / "a b.db").exists()
    assert rows("from t", where) == [{"x": 1}]
    with pytest.raises(QueryError, match="read-only"):
        rows("insert into t values (2)", where + "?access_mode=read_only")
    with pytest.raises(ArgumentError, match="a file of DuckDB's is"):
        rows("select 1", "duckdb://file.db")


def test_a_change_is_committed_and_a_failed_one_undone(tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/x.db"
    rows("create table t (x integer primary key)", where)
    rows("insert into t values (?)", where, [1])
    with pytest.raises(QueryError, match="UNIQUE"):
        rows("insert into t values (1)", where, init_commands=["insert into t values (2)"])
    with sqlite3.connect(tmp_path / "x.db") as connection:
        assert connection.execute("select * from t").fetchall() == [(1,)]
    connection.close()


# ---- the object and its errors


def test_a_query_pickles_and_is_checked_when_it_is_made() -> None:
    query = Query("select ? as x", "sqlite://", ["select 1"], "rows")
    assert pickle.loads(pickle.dumps(query))([5]) == [{"x": 5}]
    for wrong in [{"sql": " "}, {"sql": None}, {"database": 3}, {"init_commands": "select 1"}]:
        with pytest.raises(
            ArgumentError, match=next(iter(wrong)) if "sql" not in wrong else "a query is a text"
        ):
            Query(**{"sql": "select 1", **wrong})
    with pytest.raises(ArgumentError, match="arrow, pandas, polars, rows; it is 'json'"):
        Query("select 1", result_format="json")  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize("where, told", [(None, "syntax error"), ("sqlite://", "syntax error")])
def test_an_error_has_the_first_line_and_the_databases_words(where: str | None, told: str) -> None:
    with pytest.raises(QueryError, match=told) as caught:
        rows("\n  selec 1\n  from t", where)
    assert caught.value.query == "selec 1 ..." and "in the query: selec 1 ..." in str(caught.value)
    assert isinstance(caught.value, RuntimeError) and caught.value.__cause__ is not None
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.query) == (str(caught.value), caught.value.query)


def test_an_error_of_an_init_command_names_the_command() -> None:
    for where in WHERES:
        with pytest.raises(QueryError, match="in the query: bad command"):
            rows("select 1", where, init_commands=["bad command"])


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+nodriver://me:hunter2@host/db",
        "nodatabase://me:hunter2@host/db",
        "postgresql//me:hunter2@host",
        "sqlite:////nowhere/at/all.db?uri=true&password=hunter2",
        "duckdb://me:hunter2@host/x",
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/db",
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/db?sslpassword=hunter2",
    ],
)
def test_no_password_is_shown(url: str) -> None:
    with pytest.raises(Exception) as caught:  # of whatever kind it is
        Query("select 1", url)()
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in f"{error!r} {error} {getattr(error, '__notes__', '')}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "hunter2" not in repr(Query("select 1", url))


@pytest.mark.parametrize(
    "text",
    [
        "x://u:hunter2@h",
        "x://:hunter2@h",
        "x://u:hunter2/hunter2@h",
        "u:hunter2@h",
        "host=h password=hunter2 user=u",
        "PASSWORD 'hunter2'",
        "{'secret': 'hunter2'}",
        "IDENTIFIED BY 'hunter2'",
        "api_key=hunter2&x=1",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "hunter2" not in without_secrets(text) and "hunter2" not in first_line(text)
    assert without_secrets("select 1 -- plain: text at x://u@h/p") == "select 1 -- plain: text at x://u@h/p"


# ---- interruption

ENDLESS = {
    None: "select count(*) from range(1000000000) a, range(1000000000) b",
    "sqlite://": "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r",
}


class Begun:
    """Notes when a call has gone to its database, so that a test need not guess."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int = 1) -> None:
        self.all_here = threading.Barrier(count + 1)
        self.threads: list[threading.Thread] = []
        for module in (sql_duckdb, sql_engine):
            monkeypatch.setattr(module, "_fetch", self._noting(module._fetch))

    def _noting(self, fetch: Any) -> Any:
        def noting(*args: Any) -> Any:
            self.threads.append(threading.current_thread())
            self.all_here.wait(30)
            return fetch(*args)

        return noting


@pytest.mark.parametrize("where", WHERES)
@pytest.mark.parametrize("by", ["query", "thread", "token"])
def test_a_running_query_is_stopped_from_another_thread(
    monkeypatch: pytest.MonkeyPatch, where: str | None, by: str
) -> None:
    begun = Begun(monkeypatch)
    query = Query(ENDLESS[where], where)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(query, token="mine")
        begun.all_here.wait(30)
        if by == "query":
            assert query.interrupt() == 1
        elif by == "token":
            assert query.interrupt("other") == 0
            assert query.interrupt("mine") == 1
        else:
            assert interrupt(begun.threads[0])
        error = future.exception(30)
    assert isinstance(error, JobCancelled) and first_line(ENDLESS[where]) in str(error)
    assert not sql_running._calls


def test_only_the_calls_that_are_meant_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = Begun(monkeypatch, 3)
    query, other = Query(ENDLESS[None]), Query(ENDLESS["sqlite://"], "sqlite://")
    with ThreadPoolExecutor(3) as pool:
        first, second = pool.submit(query, token=1), pool.submit(query, token=2)
        third = pool.submit(other)
        begun.all_here.wait(30)
        assert query.interrupt(2) == 1
        assert isinstance(second.exception(30), JobCancelled)
        assert not first.done() and not third.done()
        assert query.interrupt() == 1 and other.interrupt() == 1
        assert isinstance(first.exception(30), JobCancelled) and isinstance(third.exception(30), JobCancelled)


def test_a_call_that_is_told_before_it_has_a_connection_stops_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for where, name in [(None, "sql_duckdb._registrable"), ("sqlite://", "sql_engine._add_table")]:
        query = Query(ENDLESS[where], where)
        monkeypatch.setattr(f"ramify.dag.{name}", lambda *_args, query=query: query.interrupt())
        with pytest.raises(JobCancelled):
            query(tables={"t": [{"a": 1}], "u": [{"a": 1}]})


def test_a_worker_that_was_abandoned_before_its_query_began_runs_none() -> None:
    """The executor finds no query to stop then; the endless one must not begin."""
    here, go = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def perform(_: Order) -> Outcome:
        here.set()
        assert go.wait(30)
        try:
            Query(ENDLESS[None])()
        except JobCancelled as error:
            raised.append(error)
        return Outcome("ok")

    told = threading.Event()
    found: list[bool] = []
    executor = ThreadExecutor(perform, 1)
    executor.on_abandon = lambda thread: found.append(interrupt(thread))
    executor.start(lambda *_: told.set())
    executor.submit([Order(0, 1, "q")])
    assert here.wait(30)
    executor.stop([(0, 1)])
    assert found == [False]
    go.set()
    assert told.wait(30) and raised
    executor.close()


def test_a_thread_that_has_the_number_of_an_ended_one_is_another() -> None:
    ended = threading.Thread(target=int)
    ended.start()
    ended.join()
    ended._ident = threading.get_ident()  # type: ignore[attr-defined]  # what the system may do at any time
    with sql_running.running(None, "select 1", None) as call:
        assert not interrupt(ended)
        call.check()


def test_a_driver_that_fails_to_stop_is_asked_again_and_told_of() -> None:
    asked = threading.Semaphore(0)

    def stop() -> None:
        asked.release()
        raise OSError("no route to postgresql://me:hunter2@h")

    with sql_running.running(None, "select 1", None) as call, call.stopped_by(stop):
        assert interrupt(threading.current_thread())
        assert asked.acquire(timeout=30) and asked.acquire(timeout=30)
        with pytest.raises(JobCancelled, match=r"could not be told to stop: no route .*:\*\*\*@h"):
            call.check()


def test_rows_of_a_database_keep_their_order_in_every_format() -> None:
    for form in ("arrow", "pandas", "polars"):
        table: Any = from_rows(["x", "y"], [(1, None), (2, "b")], form)  # type: ignore[arg-type]  # one of them
        assert list(table["x"]) == [1, 2] if form != "arrow" else table["x"].to_pylist() == [1, 2]
