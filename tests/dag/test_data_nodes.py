"""Queries and functions of parts of arrays as nodes: how they are written, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ramify import DAG
from ramify.dag.arrays import ArrayList
from ramify.errors import ArgumentError, RamifyWarning

np = pytest.importorskip("numpy")
GUARD = 30.0
SQUARE = np.arange(1, 17).reshape(4, 4)


def total(part: Any, extra: int = 0) -> int:
    return int(part["values"].sum()) + extra


FORMS: dict[str, Callable[[DAG, Any], Any]] = {
    "array first": lambda dag, array: dag.submit_array_udf(array, total, [[0, (1, 3)], None]),
    "ranges by name": lambda dag, array: dag.submit_array_udf(array, total, ranges=[[0, (1, 3)]]),
    "function first": lambda dag, array: dag.submit_array_udf(total, uri=array, ranges=[None]),
    "function, array": lambda dag, array: dag.submit_array_udf(total, array, [None]),
    "function, ranges": lambda dag, array: dag.submit_array_udf(total, [None, None], uri=array),
    "all by name": lambda dag, array: dag.submit_array_udf(func=total, uri=array),
    "an argument more": lambda dag, array: dag.submit_array_udf(array, total, [(0, 1)], 100),
    "array, function by name": lambda dag, array: dag.submit_array_udf(array, func=total),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("is_node", [False, True])
def test_an_array_and_a_function_in_every_form(form: str, is_node: bool) -> None:
    dag = DAG()
    node = FORMS[form](dag, dag.submit(lambda: SQUARE) if is_node else SQUARE)
    dag.compute()
    assert node.result(GUARD) == 136
    assert node.name == "total"


def test_several_arrays_hold_nodes() -> None:
    dag = DAG()
    where = dag.submit(lambda: SQUARE)
    rows = dag.submit(lambda: (0, 1))
    several = ArrayList().add(where, [rows]).add({"b": SQUARE}, [None, dag.submit(int, "3")], ["b"])

    def sums(first: Any, second: Any, factor: int) -> list[int]:
        return [factor * int(first["values"].sum()), factor * int(second["b"].sum())]

    node = dag.submit_array_udf(several, sums, factor=2)
    with pytest.raises(ArgumentError, match="an ArrayList says itself what is read"):
        dag.submit_array_udf(several, sums, [None])
    dag.compute()
    assert node.result(GUARD) == [72, 2 * (4 + 8 + 12 + 16)]


@pytest.mark.parametrize(
    "args, kwargs, told",
    [
        ((SQUARE,), {}, "no function is given"),
        ((), {}, "no function is given"),
        ((total,), {}, "no array is given"),
        ((SQUARE, "total"), {}, "no function is given"),
    ],
)
def test_a_missing_half_is_told(args: Any, kwargs: Any, told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        DAG().submit_array_udf(*args, **kwargs)


def test_an_option_that_is_a_parameter_of_the_function_is_said_before() -> None:
    def waits(part: Any, timeout: int) -> int:
        return int(part["values"].size) * timeout

    dag = DAG()
    with pytest.raises(ArgumentError, match=r"dag\.options\(timeout=\.\.\.\)\.submit_array_udf\("):
        dag.submit_array_udf(SQUARE, waits, timeout=2)
    node = dag.options(timeout=GUARD).submit_array_udf(SQUARE, waits, timeout=2)
    dag.compute()
    assert node.result(GUARD) == 32


def test_options_of_queries_are_checked_when_they_are_said() -> None:
    pytest.importorskip("duckdb")
    dag = DAG()
    with pytest.raises(ArgumentError, match=r"tabels= is no option of submit_sql\(\)"):
        dag.submit_sql("select 1", tabels={})
    with pytest.raises(ArgumentError, match="output_uri= writes no array here"):
        dag.submit_sql("select 1", output_uri="tiledb://me/result")
    with pytest.warns(RamifyWarning, match="http_compressor= means nothing here"):
        dag.submit_sql("select 1", http_compressor="gzip", output_uri=None)
    assert len(dag.nodes) == 1, "what was refused is not there"
    one = dag.options(timeout=GUARD).submit_sql("select 1 as x", result_format="rows", name="one")
    dag.compute()
    assert one.result(GUARD) == [{"x": 1}] and one.name == "one"
