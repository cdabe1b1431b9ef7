"""`ramify completion`: the script that teaches a shell to complete commands, runs and job ids."""

from __future__ import annotations

from typing import Any

import click

from ramify.cli.output import json_option, put_json

_HOW = {
    "bash": 'eval "$(ramify completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(ramify completion zsh)"   # in ~/.zshrc',
    "fish": "ramify completion fish | source   # in ~/.config/fish/config.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(_HOW)))
@json_option
def completion(shell: str, as_json: bool) -> None:
    """Print the script that completes commands, options, runs and job ids in SHELL.

    Example: eval "$(ramify completion bash)"
    """
    from click.shell_completion import get_completion_class

    from ramify.cli.app import app

    kind: Any = get_completion_class(shell)
    script = kind(app, {}, "ramify", "_RAMIFY_COMPLETE").source()
    if as_json:
        put_json({"shell": shell, "use": _HOW[shell], "script": script})
    else:
        click.echo(script)
