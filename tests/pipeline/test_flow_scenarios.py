"""Pipelines as their users meet them: values, fans, steps, killed drivers and tasks, honest reruns.

What must come out is said in counts and orders; nothing here depends on how long something takes. Tasks that
are to be found running say so by a pipe, and end when something comes by another.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest
import scenario_flows
from scenario_flows import COUNT, HOSTILE

from ramify import DAGExecutionError
from ramify.errors import DuplicateKeyError, LockedError, RamifyKeyEncodingError, TaskFailed
from ramify.pipeline import python_call
from ramify.pipeline.flow import plan_pipeline, read_result, run_pipeline
from ramify.pipeline.opened import opened

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(30)]

Generator = Callable[[Any], Iterator[Any]]
HERE = Path(__file__).resolve().parent


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """A folder whose path is not a word of a shell."""
    folder = tmp_path / "my run" / "é"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def pipes(instance: Path) -> Path:
    """The instance, with the two pipes of a task that stays."""
    for name in ("begun", "gate"):
        os.mkfifo(instance / name)
    return instance


def begun(instance: Path) -> int:
    """Waits until a task says that it runs; its process."""
    return int((instance / "begun").read_text())


def open_gate(instance: Path) -> None:
    """Lets a task that stays go on."""
    (instance / "gate").write_text("go\n")


def ran(instance: Path) -> list[str]:
    """The tasks that have run since this was asked, in order."""
    path = instance / "ran"
    found = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return found


def states(instance: Path) -> dict[str, str]:
    """What the state files say."""
    found = (instance / ".ramify").glob("[!@]*/state.*")
    return {path.parent.name: path.name.removeprefix("state.") for path in found}


def driver(name: str, instance: Path, *options: str) -> subprocess.Popen[str]:
    """A process that runs a pipeline of `scenario_flows`."""
    command = [
        sys.executable,
        str(HERE / "flow_driver.py"),
        f"scenario_flows:{name}",
        str(instance),
        *options,
    ]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ))
    return started[-1]


started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    """A test that fails leaves no driver behind."""
    yield
    for process in started:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()
    started.clear()


def failed(generator: Generator, instance: Path, **options: Any) -> DAGExecutionError:
    with pytest.raises(DAGExecutionError) as told:
        run_pipeline(generator, instance, jobs=2, **options)
    return told.value


# ---- 1: values


@python_call()
def write_next(r: int, out: str) -> None:
    Path(out).write_text(repr(r + 1))


def test_values_keep_their_types(instance: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        t1 = dsl.task("t1").inputs(x=3, y=5).outputs(r=int).calls("export r=$((x*y))")()
        yield t1
        yield dsl.task("t2").inputs(t1.outputs.r).outputs(out=dsl.file("out.txt")).calls(write_next)()

    run_pipeline(flow, instance)
    assert read_result(instance, "t1").variables == {"r": 15}
    assert (instance / "output/t2/out.txt").read_text() == "16"
    assert states(instance) == {"t1": "completed", "t2": "completed"}


def test_floats_without_end_pass_between_tasks(instance: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        one = dsl.task("one").outputs(x=float, y=float).calls("export x=-inf y=nan")()
        yield one
        yield dsl.task("two").inputs(one.outputs.x, one.outputs.y).outputs(s=str).calls('export s="$x $y"')()

    run_pipeline(flow, instance)
    assert read_result(instance, "one").variables["x"] == float("-inf")
    assert read_result(instance, "two").variables == {"s": "-inf nan"}
    run_pipeline(flow, instance)
    assert plan_pipeline(flow, instance).will_run() == []


# ---- 2: fan-out


def fan_out(dsl: Any) -> Iterator[Any]:
    cut = (
        dsl.task("cut")
        .outputs(chunks=dsl.fileset("chunk.*.txt"))
        .calls(COUNT + "for i in 1 2 3 4; do echo $i > chunk.$i.txt; done")()
    )
    yield cut
    for _ in dsl.wait_for_tasks(cut):
        for chunk in cut.outputs.chunks.fetch():
            yield (
                dsl.task(f"double.{chunk.basename().split('.')[1]}")
                .inputs(f=chunk)
                .outputs(r=dsl.file("r.txt"), n=int)
                .calls(COUNT + 'export n=$(( $(cat "$f") * 2 ))\necho $n > "$r"')()
            )
    for match in dsl.wait_for_matching_tasks("double.*"):
        yield (
            dsl.task("sum")
            .inputs(files=match.all.r.as_glob_expression(), numbers=sum(match.all.n.fetch()))
            .outputs(of_files=int, of_values=int)
            .calls(COUNT + "export of_values=$numbers")
            .calls(add_files)()
        )


@python_call()
def add_files(files: Callable[[], list[str]]) -> dict[str, int]:
    return {"of_files": sum(int(Path(path).read_text()) for path in files())}


def test_fan_out_and_both_ways_back(instance: Path) -> None:
    run_pipeline(fan_out, instance, jobs=2)
    order = ran(instance)
    assert order[0] == "cut" and order[-1] == "sum"
    assert sorted(order[1:-1]) == [f"double.{i}" for i in range(1, 5)]
    assert read_result(instance, "sum").variables == {"of_files": 20, "of_values": 20}


# ---- 3: steps


@pytest.mark.parametrize("option", ["restart_failed", "reset_failed"])
def test_a_failed_step_is_restarted_or_all_of_them(instance: Path, option: str) -> None:
    error = failed(scenario_flows.three_steps, instance)
    assert isinstance(error.cause, TaskFailed) and error.cause.step == 1
    assert "/.ramify/steps/task'], check=True)" in str(error)
    assert (instance / "output/steps/f").read_text() == "s1\n"
    assert states(instance) == {"steps": "failed.1", "dependent": "blocked"}
    assert driver("three_steps", instance).wait() != 0
    (instance / "ok").touch()
    (instance / "output/steps/f").write_text("kept\n")
    run_pipeline(scenario_flows.three_steps, instance, **{option: True})
    first = "kept" if option == "restart_failed" else "s1"
    assert (instance / "output/dependent/g").read_text() == f"{first}\ns2\ns3\n"
    assert states(instance) == {"steps": "completed", "dependent": "completed"}


# ---- 4: the driver is killed


def test_a_killed_driver_s_task_is_taken_over(pipes: Path) -> None:
    first = driver("held", pipes)
    begun(pipes)
    first.kill()
    assert first.wait() == -signal.SIGKILL
    second = driver("held", pipes)
    open_gate(pipes)
    assert second.wait() == 0, second.stderr and second.stderr.read()
    assert ran(pipes) == ["t1", "t2", "t3"]
    values = {
        name: value for key in ("t1", "t2", "t3") for name, value in read_result(pipes, key).variables.items()
    }
    assert values == {"x": 5, "y": 10, "z": 11}


def test_a_task_that_ends_while_nobody_drives_is_not_run_again(pipes: Path) -> None:
    first = driver("held", pipes)
    task = psutil.Process(begun(pipes))
    first.kill()
    first.wait()
    open_gate(pipes)
    task.wait(20)
    run_pipeline(scenario_flows.held, pipes)
    assert ran(pipes) == ["t1", "t2", "t3"]


def test_a_task_that_dies_while_nobody_drives_goes_on_at_its_step(pipes: Path) -> None:
    first = driver("second_held", pipes)
    task = psutil.Process(begun(pipes))
    first.kill()
    first.wait()
    task.kill()
    task.wait(20)
    second = driver("second_held", pipes)
    begun(pipes)
    open_gate(pipes)
    assert second.wait() == 0, second.stderr and second.stderr.read()
    assert (pipes / "output/steps/f").read_text() == "s1\ns2\ns2\ns3\n"
    assert read_result(pipes, "steps").variables == {"n": 2}


def test_a_driver_that_is_asked_to_stop_ends_its_tasks(pipes: Path) -> None:
    first = driver("second_held", pipes)
    begun(pipes)
    first.terminate()
    assert first.wait() != 0
    assert states(pipes) == {"steps": "killed.1"}


# ---- 5: a task is killed


def test_a_killed_task_is_crashed_and_the_others_go_on(pipes: Path) -> None:
    running = driver("beside", pipes)
    os.kill(begun(pipes), signal.SIGKILL)
    _, told = running.communicate()
    assert running.returncode == 1 and "SIGKILL" in told
    expected = {"stays": "crashed.0", "blocked": "blocked", "other": "completed", "after": "completed"}
    assert states(pipes) == expected
    assert is_gone(int((pipes / "child").read_text()))


def test_a_task_is_killed_with_all_that_it_started(pipes: Path) -> None:
    errors: list[BaseException | None] = []
    run = threading.Thread(
        target=lambda: errors.append(failed(scenario_flows.beside, pipes).cause), daemon=True
    )
    run.start()
    pid = begun(pipes)
    assert opened(str(pipes)).instance.kill("stays")
    assert is_gone(pid) and is_gone(int((pipes / "child").read_text()))
    run.join(20)
    assert isinstance(errors[0], TaskFailed) and errors[0].kind == "killed"
    assert states(pipes)["stays"] == "killed.0" and states(pipes)["after"] == "completed"


def is_gone(pid: int) -> bool:
    """Whether a process runs no more; that nobody has asked for its status yet does not count."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ---- 6: hostile values, paths and keys


def test_any_value_goes_anywhere(instance: Path) -> None:
    run_pipeline(scenario_flows.hostile, instance)
    for number, value in enumerate(HOSTILE):
        for kind in ("bash", "again", "python", "python2"):
            assert read_result(instance, f"{kind}.{number}").variables == {"r": value}, kind
        for name in ("value", "of python"):
            assert (instance / f"output/file.{number}/{name}").read_bytes() == value.encode(), name


@pytest.mark.parametrize("key", ["../x", "a/b", "", ".", "@run", " a", "a\0b", "*"])
def test_a_key_that_is_no_folder_is_refused_before_anything_is_written(instance: Path, key: str) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("good").calls(COUNT)()
        yield dsl.task(key).calls(COUNT)()

    error = failed(flow, instance)
    assert isinstance(error.cause, RamifyKeyEncodingError) and repr(key) in str(error.cause)
    assert not ran(instance) and not states(instance) and not (instance / "output").exists()


def test_a_key_twice_is_refused_before_anything_is_written(instance: Path) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        yield dsl.task("twice").calls(COUNT)()
        yield dsl.task("twice").calls(COUNT + "true")()

    error = failed(flow, instance)
    assert isinstance(error.cause, DuplicateKeyError) and "'twice'" in str(error.cause)
    assert not ran(instance) and not states(instance)


@pytest.mark.parametrize("key", ["it's", 'say "hi"', "$HOME", "a b", "a;b", "é漢字", "-n", "a=b", "a%b"])
def test_any_other_key_is_a_key(instance: Path, key: str) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        task = dsl.task(key).outputs(n=str, f=dsl.file("f")).calls('export n="$__task_key"; echo > "$f"')()
        yield task
        yield (
            dsl.task(f"{key}2")
            .inputs(task.outputs.n, task.outputs.f)
            .calls('test "$n" = "${f%/f}" || true')()
        )

    run_pipeline(flow, instance)
    assert read_result(instance, key).variables == {"n": key}
    assert states(instance) == {key: "completed", f"{key}2": "completed"}
    assert (instance / "output" / key / "f").exists()


# ---- 7: composition, and until


def inner(dsl: Any) -> Iterator[Any]:
    first = dsl.task("first").outputs(n=int).calls(COUNT + "export n=1")()
    yield first
    for _ in dsl.wait_for_tasks("first"):
        yield dsl.task("last").inputs(first.outputs.n).outputs(m=int).calls(COUNT + "export m=2")()


def others(dsl: Any) -> Iterator[Any]:
    for number in range(2):
        yield dsl.task(f"do-it-{number}").outputs(k=int).calls(COUNT + "export k=3")()


def composed(dsl: Any) -> Iterator[Any]:
    s = dsl.sub_pipeline(inner, "s_")
    yield s
    o = dsl.sub_pipeline(others, "o_")
    yield o
    for last in s.wait_for_tasks("last"):
        for match in o.wait_for_matching_tasks("do-it-*"):
            total = sum(match.all.k.fetch())
            yield (
                dsl.task("outer")
                .inputs(last.outputs.m, total=total)
                .outputs(r=int)
                .calls(COUNT + "export r=$((m + total))")()
            )


def test_until_leaves_two_groups_ready_and_a_later_run_does_the_rest(instance: Path) -> None:
    run_pipeline(composed, instance, until=["o_*", "s_last"])
    assert ran(instance) == ["s_first"]
    ready = dict.fromkeys(("s_last", "o_do-it-0", "o_do-it-1"), "ready")
    assert states(instance) == {"s_first": "completed"} | ready
    run_pipeline(composed, instance, jobs=1)
    rest = ran(instance)
    assert sorted(rest) == ["o_do-it-0", "o_do-it-1", "outer", "s_last"] and rest[-1] == "outer"
    assert read_result(instance, "outer").variables == {"r": 8}


# ---- 11: honest reruns


def honest(snippet: str = "cat", factor: int = 2) -> Generator:
    """a -> b -> c, and d on its own; b has a value, c a file of the instance."""

    def flow(dsl: Any) -> Iterator[Any]:
        a = dsl.task("a").outputs(f=dsl.file("f")).calls(COUNT + 'echo 1 > "$f"')()
        yield a
        b = (
            dsl.task("b")
            .inputs(a.outputs.f, factor=factor)
            .outputs(n=int)
            .calls(COUNT + 'export n=$(( $(cat "$f") * factor ))')()
        )
        yield b
        c = dsl.task("c").inputs(b.outputs.n, own=dsl.file("own.txt")).outputs(g=dsl.file("g"))
        yield c.calls(COUNT + f'{{ echo $n; {snippet} "$own"; }} > "$g"')()
        yield dsl.task("d").outputs(h=dsl.file("h")).calls(COUNT + 'echo > "$h"')()

    return flow


@pytest.fixture
def done(instance: Path) -> Path:
    """An instance in which the honest pipeline has run."""
    (instance / "own.txt").write_text("mine\n")
    run_pipeline(honest(), instance)
    assert sorted(ran(instance)) == ["a", "b", "c", "d"]
    return instance


def test_a_second_run_and_a_touch_run_nothing(done: Path) -> None:
    run_pipeline(honest(), done)
    for path in (done / "own.txt", done / "output/a/f", done / "output/c/g"):
        os.utime(path)
    run_pipeline(honest(), done)
    assert ran(done) == []


CHANGES = {
    "snippet": ("c", {"snippet": "head -n 1"}, ["c"], "step 0"),
    "value": ("b", {"factor": 3}, ["b", "c"], "factor"),
    "file": ("c", {}, ["c"], "own.txt"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_run_with_what_it_affects_and_said(done: Path, change: str) -> None:
    key, options, expected, reason = CHANGES[change]
    if change == "file":
        (done / "own.txt").write_text("another\n")
    made = honest(**options)  # type: ignore[arg-type]  # each has the options that it needs
    before = tree(done)
    verdicts = plan_pipeline(made, done)
    assert tree(done) == before
    assert verdicts.will_run() == [key] and reason in str(verdicts[key].cause)
    assert verdicts.may_run() == expected[1:]
    run_pipeline(made, done, jobs=1)
    assert ran(done) == expected
    run_pipeline(made, done)
    assert ran(done) == []


@pytest.mark.parametrize("harm", ["deleted", "changed"])
def test_an_output_that_is_not_as_it_was_made_is_made_again(done: Path, harm: str) -> None:
    path = done / "output/a/f"
    path.unlink() if harm == "deleted" else path.write_text("9\n")
    assert plan_pipeline(honest(), done).will_run() == ["a"]
    told: list[str] = []
    run_pipeline(honest(), done, on_told=told.append)
    assert ran(done) == ["a"] and path.read_text() == "1\n"
    assert any(line.startswith("a: its output f ") for line in told)


def tree(folder: Path) -> dict[str, str]:
    """What all files of a folder hold."""
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


# ---- 12: many, two at a time


def many(dsl: Any) -> Iterator[Any]:
    for number in range(200):
        yield dsl.task(f"t.{number}").calls(
            'cd "$__pipeline_instance_dir"; touch "on.$__task_key"; on=(on.*); '
            'echo "${#on[@]} $$ $PPID" >> seen; rm "on.$__task_key"'
        )()


def test_two_at_a_time_are_two_and_a_task_is_one_process(instance: Path) -> None:
    run_pipeline(many, instance, jobs=2)
    seen = [tuple(map(int, line.split())) for line in (instance / "seen").read_text().splitlines()]
    assert len(seen) == 200 and max(at_once for at_once, _, _ in seen) <= 2
    assert len({pid for _, pid, _ in seen}) == 200
    assert {parent for _, _, parent in seen} == {os.getpid()}, "nothing stands between the driver and a task"


def test_ten_thousand_tasks_are_looked_at_once_where_nothing_happens(instance: Path) -> None:
    passes = Counter[str]()

    def flow(dsl: Any) -> Iterator[Any]:
        passes["pass"] += 1
        for number in range(10_000):
            yield dsl.task(f"t.{number}").calls("true")()

    run_pipeline(flow, instance, until=["t.*"])
    assert passes["pass"] <= 2
    assert Counter(states(instance).values()) == {"ready": 10_000}


# ---- 13: outputs that were promised


@pytest.mark.parametrize(
    ("declared", "snippet", "words"),
    [
        ({"n": int}, "true", "n was not set"),
        ({"n": int}, "export n=many", "n"),
        ({"n": int}, "n=3", "export n"),
        ({"f": "f.tsv"}, "true", "'f.tsv' was not made"),
    ],
)
def test_an_output_that_was_promised_and_is_not_there_fails_the_task(
    instance: Path, declared: dict[str, Any], snippet: str, words: str
) -> None:
    def flow(dsl: Any) -> Iterator[Any]:
        outputs = {name: dsl.file(kind) if isinstance(kind, str) else kind for name, kind in declared.items()}
        yield dsl.task("t").outputs(**outputs).calls(snippet)()

    error = failed(flow, instance).cause
    assert isinstance(error, TaskFailed) and words in str(error)
    assert states(instance) == {"t": "failed.0"}


# ---- 14: two drivers


def test_a_second_driver_is_refused_and_told_who_has_it(pipes: Path) -> None:
    first = driver("held", pipes)
    begun(pipes)
    with pytest.raises(LockedError) as told:
        run_pipeline(scenario_flows.held, pipes)
    assert told.value.pid == first.pid and str(first.pid) in str(told.value)
    assert states(pipes) == {"t1": "step-started.0"}
    open_gate(pipes)
    assert first.wait() == 0, first.stderr and first.stderr.read()
    assert ran(pipes) == ["t1", "t2", "t3"]


def test_a_second_driver_in_the_same_process_harms_nothing(pipes: Path) -> None:
    run = threading.Thread(target=run_pipeline, args=(scenario_flows.held, pipes), daemon=True)
    run.start()
    begun(pipes)
    with pytest.raises(LockedError):
        run_pipeline(scenario_flows.held, pipes)
    open_gate(pipes)
    run.join(20)
    assert not run.is_alive() and ran(pipes) == ["t1", "t2", "t3"]
    assert set(states(pipes).values()) == {"completed"}
