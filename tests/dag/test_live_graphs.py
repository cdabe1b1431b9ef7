"""Live graphs: what is in them, where it runs, and what stays of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_cases import GUARD, Flaky, Gate, double, fail, same

from ramify import DAG, Job, Mode, ParametrizedJob
from ramify.dag.delayed import compute, delayed, task
from ramify.dag.node import Node
from ramify.dag.status import Status
from ramify.errors import (
    ArgumentError,
    CycleError,
    GraphError,
    ModeError,
    RamifyWarning,
    StartedError,
    ValueReleased,
)
from ramify.run.limits import cores

# ---- adding while it runs, names, options


def test_nodes_are_added_while_it_runs_and_not_after() -> None:
    gate = Gate()
    dag = DAG()
    first = dag.submit(gate, 1)
    dag.compute()
    assert gate.began.wait(GUARD)
    more = [dag.submit(double, first) for _ in range(50)]
    gate.go.set()
    assert [n.result(GUARD) for n in more] == [2] * 50
    dag.wait(GUARD)
    with pytest.raises(StartedError, match="fresh DAG"):
        dag.submit(double, 1)
    with pytest.raises(RuntimeError, match="retry_all"):
        dag.compute()


def test_a_node_may_add_nodes_from_many_threads() -> None:
    dag = DAG(max_workers=4)
    added: list[Node[Any]] = []

    def grow(depth: int) -> int:
        if depth:
            added.append(dag.submit(grow, depth - 1))
            added.append(dag.submit(grow, depth - 1))
        return depth

    dag.submit(grow, 6)
    dag.compute()
    dag.wait(GUARD)
    assert len(dag.nodes) == 2**7 - 1 == dag.stats()["completed"]


def test_names() -> None:
    dag = DAG()
    a, b = dag.submit(double, 1), dag.submit(double, 2)
    assert (a.name, b.name) == ("double", "double (1)")
    with pytest.warns(RamifyWarning, match=r"is called 'x \(1\)'"):
        x, y = dag.submit(double, 1, name="x"), dag.submit(double, 2, name="x")
    assert (x.name, y.name) == ("x", "x (1)")
    odd = dag.submit(double, 3, name="a/b: c")
    assert odd.name == "a/b: c" and odd.key != odd.name
    long = DAG().submit(double, 1, name="x" * 500)
    assert long.name == "x" * 500 and len(long.key) < 200
    a.name = "renamed"
    assert a.name == "renamed" and a.key == "double" and dag.nodes_by_name["renamed"] is a
    assert list(dag.nodes_by_name) == ["double (1)", "x", "x (1)", "a/b: c", "renamed"]
    with pytest.raises(GraphError, match="already"):
        b.name = "x"
    dag.compute()
    with pytest.raises(StartedError):
        a.name = "late"
    dag.wait(GUARD)
    assert dag.node_details() == {
        str(n.id): {"name": n.name, "status": "Completed"} for n in (a, b, x, y, odd)
    }
    assert dag.get_tiledb_plot_node_details() == dag.node_details()


def test_options_and_parameters_of_the_same_name() -> None:
    def slow(timeout: int, name: str = "") -> tuple[int, str]:
        return timeout, name

    dag = DAG()
    with pytest.raises(ArgumentError, match=r"dag.options\(timeout=...\).submit"):
        dag.submit(slow, timeout=3)
    node = dag.options(timeout=60, name="told").submit(slow, timeout=3, name="passed")
    with pytest.warns(RamifyWarning, match="image_name= means nothing"):
        other = dag.submit(double, 1, image_name="big")
    dag.compute()
    assert node.result(GUARD) == (3, "passed") and node.name == "told" and other.result(GUARD) == 2


@pytest.mark.parametrize("how", [{"local_mode": True}, {"mode": Mode.LOCAL}, {"mode": "local"}])
def test_a_local_node_runs_here_whatever_the_graph_says(how: dict[str, Any]) -> None:
    dag = DAG(use_processes=True, max_workers=1)
    away = dag.submit(os.getpid, mode="realtime", local_mode=False)
    here = [
        dag.submit(os.getpid, **how),
        dag.options(**how).submit(os.getpid),
        dag.submit_local(os.getpid),
        dag.add_node_obj(Node(os.getpid, mode=Mode.LOCAL)),
    ]
    adopted = Node(os.getpid, mode=Mode.LOCAL)
    same_one = dag.submit_local(lambda pid: pid, adopted)
    stage = dag.submit_udf_stage(
        lambda _: os.getpid(), (two := dag.submit(list, "ab")), expand_node_output=two, **how
    )
    dag.compute()
    dag.wait(GUARD)
    assert away.result() != os.getpid() and away.task_id() == away.id and away.mode is Mode.REALTIME
    assert {node.result() for node in (*here, adopted, same_one)} == {os.getpid()}
    assert stage.result() == [os.getpid()] * 2
    assert all(node.task_id() is None and node.mode is Mode.LOCAL for node in (*here, adopted, stage))


@pytest.mark.parametrize(
    ("graph", "how", "words"),
    [
        ("realtime", {"mode": "batch"}, "DAG\\(mode=Mode.BATCH\\)"),
        ("batch", {"mode": "realtime"}, "one driver"),
        ("realtime", {"mode": "elsewhere"}, "use Mode.REALTIME"),
        ("realtime", {"mode": "realtime", "local_mode": True}, "exclude each other"),
        ("realtime", {"local_mode": True, "on": "processes"}, "a thread of this process"),
    ],
)
def test_modes_that_a_node_cannot_have(graph: str, how: dict[str, Any], words: str) -> None:
    with pytest.raises(ModeError, match=words):
        DAG(mode=graph).submit(abs, -1, **how)


def test_a_node_of_its_own_takes_options_as_submit_does() -> None:
    with pytest.raises(ModeError, match="not both"):
        Node(abs, -1, resources={"cores": 1}, resource_class="large")
    with pytest.raises(ModeError, match="one driver"):
        DAG().add_node_obj(Node(abs, -1, mode="batch"))
    with pytest.raises(TypeError, match="cannot be called"):
        Node("name")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(TypeError, match="cannot be called"):
        DAG().submit("name")  # type: ignore[arg-type]  # as above
    flaky = Flaky(5)
    dag = DAG()
    node = Node(flaky, retry=1, name="mine", dag=dag)
    dag.compute()
    assert node.result(GUARD) == 5 and len(node.errors) == 1 and dag.nodes_by_name["mine"] is node


def test_a_timeout_of_a_node() -> None:
    gate = Gate()
    dag = DAG()
    node = dag.submit(gate, timeout=0.05)
    dag.compute()
    with pytest.raises(TimeoutError, match=r"timeout of 0\.05 s"):
        node.result(GUARD)
    gate.go.set()


def test_nodes_that_are_made_by_themselves() -> None:
    dag = DAG()
    alone: Node[int] = Node(double, 4, name="alone")
    assert alone.name == "alone" and alone.dag is None and alone.status is Status.NOT_STARTED
    user = Node(double, alone)
    assert dag.add_node(user) is user and alone.dag is dag
    other: Node[int] = Node(double, 1, dag=dag)
    third: Node[int] = Node(double, 1)
    third.depends_on(other)
    assert third.dag is dag and dag.add_node_obj(third) is third
    old = dag.add_node(double, 5, name="old", local_mode=True)
    assert old.task_id() is None and other.task_id() == other.id
    dag.compute()
    dag.wait(GUARD)
    assert [n.result() for n in (alone, user, other, third, old)] == [8, 16, 2, 2, 10]
    with pytest.raises(GraphError, match="another graph"):
        DAG().add_node_obj(alone)
    with pytest.raises(TypeError, match="no Node"):
        dag.add_node_obj(5)  # type: ignore[arg-type]  # that is the point


# ---- where nodes run


def test_processes_take_closures_and_survive_a_death() -> None:
    import os
    import signal

    offset = 5
    dag = DAG(use_processes=True, max_workers=2)
    here = os.getpid()
    total = dag.submit(lambda x: (x + offset, os.getpid()), 1)
    again = dag.submit(lambda pair: pair[0] * 2, total)
    local = dag.submit_local(os.getpid)
    dead = dag.submit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    thrown = dag.submit(fail)
    lock = dag.submit(threading.Lock)
    dag.compute()
    assert total.result(GUARD)[0] == 6 and total.result()[1] != here
    assert again.result(GUARD) == 12 and local.result(GUARD) == here
    with pytest.raises(RuntimeError, match="signal 9"):
        dead.result(GUARD)
    with pytest.raises(KeyError, match="boom"):
        thrown.result(GUARD)
    with pytest.raises(TypeError, match="pickle"):
        lock.result(GUARD)
    with pytest.raises((RuntimeError, KeyError, TypeError)):
        dag.wait(GUARD)


def test_a_forced_cancel_kills_a_process() -> None:
    import time

    dag = DAG(use_processes=True)
    node = dag.submit(time.sleep, 1000)
    began = threading.Event()
    dag.add_update_callback(lambda _: began.set())
    dag.compute()
    assert began.wait(GUARD)
    dag.cancel(force=True)
    dag.wait(GUARD)
    assert node.cancelled()


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_any_executor(kind: str) -> None:
    from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing import get_context

    make: dict[str, Callable[[], Executor]] = {
        "thread": lambda: ThreadPoolExecutor(2),
        "process": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    }
    with make[kind]() as pool:
        dag = DAG()
        offset = 3
        node = dag.submit(lambda x: x + offset, dag.submit(lambda: 4), on=pool)
        bad = dag.submit(fail, on=pool)
        dag.compute()
        assert node.result(GUARD) == 7
        with pytest.raises(KeyError):
            bad.result(GUARD)


# ---- memory


class Large:
    nbytes = 2_000_000


@pytest.mark.slow
def test_a_large_value_stays_as_long_as_somebody_has_its_node() -> None:
    import gc
    import weakref

    alive: list[weakref.ref[Large]] = []

    def make(_: Any = None) -> Large:
        value = Large()
        alive.append(weakref.ref(value))
        return value

    dag = DAG()
    held = dag.submit(make)
    node = dag.submit(make, held)
    for _ in range(5):
        node = dag.submit(make, node)
    dag.compute()
    dag.wait(GUARD)
    gc.collect()
    assert [ref() is not None for ref in alive] == [True, False, False, False, False, False, True]
    assert isinstance(held.result(), Large)
    del held
    gc.collect()
    assert alive[0]() is None
    assert len(dag.nodes) == 7 and all(n.status is Status.COMPLETED for n in dag.nodes.values())
    with pytest.raises(ValueReleased, match=r"keep the node in a variable"):
        dag.nodes_by_name[next(iter(dag.nodes_by_name))].result()


@pytest.mark.slow
def test_a_long_chain_is_let_go_without_recursion() -> None:
    dag = DAG()
    node = dag.submit(lambda: 0)
    for _ in range(20_000):
        node = dag.submit(lambda x: x + 1, node)
    dag.compute()
    assert node.result(GUARD) == 20_000
    dag.wait(GUARD)


@pytest.mark.slow
def test_twenty_thousand_into_one() -> None:
    dag = DAG()
    total = dag.submit(sum, [dag.submit(int, 1) for _ in range(20_000)])
    dag.compute()
    assert total.result(GUARD) == 20_000


# ---- retries and deadlines


def test_a_retry_strategy_of_the_graph_of_a_node_and_of_the_whole() -> None:
    from ramify.models import Backoff, RetryStrategy

    one, two, three = Flaky("one", 2), Flaky("two", 2), Flaky("three", 2)
    dag = DAG(retry_strategy=RetryStrategy(limit=1), workflow_retry_strategy=RetryStrategy(limit=3))
    done: list[Status] = []
    dag.add_done_callback(lambda g: done.append(g.status))
    nodes = [dag.submit(one), dag.submit(two, retry=RetryStrategy(limit=2, backoff=Backoff(0.001)))]
    nodes.append(dag.submit(three, retry=0))
    dag.compute()
    dag.wait(GUARD)
    assert [n.result() for n in nodes] == ["one", "two", "three"] and done == [Status.COMPLETED]
    assert [len(n.errors) for n in nodes] == [2, 2, 2]
    with pytest.raises(ValueError, match="retries"):
        dag.options(retry=-1)
    with pytest.raises(ValueError, match="deadline"):
        DAG(deadline=0)


def test_a_deadline_ends_the_graph() -> None:
    gate = Gate()
    dag = DAG(deadline=0.05)
    node = dag.submit(gate)
    dag.compute()
    with pytest.raises(TimeoutError, match=r"deadline of 0\.05 s"):
        dag.wait(GUARD)
    assert dag.status is Status.FAILED and node.done()
    gate.go.set()


# ---- keyed jobs and nodes together


def area(width: int, height: int) -> int:
    return width * height


def total(areas: Any, more: int) -> int:
    return sum(value for row in areas.values() for value in row.values()) + more


def mixed(order: list[str]) -> tuple[DAG, Node[Any], Node[Any]]:
    dag = DAG()
    grid = ParametrizedJob(area, ["width", "height"], [(1, 2), (1, 3), (2, 2)])
    dag["areas"] = grid
    node = dag.submit(double, grid[2][2])
    dag["total"] = Job(total, {"areas": grid, "more": node})
    dag["inner"] = DAG({"x": Job(same, {"x": [node, Job(double, {"x": 5})]})})
    last = dag.submit(max, 1, dag["total"], name="last")
    first = dag.submit(same, x="first")
    last.depends_on(first)
    return dag, node, last


def test_jobs_are_nodes_of_a_live_graph() -> None:
    dag, node, last = mixed([])
    dag.compute()
    dag.wait(GUARD)
    values = {name: n.result() for name, n in dag.nodes_by_name.items()}
    assert values == {
        "double": 8,
        "last": 17,
        "same": "first",
        "areas/1/2": 2,
        "areas/1/3": 3,
        "areas/2/2": 4,
        "total": 17,
        "inner/x": [8, 10],
    }
    assert dag.stats()["total_count"] == 8 and node.result() == 8 and last.result() == 17
    assert [n.name for n in node.children.values()] == ["total", "inner/x"]


def test_nodes_are_jobs_of_a_plan(tmp_path: Path) -> None:
    dag, _, _ = mixed([])
    outputs = dag.evaluate(tmp_path / "exp", execution_mode="thread", max_workers=2)
    assert (outputs["double"], outputs["last"], outputs["total"]) == (8, 17, 17)
    assert outputs["inner"]["x"] == [8, 10] and outputs["areas"].to_dict() == {1: {2: 2, 3: 3}, 2: {2: 4}}
    stage = DAG()
    source = stage.submit(list)
    stage.submit_udf_stage(double, source, expand_node_output=source)
    assert stage.evaluate(tmp_path / "stage", execution_mode="thread")["double"] == []
    live = DAG()
    live.submit(double, 1)
    live.compute()
    with pytest.raises(StartedError, match="fresh DAG"):
        live.materialize(tmp_path / "plan")
    live.wait(GUARD)


# ---- programs


def test_calls_of_tasks_are_nodes() -> None:
    @task
    def add(x: int, y: int = 1) -> int:
        """Adds."""
        return x + y

    node = add(add(1), y=add(2, y=3))
    assert add.__doc__ == "Adds." and node.dag is None
    assert node.compute(max_workers=2) == 7 and node.dag is not None
    assert delayed(sum, name="total")([node, delayed(abs)(-1)]).compute() == 8
    assert compute(add(1), add(2)) == (2, 3)
    limited = add.options(timeout=5, name="limited")(1)
    assert limited.name == "limited" and limited.compute() == 2
    with pytest.raises(TypeError, match="cannot be called"):
        delayed(5)  # type: ignore[call-overload]  # that is the point


@pytest.mark.slow
def test_five_thousand_deep() -> None:
    step = delayed(lambda x: x + 1)
    node = step(0)
    for _ in range(4999):
        node = step(node)
    assert node.compute() == 5000
    unused = step(0)
    for _ in range(50_000):
        unused = step(unused)
    del unused


def test_nodes_that_are_arguments_of_each_other() -> None:
    held: list[Any] = []
    one: Node[Any] = Node(same, held, name="one")
    held.append(Node(same, one, name="two"))
    with pytest.raises(CycleError, match="one -> two -> one"):
        one.compute()


def test_a_draft_pickles_and_a_running_graph_does_not() -> None:
    import pickle

    dag = DAG(name="sent")
    dag.submit(double, dag.submit(double, 1))
    copy = pickle.loads(pickle.dumps(dag))
    assert copy == dag and copy.name == "sent" and sorted(copy) == ["double", "double (1)"]
    copy.compute()
    copy.wait(GUARD)
    assert copy.nodes_by_name["double (1)"].result() == 4
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(copy)
    with pytest.raises(TypeError, match="future in this process"):
        pickle.dumps(copy.nodes_by_name["double"])


def test_a_recipe_is_computed_again(tmp_path: Path) -> None:
    dag = DAG({"a": Job(double, {"x": 2})})
    assert dag.status is Status.NOT_STARTED
    for _ in range(2):
        dag.compute()
        dag.wait(GUARD)
        assert dag.nodes_by_name["a"].result() == 4 and dag.status is Status.COMPLETED
    for folder in ("one", "two"):
        assert dag.evaluate(tmp_path / folder, execution_mode="thread")["a"] == 4
        assert dag.stats()["completed"] == 1 and dag.nodes_by_name["a"].result() == 4


def test_what_a_failure_stops_is_the_callers_choice() -> None:
    gate = Gate()
    dag = DAG(max_workers=2)
    slow, bad = dag.submit(gate), dag.submit(lambda: gate.began.wait(GUARD) and fail())
    later = dag.submit(same, slow)
    dag.compute(on_failure="fail_fast")
    with pytest.raises(KeyError):
        dag.wait(GUARD)
    assert bad.status is Status.FAILED and slow.cancelled() and later.done()
    gate.go.set()
    with pytest.raises(ValueError, match="fail_fast"):
        DAG().compute(on_failure="no")


def test_large_values_are_put_away_beyond_a_limit() -> None:
    dag = DAG(max_workers=1)
    parts = [dag.submit(bytes, 300_000) for _ in range(10)]
    total = dag.submit(lambda values: sum(map(len, values)), parts)
    dag.compute(memory_limit=1_000_000)
    assert total.result(GUARD) == 3_000_000 and [len(p.result()) for p in parts] == [300_000] * 10


def test_resources_are_held_and_checked() -> None:
    lock = threading.Lock()
    running, most = [0], [0]

    def work(number: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.002)
        with lock:
            running[0] -= 1
        return number

    dag = DAG(max_workers=8)
    nodes = [dag.submit(work, n, resources={"cpu": 1.0 * cores()}) for n in range(6)]
    nodes.append(dag.submit(work, 6, resource_class="large"))
    dag.compute()
    dag.wait(GUARD)
    assert most[0] == 1 and [n.result() for n in nodes] == list(range(7))
    for bad, told in [
        ({"resources": {"memory": "2048"}}, "give a unit"),
        ({"resources": {"memory": "2Gi"}, "resource_class": "large"}, "not both"),
        ({"resource_class": "huge"}, "'standard' or 'large'"),
        ({"resources": {"cpu": "many"}}, "no number of cores"),
    ]:
        with pytest.raises(ValueError, match=told):
            DAG().submit(work, 1, **bad)
    greedy = DAG()
    greedy.submit(work, 1, resources={"cores": 10_000})
    with pytest.raises(ArgumentError, match="there are"):
        greedy.compute()


# ---- queries


def test_queries_are_nodes() -> None:
    pytest.importorskip("duckdb")
    dag = DAG()
    parent = dag.submit(lambda: 136)
    rows = dag.submit(lambda: [{"k": "a", "n": 1}, {"k": "a", "n": 2}, {"k": "b", "n": 5}])
    doubled = dag.submit_sql("select 2 * ? as doubleit", parameters=[parent], result_format="rows")
    sums = dag.submit_sql(
        "select k, sum(n) as total from rows group by k order by k",
        tables={"rows": rows},
        result_format="rows",
        name="sums",
    )
    lite = dag.submit_sql(
        "select :x + 1 as y", database="sqlite://", parameters={"x": 1}, result_format="rows"
    )
    told = dag.submit(lambda value, found: f"{value} and {found[0]['doubleit']}", parent, doubled)
    dag.compute()
    assert told.result(GUARD) == "136 and 272" and lite.result(GUARD) == [{"y": 2}]
    assert [(r["k"], int(r["total"])) for r in sums.result(GUARD)] == [("a", 3), ("b", 5)]
    assert (doubled.name, lite.name, sums.name) == ("SQL query", "SQL query (1)", "sums")
    with pytest.raises(ValueError, match="a query is a text"):
        dag.submit_sql("")


def test_a_forced_cancel_stops_a_query() -> None:
    pytest.importorskip("duckdb")
    from ramify.dag import sql_running

    dag = DAG()
    node = dag.submit_sql(
        "select count(*) from range(1000000) a, range(1000000) b where a.range != b.range + 1"
    )
    dag.compute()
    while not sql_running._calls:
        threading.Event().wait(0.005)
    before = {t for t in threading.enumerate() if t.name == "ramify-worker"}
    dag.cancel(force=True)
    dag.wait(GUARD)
    assert node.cancelled()
    for thread in before:
        thread.join(GUARD)
        assert not thread.is_alive(), "the thread of the query ended because the query was stopped"


# ---- arrays


def test_functions_over_parts_of_arrays(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    whole = numpy.arange(1, 17).reshape(4, 4)
    numpy.save(tmp_path / "whole.npy", whole)
    path = str(tmp_path / "whole.npy")

    def total(part: Any, extra: int = 0) -> int:
        return int(part["values"].sum()) + extra

    dag = DAG()
    source = dag.submit(lambda: path)
    one = dag.submit_array_udf(source, total, [[0, (1, 3)], None], name="rows")
    two = dag.submit_array_udf(total, uri=path, ranges=[(0, 1), (0, 1)], extra=dag.submit(lambda: 100))
    dag.compute()
    assert one.result(GUARD) == 136 and two.result(GUARD) == 1 + 2 + 5 + 6 + 100
    assert one.name == "rows"
    with pytest.raises(ArgumentError, match="no function is given"):
        dag.submit_array_udf(path)
