"""`ramify retry`: failed and cancelled jobs again, in the run that goes on, or in one that is over."""

from __future__ import annotations

from typing import Any

import click

from ramify.cli.cancel import ids_for, tell_of
from ramify.cli.find import RUN_HELP, complete_run_or_job, find_run_and_jobs
from ramify.cli.output import json_option, put_json, put_lines, verbose_option
from ramify.cli.resume import driver_options, go_on
from ramify.errors import RunOverError
from ramify.run.control import Retry, ask, asker
from ramify.run.view import RunView
from ramify.show.text import visible


@click.command(epilog=RUN_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [JOB...]", shell_complete=complete_run_or_job)
@driver_options
@verbose_option
@json_option
def retry(words: tuple[str, ...], as_json: bool, **flags: Any) -> int:
    """Put failed and cancelled jobs back to the start, and what could not run because of them.

    Of a run that goes on, its driver does it, as it was told to work, and this command returns at once. A run
    that is over goes on here. With JOB, only those jobs and what follows from them; a job that is blocked
    takes with it what blocks it. JOB is an id, a group, a pattern, or a part of one id.

    Example: ramify retry latest scores/m1
    """
    view, jobs = find_run_and_jobs(words)
    chosen = ids_for(view, jobs)
    if view.status == "RUNNING":
        try:
            told = ask(view.folder, Retry(jobs=chosen, by=asker()))
        except RunOverError:  # just now
            view = RunView(view.folder)
        else:
            tell_of(view, "retry", told, as_json, _told)
            return 0
    if not view.lacks_any(chosen):
        return _nothing(view, as_json)
    return go_on(view, flags, as_json=as_json, only=chosen)


def _told(jobs: int | None) -> str:
    if not jobs:
        return "nothing of it failed or was cancelled"
    return f"{jobs} {'job is' if jobs == 1 else 'jobs are'} tried again"


def _nothing(view: RunView, as_json: bool) -> int:
    if as_json:
        put_json({"run": view.name, "folder": view.folder, "request": "retry", "done": {"jobs": 0}})
    else:
        put_lines([f"{visible(view.name)}: {_told(0)}"])
    return 0
