"""How a run stands: a document for programs, and lines for people."""

from __future__ import annotations

import os
import time
from typing import Any

from ramify.core.graph import GATHER, KIND, RULE
from ramify.core.rule_keys import called
from ramify.run.rule_view import RuleView
from ramify.run.view import JobView, RunView
from ramify.show.groups import Counts, GroupOf, Groups, NameOf, first_key, fold, summed
from ramify.show.text import Paint, duration, moment, one_line, table, visible
from ramify.show.watch import troubles

_LINES = 40
"""The most lines for groups, and for failed jobs."""

_PAINT = {"COMPLETED": "green", "FAILED": "red", "LOST": "red", "CANCELLED": "yellow", "RUNNING": "cyan"}


def status_document(view: RunView, jobs: bool = False, group_of: GroupOf = first_key) -> dict[str, Any]:
    """What `ramify status --json` says: the run, its counts, its groups, and the jobs if asked for.

    Times are seconds since the epoch, spans are seconds, paths are absolute.
    """
    groups = Groups(view.engine, group_of).all()
    document = {
        "name": view.name,
        "label": view.label,
        "status": view.status,
        "folder": view.folder,
        "plan": None if view.is_in_memory else view.plan,
        "outputs": None if view.is_in_memory else view.outputs,
        "started": view.started,
        "ended": view.ended,
        "seconds": seconds_of(view),
        "mode": view.facts.get("mode"),
        "workers": view.facts.get("workers"),
        "host": view.facts.get("host"),
        "pid": view.facts.get("pid"),
        "command": view.facts.get("command"),
        "counts": counts_document(summed(groups)),
        "groups": {name: counts_document(one) for name, one in groups.items()},
        "failed": [job_document(job) for job in failed_jobs(view)],
        "rules": [rule_document(rule) for rule in view.rules()],
    }
    if jobs:
        document["jobs"] = [job_document(job) for job in view.jobs()]
    return document


def counts_document(one: Counts) -> dict[str, int]:
    """The counts of a group by name, `done` and `waiting` among them."""
    return {
        "total": one.total,
        "done": one.done,
        "reused": one.reused,
        "failed": one.failed,
        "running": one.running,
        "waiting": one.waiting,
        "blocked": one.blocked,
        "cancelled": one.cancelled,
    }


def job_document(job: JobView) -> dict[str, Any]:
    """What is known of one job."""
    return {
        "job_id": job.job_id,
        "state": job.state,
        "status": job.status,
        "attempts": job.attempts,
        "started": job.started,
        "ended": job.ended,
        "seconds": job.seconds,
        "cpu_seconds": job.cpu_seconds,
        "peak_memory": job.peak_memory,
        "failure": job.failure if job.state == "failed" else None,
        "blocked_by": job.blocked_by,
        "note": job.note,
        "log": job.log,
    }


def rule_document(rule: RuleView) -> dict[str, Any]:
    """What is known of one rule: `state` is fired, failed, cancelled, unfired (at the end), or open."""
    return {
        "name": rule.name,
        "state": rule.state,
        "ended": rule.ended,
        "added": list(rule.added),
        "added_rules": list(rule.added_rules),
        "added_by": None if rule.added_by is None else called(rule.added_by),
        "waits_for": rule.waits_for,
        "failure": rule.failure,
    }


def failed_jobs(view: RunView) -> list[JobView]:
    """The jobs that failed, in the order of their ids."""
    return jobs_in(view, "failed")


def jobs_in(view: RunView, *states: str) -> list[JobView]:
    """The jobs in these states of the engine, in the order of their ids."""
    from ramify.core.table import NAMES

    wanted = {NAMES.index(state) for state in states}
    engine = view.engine
    if not any(state in engine.state for state in wanted):
        return []
    ids = [
        key
        for key, state, flags in zip(engine.keys, engine.state, engine.flags, strict=True)
        if state in wanted and flags & KIND != GATHER and not flags & RULE
    ]
    return [view.job_of(engine.number[job_id]) for job_id in view.in_order(ids)]


def seconds_of(view: RunView, now: float | None = None) -> float | None:
    """How long the run took, or has taken if it is under way; None where its driver died."""
    if view.started is None:
        return None
    if view.ended is not None:
        return max(0.0, view.ended - view.started)
    return max(0.0, (now or time.time()) - view.started) if view.status == "RUNNING" else None


def paint_status(status: str, paint: Paint) -> str:
    """The status in its colour."""
    name = _PAINT.get(status)
    return str(getattr(paint, name)(status)) if name else status


def status_lines(
    view: RunView,
    paint: Paint,
    failed: bool = False,
    group_of: GroupOf = first_key,
    name_of: NameOf = called,
) -> list[str]:
    """What `ramify status` prints; with `failed`, a line for every failed job instead of the groups."""
    groups = Groups(view.engine, group_of).all()
    lines = [*_head(view, summed(groups), paint), ""]
    live = view.status == "RUNNING"
    lines += _failed_table(view, paint, None, name_of) if failed else _group_table(groups, paint, live)
    if not failed:
        lines += _running(view, paint, name_of)
        told = _failed_table(view, paint, 5, name_of)
        lines += ["", *told] if told else []
    idle = unfired_lines(view, paint)
    return [*lines, "", *idle] if idle else lines


def unfired_lines(view: RunView, paint: Paint) -> list[str]:
    """A line for each rule that never fired, with what it waited for; none while the run goes on."""
    told = list(view.unfired.items())
    lines = [
        f"rule {visible(name)} never fired: {paint.dim(visible(one_line(text, 300)))}"
        for name, text in told[:_LINES]
    ]
    if len(told) > _LINES:
        lines.append(paint.dim(f"and {len(told) - _LINES} more rules; --json has them all"))
    return lines


def _head(view: RunView, whole: Counts, paint: Paint) -> list[str]:
    took = seconds_of(view)
    when = f"started {moment(view.started)}" if view.started else "not started"
    if took is not None:
        when += f", {'took' if view.ended else 'for'} {duration(took)}"
    told = ", ".join([f"{whole.done}/{whole.total} jobs done", *troubles(whole), *rule_troubles(view)])
    where = ", ".join(
        str(part)
        for part in (
            view.facts.get("mode"),
            f"{view.facts['workers']} at a time" if view.facts.get("workers") else None,
            f"on {view.facts['host']}" if view.facts.get("host") else None,
        )
        if part
    )
    label = f"  {visible(view.label)}" if view.label != view.name else ""
    return [
        f"{paint.bold(visible(view.name))}{label}  {paint_status(view.status, paint)}  {told}",
        paint.dim(visible(f"{when}; {where}" if where else when)),
        paint.dim(visible(view.folder)),
    ]


def _group_table(groups: dict[str, Counts], paint: Paint, live: bool) -> list[str]:
    shown, rest = fold(groups, _LINES)
    rows = [[paint.dim(title) for title in ("group", "done", "", "")]]
    for name, one in shown:
        rows.append([visible(name), f"{one.done}/{one.total}", _percent(one), _words(one, paint, live)])
    lines = table(rows, right=(1, 2))
    if rest:
        whole = summed(dict(rest))
        lines.append(
            paint.dim(f"{len(rest)} more groups, {whole.done}/{whole.total} done; --json has them all")
        )
    return lines


def _percent(one: Counts) -> str:
    return f"{100 * one.done // max(1, one.total)}%"


def _words(one: Counts, paint: Paint, live: bool) -> str:
    parts = [paint.cyan(f"{one.running} {'running' if live else 'lost'}")] if one.running else []
    parts += [paint.red(text) if "failed" in text else text for text in troubles(one)]
    if one.waiting:
        parts.append(paint.dim(f"{one.waiting} waiting"))
    return ", ".join(parts)


def _running(view: RunView, paint: Paint, name_of: NameOf) -> list[str]:
    if view.status != "RUNNING":
        return []
    jobs = jobs_in(view, "running")
    now = time.time()
    rows = [
        [visible(name_of(j.job_id)), f"for {duration(max(0.0, now - (j.started or now)))}"] for j in jobs[:8]
    ]
    more = [paint.dim(f"and {len(jobs) - 8} more")] if len(jobs) > 8 else []
    return ["", paint.dim("running now"), *table(rows), *more] if rows else []


def rule_troubles(view: RunView) -> list[str]:
    """What a line says of rules that failed, where there are any."""
    count = len(view.failed_rules())
    return [f"{count} {'rule' if count == 1 else 'rules'} failed"] if count else []


def _failed_table(view: RunView, paint: Paint, most: int | None, name_of: NameOf) -> list[str]:
    jobs = [*view.failed_rules(), *failed_jobs(view)]
    chosen = jobs if most is None else jobs[:most]
    rows = []
    for job in chosen:
        facts = job.failure or {}
        told = one_line(f"{facts.get('type', 'failure')}: {facts.get('message', '')}", 120).rstrip(": ")
        rows.append([paint.red("✗"), visible(name_of(job.job_id)), told])
    lines = table(rows)
    if most is not None and len(jobs) > most:
        lines.append(paint.dim(f"and {len(jobs) - most} more: --failed tells of all"))
    return lines


def shortest(path: str) -> str:
    """A path as it is easiest to type here: relative where it is below the current folder."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
