"""Finds the run, and the jobs in it, that a person means."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from ramify.catalogue import open_catalogue
from ramify.errors import JobIdError, RamifyError, UnknownRunError
from ramify.run.find import find_run_folder, run_in
from ramify.run.view import RunView
from ramify.settings import project_home
from ramify.show.failure import next_command
from ramify.show.status import shortest

RUN_HELP = "RUN is a name, a part of one, `latest` (the default), or a folder."
INSTANCE: Final = "RAMIFY_PIPELINE_INSTANCE_DIR"
"""The variable that says which instance of a pipeline is meant."""

_Command = TypeVar("_Command", bound=Callable[..., Any])


def instance_option(
    command: _Command, told: str = "The latest run of the pipeline in this folder."
) -> _Command:
    """`-pid`, by which commands about runs are told an instance of a pipeline: its latest run is meant.

    `told` is what the help says of it.
    """
    return click.option(
        "-pid",
        "--pipeline-instance-dir",
        "--instance-dir",
        "--instance-directory",
        "instance",
        type=click.Path(file_okay=False),
        envvar=INSTANCE,
        expose_value=False,
        callback=_keep_instance,
        help=told,
    )(command)


def _keep_instance(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    from click.core import ParameterSource

    refuse_empty(ctx, param, value)
    if value is not None:
        said = ctx.get_parameter_source(str(param.name)) == ParameterSource.COMMANDLINE
        ctx.meta[INSTANCE] = os.path.abspath(value), said


def refuse_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A folder whose name is empty is most likely a variable that is not set."""
    if value == "":
        raise click.BadParameter("it is empty", ctx, param)
    return value


def _instance() -> tuple[str | None, bool]:
    """The instance that is meant, and whether the command line says so."""
    ctx = click.get_current_context(silent=True)
    found: tuple[str | None, bool] = (None, False) if ctx is None else ctx.meta.get(INSTANCE, (None, False))
    return found


def instance_said() -> str | None:
    """The instance that `-pid` or the environment names, where this command takes one."""
    return _instance()[0]


def instance_on_the_line() -> str | None:
    """The instance that the command line itself names."""
    folder, said = _instance()
    return folder if said else None


def find_run(text: str | None) -> RunView:
    """The run that is meant; raises `UnknownRunError` where there is none, or where several could be."""
    instance = None if text else _instance()[0]
    folder = text or instance or "latest"
    engine = os.path.join(folder, ".ramify", "@run")
    if instance is not None:
        _check_has_run(instance, engine)
    return RunView(find_run_folder(engine if os.path.isdir(engine) else folder))


def _check_has_run(instance: str, engine: str) -> None:
    """Says what `-pid` leads to where that is no run."""
    from ramify.pipeline.overview import check_instance

    check_instance(instance)
    if run_in(engine) is None:
        short = shortest(instance)
        told = f"{short} was prepared, and has not been run: {next_command('list-states', '-pid', short)}"
        raise UnknownRunError(told, name=instance, fits=[])


def find_run_and_jobs(words: Sequence[str]) -> tuple[RunView, list[str]]:
    """A run and the words after it; the first word may be left out, and the latest run is meant then."""
    if not words or _instance()[1]:
        return find_run(None), list(words)
    try:
        return find_run(words[0]), list(words[1:])
    except UnknownRunError as error:
        if getattr(error, "fits", None):  # several runs were meant
            raise
        view = find_run(None)
        try:
            if ids_of(view, words[0], rules=True):
                return view, list(words)
        except JobIdError:
            told = f"{error}, and the latest run, {view.name}, has no job {words[0]!r}"
            raise UnknownRunError(told, name=words[0], fits=[]) from None
        raise


def ids_of(view: RunView, text: str, rules: bool = False) -> list[str]:
    """The jobs that a person means: an id, a group, a pattern with `*`, or a part that one job has.

    With `rules`, where no job has this very id, a rule of this name is meant: then it is its key.

    Raises `JobIdError` where there is none, or where a mere part fits several.
    """
    ids = view.job_ids()
    text = text.rstrip("/")
    if any(sign in text for sign in "*?["):
        found = [job_id for job_id in ids if fnmatchcase(job_id, text)]
        if found:
            return found
        raise JobIdError(f"no job of {view.name} fits {text!r}", job_id=text)
    found = [job_id for job_id in ids if job_id == text or job_id.startswith(f"{text}/")]
    rule = view.rule_key(text) if rules and not found else None
    return found or [rule or view.resolve(text)]


def handle_of(view: RunView) -> str:
    """How to call a run here: its name where that leads to it, else its folder."""
    try:
        if open_catalogue(project_home()).find(view.name) == view.folder:
            return view.name
    except RamifyError:
        return shortest(view.folder)  # it is in no list that can be read from here
    return shortest(view.folder)


def complete_target(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files, as the shell itself completes them."""
    return [CompletionItem(incomplete, type="file")]


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of runs, and folders."""
    try:
        names = ["latest", *(run["name"] for run in open_catalogue(project_home()).runs(limit=50))]
    except RamifyError:
        names = ["latest"]  # a completion has nowhere to complain
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]


def complete_run_or_job(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The first word is a run, what follows are jobs of it."""
    words = ctx.params.get(param.name or "") or ()
    if not words:
        return complete_run(ctx, param, incomplete)
    try:
        ids = find_run(words[0]).job_ids()
    except RamifyError:
        return []  # a completion has nowhere to complain
    return [CompletionItem(job_id) for job_id in ids if job_id.startswith(incomplete)][:200]
