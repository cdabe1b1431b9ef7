"""The command line: one file per command, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs `ramify` with these arguments (default: those of the process), and exits."""
    import sys

    from ramify.cli.app import run_command

    sys.exit(run_command(list(sys.argv[1:] if arguments is None else arguments)))
