"""What a stranger tries on the views of rules: texts for nodes, kept views, words for how rules ended."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, GraphError, GrowthError, Job, RamifyWarning, Status, after, closed


def itself(value: Any) -> Any:
    return value


def run(dag: DAG, **options: Any) -> DAG:
    dag.compute(**options)
    dag.wait(30)
    return dag


def test_nodes_are_counted_by_the_words_of_their_status() -> None:
    seen: list[tuple[int, ...]] = []
    dag = DAG()
    dag.submit(int, name="a")
    dag.add_rule(
        lambda v: v.count("a", status="completed") == 1,
        lambda v: seen.append((v.count("a", status="Completed"), v.count("a", status=Status.FAILED))),
    )
    run(dag)
    assert seen == [(1, 0)]
    with pytest.raises(ValueError, match="'done' is not a valid Status"):
        Status("done")


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_names_with_slashes_are_ordered_as_the_paths_they_read_as(place: str, tmp_path: Path) -> None:
    dag = DAG()
    for n in range(12):
        dag.submit(abs, -n, name=f"part/{n}")

    def gather(view: Any) -> None:
        assert view["part/3"].result == 3 and view.by_name("part/3") == view["part/3"]
        view.submit(list, view.nodes("part/*"), name="all")

    dag.add_rule(after("part/*"), gather)
    if place == "memory":
        found = run(dag).nodes_by_name["all"].result()
    else:
        found = dag.evaluate(tmp_path / "run", execution_mode="thread")["all"]
    assert found == list(range(12))


def test_a_name_that_is_a_number_is_a_key() -> None:
    dag = DAG()
    dag.add_rule(None, lambda v: v.submit(abs, -3, name=3))
    assert run(dag).nodes_by_name["3"].result() == 3


@pytest.mark.parametrize("many", [False, True])
def test_what_a_new_node_waits_for_may_be_said_by_its_key(many: bool) -> None:
    dag = DAG()
    dag.submit(int, name="there")

    def body(view: Any) -> None:
        view.submit(int, name="new/1")
        last = view.submit(int, name="last", depends_on=["there", "new/1"] if many else "there")
        if not many:
            last.depends_on("new/1")

    dag.add_rule(after("there"), body)
    run(dag)
    assert {p.name for p in dag.nodes_by_name["last"].parents.values()} == {"there", "new/1"}


def test_a_key_that_is_not_there_cannot_be_waited_for() -> None:
    dag = DAG()
    dag.add_rule(None, lambda v: v.submit(int, name="x", depends_on="missing"))
    dag.compute()
    with pytest.raises(KeyError, match="no node 'missing'"):
        dag.wait(30)
    assert not dag.nodes_by_name


def test_a_new_node_that_was_kept_takes_no_more_parents_and_tags() -> None:
    kept: list[Any] = []
    dag = DAG()
    dag.add_rule(None, lambda v: kept.append(v.submit(int, name="b")))
    run(dag)
    for act in (lambda: kept[0].tag("late"), lambda: kept[0].depends_on("b")):
        with pytest.raises(GrowthError, match="has ended"):
            act()


def test_why_tells_how_a_rule_failed_or_that_it_cannot_be_asked_again() -> None:
    dag = DAG()
    dag.submit(int)
    dag.add_rule(None, lambda v: 1 // 0, name="wrong")
    dag.add_rule(lambda v: False, lambda v: None, name="blind")
    with pytest.raises(ZeroDivisionError), pytest.warns(RamifyWarning, match="'blind'"):
        run(dag)
    told = "ZeroDivisionError: integer division or modulo by zero"
    assert dag.why("wrong") == f"the rule 'wrong' failed: {told}"
    assert dag.why("blind") == "the rule 'blind' said no and looked at nothing that can change"


def test_why_tells_that_a_rule_was_cancelled() -> None:
    gate = threading.Event()
    dag = DAG()
    dag.submit(gate.wait, 30, name="a")
    dag.add_rule(after("a", settled=True), lambda v: None, name="late")
    dag.compute()
    dag.cancel()
    gate.set()
    dag.wait(30)
    assert dag.why("late") == "the rule 'late' was cancelled"


@pytest.mark.slow
def test_thousands_of_closures_that_wait_cost_no_more_than_those_that_are_near() -> None:
    """Each rule waits for a scope of its own, and may add a node of its own; once this took minutes."""
    many = 2000
    dag = DAG()
    dag["go"] = Job(int)
    for n in range(many):
        dag.add_rule(
            closed(f"map/{n}/*"),
            lambda v, n=n: v.submit(len, v.nodes(f"map/{n}/*"), name=f"sum/{n}"),
            name=f"sum {n}",
            may_add=f"sum/{n}",
        )

    def scatter(view: Any) -> None:
        for n in range(0, many, 100):
            view.submit(int, name=f"map/{n}/only")

    dag.add_rule(after("go"), scatter, name="scatter", may_add="map")
    run(dag)
    found = [dag.nodes_by_name[f"sum/{n}"].result() for n in range(many)]
    assert found == [int(n % 100 == 0) for n in range(many)]


def test_options_that_are_parameters_of_the_function_are_said_first() -> None:
    def call(name: str, timeout: int) -> tuple[str, int]:
        return name, timeout

    def body(view: Any) -> None:
        view.options(name="node", timeout=20).submit(call, name="own", timeout=1, depends_on="a")
        with pytest.raises(ValueError, match="say options first"):
            view.submit(call, name="own", timeout=1)

    dag = DAG()
    dag.submit(int, name="a")
    dag.add_rule(after("a"), body)
    assert run(dag).nodes_by_name["node"].result() == ("own", 1)


def test_the_rules_of_a_run_on_disk_are_told_by_its_journal(tmp_path: Path) -> None:
    dag = DAG({"a": Job(int)})
    fired = dag.add_rule(after("a"), lambda v: v.submit(int, name="b"), name="fired")
    idle = dag.add_rule(after("nobody"), lambda v: None, name="idle", may_add="c")
    assert list(dag.rules) == [fired, idle]
    with pytest.warns(RamifyWarning, match="'idle' waits for nodes 'nobody'"):
        dag.evaluate(tmp_path / "run", execution_mode="thread")
    assert list(dag.rules) == [idle] and list(dag.applied_rules) == [fired]
    assert dag.why("fired") == "the rule 'fired' has fired"
    assert dag.why(idle) == "the rule 'idle' has not fired"
    with pytest.raises(KeyError, match="no rule and no node 'other'"):
        dag.why("other")


@pytest.mark.parametrize("name", ["part[1]", "[z]", "a*b", "why?"])
def test_a_key_that_reads_like_a_glob_is_found_by_itself(name: str) -> None:
    dag = DAG()
    dag.submit(int, "3", name=name)
    dag.add_rule(after(name), lambda view: view.submit(abs, view[name], name="end"))
    dag.compute()
    dag.wait(30)
    assert dag.nodes_by_name["end"].result() == 3


def test_why_names_what_a_rule_looked_at_and_was_not_content_with() -> None:
    dag = DAG()
    dag.submit(int, name="part/0")
    dag.add_rule(lambda view: view.count("part/*") > 1, lambda view: None, name="two")
    dag.add_rule(lambda view: view["part/0"].succeeded and view["part/0"].result > 1, int, name="large")
    with pytest.warns(RamifyWarning, match="2 rules never fired"):
        dag.compute()
        dag.wait(30)
    assert dag.why("two").endswith("what it looked at: nodes 'part/*', of which there is 1")
    assert dag.why("large").endswith("what it looked at: 'part/0', which is succeeded")


def kept_view(dag: DAG) -> Any:
    """The view, and the new node, of a body of another graph."""
    kept: list[Any] = []
    dag.submit(int, "7", name="a")
    dag.add_rule(after("a"), lambda view: kept.extend([view["a"], view.submit(int, name="new")]))
    dag.compute()
    dag.wait(30)
    return kept


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("nested", [False, True])
def test_jobs_cannot_refer_to_what_another_body_saw(which: int, nested: bool) -> None:
    stale = kept_view(DAG())[which]
    dag = DAG()
    dag.submit(int, "3", name="a")

    def body(view: Any) -> None:
        job = Job(itself, {"value": stale})
        view["other"] = DAG({"inner": Job(itself, {"value": job})}) if nested else job

    dag.add_rule(after("a"), body)
    dag.compute()
    with pytest.raises(GraphError, match=r"of another graph|by another body"):
        dag.wait(30)
    assert set(dag.nodes_by_name) == {"a"}


@pytest.mark.parametrize("place", ["memory", "disk"])
@pytest.mark.parametrize("key", [3, 2.5, True, datetime.date(2026, 11, 21)])
def test_a_node_is_found_by_the_key_that_it_has_in_the_draft(place: str, key: Any, tmp_path: Path) -> None:
    dag = DAG({"other": Job(itself, {"value": 1}), key: Job(itself, {"value": 7})})

    def body(view: Any) -> None:
        assert key in view and view[view[key].id] == view[key] and view.get(4) is None
        view.submit(itself, view[key], name="found")

    dag.add_rule(lambda view: view[key].succeeded, body, name="finds")
    if place == "disk":
        assert dag.evaluate(tmp_path / "exp", execution_mode="thread")["found"] == 7
    else:
        assert run(dag).nodes_by_name["found"].result() == 7
