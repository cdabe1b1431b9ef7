"""The words of a pipeline's generator: `def flow(dsl): yield dsl.task(...)...`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ramify.core.patterns import fits
from ramify.errors import DeclarationError, DeclarationTypeError, FileMissingError
from ramify.pipeline.builder import TaskBuilder
from ramify.pipeline.conf import TaskConf
from ramify.pipeline.inputs import Val
from ramify.pipeline.names import check_task_key, wrong_type
from ramify.pipeline.outputs import File, Fileset, Var
from ramify.pipeline.passing import Pass
from ramify.pipeline.place import place_of_caller
from ramify.pipeline.progress import COMPLETED
from ramify.pipeline.scope import Scope
from ramify.pipeline.sub_pipeline import SubPipeline, make_sub_pipeline
from ramify.pipeline.task import Task
from ramify.pipeline.waiting import Opening, wait_for_matching, wait_for_tasks


class DSL:
    """What a generator is given. One per pass, and per sub-pipeline.

    A generator is run again whenever something that it waited for, fetched or read through this has changed.
    It declares tasks and does no work of its own.
    """

    def __init__(self, passing: Pass, scope: Scope) -> None:
        self._passing = passing
        self._scope = scope

    # ---- tasks

    def task(self, key: str, task_conf: TaskConf | None = None) -> TaskBuilder:
        """The start of a task: `.inputs(...)`, `.outputs(...)` and `.calls(...)` follow, and a last `()`.

        Raises `RamifyKeyEncodingError` for what cannot be a key.
        """
        place = place_of_caller()
        scope = self._scope
        full = check_task_key(scope.prefix + key if scope.prefix and isinstance(key, str) else key, place)
        if task_conf is not None and type(task_conf) is not TaskConf:
            raise wrong_type(full, place, f"task_conf must be a TaskConf; it is {task_conf!r}")
        return TaskBuilder(self._passing, scope, full, place, scope.written_conf(task_conf))

    def var(self, type: Any = str, may_be_none: bool = False) -> Var:
        """A variable among the outputs: `int`, `float` or `str`; with `may_be_none` it may stay unset."""
        return Var(type, may_be_none)

    def val(self, value: Any) -> Val:
        """A constant among the inputs; of a variable that another task makes, the value once it is there."""
        if isinstance(value, type):
            place = place_of_caller()
            raise DeclarationTypeError(
                f"{place}: dsl.val takes a value; dsl.var({value.__name__}) declares an output",
                where=str(place),
            )
        return Val(value)

    def file(self, path: Any) -> File:
        """A file: as an output below the task's output folder; as an input below the instance folder, or
        absolute.
        """
        return File(path)

    def fileset(self, pattern: str, exclude_pattern: str | Iterable[str] | None = None) -> Fileset:
        """All files among the outputs that match a glob (`**`: any depth), but not an excluded one."""
        return Fileset(pattern, exclude_pattern or ())

    def file_set(self, pattern: str, exclude_pattern: str | Iterable[str] | None = None) -> Fileset:
        """The other name of `fileset`."""
        return Fileset(pattern, exclude_pattern or ())

    # ---- waits

    def wait_for_tasks(self, *tasks_or_keys: Task | str) -> Opening:
        """For use in `for`: one item, the task or the tuple of them, once all are completed; none before."""
        return wait_for_tasks(self._passing, self._scope.prefix, tasks_or_keys, place_of_caller())

    def wait_for_matching_tasks(self, *patterns: str) -> Opening:
        """For use in `for`: one item, a `TaskMatch` or the tuple of them, once all tasks yielded so far that
        match are completed; none before, nor while a pattern matches nothing.
        """
        return wait_for_matching(self._passing, self._scope.prefix, patterns, place_of_caller())

    def query_all_or_nothing(self, pattern: str, state: str = COMPLETED) -> Opening:
        """The same for one pattern, and for the state `"ready"` too: all inputs are there, run or not."""
        return wait_for_matching(
            self._passing, self._scope.prefix, (pattern,), place_of_caller(), state, "query_all_or_nothing"
        )

    def query(
        self, pattern: str, external_pipeline_instance_dir: str | os.PathLike[str] | None = None
    ) -> list[Task]:
        """The completed tasks that match, as they are now: of those yielded so far, or of another instance
        (`$NAME` in its folder is replaced), whose outputs are inputs like constants and absolute paths.
        """
        passing = self._passing
        if external_pipeline_instance_dir is None:
            keys = passing.matching(self._scope.prefix + pattern)
            return [passing.tasks[key] for key in keys if passing.is_completed(key)]
        place = place_of_caller()
        other = passing.other_instance(os.fspath(external_pipeline_instance_dir))
        return [
            Task(passing, definition, place, foreign=other)
            for definition in sorted(other.definitions(), key=lambda one: one.key)
            if fits(pattern, definition.key) and other.state(definition.key) == COMPLETED
        ]

    # ---- composition and files

    def sub_pipeline(self, pipeline: Any, prefix: str) -> SubPipeline:
        """The tasks of another pipeline, or generator, with this prefix before their keys; to be yielded."""
        return make_sub_pipeline(self._passing, self._scope, pipeline, prefix, place_of_caller(), DSL)

    @property
    def pipeline_instance_dir(self) -> str:
        """The folder of the instance, absolute."""
        return self._passing.instance_dir

    def file_in_pipeline_instance_dir(self, name: str | os.PathLike[str], must_exist: bool = True) -> Path:
        """The path of a file of the instance folder. The generator is run again when that file changes.

        Raises `FileMissingError` where it is not there, unless `must_exist` is False.
        """
        place = place_of_caller()
        path = os.path.normpath(os.path.join(self._passing.instance_dir, name))
        if not path.startswith(f"{self._passing.instance_dir.rstrip('/')}/"):
            raise DeclarationError(f"{place}: {os.fspath(name)!r} is not below the instance folder")
        self._passing.read(path)
        if must_exist and not os.path.exists(path):
            raise FileMissingError(
                f"{place}: put the file {path} there first: the pipeline reads it", path=path
            )
        return Path(path)


Generator = Callable[[DSL], Iterable[Any]]
"""What declares a pipeline: a generator function of one parameter."""
