"""Rules in a graph that is computed in this process: what they may see, do, and wait for."""

import itertools
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from ramify import (
    DAG,
    CycleError,
    DuplicateKeyError,
    GraphError,
    GrowthError,
    Job,
    ParametrizedJob,
    RamifyWarning,
    Rule,
    RuleDeadlock,
    Status,
    UnfiredRule,
    after,
    closed,
    rule,
)


def run(dag: DAG, **options: Any) -> DAG:
    """Computes a graph that is to be done within the guard."""
    dag.compute(**options)
    dag.wait(30)
    return dag


def results(dag: DAG) -> dict[str, Any]:
    return {name: node.result() for name, node in dag.nodes_by_name.items()}


def four() -> int:
    return 4


def test_map_and_reduce() -> None:
    dag = DAG()
    dag.submit(four, name="A")

    def grow(view: Any) -> None:
        parts = [
            view.submit(lambda i: i * i, i, name=f"m{i}", depends_on=view["A"])
            for i in range(view["A"].result)
        ]
        view.submit(sum, parts, name="R")

    grown = dag.add_rule(after("A"), grow)
    run(dag)
    assert results(dag) == {"A": 4, "m0": 0, "m1": 1, "m2": 4, "m3": 9, "R": 14}
    edges = {(p.name, n.name) for n in dag.nodes.values() for p in n.parents.values()}
    assert edges == {("A", f"m{i}") for i in range(4)} | {(f"m{i}", "R") for i in range(4)}
    assert dag.applied_rules == (grown,) and dag.rules == ()
    assert dag.stats()["total_count"] == 6


def test_rules_that_add_rules() -> None:
    dag = DAG()
    dag.submit(int, name="first")

    def third(view: Any) -> None:
        view.submit(int, name="the")

    def second(view: Any) -> None:
        view.submit(int, name="what", depends_on=view["first"])
        view.add_rule(None, third)

    dag.add_rule(None, lambda view: view.add_rule(None, second))
    run(dag)
    assert set(results(dag)) == {"first", "what", "the"}
    assert list(dag.nodes_by_name["what"].parents.values()) == [dag.nodes_by_name["first"]]
    assert len(dag.applied_rules) == 3 and not dag.rules


@pytest.mark.parametrize("answer", [True, False])
def test_a_result_chooses_the_branch(answer: bool) -> None:
    dag = DAG()
    dag.submit(lambda: answer, name="question")
    dag.add_rule(
        lambda v: v.succeeded("question") and v["question"].result, lambda v: v.submit(int, name="True Case")
    )
    dag.add_rule(
        lambda v: v.succeeded("question") and not v["question"].result,
        lambda v: v.submit(int, name="False Case"),
    )
    with pytest.warns(RamifyWarning, match="1 rule never fired"):
        run(dag)
    assert set(results(dag)) == {"question", f"{answer} Case"}


def test_results_of_several_nodes_reach_the_body() -> None:
    dag = DAG()
    dag.submit(lambda: "a b c", name="words")
    dag.submit(lambda: "x", name="other")

    def split(view: Any) -> None:
        for word in view["words"].result.split():
            view.submit(str.upper, word, name=word, depends_on=[view["words"], view["other"]])

    dag.add_rule(after("words", "other"), split)
    run(dag)
    assert {n: results(dag)[n] for n in "abc"} == {"a": "A", "b": "B", "c": "C"}
    for name in "abc":
        assert {p.name for p in dag.nodes_by_name[name].parents.values()} == {"words", "other"}


def fail() -> None:
    raise ZeroDivisionError("no")


def test_a_failure_and_the_rules_that_wait_for_it() -> None:
    dag = DAG()
    a = dag.submit(fail, name="a")
    b = dag.submit(lambda x: x, a, name="b")
    c = dag.submit(int, name="c")
    dag.submit(lambda x: x, c, name="d")
    on_success = dag.add_rule(after("a"), lambda v: v.submit(int, name="never"), name="on success")
    on_end = dag.add_rule(
        after("a", settled=True), lambda v: v.submit(str, v["a"].error, name="rescue"), name="on end"
    )
    with (
        pytest.warns(RamifyWarning, match="'on success' waits for 'a', which is failed"),
        pytest.raises(ZeroDivisionError),
    ):
        run(dag)
    assert b.status is Status.PARENT_FAILED and c.status is Status.COMPLETED
    assert dag.nodes_by_name["d"].status is Status.COMPLETED
    assert dag.nodes_by_name["rescue"].result() == "no"
    assert dag.applied_rules == (on_end,) and dag.rules == (on_success,)
    assert dag.why(on_success) == "the rule 'on success' waits for 'a', which is failed"
    assert dag.status is Status.FAILED


def test_a_failure_of_a_node_that_a_rule_added_is_its_own_exception() -> None:
    dag = DAG()
    dag.add_rule(None, lambda v: v.submit(fail, name="grown"))
    dag.compute()
    with pytest.raises(ZeroDivisionError):
        dag.wait(30)
    assert dag.nodes_by_name["grown"].status is Status.FAILED


def test_a_rule_that_never_fires_is_told_and_is_a_failure_where_strict() -> None:
    def make() -> DAG:
        dag = DAG()
        dag.submit(int, name="a")
        dag.add_rule(lambda v: "missing" in v, lambda v: None, name="idle")
        return dag

    dag = make()
    with pytest.warns(RamifyWarning, match="'idle' waits for a node 'missing', which is not there"):
        run(dag)
    assert dag.status is Status.COMPLETED and [r.name for r in dag.rules] == ["idle"]
    dag = make()
    dag.compute(strict=True)
    with pytest.raises(UnfiredRule, match="a node 'missing'") as told:
        dag.wait(30)
    assert told.value.rule == "idle" and dag.status is Status.FAILED


ILLEGAL: dict[str, tuple[Callable[[Any], object], type[Exception]]] = {
    "an edge from new to finished": (lambda v: v["done"].depends_on(v.submit(int)), GraphError),
    "an edge from new to running": (lambda v: v["running"].depends_on(v.submit(int)), GraphError),
    "a circle": (lambda v: _circle(v), CycleError),
    "a foreign parent": (lambda v: v.submit(str, DAG().submit(int)), GraphError),
    "a key that is taken": (lambda v: v.submit(str, name="done"), DuplicateKeyError),
    "a key twice": (lambda v: [v.submit(str, name="x"), v.submit(str, name="x")], DuplicateKeyError),
    "a removal": (lambda v: v.__delitem__("done"), GrowthError),
    "an error of its own": (lambda v: 1 / 0, ZeroDivisionError),
}


def _circle(view: Any) -> None:
    a = view.submit(int, name="a")
    b = view.submit(int, a, name="b")
    a.depends_on(b)


@pytest.mark.parametrize("what", ILLEGAL)
def test_what_is_not_allowed_is_refused_at_the_call_and_changes_nothing(what: str) -> None:
    act, kind = ILLEGAL[what]
    went_on = []
    gate = threading.Event()
    dag = DAG()
    dag.submit(int, name="done")
    dag.submit(gate.wait, 30, name="running")

    def body(view: Any) -> None:
        view.submit(int, name="before")
        try:
            act(view)
        finally:
            gate.set()
        went_on.append(1)

    dag.add_rule(after("done"), body, name="bad")
    dag.compute()
    with pytest.raises(kind):
        dag.wait(30)
    assert not went_on
    assert set(dag.nodes_by_name) == {"done", "running"}
    assert not dag.applied_rules


def test_the_view_of_a_body_that_has_ended_adds_nothing() -> None:
    kept = []
    dag = DAG()
    dag.add_rule(None, kept.append)
    run(dag)
    with pytest.raises(GrowthError, match="has ended"):
        kept[0].submit(int)


def test_equal_nodes_under_one_key_are_one() -> None:
    dag = DAG()
    dag.submit(int, name="a")
    for n in range(2):
        dag.add_rule(after("a"), lambda v: v.submit(abs, -3, name="same", tags=["t"]), name=f"r{n}")
    run(dag)
    assert results(dag) == {"a": 0, "same": 3}


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_late_merge_gets_all_in_any_order_of_the_rules(order: tuple[int, ...]) -> None:
    dag = DAG()
    dag.submit(int, name="fixed", tags=["pdf"])
    dag.submit(lambda: 1, name="one")
    dag.submit(lambda: (time.sleep(0.02), 2)[1], name="two")

    def produce(source: str) -> Rule:
        def body(view: Any) -> None:
            for n in range(view[source].result):
                view.submit(int, name=f"{source}-{n}", tags=["pdf"])

        return Rule(after(source), body, name=source, may_add="pdf")

    merge = Rule(closed("pdf"), lambda v: v.submit(len, v.nodes("pdf"), name="merge"))
    rules = [produce("one"), produce("two"), merge]
    for index in order:
        dag.add_rule(rules[index])
    run(dag)
    assert dag.nodes_by_name["merge"].result() == 4
    assert not dag.rules


@pytest.mark.parametrize("count", [0, 3])
def test_gathering_over_scopes_keeps_the_order_of_the_index(count: int) -> None:
    dag = DAG()
    dag.submit(lambda: list(range(count)), name="input")

    def scatter(view: Any) -> None:
        for n in view["input"].result:
            scope = DAG()
            scope["stage1"] = Job(lambda n: 10 * n, {"n": n})
            scope["stage2"] = Job(lambda x: x + 1, {"x": scope["stage1"]})
            view.attach(scope, under=f"map/{n}")

    dag.add_rule(after("input"), scatter, may_add="map/**")
    dag.add_rule(
        closed("map/*/stage1"),
        lambda v: v.submit(list, v.nodes("map/*/stage1"), name="gather"),
        may_add="gather",
    )
    run(dag)
    assert dag.nodes_by_name["gather"].result() == [10 * n for n in range(count)]


def test_numbers_in_keys_are_ordered_by_value() -> None:
    dag = DAG()
    for n in range(12):
        dag.submit(lambda n: n, n, name=f"n{n}")
        dag[n] = Job(lambda n: n, {"n": n})
    dag.add_rule(None, lambda v: v.submit(list, [v[str(n)] for n in range(12)], name="all"))
    run(dag)
    assert dag.nodes_by_name["all"].result() == list(range(12))


def test_a_waiting_rule_is_asked_only_when_something_it_reads_changes() -> None:
    asked = []
    gate = threading.Event()
    dag = DAG(max_workers=3)
    dag.submit(gate.wait, 30, name="slow")
    dag.add_rule(lambda v: asked.append(1) or v["slow"].settled, lambda v: v.submit(int, name="end"))
    previous = dag.submit(int)
    for _ in range(300):
        previous = dag.submit(lambda x: x, previous)
    dag.compute()
    previous.wait(30)
    assert len(asked) <= 1
    gate.set()
    dag.wait(30)
    assert len(asked) <= 2


@pytest.mark.slow
def test_a_deep_chain_grown_node_by_node() -> None:
    depth = 2000
    dag = DAG()
    dag.submit(int, name="n/0")

    def grow(n: int) -> Rule:
        def body(view: Any) -> None:
            view.submit(lambda x: x + 1, view[f"n/{n}"], name=f"n/{n + 1}")
            if n + 1 < depth:
                view.add_rule(grow(n + 1))

        return Rule(after(f"n/{n}"), body)

    dag.add_rule(grow(0))
    run(dag)
    assert dag.nodes_by_name[f"n/{depth}"].result() == depth
    assert len(dag.applied_rules) == depth


def test_the_closure_of_a_tag_waits_for_jobs_that_may_add() -> None:
    gate = threading.Event()
    seen = []
    dag = DAG(max_workers=3)
    dag.submit(gate.wait, 30, name="maker", may_add=["pdf"])
    dag.add_rule(closed("pdf"), lambda v: seen.append(gate.is_set()), name="merge")
    dag.submit(time.sleep, 0.05)
    dag.compute()
    gate.set()
    dag.wait(30)
    assert seen == [True]


def test_a_producer_that_can_never_fire_releases_the_barrier_and_is_named() -> None:
    dag = DAG()
    dag.submit(int, name="there", tags=["pdf"])
    dag.add_rule(lambda v: "missing" in v, lambda v: None, name="dead", may_add="pdf")
    dag.add_rule(closed("pdf"), lambda v: v.submit(list, v.nodes("pdf"), name="merge"), name="merge")
    with pytest.warns(RamifyWarning) as told:
        run(dag)
    assert any("'dead' can never fire (waits for a node 'missing'" in str(w.message) for w in told)
    assert dag.nodes_by_name["merge"].result() == [0]


def test_closures_that_wait_for_each_other_are_a_deadlock() -> None:
    dag = DAG()
    dag.submit(int)
    dag.add_rule(closed("a"), lambda v: None, name="one", may_add="b")
    dag.add_rule(closed("b"), lambda v: None, name="other", may_add="a")
    dag.compute()
    with pytest.raises(RuleDeadlock, match="'one', 'other'") as told:
        dag.wait(30)
    assert told.value.rules == ["one", "other"]


def test_a_body_that_breaks_its_declaration_is_refused_whole() -> None:
    dag = DAG()

    def body(view: Any) -> None:
        view.submit(int, name="fine", tags=["pdf"])
        view.submit(int, name="strange")

    dag.add_rule(None, body, name="liar", may_add="pdf")
    dag.compute()
    with pytest.raises(GrowthError, match="'liar' adds 'strange', and says that it may add 'pdf' only"):
        dag.wait(30)
    assert not dag.nodes_by_name


@pytest.mark.parametrize(
    ("limit", "wanted", "fine"),
    [("map", "map/3", True), ("map", "map/*", True)] + [("map/*", "map/3", False), ("map", "maps", False)],
)
def test_a_rule_that_a_body_adds_may_say_that_it_adds_less(limit: str, wanted: str, fine: bool) -> None:
    dag = DAG()
    inner = Rule(None, lambda view: view.submit(int, name="map/3"), name="inner", may_add=wanted)
    dag.add_rule(None, lambda view: view.add_rule(inner), name="outer", may_add=limit)
    if fine:
        assert results(run(dag)) == {"map/3": 0}
    else:
        with pytest.raises(GrowthError, match="the rule 'inner' that it adds may add"):
            run(dag)


def test_a_rule_that_a_body_adds_may_add_what_its_parent_may() -> None:
    dag = DAG()
    dag.add_rule(
        None,
        lambda v: v.add_rule(None, lambda w: w.submit(int, name="x"), may_add="x"),
        name="p",
        may_add="y",
    )
    dag.compute()
    with pytest.raises(GrowthError, match="'p' may add 'y'"):
        dag.wait(30)


def test_nothing_comes_after_somebody_acted_on_a_closure() -> None:
    """What it says it may add was no pdf; that it is one all the same is found out."""
    dag = DAG()
    dag.submit(int, name="start")
    dag.add_rule(closed("pdf/*"), lambda v: v.submit(int, name="merged"), name="merge", may_add="merged")
    dag.add_rule(
        after("merged"), lambda v: v.submit(int, name="pdf/1", tags=["late"]), name="liar", may_add="late"
    )
    dag.compute()
    with pytest.raises(GrowthError, match=r"'merge' has acted on closed\('pdf/\*'\)"):
        dag.wait(30)


def test_jobs_grids_and_dags_are_added_under_keys() -> None:
    dag = DAG()
    dag["a"] = Job(four)

    def body(view: Any) -> None:
        view["b"] = Job(lambda x: x + 1, {"x": view["a"]})
        view["grid"] = ParametrizedJob(lambda n, k: n * k, ["n"], [(1,), (2,)], {"k": view["a"]})
        inner = DAG()
        inner["x"] = Job(four)
        inner["y"] = Job(lambda x: x, {"x": inner["x"]})
        view["inner"] = inner

    dag.add_rule(after("a"), body)
    run(dag)
    assert results(dag) == {"a": 4, "b": 5, "grid/1": 4, "grid/2": 8, "inner/x": 4, "inner/y": 4}


def test_a_sub_dag_on_a_node_of_an_id() -> None:
    dag = DAG()
    node = dag.submit(four, name="A")
    inner = DAG({"x": Job(int)})
    dag.add_rule(lambda v: v[node.id].succeeded, lambda v: v.attach(inner, under="A"))
    run(dag)
    assert [p.name for p in dag.nodes_by_name["A/x"].parents.values()] == ["A"]


def test_a_rule_is_any_object_with_two_methods() -> None:
    class Own:
        def applicable(self, view: Any) -> bool:
            return bool(view.succeeded("a"))

        def apply(self, view: Any) -> None:
            view.submit(int, name="b")

    dag = DAG()
    dag.submit(int, name="a")
    dag.add_rule(Own())
    run(dag)
    assert set(dag.nodes_by_name) == {"a", "b"}


def test_decorators_make_rules() -> None:
    @rule(after("a"), may_add="b")
    def first(view: Any) -> None:
        view.submit(int, name="b")

    dag = DAG(rules=[first])
    dag.submit(int, name="a")

    @dag.rule(after("b"))
    def second(view: Any) -> None:
        view.submit(int, name="c")

    run(dag)
    assert set(dag.nodes_by_name) == {"a", "b", "c"}
    assert [r.name for r in dag.applied_rules] == ["first", "second"]


def test_a_graph_of_rules_alone() -> None:
    dag = DAG()
    dag.add_rule(None, lambda v: v.submit(int, name="a"))
    run(dag)
    assert set(results(dag)) == {"a"} and dag.status is Status.COMPLETED


def test_a_rule_that_is_added_while_the_graph_runs() -> None:
    gate = threading.Event()
    dag = DAG()
    dag.submit(gate.wait, 30, name="a")
    dag.compute()
    dag.add_rule(after("a"), lambda v: v.submit(int, name="b"))
    gate.set()
    dag.wait(30)
    assert set(dag.nodes_by_name) == {"a", "b"}


def test_a_predicate_that_raises_fails_its_rule_alone() -> None:
    dag = DAG()
    dag.submit(int, name="a")
    dag.add_rule(lambda v: v["missing"], lambda v: None, name="bad")
    dag.add_rule(after("a"), lambda v: v.submit(int, name="b"))
    dag.compute()
    with pytest.raises(KeyError, match="no node 'missing'"):
        dag.wait(30)
    assert dag.nodes_by_name["b"].result() == 0


def test_a_rule_can_exit_without_ending_anything_else() -> None:
    dag = DAG()
    dag.add_rule(lambda v: (_ for _ in ()).throw(SystemExit(3)), lambda v: None, name="bad")
    dag.submit(int, name="a")
    dag.compute()
    with pytest.raises(SystemExit):
        dag.wait(30)
    assert dag.nodes_by_name["a"].result() == 0


def test_retry_asks_the_rules_again() -> None:
    tries = iter([True, False])
    dag = DAG()
    dag.submit(lambda: 1 // (0 if next(tries) else 1), name="a")
    dag.add_rule(after("a"), lambda v: v.submit(int, name="b"))
    dag.compute()
    with pytest.raises(ZeroDivisionError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dag.wait(30)
    dag.retry_all()
    dag.wait(30)
    assert set(results(dag)) == {"a", "b"}


def test_a_recipe_with_rules_is_run_again() -> None:
    dag = DAG({"a": Job(four)})
    dag.add_rule(after("a"), lambda v: v.submit(int, name="b"))
    for _ in range(2):
        run(dag)
        assert set(dag.nodes_by_name) == {"a", "b"} and len(dag.applied_rules) == 1


def test_a_cancelled_graph_fires_nothing_more() -> None:
    gate = threading.Event()
    dag = DAG()
    dag.submit(gate.wait, 30, name="a")
    dag.add_rule(after("a", settled=True), lambda v: v.submit(int, name="b"))
    dag.compute()
    dag.cancel()
    gate.set()
    dag.wait(30)
    assert set(dag.nodes_by_name) == {"a"} and dag.status is Status.CANCELLED


def test_large_values_stay_for_the_rules() -> None:
    np = pytest.importorskip("numpy")
    dag = DAG()
    dag["a"] = Job(lambda: np.ones(1_000_000))
    dag["b"] = Job(lambda a: float(a.sum()), {"a": dag["a"]})
    dag.add_rule(after("b"), lambda v: v.submit(len, v["a"], name="c"))
    run(dag)
    assert dag.nodes_by_name["c"].result() == 1_000_000


def test_names_are_found_as_they_were_written() -> None:
    dag = DAG()
    dag.submit(four, name="a/b.csv")

    def body(view: Any) -> None:
        view.submit(len, [view["a/b.csv"]], name="parts/x.csv")

    dag.add_rule(after("a/b.csv"), body)
    dag.add_rule(after("parts/*"), lambda v: v.submit(int, v["parts/x.csv"], name="end"))
    run(dag)
    assert results(dag) == {"a/b.csv": 4, "parts/x.csv": 1, "end": 1}
