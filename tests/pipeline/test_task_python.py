"""Python steps of one task: what functions get, what they may return, where they run."""

import os
import subprocess
import sys

import pytest
import task_functions
from one_task import bash, failure, int_out, out_file, python, read, run, str_out, task

from ramify.pipeline.conf import TaskConf
from ramify.pipeline.definition import Call, Input, Output
from ramify.pipeline.instance import Instance
from ramify.values.code import describe_function


def call(name, **options):
    return python(f"task_functions:{name}", **options)


def test_arguments_have_their_types(instance):
    made = task(call("write_repr"), inputs=[Input("r", "int", 15)], outputs=[out_file("out", "out.txt")])
    run(made, instance)
    assert read(f"{instance.task('t1').output}/out.txt") == "16"


def test_the_environment_and_the_log_are_the_tasks(instance):
    inputs = [Input("x", "int", 3), Input("s", "str", "it's")]
    made = task(call("surroundings"), inputs=inputs, outputs=[str_out("same")])
    before = dict(os.environ)
    assert run(made, instance).variables == {"same": "t1 t1"}
    assert read(instance.task("t1").log).splitlines() == ["x is 3", "child it's", "error"]
    assert dict(os.environ) == before


def test_modules_are_imported_once_and_each_step_has_a_process(instance):
    outputs = [int_out("pid"), int_out("own")]
    first = run(task(call("importer"), outputs=outputs), instance).variables
    second = run(task(call("importer"), key="t2", outputs=outputs), instance).variables
    if sys.platform.startswith("linux"):
        assert first["pid"] == second["pid"]
    assert first["own"] != second["own"]


def test_earlier_exports_are_arguments(instance):
    made = task(bash("export x=21"), call("double"), outputs=[int_out("x"), int_out("r")])
    assert run(made, instance).variables == {"x": 21, "r": 42}


def test_kwargs_are_the_remaining_inputs_only(instance):
    inputs = [Input("x", "int", 1), Input("y", "int", 2), Input("z", "str", "s")]
    made = task(call("rest"), inputs=inputs, outputs=[str_out("names")])
    assert run(made, instance).variables == {"names": "y,z"}


def test_a_glob_is_text_in_bash_and_a_callable_in_python(tmp_path):
    instance = Instance(tmp_path / "with [signs]")
    for n in (2, 1):
        run(task(bash('echo > "$f"'), key=f"c.{n}", outputs=[out_file("f", f"{n}.txt")]), instance)
    made = task(
        bash('echo "$found"'), call("files"), inputs=[Input("found", "glob", "output/c.*/*.txt")],
        outputs=[int_out("n"), str_out("names")],
    )  # fmt: skip
    assert run(made, instance).variables == {"n": 2, "names": "1.txt,2.txt"}
    assert read(instance.task("t1").log) == f"{instance.path}/output/c.*/*.txt\n"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("list", "it returned list: return a dict of output variables, or None"),
        ("undeclared", "it returned more, which is not declared: declared are n"),
        ("text", "n must be an int; it is '1', of type str"),
        ("float", "n must be an int; it is 1.5, of type float"),
        ("none", "n is None"),
        ("bool", "n is of type bool"),
        ("object", "n is of type list"),
        ("nothing", "n was not set"),
    ],
)
def test_what_is_returned_is_checked_by_name(instance, kind, words):
    made = task(call("anything"), inputs=[Input("kind", "str", kind)], outputs=[int_out("n")])
    error = failure(made, instance)
    assert words in str(error)
    assert (error.kind, error.step) == ("failed", 0)


def test_an_exception_is_in_the_log(instance):
    error = failure(task(call("fails")), instance)
    assert error.exit_code == 1
    assert error.tail.startswith("before\n") and error.tail.endswith("KeyError: 'no such thing'")


def test_a_missing_argument_is_named(instance):
    assert "nothing is called absent_one" in failure(task(call("needs")), instance).tail


def test_sys_exit_is_the_steps_end(instance):
    run(task(call("leaves"), inputs=[Input("code", "int", 0)]), instance)
    assert failure(task(call("leaves"), inputs=[Input("code", "int", 3)]), instance).exit_code == 3


def test_a_module_that_is_not_there(instance):
    assert "No module named 'no_such_module'" in failure(task(python("no_such_module:f")), instance).tail


def test_a_function_by_value(instance):
    factor = 3
    code = describe_function(lambda x: {"r": x * factor})
    made = task(
        Call("python", "here:<lambda>", pickled=code.pickled),
        inputs=[Input("x", "int", 2)],
        outputs=[int_out("r")],
    )
    assert run(made, instance).variables == {"r": 6}


def test_a_changed_module_is_imported_again(tmp_path, monkeypatch, instance):
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "edited_functions.py"
    made = task(python("edited_functions:f"), outputs=[int_out("n")])
    path.write_text("def f():\n    return {'n': 1}\n")
    # The warm process has its import path from its start.
    from ramify.pipeline import python_step

    monkeypatch.setattr(python_step, "_pools", {})
    assert run(made, instance).variables == {"n": 1}
    path.write_text("def f():\n    return {'n': 1 + 1}\n")
    assert run(made, instance).variables == {"n": 2}
    for pool in python_step._pools.values():
        pool.retire()


@pytest.mark.slow
def test_an_import_that_starts_a_thread_gets_an_interpreter_of_its_own(tmp_path, monkeypatch, instance):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "threaded_functions.py").write_text(
        "import threading\nevent = threading.Event()\n"
        "threading.Thread(target=event.wait, daemon=True).start()\ndef f():\n    return {'n': 5}\n"
    )
    (tmp_path / "leaving_functions.py").write_text(
        "import os\nif os.environ.get('__task_key'):\n    def f(): pass\nelse:\n    os._exit(3)\n"
    )
    from ramify.pipeline import python_step

    monkeypatch.setattr(python_step, "_pools", {})
    assert run(task(python("threaded_functions:f"), outputs=[int_out("n")]), instance).variables == {"n": 5}
    run(task(python("leaving_functions:f"), key="t2"), instance)
    for pool in python_step._pools.values():
        pool.retire()


def test_another_interpreter_needs_nothing_but_python(tmp_path):
    """Without Ramify: an isolated interpreter has no path to it, and the marks of functions still work."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "lonely_functions.py").write_text(
        "from ramify import DAG\nfrom ramify.pipeline import TaskConf, python_call\nimport sys\n"
        "CONF = TaskConf(strict=True).override(timeout=5)\n@python_call()\ndef f(x):\n"
        "    return {'where': sys.argv[0] and sys.executable, 'n': x + 1}\n"
    )
    wrapper = tmp_path / "other python"
    base = os.path.realpath(sys.executable)
    wrapper.write_text(f'#!/bin/sh\nexec "{base}" -S "$@"\n')
    wrapper.chmod(0o755)
    instance = Instance(tmp_path / "i", code_folder=code)
    made = task(
        python("lonely_functions:f", python_bin=str(wrapper)), inputs=[Input("x", "int", 1)],
        outputs=[int_out("n"), str_out("where")],
    )  # fmt: skip
    result = run(made, instance).variables
    assert result["n"] == 2
    assert os.path.realpath(result["where"]) == base
    missing = task(python("lonely_functions:f", python_bin="/no/such/python"))
    assert "No such file" in failure(missing, instance).tail


def test_command_before_task_comes_before_python_as_well(instance):
    conf = TaskConf(command_before_task="export s=changed x=1")
    made = task(call("surroundings"), inputs=[Input("x", "int", 3), Input("s", "str", "a")], conf=conf,
        outputs=[str_out("same")])  # fmt: skip
    run(made, instance)
    assert "child changed" in read(instance.task("t1").log)


def test_functions_stay_as_they_are():
    assert task_functions.double(2) == {"r": 4}
    assert subprocess.run([sys.executable, "-c", "pass"], check=False).returncode == 0


def test_filesets_are_sorted_and_exclude(instance):
    made = task(
        bash("mkdir d; touch b.txt a.txt no.txt d/c.txt d/e.log"),
        outputs=[Output("top", "fileset", "*.txt", ("no.*",)), Output("all", "fileset", "**/*.txt")],
    )
    assert run(made, instance).filesets == {
        "top": ["a.txt", "b.txt"], "all": ["a.txt", "b.txt", "d/c.txt", "no.txt"],
    }  # fmt: skip


@pytest.mark.parametrize("before", [None, "true"])
@pytest.mark.parametrize("name", ["closes_its_output", "comes_back_twice"])
def test_neither_closed_output_nor_a_child_that_returns_changes_the_result(instance, name, before):
    conf = TaskConf(command_before_task=before)  # with one, in an interpreter of its own
    made = task(call(name), outputs=[int_out("n")], conf=conf)
    assert run(made, instance).variables == {"n": 1}
