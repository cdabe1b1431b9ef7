"""`ramify status` of a pipeline: its tasks by group, what is wrong by kind, what to type next."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ramify.cli.output import paint
from ramify.cli.pipeline_failures import command_on, failure_blocks, kinds_of
from ramify.cli.pipeline_options import group_of_keys, name_of_task
from ramify.run.view import RunView
from ramify.show.status import status_document, status_lines
from ramify.show.triage import triage_document


def pipeline_document(view: RunView, instance: str, with_jobs: bool) -> dict[str, Any]:
    """The run, how many tasks are in which state, the kinds of failures, and with `with_jobs` each task."""
    from ramify.pipeline.overview import check_instance, states_of

    states = states_of(check_instance(instance))
    told: dict[str, Any] = {
        **status_document(view, with_jobs, group_of_keys(None)),
        "instance": instance,
        "states": Counter(state.name for state in states.values()),
        "signatures": triage_document(kinds_of(instance)),
    }
    if with_jobs:
        told["tasks"] = {key: str(state) for key, state in states.items()}
    return told


def pipeline_lines(view: RunView, instance: str, failed: bool) -> list[str]:
    """What `ramify status` prints; with `failed` the failures by kind, instead of the groups."""
    pen = paint()
    lines = status_lines(view, pen, False, group_of_keys(None), name_of_task)
    if failed:
        lines = lines[:3]  # its head
        told = failure_blocks(view, instance, pen, most=20)
        lines += ["", *told[:-1]] if told else [pen.dim("no task failed")]
    if view.status == "LOST":
        lines += ["", pen.red("Its driver ended without a word (killed, or the machine went down).")]
        lines += [f"Tasks that it left may run on; to go on: {pen.cyan(command_on(instance, 'resume'))}"]
    elif view.status == "CANCELLED":
        lines += ["", f"{pen.dim('rest')}  {pen.cyan(command_on(instance, 'resume'))}"]
    elif view.status == "FAILED":
        again = command_on(instance, *(["restart", "*"] if kinds_of(instance) else ["resume"]))
        lines += ["", f"{pen.dim('rest')}  {pen.cyan(again)}"]
        if not failed:
            lines += [f"{pen.dim('why')}   {pen.cyan(command_on(instance, 'status', '--failed'))}"]
    return lines
