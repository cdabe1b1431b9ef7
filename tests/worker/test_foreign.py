"""Other people's executors: what they are called with, and what is made of what they answer."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ramify.dag.grid import ParametrizedJob
from ramify.dag.job import Job
from ramify.errors import ModeError
from ramify.executors.foreign import ForeignExecutor
from ramify.ports import Order
from ramify.testing import jobs
from ramify.testing.bench import RUN, Bench
from ramify.worker.command import run_materialized_job
from ramify.worker.failure import revive


class Immediate:
    """Runs what it gets, at once, from a pickle of it, as a cluster would."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, Any]] = []

    def submit(self, fn: Any, plan: str, job_id: str) -> Future[Any]:
        return self._run("submit", fn, plan, job_id, None)

    def _run(self, name: str, fn: Any, plan: str, job_id: Any, options: Any) -> Future[Any]:
        self.calls.append((name, job_id, options))
        future: Future[Any] = Future()
        try:
            future.set_result(pickle.loads(pickle.dumps(fn))(plan, job_id))
        except Exception as error:
            future.set_exception(error)
        return future


class WithOptions(Immediate):
    def submit_with_options(self, fn: Any, plan: str, job_id: str, *, sbatch_options: Any) -> Future[Any]:
        return self._run("with_options", fn, plan, job_id, sbatch_options)


class WithArrays(WithOptions):
    def submit_array_with_options(self, fn: Any, plan: str, job_ids: Any, *, sbatch_options: Any) -> Any:
        future = self._run("array", fn, plan, job_ids, sbatch_options)
        return SimpleNamespace(future=future, job_ids=job_ids)


Open = Callable[..., Bench]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def made(executor: Any, mode: str = "subprocess", resources: Any = None, **work: Any) -> Bench:
        bench = Bench(tmp_path, work)
        bench.start(ForeignExecutor(executor, bench.plan_path, RUN, mode, resources))
        return bench

    return made


def grid(func: Any = jobs.give) -> ParametrizedJob:
    return ParametrizedJob(func, ["value"], [(3,), (1,), (2,)])


def test_the_plain_shape(opened: Open) -> None:
    executor = Immediate()
    bench = opened(executor, "thread", a=Job(jobs.give, {"value": 5}))
    assert bench.value("a", bench.run("a")[0]) == 5
    assert executor.calls == [("submit", "a", None)]


def test_options_for_those_named_only(opened: Open) -> None:
    executor = WithOptions()
    bench = opened(executor, "thread", {"a": {"mem": "32G"}}, a=Job(jobs.give), b=Job(jobs.give))
    assert [outcome.kind for outcome in bench.run("a", "b")] == ["ok", "ok"]
    assert executor.calls == [("with_options", "a", {"mem": "32G"}), ("submit", "b", None)]


def test_points_of_a_grid_go_in_one_call(opened: Open) -> None:
    executor = WithArrays()
    bench = opened(executor, "thread", {"g": {"mem": "1G"}}, g=grid(), a=Job(jobs.give))
    ids = ["g/3", "g/1", "g/2"]
    bench.executor.submit([bench.order("a"), *(bench.order(one, group="g") for one in ids)])
    assert [bench.value(one, o) for one, o in zip(ids, bench.wait(*ids), strict=True)] == [3, 1, 2]
    assert executor.calls == [("submit", "a", None), ("array", ids, {"job_name": "g", "mem": "1G"})]


def test_a_failure_in_an_array_is_its_own(opened: Open) -> None:
    def check(value: int) -> int:
        if value == 1:
            raise ValueError("one")
        return value

    executor = WithArrays()
    bench = opened(executor, "thread", g=grid(check))
    ids = ["g/3", "g/1", "g/2"]
    bench.executor.submit([bench.order(one, group="g") for one in ids])
    assert [outcome.kind for outcome in bench.wait(*ids)] == ["ok", "error", "ok"]


def test_an_executor_that_answers_nothing_and_runs_the_command(opened: Open) -> None:
    class Remote(Immediate):
        def _run(self, name: str, fn: Any, plan: str, job_id: Any, options: Any) -> Future[Any]:
            future: Future[Any] = Future()
            run_materialized_job(plan, job_id)
            future.set_result(None)
            return future

    bench = opened(Remote(), a=Job(jobs.give, {"value": 9}))
    (outcome,) = bench.run("a")
    assert (outcome.kind, outcome.record) == ("ok", None)
    assert bench.store.get("a") == 9


def test_an_old_output_is_no_answer(opened: Open) -> None:
    class Liar(Immediate):
        def _run(self, name: str, fn: Any, plan: str, job_id: Any, options: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(None)
            return future

    bench = opened(Liar(), a=Job(jobs.give))
    run_materialized_job(bench.plan_path, "a")
    (outcome,) = bench.run("a")
    assert outcome.kind == "lost" and "no new output" in outcome.error.message


def test_an_exception_of_the_executor_is_the_jobs_failure(opened: Open) -> None:
    class Failing(Immediate):
        def _run(self, name: str, fn: Any, plan: str, job_id: Any, options: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_exception(RuntimeError("the cluster says: out of memory"))
            return future

    (outcome,) = opened(Failing(), a=Job(jobs.give)).run("a")
    error = revive(outcome.error)
    assert outcome.kind == "error" and type(error) is RuntimeError and "out of memory" in str(error)


def test_a_refusal_loses_each_order_once(opened: Open) -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    bench = opened(pool, a=Job(jobs.give), b=Job(jobs.give))
    outcomes = bench.run("a", "b")
    assert [outcome.kind for outcome in outcomes] == ["lost", "lost"]
    assert "shutdown" in outcomes[0].error.message
    assert bench.told("a") == ["ended"]


def test_a_broken_pool_loses_what_it_had(opened: Open) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        bench = opened(pool, "process", a=Job(jobs.exit_hard), z=Job(jobs.give))
        first, second = bench.run("a", "z")
    assert first.kind == second.kind == "lost" and "BrokenProcessPool" in first.error.message
    assert bench.told("a").count("ended") == bench.told("z").count("ended") == 1


def test_stopping_one_member_leaves_the_array(opened: Open) -> None:
    class Waiting(WithArrays):
        def _run(self, name: str, fn: Any, plan: str, job_id: Any, options: Any) -> Future[Any]:
            self.kept: tuple[Future[Any], Any] = Future(), lambda: fn(plan, job_id)
            return self.kept[0]

    executor = Waiting()
    bench = opened(executor, "thread", g=grid())
    ids = ["g/3", "g/1", "g/2"]
    bench.executor.submit([bench.order(one, group="g") for one in ids])
    bench.wait(*ids, what="started")
    bench.executor.stop([(bench.numbers["g/1"], 1)])
    future, work = executor.kept
    future.set_result(work())
    assert [outcome.kind for outcome in bench.wait("g/3", "g/2")] == ["ok", "ok"]
    bench.executor.stop([(bench.numbers["g/2"], 1)])


def test_a_callback_that_submits_does_not_deadlock(tmp_path: Path) -> None:
    """A library's pool may call back under its own lock; the driver submits the next order when told."""
    bench = Bench(tmp_path, {"a": Job(jobs.give), "b": Job(jobs.give)})
    with ThreadPoolExecutor(1) as pool:
        executor = ForeignExecutor(pool, bench.plan_path, RUN, "thread")

        def tell(node: int, attempt: int, what: str, data: Any) -> None:
            if what == "ended" and node == bench.numbers["a"]:
                bench.submit("b")
            bench.tell(node, attempt, what, data)

        bench.executor = executor
        executor.start(tell)
        bench.submit("a")
        assert [outcome.kind for outcome in bench.wait("a", "b")] == ["ok", "ok"]
        executor.close()


def test_a_plan_that_is_replaced_is_read_again(opened: Open, tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        for value in (1, 2):
            bench = Bench(tmp_path, {"a": Job(jobs.give, {"value": value})})
            bench.start(ForeignExecutor(pool, bench.plan_path, f"{RUN}-{value}", "thread"))
            (outcome,) = bench.run("a")
            bench.store.adopt("a", f"{RUN}-{value}.0.1", outcome.record)
            assert bench.store.get("a") == value
            bench.executor.close()


def test_thread_mode_keeps_the_exception_object(opened: Open) -> None:
    with ThreadPoolExecutor(1) as pool:
        bench = opened(pool, "thread", a=Job(jobs.fail_unpicklably))
        (outcome,) = bench.run("a")
    error = revive(outcome.error)
    assert isinstance(error, jobs.Unpicklable) and error.lock is not None


def test_where_a_process_is_started(opened: Open) -> None:
    with ThreadPoolExecutor(2) as pool:
        bench = opened(pool, "subprocess", a=Job(jobs.where))
        assert bench.value("a", bench.run("a")[0])["pid"] != os.getpid()


@pytest.mark.parametrize(
    ("executor", "mode", "resources", "words"),
    [
        (ThreadPoolExecutor(1), "process", None, "pool of threads"),
        (ThreadPoolExecutor(1), "magic", None, "unknown"),
        (ThreadPoolExecutor(1), "thread", {"a": {"mem": "1G"}}, "submit_with_options"),
        (object(), "thread", None, "no submit"),
    ],
)
def test_what_cannot_be_is_refused(executor: Any, mode: str, resources: Any, words: str) -> None:
    with pytest.raises(ModeError, match=words):
        ForeignExecutor(executor, "nowhere", RUN, mode, resources)


def test_orders_carry_their_own_options(opened: Open) -> None:
    executor = WithOptions()
    bench = opened(executor, "thread", a=Job(jobs.give))
    bench.executor.submit([Order(bench.numbers["a"], 1, "a", {"gres": "gpu:1"})])
    bench.wait("a")
    assert executor.calls == [("with_options", "a", {"gres": "gpu:1"})]
