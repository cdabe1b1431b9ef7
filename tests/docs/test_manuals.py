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
RUN = re.compile(r"^<!-- run(?:: (\d+))? -->\n```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
VARIES = {
    r"^([✓✗] .*[━─]\s+\d+/\d+).*$": r"\1",  # of a live line, how long it took is said where it was seen
    r"\d{4}-\d\d-\d\d-[a-z]+-[a-z]+": "RUN",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d": "MOMENT",
    r"\b\d\d:\d\d:\d\d\b": "CLOCK",
    r"\b[\d.]+ (?:ms|s|min|h)\b(?: \d\d (?:s|min)\b)?": "SPAN",
    r"\b[\d.]+/(?:s|min)\b": "RATE",
    r"\b\d+ at a time": "SOME at a time",
    r"\bprocess \d+": "PROCESS",
    r"\bon [\w.-]+(?=,|$)": "on HOST",
    r"\b[0-9a-f]{16,64}\b": "DIGEST",
    r"\b\d{10}\.\d+": "TIME",
    r"(?<![\w.])/(?:[\w.-]+/)+": "/FOLDER/",
    r"[ \t]+": " ",
}
"""What is another one each time a command runs, or on another machine: it is shown, and not compared."""

sys.path.insert(0, str(ROOT / "scripts"))
from screenshot import Terminal  # noqa: E402  # a script is not importable otherwise


def files(document: Document) -> Iterator[Region]:
    """The block after `<!-- file: NAME -->` is written to that file."""
    for found in FILE.finditer(document.text):
        yield Region(found.start(), found.end(), found.groups(), write)


def write(example: Example) -> None:
    name, text = example.parsed
    Path(name).write_text(text)


def consoles(document: Document) -> Iterator[Region]:
    """The commands of a console block after `<!-- run -->` are run in a terminal, and must succeed.

    `<!-- run: 1 -->` expects that exit code of the last. What the block shows must be what is printed; a line
    of three dots stands for any lines, and a command without anything below it may print what it likes.
    """
    for found in RUN.finditer(document.text):
        yield Region(found.start(), found.end(), (int(found[1] or 0), COMMAND.findall(found[2])), run)


def run(example: Example) -> None:
    expected_code, commands = example.parsed
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for number, (command, shown) in enumerate(commands, 1):
        terminal = Terminal(160, 300, environ=os.environ | {"PATH": path})
        code = terminal.run(command)
        printed = terminal.text()
        assert code == (expected_code if number == len(commands) else 0), f"$ {command}\n{printed}"
        assert not shown or is_as_shown(printed, shown), f"$ {command}\n{printed}\n--- shown is:\n{shown}"


def is_as_shown(printed: str, shown: str) -> bool:
    pattern = "".join(r"(?:.*\n)*" if line == "..." else f"{re.escape(line)}\n" for line in settled(shown))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in settled(printed))) is not None


def settled(text: str) -> list[str]:
    """The lines of a text, without what varies, and without the empty ones."""
    for pattern, name in VARIES.items():
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return [line.strip() for line in text.splitlines() if line.strip()]


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
    monkeypatch.delenv("RAMIFY_RECORD", raising=False)  # as a reader has it
    for example in examples(path):
        example.evaluate()


def test_an_example_that_is_wrong_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    wrong = ["<!-- run -->\n```console\n$ false\n```", "<!-- run: 1 -->\n```console\n$ true\n```"]
    wrong += ["<!-- run -->\n```console\n$ echo one\ntwo\n```", "```python\nassert 1 == 2\n```"]
    page.write_text("\n\n".join(wrong) + "\n")
    found = examples(page)
    assert len(found) == len(wrong)
    for example in found:
        with pytest.raises(AssertionError):
            example.evaluate()


def test_what_varies_is_not_compared() -> None:
    assert is_as_shown("calm-otter\n3 jobs, in 1.2 s\n\nthe rest", "calm-otter\n3 jobs, in 80 ms\n...\n")
    assert not is_as_shown("3 jobs, in 1.2 s", "4 jobs, in 1.2 s")


def modules() -> list[str]:
    import ramify

    found = pkgutil.walk_packages(ramify.__path__, "ramify.")
    return sorted(module.name for module in found if not module.name.endswith("__main__"))


@pytest.mark.slow
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
