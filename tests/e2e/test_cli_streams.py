"""The command line where nobody reads, where a disk is full, and in a shell that completes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

pytestmark = pytest.mark.e2e

RAMIFY = shlex.join([sys.executable, "-m", "ramify"])

FLOW = """
import os
from ramify import DAG, Job

def done(n):
    os.system("echo said by a child")
    return n

def boom(): raise ValueError("on purpose")

dag = DAG(nodes={"a": Job(done, {"n": 1})})
bad = DAG(nodes={"a": Job(boom, {})})
"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bash(command: str) -> subprocess.CompletedProcess[str]:
    script = f'set -o pipefail; ramify() {{ {RAMIFY} "$@"; }}; {command}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)


STREAMS = [">&-", "2>&-", ">&- 2>&-", "> /dev/full", "> /dev/full 2> /dev/full", "| true", "2>&1 | true"]


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize(("graph", "code"), [("dag", 0), ("bad", 1)])
def test_a_run_does_not_depend_on_who_reads(flow: Path, streams: str, graph: str, code: int) -> None:
    """Nothing is printed and all is done; the exit code is the run's own."""
    if not os.path.exists("/dev/full") and "full" in streams:
        pytest.skip("platform: there is no /dev/full")
    done = bash(f"ramify run flow.py:{graph} -o exp {streams}")
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr.replace("on purpose", "") or graph == "bad"
    assert "bug" not in done.stderr
    status = json.loads(bash("ramify status exp --json").stdout)
    assert status["status"] == ("COMPLETED" if code == 0 else "FAILED")


READ_FOR_A_WHILE = "2>&1 | python3 -c 'import sys; sys.stdin.readline(); sys.stdin.readline(); sys.exit()'"


def test_a_reader_that_goes_in_the_middle_ends_no_run(flow: Path) -> None:
    """The jobs fail one after the other, and each is told: the reader is gone by then."""
    (flow / "many.py").write_text(
        "def tasks(dsl):\n"
        "    for i in range(30):\n"
        "        yield dsl.task(f't{i}').calls('sleep 0.05; exit $((%d %% 2))' % i)()\n"
    )
    done = bash(f"ramify run many.py:tasks -pid i -j 1 {READ_FOR_A_WHILE}")
    assert done.returncode == 1, done.stderr
    status = json.loads(bash("ramify status -pid i --json").stdout)
    assert status["states"] == {"completed": 15, "failed": 15}


def test_a_closed_stream_is_no_place_for_a_file_of_the_run(flow: Path) -> None:
    """The first file to be opened would be descriptor 1, and what a child prints would land in it."""
    assert bash("ramify run flow.py -o exp --mode thread >&- 2>&-").returncode == 0
    assert json.loads(bash("ramify status exp --json").stdout)["counts"]["done"] == 1
    for path in flow.rglob("*"):
        assert path.is_dir() or path.suffix in (".py", ".pyc") or b"said by" not in path.read_bytes()


@pytest.mark.parametrize("verb", ["ls", "status", "logs", "show", "doctor", "completion bash", "ls --json"])
def test_no_verb_minds_a_reader_that_goes(flow: Path, verb: str) -> None:
    assert bash("ramify run flow.py -q").returncode == 0
    done = bash(f"ramify {verb} | true")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_that_cannot_be_told_as_json_keeps_its_code(flow: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("platform: there is no /dev/full")
    done = bash("ramify status nosuch --json > /dev/full")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_bash_completes_commands_runs_jobs_and_files(flow: Path) -> None:
    assert bash("ramify run flow.py -q").returncode == 0
    (flow / "ramify").write_text(f'#!/bin/sh\nexec {RAMIFY} "$@"\n')
    (flow / "ramify").chmod(0o755)
    environ = {**os.environ, "PATH": f"{flow}:{os.environ['PATH']}", "TERM": "dumb", "PS1": "$ "}
    shell = pexpect.spawn(
        "bash", ["--norc", "--noprofile"], env=environ, cwd=str(flow), encoding="utf-8", timeout=30
    )
    shell.sendline('bind "set bell-style none"; eval "$(ramify completion bash)"; echo rea""dy')
    shell.expect("\nready")
    for typed, completed in [
        ("ramify stat", "us"),
        ("ramify status lat", "est"),
        ("ramify show latest a\t; echo done", ""),
        ("ramify run fl", "ow.py"),
        ("ramify run --keep-g", "oing"),
    ]:
        shell.send(typed + "\t")
        shell.expect_exact(typed.replace("\t", " ") + completed)
        shell.sendcontrol("c")
    shell.close(force=True)
