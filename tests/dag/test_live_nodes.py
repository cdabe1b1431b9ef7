"""Live graphs: nodes as futures, as a user of task graphs knows them."""

from __future__ import annotations

import asyncio
import statistics
import threading
from collections import OrderedDict, namedtuple
from concurrent.futures import CancelledError, as_completed
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from live_cases import GUARD, Flaky, Gate, double, fail, same

from ramify import DAG
from ramify.dag.status import Mode, Status
from ramify.errors import (
    ArgumentError,
    CycleError,
    GraphError,
    JobCancelled,
    NotStartedError,
    ParentFailed,
    RamifyWarning,
    RunTimeout,
)

# ---- the study's scenarios


def test_a_chain_with_its_statistics_and_callbacks() -> None:
    seen: list[str] = []
    done: list[Status] = []
    dag = DAG(
        update_callback=lambda g: seen.append(str(g.status)), done_callback=lambda g: done.append(g.status)
    )
    one = dag.submit(statistics.median, [1, 2, 3], name="node_1")
    two = dag.submit(double, one, name="node_2")
    three = dag.submit(double, two, name="node_3")
    assert dag.status is Status.NOT_STARTED
    dag.compute()
    dag.wait(GUARD)
    assert (one.result(), two.result(), three.result()) == (2, 4, 8)
    assert dag.end_results_by_name() == {"node_3": 8} and dag.end_nodes() == [three]
    assert list(dag.end_results()) == [three.id] and isinstance(three.id, UUID)
    assert dag.stats() == {
        "percent_complete": 100.0,
        "running": 0,
        "failed": 0,
        "completed": 3,
        "cancelled": 0,
        "not_started": 0,
        "total_count": 3,
    }
    assert len(seen) == 6 and done == [Status.COMPLETED]


Pair = namedtuple("Pair", ["left", "right"])


@dataclass
class Box:
    inner: Any


def test_nodes_inside_containers() -> None:
    dag = DAG()
    one = dag.submit(lambda: 1)
    shared = [one, {"k": (one,)}]
    given = OrderedDict(a=shared, b=shared, c=Pair(one, 5), d=Box({one: {one}}))

    def check(got: Any) -> bool:
        assert got["a"] is got["b"] and got["a"] == [1, {"k": (1,)}]
        assert got["c"] == Pair(1, 5) and got["d"].inner == {1: {1}}
        return type(got) is OrderedDict

    nodes = [dag.submit(check, given), dag.submit(check, got=given)]
    dag.compute()
    dag.wait(GUARD)
    assert [n.result() for n in nodes] == [True, True]
    assert shared[0] is one and given["d"].inner[one] == {one}, "what was given is as it was"
    assert list(nodes[0].parents.values()) == [one] and list(one.children.values()) == nodes
    assert nodes[1].kwargs["got"]["c"] == Pair(one, 5)


@pytest.mark.parametrize("workers", [5, 2])
def test_so_many_at_a_time(workers: int) -> None:
    together = threading.Barrier(workers)
    lock = threading.Lock()
    running: list[int] = []
    most: list[int] = []

    def meet(number: int) -> int:
        with lock:
            running.append(number)
            most.append(len(running))
        together.wait(GUARD)
        with lock:
            running.remove(number)
        return number

    dag = DAG(max_workers=workers)
    last = dag.submit(lambda values: values, [dag.submit(meet, n) for n in range(workers * 2)])
    dag.compute()
    assert last.result(GUARD) == list(range(workers * 2))
    assert max(most) == workers


def test_a_failure_stops_only_what_needs_it() -> None:
    dag = DAG()
    gate = Gate()
    boom = dag.submit(fail, name="boom")
    child = dag.submit(same, boom)
    grandchild = dag.submit(same, child)
    other = dag.submit(gate, "slow!")
    later = dag.submit(same, other)
    dag.compute()
    boom.wait(GUARD)
    assert dag.status is Status.FAILED and not dag.done()
    gate.go.set()
    with pytest.raises(KeyError, match="boom"):
        dag.wait(GUARD)
    assert dag.done() and later.result() == "slow!"
    for node in (child, grandchild):
        assert node.status is Status.PARENT_FAILED and node.done() and not node.cancelled()
        with pytest.raises(CancelledError) as caught:
            node.result()
        assert isinstance(caught.value, ParentFailed)
        assert getattr(caught.value, "node", None) is boom and isinstance(
            getattr(caught.value, "cause", None), KeyError
        )
    assert set(dag.parent_failed_nodes) == {child.id, grandchild.id} == set(dag.not_started_nodes)
    assert dag.stats()["not_started"] == 2 and dag.stats()["failed"] == 1
    assert isinstance(boom.error, KeyError) and isinstance(boom.exception(), KeyError)
    with pytest.raises(ParentFailed):
        dag.end_results_by_name()


def test_two_failed_parents_are_retried_one_by_one() -> None:
    p, q = Flaky("p"), Flaky("q")
    tails: list[str] = []
    dag = DAG()
    left, right = dag.submit(p), dag.submit(q)
    join = dag.submit(lambda a, b: a + b, left, right)
    tail = dag.submit(lambda x: tails.append(x) or x * 2, join)
    dag.compute()
    with pytest.raises(OSError, match="p 1"):
        dag.wait(GUARD)
    assert left.retry()
    with pytest.raises(OSError, match="q 1"):
        dag.wait(GUARD)
    assert dag.status is Status.FAILED and left.result() == "p" and join.status is Status.PARENT_FAILED
    assert right.retry()
    dag.wait(GUARD)
    assert dag.status is Status.COMPLETED and tail.result() == "pqpq"
    assert (p.calls, q.calls, tails) == (2, 2, ["pq"])
    assert [str(error) for error in left.errors] == ["p 1"]


def test_descendants_are_not_stale_after_a_retry() -> None:
    flaky = Flaky(1)
    dag = DAG()
    parent = dag.submit(flaky)
    child = dag.submit(double, parent)
    dag.compute()
    with pytest.raises(OSError):
        dag.wait(GUARD)
    assert parent.retry()
    assert child.result(GUARD) == 2, "the old error is gone at once"
    assert not parent.retry(), "what is completed is not run again"


def test_cancel_lets_what_runs_finish() -> None:
    gate = Gate()
    dag = DAG()
    root = dag.submit(gate, 1)
    child = dag.submit(same, root)
    dag.compute()
    assert gate.began.wait(GUARD)
    dag.cancel()
    gate.go.set()
    dag.wait(GUARD)
    assert root.result() == 1 and dag.status is Status.CANCELLED
    assert child.cancelled() and child.status is Status.CANCELLED
    with pytest.raises(JobCancelled):
        child.result()
    with pytest.raises(CancelledError):
        child.exception()
    dag.retry_all()
    dag.wait(GUARD)
    assert child.result() == 1 and dag.status is Status.COMPLETED


def test_a_forced_cancel_waits_for_nobody() -> None:
    gate = Gate()
    dag = DAG()
    root = dag.submit(gate)
    dag.compute()
    assert gate.began.wait(GUARD)
    dag.cancel(force=True)
    dag.wait(GUARD)
    assert root.cancelled() and dag.status is Status.CANCELLED
    gate.go.set()


@pytest.mark.parametrize("limit", [None, 2])
def test_a_stage_goes_element_by_element(limit: int | None) -> None:
    lock = threading.Lock()
    running, most = [0], [0]

    def median(values: list[int]) -> float:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        found = statistics.median(values)
        with lock:
            running[0] -= 1
        return found

    dag = DAG()
    parts = dag.submit(lambda: [list(range(100 * n, 100 * n + 100)) for n in range(4)])
    options = {} if limit is None else {"concurrency": limit}
    medians = dag.submit_udf_stage(median, parts, expand_node_output=parts, **options)
    doubled = dag.submit_udf_stage(
        lambda x, y: int(x * y), medians, y=dag.submit(lambda: 2), expand_node_output=medians
    )
    result = dag.submit(same, doubled)
    dag.compute()
    assert result.result(GUARD) == [99, 299, 499, 699]
    dag.wait(GUARD)
    assert limit is None or most[0] <= limit
    assert dag.stats()["total_count"] == 5 and len(dag.nodes) == 5


@pytest.mark.parametrize(
    ("value", "expected"), [([], []), ((1, 2), [2, 4]), ("[3, 4]", [6, 8]), (b"[]", []), ("[[1]]", [[1, 1]])]
)
def test_what_a_stage_expands(value: Any, expected: list[Any]) -> None:
    dag = DAG()
    source = dag.submit(lambda: value)
    stage = dag.submit_udf_stage(double, source, expand_node_output=source)
    dag.compute()
    assert stage.result(GUARD) == expected


@pytest.mark.parametrize("value", [5, "text", {"a": 1}, None])
def test_what_cannot_be_expanded_fails_the_stage_by_name(value: Any) -> None:
    dag = DAG()
    source = dag.submit(lambda: value, name="source")
    stage = dag.submit_udf_stage(double, source, expand_node_output=source)
    after = dag.submit_udf_stage(double, stage, expand_node_output=stage)
    dag.compute()
    with pytest.raises(ArgumentError, match="'source' cannot be expanded"):
        stage.result(GUARD)
    with pytest.raises(ParentFailed):
        after.result(GUARD)
    assert after.status is Status.PARENT_FAILED


def test_a_failed_element_fails_the_stage_and_is_retried_alone() -> None:
    calls: list[int] = []
    broken = {2}

    def work(x: int) -> int:
        calls.append(x)
        if x in broken:
            raise ValueError(f"bad {x}")
        return x

    dag = DAG()
    source = dag.submit(lambda: [1, 2, 3])
    stage = dag.submit_udf_stage(work, source, expand_node_output=source)
    second = dag.submit_udf_stage(double, stage, expand_node_output=stage)
    last = dag.submit(sum, second)
    dag.compute()
    with pytest.raises(ValueError, match="bad 2"):
        dag.wait(GUARD)
    assert stage.status is Status.FAILED and last.status is Status.PARENT_FAILED
    broken.clear()
    dag.retry_all()
    dag.wait(GUARD)
    assert last.result() == 12 and sorted(calls) == [1, 2, 2, 3]


# ---- what hung, or was wrong, elsewhere


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("odd")])
def test_whatever_a_call_raises_ends_its_node(error: BaseException) -> None:
    def leave() -> None:
        raise error

    dag = DAG()
    node = dag.submit(leave)
    dag.compute()
    assert node.exception(GUARD) is error
    with pytest.raises(type(error)):
        dag.wait(GUARD)


def test_a_container_that_cannot_be_rebuilt_fails_its_node() -> None:
    class Odd(dict[str, Any]):
        def __setitem__(self, key: str, value: Any) -> None:
            raise TypeError("read-only")

    odd = Odd()
    dag = DAG()
    one = dag.submit(lambda: 1)
    dict.__setitem__(odd, "a", one)
    with pytest.raises(TypeError, match="read-only"):
        dag.submit(same, odd)
    dag.compute()
    dag.wait(GUARD)


def test_an_empty_graph_completes_at_once() -> None:
    dag = DAG()
    assert dag.stats()["percent_complete"] == 0.0
    dag.compute()
    dag.wait(GUARD)
    assert dag.status is Status.COMPLETED and dag.end_results() == {}


def test_a_node_that_is_cancelled_before_the_start() -> None:
    dag = DAG()
    root = dag.submit(lambda: 1)
    child, other = dag.submit(same, root), dag.submit(lambda: 2)
    assert root.cancel() and root.status is Status.CANCELLED
    dag.compute()
    dag.wait(GUARD)
    assert dag.status is Status.CANCELLED and other.result() == 2
    assert child.status is Status.PARENT_FAILED
    assert root.retry()
    dag.wait(GUARD)
    assert child.result() == 1 and dag.stats()["running"] == 0


def test_a_graph_that_is_cancelled_before_the_start_ends_at_once() -> None:
    dag = DAG()
    node = dag.submit(fail)
    dag.cancel()
    dag.compute()
    dag.wait(GUARD)
    assert node.cancelled() and dag.status is Status.CANCELLED


@pytest.mark.parametrize("mode", [Mode.LOCAL, "local", "REALTIME"])
def test_modes_of_this_process(mode: Any) -> None:
    dag = DAG(mode=mode)
    node = dag.submit(lambda: 1)
    dag.compute()
    assert node.result(GUARD) == 1


def test_cycles_are_found_before_anything_runs() -> None:
    ran: list[int] = []
    dag = DAG()
    root = dag.submit(ran.append, 0)
    a, b = dag.submit(ran.append, 1, name="a"), dag.submit(ran.append, 2, name="b")
    a.depends_on(b)
    b.depends_on(a)
    with pytest.raises(CycleError, match=r"a -> b -> a|b -> a -> b"):
        dag.compute()
    assert ran == [] and root.status is Status.NOT_STARTED
    alone = DAG()
    one = alone.submit(same, 1)
    one.depends_on(one)
    with pytest.raises(CycleError):
        alone.compute()


def test_an_edge_to_a_later_node() -> None:
    order: list[str] = []
    dag = DAG()
    first = dag.submit(lambda x: order.append("first") or x, 5)
    user = dag.submit(lambda x: order.append("user") or x, first)
    last = dag.submit(lambda: order.append("last"), name="last")
    first.depends_on(last)
    dag.compute()
    assert user.result(GUARD) == 5 and order == ["last", "first", "user"]
    assert list(first.parents.values()) == [last] and dag.nodes_by_name["last"] is last


def test_nodes_of_other_graphs() -> None:
    first = DAG()
    value = first.submit(lambda: [1])
    second = DAG()
    with pytest.raises(GraphError, match="another graph and not completed"):
        second.submit(same, value)
    first.compute()
    first.wait(GUARD)
    node = second.submit(same, {"x": value})
    node.depends_on(value)
    second.compute()
    assert node.result(GUARD) == {"x": [1]} and not node.parents


def test_waiting_for_what_was_never_started() -> None:
    dag = DAG()
    node = dag.submit(lambda: 1)
    for wait in (dag.wait, node.wait, node.result, dag.end_results, dag.end_results_by_name):
        with pytest.raises(NotStartedError, match="compute"):
            wait()
    assert issubclass(NotStartedError, RuntimeError)


def test_timeouts_of_waits() -> None:
    gate = Gate()
    dag = DAG()
    node = dag.submit(gate, 1)
    dag.compute()
    with pytest.raises(TimeoutError):
        dag.wait(0.01)
    with pytest.raises(RunTimeout):
        node.result(timeout=0)
    with pytest.raises(FutureTimeout):
        node.future.result(0.01)
    with pytest.raises(TypeError, match="seconds"):
        dag.wait("1")  # type: ignore[arg-type]  # that is the point
    gate.go.set()
    dag.wait(GUARD)


def test_a_raised_error_does_not_grow() -> None:
    dag = DAG()
    node = dag.submit(fail)
    dag.compute()

    def frames() -> int:
        try:
            node.result(GUARD)
        except KeyError as error:
            count, step = 0, error.__traceback__
            while step is not None:
                count, step = count + 1, step.tb_next
            return count
        raise AssertionError

    assert len({frames() for _ in range(5)}) == 1


def test_threads_are_gone_after_each_graph() -> None:
    for thread in threading.enumerate():  # graphs of other tests, whose ends nobody has waited for
        if thread.name in ("ramify-run", "ramify-callbacks"):
            thread.join(GUARD)
    before = set(threading.enumerate())
    for _ in range(20):
        dag = DAG(max_workers=4)
        for number in range(8):
            dag.submit(double, number)
        dag.add_done_callback(lambda _: None)
        dag.compute()
        dag.wait(GUARD)
        assert set(threading.enumerate()) <= before


def test_a_callback_that_fails_is_a_warning() -> None:
    def broken(_: Any) -> None:
        raise ValueError("in the callback")

    told: list[int] = []
    dag = DAG(done_callback=broken)
    dag.add_done_callback(lambda _: told.append(1))
    node = dag.submit(lambda: 1)
    node.add_done_callback(broken)
    with pytest.warns(RamifyWarning, match="in the callback"):
        dag.compute()
        dag.wait(GUARD)
    assert told == [1]
    with pytest.raises(TypeError):
        dag.add_update_callback(5)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(TypeError):
        DAG(done_callback="no")  # type: ignore[arg-type]  # that is the point


def test_callbacks_do_not_hold_up_the_run() -> None:
    gate = Gate()
    dag = DAG(update_callback=lambda _: gate())
    nodes = [dag.submit(double, n) for n in range(10)]
    dag.compute()
    assert [n.result(GUARD) for n in nodes] == [2 * n for n in range(10)]
    assert gate.began.wait(GUARD) and not dag.done()
    gate.go.set()
    dag.wait(GUARD)


def test_callbacks_of_nodes_and_of_the_graph_after_a_retry() -> None:
    flaky = Flaky("x")
    told: list[Any] = []
    dag = DAG(done_callback=lambda g: told.append(g.status))
    node = dag.submit(flaky)
    node.add_done_callback(lambda n: told.append((n is node, n.status)))
    dag.compute()
    with pytest.raises(OSError):
        dag.wait(GUARD)
    assert told == [(True, Status.FAILED), Status.FAILED]
    node.retry()
    dag.wait(GUARD)
    assert told[2:] == [(True, Status.COMPLETED), Status.COMPLETED]
    dag.add_done_callback(lambda g: told.append("late"))
    node.add_done_callback(lambda n: told.append("late node"))
    assert told[4:] == ["late", "late node"]


def test_a_callback_may_retry_and_wait() -> None:
    flaky = Flaky("x", times=2)
    dag = DAG()
    node = dag.submit(flaky)

    def again(graph: DAG) -> None:
        if node.status is Status.FAILED:
            graph.retry_all()

    dag.add_done_callback(again)
    dag.compute()
    dag.wait(GUARD)
    assert node.result(GUARD) == "x" and flaky.calls == 3


# ---- futures


def test_futures() -> None:
    dag = DAG()
    nodes = [dag.submit(pow, n, 2) for n in range(5)]
    bad, cancelled = dag.submit(fail), dag.submit(lambda: 1)
    futures = [n.future for n in nodes]
    dropped = cancelled.future
    assert dropped.cancel() and cancelled.cancelled()
    dag.compute()
    assert sorted(f.result() for f in as_completed(futures, GUARD)) == [0, 1, 4, 9, 16]
    assert isinstance(bad.future.exception(GUARD), KeyError) and nodes[0].future is futures[0]
    with pytest.raises(CancelledError):
        dropped.result(GUARD)


def test_a_retry_puts_a_new_future_there() -> None:
    flaky = Flaky("x")
    dag = DAG()
    node = dag.submit(flaky)
    old = node.future
    dag.compute()
    assert isinstance(old.exception(GUARD), OSError)
    with pytest.raises(OSError):
        dag.wait(GUARD)
    node.retry()
    assert node.future is not old and node.future.result(GUARD) == "x"
    assert isinstance(old.exception(), OSError)


def test_a_node_can_be_awaited() -> None:
    async def wait() -> tuple[int, list[int]]:
        dag = DAG()
        one = dag.submit(lambda: 1)
        more = [dag.submit(double, n) for n in range(3)]
        dag.compute()
        return await one, await asyncio.gather(*more)

    assert asyncio.run(wait()) == (1, [0, 2, 4])


def test_async_functions() -> None:
    async def three() -> int:
        await asyncio.sleep(0)
        return 3

    dag = DAG()
    node = dag.submit(double, dag.submit(three))
    dag.compute()
    assert node.result(GUARD) == 6


def test_where_a_node_was_to_run_does_not_count_on_disk(tmp_path: Path) -> None:
    dag = DAG()
    dag.submit(int, name="a", on="processes")
    dag.submit_local(int, name="b")
    dag.submit(int, name="c")
    with pytest.warns(RamifyWarning, match="count in compute.., and not here: 'a', 'b' run as all other"):
        result = dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert result.to_dict() == {"a": 0, "b": 0, "c": 0}
