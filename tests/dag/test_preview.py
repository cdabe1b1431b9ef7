"""What a run would do is said before it does it, and is what it does."""

from pathlib import Path

from ramify import DAG, Job, ParametrizedJob
from ramify.dag.preview import fits, preview
from ramify.run.view import RunView, runs_in


def double(x: int) -> int:
    return 2 * x


def total(group: dict[int, int]) -> int:
    return sum(group.values())


def draft() -> DAG:
    dag = DAG(nodes={"g": ParametrizedJob(double, ["x"], [(n,) for n in range(3)])})
    dag["sum"] = Job(total, {"group": dag["g"]})
    dag["alone"] = Job(double, {"x": 4})
    return dag


def told(target: Path, **words: object) -> dict[str, tuple[str, str]]:
    found = preview(draft(), target, **words)  # type: ignore[arg-type]  # each test gives what it takes
    return {v.job_id: (v.verdict, v.cause.text) for v in found}


def test_nothing_is_there_so_all_would_run_and_nothing_is_written(tmp_path: Path) -> None:
    assert set(told(tmp_path / "exp", reuse="exists").values()) == {("RUN", "it has no output")}
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stands_and_what_runs_loads_it(tmp_path: Path) -> None:
    dag = draft()
    dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert {v for v, _ in told(tmp_path / "exp", reuse="exists").values()} == {"REUSE"}
    dag.clear_outputs(tmp_path / "exp" / "plan", ["sum"])
    found = told(tmp_path / "exp", reuse="exists")
    assert found["sum"] == ("RUN", "it has no output")
    assert found["g/1"] == ("LOAD", "its output is there")
    assert found["alone"] == ("REUSE", "its output is there")
    dag.evaluate(tmp_path / "exp", execution_mode="thread", skip_completed=True)
    view = RunView(runs_in(str(tmp_path / "exp" / "run"))[0])
    ran = {j.job_id for j in view.jobs() if j.state == "succeeded"}
    assert ran == {job_id for job_id, (verdict, _) in found.items() if verdict == "RUN"}


def test_what_is_forced_runs_and_what_is_not_asked_for_is_skipped(tmp_path: Path) -> None:
    draft().evaluate(tmp_path / "exp", execution_mode="thread")
    found = told(tmp_path / "exp", reuse="exists", force=["g/1"], jobs=["sum"])
    assert found["alone"] == ("SKIP", "not needed")
    assert found["sum"][0] == "REUSE"
    found = told(tmp_path / "exp", reuse="exists", force=["g/1"])
    assert found["g/1"] == ("RUN", "forced")


def test_reuse_is_off_unless_said_otherwise(tmp_path: Path) -> None:
    draft().evaluate(tmp_path / "exp", execution_mode="thread")
    assert set(told(tmp_path / "exp", reuse="off").values()) == {("RUN", "reuse is off")}


def test_ids_fit_globs_and_what_they_lie_below() -> None:
    assert fits("g/1", ["g"])
    assert fits("g/1", ["g/*"])
    assert not fits("gg/1", ["g"])
