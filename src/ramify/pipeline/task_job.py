"""A task as a job of the engine: its inputs taken from the results of other tasks, its result as a value."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Final

from ramify.errors import TaskFailed
from ramify.files.local import remove_file, write_atomic
from ramify.pipeline.by_hand import read_task
from ramify.pipeline.definition import Input, TaskDefinition, Variable
from ramify.pipeline.instance import OUTPUT
from ramify.pipeline.opened import OpenInstance, Stored, as_stored, as_value, opened
from ramify.pipeline.running import run_task
from ramify.pipeline.states import ENDS_BADLY
from ramify.worker.stopping import stopped_by

INTERRUPTED: Final = "interrupted"
"""The file that says that a task was ended because its run was, and not for its own sake."""

_PATIENCE: Final = 5.0
"""Seconds that the end of a task that was killed is waited for."""


def perform_task(key: str, instance: str, upstream: Mapping[str, str]) -> str:
    """Runs a task of the instance in this folder; `upstream` are the values of the tasks that it needs.

    Returns its variables, the names of its files, and digests of what these hold, as JSON. Raises
    `TaskFailed`.
    """
    here = opened(instance)
    definition = here.definitions.get(key)
    if definition is None:
        definition = read_task(here.instance.task(key).control)[0].definition
    results = {name: as_stored(value) for name, value in upstream.items()}
    inputs = {one.name: _value(one, results[one.task]) for one in definition.inputs if one.task is not None}
    start_at = _start_at(here, definition)
    here.begun.add(key)
    told = threading.Event()

    def stop() -> None:
        """Ends the processes, and waits until the task's folder says so: the next run is to go on there."""
        write_atomic(f"{here.instance.task(key).control}/{INTERRUPTED}", b"")
        if here.instance.kill(key):
            told.wait(_PATIENCE)

    with stopped_by(stop):
        timeout = definition.conf.timeout
        goes_on = key not in here.restarts.at_step
        try:
            result = run_task(
                definition, here.instance, inputs, start_at=start_at, goes_on=goes_on, timeout=timeout
            )
        finally:
            told.set()
    stored = Stored(result.variables, result.files, result.filesets, here.digests(key, result))
    return as_value(stored)


def _value(one: Input, result: Stored) -> Variable:
    """The value of an input that another task made: of a file its path, below the instance."""
    if one.kind != "file":
        return result.variables[str(one.output)]
    name = one.value if one.value is not None else result.files[str(one.output)]
    return os.path.join(OUTPUT, str(one.task), str(name))


def _start_at(here: OpenInstance, definition: TaskDefinition) -> int | None:
    """The step to begin at; None: from the start, with empty outputs.

    What a run left in the middle goes on there, if the task is still the same. What failed in an earlier run
    fails at once, unless it is to be restarted: the error says so.
    """
    folder, restarts = here.instance.task(definition.key), here.restarts
    state = folder.state()
    at_step = restarts.at_step.get(definition.key)
    if at_step is not None:
        return at_step
    if state is None or state.step is None or not _is_same(folder.control, definition):
        return None
    if state.name not in ENDS_BADLY:
        return state.step + 1 if state.name == "step-completed" else state.step
    if definition.key in here.begun:  # this run tries it again
        return state.step
    if os.path.exists(f"{folder.control}/{INTERRUPTED}"):
        remove_file(f"{folder.control}/{INTERRUPTED}")
        return state.step
    if not restarts.covers(definition.key):
        raise TaskFailed(
            f"task {definition.key!r} {state.name} at step {state.step} in an earlier run, and nothing about "
            "it has changed: run with --restart-failed to go on at that step, or --reset-failed to begin "
            "anew",
            task=definition.key,
            step=state.step,
            kind=state.name,
            reason="it failed in an earlier run",
            exit_code=None,
            signal=None,
            log=folder.log,
            tail="",
        )
    return None if restarts.reset else state.step


def _is_same(control: str, definition: TaskDefinition) -> bool:
    """Whether the task in a folder is the one that is to run."""
    if not os.path.exists(f"{control}/task-conf.json"):
        return False
    return read_task(control)[0].definition == definition
