"""Values between steps: byte for byte the same, in all directions, or refused by name."""

import os
import subprocess

import pytest
from one_task import bash, failure, int_out, python, read, run, str_out, task

from ramify.errors import ArgumentError, RamifyKeyEncodingError
from ramify.pipeline.definition import Input, Output
from ramify.pipeline.environment import dump_env
from ramify.pipeline.instance import Instance
from ramify.pipeline.states import TaskState

HOSTILE = [
    "it's",
    'say "hi"',
    "$HOME",
    "`id`; $(id)",
    "a=b=c",
    "two\nlines\n",
    "\n",
    "  blanks  ",
    "é漢字 \u2028",
    "",
    "null",
    "-n",
    "back\\slash\t%s",
    "x" * 10_000,
    "\x01\x7f",
]
PLACES = ["instance", "my run/é $x 'q'"]


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    return Instance(tmp_path / request.param)


@pytest.mark.parametrize("value", HOSTILE)
def test_bash_to_bash_to_python_to_bash(place, value):
    first = task(bash('export s="$given"'), inputs=[Input("given", "str", value)], outputs=[str_out("s")])
    passed = run(first, place).variables["s"]
    assert passed == value
    second = task(
        python("task_functions:echo"), key="t2", inputs=[Input("value", "str")], outputs=[str_out("value")]
    )
    passed = run(second, place, {"value": passed}).variables["value"]
    assert passed == value
    third = task(bash('printf %s "$value" > f'), key="t3", inputs=[Input("value", "str")])
    run(third, place, {"value": passed})
    with open(f"{place.task('t3').output}/f", "rb") as file:
        assert file.read() == value.encode()


@pytest.mark.parametrize("value", HOSTILE)
def test_between_the_steps_of_one_task(instance, value):
    steps = [bash('export value="$given"'), python("task_functions:echo"), bash('printf %s "$value" > f')]
    made = task(*steps, inputs=[Input("given", "str", value)], outputs=[str_out("value")])
    assert run(made, instance).variables == {"value": value}
    with open(f"{instance.task('t1').output}/f", "rb") as file:
        assert file.read() == value.encode()


@pytest.mark.slow
@pytest.mark.parametrize("value", HOSTILE)
def test_task_env_is_read_back_exactly(place, value):
    made = task(bash("true"), key="it's $1", inputs=[Input("v", "str", value)])
    run(made, place)
    script = f"{place.task(made.key).control}/task-env.sh"
    shown = subprocess.run(
        ["bash", "-c", '. "$1"; printf %s "$v"', "x", script], capture_output=True, check=True
    ).stdout
    assert shown == value.encode()
    text = dump_env(made, place)
    shown = subprocess.run(
        ["sh", "-c", f'{text}printf %s "$v$__task_key"'], capture_output=True, check=True
    ).stdout
    assert shown == (value + made.key).encode()


@pytest.mark.parametrize(
    ("kind", "value"), [("float", 0.1), ("float", 1e300), ("float", -0.0), ("int", -(10**30))]
)
def test_numbers_are_exact(instance, kind, value):
    steps = [bash('export value="$given"'), python("task_functions:echo"), bash("true")]
    made = task(*steps, inputs=[Input("given", kind, value)], outputs=[Output("value", kind)])
    found = run(made, instance).variables["value"]
    assert (type(found), repr(found)) == (type(value), repr(value))


def test_floats_without_end(instance):
    made = task(
        python("task_functions:echo"), outputs=[Output("value", "float")], inputs=[Input("value", "float")]
    )
    assert run(made, instance, {"value": float("inf")}).variables == {"value": float("inf")}
    assert repr(run(made, instance, {"value": float("nan")}).variables["value"]) == "nan"


@pytest.mark.parametrize("call", [bash(r"export value=$'a\xff'"), python("task_functions:unwritable")])
def test_text_that_no_task_could_take_fails_by_name(instance, call):
    error = failure(task(call, outputs=[str_out("value")]), instance)
    assert "value holds bytes that are no text in UTF-8, at 1: put it in a file" in str(error)
    assert instance.task("t1").state() == TaskState("failed", 0)


def test_a_nul_that_a_function_returns_fails_by_name(instance):
    made = task(python("task_functions:with_nul"), outputs=[str_out("value")])
    assert "value holds a NUL, at 1: put it in a file" in str(failure(made, instance))


def test_numbers_beyond_what_can_be_held_fail_by_name(instance):
    many = task(bash("export n=$(printf '%05000d' 1)"), outputs=[int_out("n")])
    assert "n is an int of 5000 digits; 4300 is the most" in str(failure(many, instance))
    made = task(python("task_functions:beyond_floats"), key="t2", outputs=[Output("value", "float")])
    assert "value is an int that no float can hold" in str(failure(made, instance))
    assert instance.task("t2").state() == TaskState("failed", 0)


def test_none_is_unset_in_bash_and_none_in_python(instance, monkeypatch):
    monkeypatch.setenv("value", "from outside")
    made = task(
        bash('echo "${value-unset}"'),
        python("task_functions:echo"),
        inputs=[Input("value", "str")],
        outputs=[str_out("value", may_be_none=True)],
    )
    assert run(made, instance, {"value": None}).variables == {"value": None}
    assert read(instance.task("t1").log) == "unset\n"


def test_an_output_that_may_be_none_may_stay_unset(instance):
    made = task(bash("true"), outputs=[int_out("n", may_be_none=True)])
    assert run(made, instance).variables == {"n": None}


def test_a_nul_is_refused_by_name_before_anything_is_written(instance):
    made = task(bash("true"), inputs=[Input("v", "str", "a\0b")])
    with pytest.raises(ArgumentError, match="v holds a NUL"):
        run(made, instance)
    assert not os.path.exists(instance.path)


@pytest.mark.parametrize("key", ["../x", "a/b", "", " a", "a ", ".x", "@run", "a\0b", "..", "."])
def test_keys_that_lead_elsewhere_are_refused_before_anything_is_written(instance, key):
    with pytest.raises(RamifyKeyEncodingError):
        run(task(bash("true"), key=key), instance)
    assert not os.path.exists(instance.path)


@pytest.mark.parametrize("key", ["it's", 'say "x"', "$HOME", "a;b", "two words", "é漢", "-rf", "a=b", "`id`"])
def test_keys_with_signs_of_the_shell_work(instance, key):
    made = task(
        bash('echo "$__task_key" > k; export n=1'), python("task_functions:double"), key=key,
        inputs=[Input("x", "int", 2)], outputs=[int_out("n"), int_out("r")],
    )  # fmt: skip
    assert run(made, instance).variables == {"n": 1, "r": 4}
    assert read(f"{instance.task(key).output}/k") == key + "\n"
    assert sorted(os.listdir(f"{instance.path}/output")) == [key]


def test_a_file_input_that_was_not_made_is_told(instance):
    made = task(bash("cat $f"), inputs=[Input("f", "file", None, "t0", "f")])
    with pytest.raises(ArgumentError, match="the input f must be a path"):
        run(made, instance)
    run(task(bash("echo 5 > f"), key="t0"), instance)
    run(made, instance, {"f": "output/t0/f"})
    assert read(instance.task("t1").log) == "5\n"
    assert f"there is no {instance.path}/output/t0/other" in str(
        failure(made, instance, {"f": "output/t0/other"})
    )
