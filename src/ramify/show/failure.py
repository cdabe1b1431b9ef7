"""The failure block: all that a person needs to mend a failed job, in one place.

Jobs that failed alike share a block. Texts of others are written so that they cannot steer the terminal.
"""

from __future__ import annotations

import os
import shlex
import signal
from typing import Any, Final

from ramify.core.rule_keys import RULES, called
from ramify.errors import RamifyError
from ramify.plan.folder import read_plan
from ramify.run.view import JobView, RunView
from ramify.show.status import failed_jobs, shortest
from ramify.show.text import Paint, duration, one_line, several, visible

TAIL: Final = 20
"""So many lines of a log are shown."""
_BLOCKS: Final = 5
_TAIL_BYTES: Final = 64_000
_TRACEBACK_LINES: Final = 40


def failure_lines(view: RunView, paint: Paint, handle: str, blocks: int = _BLOCKS) -> list[str]:
    """One block for each way in which rules and jobs of the run failed, at most so many; empty if none did.

    `handle` is how the run is called on the command line here: its name, or its folder.
    """
    alike: dict[Any, list[JobView]] = {}
    for job in [*view.failed_rules(), *failed_jobs(view)]:
        alike.setdefault(_kind(job), []).append(job)
    lines: list[str] = []
    for jobs in list(alike.values())[:blocks]:
        lines += [*_block(view, jobs, paint, handle), ""]
    if len(alike) > blocks:
        more = sum(len(jobs) for jobs in list(alike.values())[blocks:])
        lines += [f"{more} more jobs failed in other ways: {next_command('status', handle, '--failed')}", ""]
    return lines


def _kind(job: JobView) -> Any:
    """What jobs that failed alike have in common: the exception and the place where it was raised."""
    facts = job.failure or {}
    places = [line for line in str(facts.get("traceback", "")).splitlines() if line.startswith("  File ")]
    told = "" if places else facts.get("message")
    is_rule = job.job_id.startswith(RULES)
    return is_rule, facts.get("type"), facts.get("exit_code"), facts.get("signal"), tuple(places[-1:]), told


def _block(view: RunView, jobs: list[JobView], paint: Paint, handle: str) -> list[str]:
    job = jobs[0]
    facts = job.failure or {}
    is_rule = job.job_id.startswith(RULES)
    head = f"✗ {visible(called(job.job_id))} failed"
    fields = [
        ("call", "" if is_rule else _called(view, job.job_id)),
        ("error", _error(facts)),
        ("ran", "" if is_rule else _ran(job, facts)),
        ("alike", f"{several([called(j.job_id) for j in jobs[1:]])}" if len(jobs) > 1 else ""),
    ]
    lines = [paint.red(paint.bold(head)) + (f", and {len(jobs) - 1} more like it" if len(jobs) > 1 else "")]
    lines += [f"  {paint.dim(name.ljust(6))} {text}" for name, text in fields if text]
    lines += traceback_lines(facts, paint)
    lines += [] if is_rule else _log(job, paint)
    words = (
        ["why", job.job_id.removeprefix(RULES), "--run", handle] if is_rule else ["logs", handle, job.job_id]
    )
    lines.append(f"  {paint.dim('next'.ljust(6))} {paint.cyan(next_command(*words))}")
    return lines


def next_command(verb: str, *words: str) -> str:
    """A command that can be pasted.

    >>> next_command("logs", "calm-otter", "a b")
    "ramify logs calm-otter 'a b'"
    """
    return shlex.join(["ramify", verb, *words])


def _error(facts: dict[str, Any]) -> str:
    ended = []
    if facts.get("exit_code") is not None:
        ended.append(f"exit code {facts['exit_code']}")
    if facts.get("signal") is not None:
        ended.append(f"signal {_signal_name(facts['signal'])}")
    told = (
        f"{visible(str(facts.get('type', 'failure')))}: {_indented(visible(str(facts.get('message', ''))))}"
    )
    return told.rstrip(": ") + (f" ({', '.join(ended)})" if ended else "")


def _indented(text: str) -> str:
    lines = text.strip().splitlines()
    if len(lines) > 12:
        lines = [*lines[:12], f"... {len(lines) - 12} more lines"]
    return "\n         ".join(lines)


def _signal_name(number: int) -> str:
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def _ran(job: JobView, facts: dict[str, Any]) -> str:
    seconds = facts.get("seconds") or job.seconds
    parts = [f"{job.attempts} attempts" if job.attempts > 1 else "1 attempt"]
    if seconds is not None:
        parts.append(duration(seconds))
    if facts.get("host"):
        parts.append(f"on {visible(str(facts['host']))}")
    if facts.get("pid"):
        parts.append(f"process {facts['pid']}")
    if facts.get("during") not in (None, "call", "died"):
        parts.append(f"during {visible(str(facts['during']))}")
    return ", ".join(parts)


def traceback_lines(facts: dict[str, Any], paint: Paint) -> list[str]:
    """The user's own frames of a failure."""
    text = str(facts.get("traceback", "")).rstrip()
    text = text.removesuffix(f"{facts.get('type')}: {facts.get('message')}".rstrip())  # it stands above
    lines = visible(text).rstrip().splitlines()
    if not any(line.lstrip().startswith("File ") for line in lines):
        return []
    if len(lines) > _TRACEBACK_LINES:
        left = len(lines) - _TRACEBACK_LINES
        lines = [*lines[:10], f"  ... {left} lines left out ...", *lines[-(_TRACEBACK_LINES - 10) :]]
    return [f"  {paint.dim('|')} {line}".rstrip() for line in lines]


def _log(job: JobView, paint: Paint) -> list[str]:
    if job.log is None:
        return [f"  {paint.dim('log'.ljust(6))} it printed nothing"]
    lines, whole = tail(job.log, TAIL)
    what = "all of it" if whole else f"its last {len(lines)} lines"
    head = f"  {paint.dim('log'.ljust(6))} {shortest(job.log)} ({what}):"
    return [head, *(f"  {paint.dim('|')} {one_line(line, 400)}" for line in lines)]


def tail(path: str, most: int) -> tuple[list[str], bool]:
    """The last lines of a text file, and whether these are all."""
    with open(path, "rb") as file:
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - _TAIL_BYTES))
        lines = file.read().decode("utf-8", "backslashreplace").splitlines()
    return lines[-most:], length <= _TAIL_BYTES and len(lines) <= most


# ---- what was called


def _called(view: RunView, job_id: str) -> str:
    """The call as the plan has it: nothing is loaded, values that are not plain are named."""
    try:
        definition, point = read_plan(view.plan).locate(job_id)
    except (RamifyError, OSError):
        return ""  # the plan was made anew without this job, or is gone: the block does without the call
    words = [f"{name}={_argument(spec)}" for name, spec in definition.args.items()]
    if point is not None:
        values = point.split("/")
        words += [f"{n}={v}" for n, v in zip(definition.parameters, values, strict=False)]
    return one_line(f"{definition.function}({', '.join(words)})", 300)


def _argument(spec: Any) -> str:
    if not isinstance(spec, dict):
        return repr(spec)
    if "value" in spec:
        text = repr(spec["value"])
        return text if len(text) <= 60 else text[:57] + "..."
    for name in ("job", "group", "same"):
        if name in spec:
            return f"<{spec[name]}>"
    return f"<{next(iter(spec), 'value')}>"
