"""Edits that Python's own cache of bytecode does not see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ramify.values.importable import is_own_folder, own_import_path

SHOW = "import sys; sys.path.insert(0, ''); {}import edited; print(edited.VALUE)"
CURRENT = "from ramify.values.sources import import_current_sources; import_current_sources(); "


def value_in(folder: Path, prepare: str = CURRENT) -> str:
    env = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", SHOW.format(prepare)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write(folder: Path, text: str, second: int) -> None:
    """Writes the module, changed in the given second as far as Python sees it."""
    file = folder / "edited.py"
    file.write_text(text)
    now = file.stat().st_mtime_ns
    os.utime(file, ns=(now, second * 10**9 + now % 10**9))


def test_an_edit_within_a_second_counts(tmp_path: Path) -> None:
    second = int(os.stat(tmp_path).st_mtime) + 10  # the bytecode is older than both
    write(tmp_path, "VALUE = 1", second)
    assert value_in(tmp_path, "") == "1"
    write(tmp_path, "VALUE = 2", second)
    assert value_in(tmp_path, "") == "1", "Python itself does see it: then none of this is needed any more"
    assert value_in(tmp_path) == "2"


def test_bytecode_that_is_newer_is_used(tmp_path: Path) -> None:
    second = int(os.stat(tmp_path).st_mtime) - 10
    write(tmp_path, "VALUE = 1", second)
    assert value_in(tmp_path) == "1"
    (cached,) = (tmp_path / "__pycache__").iterdir()
    before = cached.stat().st_mtime_ns
    assert value_in(tmp_path) == "1"
    assert cached.stat().st_mtime_ns == before


def test_what_is_installed_loads_as_ever() -> None:
    assert not is_own_folder(os.path.dirname(pytest.__path__[0]))
    assert not is_own_folder(os.path.dirname(os.__file__))
    assert own_import_path() and all(is_own_folder(folder) for folder in own_import_path())
