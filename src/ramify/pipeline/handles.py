"""Outputs of tasks as the generator holds them: passed on as inputs, read once their task is completed."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from ramify.errors import DeclarationError, NotCompletedError, UnknownOutputError
from ramify.pipeline.definition import Input, InputKind, Output, TaskResult, Variable
from ramify.pipeline.passing import quoted_list

if TYPE_CHECKING:
    from ramify.pipeline.task import Task

OUTPUT: Final = "output"
"""The folder of an instance that holds the output folder of every task."""


class Handle:
    """One output of one task."""

    __slots__ = ("declared", "task")

    def __init__(self, task: Task, declared: Output) -> None:
        self.task = task
        self.declared = declared

    @property
    def name(self) -> str:
        return self.declared.name

    def __repr__(self) -> str:
        return f"<output {self.name!r} of task {self.task.key!r}>"

    def as_input(self, name: str) -> Input:
        """The input that takes this output, as data."""
        raise NotImplementedError

    def _result(self) -> TaskResult:
        found = self.task.result()
        if found is None:
            raise NotCompletedError(
                f"output {self.name!r} of task {self.task.key!r} ({self.task.place}) is not there yet: read "
                f"it inside `for _ in dsl.wait_for_tasks(...)`",
                key=self.task.key,
                output=self.name,
            )
        return found

    def _lost(self) -> DeclarationError:
        return DeclarationError(
            f"task {self.task.key!r} ({self.task.place}) is completed without its output {self.name!r}",
            key=self.task.key,
            output=self.name,
        )


class VarHandle(Handle):
    """A variable. `fetch()` has its type; `int()`, `float()` and `str()` fetch as well."""

    __slots__ = ()

    def fetch(self) -> Variable:
        """The value; `NotCompletedError` before its task is completed."""
        variables = self._result().variables
        if self.name not in variables and not self.declared.may_be_none:
            raise self._lost()
        return variables.get(self.name)

    def __int__(self) -> int:
        return int(self._some())

    def __float__(self) -> float:
        return float(self._some())

    def __str__(self) -> str:
        return str(self.fetch())

    def as_input(self, name: str) -> Input:
        kind: Any = self.declared.kind
        if self.task.is_foreign:
            return Input(name, kind, self.fetch())
        return Input(name, kind, None, self.task.key, self.name)

    def _some(self) -> int | float | str:
        value = self.fetch()
        if value is None:
            raise DeclarationError(f"{self!r} is None", key=self.task.key, output=self.name)
        return value


class FileHandle(Handle):
    """A file: an output by itself, or one of a fileset. It is a path: `open(handle)` works."""

    __slots__ = ("path",)

    def __init__(self, task: Task, declared: Output, path: str | None = None) -> None:
        super().__init__(task, declared)
        self.path = path
        """Where in a fileset it is, relative to the task's output folder; None of an output by itself."""

    def fetch(self) -> FileHandle:
        """Itself; `NotCompletedError` before its task is completed."""
        self._result()
        return self

    def basename(self) -> str:
        """The last part of its path."""
        return os.path.basename(self._relative())

    def load_as_string(self) -> str:
        """Its text (UTF-8); `NotCompletedError` before its task is completed."""
        self._result()
        with open(os.fspath(self), encoding="utf-8", newline="") as file:
            return file.read()

    def __fspath__(self) -> str:
        self.task.result()  # that this was asked is remembered: the pass is made again when the file is there
        return os.path.join(self.task.output_folder(), self._relative())

    def __str__(self) -> str:
        return os.path.join(self.task.output_folder(), self._relative())

    def as_input(self, name: str) -> Input:
        if self.task.is_foreign:
            return Input(name, "file", str(self))
        return Input(name, "file", self.path, self.task.key, self.name)

    def _relative(self) -> str:
        if self.path is not None:
            return self.path
        return (self._result_path() if self.task.is_foreign else None) or str(self.declared.pattern)

    def _result_path(self) -> str | None:
        return self._result().files.get(self.name)


class FilesetHandle(Handle):
    """A set of files. `fetch()` and iteration give them, sorted by their paths."""

    __slots__ = ()

    def fetch(self) -> list[FileHandle]:
        """The files; `NotCompletedError` before the task is completed."""
        paths = self._result().filesets.get(self.name)
        if paths is None:
            raise self._lost()
        return [FileHandle(self.task, self.declared, path) for path in sorted(paths)]

    def __iter__(self) -> Iterator[FileHandle]:
        return iter(self.fetch())

    def as_input(self, name: str) -> Input:
        if self.task.is_foreign:
            folder = glob.escape(self.task.output_folder())
            return Input(name, "glob", f"{folder}/{self.declared.pattern}")
        return Input(name, "glob", f"{OUTPUT}/{self.task.key}/{self.declared.pattern}")


_CLASSES: Final[dict[InputKind | str, type[Handle]]] = {"file": FileHandle, "fileset": FilesetHandle}


class Outputs:
    """The outputs of a task, by name: `task.outputs.x` or `task.outputs["x"]`."""

    __slots__ = ("_task",)

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        for declared in self._task.definition.outputs:
            if declared.name == name:
                return _CLASSES.get(declared.kind, VarHandle)(self._task, declared)
        if name.startswith("__"):
            raise AttributeError(name)
        raise UnknownOutputError(
            f"task {self._task.key!r} ({self._task.place}) has no output {name!r}{self._hint(name)}",
            key=self._task.key,
            output=name,
        )

    __getitem__ = __getattr__

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, declared.name) for declared in self._task.definition.outputs)

    def __contains__(self, name: object) -> bool:
        return any(declared.name == name for declared in self._task.definition.outputs)

    def __dir__(self) -> list[str]:
        return [declared.name for declared in self._task.definition.outputs]

    def _hint(self, name: str) -> str:
        names = dir(self)
        if not names:
            return ": it declares none; add .outputs(...)"
        near = get_close_matches(name, names, 1)
        return f"; did you mean {near[0]!r}?" if near else f"; it has {quoted_list(names)}"
