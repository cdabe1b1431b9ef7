"""`compare`, `gc` and `clean`, on folders that real runs have made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ramify.files.lock import FolderLock

pytestmark = pytest.mark.e2e

FLOW = """
from ramify import DAG, Job, ParametrizedJob

def scale(x, factor):
    return x * factor

def total(group):
    return sum(group.values())

dag = DAG()
dag["scale"] = ParametrizedJob(scale, ["x"], [(1,), (2,), (3,)], {"factor": 2})
dag["total"] = Job(total, {"group": dag["scale"]})
"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ramify(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ramify", *words],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def document(*words: str) -> Any:
    done = ramify(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run(name: str, *words: str) -> None:
    done = ramify("run", "flow.py", "--mode", "thread", "-q", "--name", name, *words)
    assert done.returncode == 0, done.stderr


def edit(old: str, new: str) -> None:
    text = Path("flow.py").read_text()
    assert old in text
    Path("flow.py").write_text(text.replace(old, new))


# ---- compare


def test_two_runs_are_compared_by_what_they_kept(flow: Path) -> None:
    run("one", "-o", "exp")
    edit('"factor": 2', '"factor": 3')
    edit("return sum(group.values())", "return 0 + sum(group.values())")
    edit("(2,), (3,)]", "(2,), (4,)]")
    run("two", "-o", "exp")
    told = document("compare", "one", "two")
    jobs = {job["job_id"]: job for job in told["jobs"]}
    assert told["runs"] == ["one", "two"]
    assert told["counts"]["only in the first"] == told["counts"]["only in the second"] == 1
    assert [cause["text"] for cause in jobs["scale/1"]["causes"]] == ["argument factor changed: 2 -> 3"]
    assert jobs["total"]["causes"][0]["kind"] == "code" and "flow.total" in jobs["total"]["causes"][0]["text"]
    assert jobs["scale/3"]["output"] == "only in the first" and jobs["scale/3"]["states"] == [
        "succeeded",
        None,
    ]
    text = ramify("compare", "one").stdout
    assert "one → two" in text and "argument factor changed: 2 -> 3" in text


def test_equal_runs_differ_in_nothing(flow: Path) -> None:
    run("one", "-o", "exp")
    run("two", "-o", "other", "--reuse", "off")
    told = ramify("compare", "one", "two").stdout
    assert "4 the same" in told and len(told.splitlines()) == 4
    assert "scale/1  same output" in ramify("compare", "one", "two", "--all").stdout
    assert ramify("compare", "one", "nothing").returncode == 2


# ---- gc


def test_what_nothing_names_is_told_and_then_removed(flow: Path) -> None:
    run("one", "-o", "exp")
    edit("(2,), (3,)]", "(2,)]")
    run("two", "-o", "exp")
    assert document("gc", "exp")["garbage"] == []  # the first run still names all of it
    said = ramify("gc", "exp", "--keep", "1")
    assert "exp/outputs/scale/3.json" in said.stdout and "nothing was removed" in said.stdout
    assert Path("exp/outputs/scale/3.json").exists() and Path("exp/run/one").exists()
    said = ramify("gc", "exp", "--keep", "1", "--yes")
    assert said.returncode == 0 and "removed" in said.stdout
    assert not Path("exp/outputs/scale/3.json").exists() and not Path("exp/run/one").exists()
    plan = document("plan", "flow.py", "-o", "exp")
    assert plan["counts"]["REUSE"] == 3
    assert document("gc", "exp", "--keep", "1")["garbage"] == []


def test_a_grid_that_is_gone_goes_whole(flow: Path) -> None:
    run("one", "-o", "exp")
    edit(
        'dag["total"] = Job(total, {"group": dag["scale"]})',
        'dag["only"] = Job(scale, {"x": 1, "factor": 2})',
    )
    edit('dag["scale"] = ', "grid = ")
    run("two", "-o", "exp")
    paths = {os.path.relpath(g["path"]) for g in document("gc", "exp", "--keep", "1")["garbage"]}
    assert {"exp/outputs/scale", "exp/outputs/total.json", "exp/run/one"} <= paths
    ramify("gc", "exp", "--keep", "1", "--yes")
    assert sorted(os.listdir("exp/outputs")) == [".codes", ".index", "only.json", "only.ramify"]


def test_old_folders_of_runs_go_and_what_they_shared_stays(flow: Path) -> None:
    for name in ("one", "two", "three"):
        run(name)
    assert document("gc", "--keep", "2")["garbage"][0]["path"].endswith(".ramify/@runs/one")
    ramify("gc", "--keep", "1", "--yes")
    assert os.listdir(".ramify/@runs") == ["three"]
    run("four")
    assert document("status", "four")["counts"]["reused"] == 4


def test_a_folder_in_use_is_left_alone(flow: Path) -> None:
    run("one", "-o", "exp")
    run("two", "-o", "exp")
    with FolderLock("exp/run", run="three"):
        told = document("gc", "exp", "--keep", "1", "--yes")
    assert told["removed"] == 0 and len(told["skipped"]) == 1 and Path("exp/run/one").exists()


def test_ages_are_read_or_refused(flow: Path) -> None:
    run("one", "-o", "exp")
    run("two", "-o", "exp")
    assert document("gc", "exp", "--keep", "1", "--older-than", "1d")["garbage"] == []
    assert ramify("gc", "exp", "--older-than", "soon").returncode == 2


# ---- clean


def test_outputs_are_removed_by_glob(flow: Path) -> None:
    run("one", "-o", "exp")
    said = ramify("clean", "exp", "scale/*")
    assert "would remove 3 of 3 outputs" in said.stdout and Path("exp/outputs/scale/1.json").exists()
    assert document("clean", "exp", "scale/1", "total", "--yes")["removed"] == ["scale/1", "total"]
    assert document("plan", "flow.py", "-o", "exp", "--skip-completed")["counts"]["RUN"] == 2
    said = ramify("clean", "exp", "scael")
    assert said.returncode == 2 and "fits 'scael'" in said.stderr


def test_everything_is_removed_but_the_plan(flow: Path) -> None:
    run("one", "-o", "exp")
    assert ramify("clean", "exp", "--runs", "--yes").returncode == 0
    assert os.listdir("exp/outputs") == [] and os.listdir("exp/run") == ["lock"]
    assert Path("exp/plan/plan.json").exists()
    with FolderLock("exp/run", run="two"):
        assert ramify("clean", "exp", "--yes").returncode == 5
