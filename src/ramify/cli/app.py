"""The command `ramify`: which commands there are, and how an error ends as one message and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from ramify.cli.output import hush
from ramify.errors import (
    ArgumentError,
    ControlError,
    DraftError,
    GraphError,
    InfrastructureError,
    JobError,
    JobIdError,
    JournalError,
    LockedError,
    ModeError,
    OutputsExistError,
    PlanError,
    RamifyError,
    RamifyKeyEncodingError,
    RunOverError,
    StorageError,
    TargetError,
    UnknownKeyError,
    UnknownRunError,
    UnpicklableError,
)

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INVALID: Final = 3
LOST: Final = 4
RUNNING: Final = 5
INTERRUPTED: Final = 130
TERMINATED: Final = 143

COMMANDS: Final = {
    "run": "Run a flow: every job of it that does not hold already.",
    "plan": "Tell what a run would do with each job, and why.",
    "why": "Tell why a job ran, or did not have to.",
    "status": "Tell how a run stands, by group.",
    "cancel": "Give up a run that goes on, or jobs of it.",
    "retry": "Try failed and cancelled jobs of a run again.",
    "resume": "Go on with a run that was killed, cancelled or failed.",
    "step": "Let a graph with rules grow step by step.",
    "accept": "Declare outputs good under the present code.",
    "logs": "Print what jobs wrote.",
    "ls": "List the runs of this project.",
    "show": "Show an output as a person wants to see it.",
    "graph": "Draw the graph of a run, at any moment of it or as it grew.",
    "compare": "Tell what differs between two runs.",
    "clean": "Remove outputs of a folder.",
    "gc": "Remove what no plan and no run names any more.",
    "demo": "Analyse Python's own sources: a first run in half a minute.",
    "doctor": "Check whether this machine has what a run needs.",
    "worker": "Run one job of a plan in this process.",
    "completion": "Print the completion script of a shell.",
}
"""Every command and its one line of help. Each is `ramify.cli.NAME:NAME`, imported when it is called."""

_HIDDEN: Final = {"list": "ls", "log": "logs", "st": "status"}

_CODES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (LockedError, RUNNING),
    (JobIdError, USAGE),
    (UnknownRunError, USAGE),
    (UnknownKeyError, USAGE),
    (OutputsExistError, USAGE),
    (ModeError, USAGE),
    (RunOverError, USAGE),
    (ControlError, USAGE),
    (TargetError, INVALID),
    (GraphError, INVALID),
    (DraftError, INVALID),
    (ArgumentError, INVALID),
    (UnpicklableError, INVALID),
    (PlanError, INVALID),
    (RamifyKeyEncodingError, INVALID),
    (StorageError, LOST),
    (InfrastructureError, LOST),
    (JournalError, LOST),
    (JobError, FAILED),
    (RamifyError, FAILED),
)
"""The exit code of each error; the first that fits."""


class Commands(click.Group):
    """A group that imports a command when it is called, and lists them without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, by its older name too; None where there is none."""
        name = _HIDDEN.get(cmd_name, cmd_name)
        if name not in COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = getattr(import_module(f"ramify.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As usual; a file in the place of a command is most likely meant to be run."""
        if args and args[0] not in COMMANDS and args[0].partition(":")[0].endswith(".py"):
            ctx.fail(f"no command {args[0]!r}: did you mean `ramify run {args[0]}`?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As usual; whoever reads may go before the end (`ramify ls | head`), and that is no failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            hush()
            return OK

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, as it stands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from ramify._version import __version__

        click.echo(f"ramify {__version__}")
        ctx.exit()


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 all that was wanted succeeded, 1 a job failed, 2 usage, 3 the plan is invalid, "
    "4 infrastructure lost, 5 already running, 130 and 143 on signals.",
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Say which."
)
def app() -> None:
    """Run directed acyclic graphs of work.

    Example: ramify run flow.py
    """


def run_command(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code; errors are one message on standard error."""
    try:
        code = app.main(args=list(arguments), prog_name="ramify", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else OK
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except click.ClickException as error:
        error.show()
        _as_json(arguments, error, error.format_message())
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        hush()
        return OK
    except RamifyError as error:
        return tell(arguments, error)
    except OSError as error:
        return tell(arguments, error)
    except Exception as error:
        return _bug(arguments, error)


def tell(arguments: Sequence[str], error: Exception) -> int:
    """Prints an error as one message, its traceback with `-v`, and returns the exit code for it."""
    if _is_verbose(arguments):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    message = message_of(error)
    click.echo(f"ramify: {message}", err=True)
    _as_json(arguments, error, message)
    return code_of(error)


def _bug(arguments: Sequence[str], error: Exception) -> int:
    """What no part of Ramify foresaw: everything that is known is printed, for the report."""
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    click.echo("ramify: this is a bug in Ramify; please report the lines above", err=True)
    _as_json(arguments, error, f"bug: {type(error).__name__}: {error}")
    return LOST


def message_of(error: Exception) -> str:
    """What is said of an error, in the words of the command line, and safe to print."""
    from ramify.show.text import visible

    message = getattr(error, "message", None) or str(error) or type(error).__name__
    if isinstance(error, OutputsExistError):
        message = f"{message} (on the command line: --skip-completed)"
    notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", []))
    told = getattr(error, "traceback_text", "")
    return visible(f"{message}{notes}" + (f"\n{told.rstrip()}" if told else ""))


def code_of(error: BaseException) -> int:
    """The exit code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), LOST)


def _as_json(arguments: Sequence[str], error: Exception, message: str) -> None:
    """With `--json` there is one document on standard output, whatever happens."""
    if "--json" in arguments:
        import json

        code = USAGE if isinstance(error, click.ClickException) else code_of(error)
        told: dict[str, Any] = {"type": type(error).__name__, "message": message, "exit_code": code}
        try:
            click.echo(json.dumps({"error": told}, indent=2))
        except OSError:  # it was said on standard error; the exit code says it too
            hush()


def _is_verbose(arguments: Sequence[str]) -> bool:
    import os

    short = any(word[:1] == "-" and word[:2] != "--" and "v" in word for word in arguments)
    return short or "--verbose" in arguments or os.environ.get("RAMIFY_VERBOSE", "") not in ("", "0", "false")
