"""What is said of rules in Python: errors, records, plans, and why."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, DAGExecutionError, Extend, Job, RamifyWarning, after, closed
from ramify.run.find import find_run_folder
from ramify.run.view import RunView, runs_in
from ramify.show.status import status_lines
from ramify.show.text import Paint


def four() -> int:
    return 4


def square(i: int) -> int:
    return i * i


def split(n: int) -> Extend:
    dag = DAG({k: Job(square, {"i": k}) for k in range(n)})
    return Extend(dag, [dag[k] for k in range(n)], then=sum)


def breaks(view: Any) -> None:
    raise KeyError("broken")


def adds_one(view: Any) -> None:
    view.submit(square, view["a"], name="b")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ramify.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAMIFY_RECORD")


def view_of(folder: Path) -> RunView:
    return RunView(runs_in(str(folder / "run"))[0])


def test_the_error_of_a_run_names_the_rule(tmp_path: Path) -> None:
    dag = DAG({"a": Job(four)})
    dag.add_rule(after("a"), breaks, name="x")
    with pytest.raises(DAGExecutionError, match=r"^rule 'x' failed: KeyError: 'broken'") as caught:
        dag.evaluate(tmp_path / "exp", execution_mode="thread")
    error = caught.value
    assert (error.failed_job_id, error.failed_rule, error.failed_rules) == (None, "x", {"x"})
    assert (error.completed_jobs, error.failed_jobs, error.cancelled_jobs) == ({"a"}, set(), set())
    assert isinstance(error.cause, KeyError) and error.rerun_snippet() is None
    assert "@rules" not in str(error)
    view = view_of(tmp_path / "exp")
    assert view.rule("x").state == "failed" and view.counts() == {"succeeded": 1}


def test_a_callback_hears_of_jobs_and_of_rules_that_failed(tmp_path: Path) -> None:
    lines: list[str] = []
    dag = DAG({"a": Job(four)})
    dag.add_rule(after("a"), adds_one)
    dag.add_rule(after("a"), breaks, name="x")
    with pytest.raises(DAGExecutionError):
        dag.evaluate(tmp_path / "exp", execution_mode="thread", progress_callback=lines.append)
    assert "[execute] starting (1 jobs)" in lines and "[execute] failed: rule x" in lines
    assert "[execute] [2/2] completed: b" in lines and "@rules" not in "".join(lines)


@pytest.mark.filterwarnings("ignore::ramify.errors.RamifyWarning")
def test_a_live_graph_records_what_never_fired(tmp_path: Path) -> None:
    dag = DAG()
    dag.submit(four, name="a")
    dag.add_rule(after("a"), adds_one, name="one")
    dag.add_rule(after("nothing"), adds_one, name="idle")
    dag.compute()
    dag.wait(30)
    view = RunView(find_run_folder("latest"))
    text = "waits for nodes 'nothing', of which there are none"
    assert view.unfired == {"idle": text}
    assert {rule.name: rule.state for rule in view.rules()} == {"one": "fired", "idle": "unfired"}
    assert len(view.rule("one").added) == 1
    assert view.added_by(view.rule("one").added[0]) == "@rules/one"
    assert dag.why("idle") == f"the rule 'idle' {text}"


def test_why_of_what_was_added(tmp_path: Path) -> None:
    dag = DAG({"parts": Job(split, {"n": 2}, may_add=())})
    dag.submit(four, name="a")
    dag.add_rule(after("a"), adds_one, name="one", may_add="b")
    dag.compute()
    dag.wait(30)
    assert dag.why("one").startswith("the rule 'one' has fired: it added ")
    assert dag.why(dag.nodes_by_name["b"]).endswith(" rule one added it")
    assert dag.why("parts/0").endswith(" parts added it")
    assert dag.why("b").count("added it") == 1 and "@rules" not in dag.why("b")
    assert "added it" not in dag.why(dag.nodes_by_name["a"]).replace("was added", "")


def test_a_plan_names_what_may_grow_and_no_rule(tmp_path: Path) -> None:
    dag = DAG({"parts": Job(split, {"n": 2}, may_add=()), "a": Job(four)})
    dag.add_rule(after("a"), adds_one, name="one", may_add="b")
    before = dag.plan(tmp_path / "exp")
    assert before.will_run() == ["parts", "a"] and before.may_grow == {"rules": ["one"], "jobs": ["parts"]}
    assert "may grow: rule one; job parts" in str(before).splitlines()
    dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert set(view_of(tmp_path / "exp").job_ids()) == {"parts", "parts/0", "parts/1", "a", "b"}
    after_it = dag.plan(tmp_path / "exp")
    executed = set(after_it.will_run()) | set(after_it.may_run())
    assert set(after_it.may_grow["jobs"]) <= executed and len(after_it) == 2


def test_without_growth_a_plan_says_nothing_of_it(tmp_path: Path) -> None:
    found = DAG({"a": Job(four)}).plan(tmp_path / "exp")
    assert "may grow" not in str(found) and found.to_dict()["may_grow"] == {"rules": [], "jobs": []}


def test_a_rule_that_fails_while_another_waits_is_told_once(tmp_path: Path) -> None:
    def waits(view: Any) -> None:
        view.submit(len, view.nodes("part"), name="count")

    dag = DAG()
    dag.submit(four, name="a")
    dag.add_rule(closed("part"), waits, name="waits", may_add="count")
    dag.add_rule(after("a"), breaks, name="x", may_add="part")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dag.compute()
        with pytest.raises(KeyError):
            dag.wait(30)
    told = [str(one.message) for one in caught if issubclass(one.category, RamifyWarning)]
    assert told == ["rule 'x' failed: what waits for closed('part') goes on without what it would have added"]
    assert dag.nodes_by_name["count"].result() == 0


def test_to_stop_growing_is_no_refusal(tmp_path: Path) -> None:
    dag = DAG({"a": Job(four)})
    dag.add_rule(after("a"), adds_one, name="one")
    outputs = dag.evaluate(
        tmp_path / "exp", execution_mode="thread", approve=lambda p: "stop" if p.kind == "growth" else True
    )
    assert list(outputs) == ["a"]
    ends = next((tmp_path / "exp/run").glob("*/journal.jsonl")).read_text().splitlines()
    assert json.loads(ends[-1])[1]["unfired"]["one"].startswith("waits for leave to grow")


@pytest.mark.slow
def test_a_growth_that_is_put_off_keeps_the_barrier() -> None:
    """Somebody will be asked again: the rule is not one that can never fire."""
    dag = DAG()
    dag.submit(four, name="a")
    dag.add_rule(
        after("a"),
        lambda view: view.submit(square, 3, name="p", tags=["part"]),
        name="one",
        may_add=["part", "p"],
    )
    dag.add_rule(
        closed("part"),
        lambda view: view.submit(sum, view.nodes("part"), name="total"),
        may_add="total",
        name="all",
    )
    answers = iter([False, False, True])
    dag.compute(approve=lambda p: next(answers) if p.by == "one" else True)
    dag.wait(30)
    assert dag.nodes_by_name["total"].result() == 9


def test_why_of_a_live_rule_that_failed() -> None:
    dag = DAG()
    dag.submit(four, name="a")
    dag.add_rule(after("a"), breaks, name="x")
    dag.compute()
    with pytest.raises(KeyError):
        dag.wait(30)
    assert dag.why("x") == "the rule 'x' failed: KeyError: 'broken'"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ramify.errors.RamifyWarning")
def test_very_many_rules_that_never_fired_are_all_named(tmp_path: Path) -> None:
    dag = DAG({"a": Job(four)})
    for n in range(300):
        dag.add_rule(after("never"), adds_one, name=f"r{n}", may_add=f"x{n}")
    dag.evaluate(tmp_path / "exp", execution_mode="thread")
    unfired = view_of(tmp_path / "exp").unfired
    assert len(unfired) == 300 and unfired["r0"].startswith("waits for nodes 'never'")
    assert unfired["r299"] == "waits for what is not written down: 300 rules never fired"
    lines = status_lines(view_of(tmp_path / "exp"), Paint(False))
    assert lines[-1] == "and 260 more rules; --json has them all"
