"""Nodes that add to their graph while it runs: maps, reductions, branches, loops, and scopes of any depth."""

from pathlib import Path
from typing import Any

import pytest

from ramify import (
    DAG,
    ArgumentError,
    BoundReached,
    DraftError,
    Extend,
    GrowthError,
    Job,
    JobError,
    Status,
    after,
    closed,
)


def run(dag: DAG, **options: Any) -> DAG:
    dag.compute(**options)
    dag.wait(30)
    return dag


def double(x: int) -> int:
    return 2 * x


def refuse(x: int) -> int:
    if x == 2:
        raise ZeroDivisionError("two")
    return x


@pytest.mark.slow
@pytest.mark.parametrize("places", ["threads", "processes"])
def test_a_map_makes_a_node_for_every_item(places: str) -> None:
    dag = DAG(use_processes=places == "processes")
    doubled = dag.map(double, dag.submit(list, [1, 2, 3]), name="doubled")
    total = dag.submit(sum, doubled)
    run(dag)
    assert doubled.result() == [2, 4, 6] and total.result() == 12
    assert dag.stats()["total_count"] == 3, "what a node added is a part of it"


def test_an_empty_map_is_an_empty_list() -> None:
    dag = DAG()
    nothing = dag.map(double, [])
    total = dag.reduce(sum, nothing)
    run(dag)
    assert nothing.result() == [] and total.result() == 0


def test_batches_and_partitions() -> None:
    dag = DAG()
    batches = dag.map(sum, range(10), batch_size=4)
    parts = dag.map(len, range(10), partitions=3)
    run(dag)
    assert batches.result() == [6, 22, 17] and parts.result() == [4, 4, 2]


def test_lists_of_different_lengths_are_not_zipped() -> None:
    dag = DAG()
    dag.zip(max, [1, 2], [3])
    dag.compute()
    with pytest.raises(ValueError, match="different lengths: 2, 1"):
        dag.wait(30)


def test_scopes_within_scopes() -> None:
    """Each point has samples, each sample files: a map of maps of maps, each gathered by its own node."""

    def sample(name: str) -> Extend:
        dag = DAG({n: Job(lambda n, s: f"{s}{n}", {"n": n, "s": name}) for n in range(2)})
        return Extend(dag, [dag[0], dag[1]], then="+".join)

    def point(number: int) -> Extend:
        dag = DAG({s: Job(sample, {"name": f"{number}{s}"}, may_add=()) for s in "ab"})
        return Extend(dag, {s: dag[s] for s in "ab"})

    dag = DAG()
    points = dag.map(point, [1, 2], name="map")
    run(dag)
    assert points.result() == [{"a": "1a0+1a1", "b": "1b0+1b1"}, {"a": "2a0+2a1", "b": "2b0+2b1"}]


def test_rules_see_what_nodes_add_and_closures_wait_for_it() -> None:
    def point(number: int) -> Extend:
        dag = DAG({"stage1": Job(double, {"x": number})})
        return Extend(dag, dag["stage1"])

    dag = DAG()
    dag.map(point, dag.submit(range, 12), name="map")
    dag.add_rule(
        closed("map/*/stage1"), lambda v: v.submit(list, v.nodes("map/*/stage1"), name="all"), may_add="all"
    )
    run(dag)
    assert dag.nodes_by_name["all"].result() == [2 * n for n in range(12)]


def test_a_job_that_does_not_say_so_adds_nothing() -> None:
    dag = DAG()
    dag.submit(lambda: Extend(DAG({"x": Job(int)})), name="silent")
    dag.compute()
    with pytest.raises(GrowthError, match="'silent' returned an Extend and does not say"):
        dag.wait(30)
    assert dag.stats()["total_count"] == 1


def test_a_tag_that_was_not_declared_is_refused_whole() -> None:
    dag = DAG()
    dag.submit(lambda: Extend(DAG({"x": Job(int), "y": Job(int, tags=["pdf"])})), name="liar", may_add=())
    dag.compute()
    with pytest.raises(GrowthError, match="'liar' adds 'liar/y' with the tag 'pdf'"):
        dag.wait(30)


def test_a_failure_of_what_was_added_is_that_of_the_node() -> None:
    dag = DAG()
    node = dag.map(refuse, [1, 2, 3], name="map")
    after_it = dag.submit(sum, node)
    dag.compute()
    with pytest.raises(ZeroDivisionError):
        dag.wait(30)
    assert node.status is Status.FAILED and after_it.status is Status.PARENT_FAILED
    error = node.exception()
    assert isinstance(error, JobError) and error.cause_id == "map/1"
    assert isinstance(error.cause, ZeroDivisionError)


def test_a_retry_runs_again_what_failed_of_what_was_added() -> None:
    calls: list[int] = []

    def flaky(x: int) -> int:
        calls.append(x)
        if x == 2 and calls.count(2) == 1:
            raise ZeroDivisionError
        return x

    dag = DAG()
    node = dag.map(flaky, [1, 2, 3], name="map")
    dag.compute()
    with pytest.raises(ZeroDivisionError):
        dag.wait(30)
    dag.retry_all()
    dag.wait(30)
    assert node.result() == [1, 2, 3] and sorted(calls) == [1, 2, 2, 3]


def test_a_branch_that_is_not_taken_is_not_there() -> None:
    dag = DAG()
    dag.add_rule(
        after("choice"), lambda v: v.submit(list, [n.key for n in v.nodes("choice/**")], name="seen")
    )
    choice = dag.cases(dag.submit(int, "3"), (lambda x: x > 5, abs), (lambda x: x > 2, double), name="choice")
    none = dag.cases(1, (lambda x: x > 5, abs))
    run(dag)
    assert choice.result() == 6 and none.result() is None
    assert dag.nodes_by_name["seen"].result() == ["choice/double"]


def test_a_loop_is_as_many_nodes_as_it_has_turns() -> None:
    dag = DAG()
    loop = dag.repeat(double, 1, until=lambda x: x > 1000, name="loop")
    run(dag)
    assert loop.result() == 1024
    assert [k for k in dag._run.engine.keys if k.startswith("loop/")] == [f"loop/{n}" for n in range(10)]


def test_a_loop_without_an_end_has_a_bound() -> None:
    dag = DAG()
    dag.repeat(double, 1, until=lambda x: False, max_times=3, name="loop")
    dag.compute()
    with pytest.raises(BoundReached, match="'loop' was repeated 3 times") as told:
        dag.wait(30)
    assert told.value.value == 8


def test_a_tree_of_reductions_is_as_deep_as_its_batches_make_it() -> None:
    dag = DAG()
    total = dag.reduce(sum, range(1000), batch_size=10, name="total")
    run(dag)
    assert total.result() == 499500
    assert len([k for k in dag._run.engine.keys if k.startswith("total/")]) == 111


def test_jobs_under_keys_may_add_too() -> None:
    def split(n: int) -> Extend:
        inner = DAG({k: Job(double, {"x": k}) for k in range(n)})
        return Extend(inner, [inner[k] for k in range(n)])

    dag = DAG()
    dag["parts"] = Job(split, {"n": 3}, may_add=())
    dag["total"] = Job(lambda parts: sum(parts), {"parts": dag["parts"]})
    run(dag)
    assert dag.nodes_by_name["total"].result() == 6


def test_bad_options_are_named() -> None:
    dag = DAG()
    with pytest.raises(ValueError, match="batch_size=0"):
        dag.map(double, [1], batch_size=0)
    with pytest.raises(ValueError, match="how='inner'"):
        dag.map(double, [1], how="inner")
    with pytest.raises(ValueError, match="max_times=0"):
        dag.repeat(double, 1, until=bool, max_times=0)
    with pytest.raises(ValueError, match="a case is a pair"):
        dag.cases(1, abs)  # type: ignore[arg-type]  # it is what is refused


def square(n: int) -> int:
    return n * n


def submits(n: int, path: Path) -> Extend:
    inner = DAG()
    first = inner.submit(square, n, name="first")
    second = inner.submit(lambda n: n**4 * path.exists(), n, name="a second")
    second.depends_on(inner.submit(path.touch, name="before"))
    return Extend(inner, {"both": [first, second], "each": inner.map(square, [1, 2], name="each")})


def submits_only(n: int) -> Extend:
    inner = DAG()
    inner.submit(square, n, name="first")
    return Extend(inner)


def as_nodes(n: int) -> list[Any]:
    inner = DAG()
    return [inner.submit(square, n, name="first"), n]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["memory", "disk"])
def test_nodes_that_were_submitted_to_what_is_added_are_jobs(place: str, tmp_path: Path) -> None:
    dag = DAG()
    dag.submit(submits, 3, tmp_path / "touched", name="a", may_add=())
    dag.submit(submits_only, 3, name="b", may_add=())
    dag.expand(dag.submit(int, "3", name="n"), as_nodes, name="c")
    if place == "disk":
        found = dict(dag.evaluate(tmp_path / "exp", execution_mode="process").items())
    else:
        dag.compute()
        dag.wait(30)
        found = {key: dag.nodes_by_name[key].result() for key in ("a", "b", "c")}
    assert found["a"] == {"both": [9, 81], "each": [1, 4]}
    assert dict(found["b"]) == {"first": 9} and found["c"] == [9, 3]


def test_a_job_that_adds_nothing_has_its_value() -> None:
    dag = DAG()
    empty = dag.submit(lambda: Extend(DAG(), value=[], then=len), name="empty", may_add=())
    dag.compute()
    assert empty.result(30) == 0


def with_rule() -> DAG:
    inner = DAG({"a": Job(int)})
    inner.add_rule(None, lambda view: None, name="lost")
    return inner


def with_node() -> DAG:
    inner = DAG()
    inner.submit(int)
    return inner


@pytest.mark.parametrize("place", ["memory", "disk"])
@pytest.mark.parametrize(
    ("inner", "told"), [(with_rule, "has the rule 'lost'"), (with_node, "submitted nodes")]
)
def test_what_a_nested_draft_would_lose_is_refused(place: str, inner: Any, told: str, tmp_path: Path) -> None:
    dag = DAG({"sub": inner()})
    with pytest.raises(DraftError, match=told):
        if place == "disk":
            dag.evaluate(tmp_path / "exp")
        else:
            dag.compute()


def test_rules_of_what_a_job_adds_are_refused() -> None:
    with pytest.raises(ArgumentError, match="has the rule 'lost'"):
        Extend(with_rule())
