"""From a draft to definitions: ids, references, hidden jobs, cycles."""

from __future__ import annotations

import itertools
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from ramify import DAG, Job, LazyDict, ParametrizedJob
from ramify.dag.compile import compile_draft
from ramify.errors import ArgumentError, CycleError, RamifyWarning, UnpicklableError
from ramify.plan.definition import Definition
from ramify.plan.folder import NewPlan, read_plan

PLAN = "/nowhere/plan"


def same(x: object = None, y: object = None, **more: object) -> object:
    return x


def grid_of(*points: tuple, names: tuple = ("p", "q"), **kwargs: object) -> ParametrizedJob:
    return ParametrizedJob(same, names, points or [("m1", 1), ("m1", 2), ("m2", 1)], kwargs)


def compiled(dag: object) -> dict[str, Definition]:
    return {d.id: d for d in compile_draft(dag, PLAN).definitions}


def ids_of(new: NewPlan) -> list[str]:
    return [d.id for d in new.definitions]


def needs(dag: object) -> dict[str, list[str]]:
    return {i: d.dependencies for i, d in compiled(dag).items()}


def test_ids_are_paths_of_keys() -> None:
    dag = DAG(
        {"a": Job(same), 7: Job(same), "7": Job(same), "s": DAG({"t": DAG({"b": Job(same)})}), "g": grid_of()}
    )
    found = compiled(dag)
    assert list(found) == ["a", "7", '"7"', "s/t/b", "g"]
    assert bytes(found["g"].points) == b'["m1/1","m1/2","m2/1"]'


def test_a_job_as_an_argument_is_its_member_in_any_order() -> None:
    a, b, c = Job(same), Job(same), Job(same)
    b.kwargs["x"], c.kwargs["x"] = a, b
    for order in itertools.permutations([("a", a), ("b", b), ("c", c)]):
        found = needs(DAG(dict(order)))
        assert list(found) == ["a", "b", "c"]
        assert found == {"a": [], "b": ["a"], "c": ["b"]}


def test_definitions_keep_the_drafts_order_where_they_may() -> None:
    late = Job(same)
    dag = DAG({"z": Job(same), "m": Job(same, {"x": late}), "a": Job(same), "late": late})
    assert list(compiled(dag)) == ["z", "a", "late", "m"]


def test_a_job_that_is_only_an_argument_is_hidden_below_its_owner() -> None:
    shared = Job(same)
    dag = DAG({"a": Job(same, {"x": shared}), "b": Job(same, {"y": shared})})
    found = compiled(dag)
    assert list(found) == ["a/arg/x", "a", "b"]
    assert [d.hidden for d in found.values()] == [True, False, False]
    assert found["a/arg/x"].at == ".arg/a/arg/x/@"
    assert found["b"].args == {"y": {"job": "a/arg/x", "at": ".arg/a/arg/x/@"}}


def test_jobs_are_found_in_any_container() -> None:
    @dataclass
    class Box:
        inside: object

    class Plain:
        def __init__(self, inside: object) -> None:
            self.inside = inside

    member, one = Job(same), Job(same)
    value = {"k": [member, (one,)], (1, 2): {"deep": [member]}}
    for wrapped in (value, Box(value), Plain([value]), {"a": Box([Plain(value)])}):
        found = needs(DAG({"m": member, "c": Job(same, {"x": wrapped})}))
        assert "m" in found["c"]
        assert len(found) == 3
        assert all(i.startswith(("m", "c")) for i in found)
    assert list(needs(DAG({"m": member, "c": Job(same, {"x": value})}))) == ["m", "c/arg/x/k/1/0", "c"]


def test_one_argument_may_be_used_many_times_in_a_container() -> None:
    one = Job(same)
    found = needs(DAG({"c": Job(same, {"x": [one, one, {"k": one}], "y": one})}))
    assert found == {"c/arg/x/0": [], "c": ["c/arg/x/0"]}


def test_a_grid_and_its_slices_resolve_to_its_own_jobs() -> None:
    grid = grid_of()
    dag = DAG(
        {
            "all": Job(same, {"x": grid}),
            "slice": Job(same, {"x": grid["m1"]}),
            "leaf": Job(same, {"x": grid["m1"][2]}),
            "both": Job(same, {"x": grid, "y": grid["m2"][1]}),
            "s": DAG({"g": grid}),
        }
    )
    assert needs(dag) == {
        "s/g": [],
        "all": ["s/g/"],
        "slice": ["s/g/m1/"],
        "leaf": ["s/g/m1/2"],
        "both": ["s/g/", "s/g/m2/1"],
    }


def test_a_grid_that_is_no_member_is_hidden_whole_and_a_slice_alone() -> None:
    grid = grid_of()
    found = compiled(DAG({"c": Job(same, {"x": grid["m1"]}), "d": Job(same, {"x": grid["m1"][2]})}))
    assert list(found) == ["c/arg/x", "c", "d"]
    assert bytes(found["c/arg/x"].points) == b'["1","2"]'
    assert found["c/arg/x"].args == {"p": {"value": "m1"}}
    assert found["d"].dependencies == ["c/arg/x/2"]
    assert found["d"].args["x"] == {"job": "c/arg/x/2", "at": ".arg/c/arg/x/@/2"}


def test_a_slice_as_a_member_is_the_grids_work_where_the_grid_is_there() -> None:
    grid = grid_of()
    found = compiled(DAG({"s": grid["m1"], "j": grid["m2"][1], "g": grid, "c": Job(same, {"x": grid["m1"]})}))
    assert found["s"].args == {"value": {"same": "g/m1"}}
    assert found["s"].dependencies == ["g/m1/*"]
    assert found["j"].dependencies == ["g/m2/1"]
    assert found["c"].dependencies == ["g/m1/"]
    alone = compiled(DAG({"s": grid["m1"], "c": Job(same, {"x": grid["m1"][2]})}))
    assert alone["s"].args == {"p": {"value": "m1"}}
    assert alone["c"].dependencies == ["s/2"]


def test_one_job_under_two_keys_runs_once() -> None:
    job, grid = Job(same), grid_of()
    sub = DAG({"j": job})
    found = compiled(DAG({"a": job, "b": job, "s": sub, "t": sub, "g": grid, "h": grid}))
    assert found["b"].dependencies == found["s/j"].dependencies == found["t/j"].dependencies == ["a"]
    assert found["h"].dependencies == ["g/*"]
    assert found["b"].function.qualname == "same_value"


def test_a_nested_dag_as_an_argument() -> None:
    sub, empty = DAG({"p": Job(same), "t": DAG({"q": Job(same)})}), DAG()
    member = Job(same)
    dag = DAG({"m": member, "c": Job(same, {"x": sub, "y": empty}), "s": sub})
    assert needs(dag) == {"m": [], "s/p": [], "s/t/q": [], "c": ["s/", "c/arg/y/"]}
    hidden = compile_draft(
        DAG({"c": Job(same, {"x": DAG({"p": Job(same), "m": member})}), "m": member}), PLAN
    )
    assert ids_of(hidden) == ["m", "c/arg/x/p", "c/arg/x/m", "c"]
    assert hidden.definitions[2].dependencies == ["m"]
    assert hidden.folders == {"": ["c", "m"], ".arg/c/arg/x/@": ["p", "m"]}


def test_stored_dicts_are_relative_paths(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    new = compile_draft(
        DAG(
            {
                "a": Job(
                    same, {"x": LazyDict(tmp_path / "old"), "y": [LazyDict(tmp_path / "old", members=["k"])]}
                )
            }
        ),
        str(tmp_path / "exp/plan"),
    )
    assert new.definitions[0].args["x"] == {"stored": "../../old"}
    assert new.definitions[0].args["y"] == {"list": [{"stored": "../../old", "members": {"k": None}}]}


def test_arguments_may_be_changed_until_the_plan_is_made() -> None:
    job = Job(same, {"x": 1})
    dag = DAG({"a": job})
    job.kwargs["x"] = 2
    assert compiled(dag)["a"].args == {"x": {"value": 2}}

    def strict(x: int) -> int:
        return x

    changed = Job(strict, {"x": 1})
    changed.kwargs["z"] = 1
    with pytest.raises(ArgumentError, match=r"job 'a': .*'z'"):
        compiled(DAG({"a": changed}))
    grid = grid_of()
    grid.kwargs["p"] = 1
    with pytest.raises(ArgumentError, match="'g': 'p' is a parameter"):
        compiled(DAG({"g": grid}))


def test_names_that_are_no_keys_get_numbers() -> None:
    job, other = Job(same), Job(same)
    found = needs(
        DAG({"c": Job(same, {"a/b": job, ".": other, "x": {(1, 2): Job(same), "keys": [Job(same)]}})})
    )
    assert list(found) == ["c/arg/@0", "c/arg/@1", "c/arg/x/@0", "c/arg/x/keys/0", "c"]


def test_hidden_arguments_of_a_grid_avoid_its_points() -> None:
    grid = ParametrizedJob(same, ["p", "q"], [("arg", "x"), ("b", "x")], {"x": Job(same)})
    found = needs(DAG({"g": grid}))
    assert list(found) == ["g/arg (1)/x", "g"]


def test_a_grid_alone_has_points_at_the_top() -> None:
    job = Job(same)
    new = compile_draft(grid_of(x=job), PLAN)
    assert ids_of(new) == ["arg/x", ""]
    assert new.folders == {"": []}
    assert [d.id for d in compile_draft(grid_of()["m1"], PLAN, "exp/s").definitions] == ["exp/s"]


def test_a_prefix_leads_to_the_root() -> None:
    new = compile_draft(DAG({"a": Job(same)}), PLAN, "x/y")
    assert ids_of(new) == ["x/y/a"]
    assert new.folders == {"x/y": ["a"], "x": ["y"], "": ["x"]}


# ---- cycles


def test_a_cycle_is_refused_with_its_path() -> None:
    a, b, c, d = (Job(same) for _ in range(4))
    a.kwargs["x"], b.kwargs["x"], c.kwargs["x"], d.kwargs["x"] = b, [c], {"k": a}, a
    with pytest.raises(CycleError) as caught:
        compiled(DAG({"ok": Job(same), "a": a, "b": b, "c": c, "d": d}))
    assert caught.value.path == ["a", "b", "c", "a"]
    assert "a -> b -> c -> a" in str(caught.value)


def test_a_cycle_of_jobs_that_are_only_arguments_is_found() -> None:
    a, b = Job(same), Job(same)
    a.kwargs["x"], b.kwargs["x"] = b, a
    with pytest.raises(CycleError) as caught:
        compiled(DAG({"c": Job(same, {"x": a})}))
    assert caught.value.path == ["c/arg/x", "c/arg/x/arg/x", "c/arg/x"]


def test_a_job_that_takes_itself() -> None:
    a = Job(same)
    a.kwargs["x"] = a
    with pytest.raises(CycleError) as caught:
        compiled(DAG({"a": a}))
    assert caught.value.path == ["a", "a"]


def test_cycles_through_groups_name_the_group() -> None:
    sub = DAG()
    sub["all"] = Job(same, {"x": sub})
    with pytest.raises(CycleError) as caught:
        compiled(DAG({"s": sub}))
    assert caught.value.path in (["s/", "s/all", "s/"], ["s/all", "s/", "s/all"])
    grid = grid_of()
    grid.kwargs["x"] = Job(same, {"x": grid["m1"]})
    with pytest.raises(CycleError):
        compiled(DAG({"g": grid}))
    whole = DAG()
    whole["a"] = Job(same, {"x": whole})
    with pytest.raises(CycleError):
        compiled(whole)


def test_a_dag_that_contains_itself_is_refused() -> None:
    dag, sub = DAG(), DAG()
    dag["s"], sub["t"] = sub, dag
    with pytest.raises(CycleError, match="s/t"):
        compiled(dag)
    alone = DAG()
    alone["a"] = alone
    with pytest.raises(CycleError):
        compiled(alone)


def test_one_dag_under_two_keys_is_no_cycle() -> None:
    sub = DAG({"a": Job(same)})
    assert list(compiled(DAG({"s": sub, "t": DAG({"s": sub})}))) == ["s/a", "t/s/a"]


def test_a_cycle_leaves_no_trace_on_disk(tmp_path: Path) -> None:
    a = Job(same)
    a.kwargs["x"] = a
    with pytest.raises(CycleError):
        DAG({"a": a}).materialize(tmp_path / "exp/plan")
    assert os.listdir(tmp_path) == []


# ---- sizes


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False], ids=["members", "arguments"])
@pytest.mark.parametrize("backwards", [True, False])
def test_long_chains_in_any_order(named: bool, backwards: bool) -> None:
    jobs = [Job(same)]
    for _ in range(4999):
        jobs.append(Job(same, {"x": jobs[-1]}))
    keyed = dict(enumerate(jobs)) if named else {0: jobs[-1]}
    dag = DAG(dict(reversed(keyed.items())) if backwards else keyed)
    found = compile_draft(dag, PLAN).definitions
    assert len(found) == 5000
    assert all(len(d.id) < 1000 for d in found)
    seen: set[str] = set()
    for definition in found:
        assert seen.issuperset(definition.dependencies)
        seen.add(definition.id)


@pytest.mark.slow
def test_many_consumers_of_a_nested_dag_cost_their_sum() -> None:
    sub = DAG({n: Job(same) for n in range(1000)})
    dag = DAG({"s": sub, **{f"c{n}": Job(same, {"x": sub}) for n in range(1000)}})
    found = compile_draft(dag, PLAN).definitions
    assert sum(len(d.dependencies) for d in found) == 1000


def test_deeply_nested_dags() -> None:
    dag = inner = DAG()
    for _ in range(2000):
        inner["s"] = DAG()
        inner = inner["s"]
    inner["a"] = Job(same)
    assert compile_draft(dag, PLAN).definitions[0].id == "s/" * 2000 + "a"


# ---- what cannot travel


def test_an_argument_that_cannot_be_pickled_is_named(tmp_path: Path) -> None:
    dag = DAG({"ok": Job(same), "s": DAG({"a": Job(same, {"x": [1, {"k": threading.Lock()}]})})})
    with pytest.raises(UnpicklableError) as caught:
        dag.materialize(tmp_path / "plan")
    assert (caught.value.job_id, caught.value.argument) == ("s/a", "x")
    assert "x[1]['k'] (a _thread.lock)" in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert os.listdir(tmp_path) == []


def test_an_argument_that_holds_jobs_and_a_lock_is_named() -> None:
    class Holder:
        def __init__(self) -> None:
            self.job, self.lock = Job(same), threading.Lock()

    with pytest.raises(UnpicklableError) as caught:
        compiled(DAG({"a": Job(same, {"x": Holder()})}))
    assert (caught.value.job_id, caught.value.argument) == ("a", "x")
    assert "lock" in str(caught.value)


def test_a_function_that_cannot_travel_is_named() -> None:
    lock = threading.Lock()
    with pytest.raises(UnpicklableError, match=r"job 'a'.*closure variable 'lock'") as caught:
        compiled(DAG({"a": Job(lambda: lock)}))
    assert caught.value.job_id == "a"


def test_settings_of_a_nested_dag_are_ignored_and_that_is_said() -> None:
    with pytest.warns(RamifyWarning, match="'s'.*max_workers=3"):
        compiled(DAG({"s": DAG(3)}))


# ---- prefix, through materialize


def test_scripts_share_a_plan_by_prefixes(tmp_path: Path) -> None:
    DAG({"a": Job(same)}).materialize(tmp_path / "plan", prefix="x")
    DAG({"b": Job(same, {"x": Job(lambda: 1)})}).materialize(tmp_path / "plan", prefix="y/z")
    grid_of().materialize(tmp_path / "plan", prefix=7)
    assert read_plan(tmp_path).job_ids(hidden=False) == ["x/a", "y/z/b", "7/m1/1", "7/m1/2", "7/m2/1"]
    assert dict(read_plan(tmp_path).folders())[""] == ["x", "y", "7"]
