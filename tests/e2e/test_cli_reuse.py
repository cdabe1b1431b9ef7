"""Reuse from the command line: `run` twice, `plan`, `why`, `accept`, `resume`, and their flags."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

RAMIFY = [sys.executable, "-m", "ramify"]

FLOW = """
from ramify import DAG, Job, ParametrizedJob

FACTOR = 2

def told(name):
    with open("told.txt", "a") as file:
        file.write(name + "\\n")

def scale(x):
    told(f"scale {x}")
    return x * FACTOR

def sign(x):
    told("sign")
    return x > 0

def total(group, positive):
    told("total")
    return sum(group.values()) if positive else 0

dag = DAG()
dag["scale"] = ParametrizedJob(scale, ["x"], [(1,), (2,)])
dag["sign"] = Job(sign, {"x": dag["scale"][2]})
dag["total"] = Job(total, {"group": dag["scale"], "positive": dag["sign"]})
"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ramify(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*RAMIFY, *words], capture_output=True, text=True, timeout=60)


def run(*words: str) -> list[str]:
    """Runs the flow, and gives what was executed."""
    Path("told.txt").unlink(missing_ok=True)
    done = ramify("run", "flow.py", "--mode", "thread", "-j", "1", *words)
    assert done.returncode == 0, done.stderr
    return Path("told.txt").read_text().splitlines() if Path("told.txt").exists() else []


def document(*words: str) -> Any:
    done = ramify(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def verdicts(*words: str) -> dict[str, tuple[str, str]]:
    jobs = document("plan", "flow.py", *words)["jobs"]
    return {job["job_id"]: (job["verdict"], job["cause"]["text"]) for job in jobs}


def edit(old: str, new: str) -> None:
    text = Path("flow.py").read_text()
    assert old in text
    Path("flow.py").write_text(text.replace(old, new))


def test_a_second_run_executes_nothing_and_an_edit_what_it_touches(flow: Path) -> None:
    assert run("-o", "exp") == ["scale 1", "scale 2", "sign", "total"]
    assert run("-o", "exp") == []
    edit("FACTOR = 2", "FACTOR = 3")
    assert verdicts("-o", "exp") == {
        "scale/1": ("RUN", "constant flow.FACTOR changed: 2 -> 3"),
        "scale/2": ("RUN", "constant flow.FACTOR changed: 2 -> 3"),
        "sign": ("MAYBE", "if the new output of scale/2 differs"),
        "total": ("MAYBE", "if the new output of scale/1 differs"),
    }
    assert run("-o", "exp") == ["scale 1", "scale 2", "sign", "total"]


def test_what_comes_out_the_same_stops_there(flow: Path) -> None:
    run("-o", "exp")
    edit("return x > 0", "return 0 < x")
    assert run("-o", "exp") == ["sign"]


def test_another_folder_takes_over_what_the_project_has_made(flow: Path) -> None:
    run("-o", "one")
    assert run("-o", "two") == [] and run() == []
    one, two = (Path(name, "outputs/total.json").stat() for name in ("one", "two"))
    assert one.st_ino == two.st_ino
    assert verdicts("-o", "two")["total"] == ("REUSE", "nothing that it depends on changed")
    assert "one/outputs" in verdicts("-o", "three")["total"][1]


def test_flags_say_what_may_count(flow: Path) -> None:
    run("-o", "exp")
    assert run("-o", "exp", "--force", "sign") == ["sign"]
    assert run("-o", "exp", "-F") == ["scale 1", "scale 2", "sign", "total"]
    assert run("-o", "exp", "--reuse", "off") == ["scale 1", "scale 2", "sign", "total"]
    assert run("-o", "other", "--skip-completed") == ["scale 1", "scale 2", "sign", "total"]
    assert run("-o", "third", "--reuse-from", "exp") == []
    said = ramify("run", "flow.py", "-o", "exp", "--force", "sing")
    assert said.returncode == 2 and "did you mean 'sign'" in said.stderr


def test_a_dry_run_says_the_same_and_does_nothing(flow: Path) -> None:
    said = ramify("run", "flow.py", "-o", "exp", "-n")
    assert said.returncode == 0 and "4 RUN" in said.stdout
    assert not Path("exp").exists() and not Path("told.txt").exists()


def test_what_is_stale_is_said_before_it_runs_and_may_be_kept(flow: Path) -> None:
    run("-o", "exp")
    edit("FACTOR = 2", "FACTOR = 3")
    said = ramify("run", "flow.py", "-o", "exp", "--mode", "thread", "--keep-stale")
    assert "kept although stale  scale x 2  constant flow.FACTOR changed: 2 -> 3" in said.stdout
    assert Path("exp/outputs/scale/1.json").read_text() == "2"
    said = ramify("run", "flow.py", "-o", "exp", "--mode", "thread")
    assert "runs again  scale x 2  constant flow.FACTOR changed: 2 -> 3" in said.stdout
    assert Path("exp/outputs/scale/1.json").read_text() == "3"


def test_why_follows_a_cause_to_where_it_began(flow: Path) -> None:
    run("-o", "exp")
    edit("FACTOR = 2", "FACTOR = 3")
    told = ramify("why", "total", "flow.py").stdout
    assert "total  MAYBE" in told and "because scale/1: constant flow.FACTOR changed: 2 -> 3" in told
    run("-o", "exp")
    causes = document("why", "sign")["jobs"][0]["causes"]
    assert [(cause["job_id"], cause["kind"]) for cause in causes] == [
        ("sign", "upstream"),
        ("scale/2", "code"),
    ]
    assert "sign ran: upstream scale/2 changed" in ramify("why", "sign").stdout
    run("-o", "exp")
    assert "sign was reused: nothing that it depends on changed" in ramify("why", "sign").stdout
    assert ramify("why", "nothing", "flow.py").returncode == 2


def test_a_tree_shows_what_needs_what(flow: Path) -> None:
    run("-o", "exp")
    edit("FACTOR = 2", "FACTOR = 3")
    lines = ramify("plan", "flow.py", "-o", "exp", "--tree").stdout.splitlines()
    assert lines[0].startswith("total  MAYBE")
    assert lines[1].startswith("├─ scale/  2 RUN  constant flow.FACTOR changed: 2 -> 3")
    assert lines[2].startswith("└─ sign  MAYBE")
    assert lines[3].startswith("   └─ scale/  2 RUN")


def test_what_is_accepted_is_not_run_again(flow: Path) -> None:
    run("-o", "exp")
    edit("FACTOR = 2", "FACTOR = 3")
    said = ramify("accept", "flow.py", "scale")
    assert said.returncode == 0 and said.stdout.count("accepted") == 2, said
    assert "constant flow.FACTOR changed" in said.stdout
    assert run("-o", "exp") == []
    said = ramify("accept", "flow.py", "nothing/*")
    assert said.returncode == 2 and "fits no job" in said.stderr


def test_what_has_no_output_cannot_be_accepted(flow: Path) -> None:
    run("-o", "exp")
    Path("exp/outputs/sign.json").unlink()
    said = ramify("accept", "flow.py", "sign", "total", "-o", "exp")
    assert said.returncode == 1
    assert "refused   sign" in said.stdout and "it has no output" in said.stdout
    assert "sign, which it needs, has no output" in said.stdout


SLOW = """
import os
import time
from ramify import DAG, Job, ParametrizedJob

def work(n):
    with open("told.txt", "a") as file:
        file.write(f"{n}\\n")
    while n == 3 and os.path.exists("wait"):
        time.sleep(0.01)
    return n * n

dag = DAG(nodes={"g": ParametrizedJob(work, ["n"], [(n,) for n in range(6)])})
dag["total"] = Job(lambda group: sum(group.values()), {"group": dag["g"]})
"""


@pytest.mark.parametrize("mode", ["thread", "process", "subprocess"])
def test_a_killed_run_is_resumed_and_repeats_nothing(flow: Path, mode: str) -> None:
    Path("slow.py").write_text(SLOW)
    Path("wait").touch()
    driver = subprocess.Popen(
        [*RAMIFY, "run", "slow.py", "-o", "exp", "--name", "calm-otter", "--mode", mode, "-j", "1"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    while not Path("told.txt").exists() or "3" not in Path("told.txt").read_text().split():
        assert driver.poll() is None
        os.sched_yield()
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait(30)
    Path("wait").unlink()
    assert "LOST" in ramify("status", "calm-otter").stdout
    said = ramify("resume", "calm-otter")
    assert said.returncode == 0, said.stderr
    assert Path("exp/outputs/total.json").read_text() == "55"
    assert sorted(Path("told.txt").read_text().split()) == ["0", "1", "2", "3", "3", "4", "5"]
    assert document("status", "calm-otter")["status"] == "COMPLETED"
    assert set(os.listdir("exp/run")) == {"lock", "calm-otter"}


def test_a_plan_that_was_replaced_cannot_be_resumed(flow: Path) -> None:
    run("-o", "exp", "--name", "calm-otter")
    edit("[(1,), (2,)]", "[(1,), (2,), (3,)]")
    run("-o", "exp", "--name", "other")
    said = ramify("resume", "exp/run/calm-otter")
    assert said.returncode == 3 and "skip_completed" in said.stderr


def test_a_run_is_resumed_from_any_folder(flow: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (flow / "helper.py").write_text("def broken(x):\n    raise ValueError(x)\n")
    (flow / "flow.py").write_text(
        "from ramify import DAG, Job\nimport helper\ndag = DAG()\ndag['a'] = Job(helper.broken, {'x': 1})\n"
    )
    program = str(Path(sys.executable).parent / "ramify")  # its own folder is first on the import path
    command = [program, "run", "flow.py", "-o", str(flow / "exp")]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 1
    (flow / "helper.py").write_text("def broken(x):\n    return x\n")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run(
        [program, "resume", str(flow / "exp")], cwd=elsewhere, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    alone = [program, "worker", str(flow / "exp" / "plan"), "a"]
    assert subprocess.run(alone, cwd=elsewhere, capture_output=True, timeout=60).returncode == 0
