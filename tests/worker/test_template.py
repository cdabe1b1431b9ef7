"""The template and its workers where things go wrong: modules that misbehave, and deaths of every party."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ramify.dag.job import Job
from ramify.executors.processes import ProcessExecutor
from ramify.testing import jobs
from ramify.testing.bench import RUN, Bench, assert_gone, heard
from ramify.worker.failure import revive

pytestmark = pytest.mark.timeout(60)
linux = pytest.mark.skipif(sys.platform != "linux", reason="platform: workers are forked on Linux only")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def running(fresh: bool = True, workers: int = 2, **work: Any) -> Bench:
        folder = tmp_path / f"b{len(made)}"
        folder.mkdir()
        bench = Bench(folder, {key: job if isinstance(job, Job) else Job(job) for key, job in work.items()})
        made.append(bench)
        bench.start(ProcessExecutor(bench.plan_path, bench.plan.run_folder, RUN, workers, fresh))
        return bench

    yield running
    for bench in made:
        bench.release()
        bench.end()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], Any]]:
    """Writes a module beside the test and imports it here, where `IN_DRIVER` is set."""
    monkeypatch.syspath_prepend(str(tmp_path))
    names: list[str] = []

    def written(name: str, text: str) -> Any:
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        names.append(name)
        monkeypatch.setenv("IN_DRIVER", str(os.getpid()))
        return __import__(name)

    yield written
    for name in names:
        sys.modules.pop(name, None)


def template_of(bench: Bench) -> int:
    executor: Any = bench.executor
    return int(executor._nursery.pid)


HERE = "import os\nhere = os.environ.get('IN_DRIVER') == str(os.getpid())\n"


def test_a_module_that_cannot_be_imported_in_a_worker(run: Any, module: Any) -> None:
    mod = module("m_broken", HERE + "def f(): return 1\nif not here: raise RuntimeError('not here')\n")
    bench = run(a=mod.f, z=jobs.give)
    bad, good = bench.run("a", "z")
    assert bad.error.during == "load" and good.kind == "ok"
    error = revive(bad.error)
    assert type(error) is RuntimeError and "m_broken" in bad.error.traceback


def test_a_module_that_exits_on_import(run: Any, module: Any) -> None:
    mod = module("m_exits", HERE + "def f(): return 1\nif not here: raise SystemExit(5)\n")
    bad, good = run(a=mod.f, z=jobs.give).run("a", "z")
    assert (bad.error.type_name, bad.error.during, good.kind) == ("SystemExit", "load", "ok")


@pytest.mark.slow
def test_a_module_that_kills_its_process_on_import(run: Any, module: Any) -> None:
    mod = module("m_kills", HERE + "def f(): return 1\nif not here: os._exit(9)\n")
    bench = run(a=mod.f)
    (outcome,) = bench.run("a")
    assert outcome.kind == "lost" and "exit code 9" in outcome.error.message


@linux
def test_a_module_that_starts_a_thread_on_import_is_not_forked(run: Any, module: Any) -> None:
    mod = module(
        "m_thread",
        """
        import threading
        lock = threading.Lock()
        def hold():
            with lock:
                threading.Event().wait()
        threading.Thread(target=hold, daemon=True).start()
        def f():
            import os
            return os.getppid()
        """,
    )
    bench = run(a=mod.f)
    (outcome,) = bench.run("a")
    assert bench.value("a", outcome) == template_of(bench)
    assert bench.executor._nursery.forks is False


def test_an_import_that_starts_a_run_is_refused(run: Any, module: Any) -> None:
    text = """
        from ramify.executors.processes import ProcessExecutor
        def f():
            return 1
        if not here:
            ProcessExecutor("p", "r", "n", 1, True).start(print)
        """
    mod = module("m_runs", HERE + textwrap.dedent(text))
    (outcome,) = (bench := run(a=mod.f)).run("a")
    assert outcome.error.during == "load" and "__name__ == '__main__'" in outcome.error.message
    assert bench.told("a").count("ended") == 1


@pytest.mark.slow
@linux
@pytest.mark.parametrize("fresh", [True, False])
def test_workers_draw_different_numbers(run: Any, module: Any, fresh: bool) -> None:
    pytest.importorskip("numpy")
    mod = module(
        "m_numpy", "import numpy.random\nfrom ramify.testing.jobs import draw\ndef f(): return draw()\n"
    )
    bench = run(fresh, a=mod.f, b=mod.f, c=mod.f)
    drawn = [bench.value(n, o) for n, o in zip("abc", bench.run(*"abc"), strict=True)]
    assert len({tuple(one) for one in drawn}) == 3 and len({one[1] for one in drawn}) == 3
    assert bench.executor._nursery.forks


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [True, False])
def test_a_killed_template_loses_what_ran_and_no_more(run: Any, tmp_path: Path, fresh: bool) -> None:
    fifo = Bench.fifo(bench := run(fresh, x=jobs.give), "f")
    b = run(fresh, workers=1, a=Job(jobs.wait_with_family, {"fifo": fifo}), z=Job(jobs.give, {"value": 3}))
    b.submit("a", "z")
    pids = heard(fifo)
    os.kill(template_of(b), signal.SIGKILL)
    lost, good = b.wait("a", "z")
    assert lost.kind == "lost" and "signal 9" in lost.error.message
    assert b.value("z", good) == 3
    assert_gone(pids)
    assert bench.run("x")[0].kind == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [True, False])
def test_a_killed_driver_leaves_no_process(tmp_path: Path, fresh: bool) -> None:
    script = tmp_path / "driver.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, threading
            from pathlib import Path
            from ramify.dag.job import Job
            from ramify.executors.processes import ProcessExecutor
            from ramify.testing import jobs
            from ramify.testing.bench import RUN, Bench
            bench = Bench(Path(sys.argv[1]), {"a": Job(jobs.wait_with_family, {"fifo": sys.argv[2]})})
            executor = ProcessExecutor(bench.plan_path, bench.plan.run_folder, RUN, 2, sys.argv[3] == "True")
            bench.start(executor)
            bench.submit("a")
            print(executor._nursery.pid, flush=True)
            threading.Event().wait()
            """
        )
    )
    fifo = str(tmp_path / "f")
    os.mkfifo(fifo + ".up")
    command = [sys.executable, str(script), str(tmp_path), fifo, str(fresh)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as driver:
        assert driver.stdout is not None
        template = int(driver.stdout.readline())
        pids = heard(fifo)
        assert all(map(psutil.pid_exists, [*pids, template]))
        driver.kill()
    assert_gone([*pids, template])


def test_a_worker_that_dies_idle_is_replaced(run: Any) -> None:
    bench = run(False, workers=1, a=jobs.where, z=jobs.where)
    first = bench.value("a", bench.run("a")[0])["pid"]
    psutil.Process(first).kill()
    (outcome,) = bench.run("z")
    assert outcome.kind == "ok" and bench.value("z", outcome)["pid"] != first


@pytest.mark.slow
def test_what_a_job_leaves_running_ends_with_it(run: Any) -> None:
    other = run(x=jobs.give)
    fifo = other.fifo("f")
    bench = run(a=Job(jobs.leave_child_behind, {"fifo": fifo}))
    bench.submit("a")
    pids = heard(fifo)
    assert bench.wait("a")[0].kind == "ok"
    assert_gone(pids)


@pytest.mark.slow
def test_the_users_main_is_never_imported(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys
            from pathlib import Path
            from ramify.dag.job import Job
            from ramify.executors.processes import ProcessExecutor
            from ramify.testing.bench import RUN, Bench
            print("main runs")
            class Odd(Exception):
                pass
            def f(x):
                if x > 1:
                    raise Odd(x)
                return x
            bench = Bench(Path(sys.argv[1]), {"a": Job(f, {"x": 1}), "b": Job(f, {"x": 2})})
            for fresh in (True, False):
                executor = ProcessExecutor(bench.plan_path, bench.plan.run_folder, RUN + str(fresh), 2, fresh)
                bench.start(executor)
                good, bad = bench.run("a", "b", attempt=int(fresh) + 1)
                from ramify.worker.failure import revive
                assert good.kind == "ok" and type(revive(bad.error)) is Odd, (good, bad)
                executor.close()
            """
        )
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for command, text in (
        ([str(script), str(tmp_path / "1")], None),
        (["-", str(tmp_path / "2")], script.read_text()),
    ):
        Path(command[1]).mkdir()
        done = subprocess.run(
            [sys.executable, *command], input=text, capture_output=True, text=True, env=env, check=False
        )
        assert (done.returncode, done.stdout) == (0, "main runs\n"), done.stderr
