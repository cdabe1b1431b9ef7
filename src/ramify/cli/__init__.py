"""The command line: one file per command, imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs `ramify` with these arguments (default: those of the process), and exits."""
    import sys

    _fill_standard_streams()
    from ramify.cli.app import run_command
    from ramify.cli.warned import show_plainly

    show_plainly()
    sys.exit(run_command(list(sys.argv[1:] if arguments is None else arguments)))


def _fill_standard_streams() -> None:
    """Where a standard stream was closed (`>&-`), the next file to be opened would take its place."""
    import os
    import sys

    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            file = os.open(os.devnull, os.O_RDWR)
            if file != number:
                os.dup2(file, number)
                os.close(file)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
