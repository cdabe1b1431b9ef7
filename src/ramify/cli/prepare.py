"""`ramify prepare`: the tasks of a pipeline, made and not run."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import nullcontext, redirect_stdout
from typing import Any

import click

from ramify.cli.find import complete_target
from ramify.cli.output import json_option, put_json, put_lines, verbose_option
from ramify.cli.pipeline_options import default_instance, instance_flag, pipeline_flag, sleep_flag
from ramify.show.text import visible


@click.command()
@click.argument("target", required=False, shell_complete=complete_target)
@pipeline_flag
@instance_flag
@click.option("--until", multiple=True, metavar="GLOB", hidden=True)
@sleep_flag
@click.option("-n", "--dry-run", is_flag=True, help="Make nothing: list the tasks.")
@verbose_option
@json_option
def prepare(
    target: str | None, pipeline: str | None, instance: str | None, dry_run: bool, as_json: bool, **_: Any
) -> int:
    """Make the folders of all tasks of a pipeline that are known now, and run none.

    Each gets its state: ready, or waiting for others. What the generator waits for is made later, by a run.

    Example: ramify prepare flow.py:flow -pid data/run1
    """
    from ramify.cli.target import guarded, load_pipeline, nothing_written
    from ramify.dag.evaluate import refuse_if_running
    from ramify.pipeline import flow

    said = target or pipeline
    if said is None:
        raise click.UsageError("say what to prepare: file.py:name or module:name")
    quiet = nothing_written() if dry_run else nullcontext()
    with quiet, redirect_stdout(sys.stderr if as_json else sys.stdout):
        found = load_pipeline(said)
        folder = os.path.abspath(instance or default_instance(found))
        refuse_if_running(flow.places_in(folder)[0])
        act = flow.sweep_of if dry_run else flow.prepare
        made = guarded(lambda: act(found.pipeline, folder), f"the generator {found.pipeline.name}")
    states = _states(folder, list(made[0].definitions) if dry_run else [one.key for one in made])
    if as_json:
        put_json({"instance": folder, "tasks": states})
        return 0
    put_lines([f"{visible(key)}  {state}" for key, state in states.items()] if dry_run else [])
    told = ", ".join(f"{number} {name}" for name, number in Counter(states.values()).items())
    count = f"{len(states)} task{'' if len(states) == 1 else 's'}"
    put_lines([f"{count} in {visible(folder)}: {told}"])
    return 0


def _states(folder: str, keys: list[str]) -> dict[str, str]:
    from ramify.pipeline.instance import Instance

    here = Instance(folder)
    found = {key: here.task(key).state() for key in keys}
    return {key: "new" if state is None else str(state) for key, state in found.items()}
