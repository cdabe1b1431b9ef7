"""`ramify demo`: a real analysis on input that is on every machine, the standard library's own sources.

It does nothing that a person could not type: it writes `flow.py`, runs `ramify run` on it in a process of
its own, and reads what came of it with what everybody has: `deserialize` and the run's journal.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

from ramify.cli.output import json_option, put_json, put_lines, verbose_option

_TEMPLATE: Final = os.path.join(os.path.dirname(__file__), "demo_flow.txt")
_OWN: Final = {"flow.py", "results", "plot.svg", "__pycache__"}
_LOCKED: Final = {"run", "lock"}


@click.command()
@click.argument("folder", default="demo", type=click.Path(file_okay=False))
@json_option
@verbose_option
@click.pass_context
def demo(ctx: click.Context, folder: str, as_json: bool, verbose: bool | None) -> None:
    """Analyse Python's standard library: write FOLDER/flow.py (./demo), run it, show what came of it.

    FOLDER must be new, empty, or an earlier demo, which is then done again.

    Example: ramify demo
    """
    place = Place(folder)
    place.prepare()
    ramify = ramify_words()
    arguments = ["run", place.flow, "-o", place.results, "--reuse", "off"]
    if not as_json:
        click.echo(f"Wrote {place.flow}: 30 packages of Python's standard library, four measures of each.\n")
        click.echo(f"$ {ramify} {shlex.join(arguments)}")
    code, said = run_ramify([*arguments, "--json"] if as_json else arguments, capture=as_json)
    if code:
        click.echo(said, nl=False)
        ctx.exit(code)
    report = Report(place, ramify)
    if as_json:
        put_json({"command": f"{ramify} {shlex.join(arguments)}", **report.document()})
    else:
        put_lines(report.lines())


class Place:
    """Where a demo keeps its things: paths as the user would write them."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.flow = os.path.join(folder, "flow.py")
        self.results = os.path.join(folder, "results")
        self.outputs = os.path.join(self.results, "outputs")
        self.runs = os.path.join(self.results, "run")
        self.plot = os.path.join(folder, "plot.svg")

    def prepare(self) -> None:
        """Writes the flow into a fresh folder, or into an earlier demo without its results."""
        with open(_TEMPLATE, encoding="utf-8") as file:
            text = file.read()
        os.makedirs(self.folder, exist_ok=True)
        self._refuse_what_is_not_ours(text)
        if os.path.isdir(self.results):
            self._clear_results()
        with open(self.flow, "w", encoding="utf-8") as file:
            file.write(text)

    def _refuse_what_is_not_ours(self, text: str) -> None:
        names = set(os.listdir(self.folder))
        if not names:
            return
        if "flow.py" not in names or names - _OWN:
            raise click.BadParameter(
                f"{self.folder} is not empty, and no demo: give a folder that is new or empty",
                param_hint="FOLDER",
            )
        with open(self.flow, encoding="utf-8") as file:
            if file.read() != text:
                raise click.BadParameter(
                    f"{self.flow} is not as the demo wrote it, and is left alone: run it with "
                    f"`ramify run {shlex.quote(self.flow)}`, or give another folder",
                    param_hint="FOLDER",
                )

    def _clear_results(self) -> None:
        from ramify.files.lock import FolderLock

        with FolderLock(self.runs, run="demo"):
            for entry in [*os.scandir(self.results), *os.scandir(self.runs)]:
                if entry.name not in _LOCKED:
                    shutil.rmtree(entry.path) if entry.is_dir() else os.unlink(entry.path)


class Report:
    """What the demo tells at its end, from the outputs and from the run's journal."""

    def __init__(self, place: Place, ramify: str) -> None:
        from ramify.run.view import RunView, runs_in
        from ramify.values import deserialize

        self.place = place
        outputs = deserialize(place.outputs)
        self.rows: list[dict[str, Any]] = outputs["table"]
        with open(place.plot, "w", encoding="utf-8") as file:
            file.write(outputs["plot"])
        self.run = RunView(runs_in(place.runs)[0])
        self.seconds = (self.run.ended or 0.0) - (self.run.started or 0.0)
        self.job_seconds = [job.seconds or 0.0 for job in self.run.jobs()]
        results = shlex.quote(place.results)
        self.next = [
            f"{ramify} status {results}",
            f"{ramify} show {results} counts/json",
            f"{ramify} logs {results} counts/json/lines",
        ]

    def document(self) -> dict[str, Any]:
        """The report as one JSON document; times in seconds."""
        return {
            "folder": self.place.folder,
            "flow": self.place.flow,
            "run": self.run.name,
            "jobs": len(self.job_seconds),
            "workers": self.run.facts.get("workers"),
            "seconds": self.seconds,
            "job_seconds": sum(self.job_seconds),
            "plot": self.place.plot,
            "next": self.next,
            "table": self.rows,
        }

    def lines(self) -> Iterator[str]:
        """The table, the plot's path, the times, and what to type next."""
        yield ""
        yield from table_lines(self.rows)
        yield f"\nThe table as a picture: {self.place.plot}"
        yield self._times()
        yield "\nNext:"
        yield from (f"  {command}" for command in self.next)

    def _times(self) -> str:
        total = sum(self.job_seconds)
        text = f"The times of the {len(self.job_seconds)} jobs add up to {total:.1f} s; "
        text += f"the run took {self.seconds:.1f} s with {self.run.facts.get('workers')} workers"
        return text + (f", {total / self.seconds:.1f} times as fast." if total > self.seconds else ".")


def table_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Rows of one set of columns as lines of text: the first column to the left, numbers to the right.

    >>> print(*table_lines([{"package": "json", "lines": 1316}]), sep="\\n")
    package  lines
    json     1,316
    """
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for first, *others in cells:
        right = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *right])


def _cell(value: object) -> str:
    return value if isinstance(value, str) else f"{value:,}"


# ---- the command itself


def run_ramify(arguments: list[str], *, capture: bool) -> tuple[int, str]:
    """Runs `ramify` with these arguments in a process of its own and in the same terminal.

    Returns its exit code (128 and the number, where a signal ended it) and, with `capture`, what it printed.
    """
    import subprocess

    command = [sys.executable, "-P", "-m", "ramify", *arguments]  # -P: not a ramify.py that lies here
    sys.stdout.flush()
    child = subprocess.Popen(command, stdout=subprocess.PIPE if capture else None, text=True)
    with _signals_are_for(child):
        said, _ = child.communicate()
    return 128 - child.returncode if child.returncode < 0 else child.returncode, said or ""


@contextmanager
def _signals_are_for(child: Any) -> Iterator[None]:
    """Ctrl-C reaches the child by the terminal and it tidies up: this process only waits for it."""
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda number, frame: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, frame: child.send_signal(number)),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ramify_words() -> str:
    """How to call the program that runs now from this shell: `ramify` only where that is the same one."""
    own = os.path.join(os.path.dirname(sys.executable), "ramify")
    found = shutil.which("ramify")
    if found and os.path.exists(own) and os.path.samefile(found, own):
        return "ramify"
    if os.access(own, os.X_OK):
        relative = os.path.relpath(own)
        return shlex.quote(own if relative.startswith("..") else relative)
    return f"{shlex.quote(sys.executable)} -m ramify"
