"""Help, version, completion, and how little is imported for them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from cli_calls import Call

from ramify.cli.app import COMMANDS, app

HEAVY = {
    "rich", "cloudpickle", "pandas", "numpy", "psutil", "sqlite3", "asyncio", "multiprocessing", "subprocess",
}  # fmt: skip


def test_help_lists_every_command(call: Call) -> None:
    said = call("--help")
    assert said.code == 0
    for name, line in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(line[:30])}", said.out, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_and_json(call: Call, name: str) -> None:
    said = call(name, "--help")
    assert said.code == 0
    assert "Example: " in said.out
    assert "--json" in said.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_called_as_the_table_says(name: str) -> None:
    command = app.get_command(app.make_context("ramify", ["--help"], resilient_parsing=True), name)
    assert command is not None and command.name == name


def test_older_names_lead_to_the_same_commands(call: Call) -> None:
    assert call("list", "--json").document == call("ls", "--json").document


def test_version(call: Call) -> None:
    from ramify import __version__

    assert call("--version").out == f"ramify {__version__}\n"


def test_no_words_is_help_and_usage(call: Call) -> None:
    said = call()
    assert said.code == 2
    assert "Commands:" in said.out + said.err


@pytest.mark.parametrize(
    "words", [["nope"], ["ls", "--nope"], ["run"], ["run", "x.py", "-j", "0"], ["flow.py"]]
)
def test_usage_errors_exit_with_2_and_no_stack(call: Call, words: list[str]) -> None:
    said = call(*words)
    assert said.code == 2
    assert "Error: " in said.err and "Traceback" not in said.err


def test_a_file_as_a_command_gets_a_hint(call: Call) -> None:
    assert "did you mean `ramify run flow.py:dag`" in call("flow.py:dag").err


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    code = f"""
import sys
from ramify.cli.app import run_command
run_command({words!r})
print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stderr.strip() == "[]"


def test_no_command_module_imports_anything_heavy() -> None:
    code = f"""
import sys
from ramify.cli.app import COMMANDS, app
for name in COMMANDS:
    app.get_command(None, name)
print(sorted(({HEAVY!r} - {{"subprocess"}}) & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(call: Call, shell: str) -> None:
    assert "_RAMIFY_COMPLETE" in call("completion", shell).out
    assert call("completion", shell, "--json").document["shell"] == shell


def test_a_shell_completes_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ramify"],
        env={"_RAMIFY_COMPLETE": "bash_complete", "COMP_WORDS": "ramify st", "COMP_CWORD": "1", "PATH": ""}
        | {"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.split() == ["plain,status", "plain,step"]
