"""How tasks end that do not end by themselves: killed, too slow, crashed, left behind."""

import os
import select
import signal
import subprocess
import sys
import threading

import pytest
from one_task import bash, failure, int_out, out_file, python, read, run, task

from ramify.errors import InfrastructureError, TaskFailed
from ramify.pipeline import step_process
from ramify.pipeline.by_hand import kill_task
from ramify.pipeline.definition import Input, Output
from ramify.pipeline.instance import Instance
from ramify.pipeline.states import TaskState
from ramify.pipeline.step_process import processes_of

GUARD = 30.0

TREE = """
sleep 300 & echo $! >> "$pids"
echo $$ >> "$pids"
setsid bash -c 'trap "" TERM; echo $$ >> "$pids"
    sleep 300 & echo $! >> "$pids"; echo ready > "$started"; wait' &
wait
"""


@pytest.fixture
def fifo(tmp_path):
    """What a step writes to when it has begun: opening it is the event."""
    path = tmp_path / "started"
    os.mkfifo(path)
    return str(path)


def in_thread(definition, instance, **options):
    """Runs the task; a function that waits for how it ended."""
    ended = []

    def body():
        try:
            ended.append(run(definition, instance, **options))
        except TaskFailed as error:
            ended.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    def wait():
        thread.join(GUARD)
        assert ended, "the task did not end"
        return ended[0]

    return wait


def first_line(fifo):
    with open(fifo, encoding="utf-8") as file:
        return file.readline()


def await_gone(pids):
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            continue
        assert select.select([fd], [], [], GUARD)[0], f"process {pid} still runs"
        os.close(fd)


def tree(fifo, pids):
    return task(bash(TREE), inputs=[Input("started", "str", fifo), Input("pids", "str", str(pids))])


def pids_in(path):
    return [int(word) for word in read(path).split()]


@pytest.mark.slow
def test_kill_ends_the_whole_tree(instance, fifo, tmp_path, monkeypatch):
    monkeypatch.setattr(step_process, "PATIENCE", 0.2)
    wait = in_thread(tree(fifo, tmp_path / "pids"), instance)
    first_line(fifo)
    assert set(pids_in(tmp_path / "pids")) <= set(processes_of(instance.path, "t1"))
    assert instance.kill("t1")
    error = wait()
    assert (error.kind, error.step) == ("killed", 0)
    await_gone(pids_in(tmp_path / "pids"))
    assert processes_of(instance.path, "t1") == []
    assert str(instance.task("t1").state()) == "killed.0"
    assert not instance.kill("t1")


@pytest.mark.slow
def test_a_timeout_ends_the_step(instance, fifo, tmp_path, monkeypatch):
    monkeypatch.setattr(step_process, "PATIENCE", 0.2)
    wait = in_thread(tree(fifo, tmp_path / "pids"), instance, timeout=0.3)
    first_line(fifo)
    error = wait()
    assert error.kind == "timed-out"
    assert str(instance.task("t1").state()) == "timed-out.0"
    await_gone(pids_in(tmp_path / "pids"))


@pytest.mark.slow
def test_a_timeout_of_a_python_step(instance, fifo):
    wait = in_thread(
        task(python("task_functions:sleeps"), inputs=[Input("started", "str", fifo)]), instance, timeout=1.0
    )
    pids = [int(word) for word in first_line(fifo).split()]
    assert wait().kind == "timed-out"
    await_gone(pids)


def test_kill_of_a_python_step(instance, fifo):
    wait = in_thread(task(python("task_functions:sleeps"), inputs=[Input("started", "str", fifo)]), instance)
    pids = [int(word) for word in first_line(fifo).split()]
    assert instance.kill("t1")
    assert wait().kind == "killed"
    await_gone(pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_killed_from_outside_has_crashed(instance, fifo, number):
    made = task(bash('echo $$ > "$started"; sleep 300'), inputs=[Input("started", "str", fifo)])
    wait = in_thread(made, instance)
    os.kill(int(first_line(fifo)), number)
    error = wait()
    assert (error.kind, error.signal) == ("crashed", number)
    assert str(instance.task("t1").state()) == "crashed.0"


def test_a_command_that_is_killed_has_crashed_the_step(instance):
    error = failure(task(bash('bash -c "kill -9 \\$\\$"; echo never')), instance)
    assert (error.kind, error.signal, error.exit_code) == ("crashed", signal.SIGKILL, 137)


def test_a_python_step_that_is_killed_has_crashed(instance):
    error = failure(task(python("task_functions:killed")), instance)
    assert (error.kind, error.signal) == ("crashed", signal.SIGKILL)


def test_no_step_begins_after_a_kill(instance, fifo):
    made = task(
        bash('echo go > "$started"; sleep 300'), bash("echo second"), inputs=[Input("started", "str", fifo)]
    )
    wait = in_thread(made, instance)
    first_line(fifo)
    instance.kill("t1")
    wait()
    assert "second" not in (read(instance.task("t1").log) if os.path.exists(instance.task("t1").log) else "")


def test_a_grandchild_that_keeps_the_output_open_delays_nothing(instance, tmp_path):
    path = tmp_path / "pid"
    run(task(bash('sleep 300 & echo $! > "$pid"'), inputs=[Input("pid", "str", str(path))]), instance)
    await_gone(pids_in(path))


def test_one_task_runs_once_at_a_time(instance, fifo):
    made = task(bash('echo go > "$started"; sleep 300'), inputs=[Input("started", "str", fifo)])
    wait = in_thread(made, instance)
    first_line(fifo)
    with pytest.raises(InfrastructureError, match="running already"):
        run(made, instance)
    instance.kill("t1")
    assert wait().kind == "killed"


def test_many_at_once_touch_nothing_that_is_shared(instance):
    before = os.getcwd(), dict(os.environ), signal.getsignal(signal.SIGINT)
    waits = [
        in_thread(task(bash(f"export n={n}; pwd"), key=f"t{n}", outputs=[int_out("n")]), instance)
        for n in range(64)
    ]
    assert [wait().variables["n"] for wait in waits] == list(range(64))
    for n in range(64):
        assert read(instance.task(f"t{n}").log) == f"{instance.path}/output/t{n}\n"
    assert before == (os.getcwd(), dict(os.environ), signal.getsignal(signal.SIGINT))


DRIVER = """
import sys
from ramify.pipeline.definition import Call, Input, Output, TaskDefinition
from ramify.pipeline.instance import Instance
from ramify.pipeline.running import run_task
sys.path.insert(0, sys.argv[5])
folder, kind, text, survives = sys.argv[1:5]
task = TaskDefinition("t1", (Call(kind, text),), (Input("started", "str", folder + "/started"),
    Input("go", "str", folder + "/go")), (Output("n", "int"),))
run_task(task, Instance(folder + "/instance", survives=survives == "yes"), {})
"""
SLEEPER = 'echo start >> count; echo "$$" > "$started"; sleep 300'
WAITER = 'echo start >> count; echo "$$" > "$started"; read -r line < "$go"; echo "$line"; export n=5'


def driver(tmp_path, kind, text, survives):
    here = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, "-c", DRIVER, str(tmp_path), kind, text, "yes" if survives else "no", here]
    return subprocess.Popen(command)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize(
    ("kind", "text"), [("bash", "setsid sleep 300 & " + SLEEPER), ("python", "task_functions:sleeps")]
)
def test_nothing_outlives_the_driver(tmp_path, fifo, kind, text, how):
    process = driver(tmp_path, kind, text, survives=False)
    first = int(first_line(fifo).split()[0])
    root = str(tmp_path / "instance")
    pids = [first, *processes_of(root, "t1")]
    process.send_signal(how)
    process.wait(GUARD)
    await_gone(pids)
    assert str(Instance(root).task("t1").state()) == "step-started.0"


def let_go(tmp_path):
    with open(tmp_path / "go", "w", encoding="utf-8") as file:
        file.write("went on\n")


@pytest.mark.parametrize("before", [False, True])
def test_a_task_that_may_outlive_its_driver_is_not_run_again(tmp_path, fifo, before):
    os.mkfifo(tmp_path / "go")
    process = driver(tmp_path, "bash", WAITER, survives=True)
    pid = int(first_line(fifo))
    process.kill()
    process.wait(GUARD)
    os.kill(pid, 0)  # it runs
    instance = Instance(tmp_path / "instance", survives=True)
    made = task(
        bash(WAITER), inputs=[Input("started", "str", fifo), Input("go", "str", str(tmp_path / "go"))],
        outputs=[int_out("n")],
    )  # fmt: skip
    if before:
        let_go(tmp_path)
        await_gone([pid])
    found = threading.Event()
    wait = in_thread(made, instance, on_state=lambda *_: found.set())
    if not before:
        assert found.wait(GUARD)
        let_go(tmp_path)
    assert wait().variables == {"n": 5}
    assert read(f"{instance.task('t1').output}/count") == "start\n"
    assert read(instance.task("t1").log) == "went on\n"


def test_what_was_left_of_another_definition_is_ended(tmp_path, fifo):
    process = driver(tmp_path, "bash", SLEEPER, survives=True)
    pid = int(first_line(fifo))
    process.kill()
    process.wait(GUARD)
    instance = Instance(tmp_path / "instance", survives=True)
    made = task(bash("export n=6"), outputs=[int_out("n")])
    assert run(made, instance).variables == {"n": 6}
    await_gone([pid])


def test_a_task_can_be_killed_by_another_process(tmp_path, fifo):
    process = driver(tmp_path, "bash", SLEEPER, survives=False)
    pid = int(first_line(fifo))
    assert kill_task(str(tmp_path / "instance"), "t1") >= 1
    await_gone([pid])
    assert process.wait(GUARD) == 1
    assert str(Instance(tmp_path / "instance").task("t1").state()) == "killed.0"


def test_two_keys_of_which_one_begins_the_other(instance, fifo):
    made = task(bash('echo go > "$started"; sleep 300'), key="t1", inputs=[Input("started", "str", fifo)])
    wait = in_thread(made, instance)
    first_line(fifo)
    assert processes_of(instance.path, "t") == []
    assert processes_of(instance.path, "t1")
    instance.kill("t1")
    assert wait().kind == "killed"


def test_a_hanging_import_can_be_killed(tmp_path, monkeypatch, instance, fifo):
    from ramify.pipeline import python_step

    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "hanging_functions.py").write_text(
        f"import time\nwith open({fifo!r}, 'w') as file:\n    file.write('x')\n"
        "time.sleep(300)\ndef f(): pass\n"
    )
    monkeypatch.setattr(python_step, "_pools", {})
    wait = in_thread(task(python("hanging_functions:f")), instance)
    first_line(fifo)
    instance.kill("t1")
    assert wait().kind == "killed"


def test_outputs_of_a_task_that_was_killed_count_for_nothing(instance, fifo):
    made = task(
        bash('echo half > "$f"; echo go > "$started"; sleep 300'), inputs=[Input("started", "str", fifo)],
        outputs=[out_file("f", "f")],
    )  # fmt: skip
    wait = in_thread(made, instance)
    first_line(fifo)
    instance.kill("t1")
    assert isinstance(wait(), TaskFailed)
    assert "was not made" in str(failure(task(bash("true"), outputs=[out_file("f", "f")]), instance))


@pytest.mark.parametrize(
    ("snippet", "words"),
    [
        ('mkfifo "$f"', "'f' is a pipe or a socket"),
        ('ln -s nowhere "$f"', "'f' is a link that leads nowhere"),
        ('ln -s f "$f"', "'f' is a link that leads nowhere"),
        ("touch \"$f\" $'\\xff.txt'", r"fs: '\udcff.txt' is no name in UTF-8: rename it"),
    ],
)
def test_outputs_that_no_task_could_read_fail_the_task_by_name(instance, snippet, words):
    made = task(bash(snippet), outputs=[out_file("f", "f"), Output("fs", "fileset", "*.txt")])
    assert words in str(failure(made, instance))
    assert instance.task("t1").state() == TaskState("failed", 0)


def test_an_output_without_the_right_to_read_it_fails_the_task(instance, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith("/f"))  # root may read everything
    made = task(bash('echo > "$f"; chmod 0 "$f"'), outputs=[out_file("f", "f")])
    assert "f: the file 'f' may not be read by who runs this" in str(failure(made, instance))
