"""What commands share in saying things: one JSON document, or lines, coloured where that is wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import click

from ramify.show.text import Paint, wants_colour

_Command = TypeVar("_Command", bound=Callable[..., Any])


RETRIES_HELP: Final = "More attempts for a job that failed: 3, or limit=3,backoff=5s,factor=2,policy=OnError"


def json_option(command: _Command) -> _Command:
    """`--json`, which every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document and nothing else.")(
        command
    )


def verbose_option(command: _Command) -> _Command:
    """`-v`, which adds tracebacks to errors."""
    more = click.option("--v", "--vv", "verbose", is_flag=True, default=None, hidden=True)
    shown = click.option("-v", "--verbose", is_flag=True, default=None, help="Show tracebacks of errors.")
    return shown(more(command))


def put_json(document: Any) -> None:
    """Prints one JSON document."""
    import json

    click.echo(json.dumps(document, indent=2, default=str))


def put_lines(lines: Iterable[str], err: bool = False) -> None:
    """Prints lines as they are: what must not reach a terminal was taken out where they were made."""
    text = "".join(f"{line}\n" for line in lines)
    click.echo(text, nl=False, err=err, color=True)


def paint(err: bool = False) -> Paint:
    """Colour for standard output, or for standard error."""
    return Paint(wants_colour(sys.stderr if err else sys.stdout))


def hush(err: bool = False) -> None:
    """Nobody reads what is printed, or it cannot be kept: from now on, and at the exit, it goes nowhere."""
    import os

    stream = sys.stderr if err else sys.stdout
    file = os.open(os.devnull, os.O_WRONLY)
    os.dup2(file, stream.fileno())
    os.close(file)
