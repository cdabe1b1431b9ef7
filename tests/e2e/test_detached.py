"""Drivers in processes of their own: they outlive their clients, hear any process, and die without a loss."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import ramify
from ramify import (
    DAG,
    Job,
    JobCancelled,
    JobIdError,
    LockedError,
    ModeError,
    OutputsExistError,
    ParentFailed,
    PlanError,
    RemoteError,
    RunTimeout,
    UnknownRunError,
    connect,
    resume,
)
from ramify.errors import InfrastructureError
from ramify.files.lock import read_holder
from ramify.run.detached import launch, relaunch

pytestmark = pytest.mark.e2e

GUARD = 60.0
SOURCES = str(Path(ramify.__file__).parent.parent)

JOBS = """
import os, sys, time

def gate(folder, name):
    with open(os.path.join(folder, name + ".begun"), "a") as file:
        file.write("x")
    until = time.monotonic() + 60
    while not os.path.exists(os.path.join(folder, name)):
        if time.monotonic() > until:
            raise TimeoutError("nobody opened the gate")
        time.sleep(0.005)
    return name

def needs(folder, name):
    if not os.path.exists(os.path.join(folder, name)):
        raise ValueError(name + " is not there yet")
    return name

def follow(value):
    return value + "!"

def where():
    return os.getcwd(), os.environ.get("SECRET_URL"), list(sys.argv), os.isatty(0)
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A project with a module of jobs, which is the current folder; all gates are open at the end."""
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "gated_jobs.py").write_text(JOBS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gated_jobs", raising=False)
    import gated_jobs  # type: ignore[import-not-found]  # written just now

    yield gated_jobs
    (tmp_path / "a").touch()
    holder = read_holder(tmp_path / "exp" / "run") if (tmp_path / "exp" / "run").exists() else None
    if holder is not None:
        psutil.wait_procs([psutil.Process(holder["pid"])], timeout=GUARD)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + GUARD
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def gated(jobs: Any, tmp_path: Path) -> str:
    """The plan of a job that waits at the gate `a`, one that follows, and one that fails without `mended`."""
    folder = str(tmp_path)
    a, bad = (
        Job(jobs.gate, {"folder": folder, "name": "a"}),
        Job(jobs.needs, {"folder": folder, "name": "mended"}),
    )
    dag = DAG({"a": a, "after": Job(jobs.follow, {"value": a}), "bad": bad})
    dag["blocked"] = Job(jobs.follow, {"value": bad})
    return str(dag.materialize(tmp_path / "exp" / "plan"))


GOING_ON = {"on_failure": "continue", "max_workers": 2}


def begun(tmp_path: Path) -> bool:
    return (tmp_path / "a.begun").exists()


# ---- started, followed, asked


@pytest.mark.parametrize("mode", ["subprocess", "thread"])
def test_it_is_followed_and_brings_its_outputs(mode: str, jobs: Any, tmp_path: Path) -> None:
    folder = launch(gated(jobs, tmp_path), {**GOING_ON, "execution_mode": mode}, name="r", deadline=GUARD)
    assert folder == str(tmp_path / "exp" / "run" / "r")
    run = connect(folder)
    assert (run.name, run.status, run.done()) == ("r", "RUNNING", False)
    changes: list[tuple[str, str]] = []
    following = run.follow(changes.extend, thread=True)
    with pytest.raises(RunTimeout, match="still goes on after 0"):
        run.wait(timeout=0.01)
    with pytest.raises(RunTimeout):
        run.result("after", timeout=0.01)
    until(lambda: run.state_of("blocked") == "PARENT_FAILED")
    (tmp_path / "a").touch()
    assert run.result("after", timeout=GUARD) == "a!"
    assert run.wait(GUARD) == "FAILED"
    assert run.nodes() == {
        "a": "COMPLETED",
        "after": "COMPLETED",
        "bad": "FAILED",
        "blocked": "PARENT_FAILED",
    }
    assert run.counts() == {"COMPLETED": 2, "FAILED": 1, "PARENT_FAILED": 1}
    assert following is not None
    following.join(GUARD)
    assert dict(changes) == run.nodes() and ("a", "RUNNING") in changes


def test_what_failed_is_told_without_unpickling(jobs: Any, tmp_path: Path) -> None:
    run = connect(launch(gated(jobs, tmp_path), GOING_ON))
    until(lambda: run.state_of("bad") == "FAILED")
    failure = run.failure("bad")
    assert failure is not None and failure.type_name == "ValueError" and failure.pickled is None
    assert failure.message == "mended is not there yet" and "in needs" in failure.traceback
    with pytest.raises(RemoteError, match="mended is not there yet"):
        run.result("bad")
    with pytest.raises(ParentFailed, match="bad has no value"):
        run.result("blocked")
    assert run.failure("a") is None
    assert run.cancel(force=True)
    assert run.wait(GUARD) == "FAILED"
    with pytest.raises(JobCancelled, match="on request of"):
        run.result("after")
    with pytest.raises(JobIdError, match="no job 'nothing'"):
        run.state_of("nothing")
    assert not run.cancel()  # it is over


def test_another_process_cancels_it_and_a_third_one_retries_it(jobs: Any, tmp_path: Path) -> None:
    launch(gated(jobs, tmp_path), GOING_ON, name="r")
    until(lambda: begun(tmp_path))
    done = python("import ramify; run = ramify.connect('r'); print(run.cancel(force=True), run.wait(60))")
    assert done.stdout == "True FAILED\n", done.stderr
    run = connect("latest")
    assert run.state_of("a") == "CANCELLED"
    (tmp_path / "mended").touch()
    (tmp_path / "a").touch()
    done = python("import ramify; run = ramify.connect('r'); print(run.retry(), run.wait(60), run.retry())")
    assert done.stdout == "True COMPLETED False\n", done.stderr
    assert run.counts() == {"COMPLETED": 4} and run.result("blocked") == "mended!"
    assert (tmp_path / "a.begun").read_text() == "xx"


def test_chosen_jobs_are_retried_while_it_goes_on_and_after(jobs: Any, tmp_path: Path) -> None:
    run = connect(launch(gated(jobs, tmp_path), GOING_ON))
    until(lambda: run.state_of("blocked") == "PARENT_FAILED" and begun(tmp_path))
    assert run.retry(["blocked"])
    until(lambda: run.view().job("bad").attempts == 2 and run.state_of("bad") == "FAILED")
    assert run.cancel(keys=["after"])
    (tmp_path / "a").touch()
    assert run.wait(GUARD) == "FAILED" and run.state_of("after") == "CANCELLED"
    (tmp_path / "mended").touch()
    assert run.retry("bad")
    run.wait(GUARD)
    states = run.nodes()
    assert states["blocked"] == "COMPLETED" and states["after"] == "CANCELLED"
    assert not run.retry(["a"])


def test_it_has_the_clients_folder_environment_and_arguments(
    jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_URL", "postgres://u:hunter2@h/db")
    monkeypatch.setattr(sys, "argv", ["flow.py", "x"])
    plan = str(DAG({"w": Job(jobs.where)}).materialize(tmp_path / "exp" / "plan"))
    run = connect(launch(plan))
    assert run.wait(GUARD) == "COMPLETED"
    assert run.result("w") == (str(tmp_path), "postgres://u:hunter2@h/db", ["flow.py", "x"], False)
    written = b"".join(p.read_bytes() for p in Path(run.folder).rglob("*") if p.is_file())
    assert b"hunter2" not in written
    assert os.stat(os.path.join(run.folder, "launch.json")).st_mode & 0o077 == 0


def test_it_leaves_the_session_and_no_child(jobs: Any, tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    launch(gated(jobs, tmp_path), GOING_ON)
    holder = read_holder(tmp_path / "exp" / "run")
    assert holder is not None and os.getsid(holder["pid"]) != os.getsid(0)
    assert os.getpgid(holder["pid"]) != os.getpgid(0)
    assert {child.pid for child in psutil.Process().children()} == before
    os.kill(holder["pid"], signal.SIGHUP)
    (tmp_path / "a").touch()
    (tmp_path / "mended").touch()
    run = connect()
    run.wait(GUARD)
    assert run.state_of("after") == "COMPLETED"


# ---- what goes wrong


def test_it_outlives_a_client_that_is_killed(jobs: Any, tmp_path: Path) -> None:
    plan = gated(jobs, tmp_path)
    script = (
        "import os, signal, sys\n"
        "from ramify.run.detached import launch\n"
        f"launch({plan!r}, {GOING_ON!r}, name='r')\n"
        "print('launched', flush=True)\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", script], env=environ(), stdout=subprocess.PIPE, process_group=0
    )
    assert client.communicate(timeout=GUARD)[0] == b"launched\n" and client.returncode == -signal.SIGKILL
    run = connect("r")
    assert run.status == "RUNNING"
    (tmp_path / "a").touch()
    (tmp_path / "mended").touch()
    assert run.result("after", timeout=GUARD) == "a!"


def test_a_driver_that_is_killed_is_lost_and_its_run_goes_on(jobs: Any, tmp_path: Path) -> None:
    run = connect(launch(gated(jobs, tmp_path), GOING_ON, name="r"))
    until(lambda: begun(tmp_path) and run.state_of("bad") == "FAILED")
    holder = read_holder(tmp_path / "exp" / "run")
    assert holder is not None
    os.kill(holder["pid"], signal.SIGKILL)
    assert run.wait(GUARD) == "LOST" and run.status == "LOST" and not run.cancel()
    (tmp_path / "a").touch()
    (tmp_path / "mended").touch()
    assert resume(tmp_path / "exp")["blocked"] == "mended!"
    assert run.status == "COMPLETED" and run.counts() == {"COMPLETED": 4}


def test_a_lost_run_goes_on_detached_as_well(jobs: Any, tmp_path: Path) -> None:
    run = connect(launch(gated(jobs, tmp_path), GOING_ON, name="r"))
    until(lambda: begun(tmp_path))
    holder = read_holder(tmp_path / "exp" / "run")
    assert holder is not None
    os.kill(holder["pid"], signal.SIGKILL)
    run.wait(GUARD)
    (tmp_path / "a").touch()
    (tmp_path / "mended").touch()
    assert run.retry()
    assert run.wait(GUARD) == "COMPLETED" and run.view().facts["options"]["on_failure"] == "continue"


def test_a_deadline_ends_it(jobs: Any, tmp_path: Path) -> None:
    run = connect(launch(gated(jobs, tmp_path), GOING_ON, deadline=0.5))
    assert run.wait(GUARD) == "FAILED"
    with pytest.raises(JobCancelled, match=r"deadline of 0\.5 s"):
        run.result("a")


def test_what_it_cannot_begin_for_is_raised_here(jobs: Any, tmp_path: Path) -> None:
    plan = gated(jobs, tmp_path)
    folder = launch(plan, GOING_ON, name="r")
    with pytest.raises(LockedError, match="is in use by process") as refused:
        launch(plan, GOING_ON)
    assert refused.value.pid == read_holder(tmp_path / "exp" / "run")["pid"]  # type: ignore[attr-defined, index]  # it runs
    with pytest.raises(LockedError):
        relaunch(folder)
    with pytest.raises(ModeError, match="there is a run 'r'"):
        launch(plan, name="r")
    assert sorted(p.name for p in (tmp_path / "exp" / "run").iterdir()) == ["lock", "r"]
    (tmp_path / "a").touch()
    connect(folder).wait(GUARD)
    with pytest.raises(OutputsExistError) as exists:
        launch(plan)
    assert "a" in exists.value.job_ids  # type: ignore[attr-defined]  # a fact of this error
    with pytest.raises(PlanError):
        launch(str(tmp_path / "nowhere"))
    with pytest.raises(UnknownRunError):
        connect("nothing-like-that")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"executor": object()}, "executor cannot be told"),
        ({"observers": [1]}, "observers cannot be told"),
        ({"execution_mode": "magic"}, "execution_mode 'magic' is unknown"),
        ({"job_resources": {1: {"memory": "1G"}}}, "must be texts"),
        ({"limits": {"cores": object()}}, "plain values"),
        ({"retries": -1}, "retries must be"),
    ],
)
def test_options_that_cannot_travel(options: dict[str, Any], why: str, jobs: Any, tmp_path: Path) -> None:
    plan = gated(jobs, tmp_path)
    with pytest.raises(ModeError, match=why):
        launch(plan, options)
    assert not (tmp_path / "exp" / "run").exists()


def test_a_driver_that_dies_before_it_begins_has_last_words(
    jobs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = gated(jobs, tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "sitecustomize.py").write_text(
        "import os, sys\nif 'ramify.run.detached' in ' '.join(sys.orig_argv):\n"
        "    sys.stderr.write('no more sugar')\n    sys.stderr.flush()\n    os._exit(3)\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "broken"), SOURCES]))
    with pytest.raises(InfrastructureError, match="ended before its run began: no more sugar"):
        launch(plan)
    assert list((tmp_path / "exp" / "run").iterdir()) == []


def test_a_strategy_travels(jobs: Any, tmp_path: Path) -> None:
    strategy = ramify.RetryStrategy(50, backoff=ramify.Backoff("20ms"), expression="type == 'ValueError'")
    folder = str(tmp_path)
    plan = DAG({"bad": Job(jobs.needs, {"folder": folder, "name": "mended"})}).materialize("exp/plan")
    run = connect(launch(str(plan), {"retries": strategy}))
    until(lambda: run.view().job("bad").attempts > 1)
    (tmp_path / "mended").touch()
    assert run.wait(GUARD) == "COMPLETED"
    told = json.loads((Path(run.folder) / "launch.json").read_text())["options"]["retries"]
    assert told == {"limit": 50, "backoff": {"duration": "20ms"}, "expression": "type == 'ValueError'"}


def test_handles_are_found_by_id_and_travel(jobs: Any, tmp_path: Path) -> None:
    import pickle

    (tmp_path / "a").touch()
    run = connect(launch(gated(jobs, tmp_path), GOING_ON, name="calm-otter"))
    run.wait(GUARD)
    assert run.id is not None
    same = [connect(text).folder for text in (run.id, run.id.replace("-", ""), "otter", run.folder, "exp")]
    assert same == [run.folder] * 5
    assert pickle.loads(pickle.dumps(run)).nodes() == run.nodes()


# ---- inside


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), SOURCES])}


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=environ(), capture_output=True, text=True, timeout=2 * GUARD
    )
