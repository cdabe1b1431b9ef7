"""The error of a run that did not bring all that was asked of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from ramify.errors import RamifyError, TaskFailed


class DAGExecutionError(RamifyError, RuntimeError):
    """A job failed, or the run was cancelled.

    - `failed_job_id`: the first job that failed, None where the run was cancelled, or a rule was the first;
    - `failed_rule`: the name of the rule that was the first to fail, else None;
    - `cause`: its own exception, in every mode (`RemoteError` where it could not travel);
    - `completed_jobs`: the ids of the jobs that have an output;
    - `failed_jobs`: those that failed, `failed_rules`: the names of the rules that did;
    - `cancelled_jobs`: those that have none and did not fail: `stopped_jobs`, which were running and were
      ended, and `not_started_jobs`, which never ran;
    - `plan_dir`, `outputs_path`, `run_folder`, `log`: where to look.
    """

    failed_job_id: str | None
    failed_rule: str | None
    cause: BaseException | None
    completed_jobs: frozenset[str]
    failed_jobs: frozenset[str]
    failed_rules: frozenset[str]
    stopped_jobs: frozenset[str]
    not_started_jobs: frozenset[str]
    plan_dir: str | None
    outputs_path: str | None
    run_folder: str | None
    log: str | None
    traceback_text: str

    def __init__(
        self,
        message: str = "",
        *,
        failed_job_id: str | None = None,
        failed_rule: str | None = None,
        cause: BaseException | None = None,
        completed_jobs: Iterable[str] = (),
        failed_jobs: Iterable[str] = (),
        failed_rules: Iterable[str] = (),
        stopped_jobs: Iterable[str] = (),
        not_started_jobs: Iterable[str] = (),
        plan_dir: str | None = None,
        outputs_path: str | None = None,
        run_folder: str | None = None,
        log: str | None = None,
        traceback_text: str = "",
    ) -> None:
        super().__init__(
            message
            or (f"job {failed_job_id!r}" if failed_rule is None else f"rule {failed_rule!r}")
            + f" failed: {_told(cause)}",
            failed_job_id=failed_job_id,
            failed_rule=failed_rule,
            cause=cause,
            completed_jobs=frozenset(completed_jobs),
            failed_jobs=frozenset(failed_jobs),
            failed_rules=frozenset(failed_rules),
            stopped_jobs=frozenset(stopped_jobs),
            not_started_jobs=frozenset(not_started_jobs),
            plan_dir=plan_dir,
            outputs_path=outputs_path,
            run_folder=run_folder,
            log=log,
            traceback_text=traceback_text,
        )

    @property
    def cancelled_jobs(self) -> frozenset[str]:
        """The jobs that have no output and did not fail."""
        return self.stopped_jobs | self.not_started_jobs

    def rerun_snippet(self) -> str | None:
        """Python text that runs the failed job alone, for a debugger; None where there is no plan."""
        if self.plan_dir is None or self.failed_job_id is None:
            return None
        if isinstance(self.cause, TaskFailed):
            script = os.path.join(os.path.dirname(getattr(self.cause, "log", "")), "task")
            return f"import subprocess\n\nsubprocess.run([{script!r}], check=True)\n"
        from ramify.plan.load import rerun_snippet

        return rerun_snippet(self.plan_dir, self.failed_job_id)

    def __str__(self) -> str:
        lines = [self.message]
        for name, ids in (
            ("completed", self.completed_jobs),
            ("stopped while running", self.stopped_jobs),
            ("never started", self.not_started_jobs),
        ):
            lines.append(f"{name} ({len(ids)}): {_some(ids)}")
        if len(self.failed_jobs) > 1:
            lines.append(f"failed ({len(self.failed_jobs)}): {_some(self.failed_jobs)}")
        if len(self.failed_rules) > 1 or (self.failed_rules and self.failed_rule is None):
            lines.append(f"failed rules ({len(self.failed_rules)}): {_some(self.failed_rules)}")
        if self.log:
            lines.append(f"log: {self.log}")
        if self.traceback_text:
            lines += ["", self.traceback_text.rstrip()]
        snippet = self.rerun_snippet()
        if snippet:
            lines += ["", "To run this job alone:", "", snippet.rstrip()]
        return "\n".join(lines)

    def __reduce__(self) -> tuple[Any, ...]:
        facts = dict(self._facts)
        facts["cause"] = _portable(self.cause)
        return _rebuild, (self.message, facts)


def _rebuild(message: str, facts: dict[str, Any]) -> DAGExecutionError:
    return DAGExecutionError(message, **facts)


def _portable(cause: BaseException | None) -> BaseException | None:
    """The cause, or what can be said of it, in a shape that pickles."""
    if cause is None:
        return None
    from ramify.worker.failure import describe, revive

    return revive(describe(cause))


def _told(cause: BaseException | None) -> str:
    if cause is None:
        return "no reason is known"
    try:
        return f"{type(cause).__name__}: {cause}"
    except Exception:  # an exception whose text cannot be had is still reported by its name
        return type(cause).__name__


def _some(ids: frozenset[str], most: int = 10) -> str:
    first = sorted(ids)[:most]
    return ", ".join(first) + (", ..." if len(ids) > most else "") if ids else "none"
