"""Requests to a run that goes on: from the file to what the driver does, and back."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gate_jobs
import pytest

from ramify import DAG, DAGExecutionError, Job, LazyDict, RunOverError
from ramify.errors import ControlError
from ramify.journals.file import read_journal
from ramify.run.control import CONTROL, Cancel, Retry, ask, is_driven, post
from ramify.run.view import RunView

GUARD = 30.0


def until(holds: Callable[[], object]) -> None:
    """Looks again and again until it holds, or fails the test."""
    end = time.monotonic() + GUARD
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


class Going:
    """An evaluation in another thread; `folder` is its run's."""

    def __init__(self, dag: DAG, exp: Path, **options: Any) -> None:
        self.folder = str(exp / "run" / "r")
        self.outputs: LazyDict | None = None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._evaluate, args=(dag, exp, options))
        self._thread.start()

    def _evaluate(self, dag: DAG, exp: Path, options: dict[str, Any]) -> None:
        try:
            self.outputs = dag.evaluate(exp, name="r", **{"max_workers": 2, **options})
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        self._thread.join(GUARD)
        assert not self._thread.is_alive(), "the run did not end"

    def controls(self) -> list[dict[str, Any]]:
        return [r[1] for r in read_journal(os.path.join(self.folder, "journal.jsonl")) if r[0] == "control"]

    def left(self) -> list[str]:
        return os.listdir(os.path.join(self.folder, CONTROL))


@contextmanager
def going(dag: DAG, tmp_path: Path, begun: str, **options: Any) -> Iterator[Going]:
    """A run whose job `begun` has begun; it ends before the block does, or the test fails."""
    run = Going(dag, tmp_path / "exp", **options)
    try:
        until(lambda: (tmp_path / f"{begun}.begun").exists() or run.error)
        yield run
    finally:
        for name in "abcdef":
            (tmp_path / name).touch()
        run.end()


def gates(tmp_path: Path, *names: str) -> dict[Any, Job]:
    return {name: Job(gate_jobs.here, {"folder": str(tmp_path), "name": name}) for name in names}


def test_cancel_stops_what_runs_and_says_who_asked(tmp_path: Path) -> None:
    jobs = gates(tmp_path, "a")
    dag = DAG({**jobs, "after": Job(gate_jobs.follow, {"value": jobs["a"]})})
    with going(dag, tmp_path, "a") as run:
        assert is_driven(run.folder)
        told = ask(run.folder, Cancel(by="somebody"), GUARD)
        run.end()
        assert told is not None and told["kind"] == "cancel" and told["by"] == "somebody"
        assert not is_driven(run.folder)
    assert isinstance(run.error, DAGExecutionError) and "on request of somebody" in run.error.message
    assert run.error.stopped_jobs == {"a"} and run.error.not_started_jobs == {"after"}
    assert run.controls() == [told] and run.left() == []
    assert RunView(run.folder).status == "CANCELLED"


@pytest.mark.slow
def test_without_force_what_runs_may_finish(tmp_path: Path) -> None:
    jobs = gates(tmp_path, "a")
    dag = DAG({**jobs, "after": Job(gate_jobs.follow, {"value": jobs["a"]})})
    with going(dag, tmp_path, "a") as run:
        ask(run.folder, Cancel(force=False), GUARD)
        assert RunView(run.folder).job("a").status == "RUNNING"
    assert isinstance(run.error, DAGExecutionError)
    assert run.error.completed_jobs == {"a"} and run.error.not_started_jobs == {"after"}


@pytest.mark.slow
def test_chosen_jobs_are_given_up_and_the_rest_goes_on(tmp_path: Path) -> None:
    jobs = gates(tmp_path, "a", "b")
    dag = DAG({**jobs, "x": Job(gate_jobs.follow, {"value": jobs["a"]})})
    dag["y"] = Job(gate_jobs.follow, {"value": jobs["b"]})
    with going(dag, tmp_path, "b") as run:
        told = ask(run.folder, Cancel(jobs=["a"], why="not needed"), GUARD)
        assert told is not None and told["jobs"] == 1
    view = RunView(run.folder)
    assert {j.job_id: j.status for j in view.jobs()} == {
        "a": "CANCELLED",
        "b": "COMPLETED",
        "x": "PARENT_FAILED",
        "y": "COMPLETED",
    }
    assert view.job("a").note == "not needed"


@pytest.mark.slow
def test_failed_jobs_are_tried_again_while_the_run_goes_on(tmp_path: Path) -> None:
    failing = Job(gate_jobs.fails_until, {"folder": str(tmp_path), "name": "mended"})
    dag = DAG({"bad": failing, "x": Job(gate_jobs.follow, {"value": failing}), **gates(tmp_path, "a")})
    with going(dag, tmp_path, "a", on_failure="continue") as run:
        until(lambda: RunView(run.folder).job("x").status == "PARENT_FAILED")
        (tmp_path / "mended").touch()
        told = ask(run.folder, Retry(), GUARD)
        assert told is not None and told["jobs"] == 2
    assert run.error is None and run.outputs is not None and run.outputs["x"] == "mended!"
    assert RunView(run.folder).job("bad").attempts == 2


@pytest.mark.slow
def test_a_cancelled_run_that_still_works_goes_on_again(tmp_path: Path) -> None:
    jobs = gates(tmp_path, "a")
    dag = DAG({**jobs, "after": Job(gate_jobs.follow, {"value": jobs["a"]})})
    with going(dag, tmp_path, "a") as run:
        ask(run.folder, Cancel(force=False), GUARD)
        told = ask(run.folder, Retry(), GUARD)
        assert told is not None and told["jobs"] == 1
    assert run.error is None and run.outputs is not None and run.outputs["after"] == "a!"


@pytest.mark.slow
def test_nothing_to_try_again_is_no_mistake(tmp_path: Path) -> None:
    with going(DAG(gates(tmp_path, "a")), tmp_path, "a") as run:
        told = ask(run.folder, Retry(jobs=["a"]), GUARD)
        assert told is not None and told["jobs"] == 0
    assert run.error is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"{", "does not understand"),
        (b'{"kind": "explode"}', "does not understand"),
        (b'{"kind": "cancel", "jobs": 3}', "does not understand"),
        (b'{"kind": "cancel", "version": 99}', "version 99"),
        (b'{"kind": "cancel", "jobs": ["../../etc"]}', "no job '../../etc'"),
        (b"\x80\x04\x95", "does not understand"),
    ],
)
def test_what_is_not_understood_is_refused_and_changes_nothing(text: bytes, why: str, tmp_path: Path) -> None:
    with going(DAG(gates(tmp_path, "a")), tmp_path, "a") as run:
        control = Path(run.folder) / CONTROL
        control.mkdir()
        (control / "odd.json").write_bytes(text)
        until(lambda: (control / "odd.json.refused").exists())
        until(lambda: not (control / "odd.json").exists())
        assert why in (control / "odd.json.refused").read_text()
    assert run.error is None and run.controls() == []


def test_a_refusal_reaches_who_asked(tmp_path: Path) -> None:
    with going(DAG(gates(tmp_path, "a")), tmp_path, "a") as run:
        with pytest.raises(ControlError, match="no job 'b'"):
            ask(run.folder, Cancel(jobs=["b"]), GUARD)
        assert run.left() == []
    assert run.error is None


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"kind": "cancel"}')
    with going(DAG(gates(tmp_path, "a")), tmp_path, "a") as run:
        control = Path(run.folder) / CONTROL
        control.mkdir()
        (control / "odd.json").symlink_to(secret)
        until(lambda: (control / "odd.json.refused").exists() and not (control / "odd.json").is_symlink())
    assert run.error is None and secret.read_text() == '{"kind": "cancel"}'


def test_many_requests_at_once_are_each_done_once(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(20)]
    dag = DAG(gates(tmp_path, "a", *names))
    with going(dag, tmp_path, "a") as run:
        told: list[Any] = []
        threads = [
            threading.Thread(target=lambda n=n: told.append(ask(run.folder, Cancel(jobs=[n]), GUARD)))
            for n in names
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(GUARD)
        assert len(told) == 20 and all(one["jobs"] == 1 for one in told)
    assert sorted(c["id"] for c in run.controls()) == sorted(one["id"] for one in told)
    assert RunView(run.folder).counts() == {"succeeded": 1, "cancelled": 20}


def test_a_run_that_is_over_takes_no_requests(tmp_path: Path) -> None:
    with going(DAG(gates(tmp_path, "a")), tmp_path, "a") as run:
        (tmp_path / "a").touch()
        run.end()
        with pytest.raises(RunOverError, match="r is over"):
            ask(run.folder, Cancel())
        with pytest.raises(RunOverError, match="r is over"):
            post(run.folder, Retry())
    assert not os.path.exists(os.path.join(run.folder, CONTROL))


def test_a_request_that_came_too_late_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run" / "r"
    folder.mkdir(parents=True)
    looks = iter([True])  # a driver at the first look, none afterwards
    monkeypatch.setattr("ramify.run.control.is_driven", lambda folder: next(looks, False))
    with pytest.raises(RunOverError):
        ask(str(folder), Cancel(), GUARD)
    assert os.listdir(folder / CONTROL) == []


@pytest.mark.slow
def test_what_an_earlier_driver_left_is_refused_not_done(tmp_path: Path) -> None:
    from ramify import resume

    failing = Job(gate_jobs.fails_until, {"folder": str(tmp_path), "name": "mended"})
    with pytest.raises(DAGExecutionError):
        DAG({"bad": failing}).evaluate(tmp_path / "exp", name="r")
    control = tmp_path / "exp" / "run" / "r" / CONTROL
    control.mkdir()
    (control / "1.json").write_text(json.dumps({"kind": "cancel"}))
    (tmp_path / "mended").touch()
    assert resume(tmp_path / "exp")["bad"] == "mended"
    assert [p.name for p in control.iterdir()] == ["1.json.refused"]


def test_a_run_in_one_thread_takes_requests_between_jobs(tmp_path: Path) -> None:
    dag = DAG(gates(tmp_path, "a", "b"))
    with going(dag, tmp_path, "a", execution_mode="thread", max_workers=1) as run:
        assert ask(run.folder, Cancel(by="me"), patience=0.1) is None
        (tmp_path / "a").touch()
        run.end()
    assert isinstance(run.error, DAGExecutionError) and run.error.completed_jobs == {"a"}
    assert len(run.controls()) == 1 and not (tmp_path / "b.begun").exists()


@pytest.mark.slow
def test_only_chosen_jobs_of_a_run_that_is_over(tmp_path: Path) -> None:
    from ramify import resume

    folder = str(tmp_path)
    one = Job(gate_jobs.fails_until, {"folder": folder, "name": "one"})
    two = Job(gate_jobs.fails_until, {"folder": folder, "name": "two"})
    dag = DAG({"one": one, "two": two, "x": Job(gate_jobs.follow, {"value": one})})
    with pytest.raises(DAGExecutionError):
        dag.evaluate(tmp_path / "exp", name="r", on_failure="continue")
    (tmp_path / "one").touch()
    with pytest.raises(
        DAGExecutionError, match="'two' failed: RemoteError: ValueError: two is not there yet"
    ):
        resume(tmp_path / "exp", only=["x"])
    view = RunView(str(tmp_path / "exp" / "run" / "r"))
    assert {j.job_id: (j.status, j.attempts) for j in view.jobs()} == {
        "one": ("COMPLETED", 2),
        "two": ("FAILED", 1),
        "x": ("COMPLETED", 1),
    }
