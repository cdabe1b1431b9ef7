"""Queries in a real PostgreSQL: parameters, temporary tables, passwords, interruption, killed clients."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from postgres_server import PASSWORD, postgres_server

from ramify.dag import sql_engine
from ramify.dag.sql import Query, interrupt
from ramify.errors import JobCancelled, QueryError

pytest.importorskip("sqlalchemy")
pytest.importorskip("psycopg")
pytest.importorskip("pandas")

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def where() -> Iterator[str]:
    with postgres_server() as url:
        yield url


def rows(sql: str, where: str, parameters: Any = (), tables: Any = None, **more: Any) -> Any:
    return Query(sql, where, result_format="rows", **more)(parameters, tables)


def test_parameters_of_every_style(where: str) -> None:
    assert rows("select 2 * ?::int as doubleit", where, [136]) == [{"doubleit": 272}]
    sql = "select :a::text as a, '50% :a ?' as b, $tag$ ? $b $tag$ as c, 7 % $b as d"
    assert rows(sql, where, {"a": "x", "b": 4}) == [{"a": "x", "b": "50% :a ?", "c": " ? $b ", "d": 3}]
    assert rows("select $2::int - $1::int as x", where, [1, 3]) == [{"x": 2}]
    assert rows("select '50%' as x, 7 % 4 as y", where) == [{"x": "50%", "y": 3}]


def test_operators_with_question_marks_go_with_names(where: str) -> None:
    sql = """select '{"a": 1}'::jsonb ? :key as found"""
    assert rows(sql, where, {"key": "a"}) == [{"found": True}]


def test_a_plain_url_is_taken_by_psycopg(where: str) -> None:
    assert Query("select 1 as a", where.replace("+psycopg", ""))()["a"].tolist() == [1]


def test_temporary_tables_have_the_types_of_their_values(where: str) -> None:
    when = datetime.datetime(2024, 2, 29, 12, 30)
    table = [
        {
            "i": 2**40,
            "f": 0.5,
            "s": "é%",
            "y": b"\0",
            "t": when,
            "d": when.date(),
            "n": Decimal("1.50"),
            "b": True,
        },
        {"i": None, "f": 2},
    ]
    found = rows("select * from facts order by f", where, tables={"facts": table})
    assert found == [table[0], {**dict.fromkeys(table[0]), "f": 2.0}]
    with pytest.raises(QueryError, match='relation "facts" does not exist'):
        rows("select * from facts", where)


def test_all_or_nothing(where: str) -> None:
    rows("create table t (x integer primary key)", where)
    with pytest.raises(QueryError, match="duplicate key"):
        rows("insert into t values (1)", where, init_commands=["insert into t values (1)"])
    assert rows("insert into t values (1), (2)", where) == [{"Count": 2}]
    assert rows("select count(*) as n from t", where) == [{"n": 2}]


def test_the_right_password_is_needed_and_no_error_shows_one(where: str) -> None:
    with pytest.raises(QueryError) as caught:
        rows("select x from nowhere", where)
    wrong = where.replace(where.split(":")[2].split("@")[0], "wr0ng")
    with pytest.raises(QueryError, match="password authentication failed") as refused:
        rows("select 1", wrong)
    for text in (str(caught.value), repr(caught.value), str(refused.value), repr(Query("select 1", where))):
        assert "wr0ng" not in text and PASSWORD not in text and "s3cret" not in text
        assert ":***@127.0.0.1" in text


def test_a_running_query_is_cancelled_in_the_server(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, fetch = threading.Event(), sql_engine._fetch

    def noting(*args: Any) -> Any:
        begun.set()
        return fetch(*args)

    monkeypatch.setattr(sql_engine, "_fetch", noting)
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(threading.current_thread).result(30)
        future = pool.submit(Query("select pg_sleep(600) /* endless */", where))
        assert begun.wait(30)
        assert interrupt(thread)
        assert isinstance(future.exception(30), JobCancelled)
    assert running(where, "endless") == 0


def running(where: str, mark: str) -> int:
    sql = "select count(*) as n from pg_stat_activity where query like :mark and pid <> pg_backend_pid()"
    count: int = rows(sql, where, {"mark": f"%/* {mark} */"})[0]["n"]
    return count


CLIENT = """
import sys, threading
from ramify.dag import sql_engine
from ramify.dag.sql import Query

prepare = sql_engine._stop_of

def told(connection):
    print(connection.exec_driver_sql("select pg_backend_pid()").scalar(), flush=True)
    return prepare(connection)

sql_engine._stop_of = told
Query("select pg_sleep(600) /* orphan */", sys.argv[1])()
"""


def test_the_query_of_a_killed_process_does_not_run_on(where: str) -> None:
    order = [sys.executable, "-c", CLIENT, where]
    with subprocess.Popen(order, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout is not None
        backend = int(client.stdout.readline())
        ended = "select count(*) as n from pg_stat_activity where pid = ?"
        wait_until(lambda: rows(f"{ended} and query like '%orphan%'", where, [backend]) == [{"n": 1}])
        os.kill(client.pid, signal.SIGKILL)
        client.wait(30)
    wait_until(lambda: rows(ended, where, [backend]) == [{"n": 0}])


def wait_until(true: Any) -> None:
    """The server tells nobody when a client's query begins or is gone: it is asked until then."""
    never = threading.Event()
    for _ in range(300):
        if true():
            return
        never.wait(0.1)
    pytest.fail("30 seconds went by")
