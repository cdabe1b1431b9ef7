"""What a run would do with tasks beyond what their own records say: earlier failures, and what waits hide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ramify.pipeline.instance import Instance
from ramify.pipeline.opened import OpenInstance, value_of
from ramify.pipeline.states import ENDS_BADLY
from ramify.pipeline.sweep import Sweep
from ramify.plan.paths import file_below
from ramify.rebuild.trace import LOAD, MAYBE, REUSE, RUN, Cause
from ramify.run.judge import Verdict

GENERATOR: Final = "generator"
"""What may add tasks, as a plan names it."""


def foreseen(verdicts: Iterable[Verdict], made: Sweep, here: OpenInstance) -> list[Verdict]:
    """The verdicts on the tasks of a pass, parents first, by their keys.

    A task that was declared inside of a wait may be declared otherwise when what was waited for has run
    again: it is `MAYBE`, and so is what needs it. What was completed by hand since is taken over.
    """
    moving: set[str] = set()
    hidden: set[str] = set()
    by_wait: dict[int, str | None] = {}
    found: list[Verdict] = []
    for verdict in verdicts:
        verdict = replace(verdict, cause=as_seen(verdict.cause, here))
        key = verdict.job_id
        if verdict.verdict in (REUSE, LOAD):
            behind = _behind(key, made, moving, hidden, by_wait)
            if behind is not None:
                verdict = replace(verdict, verdict=MAYBE, cause=Cause("maybe", behind))
                hidden.add(key)
        elif verdict.verdict == RUN and verdict.cause.kind in ("no output", "damaged"):
            if moving.isdisjoint(made.parents(key)) and _is_taken_over(here, made, key):
                verdict = replace(verdict, verdict=REUSE, cause=Cause("by hand"))
            else:
                verdict = replace(verdict, cause=_earlier(here.instance, key) or verdict.cause)
        if verdict.verdict in (RUN, MAYBE):
            moving.add(key)
        found.append(verdict)
    return found


def may_grow(verdicts: Iterable[Verdict], made: Sweep) -> dict[str, list[str]]:
    """The generator, where a wait is not open, or is for something that runs or may run."""
    moving = {v.job_id for v in verdicts if v.verdict in (RUN, MAYBE)}
    grows = any(not wait.is_open or not moving.isdisjoint(wait.keys) for wait in made.waits)
    return {"rules": [GENERATOR] if grows else [], "jobs": []}


def as_seen(cause: Cause, here: OpenInstance) -> Cause:
    """The cause with a file as it is called in the instance: a plan calls it as it is called from there."""
    plan = f"{here.instance.engine_folder}/plan"
    return replace(cause, subject=file_below(here.path, plan, cause.subject))


def _behind(
    key: str, made: Sweep, moving: set[str], hidden: set[str], by_wait: dict[int, str | None]
) -> str | None:
    """What may have this task declared otherwise, or run again. What a wait is about comes before all that
    is declared in it, so each wait is looked at once.
    """
    for number in made.made_in.get(key, ()):
        if number not in by_wait:
            by_wait[number] = next((one for one in made.waits[number].keys if one in moving), None)
        if by_wait[number] is not None:
            return by_wait[number]
    return next((parent for parent in made.parents(key) if parent in hidden), None)


def _is_taken_over(here: OpenInstance, made: Sweep, key: str) -> bool:
    """Whether a run takes what a person ran by hand for the task's result; see `take_by_hand`."""
    definition, done = made.definitions[key], here.by_hand(key)
    results = {one.task: here.known(one.task) for one in definition.inputs if one.task is not None}
    if done is None or here.codes.get(key) is None or None in results.values():
        return False
    inputs = {
        one.name: value_of(one, stored)
        for one in definition.inputs
        if one.task is not None and (stored := results[one.task]) is not None
    }
    kept = here.kept(definition, inputs, here.codes[key])
    return done.kept.is_same(kept) and here.damage(key, done.stored) is None


def _earlier(instance: Instance, key: str) -> Cause | None:
    """How the task ended badly in an earlier run."""
    state = instance.task(key).state()
    if state is None or state.name not in ENDS_BADLY:
        return None
    return Cause("failed", f"it {_ENDED[state.name]} at step {state.step} in an earlier run")


_ENDED: Final = {"failed": "failed", "killed": "was killed", "timed-out": "timed out", "crashed": "crashed"}
