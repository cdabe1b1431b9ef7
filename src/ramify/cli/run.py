"""`ramify run`: loads a flow, runs it, and says how it went and what to type next."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any, Final

import click

from ramify.cli.ending import Ending, shortened
from ramify.cli.find import complete_target
from ramify.cli.output import RETRIES_HELP, json_option, paint, verbose_option
from ramify.cli.pipeline_options import (
    default_instance,
    instance_flag,
    pipeline_flag,
    refuse_flags,
    sleep_flag,
)
from ramify.cli.pipeline_wishes import Wishes
from ramify.cli.plan import Place, show_plan
from ramify.cli.reusing import reuse_options, reuse_words, target_name
from ramify.errors import RamifyError
from ramify.settings import MODES, RUNS, Settings, project_home, read_settings

if TYPE_CHECKING:
    from ramify.cli.pipeline_run import PipelineRun
    from ramify.cli.target import PipelineTarget

PIPELINE_FLAGS: Final = ("restart_failed", "reset_failed", "sleep_schedule", "instance")
GRAPH_FLAGS: Final = (
    "output", "mode", "timeout", "reuse", "reuse_from", "skip_completed", "strict", "max_growths"
)  # fmt: skip

_FLAGS: Final = {
    "jobs": "-j",
    "mode": "--mode",
    "retries": "--retries",
    "timeout": "--timeout",
    "deadline": "--deadline",
    "profile": "--profile",
    "reuse": "--reuse",
}


@click.command()
@click.argument("target", required=False, shell_complete=complete_target)
@pipeline_flag
@instance_flag
@click.option("--until", multiple=True, metavar="GLOB", help="Jobs not to start, nor what needs them.")
@click.option("--restart-failed", is_flag=True, help="Failed tasks go on at their step.")
@click.option("--reset-failed", is_flag=True, help="Failed tasks begin anew, with no outputs.")
@sleep_flag
@click.option(
    "-o", "--output", type=click.Path(file_okay=False), help="Folder of the run [.ramify/@runs/NAME]."
)
@click.option("-j", "--jobs", type=click.IntRange(1), help="Jobs at a time [number of cores].")
@click.option("-k", "--keep-going", is_flag=True, default=None, help="After a failure go on with the rest.")
@click.option("--mode", type=click.Choice(MODES), help="Where a job runs [subprocess].")
@click.option("--retries", metavar="N|WORDS", help=f"{RETRIES_HELP} [0].")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Most seconds of one attempt.")
@click.option("--deadline", type=click.FloatRange(0, min_open=True), help="Most seconds of the whole run.")
@reuse_options
@click.option("--strict", is_flag=True, default=None, help="A rule that never fires is a failure.")
@click.option("--max-growths", type=click.IntRange(0), help="Rules fire so many times, and no more.")
@click.option("-n", "--dry-run", is_flag=True, help="Run nothing: tell what would run, and why.")
@click.option("--name", help="Name of the run [a new one].")
@click.option("--profile", help="Settings of [tool.ramify.profiles.NAME].")
@click.option("-q", "--quiet", is_flag=True, default=None, help="Print failures only.")
@verbose_option
@json_option
def run(
    target: str | None,
    pipeline: str | None,
    instance: str | None,
    until: tuple[str, ...],
    restart_failed: bool,
    reset_failed: bool,
    sleep_schedule: tuple[float, ...] | None,
    name: str | None,
    force: tuple[str, ...],
    force_all: bool,
    reuse_from: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    max_growths: int | None,
    **flags: Any,
) -> int:
    """Run a flow: every job of TARGET, in order and side by side; what still holds is not run again.

    TARGET is file.py:name or module:name: a DAG, a ParametrizedJob, a pipeline, a function without parameters
    that returns one, or the generator of a pipeline. `file.py` alone will do where it has one DAG, or one
    called `dag`, or one pipeline. A pipeline runs in a folder, its instance: that of -pid, else ./NAME; after
    a failure it goes on with the rest, and -v tells each task.

    Example: ramify run flow.py -j 4
    """
    target = target or pipeline
    if target is None:
        raise click.UsageError("say what to run: file.py:name or module:name")
    settings = read_settings(flags)
    wishes = Wishes(settings.jobs, until, restart_failed, reset_failed, sleeps=sleep_schedule or ())
    words = reuse_words(settings, force, force_all, reuse_from)
    if dry_run:
        restarts = restart_failed or reset_failed
        place = Place(settings.output, instance, until, every=settings.verbose, restarts=restarts)
        show_plan(target, place, words, as_json=as_json)
        return 0
    words = {**words, "strict": settings.strict, "max_growths": max_growths}
    said = {flag: value for flag, value in flags.items() if value is not None}
    return Flow(target, name, settings, said, words, as_json).carry_out(wishes, instance)


class Flow:
    """One call of `ramify run`."""

    def __init__(
        self,
        target: str,
        name: str | None,
        settings: Settings,
        flags: dict[str, Any],
        words: dict[str, Any],
        as_json: bool,
    ) -> None:
        from ramify.run.limits import cores

        self.target = target
        self.settings = settings
        self.flags = flags
        self.as_json = as_json
        self.given_name = name
        self.until: Sequence[str] = ()
        self.name = name or _new_name()
        self.folder = settings.output or os.path.join(project_home(), RUNS, self.name)
        self.ending = RunEnding(self, quiet=settings.quiet or as_json)
        self.options: dict[str, Any] = {
            "name": self.name,
            "max_workers": settings.jobs or cores(),
            "execution_mode": settings.mode,
            "on_failure": "continue" if settings.keep_going else None,
            "retries": settings.retries,
            "timeout": settings.timeout,
            "deadline": settings.deadline,
            "target": target_name(target),
            **words,
        }

    def carry_out(self, wishes: Wishes, instance: str | None) -> int:
        """Loads the target, runs it, and returns the exit code; nothing has run when this raises."""
        from ramify.cli.target import PipelineTarget
        from ramify.dag.evaluate import evaluate_draft
        from ramify.run.options import Options
        from ramify.show.progress import make_progress

        Options(**self.options).check()
        draft = self._load()
        if isinstance(draft, PipelineTarget):
            return self._pipeline(draft, wishes, instance).carry_out()
        refuse_flags(f"{self.target} is a graph", PIPELINE_FLAGS)
        self.until = wishes.until
        observers = make_progress(not self.ending.quiet)
        plan, outputs = (os.path.join(self.folder, name) for name in ("plan", "outputs"))
        watching: dict[str, Any] = {
            "observers": observers,
            "on_start": self._announce,
            "on_stale": self._tell_stale,
        }
        return self.ending.of(
            lambda: evaluate_draft(
                draft, plan, outputs, until=[*wishes.until] or None, **watching, **self.options
            ),
            observers,
        )

    def _load(self) -> Any:
        from ramify.cli.target import load_any

        with redirect_stdout(sys.stderr if self.as_json else sys.stdout):
            return load_any(self.target)

    def _pipeline(self, target: PipelineTarget, wishes: Wishes, instance: str | None) -> PipelineRun:
        """The run of a pipeline, with those of the options that mean something there."""
        from ramify.cli.pipeline_run import PipelineRun

        refuse_flags(f"{self.target} is a pipeline", GRAPH_FLAGS)
        settings = self.settings
        wishes.keep_stale = bool(settings.keep_stale)
        words = {name: self.options[name] for name in ("retries", "deadline", "force")}
        words["name"] = self.given_name
        wishes.options = {name: value for name, value in words.items() if value}
        return PipelineRun(
            self.target,
            target,
            instance or default_instance(target),
            wishes,
            quiet=settings.quiet,
            as_json=self.as_json,
            verbose=settings.verbose,
        )

    def _announce(self, run: object) -> None:
        """The first line: what is run, and where."""
        ending = self.ending
        ending.say([f"{ending.bold(self.name)}  {ending.short(self.target)} → {ending.short(self.folder)}"])

    def _tell_stale(self, stale: list[tuple[str, Any]]) -> None:
        """What is run again, and why; or what is kept all the same, which is told at the end."""
        from ramify.show.verdicts import stale_lines

        if self.options["reuse"] == "exists":
            self.ending.kept_stale = stale
        elif stale:
            self.ending.say(stale_lines(stale, paint(), "runs again"))

    def again(self) -> str:
        """What runs the rest after the flow was mended: the same in the same folder; what holds is kept."""
        words = ["ramify", "run", self.target, "-o", shortened(self.folder)]
        for name, flag in _FLAGS.items():
            if name in self.flags:
                words += [
                    flag,
                    f"{self.flags[name]:g}" if name in ("timeout", "deadline") else str(self.flags[name]),
                ]
        for name, flag in (
            ("keep_going", "-k"),
            ("skip_completed", "--skip-completed"),
            ("strict", "--strict"),
        ):
            words += [flag] if self.flags.get(name) else []
        words += [word for glob in self.until for word in ("--until", glob)]
        return shlex.join(words)


class RunEnding(Ending):
    """The end of a run whose flow is at hand: what goes on with it may have been mended meanwhile."""

    def __init__(self, flow: Flow, quiet: bool) -> None:
        super().__init__(os.path.join(flow.folder, "run", flow.name), quiet=quiet, as_json=flow.as_json)
        self.flow = flow

    def resume_command(self, handle: str) -> str:
        """The same flow into the same folder; the run as it is, where nothing there counts for a new one."""
        return super().resume_command(handle) if self.flow.flags.get("reuse") == "off" else self.flow.again()


def _new_name() -> str:
    """A name that no run of this project has."""
    from ramify.catalogue import open_catalogue
    from ramify.run.names import new_name

    home = project_home()
    runs = os.path.join(home, RUNS)
    taken = set(os.listdir(runs)) if os.path.isdir(runs) else set()
    try:
        taken |= open_catalogue(home).names()
    except RamifyError as error:
        click.echo(f"ramify: {error}", err=True)
    return new_name(taken)
