"""`ramify restart` of an instance that another process is running."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_calls import Call
from pipeline_project import states

from ramify.errors import ControlError

GUARD = 30

FLOW = """
NOTE = 'echo "$__task_key.$__step_number" >> "$__pipeline_instance_dir/ran"; '

def flow(dsl):
    yield dsl.task("good").calls("true")()
    bad = (dsl.task("bad").outputs(n=int, f=dsl.file("f"))
        .calls(NOTE.replace("$__step_number", "0") + 'echo 0 >> "$f"')
        .calls(NOTE.replace("$__step_number", "1") + '''
            echo 1 >> "$f"
            [ -e "$__pipeline_instance_dir/ok" ] || exit 3
            export n=1
        ''')())
    yield bad
    yield dsl.task("after").inputs(bad.outputs.n).calls("true")()
    yield dsl.task("stays").calls('read _ < "$__pipeline_instance_dir/gate"')()
"""


class Driver:
    """A process that runs the instance, and what it has said so far."""

    def __init__(self, project: Path) -> None:
        self.here = project / "i"
        command = [sys.executable, "-m", "ramify", "run", "flow.py:flow", "-pid", "i", "-j", "2", "-v"]
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(
            command, cwd=project, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def says(self, *words: str) -> None:
        """Waits for a line with these words."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if all(word in line for word in words):
                return
        raise AssertionError("".join(seen))


@pytest.fixture
def driver(project: Path) -> Iterator[Driver]:
    """Waits for a task, after another has failed."""
    (project / "flow.py").write_text(FLOW)
    (project / "i").mkdir()
    os.mkfifo(project / "i/gate")
    made = Driver(project)
    try:
        made.says("bad", "failed")
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


def let_go(here: Path) -> None:
    """The task that waits may end."""
    (here / "gate").write_text("go\n")


def ran(here: Path) -> list[str]:
    return (here / "ran").read_text().split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "steps", "holds"),
    [
        ([], ["bad.0", "bad.1", "bad.1"], "0 1 1"),
        (["--reset"], ["bad.0", "bad.1", "bad.0", "bad.1"], "0 1"),
        (["--at-step", "0"], ["bad.0", "bad.1", "bad.0", "bad.1"], "0 1 0 1"),
    ],
)
def test_the_driver_restarts_what_failed(
    call: Call, driver: Driver, flags: list[str], steps: list[str], holds: str
) -> None:
    (driver.here / "ok").touch()
    said = call("restart", "bad", "-pid", "i", *flags)
    assert said.code == 0, said.err
    assert "1 task is restarted by the driver" in said.out
    driver.says("after", "completed")
    assert ran(driver.here) == steps
    assert (driver.here / "output/bad/f").read_text().split() == holds.split()
    let_go(driver.here)
    assert driver.process.wait(GUARD) == 0
    assert set(states(driver.here).values()) == {"completed"}


@pytest.mark.slow
@pytest.mark.parametrize("is_mended", [True, False])
def test_waiting_ends_with_the_run(call: Call, driver: Driver, is_mended: bool) -> None:
    if is_mended:
        (driver.here / "ok").touch()

    def when_taken_up() -> None:
        driver.says("bad", "launched")
        let_go(driver.here)

    threading.Thread(target=when_taken_up, daemon=True).start()
    said = call("restart", "bad", "-pid", "i", "--wait")
    assert said.code == (0 if is_mended else 1)
    assert driver.process.wait(GUARD) == (0 if is_mended else 1)


@pytest.mark.slow
def test_what_did_not_fail_is_left_alone(call: Call, driver: Driver) -> None:
    said = call("restart", "good", "bad", "-pid", "i")
    assert said.code == 5 and "and good (" in said.err and str(driver.process.pid) in said.err
    assert not list(driver.here.glob(".ramify/*/restart-requested"))
    assert ran(driver.here) == ["bad.0", "bad.1"]


@pytest.mark.slow
def test_a_request_that_the_driver_refuses_leaves_nothing(
    call: Call, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ramify.cli import restart

    def refuse(folder: str, request: object) -> None:
        raise ControlError("not now", request={})

    monkeypatch.setattr(restart, "ask", refuse)
    assert call("restart", "bad", "-pid", "i").code == 2
    assert not list(driver.here.glob(".ramify/*/restart-requested"))


@pytest.mark.slow
@pytest.mark.parametrize("words", [(), ("after",)])
def test_retry_of_a_live_run_restarts_what_failed_before_it(
    call: Call, project: Path, words: tuple[str, ...]
) -> None:
    (project / "flow.py").write_text(FLOW)
    (project / "i").mkdir()
    assert call("run", "flow.py:flow", "-pid", "i", "--until", "stays").code == 1
    (project / "i/ok").touch()
    os.mkfifo(project / "i/gate")
    later = Driver(project)
    try:
        later.says("bad", "failed")
        said = call("retry", "-pid", "i", *words)
        assert said.code == 0, said.err
        later.says("after", "completed")
        let_go(later.here)
        assert later.process.wait(GUARD) == 0
    finally:
        later.process.kill()
        later.process.communicate()
    assert ran(later.here) == ["bad.0", "bad.1", "bad.1"]
