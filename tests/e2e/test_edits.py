"""The table of edits: what a person changes, and exactly what runs again because of it.

Each row is played with the real command: run, edit, ask `plan`, run, run once more. The functions write down
that they were called.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

FLOW = '''"""A flow with everything that can change."""
import os

from helpers import clean, told, Scale, twice, made
import tinylib
from ramify import DAG, Job, ParametrizedJob

LIMIT = 0
OTHER = 5


def load(path: str) -> list:
    """Reads numbers."""
    # one a line
    told("load")
    with open(path) as file:
        return [int(line) for line in file]


def tidy(rows: list, keep: int = 10) -> list:
    told("tidy")
    return [row for row in clean(rows) if row > LIMIT][:keep]


def scaled(rows: list) -> list:
    told("scaled")
    return [Scale().apply(row) for row in rows]


@twice
def doubled(rows: list) -> int:
    told("doubled")
    return sum(rows)


def region(name: str) -> str:
    told(f"region {name}")
    return os.environ.get("REGION", "none") + name


def versions(rows: list) -> int:
    told("versions")
    return tinylib.count(rows)


def total(name: str, parts: dict) -> str:
    told("total")
    return f"{name}: {sum(len(part) for part in parts.values())}"


dag = DAG()
dag["load"] = Job(load, {"path": "numbers.txt"}, files=["numbers.txt"])
dag["tidy"] = Job(tidy, {"rows": dag["load"]})
dag["scaled"] = Job(scaled, {"rows": dag["load"]})
dag["doubled"] = Job(doubled, {"rows": dag["load"]})
dag["made"] = Job(made(3), {"rows": dag["load"]})
dag["region"] = ParametrizedJob(region, ["name"], [("n",), ("s",)], environment=["REGION"])
dag["versions"] = Job(versions, {"rows": dag["load"]})
dag["total"] = Job(total, {"name": "all", "parts": dag["region"]})
'''

HELPERS = """import deeper


def told(name):
    with open("told.txt", "a") as file:
        file.write(name + "\\n")


def clean(rows):
    return [deeper.fix(row) for row in rows]


class Scale:
    by = 2

    def apply(self, row):
        return row * self.by


def twice(func):
    def both(rows):
        return 2 * func(rows)

    return both


def made(factor):
    def multiplied(rows):
        told("made")
        return factor * len(rows)

    return multiplied
"""

DEEPER = "def fix(row):\n    return row + 0\n"

Edit = Callable[[], object]


def change(name: str, old: str, new: str) -> Edit:
    def edit() -> None:
        text = Path(name).read_text()
        assert text.count(old) >= 1, f"{old!r} is not in {name}"
        Path(name).write_text(text.replace(old, new))

    return edit


def install(version: str) -> None:
    """A small distribution in a folder of the import path, as pip would leave it."""
    site = Path("site")
    site.mkdir(exist_ok=True)
    (site / "tinylib.py").write_text("def count(rows):\n    return len(rows)\n")
    for old in site.glob("*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = site / f"tinylib-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tinylib\nVersion: {version}\n")
    (info / "RECORD").write_text(f"tinylib.py,,\n{info.name}/METADATA,,\n{info.name}/RECORD,,\n")


def touch() -> None:
    os.utime("numbers.txt", (1, 1))


def rename_helpers() -> None:
    Path("helpers.py").rename("tools.py")
    change("flow.py", "from helpers import", "from tools import")()


def move_function() -> None:
    text = Path("flow.py").read_text()
    start, end = text.index("def tidy"), text.index("def scaled")
    moved = text[:start] + text[end:]
    place = moved.index("dag = DAG()")
    Path("flow.py").write_text(moved[:place] + text[start:end] + moved[place:])


NOTHING: set[str] = set()

EDITS: dict[str, tuple[Edit, set[str]]] = {
    "nothing": (lambda: None, NOTHING),
    "a comment": (change("flow.py", "# one a line", "# one number a line"), NOTHING),
    "a docstring": (change("flow.py", '"""Reads numbers."""', '"""Reads all numbers."""'), NOTHING),
    "formatting": (
        change(
            "flow.py",
            "def tidy(rows: list, keep: int = 10)",
            "def tidy(\n    rows: list,\n    keep: int = 10,\n)",
        ),
        NOTHING,
    ),
    "an annotation": (
        change("flow.py", "def load(path: str) -> list:", "def load(path: object) -> list:"),
        NOTHING,
    ),
    "a moved function": (move_function, NOTHING),
    "a constant that nobody reads": (change("flow.py", "OTHER = 5", "OTHER = 6"), NOTHING),
    "a renamed module": (rename_helpers, NOTHING),
    "a touched file": (touch, NOTHING),
    "its body": (change("flow.py", "if row > LIMIT]", "if row >= LIMIT]"), {"tidy"}),
    "a helper's body": (change("helpers.py", "deeper.fix(row) for", "deeper.fix(row) - 1 for"), {"tidy"}),
    "a helper's helper": (change("deeper.py", "row + 0", "row + 1"), {"tidy"}),
    "a constant": (change("flow.py", "LIMIT = 0", "LIMIT = 1"), {"tidy"}),
    "a default": (change("flow.py", "keep: int = 10", "keep: int = 2"), {"tidy"}),
    "a method": (change("helpers.py", "return row * self.by", "return row * self.by + 1"), {"scaled"}),
    "a class attribute": (change("helpers.py", "    by = 2", "    by = 3"), {"scaled"}),
    "a decorator": (change("helpers.py", "return 2 * func(rows)", "return 3 * func(rows)"), {"doubled"}),
    "a closure's value": (change("flow.py", "made(3)", "made(4)"), {"made"}),
    "a dependency's version": (lambda: install("1.1"), {"versions"}),
    "an argument": (change("flow.py", '{"name": "all"', '{"name": "every"'), {"total"}),
    "a new point": (change("flow.py", '[("n",), ("s",)]', '[("n",), ("s",), ("w",)]'), {"region w", "total"}),
    "a point less": (change("flow.py", '[("n",), ("s",)]', '[("n",)]'), {"total"}),
    "another key": (change("flow.py", 'dag["tidy"]', 'dag["tidied"]'), NOTHING),
    "a file's content": (
        lambda: Path("numbers.txt").write_text("1\n2\n4\n"),
        {"load", "tidy", "scaled", "doubled", "made", "versions"},
    ),
    "a file's content that makes no difference": (
        lambda: Path("numbers.txt").write_text("1\n2\n3 \n"),
        {"load"},
    ),
    "the environment": (lambda: os.environ.update(REGION="x"), {"region n", "region s", "total"}),
}


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REGION", raising=False)
    monkeypatch.setenv("REGION", "")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    Path("ramify.toml").touch()
    Path("flow.py").write_text(FLOW)
    Path("helpers.py").write_text(HELPERS)
    Path("deeper.py").write_text(DEEPER)
    Path("numbers.txt").write_text("1\n2\n3\n")
    install("1.0")
    return tmp_path


def ramify(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ramify", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run() -> set[str]:
    Path("told.txt").unlink(missing_ok=True)
    ramify("run", "flow.py", "-o", "exp", "--mode", "thread", "-j", "1", "-q")
    return set(Path("told.txt").read_text().splitlines()) if Path("told.txt").exists() else set()


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_has_run_again_what_it_touches_and_no_more(flow: Path, name: str) -> None:
    edit, expected = EDITS[name]
    assert len(run()) == 9
    edit()
    plan: Any = json.loads(ramify("plan", "flow.py", "-o", "exp", "--json"))
    will = {job["job_id"] for job in plan["jobs"] if job["verdict"] == "RUN"}
    may = {job["job_id"] for job in plan["jobs"] if job["verdict"] == "MAYBE"}
    executed = run()
    assert executed == expected
    ids = {word.replace("region ", "region/") for word in executed}
    assert will <= ids <= will | may
    assert run() == set()
