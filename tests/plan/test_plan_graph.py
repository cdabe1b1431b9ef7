"""The graph that a plan gives to the engine: parents first, and linear in jobs and dependencies."""

from __future__ import annotations

import msgspec
import pytest

from ramify.core.engine import Engine
from ramify.core.graph import GATHER, WORK
from ramify.errors import PlanError
from ramify.plan.definition import Definition, FunctionRef, hidden_at
from ramify.plan.graph import GraphNode, build_graph

MAX = FunctionRef(module="builtins", qualname="max")


def graph_of(*definitions: tuple) -> list[GraphNode]:
    """Each is (id, dependencies) of a job, or (id, dependencies, points) of a grid."""
    made, points = [], []
    for job_id, needs, *rest in definitions:
        rows = rest[0] if rest else []
        raw = msgspec.Raw(msgspec.json.encode(rows))
        kind = "group" if rest else "job"
        made.append(Definition(id=job_id, kind=kind, function=MAX, dependencies=list(needs), points=raw))
        points.append(rows)
    return build_graph(made, points)


def parents_of(nodes: list[GraphNode]) -> dict[str, set[str]]:
    keys = [n[0] for n in nodes]
    for place, node in enumerate(nodes):
        assert all(parent < place for parent in node[2])
    return {n[0]: {keys[p] for p in n[2]} for n in nodes}


def test_jobs_have_edges_and_points_share_those_of_their_grid() -> None:
    found = parents_of(graph_of(("a", []), ("b", ["a"]), ("g", ["b"], ["m1/1", "m2/1"])))
    assert found == {"a": set(), "b": {"a"}, "g/m1/1": {"b"}, "g/m2/1": {"b"}}


def test_a_grid_that_takes_a_grid_has_edges_by_the_sum() -> None:
    rows = [str(n) for n in range(1000)]
    nodes = graph_of(("g", [], rows), ("h", ["g/"], rows))
    assert len(nodes) == 2001
    assert sum(len(n[2]) for n in nodes) == 2000
    assert nodes[1000][:2] == ("@gather/g", "gather")
    assert all(n[2] == (1000,) for n in nodes[1001:])


def test_a_gather_is_made_only_where_something_needs_it_and_once() -> None:
    nodes = graph_of(("g", [], ["m1/1", "m1/2", "m2/1"]), ("a", ["g/m1/"]), ("b", ["g/m1/", "g/m2/1"]))
    found = parents_of(nodes)
    assert found["a"] == {"@gather/g/m1"}
    assert found["b"] == {"@gather/g/m1", "g/m2/1"}
    assert found["@gather/g/m1"] == {"g/m1/1", "g/m1/2"}
    assert "@gather/g" not in found


def test_a_nested_dag_is_gathered_without_what_is_hidden_below_it() -> None:
    hidden = Definition(id="s/a/arg/x", kind="job", function=MAX, hidden=True, at=hidden_at("s/a/arg/x"))
    definitions = [
        hidden,
        Definition(id="s/a", kind="job", function=MAX, dependencies=["s/a/arg/x"]),
        Definition(id="s/t/b", kind="job", function=MAX),
        Definition(id="c", kind="job", function=MAX, dependencies=["s/", "empty/"]),
    ]
    found = parents_of(build_graph(definitions, [[]] * 4))
    assert found["@gather/s"] == {"s/a", "s/t/b"}
    assert found["@gather/empty"] == set()
    assert found["c"] == {"@gather/s", "@gather/empty"}


def test_a_hidden_nested_dag_is_gathered_by_where_it_is_stored() -> None:
    at = hidden_at("c/arg/d")
    definitions = [
        Definition(id="c/arg/d/a", kind="job", function=MAX, hidden=True, at=f"{at}/a"),
        Definition(
            id="c/arg/d/a/arg/x", kind="job", function=MAX, hidden=True, at=hidden_at("c/arg/d/a/arg/x")
        ),
        Definition(id="c", kind="job", function=MAX, dependencies=["c/arg/d/"]),
    ]
    assert parents_of(build_graph(definitions, [[]] * 3))["@gather/c/arg/d"] == {"c/arg/d/a"}


def test_the_same_point_of_another_grid_is_one_edge_each() -> None:
    found = parents_of(graph_of(("g", [], ["1", "2"]), ("h", ["g/*"], ["1", "2"])))
    assert (found["h/1"], found["h/2"]) == ({"g/1"}, {"g/2"})


def test_a_grid_at_the_root_has_points_for_ids() -> None:
    nodes = graph_of(("", [], ["m1/1", "m2/1"]))
    assert [n[0] for n in nodes] == ["m1/1", "m2/1"]


def test_a_dependency_that_does_not_come_before_is_a_broken_plan() -> None:
    for needs in (["z"], ["g/9"], ["later/"]):
        with pytest.raises(PlanError, match="does not come before"):
            graph_of(("g", [], ["1"]), ("a", needs), ("later", [], ["1"]))


def test_the_engine_runs_what_it_is_given() -> None:
    engine = Engine()
    nodes = graph_of(("g", [], ["1", "2"]), ("empty", [], []), ("a", ["g/", "empty/"]))
    for key, kind, parents, _, _ in nodes:
        engine.add(key, parents, GATHER if kind == "gather" else WORK)
    engine.want(None, "test")
    done = []
    while engine.ready:
        node = engine.ready.pop(0)
        done.append(engine.keys[node])
        engine.succeeded(node, engine.started(node, 0.0), "d", 0.0)
    assert done == ["g/1", "g/2", "a"]
