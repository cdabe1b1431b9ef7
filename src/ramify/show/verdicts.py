"""What a run would do, as text and as a document: one verdict and one cause for each job."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from ramify.plan.definition import Definition
from ramify.rebuild.trace import LOAD, MAYBE, REUSE, RUN, SKIP, Cause
from ramify.run.judge import Verdict
from ramify.show.groups import GroupOf, first_key
from ramify.show.text import Paint, padded, several, visible, width

_ORDER: Final = (RUN, MAYBE, LOAD, REUSE, SKIP)
_MOST: Final = 40
"""So many jobs are told one by one; more are summed up by group and cause."""

_DEEPEST: Final = 12
_LONGEST: Final = 500
"""So many levels, and lines, of a tree are drawn."""

_MOST_STALE: Final = 12
"""So many groups with stale results are told before a run."""


class MayGrow(NamedTuple):
    """What may add to the graph: the names of rules, and the ids of jobs that run, or may."""

    rules: Sequence[str] = ()
    jobs: Sequence[str] = ()

    def lines(self, pen: Paint) -> list[str]:
        """One line, or none where nothing may.

        >>> MayGrow(["each", "merge"], ["parts"]).lines(Paint(False))
        ['may grow: rules each, merge; job parts']
        """
        named = (("rule", self.rules), ("job", self.jobs))
        parts = [
            f"{what}{'s' if len(names) > 1 else ''} {several(list(names), 8)}"
            for what, names in named
            if names
        ]
        return [f"{pen.cyan('may grow')}: {'; '.join(parts)}"] if parts else []

    def to_dict(self) -> dict[str, list[str]]:
        """As plain values."""
        return {"rules": list(self.rules), "jobs": list(self.jobs)}


def plan_lines(
    verdicts: Sequence[Verdict],
    pen: Paint,
    *,
    every: bool = False,
    may_grow: MayGrow | None = None,
    group_of: GroupOf = first_key,
) -> list[str]:
    """The verdicts as lines, parents before children, what may grow, and a last line that sums them up."""
    if every or len(verdicts) <= _MOST:
        most = max((width(visible(v.job_id)) for v in verdicts), default=0)
        lines = [_line(v.verdict, padded(visible(v.job_id), most), v.cause.text, pen) for v in verdicts]
    else:
        lines = _by_group(verdicts, pen, group_of)
    return [*lines, *_growing(may_grow, pen), "", _total(verdicts, pen)]


def _growing(may_grow: MayGrow | None, pen: Paint) -> list[str]:
    return [] if may_grow is None else may_grow.lines(pen)


def _line(verdict: str, name: str, why: str, pen: Paint) -> str:
    return f"{coloured(verdict.ljust(6), verdict, pen)} {name}  {pen.dim(visible(why))}"


def _by_group(verdicts: Sequence[Verdict], pen: Paint, group_of: GroupOf) -> list[str]:
    """One line for each group, verdict and cause, in the order in which they come first."""
    found: dict[tuple[str, str, str], int] = {}
    for v in verdicts:
        key = group_of(v.job_id), v.verdict, v.cause.text
        found[key] = found.get(key, 0) + 1
    if len(found) > _MOST:
        return _by_cause(found, pen)
    most = max(width(visible(group)) for group, _, _ in found)
    return [
        _line(verdict, f"{padded(visible(group), most)} {f'x {count}' if count > 1 else '':>8}", why, pen)
        for (group, verdict, why), count in found.items()
    ]


def _by_cause(found: dict[tuple[str, str, str], int], pen: Paint) -> list[str]:
    """Where there are many groups too: one line for each verdict and cause, called for its first group.

    Causes that name another job each are one: of a thousand jobs below a thousand others.
    """
    summed: dict[tuple[str, str], list[tuple[str, str, int]]] = {}
    for (group, verdict, why), count in found.items():
        kind = re.sub(r"(upstream|output of) \S+", r"\1 ...", why)
        summed.setdefault((verdict, kind), []).append((group, why, count))
    lines = []
    for (verdict, kind), groups in summed.items():
        first, why, _ = groups[0]
        count = sum(number for _, _, number in groups)
        name = f"{visible(first)}{f', ... x {count:,}' if count > 1 else ''}"
        lines.append(_line(verdict, padded(name, 30), why if len(groups) == 1 else kind, pen))
    return lines


def stale_lines(
    stale: Sequence[tuple[str, Cause]], pen: Paint, what: str, group_of: GroupOf = first_key
) -> list[str]:
    """One line for each group and cause of results that do not stand, under a heading."""
    found: dict[tuple[str, str], int] = {}
    for job_id, cause in stale:
        key = group_of(job_id), cause.text
        found[key] = found.get(key, 0) + 1
    lines = [
        f"  {pen.yellow(what)}  {visible(group)}{f' x {count}' if count > 1 else ''}  {pen.dim(visible(why))}"
        for (group, why), count in list(found.items())[:_MOST_STALE]
    ]
    left = len(found) - _MOST_STALE
    return [*lines, pen.dim(f"  ... and {left} more groups")] if left > 0 else lines


def tree_lines(
    verdicts: Sequence[Verdict],
    definitions: Sequence[Definition],
    pen: Paint,
    may_grow: MayGrow | None = None,
) -> list[str]:
    """What needs what, from the last to the first: jobs and whole grids, each told once."""
    tree = _Tree(verdicts, definitions, pen)
    return [*tree.lines(), *_growing(may_grow, pen), "", _total(verdicts, pen)]


class _Tree:
    """Jobs and grids by id; a line for each, below the first that needs it."""

    def __init__(self, verdicts: Sequence[Verdict], definitions: Sequence[Definition], pen: Paint) -> None:
        self.pen = pen
        self.ids = [d.id for d in definitions if d.kind != "rule"]
        self.known = set(self.ids)
        self.found: dict[str, list[Verdict]] = {name: [] for name in self.ids}
        for verdict in verdicts:
            self.found[self._home(verdict.job_id)].append(verdict)
        self.needs = {d.id: self._needs(d) for d in definitions if d.kind != "rule"}
        self.told: set[str] = set()

    def _home(self, job_id: str) -> str:
        """The definition that a job, or a part of a grid, belongs to."""
        while job_id not in self.known:
            job_id = job_id.rpartition("/")[0]
        return job_id

    def _needs(self, definition: Definition) -> list[str]:
        names: dict[str, None] = {}
        for dependency in definition.dependencies:
            name = dependency.removesuffix("*").rstrip("/")
            inside = [i for i in self.ids if i.startswith(f"{name}/")] if name not in self.known else []
            for one in inside or [self._home(name)]:
                names[one] = None
        return list(names)

    def lines(self) -> list[str]:
        """The trees, one for each job or grid that nothing else needs; not more than a person reads."""
        needed = {name for needs in self.needs.values() for name in needs}
        lines: list[str] = []
        stack = [(name, "", "") for name in self.ids if name not in needed][::-1]
        while stack:
            if len(lines) >= _LONGEST:
                return [*lines, self.pen.dim(f"... and more: {len(self.ids):,} jobs and grids in all")]
            name, start, rest = stack.pop()
            lines.append(start + self._line(name))
            if name in self.told:
                continue
            self.told.add(name)
            needs = self.needs[name]
            if len(rest) > 3 * _DEEPEST and needs:
                lines.append(f"{rest}└─ {self.pen.dim('... and what that needs')}")
                continue
            for number, inner in reversed(list(enumerate(needs))):
                last = number == len(needs) - 1
                stack.append((inner, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  ")))
        return lines

    def _line(self, name: str) -> str:
        verdicts = self.found[name]
        again = self.pen.dim("  (above)") if name in self.told and self.needs[name] else ""
        if len(verdicts) == 1 and verdicts[0].job_id == name:
            told, why = verdicts[0].verdict, verdicts[0].cause.text
            return f"{visible(name)}  {coloured(told, told, self.pen)}  {self.pen.dim(visible(why))}{again}"
        counts = Counter(v.verdict for v in verdicts)
        told = ", ".join(f"{counts[v]} {coloured(v, v, self.pen)}" for v in _ORDER if counts[v])
        causes = dict.fromkeys(v.cause.text for v in verdicts if v.verdict in (RUN, MAYBE))
        why = next(iter(causes), "") + (f", and {len(causes) - 1} other reasons" if len(causes) > 1 else "")
        return f"{visible(name)}/  {told or 'no jobs'}  {self.pen.dim(visible(why))}{again}"


def _total(verdicts: Iterable[Verdict], pen: Paint) -> str:
    counts = Counter(v.verdict for v in verdicts)
    parts = [f"{counts[name]:,} {coloured(name, name, pen)}" for name in _ORDER if counts[name]]
    return ", ".join(parts) or "there are no jobs"


def coloured(text: str, verdict: str, pen: Paint) -> str:
    """A text in the colour of a verdict."""
    if verdict == RUN:
        return pen.bold(text)
    if verdict == MAYBE:
        return pen.yellow(text)
    return pen.green(text) if verdict in (REUSE, LOAD) else pen.dim(text)


def plan_document(verdicts: Sequence[Verdict], may_grow: MayGrow | None = None) -> dict[str, Any]:
    """The verdicts as plain values."""
    counts = Counter(v.verdict for v in verdicts)
    return {
        "counts": {name: counts[name] for name in _ORDER},
        "jobs": [verdict_document(v) for v in verdicts],
        "may_grow": (may_grow or MayGrow()).to_dict(),
    }


def verdict_document(verdict: Verdict) -> dict[str, Any]:
    """One verdict as plain values."""
    return {
        "job_id": verdict.job_id,
        "verdict": verdict.verdict,
        "cause": cause_document(verdict.cause),
    }


def cause_document(cause: Cause) -> dict[str, str]:
    """One cause as plain values."""
    return {
        "kind": cause.kind,
        "subject": cause.subject,
        "old": cause.old,
        "new": cause.new,
        "text": cause.text,
    }
