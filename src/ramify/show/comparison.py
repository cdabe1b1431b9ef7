"""A comparison of two runs, as text and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ramify.run.compare import DIFFERS, NONE, ONLY_FIRST, ONLY_SECOND, SAME, Comparison, Difference
from ramify.show.text import Paint, duration, padded, visible, width
from ramify.show.verdicts import cause_document

_MOST: Final = 40
"""So many jobs are told one by one; more are summed up by group and difference."""


def comparison_lines(found: Comparison, pen: Paint, *, every: bool = False) -> list[str]:
    """The sum first, then each job that differs (`every`: all of them)."""
    first, second = (pen.bold(visible(name)) for name in found.names)
    lines = [f"{first} → {second}", *_sum(found, pen)]
    lines += [pen.yellow(f"{visible(name)} did not keep what it executed") for name in found.unknown]
    chosen = found.jobs if every else [job for job in found.jobs if not job.is_same]
    if not chosen:
        return lines
    told = _one_by_one(chosen, pen) if every or len(chosen) <= _MOST else _by_group(chosen, pen)
    return [*lines, "", *told]


def _sum(found: Comparison, pen: Paint) -> list[str]:
    counts = found.counts()
    words = {
        SAME: "the same",
        DIFFERS: "different",
        ONLY_FIRST: "only in the first",
        ONLY_SECOND: "only in the second",
        NONE: "in neither",
    }
    outputs = ", ".join(f"{counts[kind]:,} {word}" for kind, word in words.items() if counts[kind])
    lines = [f"  {pen.dim('outputs')}  {outputs or 'none'}"]
    inputs = [f"{counts[kind]:,} by {kind}" for kind in ("code", "argument") if counts[kind]]
    told = f"jobs that differ: {', '.join(inputs)}" if inputs else "the same"
    lines.append(f"  {pen.dim('inputs')}   {told}")
    took = " → ".join("?" if seconds is None else duration(seconds) for seconds in found.seconds)
    return [*lines, f"  {pen.dim('time')}     {took}"]


def _one_by_one(jobs: Sequence[Difference], pen: Paint) -> list[str]:
    most = max(width(visible(job.job_id)) for job in jobs)
    return [f"{padded(visible(job.job_id), most)}  {_told(job, pen)}{_times(job, pen)}" for job in jobs]


def _by_group(jobs: Sequence[Difference], pen: Paint) -> list[str]:
    found: dict[tuple[str, str], int] = {}
    for job in jobs:
        key = job.job_id.partition("/")[0], _told(job, pen)
        found[key] = found.get(key, 0) + 1
    most = max(width(visible(group)) for group, _ in found)
    return [
        f"{padded(visible(group), most)} {f'x {count}' if count > 1 else '':>8}  {told}"
        for (group, told), count in found.items()
    ]


def _told(job: Difference, pen: Paint) -> str:
    colour = {SAME: pen.green, NONE: pen.dim}.get(job.output, pen.yellow)
    output = {SAME: "same output", DIFFERS: "other output", NONE: "no output"}.get(job.output, job.output)
    why = "; ".join(visible(cause.text) for cause in job.causes)
    states = "" if job.states[0] == job.states[1] else f" ({job.states[0] or '-'} → {job.states[1] or '-'})"
    return f"{colour(output)}{pen.dim(states)}{'  ' + pen.dim(why) if why else ''}"


def _times(job: Difference, pen: Paint) -> str:
    before, after = job.seconds
    if before is None or after is None:
        return ""
    return pen.dim(f"  {duration(before)} → {duration(after)}")


def comparison_document(found: Comparison) -> dict[str, Any]:
    """The whole comparison as plain values."""
    return {
        "runs": list(found.names),
        "counts": found.counts(),
        "seconds": list(found.seconds),
        "unknown": found.unknown,
        "jobs": [
            {
                "job_id": job.job_id,
                "states": list(job.states),
                "output": job.output,
                "causes": [cause_document(cause) for cause in job.causes],
                "seconds": list(job.seconds),
            }
            for job in found.jobs
        ],
    }
