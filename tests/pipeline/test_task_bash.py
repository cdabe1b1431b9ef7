"""Bash steps of one task: how they run, what they find, what they export, how they fail."""

import os
import subprocess

import pytest
from one_task import bash, failure, int_out, out_file, read, run, script, task

from ramify.pipeline.conf import TaskConf
from ramify.pipeline.definition import Input
from ramify.pipeline.instance import Instance


def test_an_exported_int_comes_back(instance):
    made = task(
        bash("export r=$((x*y))"), inputs=[Input("x", "int", 3), Input("y", "int", 5)], outputs=[int_out("r")]
    )
    assert run(made, instance).variables == {"r": 15}


def test_the_current_folder_is_the_output_folder_and_the_state_is_a_name(instance):
    states = []
    result = run(
        task(bash("echo hello > f.txt; pwd > where")), instance, on_state=lambda *state: states.append(state)
    )
    folder = instance.task("t1")
    assert read(f"{folder.output}/where") == folder.output + "\n"
    assert sorted(os.listdir(folder.control)) == [
        "ramify.log", "state.completed", "task", "task-conf.json", "task-env.sh",
    ]  # fmt: skip
    assert states == [("step-started", 0), ("completed", None)]
    assert result.files == {}


def test_all_the_variables_are_there(instance):
    snippet = 'env | grep ^__ | sort | sed "s/=.*//"; test "$__task_key" = t1; test -d "$__scratch_dir"'
    run(task(bash(snippet)), instance)
    told = read(instance.task("t1").log).split()
    for name in (
        "__pipeline_instance_dir", "__task_key", "__task_output_dir", "__out_log", "__scratch_dir",
        "__pipeline_code_dir", "__containers_dir", "__pipeline_instance_name",
    ):  # fmt: skip
        assert name in told
    assert not os.path.exists(instance.task("t1").scratch)


def test_output_files_are_variables_with_their_folders_made(instance):
    made = task(bash('echo deep > "$f"'), outputs=[out_file("f", "sub/dir/f.txt")])
    assert run(made, instance).files == {"f": "sub/dir/f.txt"}
    assert read(f"{instance.task('t1').output}/sub/dir/f.txt") == "deep\n"


@pytest.mark.parametrize(
    "snippet", ["false; echo on", "false | cat; echo on", "ls /nowhere-at-all; export n=1"]
)
def test_a_failing_command_fails_the_step(instance, snippet):
    error = failure(task(bash(snippet), outputs=[]), instance)
    assert (error.kind, error.step) == ("failed", 0)
    assert "on" not in error.tail.split()
    assert str(instance.task("t1").state()) == "failed.0"


def test_the_error_has_the_facts_and_the_last_lines(instance):
    error = failure(task(bash("echo out; echo err >&2; exit 3")), instance)
    assert (error.task, error.step, error.exit_code, error.signal) == ("t1", 0, 3, None)
    assert error.log == instance.task("t1").log
    assert error.tail == "out\nerr"
    assert "exit code 3" in str(error) and error.log in str(error)


def test_exit_0_keeps_the_exports(instance):
    assert run(task(bash("export n=7\nexit 0\necho never"), outputs=[int_out("n")]), instance).variables == {
        "n": 7
    }


def test_a_trap_of_the_snippet_runs_and_the_exports_are_kept(instance):
    made = task(bash("trap 'echo \"bye $?\" > bye' EXIT\nexport n=7"), outputs=[int_out("n")])
    assert run(made, instance).variables == {"n": 7}
    assert read(f"{instance.task('t1').output}/bye") == "bye 0\n"


def test_a_failing_step_keeps_its_exit_code_with_a_trap(instance):
    assert failure(task(bash("trap 'true' EXIT\nexit 9"), outputs=[int_out("n")]), instance).exit_code == 9


def test_unset_names_are_empty_unless_strict(instance):
    run(task(bash('echo "work on $nothing"')), instance)
    error = failure(task(bash('echo "work on $nothing"'), conf=TaskConf(strict=True)), instance)
    assert "nothing" in error.tail


def test_line_numbers_are_those_of_the_snippet(instance):
    error = failure(
        task(bash("#!/usr/bin/env bash\ntrue\nno-such-command-here"), outputs=[int_out("n")]), instance
    )
    assert "line 3" in error.tail
    assert "a command was not found" in str(error)


@pytest.mark.parametrize(
    ("snippet", "said"),
    [
        ("#!/usr/bin/env python3\nimport sys\nprint('python', sys.version_info[0])", "python 3"),
        ("#!/usr/bin/perl\nprint 'pe', 'rl';", "perl"),
        ("#!/bin/sh\necho plain", "plain"),
        ("#!/bin/bash -x\necho loud", "loud"),
        ("echo none", "none"),
    ],
)
def test_the_first_line_names_the_interpreter(instance, snippet, said):
    run(task(bash(snippet)), instance)
    assert said in read(instance.task("t1").log)


def test_a_step_of_sh_exports_as_well(instance):
    assert run(task(bash("#!/bin/sh\nexport n=4"), outputs=[int_out("n")]), instance).variables == {"n": 4}


def test_a_variable_that_is_set_and_not_exported_is_told(instance):
    error = failure(task(bash("n=4"), outputs=[int_out("n")]), instance)
    assert "n was set and not exported: write `export n`" in str(error)


def test_undeclared_exports_are_ignored(instance):
    assert run(task(bash("export a=1 n=2"), outputs=[int_out("n")]), instance).variables == {"n": 2}


def test_a_variable_of_the_surroundings_is_no_output(instance, monkeypatch):
    monkeypatch.setenv("n", "99")
    assert "n was not set" in str(failure(task(bash("true"), outputs=[int_out("n")]), instance))


def test_wrong_types_and_missing_outputs_are_named_together(instance):
    outputs = [int_out("n"), int_out("m"), out_file("f", "f.txt")]
    error = failure(task(bash("export n=notanint"), outputs=outputs), instance)
    assert "n must be an int; it is 'notanint'" in str(error)
    error = failure(task(bash("export n=1"), outputs=outputs), instance)
    assert "m was not set" in str(error) and "'f.txt' was not made" in str(error)
    assert (error.kind, str(instance.task("t1").state())) == ("failed", "failed.0")


def test_later_steps_see_what_earlier_ones_exported(instance):
    steps = [bash("export a=7"), bash("export b=$((a*2))"), bash('echo "$a $b" > f; export c=$((a*3))')]
    made = task(*steps, outputs=[int_out("a"), int_out("b"), int_out("c")])
    assert run(made, instance).variables == {"a": 7, "b": 14, "c": 21}
    assert read(f"{instance.task('t1').output}/f") == "7 14\n"


def test_a_restart_begins_at_the_step_that_failed(instance, tmp_path):
    ok = tmp_path / "ok"
    steps = [
        bash('echo s1 >> "$f"; export v=5'),
        bash(f"test -e '{ok}'; echo s2 >> \"$f\""),
        bash('echo "s3 $v" >> "$f"'),
    ]
    made = task(*steps, outputs=[out_file("f", "f"), int_out("v")])
    assert failure(made, instance).step == 1
    assert read(f"{instance.task('t1').output}/f") == "s1\n"
    assert str(instance.task("t1").state()) == "failed.1"
    ok.touch()
    assert run(made, instance, start_at=1).variables == {"v": 5}
    assert read(f"{instance.task('t1').output}/f") == "s1\ns2\ns3 5\n"
    run(made, instance)
    assert read(f"{instance.task('t1').output}/f") == "s1\ns2\ns3 5\n"


def test_a_fresh_start_does_not_believe_old_files(instance):
    run(task(bash('echo 1 > "$f"'), outputs=[out_file("f", "f")]), instance)
    assert "was not made" in str(failure(task(bash("true"), outputs=[out_file("f", "f")]), instance))


def test_extra_env_is_expanded_in_chains(instance):
    conf = TaskConf(
        extra_env={"a": "$b", "b": "deep", "c": "$__pipeline_instance_dir/${a}", "d": "$no_such_1"}
    )
    run(task(bash('printf "%s\\n" "$a" "$c" "$d"'), conf=conf), instance)
    assert read(instance.task("t1").log).splitlines() == ["deep", f"{instance.path}/deep", "$no_such_1"]


def test_command_before_task_gives_its_whole_environment(instance):
    conf = TaskConf(command_before_task="export TOOL='a b'; helper() { echo \"helped $1\"; }")
    run(task(bash('echo "$TOOL"; helper me'), conf=conf), instance)
    assert read(instance.task("t1").log) == "a b\nhelped me\n"
    error = failure(task(bash("echo never"), conf=TaskConf(command_before_task="false")), instance)
    assert "command_before_task failed" in error.tail and "never" not in error.tail


def test_scripts_of_the_code_folder(tmp_path):
    code = tmp_path / "the code"
    code.mkdir()
    (code / "s.sh").write_text('export n=$(wc -c < "$0")\n')
    (code / "p.sh").write_text("#!/usr/bin/env python3\nprint('from python')\n")
    instance = Instance(tmp_path / "i", code_folder=code)
    assert run(task(script("s.sh"), outputs=[int_out("n")]), instance).variables == {"n": 25}
    run(task(script("p.sh")), instance)
    assert read(instance.task("t1").log) == "from python\n"
    assert "cannot be read" in str(failure(task(script("missing.sh")), instance))
    assert "outside the code folder" in str(failure(task(script("../x.sh")), instance))


def test_large_snippets_and_variables(instance):
    text = "# " + "x" * 200_000 + "\nexport n=1"
    assert run(task(bash(text), outputs=[int_out("n")]), instance).variables == {"n": 1}
    error = failure(task(bash("true"), inputs=[Input("big", "str", "x" * 3_000_000)]), instance)
    assert "the longest is big" in str(error)


def test_an_unquoted_path_with_blanks_is_explained(tmp_path):
    instance = Instance(tmp_path / "my run")
    error = failure(task(bash("echo hello > $f"), outputs=[out_file("f", "f")]), instance)
    assert 'the path in $f holds blanks: write "$f", in quotes' in str(error)


def test_a_pipe_that_ends_early_is_as_in_any_shell(instance):
    error = failure(task(bash("yes | head -1")), instance)
    assert error.exit_code == 128 + 13
    expected = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", "yes | head -1"], capture_output=True, check=False
    )
    assert expected.returncode in (141, 1)


def test_no_calls_and_no_outputs_is_done_at_once(instance):
    assert run(task(), instance).variables == {}
    assert str(instance.task("t1").state()) == "completed"
