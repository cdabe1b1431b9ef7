"""`ramify clean`: removes outputs of a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from ramify.cli.find import instance_on_the_line, instance_option
from ramify.cli.output import json_option, put_json, put_lines, verbose_option
from ramify.errors import JobIdError
from ramify.files.local import remove_tree
from ramify.files.lock import FolderLock
from ramify.plan.folder import read_plan
from ramify.plan.opened import Plan
from ramify.run.assemble import fits
from ramify.run.view import runs_in
from ramify.show.status import shortest
from ramify.show.text import is_terminal, visible
from ramify.stores.folder import FolderStore


@click.command()
@click.argument("words", nargs=-1, metavar="FOLDER [GLOB]...")
@partial(instance_option, told="Folder of a pipeline's instance, instead of FOLDER.")
@click.option("--runs", is_flag=True, help="Remove the journals and logs of all runs too.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@verbose_option
@json_option
def clean(words: Sequence[str], runs: bool, yes: bool, as_json: bool, **_: Any) -> int:
    """Remove the outputs in FOLDER: all of them, or those of the jobs GLOB.

    GLOB is an id, a group or a pattern. The plan stays. Refused while a run is under way. In the instance of
    a pipeline, FOLDER or that of -pid, GLOB is of keys, and the tasks stand as if they had never run.

    Example: ramify clean exp 'scores/*'
    """
    instance = instance_on_the_line()
    if instance is not None:
        return _clean_instance(instance, words, runs, yes, as_json)
    folder, globs = _folder_of(words)
    if os.path.isdir(os.path.join(folder, ".ramify", "@run")):
        return _clean_instance(os.path.abspath(folder), globs, runs, yes, as_json)
    plan = read_plan(folder)
    store = FolderStore(plan.outputs)
    chosen = _chosen(plan, globs)
    there = [job_id for job_id in chosen if store.holds(plan.stored(job_id)) is not None]
    old = runs_in(plan.run_folder) if runs else []
    what = f"{len(there)} of {len(chosen)} outputs" + (f" and {len(old)} runs" if runs else "")
    if not yes and not _agrees(f"Remove {what} in {shortest(folder)}?"):
        if as_json:
            put_json({"removed": [], "runs": []})
        else:
            put_lines([f"would remove {what}; nothing was removed: say --yes"])
        return 0
    _remove(plan, list(globs) and chosen, old)
    if as_json:
        put_json({"removed": there, "runs": [os.path.basename(path) for path in old]})
    else:
        put_lines([f"removed {visible(what)}"])
    return 0


def _folder_of(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The folder that is meant, and the globs after it. What the environment names is not removed by that."""
    if not words:
        raise click.UsageError("say which folder: FOLDER, or -pid FOLDER for the instance of a pipeline")
    if not os.path.isdir(words[0]):
        raise click.UsageError(f"there is no folder {visible(words[0])}")
    return words[0], words[1:]


def _clean_instance(path: str, globs: Sequence[str], runs: bool, yes: bool, as_json: bool) -> int:
    from ramify.pipeline.flow import forget_tasks
    from ramify.pipeline.overview import check_instance, chosen_keys, task_keys

    here = check_instance(path)
    keys = task_keys(here)
    chosen = [key for glob in globs for key in chosen_keys(here, glob)] if globs else keys
    run_folder = os.path.join(here.engine_folder, "run")
    old = runs_in(run_folder) if runs else []
    what = f"{len(chosen)} of {len(keys)} tasks" + (f" and {len(old)} runs" if runs else "")
    if not yes and not _agrees(f"Remove {what} in {shortest(path)}?"):
        chosen, old = [], []
        if not as_json:
            put_lines([f"would remove {what}; nothing was removed: say --yes"])
            return 0
    forget_tasks(path, dict.fromkeys(chosen))
    with FolderLock(run_folder, run="clean"):
        for folder in old:
            remove_tree(folder)
    if as_json:
        put_json({"removed": chosen, "runs": [os.path.basename(folder) for folder in old]})
    else:
        put_lines([f"removed {what}"])
    return 0


def _chosen(plan: Plan, globs: Sequence[str]) -> list[str]:
    ids = plan.job_ids()
    for glob in globs:
        if not any(fits(job_id, (glob,)) for job_id in ids):
            from difflib import get_close_matches

            near = get_close_matches(glob, ids, 3)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {len(ids)} jobs"
            raise JobIdError(f"no job of {plan.path} fits {glob!r}: {hint}", job_id=glob, near=near)
    return [job_id for job_id in ids if not globs or fits(job_id, globs)]


def _remove(plan: Plan, jobs: list[str], runs: list[str]) -> None:
    from ramify.dag.outputs import clear_outputs

    clear_outputs(plan.path, jobs or None)
    with FolderLock(plan.run_folder, run="clean"):
        for path in runs:
            remove_tree(path)


def _agrees(question: str) -> bool:
    return is_terminal(sys.stdin) and is_terminal(sys.stdout) and click.confirm(question)
