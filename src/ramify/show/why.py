"""Why jobs ran, or did not have to: as text and as a document, followed upstream to where it began."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from ramify.core.keys import decode_key
from ramify.core.rule_keys import RULES, called
from ramify.plan.graph import group_name
from ramify.plan.paths import file_below
from ramify.rebuild.trace import VERDICTS, Cause, trace_of
from ramify.run.judge import Verdict
from ramify.run.rule_view import FAILED_RULE, OPEN, RuleView, rule_story
from ramify.run.view import RunView
from ramify.show.failure import next_command, traceback_lines
from ramify.show.status import rule_document, shortest
from ramify.show.text import Paint, moment, visible
from ramify.show.verdicts import cause_document, coloured, verdict_document
from ramify.stores.folder import FolderStore

_MOST: Final = 20
"""So many jobs are explained one by one."""

_DEEPEST: Final = 50
"""So many steps upstream are told."""

_WORDS: Final = {
    "succeeded": "ran",
    "failed": "ran, and failed",
    "running": "runs",
    "reused": "was reused",
    "cancelled": "was cancelled",
    "blocked": "could not run",
}

Causes = Callable[[str], Cause | None]
NotFollowed = Callable[[str], Sequence[str]]
"""Gives what of a job's code could not be followed."""


def chain(job_id: str, cause: Cause, cause_of: Causes) -> list[tuple[str, Cause]]:
    """A cause, and those behind it, as long as they lead upstream.

    >>> causes = {"b": Cause("upstream", "a"), "a": Cause("argument", "x", "1", "2")}
    >>> [(job_id, cause.text) for job_id, cause in chain("b", causes["b"], causes.get)]
    [('b', 'upstream a changed'), ('a', 'argument x changed: 1 -> 2')]
    """
    found = [(job_id, cause)]
    met = {job_id}
    while (
        cause.kind in ("upstream", "maybe")
        and cause.subject
        and cause.subject not in met
        and len(found) < _DEEPEST
    ):
        met.add(cause.subject)
        behind = cause_of(cause.subject)
        if behind is None:
            break
        found.append((cause.subject, behind))
        cause = behind
    return found


def _chain_lines(links: Sequence[tuple[str, Cause]], pen: Paint) -> list[str]:
    """The first cause is told beside the job; the others below it, one step further in each."""
    return [
        f"{'  ' * depth}{pen.dim('because')} {visible(job_id)}: {visible(cause.text)}"
        for depth, (job_id, cause) in enumerate(links[1:], 1)
    ]


def _causes_in(view: RunView) -> Causes:
    """The causes of a run's jobs; a whole group has none of its own."""
    return lambda job_id: view.job(job_id).cause if job_id in view.engine.number else None


def _causes_of(found: Iterable[Verdict]) -> Causes:
    by_id = {verdict.job_id: verdict.cause for verdict in found}
    return by_id.get


# ---- what a run did


def history_lines(
    view: RunView, job_ids: Sequence[str], pen: Paint, instance: str | None = None
) -> list[str]:
    """Why these jobs ran in this run, or did not have to; with `instance`, the folder of a pipeline, in the
    words of its tasks.
    """
    lines = [f"{pen.bold(visible(view.name))}  {pen.dim(view.status.lower())}"]
    for job_id in job_ids[:_MOST]:
        lines += _history(view, job_id, pen, instance)
    if len(job_ids) > _MOST:
        lines.append(pen.dim(f"... and {len(job_ids) - _MOST} more: name one, or use --json"))
    target = view.facts.get("target")
    if target and len(job_ids) == 1 and not job_ids[0].startswith(RULES):
        short = os.path.relpath(target) if os.path.isabs(target) else target
        words = [job_ids[0], short]
        if instance is not None:
            key = str(decode_key(job_ids[0]))
            there = ["-pid", shortest(instance)]
            words = [*there, "--", key, short] if key.startswith("-") else [key, short, *there]
        lines += ["", f"{pen.dim('now')}  {pen.cyan(next_command('why', *words))}"]
    return lines


def _history(view: RunView, job_id: str, pen: Paint, instance: str | None) -> list[str]:
    if job_id.startswith(RULES):
        return _rule_history(view, view.rule(job_id), pen)
    job = view.job(job_id)
    told = _WORDS.get(job.state, "has not run")
    links = [] if job.cause is None else chain(job_id, job.cause, _causes_in(view))
    links = [(name, _seen_from(instance, view, cause)) for name, cause in links]
    why = f": {visible(links[0][1].text)}" if links else ""
    if job.blocked_by is not None:
        why = f": {visible(job.blocked_by)} has no value"
    elif job.note is not None and job.cause is None:
        why = f": {visible(job.note)}"
    lines = [f"{pen.bold(visible(job_id))} {told}{why}", *_chain_lines(links, pen)]
    adder = view.added_by(job.job_id)
    if adder is not None:
        lines.append(f"  {pen.dim('added by')} {visible(called(adder))}")
    return [*lines, *(f"  {line}" for line in _made_of(view, job_id, pen, instance))]


def _seen_from(instance: str | None, view: RunView, cause: Cause) -> Cause:
    """A cause with the path of a file as it is seen from the folder of a pipeline."""
    if instance is None or cause.kind != "declared":
        return cause
    return replace(cause, subject=file_below(instance, view.plan, cause.subject))


def _rule_history(view: RunView, rule: RuleView, pen: Paint) -> list[str]:
    """What became of a rule, and when."""
    story = rule_story(rule)
    if rule.state == OPEN:
        story += (
            ": what it waits for is written down at the end of the run"
            if view.status == "RUNNING"
            else ": its driver died before it could say what it waited for"
        )
    lines = [visible(story)]
    if rule.added_by is not None:
        lines.append(f"  {pen.dim('added by')} {visible(called(rule.added_by))}")
    if rule.ended is not None:
        lines.append(f"  {pen.dim('at')}       {moment(rule.ended)}")
    if rule.state == FAILED_RULE:
        lines += traceback_lines(rule.failure or {}, pen)
    return lines


def _made_of(view: RunView, job_id: str, pen: Paint, instance: str | None) -> list[str]:
    """What the output that is there now was made of, and by which run."""
    record = _record(view, job_id)
    if record is None:
        return [pen.dim("its value was in memory" if view.is_in_memory else "it has no output now")]
    trace = trace_of(record)
    by = str(record.get("by", "")).rpartition(".")[0].rpartition(".")[0]
    lines = [f"{pen.dim('made by')}  {visible(by)}"] if by and by != view.name else []
    if trace is None:
        return [*lines, pen.dim("nothing says what its output was made of")]
    known = {**trace.args, **trace.declared}
    if instance is not None:  # the arguments are the engine's own way to call a task
        known = {file_below(instance, view.plan, name): text for name, text in trace.declared.items()}
    texts = [f"{name} {_value(text)}" for name, text in known.items() if "$" not in text]
    lines += [f"{pen.dim('from')}     {visible(text)}" for text in texts]
    parents = [
        f"{pen.dim('needs')}    {visible(group_name(p))} {pen.dim(d[:8])}" for p, d in trace.parents.items()
    ]
    return lines + parents


def _value(text: str) -> str:
    return f"= {text[1:]}" if text.startswith("=") else text[:9]


def _record(view: RunView, job_id: str) -> dict[str, Any] | None:
    from ramify.plan.folder import read_plan

    if view.is_in_memory:
        return None
    plan = read_plan(view.plan)
    if not plan.holds(job_id):
        return None
    return FolderStore(view.outputs).holds(plan.stored(job_id))


def history_document(view: RunView, job_id: str) -> dict[str, Any]:
    """Why a job ran in a run, or did not have to, as plain values; of a rule, what became of it."""
    if job_id.startswith(RULES):
        rule = view.rule(job_id)
        return {"job_id": None, "rule": rule_document(rule), "text": rule_story(rule)}
    adder = view.added_by(job_id)
    job = view.job(job_id)
    links = [] if job.cause is None else chain(job_id, job.cause, _causes_in(view))
    record = _record(view, job_id)
    return {
        "job_id": job_id,
        "state": job.state,
        "started": None if job.started is None else moment(job.started),
        "causes": [{"job_id": name, **cause_document(cause)} for name, cause in links],
        "blocked_by": job.blocked_by,
        "added_by": None if adder is None else called(adder),
        "output": None if record is None else {"by": record.get("by"), "trace": record.get("trace")},
    }


# ---- what a run would do now


def verdict_lines(
    found: Iterable[Verdict], chosen: Sequence[Verdict], pen: Paint, not_followed: NotFollowed
) -> list[str]:
    """Why these jobs would run now, or would not; `found` are the verdicts on all jobs."""
    lines: list[str] = []
    causes = _causes_of(found)
    for verdict in chosen[:_MOST]:
        links = chain(verdict.job_id, verdict.cause, causes)
        told = coloured(verdict.verdict, verdict.verdict, pen)
        lines += [
            f"{pen.bold(visible(verdict.job_id))}  {told}  {visible(verdict.cause.text)}",
            *_chain_lines(links, pen),
            f"  {pen.dim(VERDICTS[verdict.verdict])}",
            *(f"  {pen.dim('not followed')}  {visible(name)}" for name in not_followed(verdict.job_id)),
        ]
    if len(chosen) > _MOST:
        lines.append(pen.dim(f"... and {len(chosen) - _MOST} more: name one, or use --json"))
    return lines


def verdicts_document(
    found: Iterable[Verdict], chosen: Sequence[Verdict], not_followed: NotFollowed
) -> dict[str, Any]:
    """The verdicts on these jobs with all causes behind them, as plain values."""
    jobs = []
    causes = _causes_of(found)
    for verdict in chosen:
        links = chain(verdict.job_id, verdict.cause, causes)
        told = [{"job_id": name, **cause_document(cause)} for name, cause in links]
        names = list(not_followed(verdict.job_id))
        jobs.append({**verdict_document(verdict), "causes": told, "not_followed": names})
    return {"jobs": jobs}
