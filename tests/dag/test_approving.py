"""A person decides on growths and starts, and lets a graph grow step by step."""

from pathlib import Path
from typing import Any

import pytest

from ramify import (
    DAG,
    ArgumentError,
    DAGExecutionError,
    Job,
    JobCancelled,
    Proposal,
    RamifyWarning,
    Rule,
    Status,
    after,
    resume,
)


def three_waves(asked: list[str] | None = None) -> DAG:
    """Each rule waits for what the one before it added."""
    dag = DAG()
    dag.submit(int, name="n0")
    for n in range(3):
        dag.add_rule(
            after(f"n{n}"), lambda view, n=n: view.submit(int, view[f"n{n}"], name=f"n{n + 1}"), name=f"r{n}"
        )
    return dag


@pytest.mark.slow
def test_a_rule_that_is_put_off_twice_is_applied_once() -> None:
    asked: list[str] = []
    answers = iter([False, None, True])

    def approve(proposal: Proposal) -> Any:
        if proposal.kind == "growth" and proposal.by == "r1":
            asked.append(str(proposal))
            return next(answers)
        return True

    dag = three_waves()
    dag.compute(approve=approve)
    dag.wait(30)
    assert asked == ["r1 adds n2"] * 3
    assert set(dag.nodes_by_name) == {"n0", "n1", "n2", "n3"}
    assert [rule.name for rule in dag.applied_rules] == ["r0", "r1", "r2"]


def test_a_growth_that_is_refused_never_comes() -> None:
    dag = three_waves()
    with pytest.warns(RamifyWarning, match="'r1' was refused; 'r2' waits for nodes 'n2'"):
        dag.compute(approve=lambda p: "refuse" if p.by == "r1" else True)
        dag.wait(30)
    assert set(dag.nodes_by_name) == {"n0", "n1"} and dag.status is Status.COMPLETED


def test_a_start_that_is_refused_is_a_cancelled_node() -> None:
    dag = DAG()
    a = dag.submit(int, name="a")
    b = dag.submit(int, a, name="b")
    c = dag.submit(int, name="c")
    dag.compute(approve=lambda p: "refuse" if p.by == "a" else True)
    dag.wait(30)
    assert (a.status, b.status, c.status) == (Status.CANCELLED, Status.PARENT_FAILED, Status.COMPLETED)
    with pytest.raises(JobCancelled, match="its start was refused"):
        a.result()


def test_a_start_that_is_put_off_comes_later() -> None:
    answers = iter([False, True])
    dag = DAG()
    a = dag.submit(int, name="a")
    dag.compute(approve=lambda p: next(answers))
    dag.wait(30)
    assert a.result() == 0


def test_an_approver_that_breaks_starts_nothing() -> None:
    dag = DAG()
    a = dag.submit(int, name="a")
    dag.compute(approve=lambda p: "perhaps")
    dag.wait(30)
    with pytest.raises(JobCancelled, match=r"approve\(\) raised ArgumentError"):
        a.result()


def test_step_by_step_ends_in_the_same_graph() -> None:
    dag = three_waves()
    dag.compute(max_growths=1)
    dag.wait(30)
    assert set(dag.nodes_by_name) == {"n0", "n1"}
    dag.step()
    dag.wait(30)
    assert set(dag.nodes_by_name) == {"n0", "n1", "n2"}
    dag.step(None)
    dag.wait(30)
    assert set(dag.nodes_by_name) == {"n0", "n1", "n2", "n3"} and not dag.rules


def test_no_growth_is_a_number_too() -> None:
    dag = three_waves()
    dag.compute(max_growths=0)
    dag.wait(30)
    assert set(dag.nodes_by_name) == {"n0"}
    with pytest.raises(ValueError, match="max_growths=-1"):
        three_waves().compute(max_growths=-1)


def four() -> int:
    return 4


def test_on_disk_a_run_goes_on_where_it_was_left(tmp_path: Path) -> None:
    dag = DAG({"n0": Job(four)})
    for n in range(3):

        def body(view: Any, n: int = n) -> None:
            view[f"n{n + 1}"] = Job(lambda x: x + 1, {"x": view[f"n{n}"]})

        dag.add_rule(Rule(after(f"n{n}"), body, f"r{n}"))
    seen: list[str] = []
    outputs = dag.evaluate(
        tmp_path, execution_mode="thread", max_growths=1, approve=lambda p: seen.append(str(p)) or True
    )
    assert dict(outputs.items()) == {"n0": 4, "n1": 5}
    assert seen == ["start n0", "r0 adds n1", "start n1"]
    assert dict(resume(tmp_path).items()) == {"n0": 4, "n1": 5, "n2": 6, "n3": 7}


def fails(proposal: Any) -> bool:
    raise OSError(f"nobody answers about {proposal.by}")


def test_on_disk_a_start_that_could_not_be_asked_about_says_why(tmp_path: Path) -> None:
    dag = DAG({"a": Job(int)})
    with pytest.raises(DAGExecutionError, match=r"job 'a' was cancelled: approve\(\) raised OSError: nobody"):
        dag.evaluate(tmp_path / "exp", execution_mode="thread", approve=fails)


@pytest.mark.parametrize(
    "words", [{"approve": 3}, {"max_growths": "2"}, {"max_growths": -1}, {"max_growths": True}]
)
@pytest.mark.parametrize("with_rules", [True, False])
def test_what_cannot_be_asked_is_refused_before_anything_starts(
    words: Any, with_rules: bool, tmp_path: Path
) -> None:
    for start in (DAG.compute, lambda dag, **words: dag.evaluate(tmp_path / "exp", **words)):
        dag = DAG({"a": Job(int)})
        if with_rules:
            dag.add_rule(None, lambda view: view.submit(int), name="adds")
        with pytest.raises(ArgumentError, match=next(iter(words))):
            start(dag, **words)
    assert not (tmp_path / "exp/run").exists()
