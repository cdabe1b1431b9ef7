"""A plan and outputs that were cut short, changed or lost are told by our own errors, and never run."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from ramify import (
    DAG,
    Job,
    LazyDict,
    ParametrizedJob,
    get_job_states,
    load_callable,
    load_inputs_and_callable,
    load_job_definition,
)
from ramify.errors import PlanError, RamifyError, RamifyWarning
from ramify.plan.folder import read_plan

pytestmark = pytest.mark.timeout(60)

FOREIGN: list[Any] = [None, 5, "../../..", [], {}, [[1]], ["../x"], {"a": "../x"}]


def same(x: Any, y: Any = None) -> Any:
    return x


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    grid = ParametrizedJob(same, ["x"], [(1,), ("b",)], {"y": list(range(1000))})
    dag = DAG(
        {
            "a": Job(same, {"x": lambda: 1}),
            "g": grid,
            "s": Job(same, {"x": grid}),
            "n": DAG({"k": Job(same, {"x": (1, {2: 3})})}),
            "l": Job(same, {"x": [Job(same, {"x": 5})]}),
        }
    )
    dag.evaluate(folder, execution_mode="thread")
    shutil.rmtree(folder / "run")
    return folder


def use(folder: Path) -> None:
    """All that reads a plan and its outputs."""
    plan = read_plan(folder)
    plan.graph(), plan.folders(), get_job_states(folder)
    for job_id in plan.job_ids():
        load_job_definition(folder, job_id)
        load_inputs_and_callable(folder, job_id)
    LazyDict(plan.outputs).to_dict()


def damages(data: bytes, name: str) -> list[bytes]:
    random = Random(name)
    damaged = [data[:end] for end in {0, 1, len(data) // 2, len(data) - 1}]
    for part in (b"\xff", b"0", b'"', b"{", b"null", b"", b"\n"):
        at = random.randrange(len(data))
        if not name.endswith(".pickle"):
            damaged.append(data[:at] + part + data[at + 1 :])
    document = msgspec.json.decode(data) if name.endswith((".json", ".ramify", ".link")) else None
    if isinstance(document, dict):
        for field in document:
            damaged += [msgspec.json.encode({**document, field: value}) for value in FOREIGN]
            damaged.append(msgspec.json.encode({k: v for k, v in document.items() if k != field}))
    return damaged


@pytest.mark.slow
def test_all_damage_is_told(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    use(copy)
    for path in [path for path in copy.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        for number, damaged in enumerate(damages(data, str(path.relative_to(copy)))):
            path.write_bytes(damaged)
            try:
                use(copy)
            except RamifyError:
                continue
            except Exception as error:
                pytest.fail(f"{path}, damage {number}: {type(error).__name__}: {error}")
        path.write_bytes(data)
    use(copy)


def test_definitions_that_lack_lines_are_no_shorter_plan(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    path = copy / "plan/definitions.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(copy).job_ids()


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


def test_a_function_that_was_exchanged_is_not_loaded(whole: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    dag = DAG({"a": Job(lambda x: x, {"x": 1})})
    with pytest.warns(RamifyWarning, match="not in the new one"):
        dag.materialize(copy / "plan")
    (pickled,) = (copy / "plan/callables").glob("*.pickle")
    pickled.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(PlanError, match="not what was written"):
        load_callable(load_job_definition(copy, "a"))


def test_states_and_clearing_unpickle_nothing(tmp_path: Path) -> None:
    dag = DAG({"g": ParametrizedJob(lambda x: {x}, ["x"], [(1,), (2,)], {}), "a": Job(lambda: object, {})})
    dag.evaluate(tmp_path, execution_mode="thread")
    for path in tmp_path.rglob("*.pickle"):
        path.write_bytes(pickle.dumps(Bomb()))
    assert set(get_job_states(tmp_path).values()) == {"succeeded"}
    dag.clear_outputs(tmp_path, ["a"])
    dag.clear_outputs(tmp_path)
    assert set(get_job_states(tmp_path).values()) == {"pending"}
