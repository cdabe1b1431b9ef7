"""A pipeline inside another: its tasks have a prefix before their keys, and so have its waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ramify.pipeline.names import check_task_key
from ramify.pipeline.passing import Pass
from ramify.pipeline.pipeline import Pipeline, check_generator, folder_of
from ramify.pipeline.place import Place, place_of_caller
from ramify.pipeline.scope import Scope
from ramify.pipeline.task import Task
from ramify.pipeline.waiting import Opening, wait_for_matching, wait_for_tasks

if TYPE_CHECKING:
    from ramify.pipeline.dsl import DSL, Generator


class SubPipeline:
    """Made by `dsl.sub_pipeline(pipeline, prefix)`, to be yielded."""

    def __init__(
        self,
        passing: Pass,
        generator: Generator,
        scope: Scope,
        name: str,
        place: Place,
        make_dsl: Callable[[Pass, Scope], DSL],
    ) -> None:
        self._passing = passing
        self.generator = generator
        self.dsl = make_dsl(passing, scope)
        self.prefix = scope.prefix
        self.name = name
        self.place = place

    def wait_for_tasks(self, *tasks_or_keys: Task | str) -> Opening:
        """As `dsl.wait_for_tasks`, of keys without the prefix."""
        return wait_for_tasks(self._passing, self.prefix, tasks_or_keys, place_of_caller())

    def wait_for_matching_tasks(self, *patterns: str) -> Opening:
        """As `dsl.wait_for_matching_tasks`, of patterns without the prefix."""
        return wait_for_matching(self._passing, self.prefix, patterns, place_of_caller())

    def query_all_or_nothing(self, pattern: str, state: str = "completed") -> Opening:
        """As `dsl.query_all_or_nothing`, of a pattern without the prefix."""
        name = "query_all_or_nothing"
        return wait_for_matching(self._passing, self.prefix, (pattern,), place_of_caller(), state, name)

    def __repr__(self) -> str:
        return f"<sub-pipeline {self.name} of {self.place}, prefix {self.prefix!r}>"


def make_sub_pipeline(
    passing: Pass,
    outer: Scope,
    pipeline: Any,
    prefix: Any,
    place: Place,
    make_dsl: Callable[[Pass, Scope], DSL],
) -> SubPipeline:
    """A pipeline keeps its own folders, configuration and variables; a bare generator has its own code folder
    and the rest of the outer one. `make_dsl` gives what its generator is called with.
    """
    check_task_key(f"{prefix}k" if isinstance(prefix, str) and prefix else prefix, place)
    full = outer.prefix + prefix
    if isinstance(pipeline, Pipeline):
        scope = Scope(
            full,
            pipeline.code_dir,
            pipeline.task_conf,
            pipeline.containers_dir,
            pipeline.env_vars,
            outer=outer,
        )
        return SubPipeline(passing, pipeline.generator, scope, pipeline.name, place, make_dsl)
    name = check_generator(pipeline)
    scope = Scope(full, folder_of(pipeline), None, outer.containers_dir, outer=outer)
    return SubPipeline(passing, pipeline, scope, name, place, make_dsl)
