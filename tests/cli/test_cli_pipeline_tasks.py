"""The commands about single tasks of an instance, under their names here and their older ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cli_calls import Call
from pipeline_project import FLOW, states, tree_hash

from ramify.cli.app import COMMANDS, OLDER

GUARD = 30


@pytest.fixture
def done(call: Call, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance of which one task has failed."""
    (project / "flow.py").write_text(FLOW)
    monkeypatch.setenv("BAD", "1")
    monkeypatch.setenv("RAMIFY_PIPELINE_INSTANCE_DIR", str(project / "i"))
    assert call("run", "flow.py:pipeline").code == 1
    return project / "i"


def test_prepare_makes_folders_and_runs_nothing(call: Call, project: Path) -> None:
    (project / "flow.py").write_text(FLOW)
    assert call("prepare", "-n", "flow.py:flow", "-pid", "i").out.splitlines()[0] == "one  new"
    assert not (project / "i").exists()
    said = call("prepare", "--generator", "flow.py:flow", "-pid", "i")
    assert said.code == 0 and "5 tasks in" in said.out and "1 ready, 4 waiting" in said.out
    assert states(project / "i")["one"] == "ready" and not (project / "i/output/one").exists()


def test_restart_goes_on_at_the_step_and_with_what_follows(call: Call, done: Path) -> None:
    (done / "mended").touch()
    said = call("restart", "part.1")
    assert said.code == 0, said.err
    assert set(states(done).values()) == {"completed"} and "last" in states(done)


def test_restart_of_what_is_completed_warns(call: Call, done: Path) -> None:
    said = call("restart", "-k", "part.0")
    assert said.code == 0 and "part.0 completed before" in said.err
    assert (done / ".ramify/part.0/ramify.log").read_text().count("step-started.0") == 2
    assert states(done)["part.1"] == "failed.0"


def test_restart_takes_globs_of_what_failed(call: Call, done: Path) -> None:
    (done / "mended").touch()
    assert call("restart", "part.*").code == 0
    assert (done / ".ramify/part.0/ramify.log").read_text().count("step-started.0") == 1
    assert call("restart", "part.*").code == 2
    assert "nothing of part.* has failed" in call("restart", "part.*").err


def test_restart_at_a_step_keeps_outputs_and_reset_removes_them(call: Call, project: Path) -> None:
    (project / "steps.py").write_text(
        "def flow(dsl):\n"
        "    yield (dsl.task('t').outputs(f=dsl.file('f')).calls('echo a >> $f').calls('echo b >> $f')\n"
        "        .calls('echo c >> $f; [ -e $__pipeline_instance_dir/ok ]')())\n"
    )
    assert call("run", "steps.py:flow", "-pid", "i").code == 1
    assert call("restart", "t", "-pid", "i", "--at-step", "1").code == 1
    assert (project / "i/output/t/f").read_text() == "a\nb\nc\nb\nc\n"
    (project / "i/ok").touch()
    assert call("restart", "t", "-pid", "i", "--reset").code == 0
    assert (project / "i/output/t/f").read_text() == "a\nb\nc\n"
    assert call("restart", "t", "-pid", "i", "--reset", "--at-step", "1").code == 2
    beyond = call("restart", "t", "-pid", "i", "--at-step", "3")
    assert beyond.code == 2 and "task 't' has no step 3" in beyond.err
    assert "1 REUSE" in call("plan", "steps.py:flow", "-pid", "i").out  # and costs nothing


def test_what_cannot_be_restarted_is_said(call: Call, done: Path) -> None:
    assert call("restart").code == 2
    near = call("restart", "prt.1")
    assert near.code == 2 and "did you mean 'part." in near.err
    assert "has 1 way of failing" in call("restart", "--signature", "7").err
    assert "is no folder" in call("restart", "x", "-pid", "nowhere").err


def test_looking_changes_nothing(call: Call, done: Path) -> None:
    before = tree_hash(done)
    assert call("poll-task", "-k", "part.1").out == "failed.0\n"
    assert call("task", "state", "part.1").code == 1
    assert "part.0/state.completed\n" in call("list-states").out
    assert call("list-states", "part.[01]", "--json").document["states"] == {
        "part.0": "completed", "part.1": "failed.0"
    }  # fmt: skip
    assert "no luck with 1" in call("logs", "-pid", str(done), "part.1").out
    assert "part.2\n" not in call("status").out
    assert call("status", "--json", "--jobs").document["tasks"]["one"] == "completed"
    assert call("why", "one").code == 0
    assert tree_hash(done) == before


def test_dump_env_is_read_back_by_a_shell(call: Call, done: Path) -> None:
    said = call("dump-env", "part.3")
    script = said.out + 'printf "%s|" "$n" "$i" "$__task_key" "$f"'
    shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=GUARD, check=True)
    assert shell.stdout == f"20|3|part.3|{done}/output/part.3/f.txt|"
    assert call("task", "env", "part.3").out == said.out


def test_looks_at_one_task_are_documents_too(call: Call, done: Path) -> None:
    env = call("task", "env", "part.3", "--json").document
    assert env["key"] == "part.3" and env["variables"]["i"] == "3"
    none = call("task", "ps", "part.3", "--json")
    assert none.code == 1 and none.document["processes"] == []
    ended = call("task", "kill", "part.3", "--json")
    assert ended.code == 1 and ended.document["ended"] == 0
    assert call("task", "tail", "part.3", "--json").code == 2


@pytest.mark.slow
def test_execution_times_are_those_of_the_tasks_own_logs(call: Call, done: Path) -> None:
    told = call("report-execution-times", "--filter", "part.*", "--json").document["tasks"]
    assert [task["key"] for task in told] == [f"part.{i}" for i in range(4)]
    assert all(task["seconds"] >= 0 and len(task["steps"]) == 1 for task in told)
    assert "5 tasks" in call("report-execution-times").out


@pytest.mark.slow
def test_a_task_is_run_by_hand(call: Call, done: Path) -> None:
    (done / "output/part.0/f.txt").unlink()
    assert call("task", "part.0", "--tail").out == "part 0\n"
    assert (done / "output/part.0/f.txt").read_text() == "part 0\n"
    failed = call("task", "-k", "part.1", "--wait")
    assert failed.code == 1 and "no luck with 1" in failed.err
    (done / "mended").touch()
    assert call("task", "part.1", "--by-runner").code == 0
    assert states(done)["last"] == "completed"


@pytest.mark.slow
def test_a_task_runs_in_the_background_and_is_killed(call: Call, project: Path) -> None:
    (project / "slow.py").write_text(
        "def flow(dsl):\n"
        "    yield dsl.task('s').calls('[ ! -e $__pipeline_instance_dir/slow ] && exit 0; echo go >'\n"
        "        ' $__pipeline_instance_dir/slow; exec sleep 300')()\n"
    )
    assert call("run", "slow.py:flow", "-pid", "i").code == 0
    os.mkfifo(project / "i/slow")
    assert "runs as process" in call("task", "s", "-pid", "i").out
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append((project / "i/slow").read_text()), daemon=True)
    reader.start()
    reader.join(GUARD)
    assert heard == ["go\n"]
    listed = subprocess.run(
        [sys.executable, "-m", "ramify", "task", "ps", "s", "-pid", "i"],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, timeout=GUARD, check=True,
    )  # fmt: skip
    assert "sleep 300" in listed.stdout
    assert "process" in call("task", "kill", "s", "-pid", "i").out


def test_call_fills_parameters_by_name(
    call: Call, project: Path, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os, "environ", os.environ.copy()
    )  # the command's own process has the task's variables
    (project / "calls.py").write_text("def f(n, i, __task_key):\n    return [n, i, __task_key]\n")
    said = call("call", "calls.py:f", "-k", "part.2")
    assert said.out == "[20, 2, 'part.2']\n"
    assert call("call", "calls.py:f", "-k", "part.2", "--json").document == {"result": [20, 2, "part.2"]}


def test_clean_forgets_tasks(call: Call, done: Path) -> None:
    assert "nothing was removed" in call("clean", str(done), "part.*").out
    assert call("clean", str(done), "part.*", "-y").code == 0
    assert states(done) == {"one": "completed"} and os.listdir(done / "output") == ["one"]
    (done / "mended").touch()
    assert call("run", "flow.py:pipeline").code == 0 and len(states(done)) == 6


@pytest.mark.parametrize("name", [*OLDER, "watch"])
def test_older_names_have_help_and_are_not_listed(call: Call, name: str) -> None:
    said = call(name, "--help")
    assert said.code == 0 and "Example: " in said.out and "--pipeline-instance-dir" in said.out
    assert name not in COMMANDS and f"\n  {name} " not in call("--help").out


def test_why_knows_what_a_task_was_made_of_and_asks_of_the_same_instance(call: Call, done: Path) -> None:
    said = call("why", "part.0", "-pid", "i")
    assert "it has no output" not in said.out.splitlines()[-2], said.out
    assert "    one " in said.out  # whose result it was made of
    assert said.out.splitlines()[-1] == "now  ramify why part.0 flow.py:pipeline -pid i"
    assert call("why", "part.0", "-pid", "i", "--json").document["jobs"][0]["output"]["trace"]["parents"]


def test_the_list_of_runs_calls_an_instance_by_its_folder(call: Call, done: Path) -> None:
    assert call("ls").out.splitlines()[1].split()[-1] == "i"


def test_what_an_instance_still_needs_is_no_garbage(call: Call, done: Path) -> None:
    assert call("gc", "--json").document["garbage"] == []
    codes = sorted(os.listdir(done / ".ramify/@run/outputs/.codes"))
    assert call("gc", "--yes").code == 0
    assert codes and sorted(os.listdir(done / ".ramify/@run/outputs/.codes")) == codes


@pytest.mark.slow
def test_a_plan_knows_what_was_done_by_hand(call: Call, done: Path) -> None:
    (done / "mended").touch()
    assert call("task", "part.1", "--wait").code == 0
    told = call("plan", "flow.py:pipeline", "--json").document["jobs"]
    found = {job["job_id"]: (job["verdict"], job["cause"]["text"]) for job in told}
    assert found["part.1"] == ("REUSE", "it was completed by hand")
    assert found["part.0"][0] == "REUSE" and found["last"][0] == "RUN"
    said = call("run", "flow.py:pipeline")
    assert said.code == 0 and "runs again" not in said.out
    assert (done / ".ramify/part.1/ramify.log").read_text().count("step-started.0") == 2


@pytest.mark.slow
def test_what_was_done_by_hand_otherwise_is_run(call: Call, done: Path) -> None:
    (done / "mended").touch()
    assert call("task", "part.1", "--wait").code == 0
    (done.parent / "flow.py").write_text(FLOW.replace("part $i", "Part $i"))
    told = call("plan", "flow.py:pipeline", "--json").document["jobs"]
    assert {job["verdict"] for job in told if job["job_id"].startswith("part")} == {"RUN"}
