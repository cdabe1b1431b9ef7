"""Runs of a plan on disk: what is reported is what happened, in every mode."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import run_jobs as jobs

from ramify import DAG, DAGExecutionError, Job, ParametrizedJob
from ramify.errors import (
    ArgumentError,
    JobCancelled,
    JobTimeout,
    LockedError,
    ModeError,
    OutputsExistError,
    WorkerDied,
)
from ramify.files.lock import FolderLock
from ramify.run.execute import Run, execute
from ramify.run.view import RunView, runs_in

MODES = ["thread", "subprocess", "process"]
PROCESSES = ["subprocess", "process"]


def dag_of(**nodes: Any) -> DAG:
    return DAG(nodes=nodes)


def view(folder: Path) -> RunView:
    return RunView(runs_in(str(folder / "run"))[0])


@pytest.mark.parametrize("mode", MODES)
def test_a_failure_ends_what_runs_and_tells_it_from_what_never_started(mode: str, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    dag = dag_of(
        a=Job(jobs.done, {"value": 1}),
        b=Job(jobs.fail_when, {"flag": str(flag)}),
        c=Job(jobs.touch_and_hang, {"flag": str(flag)}),
        d=Job(jobs.done, {"value": 1}),
        e=Job(jobs.done, {"value": 2}),
    )
    dag["f"] = Job(jobs.done, {"value": dag["b"]})
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode, max_workers=2)
    error = caught.value
    assert error.failed_job_id == "b"
    assert isinstance(error.cause, ValueError)
    assert error.__cause__ is error.cause
    assert error.completed_jobs >= {"a"}
    assert error.stopped_jobs == {"c"}
    assert error.not_started_jobs == {"d", "e", "f"}
    assert error.cancelled_jobs == {"c", "d", "e", "f"}
    assert error.failed_jobs == {"b"}
    text = str(error)
    assert "stopped while running (1): c" in text
    assert "fail_when" in text
    assert "load_inputs_and_callable" in text
    seen = view(tmp_path / "exp")
    assert seen.status == "FAILED"
    assert {j.job_id: j.status for j in seen.jobs()} == {
        "a": "COMPLETED",
        "b": "FAILED",
        "c": "CANCELLED",
        "d": "CANCELLED",
        "e": "CANCELLED",
        "f": "PARENT_FAILED",
    }


@pytest.mark.parametrize("mode", MODES)
def test_continue_stops_only_what_needs_the_failure(mode: str, tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.fail, {}), b=Job(jobs.done, {"value": 2}))
    dag["c"] = Job(jobs.done, {"value": dag["a"]})
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode, max_workers=2, on_failure="continue")
    assert caught.value.completed_jobs == {"b"}
    assert caught.value.not_started_jobs == {"c"}
    assert view(tmp_path / "exp").job("c").blocked_by == "a"


@pytest.mark.parametrize("mode", MODES)
def test_retries_run_again_and_each_attempt_has_its_log(mode: str, tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.fail_twice, {"folder": str(tmp_path)}, retries=2))
    result = dag.evaluate(tmp_path / "exp", execution_mode=mode)
    assert result["a"] == 3
    seen = view(tmp_path / "exp")
    assert seen.job("a").attempts == 3
    texts = [Path(str(seen.log_of(0, n))).read_text() for n in (1, 2, 3)]
    assert texts == ["attempt 1\n", "attempt 2\n", "attempt 3\n"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_job_that_takes_too_long_fails_and_the_others_go_on(mode: str, tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.hang, {}, timeout=0.3), b=Job(jobs.done, {"value": 2}))
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode, on_failure="continue")
    assert isinstance(caught.value.cause, JobTimeout)
    assert isinstance(caught.value.cause, TimeoutError)
    assert caught.value.completed_jobs == {"b"}
    assert "0.3 s" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("mode", PROCESSES)
@pytest.mark.parametrize(
    ("func", "fact", "value"),
    [(jobs.kill_itself, "signal", 9), (jobs.exit_hard, "exit_code", 7)],
    ids=["killed", "exited"],
)
def test_a_worker_that_dies_is_that_jobs_failure(
    mode: str, func: Callable[..., Any], fact: str, value: int, tmp_path: Path
) -> None:
    dag = dag_of(a=Job(func, {}), b=Job(jobs.done, {"value": 2}))
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode, on_failure="continue", max_workers=2)
    cause = caught.value.cause
    assert isinstance(cause, WorkerDied)
    assert getattr(cause, fact) == value
    assert cause.job_id == "a"
    assert caught.value.completed_jobs == {"b"}
    assert Path(str(caught.value.log)).read_text().startswith("last words")


@pytest.mark.slow
@pytest.mark.parametrize("mode", PROCESSES)
def test_a_worker_that_dies_is_tried_again(mode: str, tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.die_once, {"folder": str(tmp_path)}, retries=1))
    assert dag.evaluate(tmp_path / "exp", execution_mode=mode)["a"] == "alive"


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_system_exit_is_a_failure_of_the_job(mode: str, tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.leave, {}))
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode)
    assert isinstance(caught.value.cause, SystemExit)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["red", "two_arguments", "unpicklable", "no_text", "nested"])
def test_odd_exceptions_are_reported_whole(mode: str, name: str, tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.raise_odd, {"name": name}))
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode)
    told = str(caught.value)
    assert "raise_odd" in told
    assert jobs.ODD[name] in told
    assert view(tmp_path / "exp").job("a").failure is not None


@pytest.mark.parametrize("mode", MODES)
def test_what_cannot_be_stored_is_that_jobs_failure(mode: str, tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.make_lock, {}), b=Job(jobs.done, {"value": 1}))
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode, on_failure="continue")
    assert caught.value.failed_job_id == "a"
    assert isinstance(caught.value.cause, TypeError)
    stored = (p.name for p in (tmp_path / "exp" / "outputs").iterdir() if not p.name.startswith("."))
    assert sorted(stored) == ["b.json", "b.ramify"]


@pytest.mark.parametrize("mode", MODES)
def test_cancelling_from_another_thread(mode: str, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    dag = dag_of(a=Job(jobs.touch_and_hang, {"flag": str(flag)}))
    dag["b"] = Job(jobs.done, {"value": dag["a"]})
    plan = dag.materialize(tmp_path / "exp" / "plan")
    runs: list[Run] = []

    def cancel() -> None:
        jobs.wait_for(str(flag))
        runs[0].cancel(force=True)

    other = threading.Thread(target=cancel)
    other.start()
    with pytest.raises(DAGExecutionError) as caught:
        execute(str(plan), execution_mode=mode, max_workers=2, on_start=runs.append)
    other.join()
    assert isinstance(caught.value.cause, JobCancelled)
    assert caught.value.failed_job_id is None
    assert caught.value.stopped_jobs == {"a"}
    assert runs[0].status == "CANCELLED"
    assert view(tmp_path / "exp").status == "CANCELLED"


@pytest.mark.parametrize("mode", MODES)
def test_no_process_and_no_thread_is_left(mode: str, tmp_path: Path) -> None:
    import psutil

    before = {p.pid for p in psutil.Process().children(recursive=True)}
    threads = set(threading.enumerate())
    dag = dag_of(a=ParametrizedJob(jobs.done, ["value"], [(n,) for n in range(5)]))
    dag.evaluate(tmp_path / "exp", execution_mode=mode, max_workers=2)
    assert {p.pid for p in psutil.Process().children(recursive=True)} == before
    assert set(threading.enumerate()) == threads


def test_one_worker_runs_jobs_in_the_order_of_their_ids(tmp_path: Path) -> None:
    order = tmp_path / "order"
    grid = ParametrizedJob(jobs.append, ["n"], [(10,), (9,), (2,)], {"path": str(order)})
    dag = dag_of(z=Job(jobs.append, {"n": "z", "path": str(order)}), g=grid)
    dag["a"] = Job(jobs.append, {"n": "a", "path": str(order)})
    dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert order.read_text().split() == ["a", "2", "9", "10", "z"]


def test_with_two_workers_the_longest_way_goes_first(tmp_path: Path) -> None:
    order = tmp_path / "order"
    dag = dag_of(a=Job(jobs.append, {"n": "a", "path": str(order)}))
    previous: Any = None
    for name in ("x", "y", "z"):
        dag[name] = previous = Job(jobs.append, {"n": name, "path": str(order), "after": previous})
    plan = dag.materialize(tmp_path / "exp" / "plan")
    execute(str(plan), execution_mode="thread", max_workers=2)
    started = [j.job_id for j in sorted(view(tmp_path / "exp").jobs(), key=lambda j: j.started or 0)]
    assert started[0] == "x"


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_jobs_share_what_they_ask_for(mode: str, tmp_path: Path) -> None:
    """Four jobs ask for one of two licences each: never three at a time."""
    dag = DAG()
    for n in range(4):
        arguments = {"folder": str(tmp_path / "count"), "n": n}
        dag[n] = Job(jobs.count_others, arguments, resources={"licence": 1})
    (tmp_path / "count").mkdir()
    plan = dag.materialize(tmp_path / "exp" / "plan")
    result = execute(str(plan), execution_mode=mode, max_workers=4, limits={"licence": 2})
    assert max(result.to_dict().values()) <= 2


def test_asking_for_more_than_there_is_is_said_before_anything_runs(tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.done, {"value": 1}, resources={"cores": 4096}))
    with pytest.raises(ArgumentError, match=r"'a' asks for 4096 cores, and there are"):
        dag.evaluate(tmp_path / "exp")
    assert not (tmp_path / "exp" / "outputs").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_job_resources_without_an_executor_mean_what_they_can(tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.hang, {}), b=Job(jobs.done, {"value": 1}))
    with (
        pytest.warns(match="gres means nothing without an executor"),
        pytest.raises(DAGExecutionError) as caught,
    ):
        dag.evaluate(
            tmp_path / "exp",
            job_resources={"a": {"mem": "1M", "time": "0:01", "gres": "gpu:1"}},
            execution_mode="process",
        )
    assert isinstance(caught.value.cause, JobTimeout)
    with pytest.raises(ModeError, match="'zz', which is no top-level key; those are: a, b"):
        dag.evaluate(tmp_path / "other", job_resources={"zz": {"mem": "1M"}})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"execution_mode": "threads"}, "'threads' is unknown: use one of 'subprocess', 'thread', 'process'"),
        ({"on_failure": "ignore"}, "'ignore' is unknown"),
        ({"max_workers": 0}, "max_workers must be a whole number, 1 or more"),
        ({"max_workers": True}, "max_workers"),
        ({"retries": -1}, "retries must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"name": "../up"}, "cannot be the name of a run"),
    ],
)
def test_bad_options_are_refused_before_anything_runs(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModeError, match=message) as caught:
        dag_of(a=Job(jobs.done, {"value": 1})).evaluate(tmp_path / "exp", **options)
    assert isinstance(caught.value, ValueError)
    assert not (tmp_path / "exp" / "outputs").exists()


def test_a_second_driver_is_refused_and_told_who_has_the_folder(tmp_path: Path) -> None:
    plan = dag_of(a=Job(jobs.done, {"value": 1})).materialize(tmp_path / "exp" / "plan")
    with FolderLock(str(tmp_path / "exp" / "run"), run="first"):
        with pytest.raises(LockedError, match="first") as caught:
            execute(str(plan), execution_mode="thread")
        assert caught.value.pid == os.getpid()
    execute(str(plan), execution_mode="thread")


def test_outputs_that_are_there_are_named_with_the_two_ways_on(tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.done, {"value": 1}))
    dag.evaluate(tmp_path / "exp", execution_mode="thread")
    with pytest.raises(OutputsExistError, match="skip_completed=True") as caught:
        dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert caught.value.job_ids == ["a"]
    assert "clear_outputs" in str(caught.value)


def test_completed_outputs_are_kept_and_told(tmp_path: Path) -> None:
    order = tmp_path / "order"
    dag = dag_of(a=Job(jobs.append, {"n": "a", "path": str(order)}))
    dag["b"] = Job(jobs.append, {"n": "b", "path": str(order), "after": dag["a"]})
    dag.evaluate(tmp_path / "exp", execution_mode="thread")
    dag.clear_outputs(tmp_path / "exp" / "plan", job_ids=["a"])
    dag.evaluate(tmp_path / "exp", execution_mode="thread", skip_completed=True)
    assert order.read_text().split() == ["a", "b", "a"]
    assert {j.job_id: j.state for j in view(tmp_path / "exp").jobs()} == {"a": "succeeded", "b": "reused"}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 4])
def test_coroutines_run_on_one_loop_and_can_be_stopped(workers: int, tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.async_done, {"value": 1}), b=Job(jobs.async_done, {"value": 2}))
    dag["sum"] = Job(jobs.add, {"x": dag["a"], "y": dag["b"]})
    result = dag.evaluate(tmp_path / "exp", execution_mode="thread", max_workers=workers)
    assert result["sum"] == 3
    log = view(tmp_path / "exp").job("a").log
    assert Path(str(log)).read_text() == "async 1\n"
    hanging = dag_of(a=Job(jobs.async_hang, {}, timeout=0.2))
    with pytest.raises(DAGExecutionError) as caught:
        hanging.evaluate(tmp_path / "other", execution_mode="thread", max_workers=workers)
    assert isinstance(caught.value.cause, JobTimeout)


def test_the_view_tells_times_in_order(tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.done, {"value": 1}))
    dag["b"] = Job(jobs.done, {"value": dag["a"]})
    before = time.time()
    dag.evaluate(tmp_path / "exp", execution_mode="thread", name="my-run")
    seen = RunView(str(tmp_path / "exp" / "run" / "my-run"))
    a, b = seen.jobs()
    assert seen.name == "my-run"
    times = [before, a.started, a.ended, b.started, b.ended, seen.ended]
    assert None not in times
    assert times == sorted(t for t in times if t is not None)
    assert seen.plan == str(tmp_path / "exp" / "plan")
    assert seen.outputs == str(tmp_path / "exp" / "outputs")
    assert seen.resolve("a") == "a"


@pytest.mark.slow
def test_the_journal_can_be_cut_at_any_byte(tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.done, {"value": 1}))
    dag["b"] = Job(jobs.fail, {"after": dag["a"]})
    with pytest.raises(DAGExecutionError):
        dag.evaluate(tmp_path / "exp", execution_mode="thread", name="r")
    folder = tmp_path / "exp" / "run" / "r"
    whole = (folder / "journal.jsonl").read_bytes()
    for size in range(len(whole)):
        (folder / "journal.jsonl").write_bytes(whole[:size])
        cut = RunView(str(folder))
        assert cut.status in ("LOST", "FAILED")
        assert set(cut.counts()) <= {"idle", "waiting", "ready", "running", "succeeded", "failed"}


def test_a_journal_with_a_damaged_line_is_refused_by_line(tmp_path: Path) -> None:
    from ramify.errors import JournalError

    dag_of(a=Job(jobs.done, {"value": 1})).evaluate(tmp_path / "exp", execution_mode="thread", name="r")
    journal = tmp_path / "exp" / "run" / "r" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"{damaged\n", *lines[2:]]))
    with pytest.raises(JournalError, match="line 3"):
        RunView(str(journal.parent))


def test_limits_by_name_are_the_callers_to_give(tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.done, {"value": 1}, resources={"licence": 2}))
    with pytest.raises(ArgumentError, match="'a' asks for 2 licence, and there are 1"):
        dag.evaluate(tmp_path / "exp", limits={"licence": 1})
    assert dag.evaluate(tmp_path / "exp", limits={"licence": 2}, durable=True)["a"] == 1


def test_an_executor_that_nobody_has_is_refused_by_name(tmp_path: Path) -> None:
    dag = dag_of(a=Job(jobs.done, {"value": 1}, executor="cluster"))
    with pytest.raises(ModeError, match="'a' asks for the executor 'cluster'"):
        dag.evaluate(tmp_path / "exp")


def test_a_start_is_written_before_it_is_made_however_short_its_kind(tmp_path: Path) -> None:
    """The function was short a hundred times; the last call reads the journal of its own run."""
    folder = str(tmp_path / "exp" / "run" / "r")
    dag = DAG()
    for n in range(100):
        dag[n] = Job(jobs.status_of, {"folder": folder, "job_id": ""})
    dag["z"] = Job(jobs.status_of, {"folder": folder, "job_id": "z"})
    result = dag.evaluate(tmp_path / "exp", execution_mode="thread", name="r")
    assert result["z"] == ["RUNNING", 100]


def test_what_a_killed_run_left_whole_is_adopted_hidden_jobs_too(tmp_path: Path) -> None:
    """The workers had left their parts and records when the driver was killed."""
    from ramify.plan.folder import read_plan
    from ramify.stores.folder import FolderStore

    order = tmp_path / "order"
    inner = Job(jobs.append, {"n": "inner", "path": str(order)})
    dag = dag_of(a=Job(jobs.append, {"n": "a", "path": str(order), "after": inner}))
    value = dag.evaluate(tmp_path / "exp", name="killed", execution_mode="thread")["a"]
    order.unlink()
    plan = read_plan(tmp_path / "exp" / "plan")
    store = FolderStore(plan.outputs)
    for number, job_id in enumerate(plan.job_ids()):
        stored = store.get(plan.stored(job_id))
        store.remove(plan.stored(job_id))
        store.put(f"killed.{number}.1", stored, plan.stored(job_id), leave_record=True)
    result = execute(plan.path, execution_mode="thread", skip_completed=True)
    assert result["a"] == value
    assert not order.exists()
    assert {j.job_id: j.state for j in view(tmp_path / "exp").jobs()} == {
        "a": "reused",
        "a/arg/after": "reused",
    }
