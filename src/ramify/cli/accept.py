"""`ramify accept`: declares outputs that are there good under the present code."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from ramify.cli.find import complete_target
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.cli.pipeline_options import (
    default_instance,
    instance_flag,
    is_on_the_line,
    pipeline_flag,
    refuse_flags,
)
from ramify.cli.reusing import latest_folder
from ramify.errors import ModeError
from ramify.show.text import padded, visible, width

if TYPE_CHECKING:
    from ramify.cli.target import PipelineTarget


@click.command()
@click.argument("words", nargs=-1, metavar="TARGET GLOB...", shell_complete=complete_target)
@pipeline_flag
@click.option(
    "-o", "--output", type=click.Path(file_okay=False), help="Folder of the outputs [of the latest run]."
)
@instance_flag
@verbose_option
@json_option
def accept(
    words: tuple[str, ...],
    pipeline: str | None,
    output: str | None,
    instance: str | None,
    as_json: bool,
    **_: Any,
) -> int:
    """Declare the outputs of the jobs GLOB good under the present code, arguments and inputs of TARGET.

    For a change that makes no difference: what is accepted is not run again. Nothing is executed. Of a
    pipeline GLOB is of the keys of tasks. Exits with 1 where a job could not be accepted.

    Example: ramify accept flow.py 'scores/*' -o exp
    """
    from ramify.cli.target import PipelineTarget, load_any
    from ramify.dag.accept import accept as declare

    target, globs = _what(words, pipeline)

    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        draft = load_any(target)
        if isinstance(draft, PipelineTarget):
            refuse_flags(f"{target} is a pipeline", ("output",))
            folder = os.path.abspath(instance or default_instance(draft))
            found = _tasks(draft, folder, globs)
        else:
            refuse_flags(f"{target} is a graph", ("instance",))
            folder = output or latest_folder(target) or ""
            if not folder:
                told = f"{target} has not been run in this project: name its folder with -o"
                raise ModeError(told, name="output")
            found = declare(draft, folder, globs)
    if as_json:
        jobs = [{"job_id": f.job_id, "cause": f.cause and f.cause.text, "refusal": f.refusal} for f in found]
        put_json({"folder": os.path.abspath(folder), "jobs": jobs})
    else:
        put_lines(_lines(found))
    return 1 if any(f.refusal for f in found) else 0


def _what(words: tuple[str, ...], pipeline: str | None) -> tuple[str, tuple[str, ...]]:
    """The target, and the globs: all words where -p says the target."""
    if pipeline is not None and is_on_the_line("pipeline"):
        words = (pipeline, *words)
    if len(words) < 2:
        raise click.UsageError("say of what, and which jobs: TARGET GLOB...")
    return words[0], words[1:]


def _tasks(target: PipelineTarget, folder: str, globs: tuple[str, ...]) -> list[Any]:
    from ramify.cli.target import guarded
    from ramify.pipeline.flow import accept_tasks
    from ramify.pipeline.overview import check_instance, chosen_keys

    here = check_instance(folder)
    keys = [key for glob in globs for key in chosen_keys(here, glob)]
    return list(guarded(lambda: accept_tasks(target.pipeline, folder, keys), "calling the generator"))


def _lines(found: list[Any]) -> list[str]:
    pen = paint()
    most = max((width(visible(f.job_id)) for f in found), default=0)
    lines = []
    for one in found:
        if one.refusal:
            mark, told = pen.red("refused "), one.refusal
        elif one.cause is None:
            mark, told = pen.dim("good    "), "it held already"
        else:
            mark, told = pen.green("accepted"), one.cause.text
        lines.append(f"{mark}  {padded(visible(one.job_id), most)}  {pen.dim(visible(told))}")
    return lines
