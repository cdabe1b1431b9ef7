"""The states of a task, as one file in its folder says them by its name: `state.NAME[.STEP]`."""

from __future__ import annotations

from typing import Final, NamedTuple

from ramify.errors import PlanError

PLAIN: Final = frozenset({"waiting", "ready", "launched", "blocked", "completed"})
"""States of the whole task."""

STEPPED: Final = frozenset({"step-started", "step-completed", "failed", "killed", "timed-out", "crashed"})
"""States that name the step."""

ENDS_BADLY: Final = frozenset({"failed", "killed", "timed-out", "crashed"})
PREFIX: Final = "state."


class TaskState(NamedTuple):
    """A state and, where it has one, the number of its step, counted from 0.

    >>> str(TaskState("failed", 1)), str(TaskState("completed"))
    ('failed.1', 'completed')
    """

    name: str
    step: int | None = None

    def __str__(self) -> str:
        return self.name if self.step is None else f"{self.name}.{self.step}"


def parse_state(text: str) -> TaskState:
    """Reads `failed.1`; `PlanError` for what is no state.

    >>> parse_state("step-started.0")
    TaskState(name='step-started', step=0)
    """
    name, _, step = text.partition(".")
    if name in PLAIN and not step:
        return TaskState(name)
    if name in STEPPED and step.isascii() and step.isdecimal():
        return TaskState(name, int(step))
    raise PlanError(f"{text!r} is no state of a task", path=text)
