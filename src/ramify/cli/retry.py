"""`ramify retry`: failed and cancelled jobs again, in the run that goes on, or in one that is over."""

from __future__ import annotations

from typing import Any

import click

from ramify.cli.cancel import ids_for, tell_of
from ramify.cli.find import RUN_HELP, complete_run_or_job, find_run_and_jobs, instance_option
from ramify.cli.output import json_option, put_json, put_lines, verbose_option
from ramify.cli.restart import ask_for_restarts, wishes_of
from ramify.cli.resume import driver_options, go_on, go_on_with_pipeline
from ramify.core.keys import decode_key
from ramify.core.views import with_bad_parents
from ramify.errors import RunOverError
from ramify.pipeline.folders import instance_of_run
from ramify.pipeline.instance import Instance, TaskFolder
from ramify.pipeline.overview import failed_tasks
from ramify.pipeline.restarts import Restart
from ramify.run.view import RunView
from ramify.show.text import visible


@click.command(epilog=RUN_HELP)
@click.argument("words", nargs=-1, metavar="[RUN] [JOB...]", shell_complete=complete_run_or_job)
@instance_option
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
    instance = instance_of_run(view.folder)
    if view.status == "RUNNING":
        try:
            told = ask_for_restarts(view, _failed_tasks(view, instance, chosen), Restart(), chosen)
        except RunOverError:  # just now
            view = RunView(view.folder)
        else:
            tell_of(view, "retry", told, as_json, _told)
            return 0
    is_good = view.status == "COMPLETED" and instance is not None  # whose generator may wait for ever
    if is_good or not view.lacks_any(chosen):
        return _nothing(view, as_json)
    if instance is not None:
        return _retry_tasks(view, instance, chosen, flags, as_json)
    return go_on(view, flags, as_json=as_json, only=chosen)


def _failed_tasks(view: RunView, instance: str | None, chosen: list[str] | None) -> list[TaskFolder]:
    """The tasks that failed, in this run or before it: those of the jobs, and what blocks these."""
    if instance is None:
        return []
    here = Instance(instance)
    keys = [key for key, _ in failed_tasks(here)]
    wanted = keys if chosen is None else _keys_of(view, chosen)
    return [here.task(key) for key in keys if key in wanted]


def _retry_tasks(
    view: RunView, instance: str, chosen: list[str] | None, flags: dict[str, Any], as_json: bool
) -> int:
    """Tasks of a pipeline go on at their steps, as by `ramify restart`."""
    if chosen is None:
        return go_on_with_pipeline(instance, flags, as_json=as_json, restart_failed=True)
    wishes = wishes_of(instance, _keys_of(view, chosen), None, False)
    return go_on_with_pipeline(instance, flags, as_json=as_json, **wishes)


def _keys_of(view: RunView, chosen: list[str]) -> list[str]:
    """The keys of tasks, and of what blocks them, from the ids of their jobs."""
    engine = view.engine
    nodes = with_bad_parents(engine, [engine.number[job_id] for job_id in chosen])
    return [str(decode_key(engine.keys[node])) for node in nodes]


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
