"""The manuals say what is so: every example runs, every page builds, every docstring's example holds."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).resolve().parent.parent.parent
MANUALS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FILE = re.compile(r"^<!-- file: (\S+) -->\n(?=```\w+\n(.*?)^```)", re.MULTILINE | re.DOTALL)
RUN = re.compile(r"^<!-- run -->\n```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def files(document: Document) -> Iterator[Region]:
    """The block after `<!-- file: NAME -->` is written to that file."""
    for found in FILE.finditer(document.text):
        yield Region(found.start(), found.end(), found.groups(), write)


def write(example: Example) -> None:
    name, text = example.parsed
    Path(name).write_text(text)


def consoles(document: Document) -> Iterator[Region]:
    """The lines with a prompt in a console block after `<!-- run -->` are run, and must succeed."""
    for found in RUN.finditer(document.text):
        commands = re.findall(r"^\$ (.*)$", found[1], re.MULTILINE)
        yield Region(found.start(), found.end(), commands, run)


def run(example: Example) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in example.parsed:
        done = subprocess.run(
            ["bash", "-ec", command],
            env=os.environ | {"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"


def examples(path: Path) -> list[Example]:
    document = Sybil(parsers=[files, PythonCodeBlockParser(), consoles]).parse(path)
    document.namespace["__name__"] = (
        "__main__"  # as in a script: what an example defines is importable nowhere
    )
    return sorted(document.examples(), key=lambda example: example.region.start)


@pytest.mark.slow
@pytest.mark.parametrize("path", MANUALS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_of_a_manual_run_in_order(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for example in examples(path):
        example.evaluate()


def test_an_example_that_is_wrong_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- run -->\n```console\n$ false\n```\n\n```python\nassert 1 == 2\n```\n")
    found = examples(page)
    assert len(found) == 2
    for example in found:
        with pytest.raises(AssertionError):
            example.evaluate()


def modules() -> list[str]:
    import ramify

    found = pkgutil.walk_packages(ramify.__path__, "ramify.")
    return sorted(module.name for module in found if not module.name.endswith("__main__"))


@pytest.mark.parametrize("name", modules())
def test_examples_of_docstrings_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(module, optionflags=options).failed == 0


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*build, "-d", str(tmp_path / "doctrees"), str(ROOT / "docs"), str(tmp_path / "html")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "index.html").exists()
