"""The scripts in a task's folder, and what an instance keeps on disk."""

import json
import os
import subprocess

import pytest
from one_task import bash, failure, int_out, python, read, run, task

from ramify.errors import PlanError
from ramify.pipeline.conf import TaskConf
from ramify.pipeline.definition import Input
from ramify.pipeline.instance import Instance
from ramify.pipeline.states import TaskState, parse_state
from ramify.pipeline.step_process import processes_of

GUARD = 30


def by_hand(instance, key, *words):
    script = f"{instance.task(key).control}/task"
    return subprocess.run([script, *words], capture_output=True, text=True, timeout=GUARD, check=False)


@pytest.fixture
def odd(tmp_path):
    return Instance(tmp_path / "my run é")


@pytest.mark.slow
def test_the_script_runs_the_task_again(odd):
    conf = TaskConf(extra_env={"more": "$__task_key!"})
    made = task(
        bash('echo "$v $more" >> "$HOME_FILE"; export n=1'), bash("export n=$((n+1))"), conf=conf, key="a b",
        inputs=[Input("v", "float", float("inf")), Input("HOME_FILE", "str", f"{odd.path}.seen")],
        outputs=[int_out("n")],
    )  # fmt: skip
    run(made, odd)
    assert by_hand(odd, "a b").returncode == 0
    assert by_hand(odd, "a b", "--at-step", "1").returncode == 0
    assert read(f"{odd.path}.seen") == "inf a b!\n" * 2
    assert str(odd.task("a b").state()) == "completed"


def test_the_script_tells_a_failure(odd):
    failure(task(bash("echo why; exit 3")), odd)
    told = by_hand(odd, "t1")
    assert told.returncode == 1
    assert "exit code 3" in told.stderr and "why" in told.stderr


@pytest.mark.slow
def test_ps_and_kill(odd, tmp_path):
    made = task(python("task_functions:double"), inputs=[Input("x", "int", 1)], outputs=[int_out("r")])
    run(made, odd)
    assert by_hand(odd, "t1", "ps").stdout == "no process of this task runs\n"
    assert by_hand(odd, "t1", "kill").returncode == 1
    os.mkfifo(tmp_path / "started")
    sleeper = task(
        bash('echo go > "$f"; exec sleep 300'), key="s", inputs=[Input("f", "str", str(tmp_path / "started"))]
    )
    import threading

    errors = []
    thread = threading.Thread(target=lambda: errors.append(failure(sleeper, odd)), daemon=True)
    thread.start()
    read(tmp_path / "started")
    assert "sleep 300" in by_hand(odd, "s", "ps").stdout
    assert by_hand(odd, "s", "kill").stdout == "1 process ended\n"
    thread.join(GUARD)
    assert errors[0].kind == "killed"
    assert processes_of(odd.path, "s") == []


def test_tail_shows_the_logs(odd):
    run(task(bash("echo the output")), odd)
    process = subprocess.Popen([f"{odd.task('t1').control}/task", "tail"], stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "completed" in line:
            break
    process.terminate()
    process.wait(GUARD)
    assert "the output\n" in lines


def test_a_folder_without_a_task_is_refused(tmp_path, odd):
    run(task(bash("true")), odd)
    os.unlink(f"{odd.task('t1').control}/task-conf.json")
    told = by_hand(odd, "t1")
    assert told.returncode == 2
    assert "task-conf.json" in told.stderr


def test_few_files_for_a_task_that_says_nothing(instance):
    run(task(bash(":")), instance)
    control = instance.task("t1").control
    names = os.listdir(control)
    assert len({os.stat(f"{control}/{name}").st_ino for name in names} - shared_inodes(instance)) == 2
    assert json.loads(read(f"{control}/task-conf.json"))["definition"]["key"] == "t1"


def shared_inodes(instance):
    folder = instance.engine_folder
    return {os.stat(f"{folder}/{name}").st_ino for name in os.listdir(folder)}


def test_silent_logs_are_used_again_and_others_stay(instance):
    run(task(bash(":"), key="a"), instance)
    run(task(bash("echo b"), key="b"), instance)
    run(task(bash(":"), key="c"), instance)
    assert read(instance.task("b").log) == "b\n"
    assert not os.path.exists(instance.task("c").log)
    instance.close()
    assert not [name for name in os.listdir(instance.engine_folder) if name.startswith("spare")]


def test_the_tasks_own_log_tells_its_states(instance):
    run(task(bash(":"), bash(":")), instance)
    told = [line.split()[2] for line in read(instance.task("t1").own_log).splitlines()]
    assert told == ["step-started.0", "step-completed.0", "step-started.1", "completed"]


def test_reset_leaves_nothing(instance):
    run(task(bash("echo x > f")), instance)
    instance.task("t1").reset()
    assert instance.task("t1").state() is None
    assert not os.path.exists(instance.task("t1").output)


def test_states_are_put_by_the_engine_as_well(instance):
    folder = instance.task("t1")
    folder.put_state(TaskState("waiting"))
    folder.put_state(TaskState("ready"))
    assert str(folder.state()) == "ready"
    run(task(bash(":")), instance)
    assert str(folder.state()) == "completed"


@pytest.mark.parametrize("text", ["failed", "failed.x", "completed.1", "odd", "", "failed.-1", "failed.²"])
def test_what_is_no_state(text):
    with pytest.raises(PlanError):
        parse_state(text)
