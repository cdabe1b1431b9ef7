"""`kill -9` of the driver at random instants, Ctrl-C, a full disk: nothing is lost or left half-written."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ramify import DAG, Job, LazyDict, ParametrizedJob
from ramify.run.view import RunView, runs_in

SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import crash_jobs
from ramify import DAG, Job, ParametrizedJob

dag = DAG()
dag["g"] = ParametrizedJob(crash_jobs.square, ["n"], [(n,) for n in range({count})], {{"trace": {trace!r}}})
dag["sum"] = Job(crash_jobs.total, {{"group": dag["g"], "trace": {trace!r}}})
if __name__ == "__main__":
    result = dag.evaluate({target!r}, execution_mode={mode!r}, max_workers=2, skip_completed=True)
    print(result["sum"])
"""


def write_script(folder: Path, mode: str, count: int) -> Path:
    path = folder / "flow.py"
    text = SCRIPT.format(
        here=str(Path(__file__).parent),
        target=str(folder / "exp"),
        trace=str(folder / "trace"),
        mode=mode,
        count=count,
    )
    path.write_text(text)
    return path


def start(script: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def lines_of(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def processes_of(session: int) -> list[psutil.Process]:
    """What is left of a driver that led this session: workers have their own, so by command line."""
    found = []
    for process in psutil.process_iter():
        try:
            if "ramify.worker" in " ".join(process.cmdline()) and process.ppid() in (session, 1):
                found.append(process)
        except psutil.Error:  # it may go between any two looks
            continue
    return found


def wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive, f"workers outlived their driver: {alive}"


@pytest.mark.e2e
@pytest.mark.parametrize("mode", ["thread", "subprocess", "process"])
def test_a_killed_driver_loses_nothing_and_leaves_nothing(mode: str, tmp_path: Path) -> None:
    chance = random.Random(mode)
    count = 60
    script = write_script(tmp_path, mode, count)
    for _ in range(4):
        child = start(script)
        seen = len(lines_of(tmp_path / "trace"))
        target = seen + chance.randint(1, 12)
        until = time.monotonic() + 30
        while len(lines_of(tmp_path / "trace")) < target and child.poll() is None:
            assert time.monotonic() < until, "the run does not move"
            time.sleep(0.002)
        workers = processes_of(child.pid)
        child.kill()
        child.communicate()
        wait_until_gone(workers)
        complete = LazyDict(tmp_path / "exp" / "outputs").get("g", {})
        for key in complete:
            assert complete[key] == key**2
    done = start(script)
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    assert int(out) == sum(n * n for n in range(count))
    assert not (tmp_path / "exp" / "outputs" / ".parts").exists()
    ran = lines_of(tmp_path / "trace")
    assert len(ran) - len(set(ran)) <= 4 * 3, "more was repeated than could have been under way"


@pytest.mark.e2e
@pytest.mark.parametrize("mode", ["thread", "subprocess", "process"])
def test_ctrl_c_ends_everything_and_the_run_goes_on_later(mode: str, tmp_path: Path) -> None:
    script = write_script(tmp_path, mode, 2000)
    child = start(script)
    until = time.monotonic() + 30
    while len(lines_of(tmp_path / "trace")) < 5:
        assert time.monotonic() < until, "the run does not begin"
        time.sleep(0.005)
    workers = processes_of(child.pid)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == -signal.SIGINT, err
    wait_until_gone(workers)
    view = RunView(runs_in(str(tmp_path / "exp" / "run"))[0])
    assert view.status == "CANCELLED"
    assert view.counts()["cancelled"] > 1000
    if mode != "thread":  # a thread that was abandoned may still have been writing
        assert not (tmp_path / "exp" / "outputs" / ".parts").exists()
    complete = LazyDict(tmp_path / "exp" / "outputs").get("g", {})
    assert len(complete) >= 3
    assert all(complete[key] == key**2 for key in complete)


@pytest.mark.e2e
def test_sigterm_ends_the_run_with_143(tmp_path: Path) -> None:
    script = write_script(tmp_path, "process", 2000)
    child = start(script)
    until = time.monotonic() + 30
    while len(lines_of(tmp_path / "trace")) < 5:
        assert time.monotonic() < until, "the run does not begin"
        time.sleep(0.005)
    child.terminate()
    child.communicate(timeout=30)
    assert child.returncode == 143
    assert RunView(runs_in(str(tmp_path / "exp" / "run"))[0]).status == "CANCELLED"


@pytest.fixture
def small_disk(tmp_path: Path):  # type: ignore[no-untyped-def]  # a fixture that yields a path
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("platform: only root can make a small disk")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)], capture_output=True
    )
    if done.returncode:
        pytest.skip("platform: mounting is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.e2e
@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(mode: str, small_disk: Path) -> None:
    import crash_jobs

    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 300_000)
    dag = DAG(nodes={"big": ParametrizedJob(crash_jobs.text, ["n"], [(n,) for n in range(6)])})
    dag["small"] = Job(crash_jobs.text, {"n": 0, "size": 10})
    with pytest.raises(Exception, match=r"(?i)no space left|full") as caught:
        dag.evaluate(small_disk / "exp", execution_mode=mode)
    assert str(small_disk) in str(caught.value)
    ballast.unlink()
    result = dag.evaluate(small_disk / "exp", execution_mode=mode, skip_completed=True)
    assert [len(v) for v in result["big"].values()] == [80_000] * 6
    assert len(result["small"]) == 10


@pytest.mark.e2e
def test_a_read_only_folder_is_named_before_anything_runs(tmp_path: Path, small_disk: Path) -> None:
    import crash_jobs

    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    dag = DAG(nodes={"a": Job(crash_jobs.text, {"n": 0})})
    with pytest.raises(OSError, match=r"(?i)read-only") as caught:
        dag.evaluate(small_disk / "exp")
    assert str(small_disk) in str(caught.value)
