"""Two runs, job by job: what they were given, with which code, what came of it, and how long it took.

Everything is read from the runs' own folders: a plan or outputs that were replaced since make no difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ramify.errors import PlanError
from ramify.plan.definition import CodeNote
from ramify.plan.shape import shape_of
from ramify.rebuild.keys import Inputs
from ramify.rebuild.trace import Cause, code_change
from ramify.run.recover import kept_plan
from ramify.run.view import JobView, RunView

SAME = "same"
DIFFERS = "differs"
NONE = "none"
ONLY_FIRST = "only in the first"
ONLY_SECOND = "only in the second"


@dataclass(frozen=True, slots=True)
class Difference:
    """One job in two runs. `output` is `same`, `differs`, `none` (it has none in either), or which of the two
    has one. `causes` say what differs in its code and its arguments. Seconds are None where it did not run.
    """

    job_id: str
    states: tuple[str | None, str | None]
    output: str
    causes: tuple[Cause, ...] = ()
    seconds: tuple[float | None, float | None] = (None, None)

    @property
    def is_same(self) -> bool:
        """Whether nothing differs but the time that it took."""
        return self.output in (SAME, NONE) and not self.causes


@dataclass(slots=True)
class Comparison:
    """All jobs of two runs, in the order of their ids; `unknown` names runs that kept nothing of theirs."""

    names: tuple[str, str]
    jobs: list[Difference]
    seconds: tuple[float | None, float | None]
    unknown: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many jobs have which outputs, and how many differ in code and in arguments."""
        found = dict.fromkeys((SAME, DIFFERS, ONLY_FIRST, ONLY_SECOND, NONE, "code", "argument"), 0)
        for job in self.jobs:
            found[job.output] += 1
            for kind in {cause.kind for cause in job.causes}:
                found[kind] += 1
        return found


def compare(first: RunView, second: RunView) -> Comparison:
    """What differs between two runs."""
    made = [_Made(first), _Made(second)]
    ids = first.in_order({*first.job_ids(), *second.job_ids()})
    jobs = [_one(job_id, first, second, made[0], made[1]) for job_id in ids]
    unknown = [view.name for view, inputs in zip((first, second), made, strict=True) if not inputs.is_known]
    return Comparison((first.name, second.name), jobs, (_took(first), _took(second)), unknown)


def _one(job_id: str, first: RunView, second: RunView, made: _Made, remade: _Made) -> Difference:
    old, new = _job(first, job_id), _job(second, job_id)
    digests = _digest(first, job_id), _digest(second, job_id)
    causes: tuple[Cause, ...] = ()
    if old is not None and new is not None:
        causes = tuple(_causes(job_id, made, remade))
    return Difference(
        job_id,
        (None if old is None else old.state, None if new is None else new.state),
        _outcome(*digests),
        causes,
        (None if old is None else old.seconds, None if new is None else new.seconds),
    )


def _outcome(one: str | None, other: str | None) -> str:
    if one is None or other is None:
        return NONE if one is other else ONLY_SECOND if one is None else ONLY_FIRST
    return SAME if one == other else DIFFERS


def _causes(job_id: str, made: _Made, remade: _Made) -> list[Cause]:
    old, new = made.of(job_id), remade.of(job_id)
    if old is None or new is None:
        return []
    found = []
    if old[0].code != new[0].code:
        found.append(code_change(old[1].parts, new[1].parts))
    for name in dict.fromkeys((*new[0].args, *old[0].args)):
        before, now = old[0].args.get(name, ""), new[0].args.get(name, "")
        if before != now:
            found.append(Cause("argument", name, _plain(before), _plain(now)))
    return found


def _plain(text: str) -> str:
    return text[1:] if text.startswith("=") else ""


class _Made:
    """What the jobs of a run were made of, by id; points of a grid share what their definition says."""

    def __init__(self, view: RunView) -> None:
        self.is_known = True
        self._of: dict[str, tuple[Inputs, CodeNote]] = {}
        try:
            plan = kept_plan(view.folder, view.outputs)
            codes: Mapping[str, CodeNote] = plan.codes
            for definition in plan.definitions.values():
                note = codes.get(definition.code, CodeNote())
                known = shape_of(definition, note).inputs, note
                for point in plan.points(definition) if definition.kind == "group" else (None,):
                    self._of[definition.job_id(point)] = known
        except PlanError:
            self.is_known = False

    def of(self, job_id: str) -> tuple[Inputs, CodeNote] | None:
        return self._of.get(job_id)


def _job(view: RunView, job_id: str) -> JobView | None:
    return view.job(job_id) if job_id in view.engine.number else None


def _digest(view: RunView, job_id: str) -> str | None:
    return view.digest_of(job_id) if job_id in view.engine.number else None


def _took(view: RunView) -> float | None:
    if view.started is None or view.ended is None:
        return None
    return max(0.0, view.ended - view.started)
