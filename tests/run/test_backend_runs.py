"""Whole graphs on Celery, Dask and ipyparallel: on disk and in memory, with workers that die on the way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from backend_services import celery_worker, dask_cluster, ipyparallel_cluster, redis_server

from ramify import (
    DAG,
    CeleryExecutor,
    DaskExecutor,
    Extend,
    IPyParallelExecutor,
    Job,
    ParametrizedJob,
    after,
)
from ramify.errors import InfrastructureError, ModeError
from ramify.executors.remote import RemoteExecutor, WorkerLost
from ramify.testing import jobs

GUARD = 30.0

pytestmark = [pytest.mark.service, pytest.mark.timeout(110)]


@contextmanager
def celery_cluster() -> Iterator[str]:
    with redis_server() as url:
        worker = celery_worker(url)
        try:
            yield url
        finally:
            worker.end()


CLUSTERS: dict[str, Callable[[], Any]] = {
    "celery": celery_cluster,
    "dask": dask_cluster,
    "ipyparallel": lambda: ipyparallel_cluster(4),  # an engine that is killed does not come back
}
EXECUTORS = {"celery": CeleryExecutor, "dask": DaskExecutor, "ipyparallel": IPyParallelExecutor}


@pytest.fixture(scope="module", params=sorted(CLUSTERS))
def cluster(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    with CLUSTERS[request.param]() as where:
        yield request.param, where


@pytest.fixture
def executor(cluster: tuple[str, Any]) -> Iterator[Any]:
    kind, where = cluster
    with EXECUTORS[kind](where, max_workers=2) as made:
        yield made


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes what `jobs.wait_for` waits at; whoever waits there still is let go at the end."""
    made: list[str] = []

    def gate(name: str = "gate") -> str:
        for way in ("up", "down"):
            os.mkfifo(tmp_path / f"{name}.{way}")
            made.append(str(tmp_path / f"{name}.{way}"))
        return str(tmp_path / name)

    yield gate
    for path in made:
        held = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        os.write(held, b"\n")
        os.close(held)


@pytest.fixture
def fifo(gates: Callable[[str], str]) -> str:
    return gates("gate")


def many(count: int) -> Extend:
    """A job that adds as many jobs as it is told."""
    dag = DAG({n: Job(pow_of, {"n": n}) for n in range(count)})
    return Extend(dag, [dag[n] for n in range(count)], then=sum)


def pow_of(n: int) -> int:
    return n * n


def test_a_graph_grows_on_workers_elsewhere(executor: RemoteExecutor, tmp_path: Path) -> None:
    dag = DAG({"count": Job(pow_of, {"n": 2}), "parts": Job(many, {"count": 4}, may_add=())})

    def grow(view: Any) -> None:
        parts = [view.submit(pow_of, n, name=f"n/{n}") for n in range(view["count"].result)]
        view.submit(sum, [*parts, view["parts"]], name="total")

    dag.add_rule(after("count", "parts"), grow, may_add=["n", "total"])
    outputs = dag.evaluate(tmp_path / "exp", executor=executor)
    assert outputs["parts"] == 14 and outputs["total"] == 28

    live = DAG()
    squares = live.map(pow_of, [1, 2, 3], on=executor)
    live.add_rule(
        after(squares.key), lambda view: view.submit(sum, view[squares.key], name="sum", on=executor)
    )
    live.compute()
    live.wait(GUARD)
    assert live.nodes_by_name["sum"].result() == 14


def heard(fifo: str) -> int:
    """The process that waits at the gate."""
    return int(Path(f"{fifo}.up").read_text().split()[0])


# ---- futures


def test_values_and_exceptions(executor: RemoteExecutor) -> None:
    factor = 3
    assert executor.submit(lambda x: x * factor, 5).result(GUARD) == 15
    with pytest.raises(ZeroDivisionError) as caught:
        executor.submit(lambda: 1 / 0).result(GUARD)
    assert "The traceback in the worker:" in caught.value.__notes__[0]
    assert "lambda: 1 / 0" in caught.value.__notes__[0]
    with pytest.raises(Exception, match="lock"):
        executor.submit(threading.Lock).result(GUARD)


def test_two_hundred_small_calls(executor: RemoteExecutor) -> None:
    assert list(executor.map(abs, range(-200, 0), timeout=GUARD)) == list(range(200, 0, -1))


def test_a_call_whose_worker_is_killed_fails_with_the_reason(executor: RemoteExecutor, fifo: str) -> None:
    future = executor.submit(jobs.wait_for, fifo)
    os.kill(heard(fifo), signal.SIGKILL)
    with pytest.raises(WorkerLost, match=r"lost|prematurely"):
        future.result(GUARD)
    assert executor.submit(abs, -1).result(GUARD) == 1


def test_a_call_that_waits_is_taken_back(
    cluster: tuple[str, Any], gates: Callable[[str], str], tmp_path: Path
) -> None:
    kind, where = cluster
    if kind == "dask":  # one that was killed is started anew, and would take what waits
        with DaskExecutor(where, max_workers=1) as first:
            first._client.wait_for_workers(2, timeout=GUARD)
    with EXECUTORS[kind](where) as executor:
        fifos = [gates(f"gate{i}") for i in range(executor._max_workers)]
        full = [executor.submit(jobs.wait_for, fifo) for fifo in fifos]
        assert all(heard(fifo) for fifo in fifos)
        future = executor.submit((tmp_path / "ran").touch)
        assert future.cancel()
        with pytest.raises(CancelledError):
            future.result(GUARD)
        for fifo in fifos:
            Path(f"{fifo}.down").write_text("on")
        assert {one.result(GUARD) for one in full} == {"on"}
        assert list(executor.map(abs, range(20), timeout=GUARD)) == list(range(20))
    if kind == "celery":  # elsewhere a word goes by the scheduler, and who is let go here may be quicker
        assert not (tmp_path / "ran").exists()


def test_after_shutdown_nothing_is_taken(cluster: tuple[str, Any]) -> None:
    kind, where = cluster
    executor = EXECUTORS[kind](where, max_workers=1)
    last = executor.submit(abs, -1)
    executor.shutdown()
    assert last.result(0) == 1
    with pytest.raises(InfrastructureError, match="shut down"):
        executor.submit(abs, -1)


def test_without_any_worker_it_fails_in_the_end() -> None:
    class Nobody(RemoteExecutor):
        engine = "test"
        look_every = 0.01

        def _send(self, parcel: bytes) -> Any:
            return None

        def _follow(self, future: Future[Any], task: Any) -> None:
            return None

        def _withdraw(self, task: Any) -> None:
            return None

        def _look(self) -> int:
            return 0

    with Nobody(1, 0.05) as executor, pytest.raises(WorkerLost, match=r"no test worker was seen for 0\.05 s"):
        executor.submit(abs, 1).result(GUARD)


# ---- graphs


def test_a_plan_on_disk(executor: RemoteExecutor, tmp_path: Path) -> None:
    dag = DAG()
    squares = ParametrizedJob(lambda x: x * x, ["x"], [(x,) for x in range(20)])
    dag["squares"] = squares
    dag["total"] = Job(lambda parts: sum(parts.values()), {"parts": squares})
    outputs = dag.evaluate(tmp_path / "run", executor=executor)
    assert outputs["total"] == sum(x * x for x in range(20))
    assert outputs["squares"][7] == 49


def test_a_failing_job_on_disk(executor: RemoteExecutor, tmp_path: Path) -> None:
    dag = DAG(nodes={"a": Job(jobs.fail, {"message": "as it should"})})
    with pytest.raises(Exception, match="as it should") as caught:
        dag.evaluate(tmp_path / "run", executor=executor)
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_killed_worker_on_disk_is_told_and_tried_again(
    executor: RemoteExecutor, tmp_path: Path, fifo: str
) -> None:
    dag = DAG(nodes={"a": Job(jobs.wait_for, {"fifo": fifo})})
    with ThreadPoolExecutor(1) as aside:
        run = aside.submit(dag.evaluate, tmp_path / "first", executor=executor)
        os.kill(heard(fifo), signal.SIGKILL)
        with pytest.raises(Exception, match=r"lost|prematurely"):
            run.result(GUARD)
        again = aside.submit(dag.evaluate, tmp_path / "again", executor=executor, retries=1)
        os.kill(heard(fifo), signal.SIGKILL)
        assert heard(fifo)
        Path(f"{fifo}.down").write_text("second")
        assert again.result(GUARD)["a"] == "second"


def test_a_graph_in_memory(executor: RemoteExecutor) -> None:
    numpy = pytest.importorskip("numpy")
    dag = DAG()
    parts = [dag.submit(numpy.arange, n, on=executor) for n in range(10)]
    total = dag.submit(lambda arrays: int(sum(a.sum() for a in arrays)), parts, on=executor)
    bad = dag.submit(jobs.fail, "no", on=executor)
    dag.compute()
    assert total.result(GUARD) == sum(sum(range(n)) for n in range(10))
    with pytest.raises(ValueError, match="no"):
        bad.result(GUARD)


def test_a_killed_worker_in_memory(executor: RemoteExecutor, fifo: str) -> None:
    dag = DAG()
    node = dag.submit(jobs.wait_for, fifo, on=executor)
    dag.compute()
    os.kill(heard(fifo), signal.SIGKILL)
    with pytest.raises(InfrastructureError, match=r"lost|prematurely"):
        node.result(GUARD)


# ---- what is special about each


def test_dask_makes_a_call_once_even_if_it_kills_its_worker(tmp_path: Path) -> None:
    def kill_after_a_mark() -> None:
        with open(tmp_path / "marks", "a") as marks:
            marks.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

    with dask_cluster() as address, DaskExecutor(address) as executor:
        assert executor._max_workers == 2
        with pytest.raises(WorkerLost, match="Dask worker tcp://"):
            executor.submit(kill_after_a_mark).result(GUARD)
        assert list(executor.map(abs, range(10), timeout=GUARD)) == list(range(10))
    assert (tmp_path / "marks").read_text() == "x"


def test_a_dask_scheduler_that_goes_away(fifo: str) -> None:
    with dask_cluster() as address, DaskExecutor(address, patience=0.5) as executor:
        future = executor.submit(jobs.wait_for, fifo)
        assert heard(fifo)
        os.kill(executor._client.run_on_scheduler(os.getpid), signal.SIGKILL)
        with pytest.raises(WorkerLost, match="Dask"):
            future.result(GUARD)


def test_an_ipyparallel_controller_that_goes_away(fifo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ramify.executors.ipyparallel.ANSWER_IN", 0.5)
    with ipyparallel_cluster(1) as client, IPyParallelExecutor(client, patience=0.5) as executor:
        future = executor.submit(jobs.wait_for, fifo)
        assert heard(fifo)
        for process in psutil.process_iter(["cmdline"]):
            if is_controller(process, client):
                process.kill()
        with pytest.raises(WorkerLost, match="no ipyparallel worker was seen"):
            future.result(GUARD)


def is_controller(process: psutil.Process, client: Any) -> bool:
    """Whether it is one of the processes of the client's cluster, but for the engines."""
    words = " ".join(process.info["cmdline"] or [])
    if "ipyparallel.controller" not in words:
        return False
    return process.environ().get("IPYTHONDIR") == os.path.dirname(client.cluster.profile_dir)


@pytest.mark.parametrize("kind", sorted(EXECUTORS))
def test_what_is_no_cluster_is_refused(kind: str) -> None:
    with pytest.raises(ModeError, match="give a"):
        EXECUTORS[kind](3)
