"""`ramify task`: one task of a pipeline by hand, as the script in its folder does it."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

import click

from ramify.cli.output import json_option, put_json, put_lines, verbose_option
from ramify.cli.pipeline_options import instance_flag, key_flag, pipeline_flag, the_instance, the_key
from ramify.errors import LockedError, UnknownKeyError
from ramify.files.lock import read_holder
from ramify.pipeline.instance import Instance, TaskFolder

VERBS: Final = ("run", "kill", "tail", "ps", "env", "state")


@click.command()
@click.argument("words", nargs=-1, metavar="[kill|tail|ps|env|state] [KEY]")
@key_flag
@instance_flag
@pipeline_flag
@click.option("--at-step", type=click.IntRange(0), metavar="N", help="Begin at this step, from 0.")
@click.option("--wait", is_flag=True, help="Come back when the task has ended.")
@click.option("--tail", is_flag=True, help="Print what it prints, until it has ended.")
@click.option("--by-runner", is_flag=True, help="Run it as a run does: what follows from it is run too.")
@verbose_option
@json_option
def task(
    words: tuple[str, ...],
    task_key: str | None,
    instance: str | None,
    pipeline: str | None,
    at_step: int | None,
    wait: bool,
    tail: bool,
    by_runner: bool,
    as_json: bool,
    **_: Any,
) -> int:
    """Run one task of an instance by hand, in the background unless --wait or --tail is given.

    `task kill KEY` ends all its processes, `task tail KEY` follows its logs, `task ps KEY` lists its
    processes, `task env KEY` prints its variables for a shell, `task state KEY` its state. A task is known
    once `prepare` or a run has met it; what it came to by hand, the next run takes from there.

    Example: ramify task merge -pid data/run1 --wait
    """
    has_verb = len(words) + (task_key is not None) > 1 and words[0] in VERBS
    verb = words[0] if has_verb else "run"
    key = the_key(words[1:] if has_verb else words, task_key)
    if (tail or verb == "tail") and as_json:
        raise click.UsageError("--tail prints what the task prints: give it without --json")
    here = the_instance(instance)
    folder = known_task(here, key)
    if verb == "state":
        return tell_state(here, folder, as_json)
    if verb != "run":
        return _tell(here, folder, verb) if as_json else _by_hand(folder, verb)
    if by_runner:
        from ramify.cli.restart import wishes_of
        from ramify.cli.resume import go_on_with_pipeline

        wishes = wishes_of(here.path, [key], at_step, False)
        return go_on_with_pipeline(here.path, {"pipeline": pipeline}, as_json=as_json, **wishes)
    return _run(here, folder, at_step, waits=wait or tail, tails=tail, as_json=as_json)


def known_task(here: Instance, key: str) -> TaskFolder:
    """The folder of a task that is there; `UnknownKeyError` says which are alike."""
    from ramify.pipeline.overview import chosen_keys

    found = chosen_keys(here, key)
    if found != [key]:
        raise UnknownKeyError(
            f"{key!r} is a pattern, and one task is wanted: {', '.join(found[:5])}", key=key
        )
    return here.task(key)


def tell_state(here: Instance, folder: TaskFolder, as_json: bool) -> int:
    """Prints the state of a task: 1 where it ended badly."""
    from ramify.pipeline.states import ENDS_BADLY

    state = folder.state()
    if as_json:
        put_json({"instance": here.path, "key": folder.key, "state": None if state is None else str(state)})
    else:
        put_lines([str(state) if state is not None else "unknown"])
    return int(state is not None and state.name in ENDS_BADLY)


def _by_hand(folder: TaskFolder, verb: str, *more: str) -> int:
    from ramify.pipeline.by_hand import main

    sys.stdout.flush()
    return main([folder.control, verb, *more])


def _tell(here: Instance, folder: TaskFolder, verb: str) -> int:
    """What `kill`, `ps` and `env` come to, as a document; the same exit codes."""
    from ramify.pipeline.by_hand import kill_task, task_now
    from ramify.pipeline.environment import task_variables
    from ramify.pipeline.step_process import processes_of

    told: dict[str, Any] = {"instance": here.path, "key": folder.key}
    if verb == "env":
        kept, instance, inputs = task_now(folder.control)
        put_json({**told, "variables": task_variables(kept.definition, instance, inputs)})
        return 0
    if verb == "kill":
        count = kill_task(here.path, folder.key)
        put_json({**told, "ended": count})
        return 0 if count else 1
    pids = sorted(processes_of(here.path, folder.key))
    put_json({**told, "processes": pids})
    return 0 if pids else 1


def _run(
    here: Instance, folder: TaskFolder, at_step: int | None, *, waits: bool, tails: bool, as_json: bool
) -> int:
    """In a process of its own, so that it can be left alone; the exit code is the task's where it waits."""
    import subprocess

    from ramify.pipeline.by_hand import task_now

    _refuse_if_run(here)
    task_now(folder.control)  # what is wrong with it is told here, and not behind the scenes
    words = [] if at_step is None else ["--at-step", str(at_step)]
    command = [sys.executable, "-m", "ramify.pipeline.by_hand", folder.control, "run", *words]
    log = _size(folder.log)
    kept = None if waits else subprocess.DEVNULL
    process = subprocess.Popen(
        command, start_new_session=not waits, stdin=subprocess.DEVNULL, stdout=kept, stderr=kept
    )
    if not waits:
        if as_json:
            put_json({"instance": here.path, "key": folder.key, "pid": process.pid})
        else:
            put_lines([f"task {folder.key} runs as process {process.pid}: ramify task tail {folder.key}"])
        return 0
    code = _follow(process, folder.log, log) if tails else process.wait()
    if as_json:
        tell_state(here, folder, as_json)
    return code


def _refuse_if_run(here: Instance) -> None:
    """The driver of a run would not know of a task that somebody else begins."""
    holder = read_holder(os.path.join(here.engine_folder, "run"))
    if holder is not None:
        raise LockedError(
            f"{here.path} is being run by process {holder.get('pid')} on {holder.get('host')}: wait for it",
            **{name: holder.get(name) for name in ("host", "pid", "since")},
        )


def _follow(process: Any, path: str, start: int) -> int:
    """Prints what is added to the log, until the process has ended; its exit code."""
    import subprocess

    while True:
        try:
            code: int = process.wait(0.1)
        except subprocess.TimeoutExpired:
            start = _pour(path, start)
        else:
            _pour(path, start)
            return code


def _pour(path: str, start: int) -> int:
    if _size(path) <= start:
        return start
    with open(path, "rb") as file:
        file.seek(start)
        data = file.read()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
    return start + len(data)


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0
