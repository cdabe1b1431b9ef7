"""`ramify worker`: one job of a plan in this process, as every back end calls it."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout

import click

from ramify.cli.output import json_option, put_json, verbose_option


@click.command()
@click.argument("words", nargs=-1, metavar="[PLAN KEY]")
@verbose_option
@json_option
def worker(words: tuple[str, ...], as_json: bool, verbose: bool | None) -> int:
    """Run one job of a plan in this process, and put its output in place.

    Without arguments RAMIFY_PLAN_DIR and RAMIFY_JOB_ID say which; for a member of an array,
    RAMIFY_JOB_IDS_JSON and the index in AWS_BATCH_JOB_ARRAY_INDEX or SLURM_ARRAY_TASK_ID, counted from 0.
    Exit code 0: the job succeeded, 1: it failed, 2: there is no such job, or nothing says which.

    Example: ramify worker exp/plan scores/m1/train
    """
    from ramify.worker.command import worker_main

    if not as_json:
        return worker_main(list(words))
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)  # what the job prints is no part of the document
    try:
        with redirect_stdout(sys.stderr):
            code = worker_main(list(words))
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    put_json({"arguments": list(words), "succeeded": code == 0, "exit_code": code})
    return code
