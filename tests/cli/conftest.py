"""A project folder of its own for every test of a command, and a way to call one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ramify.catalogue import open_catalogue
from ramify.cli.app import run_command
from ramify.run.view import RunView


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)


Call = Callable[..., Said]


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


def register(folder: str) -> None:
    """Puts a written run into the project's list, as its driver would have."""
    view = RunView(folder)
    catalogue = open_catalogue(os.path.join(os.getcwd(), ".ramify"))
    catalogue.began(view.name, folder, view.facts)
    if view.end is not None:
        catalogue.ended(view.name, view.end)
