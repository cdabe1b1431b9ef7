"""The demo: its numbers are right, what it prints can be pasted, and it keeps off what is not its own."""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
import shutil
import signal
import subprocess
import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pexpect
import pytest

import ramify
from ramify.run.view import RunView, runs_in
from ramify.values import deserialize

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SOURCE = Path(ramify.__file__).resolve().parent
FLOW = (SOURCE / "cli" / "demo_flow.txt").read_text()
RAMIFY = [sys.executable, "-m", "ramify"]
MEASURES = ["lines", "functions", "branches", "documented"]
BRANCHES = {"If", "IfExp", "For", "AsyncFor", "While", "ExceptHandler", "match_case"}


class Demo(NamedTuple):
    """A demo that was done: where it was called, and what it printed."""

    cwd: Path
    text: str

    @property
    def folder(self) -> Path:
        return self.cwd / "demo"

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["package"]: row for row in deserialize(self.folder / "results" / "outputs")["table"]}


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE.parent), "NO_COLOR": "1", "COLUMNS": "100"}


def call(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RAMIFY, *arguments], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=100
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    cwd = tmp_path_factory.mktemp("home")
    done = call(cwd, "demo")
    assert done.returncode == 0, done.stderr
    return Demo(cwd, done.stdout)


# ---- the numbers, counted again in another way


def sources(package: str) -> Iterator[str]:
    root = sysconfig.get_path("stdlib")
    if os.path.exists(f"{root}/{package}.py"):
        paths = [f"{root}/{package}.py"]
    else:
        paths = [f"{at}/{name}" for at, _, names in os.walk(f"{root}/{package}") for name in names]
    for path in paths:
        if path.endswith(".py"):
            with tokenize.open(path) as file:
                yield file.read()


STRING_OR_COMMENT = re.compile(
    r"""('''|\"\"\")(?:\\.|(?!\1).)*\1|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\#[^\n]*""", re.DOTALL
)


def counted_lines(source: str) -> int:
    """Lines that are not blank and not only a comment; inside a string of several lines every line counts."""

    def mask(match: re.Match[str]) -> str:
        text = match.group()
        return "" if text[0] == "#" else "\n".join("x" for _ in text.split("\n"))

    return sum(bool(line.strip(" \t\f\\")) for line in STRING_OR_COMMENT.sub(mask, source).split("\n"))


class Counter(ast.NodeVisitor):
    """Functions, those with a docstring, and branches, by visiting."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(MEASURES, 0)

    def generic_visit(self, node: ast.AST) -> None:
        name = type(node).__name__
        self.counts["branches"] += name in BRANCHES
        if name in ("FunctionDef", "AsyncFunctionDef"):
            self.counts["functions"] += 1
            first = node.body[0]  # type: ignore[attr-defined]  # a function has a body
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                self.counts["documented"] += isinstance(first.value.value, str)
        super().generic_visit(node)


def counted(package: str) -> dict[str, int]:
    counter = Counter()
    for source in sources(package):
        counter.visit(ast.parse(source))
        counter.counts["lines"] += counted_lines(source)
    return counter.counts


def test_every_number_is_what_a_direct_count_finds(demo: Demo) -> None:
    found = deserialize(demo.folder / "results" / "outputs")["counts"].to_dict()
    assert len(found) == 30
    assert found == {package: counted(package) for package in found}
    assert all(counts["lines"] > 500 and counts["functions"] > 10 for counts in found.values())


def test_the_table_says_what_the_numbers_say(demo: Demo) -> None:
    for package, row in demo.rows.items():
        counts = counted(package)
        assert row["lines"] == counts["lines"]
        assert row["functions"] == counts["functions"]
        assert row["branches per function"] == round(counts["branches"] / counts["functions"], 1)
        assert row["documented %"] == round(100 * counts["documented"] / counts["functions"])
    lines = [row["lines"] for row in demo.rows.values()]
    assert lines == sorted(lines, reverse=True)


# ---- what it shows


def test_it_prints_the_command_it_runs_and_the_table_it_read(demo: Demo) -> None:
    assert re.search(r"^\$ \S.* run demo/flow\.py -o demo/results --reuse off$", demo.text, re.MULTILINE)
    for package, row in demo.rows.items():
        line = next(line for line in demo.text.splitlines() if line.startswith(f"{package} "))
        assert line.split()[1:] == [f"{value:,}" for value in list(row.values())[1:]]


def test_it_tells_the_times_of_the_run(demo: Demo) -> None:
    view = RunView(runs_in(str(demo.folder / "results" / "run"))[0])
    total = sum(job.seconds or 0.0 for job in view.jobs())
    assert f"The times of the 122 jobs add up to {total:.1f} s" in demo.text
    assert view.ended is not None and view.started is not None
    assert f"the run took {view.ended - view.started:.1f} s" in demo.text
    assert view.counts() == {"succeeded": 122}


def test_the_next_commands_work_when_pasted(demo: Demo) -> None:
    commands = [line.strip() for line in demo.text.partition("Next:\n")[2].splitlines() if line.strip()]
    assert len(commands) == 3
    for command, known in zip(commands, ["COMPLETED|122", "functions", "counting lines in"], strict=True):
        done = subprocess.run(
            command, shell=True, cwd=demo.cwd, env=environment(), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert re.search(known, done.stdout), done.stdout


def test_the_plot_draws_every_number_to_scale(demo: Demo) -> None:
    svg = ElementTree.parse(demo.folder / "plot.svg").getroot()
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    bars = [r for r in svg.iter("{http://www.w3.org/2000/svg}rect") if r.get("rx")]
    assert set(demo.rows) <= set(texts)
    assert len(bars) == 120
    first_column = [float(bar.attrib["width"]) for bar in bars[:30]]
    lines = [row["lines"] for row in demo.rows.values()]
    assert first_column == pytest.approx([125 * n / max(lines) for n in lines], abs=0.05)
    for bar in svg.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(bar.get("x", 0)) + float(bar.attrib["width"]) <= float(svg.attrib["width"])


def test_a_terminal_sees_it_move(tmp_path: Path) -> None:
    env = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "COLUMNS")}
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "ramify", "demo"],
        cwd=str(tmp_path),
        env={**env, "TERM": "xterm-256color"},
        dimensions=(60, 100),
        encoding="utf-8",
        timeout=60,
    )
    terminal.expect(r"counts.*\b[1-9]\d?/120")  # some of them are done
    terminal.expect("120/120")
    terminal.expect("Next:")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


def test_json_is_one_document_and_a_demo_can_be_done_again(demo: Demo, tmp_path: Path) -> None:
    shutil.copytree(demo.folder, tmp_path / "demo")
    done = call(tmp_path, "demo", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["table"] == list(demo.rows.values())
    assert document["jobs"] == 122
    assert document["seconds"] > 0 < document["job_seconds"]
    assert (tmp_path / document["plot"]).exists()
    runs = [path.name for path in (tmp_path / "demo" / "results" / "run").iterdir() if path.is_dir()]
    assert runs == [document["run"]], "what the first demo left is gone"


# ---- what it refuses


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("chapter one")
    done = call(tmp_path, "demo", "mine")
    assert done.returncode == 2
    assert "no demo" in done.stderr
    assert os.listdir(tmp_path / "mine") == ["thesis.tex"]


def test_a_flow_that_was_changed_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "flow.py").write_text(FLOW + "# my own measure\n")
    done = call(tmp_path, "demo")
    assert done.returncode == 2
    assert "ramify run demo/flow.py" in done.stderr
    assert (tmp_path / "demo" / "flow.py").read_text().endswith("# my own measure\n")


def test_a_demo_that_runs_now_is_not_done_a_second_time(demo: Demo, tmp_path: Path) -> None:
    from ramify.files.lock import FolderLock

    shutil.copytree(demo.folder, tmp_path / "demo")
    with FolderLock(tmp_path / "demo" / "results" / "run", run="other"):
        done = call(tmp_path, "demo")
    assert done.returncode == 5
    assert str(os.getpid()) in done.stderr
    assert (tmp_path / "demo" / "results" / "outputs" / "table.json").exists()


def test_ctrl_c_ends_it_and_the_next_one_works(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [*RAMIFY, "demo"],
        cwd=tmp_path,
        env=environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    for line in demo.stdout:
        if "122 jobs, " in line:  # the run has begun
            break
    os.killpg(demo.pid, signal.SIGINT)
    demo.communicate(timeout=30)
    assert demo.returncode == 130
    again = call(tmp_path, "demo")
    assert again.returncode == 0, again.stderr


# ---- the flow itself


def test_the_flow_is_short_enough_to_be_read_in_a_minute() -> None:
    lines = [line for line in FLOW.splitlines() if line.strip()]
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 110


def test_python_runs_the_flow_as_well(tmp_path: Path) -> None:
    """With two packages only: all of them are run above."""
    text = FLOW.partition("\n")[2]
    short = re.sub(r'""".*?"""\.split\(\)', '"json tomllib".split()', text, flags=re.DOTALL)
    assert short.count("json tomllib") == 1
    (tmp_path / "flow.py").write_text(short)
    command = [sys.executable, "flow.py"]
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True, capture_output=True, timeout=60)
    rows = deserialize(tmp_path / "results" / "outputs")["table"]
    assert [row["package"] for row in rows] == ["json", "tomllib"]


def test_the_packages_are_there_in_every_version() -> None:
    packages = runpy.run_path(str(SOURCE / "cli" / "demo_flow.txt"))["PACKAGES"]
    assert len(set(packages)) == 30
    assert set(packages) <= sys.stdlib_module_names
    assert all(list(sources(package)) for package in packages)
