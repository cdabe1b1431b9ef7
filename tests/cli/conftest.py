"""A project folder of its own for every test of a command, and a way to call one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from cli_calls import Call, Said

from ramify.cli.app import run_command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh project, which is the current folder."""
    (tmp_path / "ramify.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(project: Path, capfd: pytest.CaptureFixture[str]) -> Call:
    """Calls `ramify` with these words, in this process."""

    def calls(*words: str) -> Said:
        capfd.readouterr()
        code = run_command(list(words))
        return Said(code, *capfd.readouterr())

    return calls


@pytest.fixture(autouse=True)
def own_imports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a command of this test imports, and where it looks for modules, does not outlive the test."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name, module in list(sys.modules.items()):
        if name not in modules and _is_below(tmp_path_factory.getbasetemp(), module):
            del sys.modules[name]


def _is_below(folder: Path, module: ModuleType) -> bool:
    """Whether the file of the module is one that a test wrote."""
    place = getattr(module, "__file__", None)
    return isinstance(place, str) and Path(place).is_relative_to(folder.resolve())
