"""`ramify status`: how a run stands, from any shell, without disturbing it."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import click

from ramify.cli.find import RUN_HELP, complete_run, find_run, handle_of
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.run.view import RunView
from ramify.show.failure import failure_lines, next_command
from ramify.show.status import status_document, status_lines

_EVERY: Final = 1.0
"""Seconds between two looks with `--watch`."""


@click.command(epilog=RUN_HELP)
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("--failed", is_flag=True, help="List every failed job, and show each kind of failure.")
@click.option("--jobs", "with_jobs", is_flag=True, help="With --json: every job too.")
@click.option("-w", "--watch", is_flag=True, help="Look again every second until the run is over.")
@click.option("--follow", is_flag=True, help="Print a line for each growth and change until the run is over.")
@verbose_option
@json_option
def status(
    run: str | None, failed: bool, with_jobs: bool, watch: bool, follow: bool, as_json: bool, **_: Any
) -> None:
    """Tell how a run stands, by group: done, reused, failed, running, waiting.

    Example: ramify status latest --failed
    """
    if follow and (watch or as_json):
        raise click.UsageError("--follow prints lines as they come: give it without --watch and --json")
    view = find_run(run)
    if as_json:
        put_json(status_document(view, with_jobs))
        return
    if follow:
        view = _followed(view)
    elif watch:
        view = _watched(view, failed)
    put_lines(_lines(view, failed))


def _lines(view: RunView, failed: bool) -> list[str]:
    pen = paint()
    handle = handle_of(view)
    lines = status_lines(view, pen, failed)
    state = view.status
    if failed:
        told = failure_lines(view, pen, handle)
        lines += ["", *told[:-1]] if told else [pen.dim("no job and no rule failed")]
    if state == "LOST":
        lines += ["", pen.red("Its driver ended without a word (killed, or the machine went down).")]
        if view.is_in_memory:
            lines += ["Its values were in memory, and are gone."]
        else:
            lines += [f"What was finished is kept; the rest: {pen.cyan(resume_hint(view))}"]
    elif state in ("FAILED", "CANCELLED"):
        lines += [""]
        if not view.is_in_memory:
            lines += [f"{pen.dim('rest')}  {pen.cyan(resume_hint(view))}"]
        if not failed and state == "FAILED":
            lines += [f"{pen.dim('why')}   {pen.cyan(next_command('status', handle, '--failed'))}"]
    return lines


def resume_hint(view: RunView) -> str:
    """What goes on with a run."""
    return next_command("resume", handle_of(view))


def _watched(view: RunView, failed: bool) -> RunView:
    """Prints the state anew until the run is over; on a terminal in place."""
    from ramify.show.text import is_terminal

    stream = sys.stdout
    in_place = is_terminal(stream)
    while view.status == "RUNNING":
        if in_place:
            click.clear()
        put_lines(_lines(view, failed) + ([] if in_place else [""]))
        time.sleep(_EVERY)
        view = RunView(view.folder)
    if in_place:
        click.clear()
    return view


def _followed(view: RunView) -> RunView:
    """Prints plain lines as the run goes on: what came, and how many are done."""
    from ramify.show.frames import timeline
    from ramify.show.tracker import follow

    moments = timeline(view)
    follow(moments, lambda line: put_lines([line]), lambda: time.sleep(_EVERY))
    put_lines([""])
    return moments
