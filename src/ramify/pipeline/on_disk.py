"""What the folder of an instance says of its tasks: for a look at one nobody runs, and for `dsl.query`."""

from __future__ import annotations

import os
from collections.abc import Iterable

from ramify.pipeline.definition import TaskDefinition, TaskResult
from ramify.pipeline.instance import OUTPUT
from ramify.pipeline.kept import read_kept
from ramify.pipeline.opened import OpenInstance
from ramify.pipeline.overview import check_instance, task_keys
from ramify.pipeline.progress import COMPLETED


class DiskProgress:
    """The states and results of an instance that nobody runs, from its folder."""

    def __init__(self, here: OpenInstance) -> None:
        self.here = here

    def state(self, key: str) -> str:
        """What the task's state file says; completed is what has a result."""
        state = self.here.instance.task(key).state()
        if state is None or (str(state) == COMPLETED and self.here.known(key) is None):
            return "waiting"
        return str(state)

    def result(self, key: str) -> TaskResult | None:
        """The result of a completed task."""
        known = self.here.known(key) if self.state(key) == COMPLETED else None
        return None if known is None else known.result()

    def output_folder(self, key: str) -> str:
        """Where a task puts its files."""
        return os.path.join(self.here.path, OUTPUT, key)

    def definitions(self) -> Iterable[TaskDefinition]:
        """The tasks, as they were last begun or prepared."""
        kept = (read_kept(self.here.instance.task(key).control) for key in task_keys(self.here.instance))
        return [each.definition for each in kept if each is not None]


def other_instance(path: str) -> DiskProgress:
    """The instance in a folder, which `dsl.query` reads; `UnknownRunError` where there is none."""
    return DiskProgress(OpenInstance(check_instance(path).path))
