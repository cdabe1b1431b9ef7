"""`ramify run`: loads a flow, runs it, and says how it went and what to type next."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import redirect_stdout
from typing import Any, Final

import click

from ramify.cli.find import complete_target, handle_of
from ramify.cli.output import hush, json_option, paint, put_json, put_lines, verbose_option
from ramify.errors import RamifyError
from ramify.settings import MODES, Settings, project_home, read_settings
from ramify.show.text import Paint, duration, visible

_RUNS: Final = "@runs"
_FLAGS: Final = {
    "jobs": "-j",
    "mode": "--mode",
    "retries": "--retries",
    "timeout": "--timeout",
    "profile": "--profile",
}


@click.command()
@click.argument("target", shell_complete=complete_target)
@click.option(
    "-o", "--output", type=click.Path(file_okay=False), help="Folder of the run [.ramify/@runs/NAME]."
)
@click.option("-j", "--jobs", type=click.IntRange(1), help="Jobs at a time [number of cores].")
@click.option("-k", "--keep-going", is_flag=True, default=None, help="After a failure go on with the rest.")
@click.option("--mode", type=click.Choice(MODES), help="Where a job runs [subprocess].")
@click.option("--retries", type=click.IntRange(0), help="More attempts for a job that failed [0].")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Most seconds of one attempt.")
@click.option("--skip-completed", is_flag=True, default=None, help="Keep the outputs that are in the folder.")
@click.option("--name", help="Name of the run [a new one].")
@click.option("--profile", help="Settings of [tool.ramify.profiles.NAME].")
@click.option("-q", "--quiet", is_flag=True, default=None, help="Print failures only.")
@verbose_option
@json_option
def run(target: str, name: str | None, as_json: bool, **flags: Any) -> int:
    """Run a flow: every job of TARGET, in order and side by side.

    TARGET is file.py:name or module:name: a DAG, a ParametrizedJob, or a function without parameters that
    returns one. `file.py` alone will do where it has one DAG, or one called `dag`.

    Example: ramify run flow.py -j 4
    """
    said = {flag: value for flag, value in flags.items() if value is not None}
    return Flow(target, name, read_settings(flags), said, as_json).carry_out()


class Flow:
    """One call of `ramify run`."""

    def __init__(
        self, target: str, name: str | None, settings: Settings, flags: dict[str, Any], as_json: bool
    ) -> None:
        from ramify.run.limits import cores

        self.target = target
        self.settings = settings
        self.flags = flags
        self.as_json = as_json
        self.quiet = settings.quiet or as_json
        self.name = name or _new_name()
        self.folder = settings.output or os.path.join(project_home(), _RUNS, self.name)
        self.options: dict[str, Any] = {
            "name": self.name,
            "max_workers": settings.jobs or cores(),
            "execution_mode": settings.mode,
            "skip_completed": settings.skip_completed,
            "on_failure": "continue" if settings.keep_going else "fail_fast",
            "retries": settings.retries,
            "timeout": settings.timeout,
        }

    def carry_out(self) -> int:
        """Loads the target, runs it, and returns the exit code; nothing has run when this raises."""
        from ramify.dag.evaluate import evaluate_draft
        from ramify.run.failure import DAGExecutionError
        from ramify.run.options import Options
        from ramify.show.progress import make_progress

        Options(**self.options).check()
        draft = self._load()
        plan, outputs = (os.path.join(self.folder, name) for name in ("plan", "outputs"))
        observers = make_progress(not self.quiet)
        try:
            evaluate_draft(draft, plan, outputs, observers=observers, on_start=self._announce, **self.options)
        except DAGExecutionError:
            return self._report(1)
        except KeyboardInterrupt:
            return self._report(130)
        except SystemExit as error:
            return self._report(error.code if isinstance(error.code, int) else 1)
        return self._report(0)

    def _load(self) -> Any:
        from ramify.cli.target import load_target

        with redirect_stdout(sys.stderr if self.as_json else sys.stdout):
            return load_target(self.target)

    def _announce(self, run: object) -> None:
        """The first line: what is run, and where."""
        if not self.quiet:
            bold = paint().bold(self.name)
            self._say([f"{bold}  {visible(self.target)} → {visible(_short(self.folder))}"])

    def _say(self, lines: list[str], err: bool = False) -> None:
        """Prints lines for people; where that cannot be done, the run and its exit code are what counts."""
        try:
            put_lines(lines, err=err)
        except OSError:
            hush(err)

    # ---- afterwards

    def _report(self, code: int) -> int:
        from ramify.run.view import JOURNAL, RunView
        from ramify.show.failure import failure_lines
        from ramify.show.status import status_document

        folder = os.path.join(self.folder, "run", self.name)
        if not os.path.exists(os.path.join(folder, JOURNAL)):  # interrupted before the run began
            return code
        view = RunView(folder)
        if self.as_json:
            again = None if code == 0 else self.resume_command()
            try:
                put_json({**status_document(view), "exit_code": code, "resume": again})
            except BrokenPipeError:
                hush()
        handle = handle_of(view)
        if code:
            self._say(["", *failure_lines(view, paint(err=True), handle)], err=True)
        if not self.quiet or code:
            self._say(self._summary(view, handle, code, paint(err=bool(code))), err=bool(code))
        return code

    def _summary(self, view: Any, handle: str, code: int, pen: Paint) -> list[str]:
        from ramify.show.groups import Groups, summed
        from ramify.show.status import seconds_of
        from ramify.show.watch import troubles

        whole = summed(Groups(view.engine).all())
        told = ", ".join([f"{whole.done} of {whole.total} jobs done", *troubles(whole)])
        took = duration(seconds_of(view) or 0.0)
        where = visible(_short(view.outputs))
        if code == 0:
            return [
                f"{pen.green('✓')} {pen.bold(self.name)}: {told}, in {took}",
                f"  {pen.dim('outputs')}  {where}",
                f"  {pen.dim('look')}     {pen.cyan(shlex.join(['ramify', 'show', handle]))}",
            ]
        what = "interrupted" if code >= 128 else "failed"
        return [
            f"{pen.red('✗')} {pen.bold(self.name)} {what}: {told}, in {took}",
            f"  {pen.dim('outputs')}  {where}",
            f"  {pen.dim('rest')}     {pen.cyan(self.resume_command())}",
        ]

    def resume_command(self) -> str:
        """What runs the rest: the same flow in the same folder, without what is done."""
        words = ["ramify", "run", self.target, "-o", _short(self.folder), "--skip-completed"]
        for name, flag in _FLAGS.items():
            if name in self.flags:
                words += [flag, f"{self.flags[name]:g}" if name == "timeout" else str(self.flags[name])]
        words += ["-k"] if self.flags.get("keep_going") else []
        return shlex.join(words)


def _new_name() -> str:
    """A name that no run of this project has."""
    from ramify.catalogue import open_catalogue
    from ramify.run.names import new_name

    home = project_home()
    runs = os.path.join(home, _RUNS)
    taken = set(os.listdir(runs)) if os.path.isdir(runs) else set()
    try:
        taken |= open_catalogue(home).names()
    except RamifyError as error:
        click.echo(f"ramify: {error}", err=True)
    return new_name(taken)


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
