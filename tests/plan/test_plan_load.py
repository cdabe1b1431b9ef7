"""From a plan to functions and arguments, as a worker gets them."""

from __future__ import annotations

import enum
import sys
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ramify import (
    DAG,
    Job,
    LazyDict,
    ParametrizedJob,
    load_callable,
    load_inputs_and_callable,
    load_job_definition,
    load_job_inputs,
    rerun_snippet,
    serialize,
)
from ramify.errors import JobIdError, PlanError
from ramify.plan.folder import read_plan
from ramify.plan.load import load_function, load_inputs

Pair = namedtuple("Pair", "left right")


@dataclass
class Config:
    rate: float
    steps: object = None


class Colour(enum.Enum):
    RED = 1


def same(x: object = None, **more: object) -> object:
    return x


def round_trip(tmp_path: Path, value: object) -> object:
    DAG({"a": Job(same, {"x": value})}).materialize(tmp_path / "plan")
    plan = read_plan(tmp_path / "plan")
    first, second = (load_inputs(plan, *plan.locate("a"))["x"] for _ in range(2))
    if not isinstance(
        first, str | int | float | bool | None | Colour | bytes | frozenset | tuple | Decimal | date
    ):
        assert first is not second
    return first


VALUES = [
    *(None, True, 0, -1, 2**63, 2**64, -(2**70), 1.5, -0.0, float("inf"), 1e308, 5e-324),
    *("", "text", "é\n\t\x00", "\ud800", "x" * 10_000, b"bytes", 1j),
    *([], {}, (), set(), frozenset(), [1, [2, [3]]], {"a": {"b": [1]}}, {1: "a", "1": "b"}, {(1, 2): 3}),
    *((1, "a", None), {1, 2}, frozenset({"x"}), [(1,), [1]], {"t": (1, 2)}, [{1: 2}], [True, 1, 1.0]),
    *(list(range(5000)), {str(n): n for n in range(5000)}, tuple(range(3000)), {n: n for n in range(3000)}),
    *(date(2026, 1, 2), Decimal("1.10"), Path("a/b"), Colour.RED, [date(2026, 1, 2)], {"d": Decimal("1")}),
    *(Pair(1, [2]), Config(0.1, (1, 2)), OrderedDict(b=1, a=2), [Config(1.0)], {"c": Config(2.0)}),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v)[:30])
def test_a_literal_comes_back_as_it_was(tmp_path: Path, value: object) -> None:
    back = round_trip(tmp_path, value)
    assert type(back) is type(value)
    assert back == value
    assert repr(back) == repr(value)


def test_nan_comes_back(tmp_path: Path) -> None:
    back = round_trip(tmp_path, [float("nan")])
    assert back[0] != back[0]


def test_a_list_that_holds_itself_comes_back(tmp_path: Path) -> None:
    value: list = [1]
    value.append(value)
    back = round_trip(tmp_path, value)
    assert back[1] is back


def test_arrays_and_frames_come_back(tmp_path: Path) -> None:
    numpy, pandas = pytest.importorskip("numpy"), pytest.importorskip("pandas")
    array = numpy.arange(6).reshape(2, 3)
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    DAG({"a": Job(same, {"x": array, "y": frame, "z": {"frame": frame, "n": 1}})}).materialize(
        tmp_path / "plan"
    )
    plan = read_plan(tmp_path / "plan")
    inputs = load_inputs(plan, *plan.locate("a"))
    assert (inputs["x"] == array).all()
    pandas.testing.assert_frame_equal(inputs["y"], frame)
    assert type(inputs["z"]) is dict
    pandas.testing.assert_frame_equal(inputs["z"]["frame"], frame)


def test_small_text_needs_no_files_and_a_shared_literal_one(tmp_path: Path) -> None:
    big = [0.5] * 5000
    dag = DAG({n: Job(same, {"x": (1, {2: "b"}), "y": big}) for n in range(20)})
    dag.materialize(tmp_path / "plan")
    files = [p for p in (tmp_path / "plan/inputs").rglob("*") if p.is_file()]
    assert len(files) == 2  # one payload and its record


def test_the_files_of_a_grid_do_not_grow_with_its_points(tmp_path: Path) -> None:
    counts = []
    for size in (1, 500):
        grid = ParametrizedJob(same, ["p"], [(n,) for n in range(size)], {"x": list(range(5000))})
        DAG({"g": grid}).materialize(tmp_path / f"{size}/plan")
        counts.append(sum(1 for p in (tmp_path / f"{size}/plan").rglob("*")))
    assert counts[0] == counts[1]


def test_points_get_their_keys_in_their_types(tmp_path: Path) -> None:
    values = [(1, "a"), ("1", 2.5), (date(2026, 1, 2), False)]
    grid = ParametrizedJob(same, ["p", "q"], values, {"x": [1]})
    DAG({"g": grid}).materialize(tmp_path / "plan")
    plan = read_plan(tmp_path / "plan")
    loaded = [load_inputs(plan, *plan.locate(i)) for i in plan.job_ids()]
    assert [(i["p"], i["q"]) for i in loaded] == values
    assert [type(i["p"]) for i in loaded] == [int, str, date]
    loaded[0]["x"].append(2)
    assert loaded[1]["x"] == [1]


def test_a_definition_tells_all_and_loads_alone(tmp_path: Path) -> None:
    grid = ParametrizedJob(lambda p, base: p + base, ["p"], [(1,), (2,)], {"base": 10}, retries=2)
    DAG({"g": grid}).materialize(tmp_path / "plan")
    definition = load_job_definition(tmp_path / "plan", "g/2")
    assert definition["id"] == "g/2"
    assert (definition["group"], definition["point"]) == ("g", "2")
    assert definition["args"] == {"base": {"value": 10}, "p": {"key": "2"}}
    assert definition["policy"] == {"retries": 2}
    assert load_job_inputs(definition, tmp_path / "plan") == {"base": 10, "p": 2}
    assert load_callable(definition)(**load_job_inputs(definition)) == 12
    func, inputs = load_inputs_and_callable(tmp_path, "g/1")
    assert func(**inputs) == 11


@pytest.mark.parametrize("spec", [None, 3, {}, {"values": 1}, {"list": 3}, {"key": "@"}, {"file": None}])
def test_malformed_arguments_are_a_value_error(tmp_path: Path, spec: object) -> None:
    DAG({"a": Job(same)}).materialize(tmp_path / "plan")
    definition = {**load_job_definition(tmp_path / "plan", "a"), "args": {"x": spec}}
    with pytest.raises(ValueError, match="argument"):
        load_job_inputs(definition)


def test_malformed_definitions_are_a_value_error(tmp_path: Path) -> None:
    DAG({"a": Job(same)}).materialize(tmp_path / "plan")
    for broken in ({}, {"function": 3}, {"function": {"module": 3}, "plan": str(tmp_path)}):
        with pytest.raises(PlanError):
            load_callable(broken)
    with pytest.raises(PlanError, match="plan_dir"):
        load_job_inputs({"args": {}})
    with pytest.raises(JobIdError):
        load_job_definition(tmp_path / "plan", "b")


def test_an_import_that_fails_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "fragile_module.py"
    module.write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import fragile_module

    DAG({"a": Job(fragile_module.f)}).materialize(tmp_path / "plan")
    definition = load_job_definition(tmp_path / "plan", "a")
    assert definition["function"] == {"module": "fragile_module", "qualname": "f"}
    monkeypatch.delitem(sys.modules, "fragile_module")
    module.write_text("import no_such_package_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_package_at_all"):
        load_callable(definition)


def test_outputs_groups_and_stored_dicts_arrive(tmp_path: Path) -> None:
    serialize({"k": 1}, tmp_path / "old")
    grid = ParametrizedJob(same, ["p"], [(1,), (2,)])
    producer = Job(same, {"x": 7})
    dag = DAG({"g": grid, "a": producer})
    parts = {
        "x": producer,
        "g": grid,
        "old": LazyDict(tmp_path / "old"),
        "deep": {"k": [producer, (grid[2],)]},
    }
    dag["c"] = Job(same, parts)
    dag["held"] = Job(same, {"x": Config(producer, Pair(producer, [grid[1]]))})
    dag.materialize(tmp_path / "exp/plan")
    for name, value in (("a", 7), ("g/1", "one"), ("g/2", "two")):
        serialize(value, tmp_path / "exp/outputs" / name)
    plan = read_plan(tmp_path / "exp")
    inputs = load_inputs(plan, *plan.locate("c"))
    assert list(inputs) == ["x", "g", "old", "deep"]
    assert inputs["x"] == 7
    assert isinstance(inputs["g"], LazyDict)
    assert inputs["g"] == {1: "one", 2: "two"}
    assert inputs["old"] == {"k": 1}
    assert inputs["deep"] == {"k": [7, ("two",)]}
    held = load_inputs(plan, *plan.locate("held"))["x"]
    assert held == Config(7, Pair(7, ["one"]))


def test_a_stored_dict_moves_with_the_plan(tmp_path: Path) -> None:
    serialize({"k": 1}, tmp_path / "exp/old")
    DAG({"a": Job(same, {"x": LazyDict(tmp_path / "exp/old")})}).materialize(tmp_path / "exp/plan")
    (tmp_path / "exp").rename(tmp_path / "moved")
    plan = read_plan(tmp_path / "moved")
    assert load_inputs(plan, *plan.locate("a"))["x"] == {"k": 1}


def test_a_function_is_loaded_once(tmp_path: Path) -> None:
    DAG({"a": Job(lambda: 1), "b": Job(same)}).materialize(tmp_path / "plan")
    plan = read_plan(tmp_path / "plan")
    a = plan.definitions["a"]
    assert load_function(plan, a) is load_function(plan, a)
    assert load_function(plan, plan.definitions["b"]) is same


def test_the_source_of_a_function_by_value_can_be_read(tmp_path: Path) -> None:
    def inner() -> str:
        return "a telling line"

    DAG({"a": Job(inner)}).materialize(tmp_path / "plan")
    (source,) = (tmp_path / "plan/callables").glob("*.py")
    assert "a telling line" in source.read_text()


def test_the_snippet_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    DAG({"it's": Job(same, {"x": "seen"})}).materialize(tmp_path / "plan")
    exec(rerun_snippet(tmp_path / "plan", "it's"), {})
    assert capsys.readouterr().out == "seen\n"
    assert Job.rerun_snippet(dag_path=tmp_path / "plan", job_id="a") == rerun_snippet(tmp_path / "plan", "a")
