"""`ramify accept`: declares outputs that are there good under the present code."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import click

from ramify.cli.find import complete_target, instance_option, instance_said
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.cli.pipeline_options import default_instance
from ramify.cli.reusing import latest_folder
from ramify.errors import ModeError
from ramify.show.text import visible

if TYPE_CHECKING:
    from ramify.dag.accept import Accepted


@click.command()
@click.argument("target", shell_complete=complete_target)
@click.argument("globs", nargs=-1, required=True, metavar="GLOB...")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False), help="Folder of the outputs [of the latest run]."
)
@instance_option
@verbose_option
@json_option
def accept(target: str, globs: tuple[str, ...], output: str | None, as_json: bool, **_: Any) -> int:
    """Declare the outputs of the jobs GLOB good under the present code, arguments and inputs of TARGET.

    For a change that makes no difference: what is accepted is not run again. Nothing is executed. Exits with
    1 where a job could not be accepted. Of a pipeline, -pid is the instance, and GLOB is of keys.

    Example: ramify accept flow.py 'scores/*' -o exp
    """
    from ramify.cli.target import PipelineTarget, load_any

    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        draft = load_any(target)
        if isinstance(draft, PipelineTarget):
            from ramify.pipeline.flow import accept_tasks

            folder = instance_said() or default_instance(draft)
            found = accept_tasks(draft.pipeline, folder, globs)
        else:
            folder, found = _of_graph(draft, target, output, globs)
    if as_json:
        jobs = [{"job_id": f.job_id, "cause": f.cause and f.cause.text, "refusal": f.refusal} for f in found]
        put_json({"folder": os.path.abspath(folder), "jobs": jobs})
    else:
        put_lines(_lines(found))
    return 1 if any(f.refusal for f in found) else 0


def _of_graph(
    draft: Any, target: str, output: str | None, globs: tuple[str, ...]
) -> tuple[str, list[Accepted]]:
    from ramify.dag.accept import accept as declare

    folder = output or latest_folder(target)
    if folder is None:
        raise ModeError(f"{target} has not been run in this project: name its folder with -o", name="output")
    return folder, declare(draft, folder, globs)


def _lines(found: list[Accepted]) -> list[str]:
    pen = paint()
    width = max((len(visible(f.job_id)) for f in found), default=0)
    lines = []
    for one in found:
        if one.refusal:
            mark, told = pen.red("refused "), one.refusal
        elif one.cause is None:
            mark, told = pen.dim("good    "), "it held already"
        else:
            mark, told = pen.green("accepted"), one.cause.text
        lines.append(f"{mark}  {visible(one.job_id).ljust(width)}  {pen.dim(visible(told))}")
    return lines
