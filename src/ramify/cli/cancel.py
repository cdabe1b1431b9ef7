"""`ramify cancel`: asks the driver of a run to give it up, or some of its jobs."""

from __future__ import annotations

from typing import Any

import click

from ramify.cli.find import RUN_HELP, complete_run_or_job, find_run_and_jobs, ids_of
from ramify.cli.output import json_option, put_json, put_lines, verbose_option
from ramify.run.control import Cancel, ask, asker
from ramify.run.view import RunView
from ramify.show.text import visible


@click.command(epilog=RUN_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [JOB...]", shell_complete=complete_run_or_job)
@click.option("--force/--no-force", default=True, help="Stop what runs, or let it finish [--force].")
@click.option("--why", default="", help="What the journal is to say of the reason.")
@verbose_option
@json_option
def cancel(words: tuple[str, ...], force: bool, why: str, as_json: bool, **_: Any) -> int:
    """Give up a run that goes on somewhere, or only the jobs JOB and what needs them.

    What has not started does not start. What runs is stopped, whole process trees, unless --no-force lets it
    finish. What is complete stays; `ramify retry` takes up the rest. JOB is an id, a group, a pattern, or a
    part of one id.

    Example: ramify cancel latest 'scores/*'
    """
    view, jobs = find_run_and_jobs(words)
    chosen = ids_for(view, jobs)
    told = ask(view.folder, Cancel(jobs=chosen, force=force, why=why, by=asker()))
    tell_of(view, "cancel", told, as_json, lambda n: _told(chosen, n, force))
    return 0


def _told(chosen: list[str] | None, changed: int | None, force: bool) -> str:
    rest = "what runs is stopped" if force else "what runs may finish"
    if chosen is None:
        return f"cancelled, {rest}"
    count = changed or 0
    return f"{count} of {len(chosen)} {'job' if len(chosen) == 1 else 'jobs'} given up, {rest}"


def ids_for(view: RunView, words: list[str]) -> list[str] | None:
    """The jobs that these words mean; None for no words at all."""
    if not words:
        return None
    return list(dict.fromkeys(job_id for word in words for job_id in ids_of(view, word, rules=True)))


def tell_of(view: RunView, what: str, told: dict[str, Any] | None, as_json: bool, words: Any) -> None:
    """Says what came of a request: as one document, or in words made of the number of jobs."""
    if as_json:
        put_json({"run": view.name, "folder": view.folder, "request": what, "done": told})
    elif told is None:
        put_lines([f"{visible(view.name)}: the driver is busy, and will come to it after the present job"])
    else:
        put_lines([f"{visible(view.name)}: {words(told.get('jobs'))}"])
