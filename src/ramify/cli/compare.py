"""`ramify compare`: what differs between two runs."""

from __future__ import annotations

from typing import Any

import click

from ramify.cli.find import RUN_HELP, complete_run, find_run
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.run.compare import compare as differences
from ramify.show.comparison import comparison_document, comparison_lines


@click.command(epilog=RUN_HELP.replace("RUN is", "A and B are runs: each is"))
@click.argument("first", metavar="A", shell_complete=complete_run)
@click.argument("second", metavar="B", default="latest", shell_complete=complete_run)
@click.option("--all", "every", is_flag=True, help="List the jobs that are the same too.")
@verbose_option
@json_option
def compare(first: str, second: str, every: bool, as_json: bool, **_: Any) -> None:
    """Tell what differs between the runs A and B: arguments, code, outputs by digest, times.

    B is the latest run if it is not given. Jobs that are the same in both are left out.

    Example: ramify compare calm-otter latest
    """
    found = differences(find_run(first), find_run(second))
    if as_json:
        put_json(comparison_document(found))
    else:
        put_lines(comparison_lines(found, paint(), every=every))
