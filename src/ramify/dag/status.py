"""How people call the states of a node and of a run, and where the driver of a run lives."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from ramify.core.table import BLOCKED, CANCELLED, FAILED, NAMES, REUSED, RUNNING, SUCCEEDED
from ramify.errors import ModeError


class Status(Enum):
    """The status of a node or of a graph; as text in words, `"Not Started"`.

    >>> str(Status.PARENT_FAILED), Status.FAILED.value, Status("parent failed")
    ('Parent Failed', 4, <Status.PARENT_FAILED: 6>)
    """

    NOT_STARTED = 1
    RUNNING = 2
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5
    PARENT_FAILED = 6

    def __str__(self) -> str:
        return self.name.replace("_", " ").title()

    @classmethod
    def _missing_(cls, value: object) -> Status | None:
        """By its words, in any case."""
        return cls.__members__.get(value.upper().replace(" ", "_")) if isinstance(value, str) else None


class Mode(Enum):
    """Where the driver of a graph lives: in this process (`REALTIME`, `LOCAL`), or detached (`BATCH`)."""

    BATCH = "batch"
    LOCAL = "local"
    REALTIME = "realtime"

    def __str__(self) -> str:
        return self.name.title()


def as_mode(mode: Any) -> Mode:
    """The mode that is meant, by itself or by its name in any case; `ModeError` for anything else.

    >>> as_mode("batch")
    <Mode.BATCH: 'batch'>
    """
    try:
        return Mode(mode.lower() if isinstance(mode, str) else mode)
    except ValueError:
        raise ModeError(f"mode={mode!r}: use Mode.REALTIME, Mode.LOCAL or Mode.BATCH", mode=mode) from None


_ENDS: Final = {
    RUNNING: Status.RUNNING,
    SUCCEEDED: Status.COMPLETED,
    REUSED: Status.COMPLETED,
    FAILED: Status.FAILED,
    BLOCKED: Status.PARENT_FAILED,
    CANCELLED: Status.CANCELLED,
}
STATUS_OF: Final = tuple(_ENDS.get(state, Status.NOT_STARTED) for state in range(len(NAMES)))
"""The public status of each state of the engine."""
