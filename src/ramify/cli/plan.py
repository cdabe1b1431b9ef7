"""`ramify plan`: what a run would do with each job, and why; nothing is run, nothing is written."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from ramify.cli.find import complete_target
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.cli.reusing import reuse_options, reuse_words, target_name
from ramify.settings import read_settings


@click.command()
@click.argument("target", shell_complete=complete_target)
@click.option("-o", "--output", type=click.Path(file_okay=False), help="Folder of the run [a new one].")
@reuse_options
@click.option("--all", "every", is_flag=True, help="Tell of every job, however many there are.")
@click.option("--tree", is_flag=True, help="Show what needs what, from the last to the first.")
@verbose_option
@json_option
def plan(
    target: str,
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
    settings = read_settings(flags)
    words = reuse_words(settings, force, force_all, reuse_from)
    show_plan(target, settings.output, words, as_json=as_json, every=every, tree=tree)
    return 0


def show_plan(
    target: str, folder: str | None, words: dict[str, Any], *, as_json: bool, every: bool, tree: bool
) -> None:
    """Judges the target and prints the verdicts."""
    from ramify.cli.target import load_target
    from ramify.dag.preview import preview
    from ramify.show.verdicts import MayGrow, plan_lines, tree_lines

    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        draft = load_target(target)
    found = preview(draft, folder, of=target_name(target), **words)
    if as_json:
        put_json(found.to_dict())
        return
    may_grow = MayGrow(**found.may_grow)
    if tree:
        put_lines(tree_lines(found.verdicts, found.definitions, paint(), may_grow))
    else:
        put_lines(plan_lines(found.verdicts, paint(), every=every, may_grow=may_grow))
