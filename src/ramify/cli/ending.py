"""How a command that runs jobs says how it went: to people, as JSON, and by its exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import Any

from ramify.cli.find import handle_of
from ramify.cli.output import hush, paint, put_json, put_lines
from ramify.cli.warned import shown_by
from ramify.show.groups import Counts, GroupOf, first_key
from ramify.show.text import Paint, duration, visible


class Ending:
    """The end of one run; `folder` is the run's own."""

    def __init__(self, folder: str, *, quiet: bool, as_json: bool) -> None:
        self.folder = folder
        self.quiet = quiet
        self.as_json = as_json
        self.kept_stale: list[tuple[str, Any]] = []
        self.group_of: GroupOf = first_key

    def of(self, act: Callable[[], object], observers: Sequence[Any] = ()) -> int:
        """Does it, tells how it ended, and returns the exit code. Other errors than failed jobs pass.

        `observers` are those who watch: one of them shows the warnings that come meanwhile.
        What the user's code prints here, where one document is to be printed, goes to standard error.
        """
        from ramify.run.failure import DAGExecutionError

        try:
            with redirect_stdout(sys.stderr if self.as_json else sys.stdout), shown_by(observers):
                act()
        except DAGExecutionError:
            return self.report(1)
        except KeyboardInterrupt:
            return self.report(130)
        except SystemExit as error:
            return self.report(error.code if isinstance(error.code, int) else 1)
        return self.report(0)

    def say(self, lines: list[str], err: bool = False) -> None:
        """Prints lines for people, unless nothing but failures is to be printed.

        Where that cannot be done, the run and its exit code are what counts.
        """
        if self.quiet and not err:
            return
        try:
            put_lines(lines, err=err)
        except OSError:
            hush(err)

    def bold(self, text: str) -> str:
        """Foreign text, made safe and bold."""
        return paint().bold(visible(text))

    def short(self, path: str) -> str:
        """A path as it is best typed here, made safe."""
        return visible(shortened(path))

    def report(self, code: int) -> int:
        """Tells how the run ended, and returns the code."""
        from ramify.run.view import JOURNAL, RunView

        if not os.path.exists(os.path.join(self.folder, JOURNAL)):  # interrupted before the run began
            return code
        view = RunView(self.folder)
        handle = handle_of(view)
        if self.as_json:
            again = None if code == 0 else self.resume_command(handle)
            try:
                put_json({**self.document(view), "exit_code": code, "resume": again, **self._stale()})
            except BrokenPipeError:
                hush()
        if code:
            self.say(["", *self.failures(view, handle)], err=True)
        self.say(self._summary(view, handle, code, paint(err=bool(code))), err=bool(code))
        return code

    def document(self, view: Any) -> dict[str, Any]:
        """What `--json` says of the run."""
        from ramify.show.status import status_document

        return status_document(view)

    def failures(self, view: Any, handle: str) -> list[str]:
        """What is said of jobs that failed."""
        from ramify.show.failure import failure_lines

        return failure_lines(view, paint(err=True), handle)

    def held_back(self, whole: Counts, code: int) -> list[str]:
        """What is said of jobs that were not to start."""
        return [f"{whole.waiting} held back"] if code == 0 and whole.waiting else []

    def _stale(self) -> dict[str, Any]:
        if not self.kept_stale:
            return {}
        return {"kept_stale": [{"job_id": key, "cause": cause.text} for key, cause in self.kept_stale]}

    def _summary(self, view: Any, handle: str, code: int, pen: Paint) -> list[str]:
        from ramify.run.rule_view import FOR_LEAVE
        from ramify.show.groups import Groups, summed
        from ramify.show.status import rule_troubles, seconds_of
        from ramify.show.verdicts import stale_lines
        from ramify.show.watch import troubles

        whole = summed(Groups(view.engine, self.group_of).all())
        told = ", ".join(
            [
                f"{whole.done} of {whole.total} jobs done",
                *troubles(whole),
                *rule_troubles(view),
                *self.held_back(whole, code),
            ]
        )
        took = duration(seconds_of(view) or 0.0)
        where = self.short(self.outputs(view))
        name = pen.bold(visible(view.name))
        lines = stale_lines(self.kept_stale, pen, "kept although stale", self.group_of)
        if code == 0:
            waits = FOR_LEAVE in view.unfired.values()
            grow = [f"  {pen.dim('grow')}     {pen.cyan(shlex.join(['ramify', 'step', handle]))}"]
            return [
                *lines,
                f"{pen.green('✓')} {name}: {told}, in {took}",
                f"  {pen.dim('outputs')}  {where}",
                f"  {pen.dim('look')}     {pen.cyan(self.look_command(handle))}",
                *(grow if waits else []),
            ]
        what = "interrupted" if code >= 128 else "failed"
        return [
            *lines,
            f"{pen.red('✗')} {name} {what}: {told}, in {took}",
            f"  {pen.dim('outputs')}  {where}",
            f"  {pen.dim('rest')}     {pen.cyan(self.resume_command(handle))}",
        ]

    def outputs(self, view: Any) -> str:
        """The folder that a person looks for results in."""
        return str(view.outputs)

    def look_command(self, handle: str) -> str:
        """What shows the results."""
        return shlex.join(["ramify", "show", handle])

    def resume_command(self, handle: str) -> str:
        """What goes on with the run as it is."""
        return shlex.join(["ramify", "resume", handle])


def shortened(path: str) -> str:
    """A path as it is best typed here."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
