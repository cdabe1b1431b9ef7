"""A task as a job of the engine: its inputs taken from the results of other tasks, its result as a value."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Final

from ramify.errors import TaskFailed
from ramify.files.local import remove_file, write_atomic
from ramify.pipeline.instance import TaskFolder
from ramify.pipeline.kept import Kept, read_kept, read_task
from ramify.pipeline.opened import OpenInstance, as_stored, as_value, opened, value_of
from ramify.pipeline.restarts import Restart, take_restart
from ramify.pipeline.running import run_task
from ramify.pipeline.states import ENDS_BADLY
from ramify.worker.stopping import stopped_by

_PATIENCE: Final = 5.0
"""Seconds that the end of a task that was killed is waited for."""


def perform_task(key: str, instance: str, upstream: Mapping[str, str]) -> str:
    """Runs a task of the instance in this folder; `upstream` are the values of the tasks that it needs.

    Returns its variables, the names of its files, and digests of what these hold, as JSON. Raises
    `TaskFailed`.
    """
    here = opened(instance)
    folder = here.instance.task(key)
    definition, code = here.definitions.get(key), here.codes.get(key)
    if definition is None:  # another process goes on with the run
        before, _ = read_task(folder.control)
        definition, code = before.definition, before.code
    results = {name: as_stored(value) for name, value in upstream.items()}
    inputs = {one.name: value_of(one, results[one.task]) for one in definition.inputs if one.task is not None}
    kept = here.kept(definition, inputs, code)
    restart = _restart_of(here, folder)
    done = here.take_by_hand(kept)
    if done is not None and restart.at_step is None:
        return as_value(done)
    start_at = _start_at(here, kept, restart)
    here.begun.add(key)
    told = threading.Event()

    def stop() -> None:
        """Ends the processes, and waits until the task's folder says so: the next run is to go on there."""
        write_atomic(folder.interrupted, b"")
        if here.instance.kill(key):
            told.wait(_PATIENCE)

    with stopped_by(stop):
        try:
            result = run_task(
                definition,
                here.instance,
                inputs,
                code=code,
                holds=kept.holds,
                start_at=start_at,
                goes_on=restart.at_step is None,
                timeout=definition.conf.timeout,
            )
        finally:
            told.set()
    return as_value(here.to_store(key, result))


def _restart_of(here: OpenInstance, folder: TaskFolder) -> Restart:
    """What was asked for meanwhile, or else what the run was told."""
    asked = take_restart(folder)
    if asked is None:
        return here.restarts.of(folder.key)
    here.begun.discard(folder.key)  # what this run did before is not what counts
    return asked


def _start_at(here: OpenInstance, kept: Kept, restart: Restart) -> int | None:
    """The step to begin at; None: from the start, with empty outputs.

    What a run left in the middle goes on there, if the task is still the same. What failed in an earlier run
    fails at once, unless it is to be restarted: the error says so.
    """
    key = kept.definition.key
    folder = here.instance.task(key)
    state, was_interrupted = folder.state(), remove_file(folder.interrupted)
    if restart.at_step is not None:
        return restart.at_step
    before = read_kept(folder.control) if state is not None and state.step is not None else None
    if state is None or state.step is None or before is None or not before.is_same(kept):
        return None
    if state.name not in ENDS_BADLY:
        return state.step + 1 if state.name == "step-completed" else state.step
    if key in here.begun:  # this run tries it again
        return state.step
    if restart.is_wanted:
        return None if restart.anew else state.step
    if was_interrupted:
        return state.step
    raise TaskFailed(
        f"task {key!r} {state.name} at step {state.step} in an earlier run, and nothing about it has "
        "changed: run with --restart-failed to go on at that step, or --reset-failed to begin anew",
        task=key,
        step=state.step,
        kind=state.name,
        reason="it failed in an earlier run",
        exit_code=None,
        signal=None,
        log=folder.log,
        tail="",
    )
