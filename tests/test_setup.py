"""`scripts/setup` on machines that lack something: a Python of the right age, ensurepip, pip, root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow

TOOLS = ["sh", "cat", "sed", "grep", "cksum", "dirname", "env", "rm", "mkdir", "touch"]

DEBIAN_PYTHON = """#!/bin/sh
# A Python as a fresh Debian has it: no ensurepip, and no pip, until the package is installed.
case "$*" in
*--without-pip*) ;;
"-m venv"*) [ -e "{marker}" ] || {{ echo "ensurepip is not available"; exit 1; }} ;;
"-m pip"*) echo "No module named pip"; exit 1 ;;
esac
exec "{python}" "$@"
"""


class Machine:
    """A folder with the repository's set-up in it, and one with the only programs that are on PATH."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.bin = folder / "bin"
        self.marker = folder / "installed"
        (self.root / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        for name in ("scripts/setup", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root / name)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def python(self, name: str = "python3") -> None:
        real = getattr(sys, "_base_executable", sys.executable)
        self.program(name, DEBIAN_PYTHON.format(marker=self.marker, python=real))

    def setup(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "scripts/setup", "venv"],
            cwd=self.root,
            env={"PATH": str(self.bin), "HOME": str(self.root)} | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def has_venv(self) -> bool:
        python = self.root / ".venv" / "bin" / "python"
        return python.exists() and subprocess.run([python, "-m", "pip", "--version"]).returncode == 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_root_on_debian_gets_the_missing_package(machine: Machine) -> None:
    machine.python()
    machine.program("id", "#!/bin/sh\necho 0\n")
    log = machine.marker.with_name("log")
    machine.program(
        "apt-get", f'#!/bin/sh\necho "$@" >>"{log}"\ncase "$1" in install) touch "{machine.marker}" ;; esac\n'
    )
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert machine.has_venv()
    version = "python{}.{}-venv".format(*sys.version_info[:2])
    assert log.read_text().splitlines() == ["update -qq", f"install -y -qq {version}"]


def test_a_user_who_may_not_install_is_told_exactly_what_to_install(machine: Machine) -> None:
    machine.python()
    machine.program("id", "#!/bin/sh\necho 1000\n")
    machine.program("sudo", "#!/bin/sh\necho 'a password is required' >&2\nexit 1\n")
    machine.program("apt-get", "#!/bin/sh\nexit 1\n")
    done = machine.setup()
    assert done.returncode == 1
    assert "apt-get install python{}.{}-venv".format(*sys.version_info[:2]) in done.stderr
    assert "password" not in done.stderr


def test_a_machine_without_apt_is_told_as_well(machine: Machine) -> None:
    machine.python()
    done = machine.setup()
    assert done.returncode == 1
    assert "cannot make a virtual environment" in done.stderr


def test_without_python_the_message_says_where_it_comes_from(machine: Machine) -> None:
    done = machine.setup()
    assert done.returncode == 1
    assert "No Python of version 3.11" in done.stderr
    assert "apt-get install python3 python3-venv" in done.stderr


def test_an_old_python_is_passed_over_for_a_newer_one(machine: Machine) -> None:
    machine.program("python3", "#!/bin/sh\nexit 1\n")
    machine.python("python3.12")
    machine.marker.touch()
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert "bin/python3.12" in done.stderr


def test_a_python_that_is_named_must_be_new_enough(machine: Machine) -> None:
    machine.python()
    machine.program("old", "#!/bin/sh\nexit 1\n")
    done = machine.setup(PYTHON="old")
    assert done.returncode == 1
    assert "PYTHON=old" in done.stderr


def test_a_second_time_nothing_is_done_until_the_pins_change(machine: Machine) -> None:
    machine.python()
    machine.marker.touch()
    assert "making" in machine.setup().stderr
    assert machine.setup().stderr == ""
    stamp = machine.root / ".venv" / ".ramify-venv"
    before = stamp.read_text()
    (machine.root / "constraints.txt").write_text("click==8.5.1\n")
    assert machine.setup().returncode == 0
    assert stamp.read_text() != before


def test_an_environment_that_has_lost_its_python_is_made_again(machine: Machine) -> None:
    machine.python()
    machine.marker.touch()
    machine.setup()
    python = machine.root / ".venv" / "bin" / "python"
    os.unlink(python)
    python.symlink_to("/nowhere/python")
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    assert machine.has_venv()
