"""`ramify ls`: the runs of this project, the newest first."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from ramify.catalogue import open_catalogue
from ramify.catalogue.filters import Filter
from ramify.catalogue.schema import Row
from ramify.catalogue.sqlite import SqliteCatalogue
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.errors import RamifyError
from ramify.pipeline.folders import instance_of_run
from ramify.run.view import RunView, runs_in
from ramify.settings import RUNS, project_home
from ramify.show.status import paint_status, seconds_of, shortest
from ramify.show.text import duration, table, visible

_DONE: Final = ("succeeded", "reused")
_STATUSES: Final = ("running", "completed", "failed", "cancelled", "lost")
_WHEN: Final = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False))
@click.option("--search", metavar="TEXT", help="Only runs with TEXT in name, folder, command or status.")
@click.option("--namespace", metavar="NAME", help="Only runs of this namespace.")
@click.option("--created-by", metavar="NAME", help="Only runs that this user began.")
@click.option("--since", type=_WHEN, help="Only runs that began then or later.")
@click.option("--until", type=_WHEN, help="Only runs that began then or before.")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only such runs.")
@click.option(
    "-n",
    "--number",
    "--per-page",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="The most to list.",
)
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Which of the pages.")
@click.option("--all", "everything", is_flag=True, help="List all of them.")
@click.option("--rebuild", is_flag=True, help="Make the list anew, from the runs' journals (and FOLDERS).")
@verbose_option
@json_option
def ls(
    folders: Sequence[str],
    number: int,
    page: int,
    everything: bool,
    rebuild: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """List the runs of this project, the newest first.

    Example: ramify ls --search otter
    """
    if folders and not rebuild:
        raise click.UsageError("FOLDERS go with --rebuild; to filter, use --search")
    catalogue = open_catalogue(project_home())
    if rebuild:
        catalogue.rebuild(list(_rows(catalogue, folders)))
    found, total = catalogue.page(_filter(flags), _status_of, page, sys.maxsize if everything else number)
    runs = [_entry(run) for run in found]
    pages = 1 if everything else -(-total // number)
    if as_json:
        where = {"page": page, "pages": pages, "total": total}
        put_json({"runs": runs, **where, "gone": catalogue.gone, "catalogue": catalogue.path})
        return
    put_lines(_lines(runs) if runs else [_nothing(flags, page, pages)])
    if pages > page and runs:
        click.echo(f"page {page} of {pages}, {total} runs: --page {page + 1} goes on", err=True)
    if catalogue.gone:
        some, whose = (
            ("1 run is", "its folder is")
            if catalogue.gone == 1
            else (f"{catalogue.gone} runs are", "their folders are")
        )
        click.echo(f"{some} left out: {whose} gone", err=True)


def _filter(flags: dict[str, Any]) -> Filter:
    status = flags["status"]
    return Filter(
        text=flags["search"],
        namespace=flags["namespace"],
        created_by=flags["created_by"],
        since=flags["since"].timestamp() if flags["since"] else None,
        until=flags["until"].timestamp() if flags["until"] else None,
        status=None if status is None else status.upper(),
    )


def _nothing(flags: dict[str, Any], page: int, pages: int) -> str:
    if page > pages > 0:
        return f"there is no page {page}: the last one is {pages}"
    wanted = any(flags[name] for name in ("search", "namespace", "created_by", "since", "until", "status"))
    return "no run fits" if wanted else "no runs yet: `ramify run flow.py` makes one"


def _status_of(folder: str) -> str:
    try:
        return RunView(folder).status
    except RamifyError:
        return "UNREADABLE"


def _entry(run: dict[str, Any]) -> dict[str, Any]:
    """What is said of a run: as it was written down at its end, else by its journal."""
    entry = {
        "name": run["name"],
        "label": run["label"],
        "id": run["id"],
        "kind": run["kind"],
        "namespace": run["namespace"],
        "created_by": run["created_by"],
        "folder": run["folder"],
        "started": run["started"],
    }
    end = run["end"]
    if end is not None and "counts" in end:
        seconds = end["ended"] - run["started"] if end.get("ended") else None
        return entry | _numbers(end["counts"]) | {"status": end.get("status"), "seconds": seconds}
    try:
        view = RunView(run["folder"])
    except RamifyError as error:
        return entry | _numbers({}) | {"status": "UNREADABLE", "seconds": None, "error": str(error)}
    return entry | _numbers(view.counts()) | {"status": view.status, "seconds": seconds_of(view)}


def _numbers(counts: dict[str, int]) -> dict[str, int]:
    return {
        "jobs": sum(counts.values()),
        "done": sum(counts.get(state, 0) for state in _DONE),
        "failed": counts.get("failed", 0),
    }


def _lines(runs: list[dict[str, Any]]) -> list[str]:
    pen = paint()
    now = time.time()
    labelled = any(run["label"] != run["name"] for run in runs)
    titles = ("name", *(["graph"] if labelled else []), "status", "done", "failed", "age", "took", "folder")
    rows = [[pen.dim(title) for title in titles]]
    for run in runs:
        rows.append(
            [
                pen.bold(visible(run["name"])),
                *([visible(run["label"]) if run["label"] != run["name"] else ""] if labelled else []),
                paint_status(run["status"], pen),
                f"{run['done']}/{run['jobs']}",
                pen.red(str(run["failed"])) if run["failed"] else "",
                duration(max(0.0, now - run["started"])),
                duration(run["seconds"]) if run["seconds"] is not None else "",
                pen.dim(visible(shortest(_target(run["folder"])))),
            ]
        )
    return table(rows, right=tuple(n + labelled for n in (2, 3, 4, 5)))


def _target(folder: str) -> str:
    """The target of an evaluation, where a run's folder is in the usual place; the instance of a pipeline."""
    instance = instance_of_run(folder)
    if instance is not None:
        return instance
    above = os.path.dirname(folder)
    return os.path.dirname(above) if os.path.basename(above) == "run" else folder


def _rows(catalogue: SqliteCatalogue, folders: Sequence[str]) -> Iterator[Row]:
    """Every run that can be found: those listed, those of the project, those in the folders given."""
    try:
        known = [run["folder"] for run in catalogue.runs()]
    except RamifyError as error:
        click.echo(f"ramify: {error}", err=True)
        known = []
    own = os.path.join(project_home(), RUNS)
    targets = [
        *folders,
        *(os.path.join(own, name) for name in (os.listdir(own) if os.path.isdir(own) else ())),
    ]
    for target in targets:
        known += [*runs_in(os.path.join(target, "run")), *runs_in(target)]
    for folder in dict.fromkeys(map(os.path.abspath, known)):
        try:
            view = RunView(folder)
        except RamifyError as error:
            click.echo(f"ramify: left out: {error}", err=True)
            continue
        yield view.name, folder, view.facts, view.end
