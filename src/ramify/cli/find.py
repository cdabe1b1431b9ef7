"""Finds the run, and the jobs in it, that a person means."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import click
from click.shell_completion import CompletionItem

from ramify.catalogue import open_catalogue
from ramify.errors import JobIdError, RamifyError, UnknownRunError
from ramify.run.find import find_run_folder
from ramify.run.view import RunView
from ramify.settings import project_home
from ramify.show.status import shortest

RUN_HELP = "RUN is a name, a part of one, `latest` (the default), or a folder."


def find_run(text: str | None) -> RunView:
    """The run that is meant; raises `UnknownRunError` where there is none, or where several could be."""
    return RunView(find_run_folder(text or "latest"))


def find_run_and_jobs(words: Sequence[str]) -> tuple[RunView, list[str]]:
    """A run and the words after it; the first word may be left out, and the latest run is meant then."""
    if not words:
        return find_run(None), []
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
