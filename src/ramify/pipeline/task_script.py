"""The script that each task has in its folder, and what else the tasks of an instance share."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Final

from ramify.files.local import read_if_there, write_atomic
from ramify.pipeline import python_child
from ramify.worker.launch import ROOT

if TYPE_CHECKING:
    from ramify.pipeline.instance import Instance

_SCRIPT: Final = """#!/usr/bin/env bash
# Runs the task in whose folder this is, by hand:  task [--at-step N]  |  task kill  |  task tail  |  task ps
set -eu
folder=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
export PYTHONPATH=ROOT${PYTHONPATH:+:$PYTHONPATH}
python=PYTHON
exec "${RAMIFY_PYTHON:-$python}" -m ramify.pipeline.by_hand "$folder" "$@"
"""


_ENVIRONMENT: Final = """# The variables of the task in whose folder this is:  . task-env.sh  (bash, zsh)
__ramify_env=$(PYTHONPATH=ROOT${PYTHONPATH:+:$PYTHONPATH} PYTHON -m ramify.pipeline.by_hand \\
  "$(cd -- "$(dirname -- "${BASH_SOURCE[0]:-$0}")" && pwd -P)" env) && eval "$__ramify_env"
unset __ramify_env
"""

SHARED: Final = ("task", "task-env.sh")
"""What each task has a link to."""


def task_script() -> str:
    """The text of the script: one for all tasks, which finds its task by the folder of the link to it."""
    python, root = shlex.quote(sys.executable or "python3"), shlex.quote(ROOT)
    return _SCRIPT.replace("=ROOT", f"={root}").replace("=PYTHON", f"={python}")


def environment_script() -> str:
    """The text of `task-env.sh`, one for all tasks as well."""
    python, root = shlex.quote(sys.executable or "python3"), shlex.quote(ROOT)
    return _ENVIRONMENT.replace("=ROOT", f"={root}").replace(" PYTHON ", f" {python} ")


def write_shared_files(instance: Instance) -> None:
    """Writes the script, and the program of Python steps that run elsewhere, where they are not there yet."""
    with open(python_child.__file__, "rb") as file:
        child = file.read()
    for name, data in (
        ("task", task_script().encode()),
        ("task-env.sh", environment_script().encode()),
        ("python_child.py", child),
    ):
        path = f"{instance.engine_folder}/{name}"
        if read_if_there(path) != data:
            write_atomic(path, data)
            os.chmod(path, 0o755)
