"""Cases at the edges of the front end: places that must not meet, arguments that hide jobs, odd folders."""

from __future__ import annotations

import collections
import os
import threading
import types
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ramify import (
    DAG,
    DAGExecutionError,
    Job,
    LazyDict,
    ParametrizedJob,
    deserialize,
    execute_plan,
    get_job_states,
    run_materialized_job,
    serialize,
)
from ramify.errors import (
    ArgumentError,
    JobIdError,
    LockedError,
    PlanError,
    RamifyDeserializationError,
    RamifyWarning,
    UnpicklableError,
)
from ramify.files.lock import FolderLock
from ramify.plan.folder import read_plan

pytestmark = pytest.mark.timeout(30)


def same(x: Any) -> Any:
    return x


def everything(**arguments: Any) -> list[Any]:
    return list(arguments.items())


def keys_of(x: Any) -> list[Any]:
    return list(x)


def as_dict(x: LazyDict) -> list[Any]:
    return [x.to_dict()]


def here(dag: Any, target: Path, **options: Any) -> LazyDict:
    result: LazyDict = dag.evaluate(target, execution_mode="thread", **options)
    return result


# ---- places


def test_arguments_and_hidden_jobs_of_one_path_keep_their_own_files(tmp_path: Path) -> None:
    one, two = list(range(1000)), list(range(1000, 2100))
    hidden = Job(everything, {"z": two})
    dag = DAG({"a": Job(everything, {"arg": {"x": {"z": one, "j": Job(same, {"x": 1})}}, "x": hidden})})
    assert here(dag, tmp_path)["a"] == [("arg", {"x": {"z": one, "j": 1}}), ("x", [("z", two)])]


def test_long_chains_of_arguments_and_names_that_are_no_keys_do_not_meet(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(120):
        deep = Job(same, {"x": deep})
    odd = {"a/b": Job(same, {"x": 7}), "": Job(same, {"x": 8}), "../../c": list(range(2000))}
    dag = DAG({"a": Job(everything, {"deep": deep, **odd})})
    found = here(dag, tmp_path / "exp")["a"]
    assert found == [("deep", 1), ("a/b", 7), ("", 8), ("../../c", list(range(2000)))]
    assert os.listdir(tmp_path) == ["exp"]


@pytest.mark.parametrize("outputs", [".", "exp", "exp/plan", "exp/plan/inputs", "exp/plan/callables/x"])
def test_outputs_are_never_where_the_plan_is(tmp_path: Path, outputs: str) -> None:
    dag = DAG({"a": Job(same, {"x": list(range(5000))})})
    with pytest.raises(PlanError, match="choose another"):
        here(dag, tmp_path / "exp", output_path=tmp_path / outputs)
    plan = dag.materialize(tmp_path / "exp/plan")
    with pytest.raises(PlanError, match="choose another"):
        dag.execute_materialized(plan, output_path=tmp_path / outputs, execution_mode="thread")
    assert here(dag, tmp_path / "exp")["a"] == list(range(5000))


def test_outputs_are_not_moved_under_a_run(tmp_path: Path) -> None:
    dag = DAG({"a": Job(same, {"x": 1})})
    plan = dag.materialize(tmp_path / "plan")
    before = (plan / "plan.json").read_text()
    with FolderLock(str(tmp_path / "run"), run="another"), pytest.raises(LockedError):
        dag.execute_materialized(plan, output_path=tmp_path / "else", execution_mode="thread")
    assert (plan / "plan.json").read_text() == before


def test_a_prefix_below_a_job_or_a_grid_is_refused(tmp_path: Path) -> None:
    DAG({"x": Job(same, {"x": 1}), "g": ParametrizedJob(same, ["x"], [(1,)])}).materialize(tmp_path / "plan")
    for prefix in ("x/y", "g/y"):
        with pytest.raises(PlanError, match="choose another prefix"):
            DAG({"b": Job(same, {"x": 1})}).materialize(tmp_path / "plan", prefix=prefix)
    assert read_plan(tmp_path).job_ids() == ["x", "g/1"]


def test_a_link_to_the_plans_folder_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp/plan").symlink_to(tmp_path / "far")
    for number in range(3):
        DAG({"a": Job(same, {"x": number})}).materialize(tmp_path / "exp/plan")
    assert (tmp_path / "exp/plan").is_symlink()
    assert execute_plan(tmp_path / "exp", execution_mode="thread") is None
    assert deserialize(tmp_path / "exp/outputs/a") == 2


def test_a_link_that_leads_back_up_is_followed_once(tmp_path: Path) -> None:
    dag = DAG({"g": ParametrizedJob(same, ["x"], [(1,)])})
    here(dag, tmp_path)
    (tmp_path / "outputs/g/back").symlink_to(tmp_path / "outputs")
    assert get_job_states(tmp_path) == {"g/1": "succeeded"}


@pytest.mark.slow
def test_paths_with_spaces_and_other_letters_relative_and_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    serialize({"k": [1, 2]}, "dáta set")
    grid = ParametrizedJob(same, ["x"], [("ü",), ("a b",)])
    dag = DAG({"g é": grid, "s": Job(keys_of, {"x": grid}), "d": Job(as_dict, {"x": LazyDict("dáta set")})})
    plan = dag.materialize("my exp é/plan")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    os.rename(tmp_path / "my exp é", tmp_path / "moved ☃")
    assert not plan.exists()
    result = dag.execute_materialized("../moved ☃", execution_mode="subprocess")
    assert result.to_dict() == {
        "g é": {"ü": "ü", "a b": "a b"},
        "s": ["ü", "a b"],
        "d": [{"k": [1, 2]}],
    }


def test_a_url_never_becomes_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dag, url = DAG({"a": Job(same, {"x": 1})}), "s3://bucket/exp"
    for attempt in (
        lambda: dag.evaluate(url, execution_mode="thread"),
        lambda: here(dag, tmp_path / "x", output_path=url),
        lambda: here(dag, tmp_path / "x", dag_path=url),
        lambda: dag.materialize(url),
        lambda: get_job_states(url),
        lambda: serialize(1, url),
        lambda: deserialize(url),
        lambda: LazyDict(url),
    ):
        with pytest.raises(ArgumentError, match="is a URL"):
            attempt()
    assert os.listdir(tmp_path) == []


# ---- arguments


class Slots:
    __slots__ = ("__hidden", "held")

    def __init__(self, held: Any) -> None:
        self.held = self.__hidden = held

    def both(self) -> list[Any]:
        return [self.held, self.__hidden]


def both(x: Slots) -> list[Any]:
    return x.both()


def call(x: Any) -> Any:
    return x()


def test_jobs_are_found_in_slots_queues_and_partials(tmp_path: Path) -> None:
    def one() -> Job:
        return Job(same, {"x": 1})

    dag = DAG(
        {
            "slots": Job(both, {"x": Slots(one())}),
            "queue": Job(keys_of, {"x": collections.deque([one()])}),
            "partial": Job(call, {"x": partial(same, one())}),
            "user": Job(keys_of, {"x": collections.UserList([one()])}),
        }
    )
    assert here(dag, tmp_path).to_dict() == {"slots": [1, 1], "queue": [1], "partial": 1, "user": [1]}


def are_one(x: Any) -> bool:
    return x[0] is x[1]


def test_what_stands_twice_in_an_argument_stays_one(tmp_path: Path) -> None:
    row, job = [1], [Job(same, {"x": 1})]
    values: dict[str, Any] = {
        "list": [row, row],
        "tuple": (row, row),
        "dict": {0: row, 1: row},
        "job": [job, job],
    }
    dag = DAG({name: Job(are_one, {"x": value}) for name, value in values.items()})
    assert set(here(dag, tmp_path).values()) == {True}


def test_a_narrowed_stored_dict_arrives_narrowed_and_checked(tmp_path: Path) -> None:
    digest = serialize({"m1": {"a": 1, "b": 2}, "m2": 3}, tmp_path / "old")
    narrow = LazyDict(tmp_path / "old", members={"m1": {"a": None}})
    dag = DAG(
        {
            "a": Job(as_dict, {"x": narrow}),
            "b": Job(keys_of, {"x": LazyDict(tmp_path / "old", checksum=digest)}),
        }
    )
    assert here(dag, tmp_path / "exp").to_dict() == {"a": [{"m1": {"a": 1}}], "b": ["m1", "m2"]}
    wrong = DAG({"a": Job(keys_of, {"x": LazyDict(tmp_path / "old", checksum="0" * 64)})})
    with pytest.raises(DAGExecutionError, match="not the one that was expected"):
        here(wrong, tmp_path / "exp2")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((number for number in range(3)), "x \\(a generator\\).*cannot pickle 'generator'"),
        ({"k": [1, threading.Lock()]}, r"x\['k'\]\[1\] \(a _thread.lock\)"),
    ],
)
def test_what_cannot_travel_is_named_with_what_pickle_said(tmp_path: Path, value: Any, words: str) -> None:
    with pytest.raises(UnpicklableError, match=words):
        DAG({"a": Job(same, {"x": value})}).materialize(tmp_path / "plan")


@pytest.mark.slow
@pytest.mark.parametrize("core", [1, Job(same, {"x": 1})])
def test_what_is_nested_too_deeply_is_told_so(tmp_path: Path, core: Any) -> None:
    value = core
    for _ in range(30_000):
        value = [value]
    with pytest.raises(UnpicklableError, match="nested too deeply"):
        DAG({"a": Job(same, {"x": value})}).materialize(tmp_path / "plan")


def test_a_name_that_no_plan_can_hold_is_refused() -> None:
    with pytest.raises(ArgumentError, match="cannot be written"):
        Job(everything, {"\ud800": 1})


# ---- groups


def test_a_group_that_is_not_whole_is_never_taken_for_one(tmp_path: Path) -> None:
    grid = ParametrizedJob(same, ["x"], [(1,), (2,)])
    inner = DAG({"k": Job(same, {"x": 3}), "none": ParametrizedJob(same, ["x"], [])})
    dag = DAG({"g": grid, "n": inner, "s": Job(as_dict, {"x": grid}), "t": Job(as_dict, {"x": inner})})
    plan = dag.materialize(tmp_path / "plan")
    for job_id in ("g/1", "n/k"):
        with pytest.raises(RamifyDeserializationError, match="nothing is stored"):
            run_materialized_job(plan, "s" if job_id[0] == "g" else "t")
        run_materialized_job(plan, job_id)
    with pytest.raises(RamifyDeserializationError, match="g/2"):
        run_materialized_job(plan, "s")
    run_materialized_job(plan, "g/2")
    for job_id in ("s", "t"):
        run_materialized_job(plan, job_id)
    assert deserialize(tmp_path / "outputs/s") == [{1: 1, 2: 2}]
    assert deserialize(tmp_path / "outputs/t") == [{"k": 3, "none": {}}]


def test_empty_groups_keep_their_place(tmp_path: Path) -> None:
    empty = ParametrizedJob(same, ["x"], [])
    inner = DAG({"p": Job(same, {"x": 1}), "q": empty, "r": DAG(), "s": Job(same, {"x": 2}), "t": DAG()})
    dag = DAG({"b": Job(same, {"x": 1}), "a": DAG(), "n": inner, "k": Job(keys_of, {"x": inner})})
    result = here(dag, tmp_path)
    assert list(result) == ["b", "a", "n", "k"]
    assert list(result["n"]) == ["p", "q", "r", "s", "t"] == result["k"]


def test_no_job_at_all(tmp_path: Path) -> None:
    said: list[str] = []
    dag = DAG({"g": ParametrizedJob(same, ["x"], [])})
    assert here(dag, tmp_path, progress_callback=said.append).to_dict() == {"g": {}}
    assert said[0] == "[materialize] starting (0 jobs)"


# ---- ids, keys, warnings


def test_an_id_that_is_no_text(tmp_path: Path) -> None:
    dag = DAG({1: Job(same, {"x": 1}), "1": Job(same, {"x": 2})})
    here(dag, tmp_path)
    with pytest.raises(JobIdError, match="a job id is a text"):
        run_materialized_job(tmp_path, 1)  # type: ignore[arg-type]  # the point of the test
    dag.clear_outputs(tmp_path, [1])  # type: ignore[list-item]  # a key, which has an id
    assert get_job_states(tmp_path) == {"1": "pending", '"1"': "succeeded"}


def test_a_point_is_found_whatever_commas_there_are(tmp_path: Path) -> None:
    dag = DAG({"g": ParametrizedJob(same, ["x"], [("a,",), (",b",), ("c",)])})
    plan = read_plan(dag.materialize(tmp_path / "plan"))
    assert not plan.holds("g/,")
    assert all(map(plan.holds, ("g/a,", "g/,b", "g/c")))


def test_nan_is_one_key() -> None:
    dag = DAG()
    dag[float("nan")] = Job(same, {"x": 1})
    dag[float("nan")] = Job(same, {"x": 2})
    assert len(list(dag)) == len(dag) == 1


def test_warnings_point_to_the_users_line(tmp_path: Path) -> None:
    one, other = DAG({"a": Job(same, {"x": 1})}), DAG({"b": Job(same, {"x": 1})})
    plan = one.materialize(tmp_path / "plan")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        other.materialize(plan)
        one.evaluate(tmp_path, execution_mode="thread")
        one.execute_materialized(plan, skip_running=True, skip_completed=True, execution_mode="thread")
        one.clear_outputs(plan, ["zz"])
    told = [w for w in caught if issubclass(w.category, RamifyWarning)]
    assert [w.filename for w in told] == [__file__] * 4


# ---- values whose class no worker could import


def test_classes_of_a_module_that_was_made_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("made_by_hand_x")
    monkeypatch.setitem(__import__("sys").modules, "made_by_hand_x", module)
    code = (
        "from dataclasses import dataclass\nfrom enum import Enum\n"
        "class Colour(Enum):\n    RED = 1\n"
        "@dataclass\nclass Point:\n    x: int\n"
        "def moved(p, c):\n    return [Point(p.x + 1).x, c is Colour.RED, isinstance(p, Point)]\n"
    )
    exec(code, module.__dict__)
    dag = DAG({"a": Job(module.moved, {"p": module.Point(1), "c": module.Colour.RED})})
    assert dag.evaluate(tmp_path, execution_mode="subprocess")["a"] == [2, True, True]


@dataclass
class Box:
    held: Any


@pytest.mark.slow
def test_a_box_of_a_test_module_travels(tmp_path: Path) -> None:
    dag = DAG({"a": Job(same, {"x": Box(Job(same, {"x": 5}))})})
    assert dag.evaluate(tmp_path, execution_mode="subprocess")["a"] == Box(5)
