"""What long chains of large arrays take, measured in processes of their own.

A process inherits the peak of the one that started it in `ru_maxrss`, so on Linux the peak of its own memory
is read, and begun anew after the imports. The allocator of glibc is told to give large arrays back at once:
by itself it keeps some of what was freed, how many depends on the order in which threads free them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy")

MEGABYTE = 1_000_000
ARRAY = 30
"""Megabytes of one array; `SCRIPT` makes them."""

SCRIPT = """
import sys
import numpy
import ramify.dag.execution, ramify.values.codecs.numpy_array
from ramify import DAG, Job
from ramify.run.memory import MemoryRun
from ramify.worker.attempt import forget_peak

def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
    except FileNotFoundError:
        import resource
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024

def first(n=0):
    return numpy.full(3_750_000, float(n))

def step(x):
    return x + 1

def refuse(x):
    raise ValueError("no")

def chain_in_memory(workers, **options):
    run = MemoryRun(workers=workers, **options)
    last = run.add("0", first)
    for number in range(1, 20):
        last = run.add(str(number), step, (last,))
    run.start()
    assert run.result("19")[0] == 19

def wide_in_memory(workers, **options):
    run = MemoryRun(workers=workers, **options)
    refs = [run.add(f"a{n}", first, (n,)) for n in range(20)]
    ends = [run.add(f"b{n}", lambda x: float(x[0]), (ref,), after=refs) for n, ref in enumerate(refs)]
    run.start()
    assert [run.result(f"b{n}") for n in range(20)] == list(range(20))

def failures_in_memory(workers):
    run = MemoryRun(workers=workers)
    for number in range(20):
        run.add(f"b{number}", refuse, (run.add(f"a{number}", first),))
    run.start()
    assert run.driver.counts() == {"succeeded": 20, "failed": 20}

def chain_on_disk(folder, mode):
    dag = DAG()
    dag["0"] = Job(first)
    for number in range(1, 20):
        dag[str(number)] = Job(step, {"x": dag[str(number - 1)]})
    outputs = dag.evaluate(folder, execution_mode=mode)
    assert mode != "thread" or outputs["19"][0] == 19

def failures_on_disk(folder, mode):
    dag = DAG()
    for number in range(20):
        dag[f"a{number}"] = Job(first)
        dag[f"b{number}"] = Job(refuse, {"x": dag[f"a{number}"]})
    try:
        dag.evaluate(folder, execution_mode=mode, on_failure="continue")
    except RuntimeError:
        return
    raise AssertionError("the failures were not told")

forget_peak()
before = peak()
eval(sys.argv[1])
print(peak() - before)
"""


def peak_of(call: str, folder: Path) -> float:
    """Megabytes that the call took at its peak."""
    script = folder / "measured.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), call],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "1000000"},
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout) / MEGABYTE


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_chain_in_memory_takes_two_of_its_arrays(workers: int, tmp_path: Path) -> None:
    assert peak_of(f"chain_in_memory({workers})", tmp_path) < 150


@pytest.mark.slow
def test_the_measurement_sees_a_chain_that_is_kept(tmp_path: Path) -> None:
    assert peak_of("chain_in_memory(0, keep='all')", tmp_path) > 18 * ARRAY


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_kept_errors_do_not_keep_the_inputs(workers: int, tmp_path: Path) -> None:
    assert peak_of(f"failures_in_memory({workers})", tmp_path) < 150


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_limit_holds_what_is_waited_for(workers: int, tmp_path: Path) -> None:
    """Beside what waits, each of two threads makes or uses one."""
    assert peak_of(f"wide_in_memory({workers}, memory_limit=100_000_000)", tmp_path) < 100 + 3 * ARRAY


@pytest.mark.slow
def test_a_chain_on_disk_in_threads_takes_two_of_its_arrays(tmp_path: Path) -> None:
    assert peak_of("chain_on_disk('exp', 'thread')", tmp_path) < 150


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["subprocess", "process"])
def test_the_driver_of_processes_sees_no_value(mode: str, tmp_path: Path) -> None:
    assert peak_of(f"chain_on_disk('exp', '{mode}')", tmp_path) < ARRAY


@pytest.mark.slow
def test_kept_errors_of_threads_on_disk_do_not_keep_the_inputs(tmp_path: Path) -> None:
    assert peak_of("failures_on_disk('exp', 'thread')", tmp_path) < 150
