"""`ramify show`: an output of a run as a person wants to see it."""

from __future__ import annotations

import os
from typing import Any

import click

from ramify.cli.find import RUN_HELP, complete_run_or_job, find_run_and_jobs, handle_of
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.errors import JobIdError, RamifyError
from ramify.plan.folder import read_plan
from ramify.run.view import JobView, RunView
from ramify.show.failure import next_command
from ramify.show.text import size, visible
from ramify.show.value import document, show_value
from ramify.values.sidecar import read
from ramify.values.stored import find_payload


@click.command(epilog=RUN_HELP + " KEY is the id of a job or a group, or a part of one; without it: all.")
@click.argument("words", nargs=-1, metavar="[RUN] [KEY]", shell_complete=complete_run_or_job)
@click.option(
    "--unpickle", is_flag=True, help="Load values that only Python can read. Runs code stored in them."
)
@click.option("--raw", is_flag=True, help="Print a text as it is, and all of it.")
@verbose_option
@json_option
def show(words: tuple[str, ...], unpickle: bool, raw: bool, as_json: bool, **_: Any) -> None:
    """Show an output of a run: a value, the head of a table, a tree of keys.

    Example: ramify show latest scores/m1
    """
    view, keys = find_run_and_jobs(words)
    if view.is_in_memory:
        _refuse(view, keys)
    if len(keys) > 1:
        raise click.UsageError(f"one KEY at a time; there are {len(keys)}: {' '.join(keys)}")
    key, stem = _stem(view, keys[0]) if keys else ("", view.outputs)
    shown = show_value(stem, paint(), unpickle)
    if as_json:
        put_json({"run": view.name, "key": key, **document(shown)})
        return
    if raw:
        if shown.raw is None:
            raise click.UsageError(
                f"--raw is for texts: {key or 'the outputs'} is {shown.summary}; see {shown.path}"
            )
        click.echo(shown.raw, nl=not shown.raw.endswith("\n"))
        return
    pen = paint()
    title = f"{pen.bold(visible(key) if key else visible(view.name))}  {shown.summary}"
    put_lines([f"{title}  {pen.dim(f'{size(shown.size)}, {visible(os.path.relpath(shown.path))}')}", ""])
    put_lines(shown.lines)


def _refuse(view: RunView, keys: list[str]) -> None:
    """The values of a live graph are nowhere to be had, but it is told what became of them."""
    job = view.job(keys[0]) if keys else None
    told = f": {job.job_id} is {job.state}" if job is not None else ""
    raise JobIdError(
        f"the values of {view.name} were in memory, and nothing is on disk{told}. evaluate() keeps them; "
        f"what is known of the run: {next_command('status', handle_of(view))}",
        job_id="" if job is None else job.job_id,
    )


def _stem(view: RunView, text: str) -> tuple[str, str]:
    """The key that is meant and where its output is, without a suffix."""
    text = text.strip("/")
    for name in (text, *_job(view, text)):
        stem = os.path.join(view.outputs, _stored(view, name))
        if _is_inside(stem, view.outputs) and (read(stem) is not None or find_payload(stem) is not None):
            return name, stem
    job = view.job(text)
    raise JobIdError(_missing(view, job), job_id=job.job_id)


def _job(view: RunView, text: str) -> list[str]:
    try:
        return [view.resolve(text)]
    except JobIdError:
        return []  # `_stem` asks again, and lets it be raised, where the text is no key of the outputs either


def _stored(view: RunView, name: str) -> str:
    """Where a job's output is, below the outputs: hidden jobs have a place of their own."""
    if name not in view.engine.number:
        return name
    try:
        return read_plan(view.plan).stored(name)
    except RamifyError:
        return name  # the plan was made anew, without this job


def _is_inside(stem: str, outputs: str) -> bool:
    return os.path.normpath(stem).startswith(outputs + os.sep)


def _missing(view: RunView, job: JobView) -> str:
    told = {
        "failed": f"it failed: {next_command('logs', handle_of(view), job.job_id)}",
        "blocked": f"{job.blocked_by} failed, and it needs that",
        "running": "it is running" if view.status == "RUNNING" else "it was running when its driver ended",
        "cancelled": f"it was cancelled ({job.note})",
        "succeeded": "it was made, and has been removed since",
    }
    return f"{job.job_id} has no output: {told.get(job.state, 'it has not run')}"
