"""What an outside executor is given to run: small, picklable, and importable wherever Ramify is installed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from ramify.ports import Outcome
from ramify.worker.attempt import host_name, perform, refused
from ramify.worker.isolate import run_isolated
from ramify.worker.logs import captured

if TYPE_CHECKING:
    from ramify.plan.opened import Plan

_plans: dict[tuple[str, str], Plan] = {}
"""Plans that this process has read, by path and run: a plan may be replaced between two runs."""


class Errand:
    """Called as `errand(plan, job_id)`, runs that attempt and returns its `Outcome`.

    With a list of ids it runs them one after the other and returns the list of their outcomes; a member of an
    array may be called with its own id. `tokens` names the attempts, `logs` the files of their output, by id.
    `isolated` is `"never"`, `"always"`, or `"here"`: a process of its own only if the executor runs its tasks
    in the process that submits them.
    """

    def __init__(
        self, run: str, tokens: Mapping[str, str], logs: Mapping[str, str], isolated: str = "never"
    ) -> None:
        self.run = run
        self.tokens = dict(tokens)
        self.logs = dict(logs)
        self.isolated = isolated
        self.home = (host_name(), os.getpid())

    def __call__(self, plan: str, job_id: str | Sequence[str]) -> Outcome | list[Outcome]:
        if isinstance(job_id, str):
            return self._one(plan, job_id)
        return [self._one(plan, one) for one in job_id]

    def __repr__(self) -> str:
        return f"Errand({self.run!r}, {sorted(self.tokens)!r})"

    def _one(self, plan: str, job_id: str) -> Outcome:
        here = self.home == (host_name(), os.getpid())
        if self.isolated == "always" or (self.isolated == "here" and here):
            return run_isolated(plan, job_id, self.tokens[job_id], self.logs[job_id])
        try:
            opened = self._open(plan)
        except Exception as error:
            return refused(error)
        with self._capture(job_id):
            return perform(opened, job_id, self.tokens[job_id], leave_record=not here)

    def _open(self, path: str) -> Plan:
        plan = _plans.get((path, self.run))
        if plan is None:
            from ramify.plan.folder import read_plan

            plan = read_plan(path)
            _plans.clear()
            _plans[path, self.run] = plan
        return plan

    def _capture(self, job_id: str) -> AbstractContextManager[Any]:
        log = self.logs.get(job_id)
        return captured(log) if log else nullcontext()
