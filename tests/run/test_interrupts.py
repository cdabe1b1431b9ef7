"""Signals and cancelling at awkward instants: a run always ends, and what it leaves can be gone on with."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import run_jobs as jobs

from ramify import DAG, DAGExecutionError, Job, ParametrizedJob
from ramify.errors import JobCancelled
from ramify.ports import Order
from ramify.run.execute import Run, execute
from ramify.run.interrupts import Interrupts, Wake
from ramify.run.memory import MemoryRun
from ramify.run.view import RunView, runs_in


def view(folder: Path) -> RunView:
    return RunView(runs_in(str(folder / "run"))[0])


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


# ---- the parts


def test_a_handler_may_wake_a_thread_that_is_just_about_to_wait() -> None:
    """The lock of a `threading.Event` would be held at that moment, and the handler wait for ever."""
    wake = Wake()
    before = signal.signal(signal.SIGALRM, lambda *_: wake.set())
    try:
        for microseconds in range(1, 400):
            signal.setitimer(signal.ITIMER_REAL, microseconds / 1e6)
            while not wake.wait(0.05):  # a signal just before the wait is handled after it
                continue
    finally:
        signal.signal(signal.SIGALRM, before)


def test_signals_are_noted_not_raised_and_raised_at_the_end() -> None:
    seen = []
    interrupts = Interrupts()
    interrupts.wake = lambda: seen.append("woken")
    with pytest.raises(KeyboardInterrupt), interrupts:
        interrupt()
        seen.append("goes on")
    assert seen == ["woken", "goes on"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_that_came_before_the_job_is_raised_at_its_beginning() -> None:
    interrupts = Interrupts()
    with pytest.raises(KeyboardInterrupt), interrupts:
        interrupt()
        interrupts.expose()
        pytest.fail("the job began")


def test_a_sigterm_in_a_job_is_told_as_what_it_is() -> None:
    interrupts = Interrupts()
    with pytest.raises(SystemExit) as caught, interrupts:
        interrupts.expose()
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_third_ctrl_c_waits_for_nothing() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts():
        for _ in range(3):
            interrupt()
        pytest.fail("it was not raised at once")


def test_what_is_noted_inside_is_passed_on_to_the_run_around() -> None:
    outer, inner = Interrupts(), Interrupts()
    with pytest.raises(KeyboardInterrupt), outer:
        with pytest.raises(KeyboardInterrupt), inner:
            interrupt()
        assert outer.hit == signal.SIGINT


def test_a_handler_of_the_user_is_left_alone() -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with Interrupts() as interrupts:
            interrupt()
        assert seen == [signal.SIGINT]
        assert interrupts.hit is None
    finally:
        signal.signal(signal.SIGINT, before)


# ---- whole runs


@pytest.mark.parametrize("workers", [0, 2])
def test_a_job_that_raises_keyboard_interrupt_ends(workers: int) -> None:
    run = MemoryRun(workers=workers)
    run.add("a", jobs.raise_keyboard_interrupt)
    if workers:
        run.start()
        with pytest.raises(KeyboardInterrupt):
            run.result("a")
    else:
        with pytest.raises(KeyboardInterrupt):
            run.start()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["thread", "subprocess", "process"])
def test_a_job_that_raises_keyboard_interrupt_fails(mode: str, tmp_path: Path) -> None:
    dag = DAG(nodes={"a": Job(jobs.raise_keyboard_interrupt, {}), "b": Job(jobs.done, {"value": 1})})
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode, max_workers=2, on_failure="continue")
    assert caught.value.failed_job_id == "a"
    assert isinstance(caught.value.cause, KeyboardInterrupt)
    assert caught.value.completed_jobs == {"b"}


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_cancelled_before_the_start_nothing_runs(mode: str, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    dag = DAG(nodes={"a": Job(jobs.append, {"n": 1, "path": str(trace)})})
    plan = dag.materialize(tmp_path / "exp" / "plan")
    with pytest.raises(DAGExecutionError) as caught:
        execute(str(plan), execution_mode=mode, on_start=lambda run: run.cancel())
    assert isinstance(caught.value.cause, JobCancelled)
    assert caught.value.not_started_jobs == {"a"}
    assert not trace.exists()
    seen = view(tmp_path / "exp")
    assert (seen.status, seen.job("a").status) == ("CANCELLED", "CANCELLED")


def test_cancelled_after_the_end_nothing_changes(tmp_path: Path) -> None:
    runs: list[Run] = []
    plan = DAG(nodes={"a": Job(jobs.done, {"value": 1})}).materialize(tmp_path / "exp" / "plan")
    execute(str(plan), execution_mode="thread", on_start=runs.append)
    journal = Path(runs[0].folder) / "journal.jsonl"
    before = journal.read_bytes()
    runs[0].cancel(force=True)
    assert journal.read_bytes() == before
    assert runs[0].status == "COMPLETED"


def test_ctrl_c_while_a_run_is_finished_off_is_raised_when_that_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = Run._seal

    def interrupted(self: Run) -> None:
        interrupt()
        seal(self)

    monkeypatch.setattr(Run, "_seal", interrupted)
    dag = DAG(nodes={"a": Job(jobs.done, {"value": 1})})
    with pytest.raises(KeyboardInterrupt):
        dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert view(tmp_path / "exp").status == "COMPLETED"
    assert (tmp_path / "exp" / "outputs.ramify").exists()


def test_what_was_told_before_ctrl_c_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """News that nobody had folded yet is not thrown away with what runs."""
    from ramify.run.driver import Driver

    flag = tmp_path / "flag"
    dag = DAG(nodes={"a": Job(jobs.done, {"value": 1}), "b": Job(jobs.touch_and_hang, {"flag": str(flag)})})
    tell = Driver.tell

    def late(self: Driver, node: int, attempt: int, what: str, data: Any) -> None:
        if what == "ended" and self.engine.keys[node] == "a":
            self.inbox.append((node, attempt, what, data))  # told, and the role is not taken
            jobs.wait_for(str(flag))
            interrupt()
        else:
            tell(self, node, attempt, what, data)

    monkeypatch.setattr(Driver, "tell", late)
    with pytest.raises(KeyboardInterrupt):
        dag.evaluate(tmp_path / "exp", execution_mode="thread", max_workers=2)
    assert {j.job_id: j.status for j in view(tmp_path / "exp").jobs()} == {"a": "COMPLETED", "b": "CANCELLED"}


@pytest.mark.slow
def test_ctrl_c_while_threads_write_their_parts(tmp_path: Path) -> None:
    """The parts of abandoned threads are in nobody's way, not even of a run that follows at once."""
    dag = DAG(nodes={"g": ParametrizedJob(jobs.done, ["value"], [(n,) for n in range(40)])})
    hits, evaluates = 0, False

    def at_alarm(*_: object) -> None:
        if evaluates:  # what comes too late is for nobody
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, at_alarm)
    try:
        for number in range(40):
            folder = tmp_path / str(number)
            try:
                evaluates = True
                signal.setitimer(signal.ITIMER_REAL, 0.004 + number * 0.0004)
                dag.evaluate(folder, execution_mode="thread", max_workers=2)
                evaluates = False
            except KeyboardInterrupt:
                hits += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            result = dag.evaluate(folder, execution_mode="thread", max_workers=2, skip_completed=True)
            assert result["g"].to_dict() == {n: n for n in range(40)}
    finally:
        signal.signal(signal.SIGALRM, before)
    assert hits


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_during_a_job_of_this_thread(name: str, code: int, tmp_path: Path) -> None:
    script = tmp_path / "flow.py"
    script.write_text(
        "import os, signal\n"
        "from ramify import DAG, Job\n"
        "def job(): os.kill(os.getpid(), signal." + name + ")\n"
        "DAG(nodes={'a': Job(job, {})}).evaluate('exp', execution_mode='thread')\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert view(tmp_path / "exp").status == "CANCELLED"


def test_a_run_inside_a_job_is_interrupted_with_the_run_around(tmp_path: Path) -> None:
    dag = DAG(nodes={"a": Job(jobs.evaluate_and_interrupt, {"folder": str(tmp_path / "inner")})})
    dag["b"] = Job(jobs.done, {"value": 1})
    with pytest.raises(KeyboardInterrupt):
        dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert view(tmp_path / "inner").status == "CANCELLED"
    assert view(tmp_path / "exp").status == "CANCELLED"
    assert view(tmp_path / "exp").job("b").attempts == 0


def test_runs_in_two_threads_at_once(tmp_path: Path) -> None:
    results: dict[str, Any] = {}

    def evaluate(name: str) -> None:
        dag = DAG(nodes={"g": ParametrizedJob(jobs.say, ["text"], [(f"{name}{n}",) for n in range(50)])})
        results[name] = dag.evaluate(tmp_path / name, execution_mode="thread", max_workers=2).to_dict()

    threads = [threading.Thread(target=evaluate, args=(name,)) for name in ("x", "y")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("x", "y"):
        assert results[name]["g"] == {f"{name}{n}": f"{name}{n}" for n in range(50)}
        for job in view(tmp_path / name).jobs():
            assert Path(str(job.log)).read_text() == f"{job.job_id[2:]}\n"


@pytest.mark.slow
@pytest.mark.parametrize("inner", ["thread", "subprocess"])
@pytest.mark.parametrize("outer", ["thread", "process"])
def test_a_run_inside_a_job(outer: str, inner: str, tmp_path: Path) -> None:
    arguments = {"folder": str(tmp_path / "inner"), "mode": inner}
    dag = DAG(nodes={"a": Job(jobs.evaluate_inside, arguments)})
    assert dag.evaluate(tmp_path / "exp", execution_mode=outer)["a"] == 3


def test_an_order_that_was_taken_back_is_never_begun() -> None:
    """One worker is busy, a second order is queued: stopping it must not leave it to be run later."""
    from ramify.executors.threads import ThreadExecutor
    from ramify.ports import Outcome

    begun: list[str] = []
    gate, free = threading.Event(), threading.Event()

    def perform(order: Order) -> Outcome:
        begun.append(order.job_id)
        gate.set()
        assert free.wait(30)
        return Outcome("ok")

    told: list[int] = []
    executor = ThreadExecutor(perform, 1)
    executor.start(lambda node, attempt, what, data: told.append(node))
    executor.submit([Order(1, 1, "first")])
    assert gate.wait(30)
    executor.submit([Order(2, 1, "second")])
    executor.stop([(2, 1)])
    free.set()
    executor.close()
    assert (begun, told) == (["first"], [1])
