"""`ramify why`: why a job ran, or did not have to; or, given the flow, why it would run now."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import click

from ramify.cli.find import (
    RUN_HELP,
    complete_run,
    complete_target,
    find_run,
    ids_of,
    instance_option,
    instance_said,
)
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.cli.pipeline_options import default_instance
from ramify.cli.reusing import latest_folder, target_name
from ramify.pipeline.folders import instance_of_run


@click.command(epilog=RUN_HELP)
@click.argument("key")
@click.argument("target", required=False, shell_complete=complete_target)
@click.option("--run", "run", shell_complete=complete_run, help="Which run [latest].")
@click.option("-o", "--output", type=click.Path(file_okay=False), help="With TARGET: folder of the outputs.")
@instance_option
@verbose_option
@json_option
def why(key: str, target: str | None, run: str | None, output: str | None, as_json: bool, **_: Any) -> int:
    """Tell why the job KEY ran, or why it did not have to; with TARGET, why it would run now.

    An upstream cause is followed to where it began. KEY may be a part of an id, a group or a pattern, or the
    name of a rule: what it added, or what it waits for.

    Example: ramify why report flow.py
    """
    if target is not None:
        return _now(key, target, output, as_json)
    from ramify.show.why import history_document, history_lines

    view = find_run(run)
    ids = ids_of(view, key, rules=True)
    if as_json:
        put_json({"run": view.name, "jobs": [history_document(view, job_id) for job_id in ids]})
    else:
        put_lines(history_lines(view, ids, paint(), instance_of_run(view.folder)))
    return 0


def _now(key: str, target: str, folder: str | None, as_json: bool) -> int:
    from ramify.cli.target import PipelineTarget, load_any, nothing_written
    from ramify.dag.preview import preview
    from ramify.show.why import verdict_lines, verdicts_document

    with nothing_written(), redirect_stdout(sys.stderr if as_json else sys.stdout):
        draft = load_any(target)
        if isinstance(draft, PipelineTarget):
            from ramify.pipeline.flow import plan_pipeline

            found = plan_pipeline(draft.pipeline, instance_said() or default_instance(draft))
        else:
            found = preview(draft, folder or latest_folder(target), of=target_name(target))
    chosen = found.that_fit(key)
    if as_json:
        put_json(verdicts_document(found, chosen, found.not_followed))
    else:
        put_lines(verdict_lines(found, chosen, paint(), found.not_followed))
    return 0
