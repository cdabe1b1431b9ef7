"""`ramify run` as a person has it: real processes, a terminal, signals, and what is left afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

pytestmark = pytest.mark.e2e

RAMIFY = [sys.executable, "-m", "ramify"]

FLOW = """
import os
import time
from ramify import DAG, Job, ParametrizedJob

def area(width: int, height: int) -> int:
    print("computing", width, height)
    if width == 3 and os.path.exists("broken"):
        raise ValueError("no such width")
    if os.path.exists("wait"):
        open(f"started-{width}-{height}", "w").close()
        while os.path.exists("wait"):
            time.sleep(0.01)
    return width * height

def total(areas) -> int:
    return sum(value for row in areas.values() for value in row.values())

areas = ParametrizedJob(area, ["width", "height"], [(w, h) for w in (1, 2, 3) for h in (10, 20)])
dag = DAG(nodes={"areas": areas, "total": Job(total, {"areas": areas})})
"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ramify(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environ}
    return subprocess.run([*RAMIFY, *words], capture_output=True, text=True, timeout=60, env=env)


def document(*words: str) -> Any:
    return json.loads(ramify(*words, "--json").stdout)


@pytest.mark.parametrize("mode", ["subprocess", "process", "thread"])
def test_a_run_from_start_to_end(flow: Path, mode: str) -> None:
    done = ramify("run", "flow.py", "--mode", mode, "-j", "2", "--name", "calm-otter")
    assert done.returncode == 0, done.stderr
    head, *rest = done.stdout.splitlines()
    assert head == "calm-otter  flow.py → .ramify/@runs/calm-otter"
    assert rest[0].startswith("✓ calm-otter: 7 of 7 jobs done, in ")
    assert rest[-1].split() == ["look", "ramify", "show", "calm-otter"]
    assert "7/7 done" in done.stderr.splitlines()[-1]
    assert document("show", "latest", "total")["value"] == 180
    assert ramify("logs", "latest", "areas/3/20").stdout == "computing 3 20\n"
    assert [run["name"] for run in document("ls")["runs"]] == ["calm-otter"]
    assert not (flow / "exp").exists()


def test_a_failure_ends_with_the_command_that_runs_the_rest(flow: Path) -> None:
    (flow / "broken").touch()
    done = ramify("run", "flow.py:dag", "-k", "-j", "2")
    assert done.returncode == 1
    assert "✗ areas/3/10 failed, and 1 more like it" in done.stderr
    assert 'File "' in done.stderr and "in area" in done.stderr
    assert "call   flow.area(width=3, height=10)" in done.stderr
    assert "DAGExecutionError" not in done.stderr and "ramify/run" not in done.stderr
    command = done.stderr.split("rest ")[-1].split()
    (flow / "broken").unlink()
    assert command[:2] == ["ramify", "run"]
    again = ramify(*command[1:])
    assert again.returncode == 0, again.stderr
    assert "7 of 7 jobs done, 4 reused" in again.stdout
    assert document("status")["counts"]["reused"] == 4


def test_json_is_one_document(flow: Path) -> None:
    (flow / "flow.py").write_text(FLOW + "\nprint('said while importing')\n")
    told = document("run", "flow.py", "-o", "exp")
    assert (told["status"], told["exit_code"], told["counts"]["done"]) == ("COMPLETED", 0, 7)
    assert told["outputs"] == str(flow / "exp" / "outputs")
    (flow / "broken").touch()
    done = ramify("run", "flow.py", "--json", "--reuse", "off", "--name", "calm-otter")
    told = json.loads(done.stdout)
    assert done.returncode == told["exit_code"] == 1
    assert told["failed"][0]["failure"]["type"] == "ValueError"
    assert told["resume"] == "ramify resume calm-otter"
    (flow / "broken").unlink()
    assert document("resume", "calm-otter")["counts"]["done"] == 7


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["run", "nope.py"], 3, "there is no file nope.py"),
        (["run", "flow.py:nope"], 3, "it has dag, areas"),
        (["run", "flow.py", "--mode", "cloud"], 2, "--mode"),
        (["run", "flow.py", "--name", "a/b"], 2, "cannot be the name of a run"),
        (["run", "flow.py", "--profile", "none"], 2, "no profile 'none'"),
        (["run", "cycle.py"], 3, "a -> b -> a"),
    ],
)
def test_what_cannot_run_is_told_before_anything_runs(
    flow: Path, words: list[str], code: int, told: str
) -> None:
    (flow / "cycle.py").write_text(
        "from ramify import DAG, Job\ndef f(x): pass\ndag = DAG()\na = Job(f, {'x': 1})\n"
        "b = Job(f, {'x': a})\na.kwargs['x'] = b\ndag['a'] = a\ndag['b'] = b\n"
    )
    done = ramify(*words)
    assert done.returncode == code, done.stderr
    assert told in done.stderr and "Traceback" not in done.stderr
    assert document("ls")["runs"] == []


def test_what_is_there_is_reused_or_made_again(flow: Path) -> None:
    assert document("run", "flow.py", "-o", "exp")["counts"].get("reused", 0) == 0
    for words, reused in [((), 7), (("--skip-completed",), 7), (("--reuse", "off"), 0), (("-f", "total"), 6)]:
        assert document("run", "flow.py", "-o", "exp", *words)["counts"].get("reused", 0) == reused
    assert ramify("run", "flow.py", "-o", "exp", "-q").stdout == ""


def test_settings_and_variables_are_the_flags(flow: Path) -> None:
    (flow / "ramify.toml").write_text("jobs = 1\n[profiles.wide]\njobs = 3\nmode = 'thread'\n")
    assert document("run", "flow.py", "--profile", "wide")["workers"] == 3
    assert json.loads(ramify("run", "flow.py", "--json", RAMIFY_JOBS="2").stdout)["workers"] == 2


def test_a_second_driver_is_refused_and_watching_works(flow: Path) -> None:
    (flow / "wait").touch()
    first = subprocess.Popen([*RAMIFY, "run", "flow.py", "-o", "exp", "-j", "2", "-q"])
    try:
        wait_for(flow / "started-1-20")
        second = ramify("run", "flow.py", "-o", "exp")
        assert second.returncode == 5
        assert f"process {first.pid} on" in second.stderr
        told = document("status")
        assert (told["status"], told["counts"]["running"]) == ("RUNNING", 2)
        follower = subprocess.Popen(
            [*RAMIFY, "logs", "latest", "areas/3/20", "-f"], stdout=subprocess.PIPE, text=True
        )
        (flow / "wait").unlink()
        assert first.wait(30) == 0
        assert follower.communicate(timeout=30)[0] == "computing 3 20\n"
    finally:
        first.kill()
        first.wait()


def wait_for(path: Path) -> None:
    """Until the file is there; the test's own guard ends a wait in vain."""
    import time

    while not path.exists():
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_run_and_leave_what_resumes(flow: Path, number: int, code: int) -> None:
    (flow / "wait").touch()
    command = [*RAMIFY, "run", "flow.py", "-o", "exp", "-j", "1"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(flow / "started-1-10")
    child.send_signal(number)
    err = child.communicate(timeout=30)[1]
    assert child.returncode == code, err
    assert "interrupted: 0 of 7 jobs done" in err
    assert "ramify run flow.py -o exp -j 1" in err
    assert document("status")["status"] == "CANCELLED"
    (flow / "wait").unlink()
    assert ramify("run", "flow.py", "-o", "exp").returncode == 0


def test_a_killed_driver_is_seen_as_lost(flow: Path) -> None:
    (flow / "wait").touch()
    child = subprocess.Popen([*RAMIFY, "run", "flow.py", "-o", "exp", "-j", "1", "-q"])
    wait_for(flow / "started-1-10")
    child.kill()
    child.wait()
    (flow / "wait").unlink()
    out = ramify("status").stdout
    name = document("ls")["runs"][0]["name"]
    assert "LOST" in out and f"ramify resume {name}" in out
    assert document("ls")["runs"][0]["status"] == "LOST"
    assert document("resume", name)["counts"]["done"] == 7


# ---- in a terminal


def screen_of(words: list[str], columns: int = 90) -> tuple[int | None, list[str], bool]:
    """Exit code, the last screen, and whether a line was drawn over on the way."""
    screen = pyte.Screen(columns, 40)
    stream = pyte.ByteStream(screen)
    env = {**os.environ, "TERM": "xterm-256color"}
    child = pexpect.spawn(RAMIFY[0], [*RAMIFY[1:], *words], dimensions=(40, columns), env=env, timeout=60)
    seen = b""
    while True:
        try:
            data = child.read_nonblocking(65536, timeout=60)
        except pexpect.EOF:
            break
        seen += data
        stream.feed(data)
    child.close()
    lines = [line.rstrip() for line in screen.display]
    return child.exitstatus, [line for line in lines if line], b"\x1b[1A" in seen


def test_live_lines_in_a_terminal(flow: Path) -> None:
    code, lines, drawn_over = screen_of(["run", "flow.py", "--name", "calm-otter"])
    assert code == 0 and drawn_over
    assert lines[0] == "calm-otter  flow.py → .ramify/@runs/calm-otter"
    assert [line.split()[:2] for line in lines[1:4]] == [["✓", "areas"], ["✓", "total"], ["✓", "all"]]
    assert "6/6" in lines[1] and "7/7" in lines[3]
    assert lines[4].startswith("✓ calm-otter: 7 of 7 jobs done")


def test_failures_in_a_terminal(flow: Path) -> None:
    (flow / "broken").touch()
    code, lines, _ = screen_of(["run", "flow.py", "-k", "--name", "calm-otter"])
    assert code == 1
    assert any(line.startswith("✗ areas/3/10 FAILED: ValueError") for line in lines)
    assert any("2 failed" in line for line in lines)
    assert lines[-1].split()[:3] == ["rest", "ramify", "run"]


def test_ctrl_c_in_a_terminal(flow: Path) -> None:
    (flow / "wait").touch()
    env = {**os.environ, "TERM": "xterm-256color"}
    child = pexpect.spawn(RAMIFY[0], [*RAMIFY[1:], "run", "flow.py"], env=env, timeout=30)
    wait_for(flow / "started-1-10")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert b"\x1b[?25h" in child.before  # the cursor is back


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(flow: Path, environ: dict[str, str]) -> None:
    env = {**os.environ, "TERM": "xterm-256color", **environ}
    child = pexpect.spawn(RAMIFY[0], [*RAMIFY[1:], "run", "flow.py"], env=env, timeout=60)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0 and b"\x1b[3" not in child.before
