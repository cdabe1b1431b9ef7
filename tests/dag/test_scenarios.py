"""Graphs evaluated to disk, as a user would: values, failures, resume, and what may be an argument."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import ramify
from ramify import (
    DAG,
    DAGExecutionError,
    Job,
    LazyDict,
    ParametrizedJob,
    deserialize,
    execute_plan,
    get_job_states,
    load_callable,
    load_job_definition,
    load_job_inputs,
    run_materialized_job,
)
from ramify.errors import LockedError, ModeError, OutputsExistError, PlanError, RamifyWarning
from ramify.files.lock import FolderLock

pytestmark = pytest.mark.timeout(30)

MODES = ["thread", "process", "subprocess"]


def square(x: int) -> int:
    return x * x


def add(x: int, y: int) -> int:
    return x + y


def pid(after: object = None) -> int:
    return os.getpid()


def metric(model: str, split: str, base: int = 1) -> str:
    return f"{model}:{split}:{base}"


def fail(text: str = "broken on purpose") -> None:
    raise RuntimeError(text)


def touch(path: str, value: object = 1) -> object:
    """Leaves a mark for every call."""
    with open(path, "a") as file:
        file.write("x")
    return value


def calls(path: Path) -> int:
    return len(path.read_text()) if path.exists() else 0


# 1


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_one_job_to_disk(tmp_path: Path, mode: str) -> None:
    result = DAG({"a": Job(square, {"x": 3})}).evaluate(tmp_path / "run", execution_mode=mode)
    assert isinstance(result, LazyDict)
    assert result["a"] == 9
    assert (tmp_path / "run/plan").is_dir() and (tmp_path / "run/outputs").is_dir()
    assert deserialize(tmp_path / "run/outputs").to_dict() == {"a": 9}


# 2, 3


@pytest.mark.slow
def test_a_grid_and_a_summary(tmp_path: Path) -> None:
    values = [("m1", "train"), ("m1", "test"), ("m2", "train")]
    dag = DAG({"scores": ParametrizedJob(metric, ["model", "split"], values, {"base": 10})})
    dag["summary"] = Job(lambda value: f"summary={value}", {"value": "ok"})
    outputs = dag.evaluate(tmp_path / "exp", max_workers=4)
    assert outputs["scores"]["m1"]["train"] == "m1:train:10"
    assert outputs["summary"] == "summary=ok"
    expected = ["scores/m1/train", "scores/m1/test", "scores/m2/train", "summary"]
    assert list(get_job_states(tmp_path / "exp/plan")) == expected
    assert outputs.to_dict() == {
        "scores": {"m1": {"train": "m1:train:10", "test": "m1:test:10"}, "m2": {"train": "m2:train:10"}},
        "summary": "summary=ok",
    }


# 4


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_consumer_gets_its_producer_in_every_mode(tmp_path: Path, mode: str) -> None:
    producer = Job(lambda: 2)
    dag = DAG({"sum": Job(add, {"x": producer, "y": 3}), "producer": producer, "pid": Job(pid)})
    result = dag.evaluate(tmp_path / "run", execution_mode=mode)
    assert result["sum"] == 5
    assert (result["pid"] == os.getpid()) is (mode == "thread")


# 5


def test_plan_and_outputs_may_be_anywhere(tmp_path: Path) -> None:
    dag = DAG({"a": Job(square, {"x": 3})})
    result = dag.evaluate(dag_path=tmp_path / "P", output_path=tmp_path / "O", execution_mode="thread")
    assert result["a"] == 9
    assert (tmp_path / "P/plan.json").exists() and (tmp_path / "O/a.json").exists()
    for wrong in ({}, {"dag_path": tmp_path / "P2"}, {"output_path": tmp_path / "O2"}):
        with pytest.raises(ValueError, match="where to"):
            dag.evaluate(**wrong)
    assert sorted(os.listdir(tmp_path)) == ["O", "O.ramify", "P"]


def test_the_later_form_with_executor_second(tmp_path: Path) -> None:
    dag = DAG({"a": Job(square, {"x": 3})})
    with ThreadPoolExecutor(2) as pool:
        assert dag.evaluate(tmp_path / "a", pool, execution_mode="thread")["a"] == 9
        dag.materialize(tmp_path / "b/plan")
        assert dag.execute_materialized(tmp_path / "b", pool, execution_mode="thread")["a"] == 9
    assert dag.evaluate(tmp_path / "c", None, 2, execution_mode="thread")["a"] == 9


# 6


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_failure_tells_the_truth(tmp_path: Path, mode: str) -> None:
    dag = DAG({"a": Job(lambda: 1), "b": Job(fail), "c": Job(lambda: 3)})
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "run", execution_mode=mode)
    error = caught.value
    assert error.failed_job_id == "b"
    assert (error.completed_jobs, error.cancelled_jobs) == ({"a"}, {"c"})
    assert type(error.cause) is RuntimeError
    assert str(error.cause) == "broken on purpose"
    assert get_job_states(tmp_path / "run") == {"a": "succeeded", "b": "failed", "c": "pending"}


# 7


def test_resume_after_a_fix_runs_only_what_is_missing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    dag = DAG({"a": Job(touch, {"path": str(mark)}), "b": Job(fail), "c": Job(lambda: 3)})
    with pytest.raises(DAGExecutionError):
        dag.evaluate(tmp_path / "run", execution_mode="thread")
    dag["b"] = Job(lambda: 2)
    dag.materialize(tmp_path / "run/plan")
    run = partial(dag.execute_materialized, execution_mode="thread")
    with pytest.raises(ValueError, match="skip_completed=True") as caught:
        run(dag_path=tmp_path / "run/plan", output_path=tmp_path / "run/outputs")
    assert isinstance(caught.value, OutputsExistError)
    result = run(dag_path=tmp_path / "run/plan", output_path=tmp_path / "run/outputs", skip_completed=True)
    assert result.to_dict() == {"a": 1, "b": 2, "c": 3}
    assert calls(mark) == 1


# 8


def test_cleared_outputs_run_again_and_no_others(tmp_path: Path) -> None:
    marks = {name: tmp_path / name for name in ("model_a", "model_b")}
    group = DAG({name: Job(touch, {"path": str(path)}) for name, path in marks.items()})
    dag = DAG({"train": group})
    again = partial(dag.evaluate, tmp_path / "run", execution_mode="thread", skip_completed=True)
    again()
    dag.clear_outputs(tmp_path / "run/plan", job_ids=["train/model_a"])
    assert get_job_states(tmp_path / "run") == {"train/model_a": "pending", "train/model_b": "succeeded"}
    again()
    assert [calls(path) for path in marks.values()] == [2, 1]
    dag.clear_outputs(tmp_path / "run/plan", job_ids=["train"])
    again()
    assert [calls(path) for path in marks.values()] == [3, 2]
    dag.clear_outputs(tmp_path / "run/plan")
    assert not list((tmp_path / "run/outputs").rglob("*")) and not (tmp_path / "run/outputs.ramify").exists()
    assert again().to_dict() == {"train": {"model_a": 1, "model_b": 1}}
    assert [calls(path) for path in marks.values()] == [4, 3]


def test_clearing_names_unknown_ids_and_goes_on(tmp_path: Path) -> None:
    dag = DAG({"a": Job(square, {"x": 3})})
    dag.evaluate(tmp_path / "run", execution_mode="thread")
    with pytest.warns(RamifyWarning, match="'train/model_a', 'metrics/model_a'"):
        dag.clear_outputs(tmp_path / "run/plan", job_ids=["train/model_a", "a", "metrics/model_a"])
    assert get_job_states(tmp_path / "run/plan") == {"a": "pending"}


def test_clearing_takes_what_earlier_plans_left_and_nothing_else(tmp_path: Path) -> None:
    DAG({"old": Job(square, {"x": 1}), "g": DAG({"o": Job(lambda: {"k": {"d": 1}})})}).evaluate(
        tmp_path, execution_mode="thread"
    )
    (tmp_path / "outputs/mine.txt").write_text("mine")
    dag = DAG({"new": Job(square, {"x": Job(square, {"x": 2})})})
    with pytest.warns(RamifyWarning, match="2 jobs of the earlier plan are not in the new one"):
        dag.evaluate(tmp_path, execution_mode="thread")
    dag.clear_outputs(tmp_path)
    assert os.listdir(tmp_path / "outputs") == ["mine.txt"]


# 9


def test_the_parts_of_a_plan_make_the_jobs_output(tmp_path: Path) -> None:
    dag = DAG({"a": Job(square, {"x": 3}), "b": Job(lambda x: x + 1, {"x": Job(square, {"x": 4})})})
    plan = dag.materialize(tmp_path / "exp/plan")
    definition = load_job_definition(plan, "a")
    assert load_callable(definition, plan)(**load_job_inputs(definition, plan)) == 9
    for job_id in ("a", "b/arg/x", "b"):
        run_materialized_job(plan, job_id)
    assert deserialize(tmp_path / "exp/outputs/a") == 9
    assert deserialize(tmp_path / "exp/outputs/b") == 17
    with pytest.raises(PlanError):
        run_materialized_job(plan, "a/typo")


# 13


@pytest.mark.slow
def test_ctrl_c_ends_everything_and_resumes(tmp_path: Path) -> None:
    script = tmp_path / "flow.py"
    script.write_text(
        "import os, sys, time\n"
        "from ramify import DAG, Job\n"
        "def slow(n, quick):\n"
        "    print(n, file=open(f'started-{n}', 'w'))\n"
        "    time.sleep(0 if quick else 60)\n"
        "    return n\n"
        "quick = len(sys.argv) > 1\n"
        "dag = DAG({n: Job(slow, {'n': n, 'quick': quick}) for n in range(12)})\n"
        "print('ready', flush=True)\n"
        "def show(line):\n"
        "    print(line, flush=True)\n"
        "out = dag.evaluate('run', max_workers=2, skip_completed=True, progress_callback=show)\n"
        "print(sum(out.values()))\n"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(ramify.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if "starting" in line and "execute" in line:
                break
        wait_for(lambda: sum(1 for _ in tmp_path.glob("started-*")) == 2)
        driver.send_signal(signal.SIGINT)
        driver.communicate(timeout=20)
    assert driver.returncode != 0
    started = {p.name for p in tmp_path.glob("started-*")}
    assert started == {"started-0", "started-1"}
    states = get_job_states(tmp_path / "run")
    assert set(states.values()) == {"pending"} and len(states) == 12
    done = subprocess.run(
        [sys.executable, str(script), "quick"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        timeout=25,
    )
    assert done.stdout.splitlines()[-1] == "66", done.stderr


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns when the file system says so: a file is the only event that a killed process can leave."""
    import time

    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["process", "subprocess"])
def test_a_killed_worker_is_its_jobs_failure(tmp_path: Path, mode: str) -> None:
    dag = DAG({"a": Job(square, {"x": 1}), "b": Job(die), "c": Job(square, {"x": 1})})
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path, execution_mode=mode)
    assert caught.value.failed_job_id == "b"
    assert "SIGKILL" in str(caught.value.cause) or "9" in str(caught.value.cause)
    assert get_job_states(tmp_path)["b"] == "failed"


# 14


@pytest.mark.slow
def test_a_large_grid_and_a_long_chain(tmp_path: Path) -> None:
    grid = ParametrizedJob(lambda p: p, ["p"], [(n,) for n in range(2000)])
    out = DAG({"g": grid, "n": Job(lambda g: len(g), {"g": grid})}).evaluate(
        tmp_path / "g", execution_mode="thread"
    )
    assert out["n"] == 2000 and out["g"][1234] == 1234
    jobs = [Job(lambda x=0: x + 1)]
    for _ in range(999):
        jobs.append(Job(lambda x=0: x + 1, {"x": jobs[-1]}))
    chain = DAG({f"{n}": jobs[n] for n in reversed(range(1000))})
    assert chain.evaluate(tmp_path / "c", execution_mode="thread")["999"] == 1000


# 15


class Thing:
    def __init__(self, n: int) -> None:
        self.n = n

    def plus(self, x: int) -> int:
        return self.n + x


class TwoWords(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def odd() -> None:
    raise TwoWords("one", "two")


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_what_may_be_an_argument(tmp_path: Path, mode: str) -> None:
    grid = ParametrizedJob(lambda p, q: f"{p}{q}", ["p", "q"], [(1, "a"), ("x", 2.5), ("x", 1)])
    one = Job(lambda: 1)
    sub = DAG({"k": one, "empty": DAG()})
    dag = DAG(
        {
            "g": grid,
            "both": Job(lambda g, m: (g.to_dict(), m), {"g": grid, "m": grid["x"][1]}),
            "slice": Job(lambda s: dict(s), {"s": grid["x"]}),
            "listed": Job(lambda x: x, {"x": [one, {"k": (one, grid[1]["a"])}]}),
            "nested": Job(lambda d: d.to_dict(), {"d": sub}),
            "unpacked": Job(lambda d: dict(**d), {"d": DAG({"a": one, "b": Job(lambda: 2)})}),
            "empty": Job(
                lambda d, g: (dict(d), len(g)), {"d": DAG(), "g": ParametrizedJob(square, ["x"], [])}
            ),
            "method": Job(Thing(2).plus, {"x": one}),
            "plain": Job(lambda d, t: (type(d).__name__, type(t).__name__), {"d": {"k": 1}, "t": (1,)}),
            "dicts": Job(lambda d: d["k"], {"d": Job(lambda x: {"k": x}, {"x": Job(lambda: {"in": 3})})}),
            "sub": sub,
        }
    )
    out = dag.evaluate(tmp_path, execution_mode=mode, max_workers=2).to_dict()
    assert out["both"] == ({1: {"a": "1a"}, "x": {2.5: "x2.5", 1: "x1"}}, "x1")
    assert out["slice"] == {2.5: "x2.5", 1: "x1"}
    assert out["listed"] == [1, {"k": (1, "1a")}]
    assert out["nested"] == {"k": 1, "empty": {}}
    assert out["unpacked"] == {"a": 1, "b": 2}
    assert out["empty"] == ({}, 0)
    assert out["method"] == 3
    assert out["plain"] == ("dict", "tuple")
    assert out["dicts"] == {"in": 3}
    assert out["sub"] == {"k": 1, "empty": {}}
    assert set(out) == set(dag)


@pytest.mark.parametrize("mode", MODES)
def test_a_job_whose_value_is_a_dict_may_have_hidden_arguments(tmp_path: Path, mode: str) -> None:
    inner = Job(lambda: {"arg": {"x": 1}})
    dag = DAG({"a": Job(lambda x: {"arg": {"x": dict(x)}}, {"x": inner})})
    assert dag.evaluate(tmp_path, execution_mode=mode).to_dict() == {"a": {"arg": {"x": {"arg": {"x": 1}}}}}


def test_a_group_is_only_what_the_plan_says(tmp_path: Path) -> None:
    """A grid that has shrunk: outputs of points that are gone stay, and are no part of the group."""

    def dag_of(*values: int) -> DAG:
        grid = ParametrizedJob(lambda p: p, ["p"], [(v,) for v in values])
        return DAG({"g": grid, "sum": Job(lambda g, n: sum(g.values()), {"g": grid, "n": len(values)})})

    assert dag_of(1, 2, 3).evaluate(tmp_path, execution_mode="thread")["sum"] == 6
    smaller = dag_of(1, 2)
    with pytest.warns(RamifyWarning, match="g/3"):
        smaller.materialize(tmp_path / "plan")
    smaller.clear_outputs(tmp_path, ["sum"])
    out = smaller.execute_materialized(tmp_path, execution_mode="thread", skip_completed=True)
    assert out.to_dict() == {"g": {1: 1, 2: 2}, "sum": 3}
    larger = dag_of(4, 1, 2)
    larger.clear_outputs(tmp_path, ["sum"])
    out = larger.evaluate(tmp_path, execution_mode="thread", skip_completed=True)
    assert out.to_dict() == {"g": {4: 4, 1: 1, 2: 2}, "sum": 7}
    assert list(out["g"]) == [4, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_odd_errors_are_told_whole(tmp_path: Path, mode: str) -> None:
    with pytest.raises(DAGExecutionError) as caught:
        DAG({"a": Job(fail, {"text": "\x1b[31mred\\x"})}).evaluate(tmp_path / "a", execution_mode=mode)
    assert str(caught.value.cause) == "\x1b[31mred\\x"
    with pytest.raises(DAGExecutionError) as caught:
        DAG({"a": Job(odd)}).evaluate(tmp_path / "b", execution_mode=mode)
    assert type(caught.value.cause) is TwoWords
    assert str(caught.value.cause) == "one and two"


# ---- one piece of work, many keys


def test_shared_work_runs_once(tmp_path: Path) -> None:
    mark, gridmark = tmp_path / "mark", tmp_path / "gridmark"
    job = Job(touch, {"path": str(mark), "value": {"k": 1}})
    grid = ParametrizedJob(lambda p, path: touch(path, p), ["p"], [(1,), (2,)], {"path": str(gridmark)})
    dag = DAG({"a": job, "b": job, "s": DAG({"c": job}), "g": grid, "h": grid, "one": grid[1]})
    out = dag.evaluate(tmp_path / "run", execution_mode="thread").to_dict()
    assert out["a"] == out["b"] == out["s"]["c"] == {"k": 1}
    assert out["g"] == out["h"] == {1: 1, 2: 2} and out["one"] == 1
    assert (calls(mark), calls(gridmark)) == (1, 2)


# ---- grids alone, plans alone


def test_a_grid_is_evaluated_alone(tmp_path: Path) -> None:
    grid = ParametrizedJob(metric, ["model", "split"], [("m1", "train"), ("m2", "test")])
    out = grid.evaluate(tmp_path / "a", execution_mode="thread")
    assert out.to_dict() == {"m1": {"train": "m1:train:1"}, "m2": {"test": "m2:test:1"}}
    assert get_job_states(tmp_path / "a") == {"m1/train": "succeeded", "m2/test": "succeeded"}
    assert grid["m1"].evaluate(tmp_path / "b", execution_mode="thread").to_dict() == {"train": "m1:train:1"}


def test_a_plan_runs_without_its_dag(tmp_path: Path) -> None:
    DAG({"a": Job(square, {"x": 3})}).materialize(tmp_path / "plan", prefix="x")
    DAG({"b": Job(square, {"x": 4})}).materialize(tmp_path / "plan", prefix="y")
    lines: list[str] = []
    execute_plan(tmp_path, execution_mode="thread", max_workers=2, progress_callback=lines.append)
    assert deserialize(tmp_path / "outputs").to_dict() == {"x": {"a": 9}, "y": {"b": 16}}
    assert len(lines) >= 3


# ---- options


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"execution_mode": "warp"}, "warp"),
        ({"on_failure": "panic"}, "panic"),
        ({"max_workers": 0}, "max_workers"),
        ({"executor": 3}, "executor"),
        ({"retries": -1}, "retries"),
        ({"timeout": 0}, "timeout"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_written(
    tmp_path: Path, options: dict, words: str
) -> None:
    with pytest.raises(ModeError, match=words):
        DAG({"a": Job(square, {"x": 1})}).evaluate(tmp_path / "run", **options)
    assert os.listdir(tmp_path) == []


def test_executor_and_max_workers_exclude_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="not both"):
        DAG({"a": Job(square, {"x": 1})}).evaluate(tmp_path / "run", executor=pool, max_workers=2)
    with ThreadPoolExecutor(1) as pool:  # the constructor's number gives way
        out = DAG(2, nodes={"a": Job(square, {"x": 1})}).evaluate(
            tmp_path, executor=pool, execution_mode="thread"
        )
    assert out["a"] == 1


def test_a_callback_alone_turns_progress_on(tmp_path: Path) -> None:
    lines: list[str] = []
    dag = DAG({"a": Job(square, {"x": 1}), "b": Job(square, {"x": 2})})
    dag.evaluate(tmp_path, execution_mode="thread", progress_callback=lines.append)
    assert lines[0] == "[materialize] starting (2 jobs)"
    assert "[execute] [1/2] completed: a" in lines
    assert lines[-1] == "[execute] done"
    lines.clear()
    dag.execute_materialized(
        tmp_path, execution_mode="thread", skip_completed=True, progress_callback=lines.append
    )
    assert "[execute] [2/2] skipped: b" in lines


def test_skip_running_is_said_to_be_ignored(tmp_path: Path) -> None:
    dag = DAG({"a": Job(square, {"x": 1})})
    dag.materialize(tmp_path / "plan")
    with pytest.warns(RamifyWarning, match="skip_running is ignored"):
        dag.execute_materialized(tmp_path, execution_mode="thread", skip_running=True)


def test_a_plan_is_not_replaced_under_a_run(tmp_path: Path) -> None:
    dag = DAG({"a": Job(square, {"x": 1})})
    plan = dag.materialize(tmp_path / "plan")
    before = (plan / "plan.json").read_bytes()
    with FolderLock(tmp_path / "run", run="calm-otter"):
        for act in (dag.evaluate, dag.materialize, dag.clear_outputs):
            with pytest.raises(LockedError, match="calm-otter") as caught:
                act(tmp_path if act != dag.materialize else plan)
            assert caught.value.pid == os.getpid()
    assert (plan / "plan.json").read_bytes() == before
