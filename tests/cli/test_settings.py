"""Settings: where they come from, which wins, and what is said of wrong ones."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ramify.errors import ModeError, StorageError
from ramify.settings import KEYS, Settings, find_project, project_home, read_settings


def read(folder: Path, flags: dict[str, Any] | None = None, **environ: str) -> Settings:
    return read_settings(flags, start=str(folder), environ=environ)


def test_nothing_said_gives_the_defaults(tmp_path: Path) -> None:
    assert read(tmp_path) == Settings()


def test_the_later_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.ramify]\njobs = 1\nretries = 1\nmode = 'thread'\nkeep-going = true\n"
        "[tool.ramify.profiles.big]\njobs = 2\nretries = 2\nmode = 'process'\n"
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert read(below).jobs == 1 and read(below).keep_going
    assert read(below, {"profile": "big"}).jobs == 2
    assert read(below, RAMIFY_PROFILE="big").mode == "process"
    both = read(below, {"profile": "big", "jobs": 4}, RAMIFY_JOBS="3", RAMIFY_RETRIES="3")
    assert (both.jobs, both.retries, both.mode) == (4, 3, "process")
    assert read(below, {"jobs": None}).jobs == 1


def test_ramify_toml_needs_no_table_and_is_found_upwards(tmp_path: Path) -> None:
    (tmp_path / "ramify.toml").write_text("timeout = 2.5\n[profiles.slow]\ntimeout = 60\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert read(tmp_path / "sub").timeout == 2.5
    assert read(tmp_path / "sub", {"profile": "slow"}).timeout == 60


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("job = 1", "no setting 'job'; did you mean 'jobs'"),
        ("jobs = 'two'", "jobs = 'two': expected a whole number"),
        ("jobs = 0", "jobs is 0: use 1 or more"),
        ("mode = 'cloud'", "use one of subprocess, process, thread"),
        ("timeout = -1", "seconds above 0"),
        ("jobs = = 1", "is no TOML"),
        ("profile = 'none'", "no profile 'none'"),
    ],
)
def test_wrong_files_are_told(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "ramify.toml").write_text(text)
    with pytest.raises(ModeError) as caught:
        read(tmp_path)
    assert words in str(caught.value)


def test_wrong_variables_are_told(tmp_path: Path) -> None:
    with pytest.raises(ModeError, match="RAMIFY_JOBS = 'many': expected a whole number"):
        read(tmp_path, RAMIFY_JOBS="many")
    with pytest.raises(ModeError, match="RAMIFY_KEEP_GOING"):
        read(tmp_path, RAMIFY_KEEP_GOING="perhaps")


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("false", False)])
def test_truth_in_the_environment(tmp_path: Path, text: str, value: bool) -> None:
    assert read(tmp_path, RAMIFY_QUIET=text).quiet is value


def test_every_flag_of_run_is_a_setting() -> None:
    from ramify.cli.run import run

    of_one_call = {"force", "force_all", "reuse_from", "dry_run", "max_growths"}
    own = {"target", "name", "as_json", *of_one_call}
    assert {p.name for p in run.params} - own <= set(KEYS)


def test_home_is_beside_the_nearest_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert project_home(str(tmp_path / "a" / "b")) == str(tmp_path / ".ramify")
    (tmp_path / "a" / "ramify.toml").touch()
    assert project_home(str(tmp_path / "a" / "b")) == str(tmp_path / "a" / ".ramify")
    assert not (tmp_path / ".ramify").exists()


def test_home_outside_of_any_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if find_project(str(tmp_path)) is not None:
        pytest.skip("platform: the temporary folder lies in a project")
    monkeypatch.setenv("RAMIFY_HOME", str(tmp_path / "mine"))
    assert project_home(str(tmp_path)) == str(tmp_path / "mine")
    monkeypatch.delenv("RAMIFY_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert project_home(str(tmp_path)) == os.path.join(tmp_path, "data", "ramify")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert project_home(str(tmp_path)) == os.path.expanduser("~/.local/share/ramify")


def test_a_user_without_a_home_is_told_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that runs under a number without a name: nothing called `~` is made."""
    monkeypatch.delenv("RAMIFY_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(StorageError, match="RAMIFY_HOME"):
        project_home(str(tmp_path))
