"""A project folder of its own for every test of a command, and a way to call one."""

from __future__ import annotations

from pathlib import Path

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
