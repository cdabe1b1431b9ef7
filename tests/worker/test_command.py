"""One job of a plan, run by hand: as a function, as a command, and by what the environment says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ramify.dag.compile import compile_draft
from ramify.dag.draft import DAG
from ramify.dag.grid import ParametrizedJob
from ramify.dag.job import Job
from ramify.errors import ArgumentError, JobIdError, PlanError
from ramify.plan.folder import read_plan, write_plan
from ramify.stores.folder import FolderStore
from ramify.testing import jobs
from ramify.worker.command import batch_entrypoint, from_environment, run_materialized_job, worker_main


def double(x: int, by: int = 2) -> int:
    return x * by


@pytest.fixture
def plan(tmp_path: Path) -> str:
    first = Job(double, {"x": 4})
    grid = ParametrizedJob(double, ["x"], [(1,), (2,), (3,)], {"by": 10})
    dag = DAG(
        nodes={
            "first": first,
            "second": Job(double, {"x": first}),
            "grid": grid,
            "bad": Job(jobs.fail, {"message": "as asked"}),
            "exits": Job(jobs.leave),
        }
    )
    path = str(tmp_path / "plan")
    write_plan(path, compile_draft(dag, path))
    return path


def output(plan: str, job_id: str) -> Any:
    return FolderStore(read_plan(plan).outputs).get(job_id)


def test_the_function(plan: str) -> None:
    run_materialized_job(plan, "first")
    run_materialized_job(Path(plan), "second")
    run_materialized_job(plan, "second")
    assert output(plan, "second") == 16
    assert list(Path(read_plan(plan).outputs, ".parts").iterdir()) == []


def test_it_raises_what_the_job_raises(plan: str) -> None:
    with pytest.raises(ValueError, match="as asked"):
        run_materialized_job(plan, "bad")
    with pytest.raises(SystemExit):
        run_materialized_job(plan, "exits")
    with pytest.raises(JobIdError):
        run_materialized_job(plan, "grid/99")
    with pytest.raises(PlanError):
        run_materialized_job(plan + "-not", "first")


def test_the_command(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert worker_main([plan, "grid/2"]) == 0
    assert output(plan, "grid/2") == 20
    assert worker_main([plan, "bad"]) == 1
    assert "ValueError: as asked" in capsys.readouterr().err
    assert worker_main([plan, "exits"]) == 1
    assert worker_main([plan, "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err
    assert worker_main([plan]) == 2
    assert worker_main(["--help"]) == 0


def test_the_environment(
    plan: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert worker_main([]) == 2
    assert "RAMIFY_PLAN_DIR" in capsys.readouterr().err
    monkeypatch.setenv("RAMIFY_PLAN_DIR", plan)
    assert worker_main([]) == 2
    assert "RAMIFY_JOB_ID" in capsys.readouterr().err
    monkeypatch.setenv("RAMIFY_JOB_ID", "first")
    with pytest.raises(SystemExit) as ended:
        batch_entrypoint()
    assert ended.value.code == 0 and output(plan, "first") == 8


@pytest.mark.parametrize("name", ["AWS_BATCH_JOB_ARRAY_INDEX", "SLURM_ARRAY_TASK_ID"])
def test_a_member_of_an_array(plan: str, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("RAMIFY_PLAN_DIR", plan)
    monkeypatch.setenv("RAMIFY_JOB_ID", "grid/1")
    monkeypatch.setenv("RAMIFY_JOB_IDS_JSON", json.dumps(["grid/1", "grid/2", "grid/3"]))
    monkeypatch.setenv(name, "1")
    assert worker_main([]) == 0
    assert output(plan, "grid/2") == 20
    assert FolderStore(read_plan(plan).outputs).holds("grid/1") is None
    monkeypatch.setenv(name, "3")
    assert worker_main([]) == 2


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"RAMIFY_JOB_IDS_JSON": "[1]", "SLURM_ARRAY_TASK_ID": "0"}, "no JSON list"),
        ({"RAMIFY_JOB_IDS_JSON": '["a"]'}, "says which"),
        ({"RAMIFY_JOB_IDS_JSON": '["a"]', "SLURM_ARRAY_TASK_ID": "-1"}, "members 0 to 0"),
    ],
)
def test_an_environment_that_says_nothing_useful(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        from_environment({"RAMIFY_PLAN_DIR": "p", **environ})


@pytest.mark.slow
def test_as_a_process(plan: str) -> None:
    command = [sys.executable, "-m", "ramify.worker.command", plan, "grid/3"]
    env = {"PYTHONPATH": ":".join(sys.path)}
    assert subprocess.run(command, env=env, check=False).returncode == 0
    assert output(plan, "grid/3") == 30
