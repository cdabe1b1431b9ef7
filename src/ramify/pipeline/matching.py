"""What a wait for a pattern gives: the tasks that match, and the outputs of all of them."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from typing import Any

from ramify.errors import DeclarationError
from ramify.pipeline.definition import Output
from ramify.pipeline.handles import OUTPUT
from ramify.pipeline.inputs import GlobExpression
from ramify.pipeline.passing import quoted_list
from ramify.pipeline.task import Task


class TaskMatch:
    """The tasks that match a pattern, in the order of their keys. `wait` is the number of their wait."""

    __slots__ = ("pattern", "tasks", "wait")

    def __init__(self, pattern: str, tasks: Sequence[Task], wait: int) -> None:
        self.pattern = pattern
        self.tasks = list(tasks)
        self.wait = wait

    @property
    def tasks_by_key(self) -> dict[str, Task]:
        """The tasks by their keys."""
        return {task.key: task for task in self.tasks}

    def single(self) -> Task:
        """The one task; `DeclarationError` where there are none or several."""
        task = self.single_or_none()
        if task is None:
            raise DeclarationError(f"no task matches {self.pattern!r}, where one is wanted")
        return task

    def single_or_none(self) -> Task | None:
        """The one task, None where there is none; `DeclarationError` where there are several."""
        if len(self.tasks) > 1:
            keys = quoted_list(task.key for task in self.tasks)
            raise DeclarationError(
                f"one task is wanted of {self.pattern!r}, and {len(self.tasks)} match: {keys}"
            )
        return self.tasks[0] if self.tasks else None

    @property
    def all(self) -> All:
        """`match.all.x`: the output `x` of all the tasks."""
        return All(self)

    def __repr__(self) -> str:
        return f"<{len(self.tasks)} tasks that match {self.pattern!r}>"


class All:
    """The outputs of all tasks of a match, by name."""

    __slots__ = ("_match",)

    def __init__(self, match: TaskMatch) -> None:
        self._match = match

    def __getattr__(self, name: str) -> AllOf:
        if name.startswith("__"):
            raise AttributeError(name)
        return AllOf(self._match, name)

    __getitem__ = __getattr__


class AllOf:
    """One output of all tasks of a match. `UnknownOutputError` names the first task that lacks it."""

    __slots__ = ("handles", "match", "name")

    def __init__(self, match: TaskMatch, name: str) -> None:
        self.match = match
        self.name = name
        self.handles = [getattr(task.outputs, name) for task in match.tasks]

    def fetch(self) -> list[Any]:
        """The values, or the files, in the order of the keys of their tasks; of filesets all files."""
        fetched: list[Any] = []
        for handle in self.handles:
            one = handle.fetch()
            fetched.extend(one) if isinstance(one, list) else fetched.append(one)
        return fetched

    def as_glob_expression(self) -> GlobExpression:
        """The files of all the tasks: to bash a pattern, to Python a function that returns the files."""
        declared: dict[str | None, tuple[str, Output]] = {}
        for handle in self.handles:
            if handle.declared.kind not in ("file", "fileset"):
                raise DeclarationError(f"{handle!r} is a variable: use .fetch()", output=self.name)
            declared.setdefault(handle.declared.pattern, (handle.task.key, handle.declared))
        if len(declared) > 1:
            told = ", ".join(f"{key!r} has {output.pattern!r}" for key, output in list(declared.values())[:2])
            raise DeclarationError(
                f"the output {self.name!r} of {self.match.pattern!r} is no single pattern: {told}; give them "
                "one name, or use .fetch()",
                output=self.name,
            )
        (_, output) = next(iter(declared.values()))
        path = output.pattern or ""
        below = glob.escape(path) if output.kind == "file" else path
        keys = tuple(task.key for task in self.match.tasks)
        return GlobExpression(f"{OUTPUT}/{self.match.pattern}/{below}", keys, self.match.wait)
