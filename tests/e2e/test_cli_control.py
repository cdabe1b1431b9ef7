"""`ramify cancel` and `ramify retry`, on runs that go on in other processes and on such that are over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ramify
from ramify.run.view import RunView

pytestmark = pytest.mark.e2e

GUARD = 60.0
SOURCES = str(Path(ramify.__file__).parent.parent)

FLOW = """
import os, time
from ramify import DAG, Job

def gate(name):
    with open(name + ".begun", "a") as file:
        file.write(str(os.getpid()) + " ")
    until = time.monotonic() + 60
    while not os.path.exists(name):
        if time.monotonic() > until:
            raise TimeoutError("nobody opened the gate")
        time.sleep(0.005)
    return name

def needs(name):
    if not os.path.exists(name):
        raise ValueError(name + " is not there yet")
    return name

def follow(value):
    return value + "!"

a = Job(gate, {"name": os.path.abspath("a")})
bad = Job(needs, {"name": os.path.abspath("mended")})
dag = DAG({"a": a, "after": Job(follow, {"value": a}), "bad": bad, "blocked": Job(follow, {"value": bad})})
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", SOURCES)
    return tmp_path


@pytest.fixture
def going(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that waits at its gate, in a process of its own."""
    words = ["run", "flow.py", "--name", "calm-otter", "-o", "exp", "-k", "-j", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ramify", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: Path("a.begun").exists() or process.poll() is not None)
    until(lambda: status_of("blocked") == "PARENT_FAILED")
    yield process
    (project / "a").touch()
    process.communicate(timeout=GUARD)


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + GUARD
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


def view() -> RunView:
    return RunView("exp/run/calm-otter")


def status_of(job_id: str) -> str:
    return view().job(job_id).status


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ramify", *words],
        capture_output=True,
        text=True,
        timeout=GUARD,
        stdin=subprocess.DEVNULL,
    )


def document(*words: str) -> Any:
    done = call(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_cancel_stops_the_work_of_another_process(going: subprocess.Popen[str]) -> None:
    said = call("cancel", "otter")
    assert (said.returncode, said.stdout) == (0, "calm-otter: cancelled, what runs is stopped\n"), said.stderr
    going.communicate(timeout=GUARD)
    assert going.returncode == 1
    assert status_of("a") == "CANCELLED" and "on request of" in (view().job("a").note or "")
    pid = int(Path("a.begun").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    again = call("cancel", "otter")
    assert again.returncode == 2 and "the run calm-otter is over" in again.stderr
    refused = call("cancel", "otter", "--json")
    assert json.loads(refused.stdout)["error"]["type"] == "RunOverError"


def test_cancel_without_force_lets_it_finish(going: subprocess.Popen[str]) -> None:
    told = document("cancel", "--no-force", "--why", "enough")
    assert told["run"] == "calm-otter" and told["done"]["force"] is False and told["done"]["why"] == "enough"
    Path("a").touch()
    going.communicate(timeout=GUARD)
    assert status_of("a") == "COMPLETED" and status_of("after") == "CANCELLED"
    assert view().job("after").note == "enough"


def test_cancel_of_chosen_jobs(going: subprocess.Popen[str]) -> None:
    said = call("cancel", "latest", "aft*")
    assert said.stdout == "calm-otter: 1 of 1 job given up, what runs is stopped\n", said.stderr
    Path("a").touch()
    going.communicate(timeout=GUARD)
    assert status_of("a") == "COMPLETED" and status_of("after") == "CANCELLED"


def test_retry_of_a_run_that_goes_on(going: subprocess.Popen[str]) -> None:
    assert call("retry", "calm-otter", "a").stdout == "calm-otter: nothing of it failed or was cancelled\n"
    Path("mended").touch()
    said = call("retry", "blocked")
    assert said.stdout == "calm-otter: 2 jobs are tried again\n", said.stderr
    until(lambda: status_of("blocked") == "COMPLETED")
    Path("a").touch()
    out, err = going.communicate(timeout=GUARD)
    assert going.returncode == 0, out + err


def test_retry_of_a_run_that_is_over(going: subprocess.Popen[str]) -> None:
    call("cancel")
    going.communicate(timeout=GUARD)
    Path("mended").touch()
    some = call("retry", "latest", "blocked", "-q")
    assert some.returncode == 1 and "RemoteError" not in some.stderr  # `a` is still cancelled
    assert status_of("blocked") == "COMPLETED" and status_of("after") == "CANCELLED"
    assert document("retry", "latest", "blocked")["done"] == {"jobs": 0}
    Path("a").touch()
    told = document("retry")
    assert told["status"] == "COMPLETED" and told["exit_code"] == 0
    assert [job.attempts for job in view().jobs()] == [2, 1, 2, 1]
    assert call("retry").stdout == "calm-otter: nothing of it failed or was cancelled\n"


def test_words_that_lead_nowhere(going: subprocess.Popen[str]) -> None:
    for command in ("cancel", "retry"):
        nothing = call(command, "latest", "nothing")
        assert nothing.returncode == 2 and "no job 'nothing'" in nothing.stderr
        assert call(command, "no-such-run").returncode == 2


def test_a_shell_completes_runs_and_jobs(going: subprocess.Popen[str]) -> None:
    for command in ("cancel", "retry"):
        words = {
            "_RAMIFY_COMPLETE": "bash_complete",
            "COMP_WORDS": f"ramify {command} calm-otter bl",
            "COMP_CWORD": "3",
        }
        done = subprocess.run(
            [sys.executable, "-m", "ramify"],
            env={**os.environ, **words},
            capture_output=True,
            text=True,
            timeout=GUARD,
        )
        assert done.stdout.split() == ["plain,blocked"], done.stderr
