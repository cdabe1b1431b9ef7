"""What is added to a plan while its run goes on."""

from pathlib import Path

import pytest

from ramify import DAG, Job
from ramify.dag.compile import compile_growth
from ramify.plan.definition import hidden_at
from ramify.plan.folder import read_plan
from ramify.plan.growth import read_growth, write_growth
from ramify.plan.opened import Plan
from ramify.plan.paths import GROWN, GROWN_NOTES


def made(tmp_path: Path) -> Plan:
    DAG({"a": Job(int, {"x": "1"})}).materialize(tmp_path / "plan")
    return read_plan(tmp_path / "plan")


def grow(plan: Plan, name: str) -> None:
    write_growth(plan, compile_growth([(name, Job(int, {"x": "2"}), None)], (), plan.path))


@pytest.mark.parametrize("file", [GROWN, GROWN_NOTES])
@pytest.mark.parametrize("half", [b'{"id":"half', b'{"id":"' + b"long" * 1000])
def test_a_line_that_a_killed_driver_left_half_is_cut_off(file: str, half: bytes, tmp_path: Path) -> None:
    plan = made(tmp_path)
    grow(plan, "b")
    with (tmp_path / "plan" / file).open("ab") as grown:
        grown.write(half)
    grow(plan, "c")
    definitions, notes = read_growth(plan.path, 2)
    assert [d.id for d in definitions] == ["b", "c"]
    assert [note.definitions for note in notes] == [["b"], ["c"]]
    assert list(read_plan(plan.path).definitions) == ["a", "b", "c"]


def test_a_job_that_came_later_is_found_by_whoever_opens_the_plan(tmp_path: Path) -> None:
    plan = made(tmp_path)
    write_growth(plan, compile_growth([("b", Job(int, {"x": "2"}), None)], (), plan.path, "a"))
    assert read_plan(plan.path).stored("b") == hidden_at("b")
    assert read_plan(plan.path).holds("a") and not read_plan(plan.path).holds("c")
