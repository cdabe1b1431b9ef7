"""Pipelines run on the engine: what runs, what stays, what is told."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ramify import DAGExecutionError
from ramify.errors import ArgumentError
from ramify.pipeline import TaskConf
from ramify.pipeline.flow import plan_pipeline, prepare, read_result, run_pipeline
from ramify.pipeline.instance import Instance
from ramify.pipeline.overview import failed_tasks

NOTE = 'echo "$__task_key" >> "$__pipeline_instance_dir/ran"\n'
"""The first line of a snippet that tells that it ran."""

Generator = Callable[[Any], Iterator[Any]]


def ran(folder: Path) -> list[str]:
    """Which tasks have run, by what they wrote; forgotten by this."""
    path = folder / "ran"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(found)


def chunked(snippet: str = 'export n=$(( $(cat "$f") * 2 ))') -> Generator:
    def flow(dsl: Any) -> Iterator[Any]:
        split = (
            dsl.task("split")
            .inputs(numbers=dsl.file("numbers.txt"))
            .outputs(chunks=dsl.fileset("chunk.*.txt"))
            .calls(NOTE + 'for i in $(cat "$numbers"); do echo $i > chunk.$i.txt; done')
        )()
        yield split
        for _ in dsl.wait_for_tasks(split):
            for chunk in split.outputs.chunks.fetch():
                number = chunk.basename().split(".")[1]
                yield (dsl.task(f"double.{number}").inputs(f=chunk).outputs(n=int).calls(NOTE + snippet))()
        for match in dsl.wait_for_matching_tasks("double.*"):
            yield (
                dsl.task("total")
                .inputs(numbers=" ".join(map(str, match.all.n.fetch())))
                .outputs(sum=int)
                .calls(NOTE + "export sum=0\nfor n in $numbers; do sum=$((sum + n)); done")
            )()

    return flow


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    folder = tmp_path / "my run é"
    folder.mkdir()
    (folder / "numbers.txt").write_text("1 2 3 4")
    return folder


def test_a_generator_grows_with_what_is_completed(instance: Path) -> None:
    run_pipeline(chunked(), instance, jobs=2)
    assert read_result(instance, "total").variables == {"sum": 20}
    assert ran(instance) == ["double.1", "double.2", "double.3", "double.4", "split", "total"]
    assert (instance / ".ramify/total/state.completed").exists()


def test_nothing_runs_again_that_still_holds(instance: Path) -> None:
    run_pipeline(chunked(), instance)
    ran(instance)
    (instance / "numbers.txt").touch()
    run_pipeline(chunked(), instance)
    assert ran(instance) == []


@pytest.mark.slow
def test_a_changed_snippet_runs_its_tasks_and_what_comes_out_otherwise(instance: Path) -> None:
    run_pipeline(chunked(), instance)
    ran(instance)
    run_pipeline(chunked('export n=$(( $(cat "$f") + $(cat "$f") ))'), instance)
    assert ran(instance) == [f"double.{n}" for n in range(1, 5)], "the numbers came out the same"
    run_pipeline(chunked('export n=$(( $(cat "$f") * 3 ))'), instance)
    assert ran(instance) == [*(f"double.{n}" for n in range(1, 5)), "total"]
    assert read_result(instance, "total").variables == {"sum": 30}


def test_a_changed_input_file_runs_what_depends_on_it(instance: Path) -> None:
    run_pipeline(chunked(), instance)
    ran(instance)
    (instance / "numbers.txt").write_text("1 2 3 5")
    run_pipeline(chunked(), instance)
    assert ran(instance) == ["double.5", "split", "total"]
    assert read_result(instance, "total").variables == {"sum": 22}


def test_a_deleted_output_is_noticed_and_told(instance: Path) -> None:
    run_pipeline(chunked(), instance)
    ran(instance)
    (instance / "output/split/chunk.2.txt").unlink()
    told: list[str] = []
    run_pipeline(chunked(), instance, on_told=told.append)
    assert ran(instance) == ["split"]
    assert told == ["split: its output chunk.2.txt is gone"]


def test_what_is_kept_although_it_is_stale(instance: Path) -> None:
    run_pipeline(chunked(), instance)
    ran(instance)
    run_pipeline(chunked("export n=7"), instance, keep_stale=True)
    assert ran(instance) == []


def failing(works: bool) -> Generator:
    def flow(dsl: Any) -> Iterator[Any]:
        steps = dsl.task("steps").outputs(f=dsl.file("f.txt")).calls("echo s1 >> $f")
        yield steps.calls(f"{'true' if works else 'test -e ../../ok'}\necho s2 >> $f").calls(
            "echo s3 >> $f"
        )()
        yield dsl.task("other").calls("true")()
        for _ in dsl.wait_for_tasks("steps"):
            yield dsl.task("after").calls(NOTE)()

    return flow


@pytest.mark.slow
def test_a_failed_step_is_where_a_restart_begins(tmp_path: Path) -> None:
    with pytest.raises(DAGExecutionError) as told:
        run_pipeline(failing(False), tmp_path)
    assert told.value.failed_job_id == "steps"
    assert (tmp_path / "output/steps/f.txt").read_text() == "s1\n"
    assert (tmp_path / ".ramify/steps/state.failed.1").exists()
    assert (tmp_path / ".ramify/other/state.completed").exists()
    with pytest.raises(DAGExecutionError, match="--restart-failed"):
        run_pipeline(failing(False), tmp_path)
    (tmp_path / "ok").touch()
    run_pipeline(failing(False), tmp_path, restart_failed=True)
    assert (tmp_path / "output/steps/f.txt").read_text() == "s1\ns2\ns3\n"
    assert ran(tmp_path) == ["after"]


def test_a_reset_begins_with_nothing(tmp_path: Path) -> None:
    with pytest.raises(DAGExecutionError):
        run_pipeline(failing(False), tmp_path)
    (tmp_path / "output/steps/f.txt").write_text("rubbish\n")
    (tmp_path / "ok").touch()
    run_pipeline(failing(False), tmp_path, reset_failed=True)
    assert (tmp_path / "output/steps/f.txt").read_text() == "s1\ns2\ns3\n"


def test_a_failed_task_that_was_mended_runs_without_being_asked_to(tmp_path: Path) -> None:
    with pytest.raises(DAGExecutionError):
        run_pipeline(failing(False), tmp_path)
    run_pipeline(failing(True), tmp_path)
    assert (tmp_path / "output/steps/f.txt").read_text() == "s1\ns2\ns3\n"


def test_until_leaves_tasks_ready(instance: Path) -> None:
    run_pipeline(chunked(), instance, until=["total"])
    assert "total" not in ran(instance)
    assert (instance / ".ramify/total/state.ready").exists()
    run_pipeline(chunked(), instance)
    assert ran(instance) == ["total"]


def test_a_plan_says_what_would_run_and_changes_nothing(instance: Path) -> None:
    run_pipeline(chunked(), instance)
    before = sorted((p, p.stat().st_mtime_ns) for p in instance.rglob("*"))
    verdicts = plan_pipeline(chunked("export n=1"), instance)
    assert verdicts["double.1"].verdict == "RUN"
    assert "step 0" in verdicts["double.1"].cause.text
    assert verdicts["split"].verdict in ("REUSE", "LOAD")
    assert sorted((p, p.stat().st_mtime_ns) for p in instance.rglob("*")) == before


def test_preparing_makes_folders_and_runs_nothing(instance: Path) -> None:
    assert [task.key for task in prepare(chunked(), instance)] == ["split"]
    assert (instance / ".ramify/split/state.ready").exists()
    assert ran(instance) == []


def test_results_pass_between_bash_and_python(tmp_path: Path) -> None:
    from ramify.pipeline import python_call

    @python_call()
    def add(x: int, out: str) -> dict[str, Any]:
        Path(out).write_text(repr(x + 1))
        return {"text": 'it\'s "$HOME"\n = é漢字  '}

    def flow(dsl: Any) -> Iterator[Any]:
        one = dsl.task("one").inputs(x=3, y=5).outputs(r=int).calls("export r=$((x*y))")()
        yield one
        two = dsl.task("two").inputs(x=one.outputs.r).outputs(out=dsl.file("out.txt"), text=str).calls(add)()
        yield two
        yield dsl.task("three").inputs(two.outputs.text).outputs(same=str).calls('export same="$text"')()

    run_pipeline(flow, tmp_path)
    assert (tmp_path / "output/two/out.txt").read_text() == "16"
    assert read_result(tmp_path, "three").variables == {"same": 'it\'s "$HOME"\n = é漢字  '}


def test_a_broken_generator_breaks_the_run(tmp_path: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("a").calls("true")()
        raise ZeroDivisionError("here")

    with pytest.raises(DAGExecutionError) as told:
        run_pipeline(flow, tmp_path)
    assert isinstance(told.value.cause, ZeroDivisionError)


@pytest.mark.parametrize("key", ["a/b", "../x", "", " a", "@a", ".a"])
def test_keys_that_cannot_be_are_refused_before_anything_is_written(key: str, tmp_path: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("fine").calls("true")()
        yield dsl.task(key).calls("true")()

    with pytest.raises(DAGExecutionError):
        run_pipeline(flow, tmp_path / "instance")
    assert not (tmp_path / "instance/.ramify/fine").exists()
    assert not (tmp_path / "x").exists()


def test_a_retry_goes_on_at_the_step_that_failed(tmp_path: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        task = dsl.task("flaky", TaskConf(retries=2)).outputs(f=dsl.file("f.txt")).calls("echo one >> $f")
        yield task.calls('echo x >> ../../tries\ntest "$(wc -l < ../../tries)" = 2\necho two >> $f')()

    run_pipeline(flow, tmp_path)
    assert (tmp_path / "output/flaky/f.txt").read_text() == "one\ntwo\n"
    assert (tmp_path / "tries").read_text() == "x\nx\n"


def test_limits_and_priorities_hold_for_tasks(tmp_path: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        for n in range(6):
            conf = TaskConf(priority=n, resources={"seats": 1})
            yield dsl.task(f"t{n}", conf).calls(NOTE)()

    run_pipeline(flow, tmp_path, jobs=4, limits={"seats": 1})
    assert (tmp_path / "ran").read_text().split() == [f"t{n}" for n in (5, 4, 3, 2, 1, 0)]


@pytest.mark.slow
def test_a_task_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("slow", TaskConf(timeout=0.2)).calls("sleep 600")()

    with pytest.raises(DAGExecutionError, match=r"timed-out|took longer"):
        run_pipeline(flow, tmp_path)
    assert (tmp_path / ".ramify/slow/state.timed-out.0").exists()


INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from ramify.pipeline.flow import run_pipeline

def flow(dsl):
    yield dsl.task("slow").calls("sleep 600 & echo $! > ../../child; sleep 600")()

run_pipeline(flow, "instance", jobs=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_its_tasks_with_all_that_they_started(number: int, tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(INTERRUPTED)
    child = tmp_path / "instance/child"
    driver = subprocess.Popen([sys.executable, "flow.py"], cwd=tmp_path, stderr=subprocess.PIPE)
    ends = time.monotonic() + 30
    while not (child.exists() and child.read_text().endswith("\n")):
        assert time.monotonic() < ends and driver.poll() is None
        time.sleep(0.01)
    driver.send_signal(number)
    driver.communicate(timeout=30)
    assert driver.returncode != 0
    left = [p.info for p in psutil.process_iter(["pid", "status"]) if p.pid == int(child.read_text())]
    assert [info for info in left if info["status"] != psutil.STATUS_ZOMBIE] == []
    assert (tmp_path / "instance/.ramify/slow/state.killed.0").exists()


@pytest.mark.parametrize("options", [{}, {"restart_failed": True}])
def test_what_an_interrupted_run_ended_is_not_taken_for_a_failure(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("t").outputs(f=dsl.file("f.txt")).calls("echo one >> $f").calls("echo two >> $f")()

    run_pipeline(flow, tmp_path)
    folder = tmp_path / ".ramify/t"
    (folder / "state.completed").rename(folder / "state.killed.1")
    (folder / "interrupted").touch()
    (tmp_path / "output/t/f.txt").write_text("one\n")
    assert failed_tasks(Instance(tmp_path)) == []
    run_pipeline(flow, tmp_path, **options)
    assert (tmp_path / "output/t/f.txt").read_text() == "one\ntwo\n"
    assert not (folder / "interrupted").exists()


def test_plans_name_tasks_by_their_keys(tmp_path: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("upper.b").calls("true")()

    assert plan_pipeline(flow, tmp_path).will_run() == ["upper.b"]


@pytest.mark.parametrize(("name", "amount"), [("cores", 9999), ("memory", "9999T")])
def test_a_task_that_asks_for_more_than_there_is_is_an_error(tmp_path: Path, name: str, amount: Any) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("small").calls("true")()
        for _ in dsl.wait_for_tasks("small"):
            yield dsl.task("huge", task_conf=TaskConf(resources={name: amount})).calls("true")()

    with pytest.raises(DAGExecutionError, match=f"'huge' asks for .* {name}, and there are") as told:
        run_pipeline(flow, tmp_path)
    assert isinstance(told.value.cause, ArgumentError)
    assert (tmp_path / ".ramify/small/state.completed").exists()


def test_tasks_that_are_meant_for_another_place_are_told(tmp_path: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("near").calls("true")()
        yield dsl.task("far", task_conf=TaskConf(executer_type="slurm")).calls("true")()
        yield dsl.task("ssh", task_conf=TaskConf(ssh_specs="me@host:~/.ssh/id")).calls("true")()

    told: list[str] = []
    run_pipeline(flow, tmp_path, on_told=told.append)
    assert told == ["'far', 'ssh': meant for Slurm or another host, and here processes of this machine"]


def test_a_lost_state_file_is_written_again(tmp_path: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("t").calls("echo once")()

    run_pipeline(flow, tmp_path)
    (tmp_path / ".ramify/t/state.completed").unlink()
    run_pipeline(flow, tmp_path)
    assert (tmp_path / ".ramify/t/state.completed").exists()
    assert (tmp_path / ".ramify/t/out.log").read_text() == "once\n"
