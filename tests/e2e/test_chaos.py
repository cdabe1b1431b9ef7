"""Kills, torn journals, two drivers, clocks that jump: the outputs are those of an undisturbed run.

And nothing that was complete is done twice. `benchmarks/chaos.py` does the same hundreds of times.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, Job, ParametrizedJob, resume
from ramify.run.view import RunView, runs_in

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import chaos  # noqa: E402  # a script is not importable otherwise

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return chaos.undisturbed(tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
@pytest.mark.parametrize("how", chaos.HOWS)
@pytest.mark.parametrize("mode", chaos.MODES)
def test_what_is_killed_goes_on_and_repeats_nothing(
    mode: str, how: str, expected: dict[str, Any], tmp_path: Path
) -> None:
    tally = chaos.Tally()
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert chaos.Round(folder, seed, mode, how, expected).play(tally) == []
    assert sum(tally.kills.values()) >= 2


def test_the_count_of_repeated_jobs_can_be_other_than_zero(expected: dict[str, Any], tmp_path: Path) -> None:
    one = chaos.Round(tmp_path, 1, "thread", "auto", {**expected, "end": 0})
    one._go_on(chaos.Tally(), kill=False)
    flow = tmp_path / "flow.py"
    flow.write_text(flow.read_text().replace('{"reuse": "auto"}', '{"reuse": "off"}'))
    one._go_on(chaos.Tally(), kill=False)
    one._look_at_the_end()
    assert len(one.faults) == 2
    assert "executed again although complete" in one.faults[0] and "undisturbed" in one.faults[1]


# ---- a journal that was cut short


def double(n: int, log: str) -> int:
    with open(log, "a") as file:
        file.write(f"{n}\n")
    return 2 * n


def total(group: Any, log: str) -> int:
    with open(log, "a") as file:
        file.write("total\n")
    return sum(group.values())


def small(log: Path) -> DAG:
    dag = DAG()
    dag["g"] = ParametrizedJob(double, ["n"], [(n,) for n in range(4)], {"log": str(log)})
    dag["total"] = Job(total, {"group": dag["g"], "log": str(log)})
    return dag


@pytest.mark.parametrize("how", ["resume", "evaluate"])
def test_a_journal_cut_at_every_byte_of_its_last_record(how: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    dag = small(log)
    dag.evaluate(tmp_path / "exp", execution_mode="thread", name="calm-otter")
    journal = tmp_path / "exp" / "run" / "calm-otter" / "journal.jsonl"
    whole = journal.read_bytes()
    end = whole.rindex(b'\n["end"') + 1
    last = whole.rindex(b'\n["rows"') + 1
    executed = log.read_text()
    for cut in range(last, end + 1):
        journal.write_bytes(whole[:cut])
        if how == "resume":
            result = resume(tmp_path / "exp", "calm-otter")
            assert RunView(str(journal.parent)).status == "COMPLETED"
        else:
            result = dag.evaluate(tmp_path / "exp", execution_mode="thread", skip_completed=True)
        assert result.to_dict() == {"g": {n: 2 * n for n in range(4)}, "total": 12}
        assert log.read_text() == executed, f"something ran again after a cut at byte {cut}"


def test_outputs_that_are_lost_or_damaged_are_made_again_by_resume(tmp_path: Path) -> None:
    log = tmp_path / "log"
    small(log).evaluate(tmp_path / "exp", execution_mode="thread")
    outputs = tmp_path / "exp" / "outputs"
    (outputs / "g" / "1.json").unlink()
    (outputs / "g" / "2.json").write_text("44")
    (outputs / "g" / "3.ramify").write_text("{")
    log.unlink()
    assert resume(tmp_path / "exp").to_dict() == {"g": {n: 2 * n for n in range(4)}, "total": 12}
    assert sorted(log.read_text().split()) == ["1", "2", "3", "total"]


# ---- two drivers at once


def test_of_many_drivers_at_once_one_runs_and_the_others_are_told(tmp_path: Path) -> None:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(chaos.FLOW + "\n\ndag = flow()\n")
    environ = {**os.environ, "CHAOS_LOG": str(tmp_path / "executed")}
    command = [sys.executable, "-m", "ramify", "run", "flow.py:dag", "-o", "exp", "--mode", "thread", "-q"]
    drivers = [
        subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
        for _ in range(5)
    ]
    ends = [(driver.communicate(timeout=60)[1], driver.returncode) for driver in drivers]
    codes = Counter(code for _, code in ends)
    assert set(codes) <= {0, 5} and codes[0] >= 1, ends
    assert all("is in use by process" in err for err, code in ends if code == 5)
    executed = (tmp_path / "executed").read_text().split()
    assert len(executed) == len(set(executed)), "a job was executed twice"


# ---- a clock that jumps

JUMPING = """
import time
_real, _count = time.time, [0]


def jumping():
    _count[0] += 1
    if _count[0] % 40 < 15:
        return _real() - 3600
    return _real() + (86400 if _count[0] % 40 < 28 else 0)


time.time = jumping
"""


@pytest.mark.parametrize("mode", chaos.MODES)
def test_a_clock_that_jumps_changes_nothing(mode: str, expected: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(JUMPING)
    one = chaos.Round(tmp_path, 1, mode, "skip", expected)
    environ = {
        **os.environ,
        "CHAOS_LOG": str(one.log),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "clock"), os.environ.get("PYTHONPATH", "")]),
    }
    for how in ("skip", "resume", "skip"):
        done = subprocess.run(
            [sys.executable, "flow.py", mode, how],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    one._look_at_the_end()
    assert one.faults == []
    executed = one._executed()
    assert len(executed) == len(set(executed))
    view = RunView(runs_in(str(tmp_path / "exp" / "run"))[0])
    assert view.status == "COMPLETED"
    assert all(job.seconds is None or job.seconds >= 0 for job in view.jobs())


# ---- an early hit whose parent is computed anew


def roll() -> str:
    return os.urandom(8).hex()


def echo(value: str) -> str:
    return f"<{value}>"


@pytest.mark.parametrize("lost", ["a", "b"])
def test_an_early_hit_does_not_outlive_its_parent(lost: str, tmp_path: Path) -> None:
    dag = DAG()
    dag["a"] = Job(roll, {})
    dag["b"] = Job(echo, {"value": dag["a"]})
    dag["c"] = Job(echo, {"value": dag["b"]})
    before = dag.evaluate(tmp_path / "exp", execution_mode="thread").to_dict()
    (tmp_path / "exp" / "outputs" / f"{lost}.json").unlink()
    after = dag.evaluate(tmp_path / "exp", execution_mode="thread", reuse="auto").to_dict()
    assert after["b"] == f"<{after['a']}>" and after["c"] == f"<{after['b']}>"
    assert (after == before) is (lost == "b")


def told(value: str, n: int) -> str:
    return f"{n}{value}"


def together(group: Any) -> list[str]:
    return list(group.values())


def test_a_group_whose_members_are_made_anew_is_another_group(tmp_path: Path) -> None:
    """The members' early hits are void when what they need runs; so is what the group came to with them."""
    dag = DAG()
    dag["a"] = Job(roll, {})
    dag["g"] = ParametrizedJob(told, ["n"], [(n,) for n in range(3)], {"value": dag["a"]})
    dag["t"] = Job(together, {"group": dag["g"]})
    dag["u"] = Job(together, {"group": dag["g"]})
    dag.evaluate(tmp_path / "exp", execution_mode="thread")
    (tmp_path / "exp" / "outputs" / "a.json").unlink()
    after = dag.evaluate(tmp_path / "exp", execution_mode="thread", skip_completed=True).to_dict()
    assert after["g"] == {n: f"{n}{after['a']}" for n in range(3)}
    assert after["t"] == after["u"] == [f"{n}{after['a']}" for n in range(3)]


def test_workers_of_a_dead_driver_are_found_and_ended(tmp_path: Path) -> None:
    """A job that has left its worker's group and ignores the end of its parent."""
    (tmp_path / "flow.py").write_text(
        "import os, subprocess, sys, time\n"
        "from ramify import DAG, Job\n"
        "def job():\n"
        "    if not os.path.exists('started'):\n"
        "        child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "        open('started.new', 'w').write(str(child.pid))\n"
        "        os.rename('started.new', 'started')\n"
        "        time.sleep(600)\n"
        "    return 1\n"
        "dag = DAG(nodes={'a': Job(job, {})})\n"
        "if __name__ == '__main__':\n"
        "    print(dag.evaluate('exp', skip_completed=True)['a'])\n"
    )
    driver = subprocess.Popen([sys.executable, "flow.py"], cwd=tmp_path, stdout=subprocess.DEVNULL)
    chaos._until((tmp_path / "started").exists)
    pid = int((tmp_path / "started").read_text())
    driver.kill()
    driver.wait()
    done = subprocess.run(
        [sys.executable, "flow.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    try:
        assert done.stdout == "1\n", done.stderr
        chaos._until(lambda: not _lives(pid))
    finally:
        if _lives(pid):
            os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return text.rpartition(")")[2].split()[0] != "Z"
