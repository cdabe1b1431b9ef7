"""What a run would do, as text and as a document: one verdict and one cause for each job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from ramify.rebuild.trace import LOAD, MAYBE, REUSE, RUN, SKIP
from ramify.run.judge import Verdict
from ramify.show.text import Paint, visible

_ORDER: Final = (RUN, MAYBE, LOAD, REUSE, SKIP)
_MOST: Final = 40
"""So many jobs are told one by one; more are summed up by group and cause."""


def plan_lines(verdicts: Sequence[Verdict], pen: Paint, *, every: bool = False) -> list[str]:
    """The verdicts as lines, parents before children, and a last line that sums them up."""
    if every or len(verdicts) <= _MOST:
        width = max((len(visible(v.job_id)) for v in verdicts), default=0)
        lines = [_line(v.verdict, visible(v.job_id).ljust(width), v.cause.text, pen) for v in verdicts]
    else:
        lines = _by_group(verdicts, pen)
    return [*lines, "", _total(verdicts, pen)]


def _line(verdict: str, name: str, why: str, pen: Paint) -> str:
    return f"{_coloured(verdict.ljust(6), verdict, pen)} {name}  {pen.dim(visible(why))}"


def _by_group(verdicts: Sequence[Verdict], pen: Paint) -> list[str]:
    """One line for each group, verdict and cause, in the order in which they come first."""
    found: dict[tuple[str, str, str], int] = {}
    for v in verdicts:
        key = v.job_id.partition("/")[0], v.verdict, v.cause.text
        found[key] = found.get(key, 0) + 1
    width = max(len(visible(group)) for group, _, _ in found)
    return [
        _line(verdict, f"{visible(group).ljust(width)} {f'x {count}' if count > 1 else '':>8}", why, pen)
        for (group, verdict, why), count in found.items()
    ]


def _total(verdicts: Iterable[Verdict], pen: Paint) -> str:
    counts = Counter(v.verdict for v in verdicts)
    parts = [f"{counts[name]:,} {_coloured(name, name, pen)}" for name in _ORDER if counts[name]]
    return ", ".join(parts) or "there are no jobs"


def _coloured(text: str, verdict: str, pen: Paint) -> str:
    if verdict == RUN:
        return pen.bold(text)
    if verdict == MAYBE:
        return pen.yellow(text)
    return pen.green(text) if verdict in (REUSE, LOAD) else pen.dim(text)


def plan_document(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The verdicts as plain values."""
    counts = Counter(v.verdict for v in verdicts)
    return {
        "counts": {name: counts[name] for name in _ORDER},
        "jobs": [verdict_document(v) for v in verdicts],
    }


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """One verdict as plain values."""
    cause = verdict.cause
    return {
        "job_id": verdict.job_id,
        "verdict": verdict.verdict,
        "cause": {
            "kind": cause.kind,
            "subject": cause.subject,
            "old": cause.old,
            "new": cause.new,
            "text": cause.text,
        },
    }
