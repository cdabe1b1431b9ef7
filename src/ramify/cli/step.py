"""`ramify step`: goes on with a run whose graph grows, one decision at a time."""

from __future__ import annotations

import sys
from typing import Any

import click

from ramify.cli.find import RUN_HELP, complete_run, find_run
from ramify.cli.output import json_option, verbose_option
from ramify.cli.resume import driver_options, go_on
from ramify.run.approving import Proposal

_ANSWERS = {"y": "approve", "n": "refuse", "l": "defer"}


@click.command(epilog=RUN_HELP)
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("-N", "--growths", type=click.IntRange(0), help="Stop after so many growths [ask about each].")
@click.option("--starts", is_flag=True, help="Ask about the start of each job as well.")
@driver_options
@verbose_option
@json_option
def step(run: str | None, growths: int | None, starts: bool, as_json: bool, **flags: Any) -> int:
    """Let a graph with rules grow step by step.

    Goes on with a run, as `ramify resume` does, and asks before each growth: y adds it, n never does, l asks
    again later, q leaves the run as it is. A run that is to be stepped through from its beginning is started
    with `ramify run --max-growths 0`.

    Nothing is taken back from a graph. To go another way from some point on, run the flow anew with
    `--max-growths` of what stays, which is reused, and step on from there.

    Example: ramify step latest
    """
    view = find_run(run)
    more: dict[str, Any] = {"max_growths": growths}
    if growths is None:
        more["approve"] = Asker(starts)
    return go_on(view, flags, as_json=as_json, more=more)


class Asker:
    """Puts every proposal to whoever is at the keyboard; where nobody is, nothing is approved."""

    def __init__(self, starts: bool) -> None:
        self.starts = starts
        self.is_over = False

    def __call__(self, proposal: Proposal) -> str:
        """The word for a proposal."""
        if proposal.kind == "start" and not self.starts and not self.is_over:
            return "approve"
        if self.is_over:
            return "refuse" if proposal.kind == "growth" else "approve"
        while True:
            click.echo(f"{proposal} [y/n/l/q] ", nl=False, err=True)
            line = sys.stdin.readline()
            answer = line.strip().lower()[:1]
            if not line or answer == "q":
                click.echo("left as it is" if line else "", err=True)
                self.is_over = True
                return self(proposal)
            if answer in _ANSWERS:
                return _ANSWERS[answer]
