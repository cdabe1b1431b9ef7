"""Writes docs/_generated/cli.md: every command of `ramify` with its arguments and options, as click has them.

With `--check` it writes nothing and exits with 1 when the page no longer says what the commands do.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from ramify.cli.app import COMMANDS, app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "_generated" / "cli.md"


def main(arguments: list[str]) -> int:
    """Writes the page, or checks it. Returns the exit code."""
    text = "\n\n".join(section(name) for name in COMMANDS) + "\n"
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    print("docs/_generated/cli.md:", "stale" if "--check" in arguments else "written")
    if "--check" in arguments:
        return 1
    PAGE.write_text(text)
    return 0


def section(name: str) -> str:
    """One command: how it is called, what it does, an example, its options."""
    context = click.Context(app, info_name="ramify")
    command = app.get_command(context, name)
    assert command is not None, "the table of commands leads to each of them"
    own = click.Context(command, parent=context, info_name=name, max_content_width=200)
    usage = " ".join([own.command_path, *command.collect_usage_pieces(own)])
    *paragraphs, example = [part for part in (command.help or "").split("\n\n") if part.strip()]
    told = [_joined(part) for part in (*paragraphs, command.epilog) if part]
    options = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    rows = [option.get_help_record(own) for option in options]
    table = ["| option | what it does |", "|---|---|", *(_row(*row) for row in rows if row)]
    shell = f"```console\n$ {' '.join(example.split()).removeprefix('Example: ')}\n```"
    return "\n\n".join([f"## ramify {name}", f"`{usage}`", *told, shell, "\n".join(table)])


def _joined(text: str) -> str:
    """In one line, with options as code: two dashes would become one long one."""
    plain = " ".join(text.split()).replace("<", "&lt;")
    return re.sub(r"(?<![`\w-])--[a-z][a-z-]*", lambda found: f"`{found.group()}`", plain)


def _row(option: str, told: str) -> str:
    """A row of the table, without click's notes on ranges."""
    cells = option.replace(" RANGE", ""), _joined(re.sub(r"\s*\[x>=?\d+\]|; x>=?\d+(?=\])", "", told))
    return "| `{}` | {} |".format(*(cell.replace("|", "\\|") for cell in cells))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
