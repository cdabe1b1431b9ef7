"""`ramify step`: goes on with a run whose graph grows, one decision at a time."""

from __future__ import annotations

import os
from typing import Any, Final

import click

from ramify.cli.find import RUN_HELP, complete_run, find_run
from ramify.cli.output import json_option, verbose_option
from ramify.cli.resume import driver_options, go_on
from ramify.run.approving import Proposal
from ramify.show.text import visible

_ANSWERS: Final = {"y": "approve", "n": "refuse", "l": "defer"}
_STDIN: Final = 0


@click.command(epilog=RUN_HELP)
@click.argument("run", required=False, shell_complete=complete_run)
@click.option("-N", "--growths", type=click.IntRange(0), help="Stop after so many growths [ask about each].")
@click.option("--starts", is_flag=True, help="Ask about the start of each job as well.")
@driver_options
@verbose_option
@json_option
def step(run: str | None, growths: int | None, starts: bool, as_json: bool, **flags: Any) -> int:
    """Let a graph with rules grow step by step.

    Goes on with a run, as `ramify resume` does, and asks before each growth: y adds it, n does not as long
    as this command goes on, l asks again later, q leaves the rest as it is. A run that is to be stepped
    through from its beginning is started with `ramify run --max-growths 0`.

    Nothing is taken back from a graph. To go another way from some point on, run the flow anew with
    `--max-growths` of what stays, which is reused, and step on from there.

    Example: ramify step latest
    """
    if starts and growths is not None:
        raise click.UsageError("--growths asks nothing: give it without --starts")
    view = find_run(run)
    if growths is not None:
        return go_on(view, flags, as_json=as_json, more={"max_growths": growths})
    return go_on(view, flags, as_json=as_json, more={"approve": Asker(starts)}, watched=False)


class Asker:
    """Puts every proposal to whoever is at the keyboard; where nobody is, nothing is approved.

    Answers are read from the file itself: a thread that sleeps in `sys.stdin` holds its lock, and Python
    cannot end well then.
    """

    def __init__(self, starts: bool) -> None:
        self.starts = starts
        self.is_over = False
        self._read = b""

    def __call__(self, proposal: Proposal) -> str:
        """The word for a proposal."""
        if proposal.kind == "start" and not self.starts:
            return "approve"
        while not self.is_over:
            click.echo(f"{visible(str(proposal))} [y/n/l/q] ", nl=False, err=True)
            line = self._line()
            if line is None or not os.isatty(_STDIN):
                click.echo("" if line is None else visible(line), err=True)
            answer = "q" if line is None else line.strip().lower()[:1]
            if answer in _ANSWERS:
                return _ANSWERS[answer]
            if answer == "q":
                self.is_over = True
                click.echo("the rest stays as it is: `ramify step` asks again", err=True)
            else:
                click.echo("y: yes, n: no, l: later, q: leave the rest as it is", err=True)
        return "stop"

    def _line(self) -> str | None:
        """The next line that was typed; None at the end."""
        while b"\n" not in self._read:
            data = os.read(_STDIN, 4096)
            if not data:
                break
            self._read += data
        line, newline, self._read = self._read.partition(b"\n")
        return line.decode("utf-8", "replace") if line or newline else None
