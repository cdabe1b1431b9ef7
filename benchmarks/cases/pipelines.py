"""Tasks of bash that do nothing: `pipelines.py ENGINE WORK N FOLDER`.

WORK is `run` (in a fresh folder, two tasks at a time), `again` (the same folder in a second process, with
nothing to do) or `sweep` (one pass of the generator over tasks that are all completed). Each engine checks
that all tasks ran, or that none did.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

from measure import report

SNAKEFILE = """
rule all:
    input: expand("done/{{i}}", i=range({n}))

rule each:
    output: touch("done/{{i}}")
    shell: "true"
"""
DODO = """
def task_each():
    for i in range({n}):
        yield {{"name": str(i), "actions": ["true && touch done/%d" % i], "targets": ["done/%d" % i],
               "uptodate": [True]}}
"""
DRYPIPE = """
from dry_pipe import DryPipe

def tasks(dsl):
    for i in range({n}):
        yield dsl.task(key="t%d" % i).calls('''
            #!/usr/bin/env bash
            true
        ''')()

def pipeline():
    return DryPipe.create_pipeline(tasks)
"""


def program(name: str) -> str:
    """A program of the environment that this runs in."""
    return str(Path(sys.executable).parent / name)


def outside(command: list[str], folder: str) -> None:
    """Runs a program and shows what it said only if it failed."""
    environ = os.environ | {"PYTHONPATH": folder}
    done = subprocess.run(
        command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{(done.stdout + done.stderr)[-2000:]}\n{command[0]} ended with {done.returncode}")


def count(folder: str, pattern: str, wanted: int) -> None:
    """Refuses to measure what did not happen."""
    found = sum(1 for _ in Path(folder).glob(pattern))
    if found != wanted:
        sys.exit(f"no measurement: {found} tasks are done, not {wanted}")


# ---- Ramify


def flow(n: int) -> Callable[[Any], Any]:
    """A generator of so many tasks."""

    def tasks(dsl: Any) -> Any:
        for i in range(n):
            yield dsl.task(f"t{i}").calls("true")()

    return tasks


def waiting(n: int) -> Callable[[Any], Any]:
    """The same, and one that waits for all of them."""
    tasks = flow(n - 1)

    def with_last(dsl: Any) -> Any:
        yield from tasks(dsl)
        for _ in dsl.wait_for_matching_tasks("t*"):
            yield dsl.task("last").calls("true")()

    return with_last


def ramify(n: int, folder: str) -> Callable[[], None]:
    from ramify.pipeline.flow import run_pipeline

    def call() -> None:
        run_pipeline(flow(n), folder, jobs=2)
        count(folder, ".ramify/*/state.completed", n)

    return call


class AllCompleted:
    """A progress in which nothing is left to do."""

    def state(self, key: str) -> str:
        return "completed"

    def result(self, key: str) -> Any:
        from ramify.pipeline.definition import TaskResult

        return TaskResult()

    def output_folder(self, key: str) -> str:
        return f"/instance/output/{key}"


def ramify_sweep(n: int, folder: str) -> Callable[[], None]:
    from ramify.pipeline.pipeline import create_pipeline
    from ramify.pipeline.sweep import sweep
    from ramify.pipeline.watch import Watch

    pipeline, progress = create_pipeline(waiting(n)), AllCompleted()
    watch = Watch(sweep(pipeline, folder, progress), progress)

    def call() -> None:
        if watch.look() is not None and len(sweep(pipeline, folder, progress).definitions) != n:
            sys.exit("no measurement: tasks are missing")

    watch.look()
    return call


def ramify_pass(n: int, folder: str) -> Callable[[], None]:
    from ramify.pipeline.pipeline import create_pipeline
    from ramify.pipeline.sweep import sweep

    pipeline, progress = create_pipeline(waiting(n)), AllCompleted()
    return lambda: None if len(sweep(pipeline, folder, progress).definitions) == n else sys.exit("tasks miss")


# ---- the others


def loop(n: int, folder: str) -> Callable[[], None]:
    text = f"for ((i = 0; i < {n}; i++)); do bash -c true; done"
    return lambda: outside(["bash", "-c", text], folder)


def xargs(n: int, folder: str) -> Callable[[], None]:
    text = f"seq {n} | xargs -P2 -I N bash -c true"
    return lambda: outside(["bash", "-c", text], folder)


def snakemake(n: int, folder: str) -> Callable[[], None]:
    Path(folder, "Snakefile").write_text(SNAKEFILE.format(n=n))

    def call() -> None:
        outside([program("snakemake"), "--cores", "2", "--quiet", "all"], folder)
        count(folder, "done/*", n)

    return call


def doit(n: int, folder: str) -> Callable[[], None]:
    Path(folder, "dodo.py").write_text(DODO.format(n=n))
    Path(folder, "done").mkdir(exist_ok=True)

    def call() -> None:
        outside([program("doit"), "run", "-n", "2", "-P", "thread"], folder)
        count(folder, "done/*", n)

    return call


def drypipe(n: int, folder: str) -> Callable[[], None]:
    """Until its instance says that it is completed: the program itself never ends without a terminal."""
    Path(folder, "measured_pipeline.py").write_text(DRYPIPE.format(n=n))
    command = [program("drypipe"), "run", "-p", "measured_pipeline:pipeline", "--headless", "--no-confirm"]
    command += ["--instance-dir", f"{folder}/instance"]
    environ = os.environ | {"PYTHONPATH": folder}

    def call() -> None:
        quiet = subprocess.DEVNULL
        running = subprocess.Popen(
            command, cwd=folder, env=environ, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
        )
        while not os.path.exists(f"{folder}/instance/.drypipe/state.completed") and running.poll() is None:
            sleep(0.02)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        count(f"{folder}/instance", ".drypipe/*/state.completed", n)

    return call


ENGINES: dict[str, Callable[[int, str], Callable[[], None]]] = {
    "ramify": ramify,
    "ramify-sweep": ramify_sweep,
    "ramify-pass": ramify_pass,
    "loop": loop,
    "xargs": xargs,
    "snakemake": snakemake,
    "doit": doit,
    "drypipe": drypipe,
}

if __name__ == "__main__":
    engine, work, n, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), os.path.abspath(sys.argv[4])
    if work == "again" and not os.path.exists(folder):
        command = [sys.executable, os.path.abspath(__file__), engine, "run", str(n), folder]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    os.makedirs(folder, exist_ok=True)
    report(n, ENGINES[engine](n, folder))
