"""Takes pictures of a terminal, for the manual: what a person sees who types these commands.

`scripts/screenshot.py` runs the demo and a flow that fails, each in a terminal of its own, and writes
docs/_static/run.svg and docs/_static/failure.svg. The tests of the manual run its console blocks in such a
terminal too.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Mapping
from itertools import groupby
from pathlib import Path

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "_static"

FAILING = """
from ramify import DAG, Job, ParametrizedJob

def read(station: str) -> list[float]:
    print(f"reading {station}.csv")
    return [] if station == "Vardo" else [3.5, 4.25, 2.0]

def mean(station: str, rows: dict[str, list[float]]) -> float:
    print(f"{len(rows[station])} values of {station}")
    return sum(rows[station]) / len(rows[station])

def report(means: dict[str, float]) -> str:
    return "\\n".join(f"{station}: {value:.2f}" for station, value in means.items())

STATIONS = [("Bergen",), ("Oslo",), ("Tromso",), ("Vardo",)]
rows = ParametrizedJob(read, ["station"], STATIONS)
means = ParametrizedJob(mean, ["station"], STATIONS, {"rows": rows})
dag = DAG(nodes={"rows": rows, "means": means, "report": Job(report, {"means": means})})
"""


def main() -> None:
    """Writes both pictures."""
    here = str(Path(sys.executable).parent)
    environ = {**os.environ, "PATH": os.pathsep.join([here, os.environ["PATH"]])}
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "ramify.toml").touch()  # a project of its own
        subprocess.run(["ramify", "demo"], cwd=folder, env=environ, check=True, capture_output=True)
        command = "ramify run demo/flow.py -o results --name 2026-11-20-calm-otter"
        seen = Terminal(96, 12, folder, environ)
        seen.run(command, keep=is_half_way)
        (FOLDER / "run.svg").write_text(seen.svg(command))
        Path(folder, "stations.py").write_text(FAILING.lstrip())
        command = "ramify run stations.py -k -o stations"
        seen = Terminal(96, 30, folder, environ)
        seen.run(f"{command} --name 2026-11-20-keen-heron")
        (FOLDER / "failure.svg").write_text(seen.svg(command))


def is_half_way(text: str) -> bool:
    """Whether the demo is half done, and its last line drawn as well."""
    return all(re.search(rf"{name} .* 6\d/12", text) for name in ("counts", "all"))


class Terminal:
    """A terminal of so many columns and lines, and what is on it."""

    def __init__(
        self, columns: int, lines: int, folder: str | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self._folder = folder
        chosen = dict(os.environ if environ is None else environ)
        for name in ("CI", "NO_COLOR", "COLUMNS", "LINES"):
            chosen.pop(name, None)
        self._environ = {**chosen, "TERM": "xterm-256color"}
        self._kept: list[Text] | None = None

    def run(self, command: str, *, seconds: float = 60.0, keep: Callable[[str], bool] | None = None) -> int:
        """Runs a line of shell here and returns its exit code; ends it after so many seconds.

        The picture is the one at the end, or the first that `keep` says yes to.
        """
        ours, theirs = pty.openpty()
        size = struct.pack("HHHH", self.screen.lines, self.screen.columns, 0, 0)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
        child = subprocess.Popen(
            ["bash", "-ec", command],
            cwd=self._folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        deadline = time.monotonic() + seconds
        try:
            while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
                data = _read(ours)
                if not data:
                    return child.wait()
                self._stream.feed(data)
                if keep is not None and self._kept is None and keep(self.text()):
                    self._kept = self._rows()
            child.kill()
            raise TimeoutError(f"{command!r} did not end in {seconds:g} s; on the screen:\n{self.text()}")
        finally:
            os.close(ours)
            child.wait()

    def text(self) -> str:
        """What is on it, without colours and without the empty lines at the end."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def svg(self, title: str) -> str:
        """The picture as SVG, with the command in its title; it refers to no font and no other host."""
        rows = self._kept or self._rows()
        console = Console(record=True, width=self.screen.columns, file=io.StringIO())
        for row in [Text.assemble(("$ ", "dim"), (title, "bold")), *rows, Text()]:
            console.print(row, no_wrap=True, crop=True)
        bare = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        bare = bare.replace("Fira Code", "ui-monospace, SFMono-Regular, Menlo, DejaVu Sans Mono")
        text = console.export_svg(title="", theme=MONOKAI, code_format=bare, unique_id="ramify")
        return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"

    def _rows(self) -> list[Text]:
        rows = [self._row(number) for number in range(self.screen.lines)]
        while rows and not rows[-1].plain.strip():
            rows.pop()
        return rows

    def _row(self, number: int) -> Text:
        cells = [self.screen.buffer[number][column] for column in range(self.screen.columns)]
        pieces = groupby(cells, lambda cell: f"{'bold ' if cell.bold else ''}{_colour(cell.fg)}")
        return Text.assemble(*(("".join(cell.data for cell in piece), style) for style, piece in pieces))


def _colour(name: str) -> str:
    """The colour as rich calls it; pyte says brown for 3, as the standard does, and digits for the rest."""
    return f"#{name}" if re.fullmatch("[0-9a-f]{6}", name) else name.replace("brown", "yellow")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # so Linux says that nobody writes any more
        return b""


if __name__ == "__main__":
    main()
