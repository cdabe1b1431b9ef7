"""`ramify resume`: goes on with a run that was killed, cancelled or failed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from ramify.cli.ending import Ending
from ramify.cli.find import RUN_HELP, complete_run, find_run, instance_option
from ramify.cli.output import RETRIES_HELP, json_option, verbose_option
from ramify.pipeline.folders import instance_of_run
from ramify.run.view import RunView
from ramify.settings import MODES

_Command = TypeVar("_Command", bound=Callable[..., Any])


def driver_options(command: _Command) -> _Command:
    """The flags that say how a new driver of a run works, where it is not as before."""
    flags = [
        click.option("-j", "--jobs", type=click.IntRange(1), help="Jobs at a time [as before]."),
        click.option(
            "-k", "--keep-going", is_flag=True, default=None, help="After a failure go on with the rest."
        ),
        click.option("--mode", type=click.Choice(MODES), help="Where a job runs [as before]."),
        click.option("--retries", metavar="N|WORDS", help=f"{RETRIES_HELP} [as before]."),
        click.option(
            "--timeout", type=click.FloatRange(0, min_open=True), help="Most seconds of one attempt."
        ),
        click.option(
            "--deadline", type=click.FloatRange(0, min_open=True), help="Most seconds of the whole run."
        ),
        click.option("-q", "--quiet", is_flag=True, default=False, help="Print failures only."),
    ]
    for flag in reversed(flags):
        command = flag(command)
    return command


@click.command(epilog=RUN_HELP)
@click.argument("run", required=False, shell_complete=complete_run)
@instance_option
@driver_options
@verbose_option
@json_option
def resume(run: str | None, as_json: bool, **flags: Any) -> int:
    """Go on with a run: the same graph and journal, a new driver.

    What is complete stays. What was under way, failed, or is damaged or gone, is done again; a task of a
    pipeline that failed goes on at its step. The code is read anew by each job; where the flow itself
    changed, run it again instead: `ramify run` keeps what still holds.

    Example: ramify resume latest -j 4
    """
    view = find_run(run)
    instance = instance_of_run(view.folder)
    if instance is not None:
        return go_on_with_pipeline(instance, flags, as_json=as_json, restart_failed=True)
    return go_on(view, flags, as_json=as_json)


def go_on_with_pipeline(instance: str, flags: dict[str, Any], *, as_json: bool, **wishes: Any) -> int:
    """Runs the pipeline of an instance again: what is complete stays, the generator yields the rest."""
    from ramify.cli.pipeline_options import pipeline_of, refuse_flags
    from ramify.cli.pipeline_run import PipelineRun
    from ramify.cli.pipeline_wishes import Wishes

    refuse_flags(f"{instance} is an instance of a pipeline", ("mode", "timeout"))
    said, target = pipeline_of(flags.get("pipeline"), instance)
    options = {name: flags[name] for name in ("retries", "deadline") if flags.get(name) is not None}
    wanted = Wishes(jobs=flags.get("jobs"), options={**options, **wishes.pop("options", {})}, **wishes)
    quiet = bool(flags.get("quiet"))
    verbose = bool(flags.get("verbose"))
    return PipelineRun(
        said, target, instance, wanted, quiet=quiet, as_json=as_json, verbose=verbose
    ).carry_out()


def go_on(
    view: RunView,
    flags: dict[str, Any],
    *,
    as_json: bool,
    only: Sequence[str] | None = None,
    more: dict[str, Any] | None = None,
    watched: bool = True,
) -> int:
    """Drives the run from here on, tells how it ended, and returns the exit code.

    `more` are further options; where somebody is asked things meanwhile, it is not `watched`.
    """
    from ramify.dag.resume import check_resumable, resume_view
    from ramify.show.progress import make_progress
    from ramify.values.sources import import_current_sources

    import_current_sources()
    check_resumable(view)
    ending = Ending(view.folder, quiet=flags["quiet"] or as_json, as_json=as_json)
    options = {
        "max_workers": flags["jobs"],
        "execution_mode": flags["mode"],
        "on_failure": "continue" if flags["keep_going"] else None,
        "retries": flags["retries"],
        "timeout": flags["timeout"],
        "deadline": flags["deadline"],
        "only": only,
        **(more or {}),
    }
    ending.say([f"{ending.bold(view.name)}  resumed in {ending.short(os.path.dirname(view.plan))}"])
    observers = make_progress(watched and not ending.quiet)
    return ending.of(lambda: resume_view(view, observers=observers, **options), observers)
