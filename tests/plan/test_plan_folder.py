"""Plan folders: written whole, read back, replaced whole, merged below a prefix."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import msgspec
import pytest

from ramify.errors import JobIdError, PlanError, PlanVersionError, UnpicklableError
from ramify.plan.definition import Definition, FunctionRef
from ramify.plan.folder import Literal, NewPlan, read_plan, rewrite_outputs, write_plan
from ramify.plan.paths import PlanPaths

MAX = FunctionRef(module="builtins", qualname="max")


def job(job_id: str, *needs: str, **more: object) -> Definition:
    return Definition(id=job_id, kind="job", function=MAX, dependencies=list(needs), **more)


def grid(job_id: str, points: list[str], *needs: str, parameters: tuple[str, ...] = ("p",)) -> Definition:
    return Definition(
        id=job_id,
        kind="group",
        function=MAX,
        dependencies=list(needs),
        parameters=list(parameters),
        points=msgspec.Raw(msgspec.json.encode(points)),
    )


def new(*definitions: Definition, **more: object) -> NewPlan:
    return NewPlan(list(definitions), folders={"": [d.id for d in definitions]}, **more)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_plan_is_lines_that_begin_with_the_id(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", new(job("a"), grid("g", ["1", "2"], "a")))
    lines = (tmp_path / "plan/definitions.jsonl").read_text().splitlines()
    assert [line.startswith(f'{{"id":"{name}",') for line, name in zip(lines, "ag", strict=True)] == [
        True
    ] * 2
    manifest = json.loads((tmp_path / "plan/plan.json").read_text())
    assert manifest["kind"] == "ramify-plan"
    assert manifest["counts"] == {"definitions": 2, "jobs": 3, "hidden": 0}


def test_a_plan_called_plan_has_outputs_beside_it_and_another_inside(tmp_path: Path) -> None:
    beside = write_plan(tmp_path / "exp/plan", new(job("a")))
    inside = write_plan(tmp_path / "other", new(job("a")))
    assert (beside.manifest["outputs"], beside.manifest["run"]) == ("../outputs", "../run")
    assert beside.outputs == str(tmp_path / "exp/outputs")
    assert beside.run_folder == str(tmp_path / "exp/run")
    assert (inside.outputs, inside.run_folder) == (
        str(tmp_path / "other/outputs"),
        str(tmp_path / "other/run"),
    )


def test_a_moved_plan_still_knows_its_outputs(tmp_path: Path) -> None:
    write_plan(tmp_path / "exp/plan", new(job("a")), outputs=tmp_path / "exp/results")
    (tmp_path / "exp").rename(tmp_path / "moved")
    assert read_plan(tmp_path / "moved/plan").outputs == str(tmp_path / "moved/results")


def test_a_path_is_the_plan_or_the_folder_of_one(tmp_path: Path) -> None:
    write_plan(tmp_path / "exp/plan", new(job("a")))
    for where in (tmp_path / "exp/plan", str(tmp_path / "exp"), PlanPaths.from_root(tmp_path / "exp/plan")):
        assert read_plan(where).job_ids() == ["a"]


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_where_there_is_no_plan_it_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PlanError, match=r"no plan at .*materialize"):
        read_plan(tmp_path / name)


def test_another_version_is_refused(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", new(job("a")))
    manifest = json.loads((tmp_path / "plan/plan.json").read_text())
    (tmp_path / "plan/plan.json").write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(PlanVersionError) as caught:
        read_plan(tmp_path / "plan")
    assert (caught.value.found, caught.value.expected) == (99, 1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"kind": "other"}'])
def test_a_broken_manifest_is_a_plan_error(tmp_path: Path, text: str) -> None:
    write_plan(tmp_path / "plan", new(job("a")))
    (tmp_path / "plan/plan.json").write_text(text)
    with pytest.raises(PlanError):
        read_plan(tmp_path / "plan")


def test_truncated_definitions_are_a_plan_error(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", new(job("a"), job("b")))
    path = tmp_path / "plan/definitions.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(PlanError, match="make it again"):
        read_plan(tmp_path / "plan").job_ids()
    with pytest.raises(PlanError):
        read_plan(tmp_path / "plan").locate("b")
    assert read_plan(tmp_path / "plan").locate("a")[0].id == "a"


def test_a_plan_of_another_version_can_be_replaced(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", new(job("a")))
    (tmp_path / "plan/plan.json").write_text('{"kind": "ramify-plan", "version": 0}')
    assert write_plan(tmp_path / "plan", new(job("b"))).job_ids() == ["b"]


def test_a_replaced_plan_leaves_nothing_of_the_old_and_says_what_is_gone(tmp_path: Path) -> None:
    old = new(job("a"), grid("g", ["1", "2"]), callables={"0" * 16: (b"old", None)})
    write_plan(tmp_path / "plan", old)
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs/a.json").write_text("1")
    told: list[str] = []
    write_plan(tmp_path / "plan", new(grid("g", ["2", "3"])), told_gone=told.extend)
    assert told == ["a", "g/1"]
    assert sorted(os.listdir(tmp_path / "plan")) == [
        "codes.json",
        "definitions.jsonl",
        "folders.json",
        "plan.json",
    ]
    assert sorted(os.listdir(tmp_path)) == ["outputs", "plan"]
    assert (tmp_path / "outputs/a.json").read_text() == "1"


def test_outputs_inside_the_plan_survive_its_replacement(tmp_path: Path) -> None:
    write_plan(tmp_path / "p", new(job("a"), callables={"0" * 16: (b"old", None)}))
    for name in ("outputs", "run"):
        (tmp_path / "p" / name).mkdir()
        (tmp_path / "p" / name / "kept").write_text("kept")
    assert write_plan(tmp_path / "p", new(job("b"))).job_ids() == ["b"]
    assert sorted(os.listdir(tmp_path / "p")) == [
        "codes.json",
        "definitions.jsonl",
        "folders.json",
        "outputs",
        "plan.json",
        "run",
    ]
    assert (tmp_path / "p/run/kept").read_text() == "kept"
    assert os.listdir(tmp_path) == ["p"]


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("years of work")
    with pytest.raises(PlanError, match=r"thesis\.tex"):
        write_plan(tmp_path / "home", new(job("a")))
    (tmp_path / "file").write_text("x")
    with pytest.raises(PlanError, match="is a file"):
        write_plan(tmp_path / "file", new(job("a")))
    assert sorted(os.listdir(tmp_path)) == ["file", "home"]


def test_an_argument_that_cannot_be_written_leaves_all_as_it_was(tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", new(job("a")))
    before = everything(tmp_path)
    bad = Literal("inputs/b/x", {"k": [threading.Lock()]}, True, "b", "x")
    with pytest.raises(UnpicklableError) as caught:
        write_plan(tmp_path / "plan", new(job("b"), literals=[bad]))
    assert (caught.value.job_id, caught.value.argument) == ("b", "x")
    assert "x['k'][0]" in str(caught.value)
    assert everything(tmp_path) == before
    assert os.listdir(tmp_path) == ["plan"]


def test_outputs_can_be_moved(tmp_path: Path) -> None:
    plan = write_plan(tmp_path / "exp/plan", new(job("a")))
    moved = rewrite_outputs(plan, tmp_path / "elsewhere")
    assert moved.outputs == read_plan(tmp_path / "exp").outputs == str(tmp_path / "elsewhere")
    assert moved.manifest["outputs"] == "../../elsewhere"


def test_below_a_prefix_only_that_part_is_replaced(tmp_path: Path) -> None:
    first = new(job("x/a"), callables={"1" * 16: (b"one", None)})
    first.folders = {"": ["x"], "x": ["a"]}
    write_plan(tmp_path / "plan", first, under="x", outputs=tmp_path / "mine")
    second = new(job("y/b"), callables={"2" * 16: (b"two", None)})
    second.folders = {"": ["y"], "y": ["b"]}
    told: list[str] = []
    plan = write_plan(tmp_path / "plan", second, under="y", told_gone=told.extend)
    assert plan.job_ids() == ["x/a", "y/b"]
    assert not told
    assert plan.outputs == str(tmp_path / "mine")
    assert dict(plan.folders()) == {"": ["x", "y"], "x": ["a"], "y": ["b"]}
    assert sorted(os.listdir(tmp_path / "plan/callables")) == [f"{'1' * 16}.pickle", f"{'2' * 16}.pickle"]
    again = new(job("x/c"))
    again.folders = {"": ["x"], "x": ["c"]}
    plan = write_plan(tmp_path / "plan", again, under="x", told_gone=told.extend)
    assert plan.job_ids() == ["y/b", "x/c"]
    assert told == ["x/a"]


def test_an_id_is_found_with_and_without_parsing_everything(tmp_path: Path) -> None:
    points = [f"{k}/{i}" for k in ("m1", '"7"') for i in range(10)]
    write_plan(tmp_path / "plan", new(job("a"), grid("g", points, parameters=("k", "i")), job("g2")))
    for parsed in (False, True):
        plan = read_plan(tmp_path / "plan")
        if parsed:
            plan.job_ids()
        assert plan.locate("a")[1] is None
        assert plan.locate("g2")[0].id == "g2"
        for _ in range(2):  # by text at first, by a table later
            for point in points:
                definition, found = plan.locate(f"g/{point}")
                assert (definition.id, found) == ("g", point)
        for absent in ("b", "g", "g/m1", "g/m1/10", "g/m1/1/1", "a/b", "", "g/", "/a", "m1/1"):
            with pytest.raises(JobIdError):
                plan.locate(absent)
            assert not plan.holds(absent)


def test_a_job_id_error_says_what_is_near(tmp_path: Path) -> None:
    plan = write_plan(tmp_path / "plan", new(job("train"), grid("g", ["m1", "m2"])))
    with pytest.raises(JobIdError, match="did you mean 'train'"):
        plan.locate("trian")
    with pytest.raises(JobIdError, match="it is a group; its jobs are g/m1, g/m2"):
        plan.locate("g")
    with pytest.raises(ValueError, match="it has 3 jobs"):
        plan.locate("zzzzzz")


def test_the_jobs_below_an_id(tmp_path: Path) -> None:
    plan = write_plan(
        tmp_path / "plan", new(job("a"), grid("g", ["m1/1", "m1/2", "m2/1"], parameters=("k", "i")))
    )
    assert plan.below("g/m1") == ["g/m1/1", "g/m1/2"]
    assert plan.below("a") == ["a"]
    with pytest.raises(JobIdError):
        plan.below("m1")


def test_folders_come_deepest_first_in_the_order_of_the_draft(tmp_path: Path) -> None:
    points = ["m2/b", "m1/a", "m2/a"]
    plan = write_plan(tmp_path / "plan", new(job("z"), grid("g", points, parameters=("k", "i"))))
    folders = plan.folders()
    assert dict(folders) == {"": ["z", "g"], "g": ["m2", "m1"], "g/m2": ["b", "a"], "g/m1": ["a"]}
    assert [f for f, _ in folders][-2:] == ["g", ""]


def test_plan_paths_name_the_plan_and_its_outputs(tmp_path: Path) -> None:
    usual = PlanPaths.from_root(tmp_path / "exp/plan")
    assert usual.outputs == tmp_path / "exp/outputs"
    assert PlanPaths.from_runner_string(usual.to_runner_string()) == usual
    other = PlanPaths(usual.definitions, usual.inputs, tmp_path / "o")
    assert ":::" in other.to_runner_string()
    assert PlanPaths.from_runner_string(other.to_runner_string()) == other
    with pytest.raises(PlanError, match="one folder"):
        _ = PlanPaths(tmp_path / "a/d", tmp_path / "b/i", tmp_path / "o").root
    with pytest.raises(PlanError, match="three"):
        PlanPaths.from_runner_string("a:::b")
