"""`--until` of graphs: what fits is planned and not started, nor what needs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, Job, ModeError, after

pytestmark = pytest.mark.e2e

FLOW = """
from ramify import DAG, Job, ParametrizedJob

def scale(x):
    return x * 2

def total(group):
    return sum(group.values())

def inc(x):
    return x + 1

dag = DAG()
dag["scale"] = ParametrizedJob(scale, ["x"], [(1,), (2,), (3,)])
dag["total"] = Job(total, {"group": dag["scale"]})
dag["more"] = Job(inc, {"x": dag["total"]})
dag["other"] = Job(inc, {"x": 7})
"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ramify(*words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ramify", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def made(folder: Path) -> list[str]:
    found = [path.relative_to(folder).with_suffix("") for path in folder.rglob("*.json")]
    return sorted(str(path) for path in found if path.parts[0] != ".codes")


def test_what_fits_waits_for_a_later_run(flow: Path) -> None:
    told = json.loads(ramify("plan", "flow.py", "-o", "exp", "--until", "total", "--json"))
    verdicts = {job["job_id"]: (job["verdict"], job["cause"]["text"]) for job in told["jobs"]}
    assert verdicts["other"][0] == verdicts["scale/1"][0] == "RUN"
    assert verdicts["total"] == verdicts["more"] == ("SKIP", "held back by --until")
    assert "4 of 6 jobs done, 2 held back" in ramify("run", "flow.py", "-o", "exp", "--until", "total")
    whole = ["other", "scale/1", "scale/2", "scale/3"]
    assert made(flow / "exp/outputs") == whole
    ramify("resume", "latest")  # it is the same run, and holds back the same
    assert made(flow / "exp/outputs") == whole
    assert "6 of 6 jobs done, 4 reused" in ramify("run", "flow.py", "-o", "exp")
    assert ramify("show", "latest", "more").splitlines()[-1] == "13"


def test_a_glob_that_fits_no_job_is_refused(flow: Path) -> None:
    assert "until names 'nothing', which fits no job" in ramify(
        "run", "flow.py", "--until", "nothing", code=2
    )
    assert not list(flow.glob(".ramify/@runs/*/outputs/*"))


def test_the_command_that_goes_on_holds_back_the_same(flow: Path) -> None:
    (flow / "flow.py").write_text(FLOW.replace("return x + 1", "raise ValueError(x)"))
    told = ramify("run", "flow.py", "-o", "exp", "--until", "mo*", code=1)
    assert "ramify run flow.py -o exp --until 'mo*'" in told


def one() -> int:
    return 1


def grow(view: Any) -> None:
    view["late"] = Job(one)
    view["free"] = Job(one)


def test_what_rules_add_is_held_back_too(tmp_path: Path) -> None:
    dag = DAG({"a": Job(one)})
    dag.add_rule(after("a"), grow, may_add=["late", "free"])
    dag.evaluate(tmp_path / "exp", until=["late"], execution_mode="thread")
    assert made(tmp_path / "exp/outputs") == ["a", "free"]
    with pytest.raises(ModeError, match=r"until=\['late'\]"):
        dag.evaluate(tmp_path / "other", until="late")
