"""Graphs that grow while they are evaluated to a folder."""

import subprocess
import sys
import textwrap
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, DAGExecutionError, Extend, GrowthError, Job, RamifyWarning, after, closed

MODES = ["thread", "subprocess", "process"]


def four() -> int:
    return 4


def square(i: int) -> int:
    return i * i


def add_up(parts: list[int]) -> int:
    return sum(parts)


def grow(view: Any) -> None:
    parts = []
    for i in range(view["a"].result):
        view[f"m/{i}"] = Job(square, {"i": i}, tags=["part"])
    view.submit(len, parts, name="count")


def reduce(view: Any) -> None:
    view.submit(add_up, view.nodes("part"), name="total")


def with_rules() -> DAG:
    dag = DAG({"a": Job(four)})
    dag.add_rule(after("a"), grow, may_add=["part", "m", "count"])
    dag.add_rule(closed("part"), reduce, may_add="total")
    return dag


def split(n: int) -> Extend:
    dag = DAG({k: Job(square, {"i": k}) for k in range(n)})
    return Extend(dag, [dag[k] for k in range(n)], then=add_up)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_rules_add_jobs_whose_outputs_are_there(mode: str, tmp_path: Path) -> None:
    outputs = with_rules().evaluate(tmp_path / "exp", execution_mode=mode, max_workers=2)
    assert outputs["total"] == 14 and outputs["count"] == 0
    assert {n: outputs["m"][n] for n in range(4)} == {n: n * n for n in range(4)}
    assert (tmp_path / "exp/outputs/m/3.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_jobs_add_jobs(mode: str, tmp_path: Path) -> None:
    dag = DAG({"parts": Job(split, {"n": 4}, may_add=())})
    dag["twice"] = Job(lambda x: 2 * x, {"x": dag["parts"]})
    outputs = dag.evaluate(tmp_path / "exp", execution_mode=mode)
    assert dict(outputs.items()) == {"parts": 14, "twice": 28}


def added_up(values: dict[str, int], offset: int) -> int:
    return sum(values.values()) + offset


def parts_and_offset(n: int) -> Extend:
    dag = DAG({f"part{k}": Job(square, {"i": k}) for k in range(n)})
    return Extend(dag, then=partial(added_up, offset=100))


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_the_value_of_a_job_that_adds_may_be_all_that_it_adds(mode: str, tmp_path: Path) -> None:
    dag = DAG({n: Job(parts_and_offset, {"n": n}, may_add=()) for n in (0, 3)})
    outputs = dag.evaluate(tmp_path / "exp", execution_mode=mode)
    assert dict(outputs.items()) == {0: 100, 3: 105}


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["thread", "subprocess"])
def test_maps_of_maps_and_loops(mode: str, tmp_path: Path) -> None:
    dag = DAG()
    nested = dag.map(split, dag.submit(lambda: [1, 2, 3]), name="map")
    dag.submit(lambda x: x, dag.reduce(add_up, nested, name="sum"), name="end")
    dag.repeat(lambda x: 2 * x, 1, until=lambda x: x > 20, name="loop")
    outputs = dag.evaluate(tmp_path / "exp", execution_mode=mode)
    assert outputs["map"] == [0, 1, 5] and outputs["end"] == 6 and outputs["loop"] == 32


def test_a_second_run_reuses_what_rules_added(tmp_path: Path) -> None:
    with_rules().evaluate(tmp_path / "exp", execution_mode="thread")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "exp/outputs").rglob("*.json")}
    outputs = with_rules().evaluate(tmp_path / "exp", execution_mode="thread", reuse="auto")
    assert outputs["total"] == 14
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "exp/outputs").rglob("*.json")}


def test_a_rule_that_never_fires_is_named_and_a_failure_where_strict(tmp_path: Path) -> None:
    dag = DAG({"a": Job(four)})
    dag.add_rule(lambda view: "missing" in view, lambda view: None, name="idle")
    with pytest.warns(RamifyWarning, match="'idle' waits for a node 'missing'"):
        dag.evaluate(tmp_path / "one", execution_mode="thread")
    with pytest.raises(DAGExecutionError, match="'idle' never fired"):
        dag.evaluate(tmp_path / "two", execution_mode="thread", strict=True)


def test_a_body_that_breaks_its_declaration_fails_the_run(tmp_path: Path) -> None:
    dag = DAG({"a": Job(four)})
    dag.add_rule(None, lambda view: view.submit(four, name="strange"), name="liar", may_add="pdf")
    with pytest.raises(DAGExecutionError) as told:
        dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert isinstance(told.value.cause, GrowthError) or "may add 'pdf' only" in str(told.value)
    assert not (tmp_path / "exp/outputs/strange.json").exists()


def test_a_failure_below_a_job_that_added_it_is_told(tmp_path: Path) -> None:
    def bad(n: int) -> Extend:
        return Extend(DAG({"x": Job(lambda: 1 // 0)}))

    dag = DAG({"parts": Job(bad, {"n": 4}, may_add=())})
    with pytest.raises(DAGExecutionError) as told:
        dag.evaluate(tmp_path / "exp", execution_mode="thread", on_failure="continue")
    assert isinstance(told.value.cause, ZeroDivisionError)
    assert set(told.value.failed_jobs) == {"parts", "parts/x"}


SCRIPT = """
    import os, signal, sys
    from ramify import DAG, Job, after, closed

    def note(what):
        with open("notes", "a") as file:
            file.write(what + "\\n")

    def work(n):
        note(f"ran {n}")
        if os.path.exists("die") and n == int(open("die").read()):
            os.unlink("die")
            os.kill(os.getpid(), signal.SIGKILL)
        return n

    def total(parts):
        return sum(parts)

    def make(start, count):
        def body(view):
            for n in range(start, start + count):
                view.submit(work, n, name=f"n/{n}", tags=["part"], depends_on=view["first"])
            if start + count < 30:
                view.add_rule(after(f"n/{start}"), make(start + count, count), name=f"more {start}")
        return body

    dag = DAG({"first": Job(work, {"n": -1})})
    dag.add_rule(after("first"), make(0, 10), name="begin", may_add=["part", "n"])
    def finish(view):
        view.submit(total, view.nodes("part"), name="total")

    dag.add_rule(closed("part"), finish, may_add="total")

    if __name__ == "__main__":
        if sys.argv[1] == "go":
            dag.evaluate("exp", execution_mode="thread")
        else:
            from ramify import resume
            print(resume("exp")["total"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("victim", [-1, 0, 7, 13, 29])
def test_a_run_whose_driver_was_killed_ends_in_the_same_graph(victim: int, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(textwrap.dedent(SCRIPT))
    (tmp_path / "die").write_text(str(victim))
    run = [sys.executable, "flow.py"]
    killed = subprocess.run(
        [*run, "go"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert killed.returncode == -9, killed.stderr
    again = subprocess.run(
        [*run, "on"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert again.returncode == 0, again.stderr
    assert again.stdout.split() == [str(sum(range(30)))]
    ran = (tmp_path / "notes").read_text().split("\n")[:-1]
    twice = [what for what in set(ran) if ran.count(what) > 1]
    assert twice == [f"ran {victim}"], "only what was under way is done again"
    assert len(set(ran)) == 31
    folder = tmp_path / "exp/outputs"
    assert sorted(int(p.stem) for p in (folder / "n").glob("*.json")) == list(range(30))


@pytest.mark.slow
def test_rules_and_jobs_that_add_run_in_an_executor_of_the_user(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, get_context("forkserver")) as pool:
        assert with_rules().evaluate(tmp_path / "one", executor=pool)["total"] == 14
        dag = DAG({"parts": Job(split, {"n": 4}, may_add=())})
        assert dag.evaluate(tmp_path / "two", executor=pool)["parts"] == 14


def undeclared() -> Extend:
    return Extend(DAG({"x": Job(four)}))


class Unreadable:
    def __reduce__(self) -> Any:
        return broken, ()


def broken() -> None:
    raise OSError("it is read elsewhere")


def unreadable() -> Extend:
    return Extend(DAG({"x": Job(square, {"i": Unreadable()})}))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["thread", "process"])
@pytest.mark.parametrize("other", [None, ()])
def test_a_job_that_adds_and_does_not_say_so_fails_with_what_to_say(
    mode: str, other: Any, tmp_path: Path
) -> None:
    dag = DAG({"a": Job(undeclared), "b": Job(four, may_add=other)})
    with pytest.raises(DAGExecutionError, match=r"job 'a' failed: GrowthError: 'a' returned .*may_add=\(\)"):
        dag.evaluate(tmp_path / "exp", execution_mode=mode, on_failure="continue")
    assert (tmp_path / "exp/outputs/b.json").exists()


@pytest.mark.slow
def test_a_growth_that_cannot_be_read_fails_its_job_alone(tmp_path: Path) -> None:
    dag = DAG({"a": Job(unreadable, may_add=()), "b": Job(four)})
    with pytest.raises(DAGExecutionError, match="job 'a' failed: OSError: it is read elsewhere"):
        dag.evaluate(tmp_path / "exp", execution_mode="process", on_failure="continue")
    assert (tmp_path / "exp/outputs/b.json").exists()


def test_the_deadline_of_a_node_that_a_rule_adds_is_kept(tmp_path: Path) -> None:
    dag = DAG({"a": Job(four)})
    dag.add_rule(after("a"), lambda view: view.submit(four, name="b", deadline=77), name="adds")
    dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert '"deadline":77.0' in (tmp_path / "exp/plan/grown.jsonl").read_text()


def listed(parts: list[int]) -> list[int]:
    return parts


def below_values(view: Any) -> None:
    """Adds below a job that is there, below one that is new, and a job above what is new."""
    view.attach(DAG({"p": Job(square, {"i": 5})}), under="a")
    view.submit(square, 6, name="q")
    view.submit(square, 7, name="q/z")
    view["s/t"] = Job(square, {"i": 8})
    view.add_rule(after("s/t", "q", "q/z"), above_scopes, name="above")


def above_scopes(view: Any) -> None:
    view["s"] = Job(square, {"i": 9})
    view.add_rule(after("s"), gather_all, name="gather")


def gather_all(view: Any) -> None:
    keys = ("a", "a/p", "q", "q/z", "s/t", "s")
    view.submit(listed, [view[key] for key in keys], name="all")
    view.submit(listed, [node.result for node in view.nodes(*keys)], name="seen")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["thread", "process"])
def test_what_is_added_below_a_job_leaves_its_value_alone(mode: str, tmp_path: Path) -> None:
    dag = DAG({"a": Job(four)})
    dag.add_rule(after("a"), below_values, name="below")
    outputs = dag.evaluate(tmp_path / "exp", execution_mode=mode)
    assert outputs["all"] == [4, 25, 36, 49, 64, 81]
    assert outputs["seen"] == [4, 25, 36, 49, 81, 64]
    assert (outputs["a"], outputs["q"], outputs["s"]["t"]) == (4, 36, 64)
    again = DAG({"a": Job(four)})
    again.add_rule(after("a"), below_values, name="below")
    assert again.evaluate(tmp_path / "exp", execution_mode=mode, reuse="auto")["all"] == outputs["all"]
    assert '"s"' in (tmp_path / "exp/plan/grown.jsonl").read_text()
