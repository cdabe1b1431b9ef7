"""The flags that say what of earlier runs may count: the same words in `ramify run` and `ramify plan`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from ramify.errors import ModeError
from ramify.settings import REUSES, Settings, project_home

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("-f", "--force", multiple=True, metavar="GLOB", help="Run these jobs whatever is there."),
    click.option("-F", "--force-all", is_flag=True, help="Run every job whatever is there."),
    click.option("--reuse", type=click.Choice(REUSES), help="What of earlier runs may count [auto]."),
    click.option(
        "--reuse-from",
        multiple=True,
        type=click.Path(exists=True, file_okay=False),
        help="Whose results may count, besides those in the folder [this project's].",
    ),
    click.option(
        "--skip-completed", is_flag=True, default=None, help="Reuse the outputs in the folder, no others."
    ),
    click.option(
        "--keep-stale", is_flag=True, default=None, help="Keep outputs although what made them changed."
    ),
)


def reuse_options(command: _Command) -> _Command:
    """`--force`, `--reuse` and the others."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def reuse_words(settings: Settings, force: tuple[str, ...], all_of_them: bool, whose: tuple[str, ...]) -> Any:
    """What `evaluate` and `plan` are told: `reuse`, `skip_completed`, `force`, `reuse_from`."""
    if settings.keep_stale and settings.skip_completed:
        raise ModeError("--keep-stale keeps what is there, --skip-completed what still holds: say only one")
    kept = "exists" if settings.keep_stale else settings.reuse
    return {
        "reuse": None if settings.skip_completed else kept,
        "skip_completed": settings.skip_completed,
        "force": ["*"] if all_of_them else list(force),
        "reuse_from": [os.path.abspath(path) for path in whose] or None,
    }


def target_name(target: str) -> str:
    """What a run is of, the same from every folder: an absolute path and a name, or a module and a name."""
    place, colon, name = target.partition(":")
    if place.endswith(".py") or os.path.isfile(place):
        return f"{os.path.abspath(place)}{colon}{name}"
    return target


def latest_folder(target: str) -> str | None:
    """The folder that the latest run of a target evaluated into; None where it has not been run."""
    from ramify.catalogue import open_catalogue

    wanted = target_name(target)
    for run in open_catalogue(project_home()).runs():
        if run["facts"].get("target") == wanted and os.path.isdir(run["folder"]):
            return os.path.dirname(os.path.dirname(str(run["folder"])))
    return None
