"""How tasks that failed in an earlier run, or earlier in this one, are begun again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from ramify.files.local import read_if_there, remove_file, write_atomic
from ramify.pipeline.instance import TaskFolder

_ASKED: Final = "restart-requested"


class Restart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to become of one task that is run again; as a file in its folder, it asks a driver for that.

    It goes on at its failed step if it `is_wanted`; or at the step `at_step`, from 0; or `anew`.
    """

    is_wanted: bool = True
    anew: bool = False
    at_step: int | None = None


class Restarts(msgspec.Struct, frozen=True):
    """What is to become of tasks that failed in an earlier run: restarted at their step, or from the start.

    `at_step` says where a single task begins, by key.
    """

    failed: bool = False
    reset: bool = False
    at_step: Mapping[str, int] = {}
    only: frozenset[str] | None = None

    def of(self, key: str) -> Restart:
        """What is to become of one task."""
        is_wanted = (self.failed or self.reset) and (self.only is None or key in self.only)
        return Restart(is_wanted, self.reset, self.at_step.get(key))


def ask_restart(folder: TaskFolder, restart: Restart) -> None:
    """Says how a task is to be restarted, to whoever runs it next."""
    write_atomic(_request(folder), msgspec.json.encode(restart))


def withdraw_restart(folder: TaskFolder) -> None:
    """Takes back what `ask_restart` said, where nobody has taken it up."""
    remove_file(_request(folder))


def take_restart(folder: TaskFolder) -> Restart | None:
    """What was asked for, once; None where nothing was."""
    data = read_if_there(_request(folder))
    if data is None:
        return None
    withdraw_restart(folder)
    return msgspec.json.decode(data, type=Restart)


def _request(folder: TaskFolder) -> str:
    return f"{folder.control}/{_ASKED}"
