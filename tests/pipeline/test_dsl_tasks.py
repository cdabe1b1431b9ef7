"""Tasks as a generator declares them: clauses, keys, names, values, and what is refused where."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from ramify.errors import (
    ArgumentError,
    DeclarationError,
    DeclarationTypeError,
    DuplicateKeyError,
    FileMissingError,
    RamifyKeyEncodingError,
    UnknownKeyError,
    UnknownOutputError,
)
from ramify.pipeline import TaskConf, create_pipeline, python_call
from ramify.pipeline.definition import Call, Input, Output, TaskDefinition, TaskResult
from ramify.pipeline.sweep import Sweep, sweep


class Told:
    """A progress that is a dict of states and a dict of results."""

    def __init__(self, states: dict[str, str] | None = None, **results: TaskResult) -> None:
        self.states = dict(states or {})
        self.results = results

    def state(self, key: str) -> str:
        return self.states.get(key, "waiting")

    def result(self, key: str) -> TaskResult | None:
        return self.results.get(key)

    def output_folder(self, key: str) -> str:
        return f"/instance/output/{key}"


def swept(generator: Callable[[Any], Any], progress: Any = None, **options: Any) -> Sweep:
    return sweep(create_pipeline(generator, **options), "/instance", progress or Told())


def one(make: Callable[[Any], Any], **options: Any) -> TaskDefinition:
    """The definition of the one task that `make(dsl)` declares."""

    def flow(dsl: Any) -> Iterator[Any]:
        yield make(dsl)

    (definition,) = swept(flow, **options).definitions.values()
    return definition


@python_call()
def double(x: int) -> dict[str, int]:
    return {"y": 2 * x}


@python_call(tests=[{"x": 1}])
def tried(x: int) -> None: ...


def unmarked(x: int) -> None: ...


# ---- what comes out


def test_a_task_as_data() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").outputs(x=int, f=dsl.file("sub/f.txt"), s=dsl.fileset("c.*", "c.9")).calls("true")()
        yield a
        yield (
            dsl.task(key="b", task_conf=TaskConf(timeout=5))
            .inputs(a.outputs.x, n=1, y=2.5, z="t", f=a.outputs.f, g=dsl.file("in.txt"), h=Path("/abs/in"))
            .outputs(v=dsl.var(float, may_be_none=True), w=dsl.var())
            .calls("echo $n", container="one.sif")
            .calls(double, python_bin="/usr/bin/python3")
            .props(owner="me")()
        )

    made = swept(flow)
    assert made.definitions["a"] == TaskDefinition(
        "a",
        (Call("bash", "true\n"),),
        (),
        (Output("x", "int"), Output("f", "file", "sub/f.txt"), Output("s", "fileset", "c.*", ("c.9",))),
    )
    assert made.definitions["b"] == TaskDefinition(
        "b",
        (
            Call("bash", "echo $n\n", container="one.sif"),
            Call("python", f"{__name__}:double", python_bin="/usr/bin/python3"),
        ),
        (
            Input("x", "int", None, "a", "x"),
            Input("n", "int", 1),
            Input("y", "float", 2.5),
            Input("z", "str", "t"),
            Input("f", "file", None, "a", "f"),
            Input("g", "file", "in.txt"),
            Input("h", "file", "/abs/in"),
        ),
        (Output("v", "float", may_be_none=True), Output("w", "str")),
        conf=TaskConf(timeout=5),
        props={"owner": "me"},
    )
    assert made.parents("b") == ("a",)
    assert list(made.edges()) == [("a", "b", "x"), ("a", "b", "f")]
    assert made.functions == {"b": (double,)}
    assert double(4) == {"y": 8}


def test_old_names_and_other_spellings() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").produces(s=dsl.file_set("*.txt")).calls("true")()
        yield a
        yield dsl.task("b").consumes(x=dsl.val(3), s=a.out.s).calls("true")()

    made = swept(flow).definitions["b"]
    assert made.inputs == (Input("x", "int", 3), Input("s", "glob", "output/a/*.txt"))
    assert made.after == ("a",)


def test_a_builder_never_changes() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        base = dsl.task("a").inputs(x=1).calls("true")
        more = base.inputs(y=2).outputs(z=int)
        yield base()
        assert [i.name for i in more().definition.inputs] == ["x", "y"]

    assert [i.name for i in swept(flow).definitions["a"].inputs] == ["x"]


def test_a_task_alone_is_only_waited_for() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").calls("true")()
        yield a
        yield dsl.task("b").inputs(a).calls("true")()

    assert swept(flow).definitions["b"].after == ("a",)


def test_parents_come_first_whatever_the_order_of_the_yields() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").outputs(x=int).calls("true")()
        b = dsl.task("b").inputs(a.outputs.x).outputs(y=int).calls("true")()
        yield dsl.task("c").inputs(b.outputs.y).calls("true")()
        yield b
        yield a

    assert list(swept(flow).definitions) == ["a", "b", "c"]


def test_snippets_lose_their_indentation_and_keep_all_else() -> None:
    text = """
        #!/usr/bin/env bash
        cat <<END
          two
           \t
        END
        """
    assert one(lambda dsl: dsl.task("a").calls(text)()).calls[0].text == (
        "#!/usr/bin/env bash\ncat <<END\n  two\n   \t\nEND\n"
    )
    assert one(lambda dsl: dsl.task("a").calls("if x; then\n  y\nfi")()).calls[0].text == (
        "if x; then\n  y\nfi\n"
    )


def test_scripts(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.sh", "sub/b.sh", "with blank.sh"):
        (tmp_path / name).write_text("true\n")

    def call(text: str) -> Call:
        return one(lambda dsl: dsl.task("a").calls(text)(), pipeline_code_dir=tmp_path).calls[0]

    assert call("a.sh") == Call("script", "a.sh")
    assert call("./sub/b.sh") == Call("script", "sub/b.sh")
    assert call("$__pipeline_code_dir/a.sh") == Call("script", "a.sh")
    assert call("with blank.sh") == Call("script", "with blank.sh")
    assert call(str(tmp_path / "a.sh")) == Call("script", str(tmp_path / "a.sh"))
    assert call("bash a.sh") == Call("bash", "bash a.sh\n")
    with pytest.raises(FileMissingError, match=r"no script 'none\.sh' in the code folder") as caught:
        call("none.sh")
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(DeclarationError, match="outside the code folder"):
        call("../a.sh")


def test_local_functions_travel_by_value() -> None:
    factor = 3

    @python_call
    def local(x: int) -> dict[str, int]:
        return {"y": factor * x}

    call = one(lambda dsl: dsl.task("a").calls(local)()).calls[0]
    assert call.kind == "python" and call.pickled and call.text.endswith("local")


# ---- keys


@pytest.mark.parametrize(
    "key", ["a", "it's", 'say "x"', "$HOME;rm", "a b", "é漢字", "-x", "a:b=c", "x" * 200]
)
def test_keys_that_may_be(key: str) -> None:
    assert one(lambda dsl: dsl.task(key).calls("true")()).key == key


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("", "is empty"),
        (None, "type NoneType"),
        (7, "type int"),
        ("a/b", "holds '/'"),
        ("../x", "holds '/'"),
        ("..", "begins with '.'"),
        (".a", "begins with '.'"),
        ("@runs", "begins with '@'"),
        (" a", "begins or ends with a blank"),
        ("a\u00a0", "begins or ends with a blank"),
        ("a\n", "holds"),
        ("a\0b", "holds"),
        ("a\\b", "holds"),
        ("a*", "pattern"),
        ("a[1]", "pattern"),
        ("\ud800", "holds"),
        ("x" * 201, "201 bytes"),
        ("é" * 101, "202 bytes"),
    ],
)
def test_keys_that_may_not_be(key: Any, says: str) -> None:
    with pytest.raises(RamifyKeyEncodingError, match=re.escape(says)) as caught:
        one(lambda dsl: dsl.task(key).calls("true")())
    assert Path(__file__).name in str(caught.value)


class Name(str, Enum):  # noqa: UP042  # its text is not what str() gives
    ONE = "one"


def test_keys_of_an_enum_are_their_text() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task(Name.ONE).calls("true")()
        yield dsl.sub_pipeline(lambda dsl: [dsl.task(Name.ONE).calls("true")()], "s_")

    made = swept(flow).definitions
    assert list(made) == ["one", "s_one"] and {type(key) for key in made} == {str}


@pytest.mark.parametrize("second", ["true", "false"])
def test_two_tasks_with_one_key(second: str) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("a").calls("true")()
        yield dsl.task("a").calls(second)()

    with pytest.raises(DuplicateKeyError) as caught:
        swept(flow)
    lines = [int(line) for line in re.findall(rf"{Path(__file__).name}:(\d+)", str(caught.value))]
    assert len(lines) == 2 and lines[0] == lines[1] + 1


def test_a_task_yielded_twice() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").calls("true")()
        yield a
        yield a

    with pytest.raises(DuplicateKeyError, match="the same task is yielded twice"):
        swept(flow)


# ---- inputs and outputs


class Whole(int): ...


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (True, "bash has no booleans; pass x=1"),
        (None, "inputs are int, float, str"),
        ([1], "inputs are int, float, str"),
        (b"x", "inputs are int, float, str"),
        (Whole(1), "inputs are int, float, str"),
        (2**63, "more than 64 bits"),
        (math.nan, "which plans cannot hold"),
        (math.inf, "which plans cannot hold"),
        ("a\0b", "holds what no variable can"),
        ("\ud800", "holds what no variable can"),
        (unmarked, "call it"),
    ],
)
def test_inputs_that_may_not_be(value: Any, says: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(says)) as caught:
        one(lambda dsl: dsl.task("t").inputs(x=value).calls("true")())
    assert "task 't'" in str(caught.value) and Path(__file__).name in str(caught.value)


def test_the_wrong_type_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        one(lambda dsl: dsl.task("t").inputs(x=True).calls("true")())


@pytest.mark.parametrize(
    "value", ["it's", "$HOME", "a=b=c", "two\nlines", "  x  ", "é漢字", "", "null", -(2**63)]
)
def test_values_are_kept_as_they_are(value: Any) -> None:
    assert one(lambda dsl: dsl.task("t").inputs(x=value).calls("true")()).inputs[0].value == value


@pytest.mark.parametrize("name", ["a-b", "1a", "é", "__task_key", "PATH", "LD_PRELOAD", "IFS", ""])
def test_names_that_no_variable_may_have(name: str) -> None:
    for clause in ("inputs", "outputs"):
        value = 1 if clause == "inputs" else int
        with pytest.raises(DeclarationError, match="cannot name an input or output"):
            one(lambda dsl, c=clause, v=value: getattr(dsl.task("t"), c)(**{name: v}).calls("true")())


def test_one_name_twice() -> None:
    with pytest.raises(DeclarationError, match="are named 'x'"):
        one(lambda dsl: dsl.task("t").inputs(x=1).outputs(x=int).calls("true")())
    with pytest.raises(DeclarationError, match="are named 'x'"):
        one(lambda dsl: dsl.task("t").inputs(x=1).inputs(x=2).calls("true")())


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a/../../x", "", ".", "..", "a\nb", "a\0", "scratch/x", "scratch"]
)
def test_outputs_stay_in_their_folder(path: str) -> None:
    with pytest.raises(DeclarationError, match="output 'f'"):
        one(lambda dsl: dsl.task("t").outputs(f=dsl.file(path)).calls("true")())
    with pytest.raises(DeclarationError, match="output 'f'"):
        one(lambda dsl: dsl.task("t").outputs(f=dsl.fileset(path)).calls("true")())


@pytest.mark.parametrize("path", ["../x", "a/../../x"])
def test_relative_inputs_stay_in_the_instance(path: str) -> None:
    with pytest.raises(DeclarationError, match="leads out of the instance folder"):
        one(lambda dsl: dsl.task("t").inputs(f=dsl.file(path)).calls("true")())


def test_paths_are_made_plain() -> None:
    made = one(
        lambda dsl: (
            dsl.task("t")
            .inputs(f=dsl.file("./a//b"), g=dsl.file("/instance/in.txt"))
            .outputs(h=dsl.file("./c"))
            .calls("x")()
        )
    )
    assert [i.value for i in made.inputs] == ["a/b", "in.txt"] and made.outputs[0].pattern == "c"


@pytest.mark.parametrize(("one_path", "other"), [("a", "a"), ("a", "./a"), ("a", "a/b"), ("x/y/z", "x")])
def test_outputs_that_collide(one_path: str, other: str) -> None:
    with pytest.raises(DeclarationError, match="output"):
        one(lambda dsl: dsl.task("t").outputs(f=dsl.file(one_path), g=dsl.file(other)).calls("true")())
    with pytest.raises(DeclarationError, match="output"):
        one(lambda dsl: dsl.task("t").outputs(f=dsl.file(one_path)).outputs(g=dsl.file(other)).calls("x")())


@pytest.mark.parametrize("said", [3, "x.txt", list, None, bool])
def test_outputs_that_are_none(said: Any) -> None:
    with pytest.raises(DeclarationTypeError, match="output 'f' is"):
        one(lambda dsl: dsl.task("t").outputs(f=said).calls("true")())
    with pytest.raises(DeclarationTypeError, match=r"dsl.var takes int, float or str"):
        one(lambda dsl: dsl.task("t").outputs(f=dsl.var(said)).calls("true")())


# ---- slips


def test_an_unknown_output_is_told_with_the_near_one() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").outputs(result=int).calls("true")()
        yield a
        yield dsl.task("b").inputs(a.outputs.reslut).calls("true")()

    with pytest.raises(UnknownOutputError, match="has no output 'reslut'; did you mean 'result'"):
        swept(flow)


def test_an_output_asked_of_the_task_itself() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").outputs(x=int).calls("true")()
        yield a
        assert not hasattr(a, "y")
        yield dsl.task("b").inputs(a.x).calls("true")()

    with pytest.raises(UnknownOutputError, match=r"at \.outputs\.x, not at \.x"):
        swept(flow)


def test_a_complete_builder_that_is_yielded_counts_as_called() -> None:
    assert one(lambda dsl: dsl.task("task-123").calls("echo hello")).key == "task-123"


def test_a_forgotten_end_is_told_wherever_it_shows() -> None:
    def flow(use: Callable[[Any, Any], Any]) -> Callable[[Any], Iterator[Any]]:
        def generator(dsl: Any) -> Iterator[Any]:
            a = dsl.task("a").outputs(x=int).calls("true")
            yield a
            use(dsl, a)

        return generator

    for use in (
        lambda dsl, a: a.outputs.x,
        lambda dsl, a: dsl.task("b").inputs(x=a),
        lambda dsl, a: dsl.task("b").inputs(a),
        lambda dsl, a: dsl.wait_for_tasks(a),
    ):
        with pytest.raises(DeclarationError, match=r"task 'a' \(.*\d\) is not finished: add \(\)"):
            swept(flow(use))


def test_a_task_that_does_nothing() -> None:
    with pytest.raises(DeclarationError, match=r"it does nothing: add \.calls"):
        one(lambda dsl: dsl.task("a")())
    with pytest.raises(DeclarationTypeError, match=r"which does nothing yet"):
        one(lambda dsl: dsl.task("a").outputs(x=int))
    with pytest.raises(DeclarationError, match="empty"):
        one(lambda dsl: dsl.task("a").calls("  \n ")())


def test_steps_that_are_none() -> None:
    with pytest.raises(DeclarationTypeError, match=r"put @python_call\(\) above"):
        one(lambda dsl: dsl.task("a").calls(unmarked)())
    with pytest.raises(DeclarationTypeError, match=r"ends with '.sh'"):
        one(lambda dsl: dsl.task("a").calls(Path("x.sh"))())
    with pytest.raises(DeclarationTypeError, match="a step is text"):
        one(lambda dsl: dsl.task("a").calls(3)())
    with pytest.raises(DeclarationTypeError, match="marks functions"):
        python_call()(len)
    with pytest.raises(DeclarationTypeError, match="JSON"):
        one(lambda dsl: dsl.task("a").calls("true").props(x=object())())


@pytest.mark.parametrize("thing", [3, None, "a", ["a"], object])
def test_a_yield_of_something_else_is_told_with_its_line(thing: Any) -> None:
    def inner() -> Iterator[Any]:
        yield thing  # this line

    def flow(dsl: Any) -> Iterator[Any]:
        yield from inner()

    with pytest.raises(DeclarationTypeError, match="yield tasks and sub-pipelines") as caught:
        swept(flow)
    (line,) = re.findall(rf"{Path(__file__).name}:(\d+)", str(caught.value))
    assert "# this line" in Path(__file__).read_text().splitlines()[int(line) - 1]


def test_generators_that_are_none() -> None:
    with pytest.raises(DeclarationTypeError, match="returned None: it must yield"):
        swept(lambda dsl: None)
    with pytest.raises(DeclarationError, match="yielded no task"):
        swept(lambda dsl: [])
    with pytest.raises(DeclarationTypeError, match="takes no parameter"):
        create_pipeline(lambda: [3])  # type: ignore[arg-type]  # that is the test
    with pytest.raises(DeclarationTypeError, match="takes other parameters"):
        create_pipeline(lambda dsl, more: [])  # type: ignore[arg-type]  # that is the test
    with pytest.raises(DeclarationTypeError, match="is a pipeline already"):
        create_pipeline(create_pipeline(lambda dsl: []))  # type: ignore[arg-type]  # that is the test


def test_what_the_generator_raises_is_passed_on_and_it_is_closed() -> None:
    closed = []

    def flow(dsl: Any) -> Iterator[Any]:
        try:
            yield dsl.task("a").calls("true")()
            yield 3
        finally:
            closed.append(True)

    with pytest.raises(DeclarationTypeError):
        swept(flow)
    assert closed == [True]

    def broken(dsl: Any) -> Iterator[Any]:
        yield dsl.task("a").calls("true")()
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        swept(broken)


def test_a_parent_that_is_never_yielded() -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").outputs(x=int).calls("true")()
        yield dsl.task("b").inputs(a.outputs.x).calls("true")()

    with pytest.raises(UnknownKeyError, match="takes its input 'x' from task 'a', which was never yielded"):
        swept(flow)


def test_a_cycle_made_with_tasks_of_another_pass() -> None:
    kept: list[Any] = []

    def flow(dsl: Any) -> Iterator[Any]:
        if not kept:
            kept.append(dsl.task("b").outputs(y=int).calls("true")())
        a = dsl.task("a").inputs(kept[0].outputs.y).outputs(x=int).calls("true")()
        yield a
        yield dsl.task("b").inputs(a.outputs.x).outputs(y=int).calls("true")()

    with pytest.raises(ValueError, match=r"tasks need each other: 'a' .* needs 'b' .* needs 'a'"):
        swept(flow)


# ---- configuration


def test_configurations_of_tasks_and_pipelines() -> None:
    slurm = TaskConf(executer_type="slurm", slurm_account="me", sbatch_options=["--time=0:5:00"])
    assert one(lambda dsl: dsl.task("a").calls("x")(), task_conf=slurm).conf is slurm
    own = TaskConf(executer_type="process")
    assert one(lambda dsl: dsl.task("a", task_conf=own).calls("x")(), task_conf=slurm).conf is own
    with pytest.raises(DeclarationTypeError, match="task_conf must be a TaskConf"):
        one(lambda dsl: dsl.task("a", {"container": "x"}).calls("x")())


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"executer_type": "sge"}, "executer_type"),
        ({"slurm_account": "me"}, "slurm_account needs executer_type='slurm'"),
        ({"executer_type": "slurm", "slurm_account": ""}, "slurm_account"),
        ({"executer_type": "slurm", "sbatch_options": [3]}, "sbatch_options"),
        ({"executer_type": "slurm", "sbatch_options": "'"}, "quotes closed"),
        ({"extra_env": {"A": 3}}, "extra_env"),
        ({"extra_env": {"A B": "x"}}, "extra_env"),
        ({"ssh_specs": "-oProxyCommand=x@y"}, "ssh_specs"),
        ({"ssh_specs": "me@-x"}, "ssh_specs"),
        ({"ssh_specs": "me@host;rm"}, "ssh_specs"),
        ({"ssh_remote_dest": "host"}, "ssh_remote_dest"),
        ({"init_bash_command": "x"}, "command_before_task"),
        ({"container": ""}, "container"),
        ({"strict": 1}, "strict"),
        ({"retries": -1}, "retries"),
        ({"timeout": 0}, "timeout"),
        ({"reuse": "never"}, "reuse"),
        ({"priority": math.nan}, "priority"),
        ({"resources": {"cores": "x"}}, "cores"),
        ({"auto_restart_condition_regexp_per_log_file": {"out.log": ["("]}}, "regular expressions"),
    ],
)
def test_configurations_that_may_not_be(said: dict[str, Any], says: str) -> None:
    with pytest.raises(ArgumentError, match=re.escape(says)):
        TaskConf(**said)


def test_a_bad_secret_is_not_shown() -> None:
    with pytest.raises(ArgumentError) as caught:
        TaskConf(extra_env={"TOKEN": b"s3cret"})  # type: ignore[dict-item]  # that is the test
    assert "s3cret" not in str(caught.value)


def test_configurations_are_read_back_as_they_were() -> None:
    import msgspec

    conf = TaskConf(
        executer_type="slurm",
        sbatch_options="--time=5 --comment='a b'",
        retries={"limit": 3, "backoff": {"duration": "5s"}},  # type: ignore[arg-type]  # made one
        resources={"memory": "2G"},
        ssh_specs="me@a-slurm-login-host:~/.ssh/id_rsa",
    )
    assert conf.sbatch_options == ("--time=5", "--comment=a b") and conf.resources == {"memory": 2 * 2**30}
    assert msgspec.json.decode(msgspec.json.encode(conf), type=TaskConf) == conf
    assert conf.policy().retries == conf.retries
    with pytest.raises(ArgumentError, match="TaskConf has no 'slurm_options'"):
        conf.override(slurm_options=[])
    with pytest.raises(ArgumentError, match="timeout"):
        conf.override(timeout=-1)
