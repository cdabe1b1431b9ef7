"""What a run that is over comes to: its status, and the error that tells of what is missing."""

from __future__ import annotations

import os
from typing import Any

from ramify.core.columns import Columns
from ramify.core.graph import RULE
from ramify.core.rule_keys import RULES
from ramify.core.table import BLOCKED, CANCELLED, FAILED, GOOD, REST
from ramify.errors import JobCancelled, RunTimeout
from ramify.run.driver import Driver
from ramify.run.ends import exception_of, told_before
from ramify.run.failure import DAGExecutionError
from ramify.run.view import LOGS
from ramify.run.work import PlanWork
from ramify.worker.logs import log_name


def status_of(driver: Driver) -> str:
    """RUNNING, COMPLETED, FAILED (as soon as a job failed, or past the deadline) or CANCELLED."""
    state = driver.engine.state
    if state.count(FAILED):
        return "FAILED"
    if not driver.done:
        return "RUNNING"
    if driver.is_good():
        return "COMPLETED"
    return "FAILED" if driver.overdue else "CANCELLED"


def error_of(driver: Driver, work: PlanWork, folder: str) -> DAGExecutionError:
    """The error of a run that is over and not good; its cause is the first failure's own exception."""
    node = _first_failure(driver)
    facts = {
        **_jobs(work),
        "plan_dir": work.plan.path,
        "outputs_path": work.plan.outputs,
        "run_folder": folder,
    }
    if node is None:
        late = driver.overdue
        told = _how_cancelled(driver)
        cause: BaseException = RunTimeout(driver.cancel_reason or told) if late else JobCancelled(told)
        error = DAGExecutionError(str(cause), cause=cause, **facts)
    else:
        key = work.engine.keys[node]
        log = os.path.join(folder, LOGS, log_name(key, work.engine.attempts[node]))
        outcome = driver.outcomes.get(node) or told_before(work.engine.reasons.get(node))
        failure = outcome.error
        cause = exception_of(outcome, job_id=key, attempt=work.engine.attempts[node], log=log)
        is_rule = bool(work.engine.flags[node] & RULE)
        error = DAGExecutionError(
            failed_job_id=None if is_rule else key,
            failed_rule=key.removeprefix(RULES) if is_rule else None,
            cause=cause,
            log=log if os.path.exists(log) else None,
            traceback_text=failure.traceback if failure else "",
            **facts,
        )
    error.__cause__ = cause
    return error


def _how_cancelled(driver: Driver) -> str:
    """Why a run is not good in which nothing failed: it was cancelled, or jobs of it were."""
    if driver.cancel_reason is not None:
        return f"the run was cancelled: {driver.cancel_reason}"
    engine = driver.engine
    node = engine.state.find(CANCELLED)
    if node < 0:
        return "the run was cancelled: on request"
    return f"job {engine.keys[node]!r} was cancelled: {engine.reasons.get(node) or 'on request'}"


def _first_failure(driver: Driver) -> int | None:
    """The first of this driver, else any that an earlier driver of the run left."""
    if driver.first_failure is not None:
        return driver.first_failure
    left = driver.engine.state.find(FAILED)
    return None if left < 0 or driver.overdue else left


def _jobs(work: PlanWork) -> dict[str, Any]:
    """The ids of all jobs, by what came of them, and the names of the rules that failed."""
    found: dict[str, list[str]] = {
        name: [] for name in ("completed_jobs", "failed_jobs", "stopped_jobs", "not_started_jobs")
    }
    engine = work.engine
    failed = [n for n in work.rules if engine.state[n] == FAILED]
    found["failed_rules"] = [engine.keys[n].removeprefix(RULES) for n in failed]
    for node, key in enumerate(engine.keys):
        if work.definition(node) is not None and node not in work.rules:
            found[_came_to(engine, node)].append(key)
    return found


def _came_to(engine: Columns, node: int) -> str:
    state = engine.state[node]
    if GOOD[state]:
        return "completed_jobs"
    if state == FAILED:
        return "failed_jobs"
    was_stopped = engine.attempts[node] > 0 and (state == CANCELLED or not REST[state])
    return "stopped_jobs" if was_stopped and state != BLOCKED else "not_started_jobs"
