"""What is added again under a key that is taken must be what is there, whatever has become of that."""

import functools
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, DAGExecutionError, DuplicateKeyError, after
from ramify.run.same_call import is_same, may_stay


class Tool:
    def use(self, x: int) -> int:
        return x


def scaled(by: int) -> Any:
    return lambda x: by * x


def power(x: int, y: int = 2) -> int:
    return int(x**y)


def total(parts: list[int], start: int = 0) -> int:
    return sum(parts, start)


TOOL = Tool()
SAME = [
    (scaled(2), scaled(2)),
    (TOOL.use, TOOL.use),
    (functools.partial(pow, 2), functools.partial(pow, 2)),
    ([1, ("a", b"b")], [1, ("a", b"b")]),
    ({"a": [1.5], "b": 2}, {"b": 2, "a": [1.5]}),
]
OTHER = [
    (scaled(2), scaled(3)),
    (Tool().use, TOOL.use),
    (functools.partial(pow, 2), functools.partial(pow, 3)),
    ([1], (1,)),
    (1, True),
    (object(), object()),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_calls_that_were_made_twice_are_the_same(one: Any, other: Any) -> None:
    assert is_same(one, other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_differs_is_not_the_same(one: Any, other: Any) -> None:
    assert not is_same(one, other)


def test_what_is_large_or_not_known_is_not_kept() -> None:
    assert may_stay((3, "text", {"a": [None]}))
    assert not may_stay("x" * 100_000) and not may_stay([[0] * 1000]) and not may_stay((Tool(),))


def twice(first: Any, second: Any, wait_for: str) -> DAG:
    """Two rules add under one key, the second once the node `wait_for` is completed."""
    dag = DAG()
    dag.submit(int, "3", name="a")
    dag.submit(int, "4", name="b")
    dag.add_rule(after("a", "b"), first, name="first")
    dag.add_rule(after("a", "b", wait_for), second, name="second")
    return dag


def adds(*args: Any, func: Any = total, **kwargs: Any) -> Any:
    def body(view: Any) -> None:
        nodes = [[view["a"], view["b"]]] if func is total else []
        view.submit(func, *nodes, *args, name="sum", **kwargs)

    return body


@pytest.mark.parametrize("wait_for", ["a", "sum"])
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_the_same_call_is_one_node_whether_it_has_run_or_not(
    place: str, wait_for: str, tmp_path: Path
) -> None:
    dag = twice(adds(), adds(), wait_for)
    if place == "disk":
        assert dag.evaluate(tmp_path / "exp", execution_mode="thread")["sum"] == 7
    else:
        dag.compute()
        dag.wait()
        assert dag.nodes_by_name["sum"].result() == 7 and not dag.rules


@pytest.mark.parametrize("wait_for", ["a", "sum"])
@pytest.mark.parametrize("second", [adds(1), adds(start=1), adds(3, func=power)])
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_another_call_is_refused_whether_the_first_has_run_or_not(
    place: str, second: Any, wait_for: str, tmp_path: Path
) -> None:
    dag = twice(adds(), second, wait_for)
    if place == "disk":
        with pytest.raises(DAGExecutionError, match=r"rule 'second' failed.*'sum' has another node"):
            dag.evaluate(tmp_path / "exp", execution_mode="thread", on_failure="continue")
        return
    dag.compute()
    with pytest.raises(DuplicateKeyError, match="'sum' has another node"):
        dag.wait()
    assert dag.nodes_by_name["sum"].result() == 7
