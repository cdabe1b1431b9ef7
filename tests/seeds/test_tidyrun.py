"""Every example of the guide to deferred jobs, as a user runs it: top-level scripts without a main guard.

Only names of the product are changed. The guide lost its indentation; it is put back. Left out are the three
examples that need Slurm or AWS Batch. Examples that go on from an earlier one are run after it in one script.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ramify

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

SRC = str(Path(ramify.__file__).parents[1])

JOB = """
from ramify import Job

def add(x: int, y: int) -> int:
    return x + y

job = Job(func=add, kwargs={"x": 1, "y": 2})
"""

GRID = """
from ramify import ParametrizedJob

def score(model: str, split: str, prefix: str = "") -> str:
    return f"{prefix}{model}:{split}"

grid = ParametrizedJob(
    func=score,
    parameter_names=["model", "split"],
    parameter_values=[("m1", "train"), ("m1", "test"), ("m2", "train")],
    kwargs={"prefix": "run="},
)

model_slice = grid["m1"]
leaf_job = model_slice["train"]
"""

DAG = """
from ramify import DAG, Job

def square(x: int) -> int:
    return x * x

dag = DAG()
dag["a"] = Job(func=square, kwargs={"x": 3})
"""

PATHS = """
result = dag.evaluate(
    dag_path="./exp1-plan",
    output_path="./exp1-outputs",
)
"""

SEQUENTIAL = """
result = dag.evaluate("./sequential")
print(result["a"])  # 9
"""

MODES = """
# Fast local testing (no subprocess spawn per job)
result = dag.evaluate("./thread-mode", execution_mode="thread")

# Process pool execution
result = dag.evaluate(
    "./process-mode",
    execution_mode="process",
    max_workers=4,
)
"""

PARALLEL = """
# Thread pool (thread/subprocess modes)
result = dag.evaluate("./threaded", max_workers=4, execution_mode="thread")

# Process pool (process mode)
result = dag.evaluate("./process-pooled", max_workers=4, execution_mode="process")
"""

FAILURE = """
from ramify import DAGExecutionError

try:
    dag.evaluate("./run")
except DAGExecutionError as exc:
    print("failed:", exc.failed_job_id)
    print("completed:", sorted(exc.completed_jobs))
    print("cancelled:", sorted(exc.cancelled_jobs))
"""

RESUME = """
plan_dir = dag.materialize("./run/plan")
result = dag.execute_materialized(
    dag_path=plan_dir,
    output_path="./run/outputs",
    skip_completed=True,
)
"""

PROGRESS = """
result = dag.evaluate(
    "./run",
    progress=True,
)
"""

CALLBACK = """
messages: list[str] = []
result = dag.evaluate(
    "./run",
    progress=True,
    progress_callback=messages.append,
)
"""

CLEAR = """
# Remove all outputs
dag.clear_outputs("./run/plan")

# Or remove specific job outputs only
dag.clear_outputs("./run/plan", job_ids=["train/model_a", "metrics/model_a"])
"""

EXECUTOR = """
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(max_workers=8) as pool:
    result = dag.evaluate("./custom", executor=pool, execution_mode="thread")
"""

HELPERS = """
from ramify import load_callable, load_job_definition, load_job_inputs

plan_dir = dag.materialize("./experiment/plan")
definition = load_job_definition(plan_dir, "a")
func = load_callable(definition, plan_dir)
kwargs = load_job_inputs(definition, plan_dir)
print(func(**kwargs))
"""

WORKER = """
import json
import os

from ramify import run_materialized_job

plan_dir = os.environ["RAMIFY_PLAN_DIR"]
job_ids_json = os.environ.get("RAMIFY_JOB_IDS_JSON")
if job_ids_json:
    idx = int(os.environ["AWS_BATCH_JOB_ARRAY_INDEX"])
    job_id = json.loads(job_ids_json)[idx]
else:
    job_id = os.environ["RAMIFY_JOB_ID"]
run_materialized_job(plan_dir, job_id)
"""

END_TO_END = """
from ramify import DAG, Job, ParametrizedJob

def metric(model: str, split: str, base: int = 1) -> str:
    return f"{model}:{split}:{base}"

scores = ParametrizedJob(
    func=metric,
    parameter_names=["model", "split"],
    parameter_values=[("m1", "train"), ("m1", "test"), ("m2", "train")],
    kwargs={"base": 10},
)

summary = Job(func=lambda value: f"summary={value}", kwargs={"value": "ok"})

dag = DAG()
dag["scores"] = scores
dag["summary"] = summary

outputs = dag.evaluate("./experiment", max_workers=4)

print(outputs["scores"]["m1"]["train"])  # m1:train:10
print(outputs["summary"])  # summary=ok
"""


def run(folder: Path, *parts: str, expect: int = 0, **variables: str) -> str:
    """Runs the parts as one script in `folder` and returns what it printed."""
    script = folder / "script.py"
    script.write_text("\n".join(parts))
    environment = {**os.environ, "PYTHONPATH": SRC, **variables}
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, env=environment, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == expect, done.stderr
    return done.stdout


def test_1_a_job(tmp_path: Path) -> None:
    assert run(tmp_path, JOB, "print(job.func(**job.kwargs))") == "3\n"


def test_2_a_grid(tmp_path: Path) -> None:
    shown = "print(type(model_slice).__name__, type(leaf_job).__name__, leaf_job.func(**leaf_job.kwargs))"
    assert run(tmp_path, GRID, shown) == "ParametrizedJob Job run=m1:train\n"


def test_3_a_dag(tmp_path: Path) -> None:
    assert run(tmp_path, DAG, "print(list(dag))") == "['a']\n"


def test_4_both_paths_and_no_target(tmp_path: Path) -> None:
    assert run(tmp_path, DAG, PATHS, "print(result['a'])") == "9\n"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["exp1-outputs", "exp1-plan"]


def test_5_sequential(tmp_path: Path) -> None:
    assert run(tmp_path, DAG, SEQUENTIAL) == "9\n"
    assert sorted(p.name for p in (tmp_path / "sequential").iterdir() if p.is_dir()) == [
        "outputs",
        "plan",
        "run",
    ]


def test_6_modes(tmp_path: Path) -> None:
    shown = MODES.replace("\n# Process", "\nprint(result['a'])\n# Process") + "print(result['a'])"
    assert run(tmp_path, DAG, shown) == "9\n9\n"


def test_7_parallel(tmp_path: Path) -> None:
    assert run(tmp_path, DAG, PARALLEL, "print(result['a'])") == "9\n"


FAILING = """
def broken(x):
    raise RuntimeError("broken")

dag["b"] = Job(broken, {"x": 1})
dag["c"] = Job(square, {"x": 4})
"""


def test_8_a_failure(tmp_path: Path) -> None:
    printed = run(tmp_path, DAG, FAILING, FAILURE)
    assert printed == "failed: b\ncompleted: ['a']\ncancelled: ['c']\n"
    assert run(tmp_path, DAG, FAILURE.replace("./run", "./fine")) == ""


def test_9_resume_after_the_fix(tmp_path: Path) -> None:
    run(tmp_path, DAG, FAILING, FAILURE)
    fixed = 'dag["b"] = Job(square, {"x": 2})\ndag["c"] = Job(square, {"x": 4})'
    assert run(tmp_path, DAG, fixed, RESUME, "print(result.to_dict())") == "{'a': 9, 'b': 4, 'c': 16}\n"


def test_10_progress(tmp_path: Path) -> None:
    run(tmp_path, DAG, PROGRESS, "assert result['a'] == 9")


def test_11_a_callback(tmp_path: Path) -> None:
    lines = run(tmp_path, DAG, CALLBACK, "print(*messages, sep='\\n')").splitlines()
    assert lines[0] == "[materialize] starting (1 job)"
    assert "[execute] [1/1] completed: a" in lines


def test_12_clear(tmp_path: Path) -> None:
    run(tmp_path, DAG, 'dag.evaluate("./run")')
    assert (tmp_path / "run/outputs/a.json").exists()
    run(tmp_path, DAG, CLEAR)
    assert not (tmp_path / "run/outputs/a.json").exists()
    assert run(tmp_path, DAG, RESUME, "print(result['a'])") == "9\n"


def test_13_own_executor(tmp_path: Path) -> None:
    assert run(tmp_path, DAG, EXECUTOR, "print(result['a'])") == "9\n"


def test_14_helpers(tmp_path: Path) -> None:
    assert run(tmp_path, DAG, HELPERS) == "9\n"


def test_18_the_workers_entry_point(tmp_path: Path) -> None:
    run(tmp_path, DAG, 'dag["b"] = Job(square, {"x": 4})\ndag.materialize("exp/plan")')
    plan = str(tmp_path / "exp/plan")
    run(tmp_path, WORKER, RAMIFY_PLAN_DIR=plan, RAMIFY_JOB_ID="a")
    assert [p.name for p in (tmp_path / "exp/outputs").glob("*.json")] == ["a.json"]
    ids = json.dumps(["a", "b"])
    run(
        tmp_path,
        WORKER,
        RAMIFY_PLAN_DIR=plan,
        RAMIFY_JOB_ID="a",
        RAMIFY_JOB_IDS_JSON=ids,
        AWS_BATCH_JOB_ARRAY_INDEX="1",
    )
    assert ramify.deserialize(tmp_path / "exp/outputs/b") == 16
    run(tmp_path, WORKER, RAMIFY_PLAN_DIR=plan, RAMIFY_JOB_ID="nobody", expect=1)


def test_19_end_to_end(tmp_path: Path) -> None:
    assert run(tmp_path, END_TO_END) == "m1:train:10\nsummary=ok\n"


def test_19_after_14_in_the_same_folder(tmp_path: Path) -> None:
    run(tmp_path, DAG, HELPERS)
    assert run(tmp_path, END_TO_END) == "m1:train:10\nsummary=ok\n"


def test_the_examples_run_from_standard_input(tmp_path: Path) -> None:
    """No worker imports the user's `__main__`: there is no file to import here."""
    environment = {**os.environ, "PYTHONPATH": SRC}
    done = subprocess.run(
        [sys.executable, "-"],
        input=DAG + MODES + SEQUENTIAL,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.stdout == "9\n", done.stderr


def test_every_name_of_the_guide_is_exported() -> None:
    names = [
        *("DAG", "Job", "ParametrizedJob", "DAGExecutionError", "LazyDict", "PlanPaths", "serialize"),
        *("deserialize", "execute_plan", "get_job_states", "load_callable", "load_inputs_and_callable"),
        *("load_job_definition", "load_job_inputs", "rerun_snippet", "run_materialized_job"),
        *("batch_entrypoint", "__version__"),
    ]
    for name in names:
        assert getattr(ramify, name) is not None
        assert name in ramify.__all__ and name in dir(ramify)
