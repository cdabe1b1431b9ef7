"""Waits, matches, queries and sub-pipelines, over a progress that is two dicts; what a sweep asked, and when
it is to be made again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ramify.errors import (
    ArgumentError,
    CallFormError,
    DeclarationError,
    DeclarationTypeError,
    FileMissingError,
    NotCompletedError,
    ReopenedError,
    UnknownOutputError,
)
from ramify.pipeline import PipelineType, TaskConf, create_pipeline, python_call
from ramify.pipeline.changes import diff
from ramify.pipeline.definition import Call, Input, Output, TaskDefinition, TaskResult
from ramify.pipeline.definition_fingerprint import DefinitionFingerprint, definition_fingerprint
from ramify.pipeline.sweep import Sweep, sweep
from ramify.pipeline.watch import Watch


class Told:
    """A progress that is a dict of states and a dict of results; counts what it is asked."""

    def __init__(self, folder: str = "/instance") -> None:
        self.folder = folder
        self.states: dict[str, str] = {}
        self.results: dict[str, TaskResult] = {}
        self.questions = 0

    def complete(self, *keys: str, **variables: Any) -> None:
        for key in keys:
            self.states[key] = "completed"
            self.results[key] = TaskResult(variables)

    def state(self, key: str) -> str:
        self.questions += 1
        return self.states.get(key, "waiting")

    def result(self, key: str) -> TaskResult | None:
        return self.results.get(key)

    def output_folder(self, key: str) -> str:
        return f"{self.folder}/output/{key}"


class Other(Told):
    def __init__(self, folder: str, made: list[TaskDefinition]) -> None:
        super().__init__(folder)
        self.made = made

    def definitions(self) -> Iterable[TaskDefinition]:
        return self.made


@pytest.fixture
def told() -> Told:
    return Told()


def swept(generator: Callable[[Any], Any], told: Told, folder: Any = "/instance", **options: Any) -> Sweep:
    return sweep(create_pipeline(generator), folder, told, **options)


def chunks(dsl: Any, numbers: Iterable[int] = range(3)) -> Iterator[Any]:
    for number in numbers:
        yield (
            dsl.task(f"chunk.{number}")
            .inputs(n=number)
            .outputs(n_out=int, r=dsl.file("r [1].txt"), many=dsl.fileset("*.csv"))
            .calls("true")()
        )


def fan(dsl: Any) -> Iterator[Any]:
    yield from chunks(dsl)
    for match in dsl.wait_for_matching_tasks("chunk.*"):
        yield dsl.task("all").inputs(files=match.all.r.as_glob_expression()).calls("cat $files")()


# ---- waits


def test_a_wait_for_a_task(told: Told) -> None:
    seen: list[Any] = []

    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").outputs(x=int).calls("true")()
        yield a
        for waited in dsl.wait_for_tasks(a):
            assert waited is a
            seen.append(a.outputs.x.fetch())
            yield dsl.task("b").inputs(y=dsl.val(a.outputs.x), z=a.outputs.x).calls("true")()
        yield dsl.task("c").inputs(y=dsl.val(a.outputs.x)).calls("true")()

    before = swept(flow, told)
    assert list(before.definitions) == ["a", "c"] and seen == []
    assert before.not_ready(told)[0].endswith(
        "wait_for_tasks('a'): 1 of 1 tasks are not completed: a (waiting)"
    )
    told.complete("a", x=7)
    after = swept(flow, told)
    assert list(after.definitions) == ["a", "b", "c"] and seen == [7] and not after.not_ready(told)
    assert after.definitions["b"].inputs == (Input("y", "int", 7), Input("z", "int", None, "a", "x"))
    assert after.definitions["c"] == before.definitions["c"]
    changes = diff(before, after)
    assert changes.new == ("b",) and not changes.changed and changes


def test_a_wait_for_several_gives_a_tuple(told: Told) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a, b = (dsl.task(key).calls("true")() for key in "ab")
        yield a
        yield b
        for one, two in dsl.wait_for_tasks(a, "b"):
            assert (one, two) == (a, b)
            yield dsl.task("c").calls("true")()

    told.complete("a")
    assert "c" not in swept(flow, told).definitions
    told.states["b"] = "failed.0"
    assert "b (failed.0)" in swept(flow, told).not_ready(told)[0]
    told.complete("b")
    assert "c" in swept(flow, told).definitions


def test_waits_for_what_was_never_yielded_say_so(told: Told) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("a").calls("true")()
        assert not dsl.wait_for_tasks("b") and not dsl.wait_for_matching_tasks("x*")
        assert not dsl.wait_for_matching_tasks("a", "x*")
        yield dsl.task("b").calls("true")()

    told.complete("a", "b")
    first, second, third = swept(flow, told).not_ready(told)
    assert first.endswith("wait_for_tasks('b'): no task 'b' was yielded before it")
    assert second.endswith("no task yielded before it matches 'x*'")
    assert third.endswith("no task yielded before it matches 'x*'")


@pytest.mark.parametrize(
    "wait", [lambda dsl: dsl.wait_for_tasks(), lambda dsl: dsl.wait_for_matching_tasks()]
)
def test_a_wait_for_nothing(wait: Any, told: Told) -> None:
    with pytest.raises(CallFormError, match="waits for nothing"):
        swept(lambda dsl: wait(dsl), told)


@pytest.mark.parametrize("given", [3, None, ["a"], ""])
def test_waits_for_other_things(given: Any, told: Told) -> None:
    with pytest.raises(DeclarationTypeError, match="takes patterns of keys"):
        swept(lambda dsl: dsl.wait_for_matching_tasks(given), told)
    if given != "":
        with pytest.raises(DeclarationTypeError, match="takes tasks and keys"):
            swept(lambda dsl: dsl.wait_for_tasks(given), told)


def test_reading_before_it_is_there(told: Told) -> None:
    for read in (
        lambda a: a.outputs.x.fetch(),
        lambda a: int(a.outputs.x),
        lambda a: a.outputs.f.fetch(),
        lambda a: a.outputs.f.load_as_string(),
        lambda a: a.outputs.s.fetch(),
        lambda a: list(a.outputs.s),
    ):

        def flow(dsl: Any, read: Any = read) -> Iterator[Any]:
            a = dsl.task("a").outputs(x=int, f=dsl.file("f"), s=dsl.fileset("*")).calls("true")()
            yield a
            read(a)

        with pytest.raises(NotCompletedError, match="is not there yet: read it inside"):
            swept(flow, told)


def test_reading_what_is_there(tmp_path: Path) -> None:
    told = Told(str(tmp_path))
    folder = tmp_path / "output" / "a"
    folder.mkdir(parents=True)
    (folder / "f.txt").write_text("text é\r\n", newline="")
    told.states["a"] = "completed"
    told.results["a"] = TaskResult(
        {"i": 3, "r": 2.5, "t": "x", "n": None}, {"f": "f.txt"}, {"s": ["c.2", "c.10", "c.1"]}
    )

    def flow(dsl: Any) -> Iterator[Any]:
        a = (
            dsl.task("a")
            .outputs(i=int, r=float, t=str, n=dsl.var(int, may_be_none=True), lost=int)
            .outputs(f=dsl.file("f.txt"), s=dsl.fileset("c.*"))
            .calls("true")()
        )
        yield a
        out = a.outputs
        assert (int(out.i), float(out.r), str(out.t), out["i"].fetch()) == (3, 2.5, "x", 3)
        assert out.n.fetch() is None
        with pytest.raises(DeclarationError, match="is None"):
            int(out.n)
        with pytest.raises(DeclarationError, match="completed without its output 'lost'"):
            out.lost.fetch()
        assert out.f.load_as_string() == "text é\r\n" and out.f.basename() == "f.txt"
        assert os.fspath(out.f.fetch()) == str(out.f) == str(folder / "f.txt")
        assert [file.basename() for file in out.s.fetch()] == ["c.1", "c.10", "c.2"]
        assert next(iter(map(str, out.s))) == str(folder / "c.1")
        for file in out.s:
            yield dsl.task(f"t.{file.basename()}").inputs(f=file).calls("true")()

    made = swept(flow, told, tmp_path)
    assert made.definitions["t.c.10"].inputs == (Input("f", "file", "c.10", "a", "s"),)
    assert made.parents("t.c.10") == ("a",)


# ---- matches


def test_a_match(told: Told) -> None:
    told.complete("chunk.0", "chunk.1", "chunk.2", n_out=4)

    def flow(dsl: Any) -> Iterator[Any]:
        yield from chunks(dsl)
        for match in dsl.wait_for_matching_tasks("chunk.*"):
            assert [task.key for task in match.tasks] == ["chunk.0", "chunk.1", "chunk.2"]
            assert list(match.tasks_by_key) == ["chunk.0", "chunk.1", "chunk.2"]
            assert match.all.n_out.fetch() == [4, 4, 4]
            assert [file.basename() for file in match.all.r.fetch()] == ["r [1].txt"] * 3
            assert str(match.all.many.as_glob_expression()) == "output/chunk.*/*.csv"
            with pytest.raises(DeclarationError, match=r"one task is wanted .* and 3 match"):
                match.single()
            with pytest.raises(DeclarationError, match="is a variable"):
                match.all.n_out.as_glob_expression()
            with pytest.raises(UnknownOutputError, match=r"'chunk.0' .* has no output 'q'"):
                match.all.q.fetch()
            yield dsl.task("all").inputs(files=match.all.r.as_glob_expression()).calls("cat $files")()
        for one, two in dsl.wait_for_matching_tasks("chunk.0", "chunk.[12]"):
            assert one.single().key == "chunk.0" == one.single_or_none().key and len(two.tasks) == 2

    made = swept(flow, told).definitions["all"]
    assert made.inputs == (Input("files", "glob", "output/chunk.*/r [[]1].txt"),)
    assert made.after == ("chunk.0", "chunk.1", "chunk.2")


def test_files_of_several_names_are_no_pattern(told: Told) -> None:
    told.complete("t1", "t2")

    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("t1").outputs(f=dsl.file("a")).calls("true")()
        yield dsl.task("t2").outputs(f=dsl.file("b")).calls("true")()
        for match in dsl.wait_for_matching_tasks("t*"):
            match.all.f.as_glob_expression()

    with pytest.raises(DeclarationError, match="'t1' has 'a', 't2' has 'b'"):
        swept(flow, told)


def test_query_all_or_nothing(told: Told) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield from chunks(dsl)
        for match in dsl.query_all_or_nothing("chunk.*", state="ready"):
            yield dsl.task(f"array-of-{len(match.tasks)}").calls("true")()
        with pytest.raises(DeclarationError, match="cannot be waited for"):
            dsl.query_all_or_nothing("chunk.*", state="failed")

    told.states.update({"chunk.0": "ready", "chunk.1": "completed"})
    assert "3 tasks are not ready: chunk.2 (waiting)" in swept(flow, told).not_ready(told)[0]
    told.states["chunk.2"] = "step-started.0"
    assert "array-of-3" in swept(flow, told).definitions


def test_query(told: Told, tmp_path: Path) -> None:
    other = Other(
        "/other [1]",
        [
            TaskDefinition(key, (Call("bash", "true\n"),), (), (Output("x", "int"), Output("f", "file", "f")))
            for key in ("b.1", "b.0", "c")
        ],
    )
    other.complete("b.0", "b.1", x=5)
    asked: list[str] = []

    def elsewhere(folder: str) -> Other:
        asked.append(folder)
        return other

    def flow(dsl: Any) -> Iterator[Any]:
        yield from chunks(dsl)
        assert [task.key for task in dsl.query("chunk.*")] == ["chunk.1"]
        for task in dsl.query("b.*", "$OTHER_INSTANCE"):
            out = task.outputs
            yield dsl.task(f"of-{task.key}").inputs(x=out.x, f=out.f).calls("true")()
            with pytest.raises(DeclarationTypeError):
                dsl.wait_for_tasks(task)

    told.complete("chunk.1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTHER_INSTANCE", "/other [1]")
        made = swept(flow, told, elsewhere=elsewhere)
    assert made.definitions["of-b.1"].inputs == (
        Input("x", "int", 5),
        Input("f", "file", "/other [1]/output/b.1/f"),
    )
    assert made.parents("of-b.1") == () and set(asked) == {"/other [1]"} == made.asked.folders
    assert Watch(made, told).note("chunk.2") is None
    told.complete("chunk.2")
    assert Watch(made, told).note("chunk.2") == "chunk.2 is completed"


# ---- sub-pipelines


def inner(dsl: Any) -> Iterator[Any]:
    first = dsl.task("first").outputs(x=int).calls("true")()
    yield first
    for _ in dsl.wait_for_tasks("first"):
        yield dsl.task("do-1").inputs(first.outputs.x).outputs(f=dsl.file("f")).calls("true")()
    for match in dsl.wait_for_matching_tasks("do-*"):
        yield dsl.task("end").inputs(p=match.all.f.as_glob_expression()).calls("true")()


def test_sub_pipelines_have_their_prefix_in_their_own_waits_too(told: Told) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        one = dsl.sub_pipeline(inner, "s_")
        yield one
        yield dsl.sub_pipeline(create_pipeline(inner), "o_")
        for task in one.wait_for_tasks("first"):
            yield dsl.task("mine").inputs(y=dsl.val(task.outputs.x)).calls("true")()
        for match in one.wait_for_matching_tasks("do-*"):
            assert match.single().key == "s_do-1"
            for _mine in dsl.wait_for_tasks("mine", "s_first"):
                yield dsl.task("last").calls("true")()
        assert len(one.query_all_or_nothing("first")) == ("s_first" in told.states)

    assert list(swept(flow, told).definitions) == ["s_first", "o_first"]
    told.complete("s_first", x=3)
    assert list(swept(flow, told).definitions) == ["s_first", "s_do-1", "o_first", "mine"]
    told.complete("s_do-1", "mine")
    made = swept(flow, told)
    assert list(made.definitions) == ["s_first", "s_do-1", "s_end", "o_first", "mine", "last"]
    assert made.definitions["s_end"].inputs == (Input("p", "glob", "output/s_do-*/f"),)
    assert made.definitions["mine"].inputs == (Input("y", "int", 3),)


def test_sub_pipelines_keep_what_is_their_own(told: Told, tmp_path: Path) -> None:
    (tmp_path / "s.sh").write_text("true\n")

    def part(dsl: Any) -> Iterator[Any]:
        yield dsl.task("a").calls("s.sh").calls("true", container="two.sif")()
        yield dsl.task("b", task_conf=TaskConf(extra_env={"A": "own"})).calls("true")()
        yield dsl.sub_pipeline(lambda dsl: [dsl.task("c").calls("true")()], "n_")

    own = create_pipeline(
        part,
        pipeline_code_dir=tmp_path,
        task_conf=TaskConf(container="one.sif"),
        env_vars={"A": "1", "B": "2"},
    )
    made = swept(lambda dsl: [dsl.sub_pipeline(own, "s_")], told).definitions
    images = f"{tmp_path}/containers"
    assert made["s_a"].calls[0] == Call("script", f"{tmp_path}/s.sh")
    assert made["s_a"].calls[1].container == f"{images}/two.sif"
    assert made["s_a"].conf.container == f"{images}/one.sif"
    variables = {"A": "1", "B": "2", "__pipeline_code_dir": str(tmp_path), "__containers_dir": images}
    assert made["s_a"].conf.extra_env == variables
    assert made["s_b"].conf.extra_env == {**variables, "A": "own"}
    nested = made["s_n_c"].conf.extra_env
    assert nested is not None and "__pipeline_code_dir" not in nested and nested["B"] == "2"


@pytest.mark.parametrize("prefix", ["", "a/", "../", "*", None, 3])
def test_prefixes_that_may_not_be(prefix: Any, told: Told) -> None:
    with pytest.raises(ValueError, match="the key"):
        swept(lambda dsl: [dsl.sub_pipeline(inner, prefix)], told)


def test_a_pipeline_that_contains_itself(told: Told) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.sub_pipeline(flow, "s")

    with pytest.raises(DeclarationError, match="does flow contain itself"):
        swept(flow, told)


def test_a_pipeline_is_no_task(told: Told) -> None:
    with pytest.raises(DeclarationTypeError, match=r"yield dsl.sub_pipeline"):
        swept(lambda dsl: [create_pipeline(inner)], told)


# ---- when to sweep again


def test_a_wait_is_asked_again_only_when_its_last_task_is_there(told: Told) -> None:
    watch = Watch(swept(fan, told), told)
    told.complete("chunk.1")
    assert watch.note("chunk.1") is None
    told.complete("chunk.0")
    assert watch.note("chunk.0") is None
    del told.states["chunk.1"]  # it was reset
    assert watch.note("chunk.1") is None
    told.complete("chunk.2")
    assert watch.note("chunk.2") is None and watch.look() is None
    told.complete("chunk.1")
    assert watch.note("chunk.1") == "wait_for_matching_tasks('chunk.*') opens: chunk.1 is completed"
    assert watch.reason is not None


def test_a_note_costs_only_its_own_questions(told: Told) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield from chunks(dsl, range(500))
        list(dsl.wait_for_matching_tasks("chunk.*"))

    watch = Watch(swept(flow, told), told)
    told.questions = 0
    for number in range(499):
        told.complete(f"chunk.{number}")
        assert watch.note(f"chunk.{number}") is None
    assert told.questions == 499


def test_an_open_wait_that_closes_and_a_result_that_changes(told: Told) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").outputs(x=int).calls("true")()
        yield a
        for _ in dsl.wait_for_tasks(a):
            a.outputs.x.fetch()

    told.complete("a", x=1)
    made = swept(flow, told)
    assert Watch(made, told).look() is None
    told.complete("a", x=2)
    assert Watch(made, told).look() == "the result of a changed"
    told.states["a"] = "step-started.0"
    assert Watch(made, told).note("a") == "a is step-started.0, and wait_for_tasks('a') was open"


def test_files_of_the_instance(tmp_path: Path) -> None:
    told = Told(str(tmp_path))

    def flow(dsl: Any) -> Iterator[Any]:
        assert dsl.pipeline_instance_dir == str(tmp_path)
        assert dsl.file_in_pipeline_instance_dir("none", must_exist=False) == tmp_path / "none"
        path = dsl.file_in_pipeline_instance_dir("data.tsv")
        for line in path.read_text().split():
            yield dsl.task(f"t-{line}").inputs(f=path).calls("true")()

    with pytest.raises(FileMissingError, match=r"put the file .*data\.tsv there first"):
        swept(flow, told, tmp_path)
    (tmp_path / "data.tsv").write_text("1 2")
    made = swept(flow, told, tmp_path)
    assert list(made.definitions) == ["t-1", "t-2"]
    assert made.definitions["t-1"].inputs == (Input("f", "file", "data.tsv"),)
    assert Watch(made, told).look() is None
    (tmp_path / "none").touch()
    assert Watch(made, told).look() == f"the file {tmp_path / 'none'} changed"
    (tmp_path / "none").unlink()
    (tmp_path / "data.tsv").write_text("1 2 3")
    assert Watch(made, told).look() == f"the file {tmp_path / 'data.tsv'} changed"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../x", ".", ""])
def test_files_outside_the_instance(name: str, tmp_path: Path, told: Told) -> None:
    with pytest.raises(DeclarationError, match="is not below the instance folder"):
        swept(lambda dsl: dsl.file_in_pipeline_instance_dir(name), told, tmp_path)


# ---- what changed


def test_new_changed_gone(told: Told) -> None:
    def flow(values: dict[str, int]) -> Callable[[Any], Iterator[Any]]:
        def generator(dsl: Any) -> Iterator[Any]:
            for key, value in values.items():
                yield dsl.task(key).inputs(x=value).calls("true")()

        return generator

    old, new = swept(flow({"a": 1, "b": 1, "c": 1}), told), swept(flow({"a": 1, "b": 2, "d": 1}), told)
    changes = diff(old, new)
    assert (changes.new, changes.changed, changes.held, changes.gone) == (("d",), ("b",), (), ("c",))
    assert not diff(old, old)
    changes.check()


def test_a_task_whose_wait_closed_is_held_and_not_gone(told: Told) -> None:
    told.complete("chunk.0", "chunk.1", "chunk.2")
    old = swept(fan, told)
    told.states["chunk.1"] = "ready"
    changes = diff(old, swept(fan, told))
    assert changes.held == ("all",) and not changes.gone
    changes.check()


def test_a_task_made_from_a_wait_that_later_matches_reopen(told: Told) -> None:
    numbers = [0, 1]

    def flow(dsl: Any) -> Iterator[Any]:
        yield from chunks(dsl, numbers)
        for _ in dsl.wait_for_matching_tasks("chunk.*"):
            yield dsl.task("all").calls("true")()
        yield dsl.task("beside").calls("true")()

    told.complete("chunk.0", "chunk.1")
    old = swept(flow, told)
    numbers.append(2)
    changes = diff(old, swept(flow, told))
    with pytest.raises(ReopenedError) as caught:
        changes.check()
    assert caught.value.key == "all" and caught.value.new == ["chunk.2"]  # type: ignore[attr-defined]  # facts
    assert "wait_for_matching_tasks('chunk.*')" in str(caught.value) and "'chunk.2'" in str(caught.value)


def test_what_is_made_from_a_wait_by_its_glob_alone(told: Told) -> None:
    told.complete("chunk.0", "chunk.1", "chunk.2")

    def flow(dsl: Any) -> Iterator[Any]:
        yield from chunks(dsl)
        (match,) = dsl.wait_for_matching_tasks("chunk.*")
        yield dsl.task("all").inputs(f=match.all.r.as_glob_expression()).calls("true")()
        for _ in dsl.wait_for_matching_tasks("chunk.*"):
            break
        yield dsl.task("beside").calls("true")()

    assert swept(flow, told).made_in == {"all": (0,)}


def test_functions_by_value_are_compared_by_their_code(told: Told) -> None:
    def flow(number: int) -> Callable[[Any], Iterator[Any]]:
        def generator(dsl: Any) -> Iterator[Any]:
            @python_call()
            def one() -> None: ...

            @python_call()
            def two() -> dict[str, int]:
                return {"x": 1}

            yield dsl.task("a").calls(one if number == 1 else two)()

        return generator

    assert not diff(swept(flow(1), told), swept(flow(1), told))
    assert diff(swept(flow(1), told), swept(flow(2), told)).changed == ("a",)


# ---- groups


def test_groups(told: Told) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield from chunks(dsl)
        yield dsl.task("merge").calls("true")()

    plain = create_pipeline(flow)
    assert {name: len(keys) for name, keys in sweep(plain, "/instance", told).groups().items()} == {
        "chunk": 3,
        "merge": 1,
    }
    by_end = create_pipeline(flow, task_groupers={"end": lambda key: key[-1]})
    assert sweep(by_end, "/instance", told).groups("end") == {
        "0": ["chunk.0"],
        "1": ["chunk.1"],
        "2": ["chunk.2"],
        "e": ["merge"],
    }
    with pytest.raises(ArgumentError, match="no task grouper 'x'; there are: end"):
        sweep(by_end, "/instance", told).groups("x")
    with pytest.raises(DeclarationTypeError, match="must return text"):
        sweep(create_pipeline(flow, task_groupers={"n": len}), "/i", told).groups()  # type: ignore[dict-item]  # that is the test


# ---- pipelines


def test_what_a_pipeline_has_by_itself() -> None:
    pipeline = create_pipeline(fan)
    assert pipeline.name == "fan" and pipeline.code_dir == str(Path(__file__).parent)
    assert pipeline.containers_dir == f"{pipeline.code_dir}/containers"
    assert pipeline.ls_command == ("git", "ls-files") and pipeline.task_conf == TaskConf()
    with pytest.raises(ArgumentError, match="env_vars"):
        create_pipeline(fan, env_vars={"A": 3})  # type: ignore[dict-item]  # that is the test
    with pytest.raises(DeclarationTypeError, match="no TaskConf"):
        create_pipeline(fan, remote_task_confs=["x"])  # type: ignore[list-item]  # that is the test
    with pytest.raises(DeclarationTypeError, match="call create_pipeline"):
        PipelineType("x", fan)  # type: ignore[arg-type]  # that is the test
    assert PipelineType("x", pipeline).pipeline is pipeline


# ---- what counts for reuse


@python_call()
def three() -> dict[str, int]:
    return {"x": 3}


@python_call()
def four() -> dict[str, int]:
    return {"x": 4}


def print_of(make: Callable[[Any], Any], told: Told, folder: Path = Path("/code")) -> DefinitionFingerprint:
    made = sweep(create_pipeline(lambda dsl: [make(dsl)()], pipeline_code_dir=folder), "/instance", told)
    return definition_fingerprint(made.definitions["a"], str(folder), made.functions.get("a", ()))


def base(dsl: Any, conf: TaskConf | None = None, **inputs: Any) -> Any:
    return dsl.task("a", conf).inputs(**{"x": 1, **inputs}).outputs(f=dsl.file("f")).calls("echo 1")


def test_what_counts(told: Told) -> None:
    makers: dict[str, Callable[[Any], Any]] = {
        "as it is": base,
        "value": lambda dsl: base(dsl, x=2),
        "kind of value": lambda dsl: base(dsl, x=1.0),
        "text of a number": lambda dsl: base(dsl, x="1"),
        "another input": lambda dsl: base(dsl, y=1),
        "another output": lambda dsl: base(dsl).outputs(g=int),
        "another step": lambda dsl: base(dsl).calls("echo 2"),
        "function": lambda dsl: base(dsl).calls(three),
        "another function": lambda dsl: base(dsl).calls(four),
        "container of a step": lambda dsl: base(dsl).calls("echo 2", container="c"),
        "container": lambda dsl: base(dsl, TaskConf(container="c")),
        "command": lambda dsl: base(dsl, TaskConf(command_before_task="module add x")),
        "variable": lambda dsl: base(dsl, TaskConf(extra_env={"A": "1"})),
        "strict": lambda dsl: base(dsl, TaskConf(strict=True)),
        "version": lambda dsl: base(dsl, TaskConf(version="1")),
    }
    digests = {name: print_of(make, told).digest for name, make in makers.items()}
    assert None not in digests.values() and len(set(digests.values())) == len(makers)


def test_what_does_not_count(told: Told) -> None:
    def named(name: str) -> Callable[[Any], Any]:
        conf = TaskConf(
            label=name, executer_type="slurm", sbatch_options=[f"--comment={name}"], priority=len(name)
        )
        return lambda dsl: (
            base(dsl, conf).props(owner=name).calls("\n    echo 2\n  " if name == "one" else "echo 2")
        )

    assert print_of(named("one"), told) == print_of(named("other"), told)
    assert "s3cret" not in str(print_of(lambda dsl: base(dsl, TaskConf(extra_env={"T": "s3cret"})), told))


def test_what_scripts_hold_counts(told: Told, tmp_path: Path) -> None:
    script = tmp_path / "s.sh"

    def make(dsl: Any) -> Any:
        return dsl.task("a").calls("s.sh")

    script.write_text("echo 1")
    before = print_of(make, told, tmp_path)
    assert print_of(make, told, tmp_path) == before
    script.write_text("echo 2")
    assert print_of(make, told, tmp_path).digest != before.digest


def test_a_function_that_is_not_at_hand_gives_no_sound_print(told: Told) -> None:
    made = sweep(create_pipeline(lambda dsl: [dsl.task("a").calls(three)()]), "/instance", told)
    found = definition_fingerprint(made.definitions["a"], "/code")
    assert found.digest is None and "is not at hand" in found.unsound[0]
