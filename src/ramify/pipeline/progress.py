"""What the generator of a pipeline may learn of its tasks, and who tells it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ramify.pipeline.definition import TaskDefinition, TaskResult

COMPLETED = "completed"
NOT_READY = ("waiting", "blocked", "")
"""States of a task whose inputs are not there yet. A state may end with its step: `failed.0`."""


class Progress(Protocol):
    """The states and results of the tasks of one instance. `state` of one that is not known is `"waiting"`,
    `result` of one that is not completed None. `output_folder` is an absolute path, of any key.
    """

    def state(self, key: str) -> str: ...

    def result(self, key: str) -> TaskResult | None: ...

    def output_folder(self, key: str) -> str: ...


class Instance(Progress, Protocol):
    """Another instance, as `dsl.query` reads it: its tasks as well."""

    def definitions(self) -> Iterable[TaskDefinition]: ...
