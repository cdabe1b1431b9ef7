"""`ramify run` and its kin on pipelines: targets, instances, what is said, how it ends."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_calls import Call
from pipeline_project import FLOW, states, tree_hash

GUARD = 30


@pytest.fixture
def flow(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (project / "flow.py").write_text(FLOW)
    monkeypatch.setenv("BAD", "none")
    return project


@pytest.mark.parametrize(
    "words",
    [
        ["flow.py:pipeline", "-pid", "i1"],
        ["flow.py:flow", "-pid=i1"],
        ["-p", "flow.py:pipeline", "--instance-dir=i1"],
        ["--generator", "flow.py:flow", "--pipeline-instance-dir", "i1"],
        ["flow.py", "--instance-directory", "i1"],
    ],
)
def test_a_pipeline_is_run_however_it_is_said(call: Call, flow: Path, words: list[str]) -> None:
    said = call("run", *words)
    assert said.code == 0, said.err
    assert set(states(flow / "i1").values()) == {"completed"}
    assert (flow / "i1/output/part.2/f.txt").read_text() == "part 2\n"
    assert said.out.splitlines()[0].split()[0] == "i1"
    assert "6 of 6 jobs done" in said.out


def test_the_environment_says_both(call: Call, flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAMIFY_PIPELINE_GENERATOR", "flow.py:pipeline")
    monkeypatch.setenv("RAMIFY_PIPELINE_INSTANCE_DIR", str(flow / "there é"))
    assert call("run").code == 0
    assert len(states(flow / "there é")) == 6
    assert call("status", "--json").document["instance"] == str(flow / "there é")


def test_without_an_instance_it_is_called_like_the_target(call: Call, flow: Path) -> None:
    said = call("run", "flow.py:pipeline")
    assert said.out.splitlines()[0] == "pipeline  flow.py:pipeline → pipeline"
    assert len(states(flow / "pipeline")) == 6


def test_another_folder_of_that_name_is_not_taken(call: Call, flow: Path) -> None:
    (flow / "pipeline").mkdir()
    (flow / "pipeline" / "mine.txt").touch()
    said = call("run", "flow.py:pipeline")
    assert said.code == 2 and "-pid FOLDER" in said.err
    assert os.listdir(flow / "pipeline") == ["mine.txt"]


def test_a_failed_task_is_1_and_the_rest_goes_on(
    call: Call, flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAD", "1")
    said = call("run", "flow.py:flow", "-pid", "i")
    assert said.code == 1
    assert states(flow / "i") == {
        "one": "completed", "part.0": "completed", "part.1": "failed.0", "part.2": "completed",
        "part.3": "completed",
    }  # fmt: skip
    assert "✗ 1  part.1 failed" in said.err and "no luck with 1" in said.err
    assert "ramify restart -pid i --signature 1" in said.err
    assert "ramify run flow.py:flow -pid i --restart-failed" in said.err
    assert "wait_for_matching_tasks('part.*')" in said.out
    again = call("run", "flow.py:flow", "-pid", "i")
    assert again.code == 1 and (flow / "i/output/part.1/f.txt").read_text() == "part 1\n"
    (flow / "i/mended").touch()
    assert call("run", "flow.py:flow", "-pid", "i", "--restart-failed").code == 0
    assert set(states(flow / "i").values()) == {"completed"} and len(states(flow / "i")) == 6


@pytest.mark.slow
def test_reset_failed_begins_with_no_outputs(call: Call, project: Path) -> None:
    (project / "steps.py").write_text(
        "def flow(dsl):\n"
        "    yield (dsl.task('t').outputs(f=dsl.file('f')).calls('echo a >> $f')\n"
        "        .calls('echo b >> $f; [ -e $__pipeline_instance_dir/ok ]')())\n"
    )
    for flag, expected in (("--restart-failed", "a\nb\nb\n"), ("--reset-failed", "a\nb\n")):
        instance = f"i{flag}"
        assert call("run", "steps.py:flow", "-pid", instance).code == 1
        assert states(project / instance) == {"t": "failed.1"}
        (project / instance / "ok").touch()
        assert call("run", "steps.py:flow", "-pid", instance, flag).code == 0
        assert (project / instance / "output/t/f").read_text() == expected


@pytest.mark.slow
def test_what_is_stale_is_said_first_and_run_again(call: Call, flow: Path) -> None:
    assert call("run", "flow.py:pipeline", "-pid", "i").code == 0
    text = FLOW.replace("export n=20", "export n=30")
    (flow / "flow.py").write_text(text)
    kept = call("run", "flow.py:pipeline", "-pid", "i", "--keep-stale")
    assert kept.code == 0
    assert "kept although stale  others  step 0 changed" in kept.out
    assert kept.out.index("kept although stale") > kept.out.index("→")
    assert call("why", "one", "flow.py:pipeline", "-pid", "i").out.startswith("one  RUN  step 0 changed")
    again = call("run", "flow.py:pipeline", "-pid", "i")
    assert "runs again  others  step 0 changed" in again.out
    assert "may run again  parts x 4" in again.out
    assert '"m": 33' in (flow / "i/.ramify/part.3/variables.json").read_text()
    (flow / "i/output/part.0/f.txt").unlink()
    mended = call("run", "flow.py:pipeline", "-pid", "i")
    assert "runs again  parts  its output f.txt is gone" in mended.out
    assert (flow / "i/output/part.0/f.txt").exists()


def test_force_runs_what_is_complete(call: Call, flow: Path) -> None:
    assert call("run", "flow.py:pipeline", "-pid", "i").code == 0
    (flow / "i/output/part.1/f.txt").unlink()
    assert call("run", "flow.py:pipeline", "-pid", "i", "--force", "part.[12]").code == 0
    times = call("report-execution-times", "-pid", "i", "--filter", "part.*", "--json").document
    assert [task["key"] for task in times["tasks"]] == [f"part.{i}" for i in range(4)]
    logs = [(flow / f"i/.ramify/part.{i}/ramify.log").read_text().count(" completed") for i in range(4)]
    assert logs == [1, 2, 2, 1]


def test_until_leaves_tasks_ready_for_later(call: Call, flow: Path) -> None:
    until = call("run", "flow.py:flow", "-pid", "i", "--until", "part.1", "--until", "part.3")
    assert until.code == 0 and "3 of 3 jobs done, 2 held back by --until" in until.out
    assert states(flow / "i") == {
        "one": "completed", "part.0": "completed", "part.1": "ready", "part.2": "completed", "part.3": "ready"
    }  # fmt: skip
    said = call("run", "flow.py:flow", "-pid", "i", "--until", "zz*")
    assert said.code == 0 and "--until 'zz*' fits no task" in said.out
    assert len(states(flow / "i")) == 6


@pytest.mark.parametrize("words", [["run", "--dry-run"], ["--dry-run", "run"], ["run", "-n"], ["plan"]])
def test_a_dry_run_changes_nothing(call: Call, flow: Path, words: list[str]) -> None:
    said = call(*words, "flow.py:pipeline", "-pid", "i")
    assert said.code == 0 and "5 RUN" in said.out and not (flow / "i").exists()
    assert call("run", "flow.py:pipeline", "-pid", "i").code == 0
    before = tree_hash(flow / "i")
    (flow / "flow.py").write_text(FLOW.replace("export n=20", "export n=21"))
    told = call(*words, "flow.py:pipeline", "-pid", "i", "--json").document
    assert told["counts"]["RUN"] == 1 and told["counts"]["MAYBE"] == 5
    assert tree_hash(flow / "i") == before


@pytest.mark.parametrize("words", [("plan",), ("run", "-n"), ("prepare", "-n"), ("why", "one")])
def test_nothing_is_written_beside_the_flow_either(
    call: Call, flow: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = tree_hash(flow)
    said = call(*words, "flow.py:flow", "-pid", "i")
    assert said.code == 0, said.err
    assert tree_hash(flow) == before and not sys.dont_write_bytecode


def test_a_plan_knows_what_waits_hide_and_what_failed_before(
    call: Call, flow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = call("plan", "flow.py:flow", "-pid", "i").out
    assert "5 RUN" in fresh and "may grow: rule generator" in fresh
    assert call("run", "flow.py:flow", "-pid", "i").code == 0
    done = call("plan", "flow.py:flow", "-pid", "i").out
    assert "6 REUSE" in done and "may grow" not in done
    (flow / "flow.py").write_text(FLOW.replace("part $i", "Part $i"))
    verdicts = {
        line.split()[1]: line for line in call("plan", "flow.py:flow", "-pid", "i").out.splitlines()[:6]
    }
    assert verdicts["one"].startswith("LOAD") and verdicts["part.0"].startswith("RUN")
    assert verdicts["last"].startswith("MAYBE") and "output of part." in verdicts["last"]
    monkeypatch.setenv("BAD", "2")
    assert call("run", "flow.py:flow", "-pid", "i").code == 1
    failed = call("plan", "flow.py:flow", "-pid", "i").out
    assert (
        "part.2  it failed at step 0 in an earlier run" in failed
        and "--restart-failed has it go on" in failed
    )
    assert "--restart-failed" not in call("run", "-n", "flow.py:flow", "-pid", "i", "--restart-failed").out


def test_a_dry_run_tells_what_until_holds(call: Call, flow: Path) -> None:
    told = call("run", "-n", "flow.py:flow", "-pid", "i", "--until", "one", "--json").document
    assert told["held"] == ["one", *(f"part.{i}" for i in range(4))]


@pytest.mark.parametrize("key", ["a/b", "../x", "", " x", "@run"])
def test_a_refused_key_is_3_and_leaves_nothing(call: Call, project: Path, key: str) -> None:
    (project / "bad.py").write_text(
        "def flow(dsl):\n    yield dsl.task('ok').calls('true')()\n"
        f"    yield dsl.task({key!r}).calls('true')()\n"
    )
    said = call("run", "bad.py:flow", "-pid", "i")
    assert said.code == 3 and repr(key) in said.err and "bad.py:3" in said.err
    assert not (project / "i").exists()


def test_what_a_generator_raises_is_told_with_its_line(call: Call, project: Path) -> None:
    (project / "bad.py").write_text(
        "def early(dsl):\n    yield dsl.task('a').calls('true')()\n    raise ValueError('so early')\n"
        "def late(dsl):\n    a = dsl.task('a').calls('true')()\n    yield a\n"
        "    for _ in dsl.wait_for_tasks(a):\n        raise ValueError('so late')\n"
    )
    early = call("run", "bad.py:early", "-pid", "i")
    assert early.code == 3 and "so early" in early.err and "line 3" in early.err
    assert "bug in Ramify" not in early.err and not (project / "i").exists()
    late = call("run", "bad.py:late", "-pid", "i")
    assert late.code == 1 and "so late" in late.err and states(project / "i") == {"a": "completed"}
    assert call("status", "-pid", "i").out.splitlines()[-2] == "rest  ramify resume -pid i"


def test_flags_of_the_other_kind_are_refused(call: Call, flow: Path) -> None:
    (flow / "graph.py").write_text("from ramify import DAG, Job\ndag = DAG({'a': Job(int)})\n")
    for words in (["flow.py:flow", "-o", "x"], ["flow.py:flow", "--mode", "thread"]):
        assert "is a pipeline" in call("run", *words).err
    for words in (["graph.py", "--restart-failed"], ["graph.py", "-pid", "i"]):
        said = call("run", *words)
        assert said.code == 2 and "is a graph" in said.err
    assert call("run", "graph.py").code == 0


@pytest.mark.slow
def test_a_second_driver_is_refused_by_name(call: Call, project: Path) -> None:
    os.mkfifo(project / "go")
    (project / "slow.py").write_text(
        f"def flow(dsl):\n    yield dsl.task('a').calls('echo begun > {project}/go; sleep 300')()\n"
    )
    first = subprocess.Popen(
        [sys.executable, "-m", "ramify", "run", "slow.py:flow", "-pid", "i"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    try:
        assert (project / "go").read_text() == "begun\n"
        second = call("run", "slow.py:flow", "-pid", "i")
        assert second.code == 5
        assert str(first.pid) in second.err and os.uname().nodename in second.err
        assert call("restart", "-pid", "i", "a").code == 5
        assert call("task", "a", "-pid", "i").code == 5
    finally:
        first.terminate()
        assert first.wait(GUARD) == 143
    assert states(project / "i")["a"] in ("killed.0", "step-started.0")  # it may outlive its driver
    (project / "slow.py").write_text("def flow(dsl):\n    yield dsl.task('a').calls('true')()\n")
    assert call("resume", "-pid", "i").code == 0  # the stale text of the lock hinders nobody


@pytest.mark.slow
def test_what_an_interrupt_ends_has_not_failed(call: Call, project: Path) -> None:
    os.mkfifo(project / "go")
    (project / "slow.py").write_text(
        f"def flow(dsl):\n    yield dsl.task('a').calls('echo begun > {project}/go; sleep 300')()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "ramify", "run", "slow.py:flow", "-pid", "i"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert (project / "go").read_text() == "begun\n"
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=GUARD)[1]
    assert process.returncode == 130
    assert "interrupted: 0 of 1 jobs done, 1 cancelled" in err and "a failed" not in err
    assert "no task failed" in call("status", "-pid", "i", "--failed").out


def test_a_schedule_looks_again_at_what_lies_outside(call: Call, project: Path) -> None:
    (project / "outside.py").write_text(
        "import os\n"
        "def flow(dsl):\n"
        "    yield dsl.task('a').calls('true')()\n"
        "    with open('looks', 'a') as file:\n        print('x', file=file)\n"
        "    if len(open('looks').readlines()) > 4:\n"
        "        yield dsl.task('b').calls('true')()\n"
    )
    assert call("run", "outside.py:flow", "-pid", "i", "--sleep-schedule", "0,0,0,0,0").code == 0
    assert states(project / "i") == {"a": "completed", "b": "completed"}
    assert "no list of seconds" in call("run", "outside.py:flow", "--sleep-schedule", "1,x").err


@pytest.mark.slow
def test_verbose_tells_each_task(call: Call, flow: Path) -> None:
    for flag, instance in (("-v", "i"), ("--vv", "j")):
        said = call("run", "flow.py:flow", "-pid", instance, flag)
        assert "part.2: launched" in said.err and "last: completed" in said.err
    before = call("--v", "run", "flow.py:flow", "-pid", "k")
    assert "part.2: completed" in before.err


def test_json_is_one_document(call: Call, flow: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BAD", "2")
    told = call("run", "flow.py:pipeline", "-pid", "i", "--json").document
    assert told["exit_code"] == 1 and told["instance"] == str(flow / "i")
    assert told["groups"]["parts"]["failed"] == 1
    (kind,) = told["signatures"]
    assert kind["number"] == 1 and kind["keys"] == ["part.2"] and "exit code 3" in kind["signature"]


@pytest.mark.slow
def test_on_a_terminal_groups_are_drawn(flow: Path) -> None:
    ours, theirs = pty.openpty()
    environ = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR")}
    environ |= {"PYTHONPATH": ":".join(sys.path), "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
    words = [sys.executable, "-m", "ramify", "run", "flow.py:pipeline", "-pid", "i"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
    os.close(theirs)
    seen = b""
    while True:
        try:
            data = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        seen += data
    os.close(ours)
    assert process.wait(GUARD) == 0
    text = seen.decode()
    assert "parts" in text and "4/4" in text and "others" in text and "━" in text
    assert "\x1b[" in text and "part.0" not in text


def test_without_a_terminal_lines_are_plain(call: Call, flow: Path) -> None:
    said = call("run", "flow.py:pipeline", "-pid", "i")
    assert "\x1b" not in said.out + said.err and "6/6 done" in said.err


@pytest.mark.slow
def test_keys_whose_names_are_written_in_quotes(call: Call, project: Path) -> None:
    (project / "odd.py").write_text(
        "def flow(dsl):\n"
        "    one = dsl.task('upper.b').outputs(n=int).calls('export n=1')()\n"
        "    yield one\n"
        "    for key in ('7', 'true', 'a.txt', '1'):\n"
        "        yield dsl.task(key).inputs(one.outputs.n).calls('echo $n')()\n"
    )
    held = call("run", "-n", "odd.py:flow", "-pid", "i", "--until", "upper.*", "--json").document
    assert held["held"] == ["upper.b", "7", "true", "a.txt", "1"]
    assert call("run", "odd.py:flow", "-pid", "i").code == 0
    assert "upper.b  REUSE" in call("plan", "odd.py:flow", "-pid", "i", "--tree").out
    assert call("run", "odd.py:flow", "-pid", "i", "--force", "a.*", "--force", "7").code == 0
    logs = {key: (project / f"i/.ramify/{key}/ramify.log").read_text() for key in states(project / "i")}
    assert {key for key, log in logs.items() if log.count(" completed") == 2} == {"7", "a.txt"}
    near = call("run", "odd.py:flow", "-pid", "i", "--force", "upper.c")
    assert near.code == 2 and "did you mean 'upper.b'?" in near.err
    (project / "odd.py").write_text((project / "odd.py").read_text().replace("n=1", "n=2"))
    told = call("why", "a.txt", "odd.py:flow", "-pid", "i").out
    assert "if the new output of upper.b differs" in told and "because upper.b: step 0 changed" in told
    assert "runs again  upper.b  step 0 changed" in call("run", "odd.py:flow", "-pid", "i").out
    assert call("restart", "a.txt", "-pid", "i").code == 0


def test_why_speaks_of_tasks_and_of_files_of_the_instance(call: Call, project: Path) -> None:
    (project / "i").mkdir()
    (project / "i/in.txt").write_text("1")
    (project / "odd.py").write_text(
        "def flow(dsl):\n"
        "    f = dsl.file('in.txt')\n"
        "    yield dsl.task('a.txt').inputs(f=f).outputs(n=int).calls('export n=$(cat $f)')()\n"
        "    yield dsl.task('more.a.txt').calls('true')()\n"
    )
    assert call("run", "odd.py:flow", "-pid", "i").code == 0
    (project / "i/in.txt").write_text("2")
    assert "RUN    a.txt       file in.txt changed" in call("plan", "odd.py:flow", "-pid", "i").out
    assert call("run", "odd.py:flow", "-pid", "i").code == 0
    told = call("why", "a.txt", "-pid", "i").out
    assert "ran: file in.txt changed" in told and "from     file in.txt #" in told
    assert "upstream" not in told and "no output" not in told
    assert told.splitlines()[-1] == "now  ramify why a.txt odd.py:flow -pid i"


def test_a_task_that_is_yielded_otherwise_later_is_an_error(call: Call, project: Path) -> None:
    (project / "odd.py").write_text(
        "from ramify.pipeline import TaskConf\n"
        "def flow(dsl):\n"
        "    a = dsl.task('a').calls('true')()\n"
        "    yield a\n"
        "    x = 1\n"
        "    for _ in dsl.wait_for_tasks(a):\n"
        "        x = 2\n"
        "    yield dsl.task('how', task_conf=TaskConf(label=str(x))).calls('true')()\n"
        "    if x == 1 or dsl.file_in_pipeline_instance_dir('otherwise', False).exists():\n"
        "        yield dsl.task('b').inputs(x=x).outputs(y=int).calls('export y=$x')()\n"
    )
    assert call("run", "odd.py:flow", "-pid", "i").code == 0  # how a task runs may differ
    (project / "i/otherwise").touch()
    said = call("run", "odd.py:flow", "-pid", "i")
    assert said.code == 1 and "odd.py:10: task 'b' is yielded otherwise than before" in said.out + said.err


def test_tasks_are_called_by_their_keys_whatever_these_look_like(call: Call, project: Path) -> None:
    (project / "names.py").write_text(
        "def flow(dsl):\n"
        "    for key in ('reads.fasta', '7'):\n"
        "        yield dsl.task(key).calls('exit 3')()\n"
    )
    said = call("run", "names.py:flow", "-pid", "i")
    assert said.code == 1
    assert " reads.fasta FAILED: " in said.err and " 7 FAILED: " in said.err
    rows = [line.split()[:2] for line in call("status", "-pid", "i").out.splitlines() if line.startswith("✗")]
    assert sorted(rows) == [["✗", "7"], ["✗", "reads.fasta"]]
