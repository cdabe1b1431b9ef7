"""`ramify plan`: what a run would do with each job, and why; nothing is run, nothing is written."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any, NamedTuple

import click

from ramify.cli.find import complete_target
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.cli.pipeline_options import default_instance, instance_flag, pipeline_flag
from ramify.cli.reusing import reuse_options, reuse_words, target_name
from ramify.settings import read_settings


class Place(NamedTuple):
    """Where the run would be, and how much of it is to be told. `restarts`: tasks that failed go on."""

    folder: str | None
    instance: str | None = None
    until: tuple[str, ...] = ()
    every: bool = False
    tree: bool = False
    restarts: bool = False


@click.command()
@click.argument("target", required=False, shell_complete=complete_target)
@pipeline_flag
@instance_flag
@click.option("--until", multiple=True, metavar="GLOB", help="Jobs not to start, nor what needs them.")
@click.option("-o", "--output", type=click.Path(file_okay=False), help="Folder of the run [a new one].")
@reuse_options
@click.option("--all", "every", is_flag=True, help="Tell of every job, however many there are.")
@click.option("--tree", is_flag=True, help="Show what needs what, from the last to the first.")
@verbose_option
@json_option
def plan(
    target: str | None,
    pipeline: str | None,
    instance: str | None,
    until: tuple[str, ...],
    force: tuple[str, ...],
    force_all: bool,
    reuse_from: tuple[str, ...],
    every: bool,
    tree: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Tell what `ramify run` would do with each job, and why.

    RUN: it will run. MAYBE: it runs only if what it needs comes out differently. LOAD: its output stands, and
    something that runs reads it. REUSE: its output stands. What rules, and jobs that say `may_add`, will add
    is not known before they do: they are named below as what may grow. The flags are those of `ramify run`.

    Example: ramify plan flow.py -o exp
    """
    target = target or pipeline
    if target is None:
        raise click.UsageError("say of what: file.py:name or module:name")
    settings = read_settings(flags)
    words = reuse_words(settings, force, force_all, reuse_from)
    show_plan(target, Place(settings.output, instance, until, every, tree), words, as_json=as_json)
    return 0


def show_plan(target: str, place: Place, words: dict[str, Any], *, as_json: bool) -> None:
    """Judges the target and prints the verdicts."""
    from ramify.cli.target import nothing_written

    with nothing_written():
        _show_plan(target, place, words, as_json)


def _show_plan(target: str, place: Place, words: dict[str, Any], as_json: bool) -> None:
    from ramify.cli.target import PipelineTarget, load_any
    from ramify.dag.preview import preview
    from ramify.show.verdicts import MayGrow, plan_lines, tree_lines

    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        draft = load_any(target)
    if isinstance(draft, PipelineTarget):
        from ramify.cli.pipeline_run import show_pipeline_plan

        show_pipeline_plan(
            draft,
            place._replace(instance=place.instance or default_instance(draft)),
            force=words["force"],
            as_json=as_json,
        )
        return
    found = preview(draft, place.folder, of=target_name(target), until=place.until, **words)
    if as_json:
        put_json(found.to_dict())
        return
    may_grow = MayGrow(**found.may_grow)
    if place.tree:
        put_lines(tree_lines(found.verdicts, found.definitions, paint(), may_grow))
    else:
        put_lines(plan_lines(found.verdicts, paint(), every=place.every, may_grow=may_grow))
