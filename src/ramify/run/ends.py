"""How an attempt that brought no value is told: to the caller whole, to the journal without pickles."""

from __future__ import annotations

from typing import Any, Final

from ramify.errors import InfrastructureError, JobTimeout, WorkerDied
from ramify.ports import Failure, Outcome

LATE: Final = ("timeout", "deadline")
"""What an attempt is stopped for that is then told as a failure."""


def not_stored(outcome: Outcome, error: Exception) -> Outcome:
    """The outcome of a good attempt whose value could not be made the output."""
    failure = Failure(type(error).__name__, str(error), during="store")
    return Outcome("error", error=failure, seconds=outcome.seconds, pid=outcome.pid, host=outcome.host)


def as_failure(outcome: Outcome, why: str | None, limit: float | None) -> Failure:
    """The failure of an outcome that is not good; `why` is what the driver had stopped it for."""
    if why in LATE:
        whose = "the attempt" if why == "timeout" else "the job with all its attempts"
        return Failure("JobTimeout", f"{whose} took longer than its {why} of {limit:g} s", during="timeout")
    if outcome.error is not None:
        return outcome.error
    if outcome.signal is not None:
        return Failure("WorkerDied", f"the process was killed by signal {outcome.signal}", during="died")
    if outcome.exit_code is not None:
        return Failure("WorkerDied", f"the process exited with code {outcome.exit_code}", during="died")
    return Failure("WorkerDied", "the process ended without a result", during="died")


def exception_of(outcome: Outcome, **facts: Any) -> BaseException:
    """The exception that a failed outcome comes to, in the client or the driver of its own run.

    `facts` are those of the errors: `job_id`, `attempt`, `log`.
    """
    from ramify.worker.failure import revive

    failure = outcome.error
    assert failure is not None, "the driver gives every failed outcome its failure"
    log = facts.pop("log", None)
    if failure.during == "timeout":
        return JobTimeout(failure.message, **facts)
    if outcome.kind == "lost":
        return InfrastructureError(failure.message, **facts)
    if failure.during == "died":
        ended = {"exit_code": outcome.exit_code, "signal": outcome.signal, "log": log}
        return WorkerDied(failure.message, **ended, **facts)
    return revive(failure)


def facts_of(outcome: Outcome, failure: Failure) -> dict[str, Any]:
    """What the journal keeps of a failure: not the pickled exception, and the user's own frames only."""
    facts = {
        "type": failure.type_name,
        "message": failure.message,
        "traceback": failure.traceback,
        "during": failure.during,
        "exit_code": outcome.exit_code,
        "signal": outcome.signal,
        "pid": outcome.pid or None,
        "host": outcome.host or None,
        "seconds": outcome.seconds or None,
        "cpu_seconds": round(outcome.cpu_seconds, 6) if outcome.pid else None,
        "peak_memory": outcome.peak_memory or None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def use_of(outcome: Outcome) -> list[Any]:
    """What the journal keeps of what an attempt took: CPU seconds, peak memory in bytes, process, machine."""
    return [round(outcome.cpu_seconds, 6), outcome.peak_memory, outcome.pid, outcome.host]


def told_before(facts: Any) -> Outcome:
    """The outcome that an earlier driver told with `facts_of`, as far as it was kept."""
    kept = facts if isinstance(facts, dict) else {}
    type_name, message = str(kept.get("type", "JobError")), str(kept.get("message", "no reason is known"))
    during = str(kept.get("during", "call"))
    failure = Failure(type_name, message, str(kept.get("traceback", "")), during=during)
    kind = "died" if during == "died" else "error"
    return Outcome(kind, error=failure, exit_code=kept.get("exit_code"), signal=kept.get("signal"))
