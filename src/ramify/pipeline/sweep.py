"""A sweep: the generator is run once, and what it yielded, waited for and asked is kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ramify.errors import CycleError, DeclarationError, DeclarationTypeError, UnknownKeyError
from ramify.pipeline.builder import TaskBuilder
from ramify.pipeline.definition import TaskDefinition
from ramify.pipeline.dsl import DSL, Generator
from ramify.pipeline.groups import group
from ramify.pipeline.passing import Asked, Pass, Wait
from ramify.pipeline.pipeline import Pipeline
from ramify.pipeline.place import Place, place_of_yield
from ramify.pipeline.progress import Instance, Progress
from ramify.pipeline.sub_pipeline import SubPipeline
from ramify.pipeline.task import Task

_DEEPEST = 50


@dataclass(slots=True)
class Sweep:
    """What one pass of the generator came to.

    `definitions` are the tasks, parents first, else in the order of their yields; `places` where each was
    declared; `functions` those that its Python steps call, in order; `made_in` the numbers, in `waits`, of
    the waits that it was made from; `asked` every question and its answer.
    """

    pipeline: Pipeline
    definitions: dict[str, TaskDefinition]
    places: dict[str, Place]
    functions: dict[str, tuple[Callable[..., Any], ...]]
    made_in: dict[str, tuple[int, ...]]
    waits: list[Wait]
    asked: Asked

    def parents(self, key: str) -> tuple[str, ...]:
        """The tasks that must be completed before one: of its inputs, and those that it comes after."""
        return parents_of(self.definitions[key])

    def edges(self) -> Iterator[tuple[str, str, str]]:
        """Each edge: the parent, the child, and the name of the parent's output (`""`: only the order)."""
        for key, definition in self.definitions.items():
            for one in definition.inputs:
                if one.task is not None:
                    yield one.task, key, str(one.output)
            for parent in definition.after:
                yield parent, key, ""

    def not_ready(self, progress: Progress) -> list[str]:
        """Why each wait that is not open is not, a line each."""
        return [why for wait in self.waits if (why := wait.why(progress)) is not None]

    def groups(self, grouper: str | None = None) -> dict[str, list[str]]:
        """The keys of each group, by a grouper of the pipeline."""
        return group(self.definitions, self.pipeline.grouper(grouper))


def sweep(
    pipeline: Pipeline,
    instance_dir: str | os.PathLike[str],
    progress: Progress,
    *,
    elsewhere: Callable[[str], Instance] | None = None,
) -> Sweep:
    """Runs the generator once. Nothing is written.

    `progress` answers what it asks, `elsewhere` reads other instances, by their folders. What the generator
    raises is passed on; a task that cannot be is refused by name, with the line of its declaration.

    >>> from ramify.pipeline import create_pipeline
    >>> from ramify.pipeline.definition import TaskResult
    >>> class Done:
    ...     def state(self, key): return "completed" if key == "a" else "waiting"
    ...     def result(self, key): return TaskResult({"n": 2}) if key == "a" else None
    ...     def output_folder(self, key): return f"/instance/output/{key}"
    >>> def flow(dsl):
    ...     a = dsl.task("a").outputs(n=int).calls("export n=2")()
    ...     yield a
    ...     for _ in dsl.wait_for_tasks(a):
    ...         for i in range(int(a.outputs.n)):
    ...             yield dsl.task(f"b.{i}").inputs(a.outputs.n, i=i).calls("echo $i of $n")()
    >>> made = sweep(create_pipeline(flow), "/instance", Done())
    >>> list(made.definitions), made.parents("b.1"), made.not_ready(Done())
    (['a', 'b.0', 'b.1'], ('a',), [])
    """
    passing = Pass(os.path.abspath(instance_dir), progress, elsewhere)
    _run(passing, pipeline.generator, DSL(passing, pipeline.scope()), pipeline.name, 0)
    if not passing.tasks:
        raise DeclarationError(f"the generator {pipeline.name} yielded no task")
    tasks = _in_order(passing.tasks)
    return Sweep(
        pipeline,
        {key: task.definition for key, task in tasks.items()},
        {key: task.place for key, task in tasks.items()},
        {key: task.functions for key, task in tasks.items() if task.functions},
        {key: task.made_in for key, task in tasks.items() if task.made_in},
        passing.waits,
        passing.asked,
    )


def parents_of(definition: TaskDefinition) -> tuple[str, ...]:
    """The tasks that must be completed before this one."""
    inputs = definition.inputs
    if len(inputs) == 1 and not definition.after:
        task = inputs[0].task
        return () if task is None else (task,)
    taken = [one.task for one in inputs if one.task is not None]
    return tuple(dict.fromkeys((*taken, *definition.after)))


# ---- the pass


def _run(passing: Pass, generator: Generator, dsl: DSL, name: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise DeclarationError(
            f"sub-pipelines are nested more than {_DEEPEST} deep: does {name} contain itself?"
        )
    yielded = generator(dsl)
    if not isinstance(yielded, Iterable) or isinstance(yielded, str | Mapping | Task | TaskBuilder):
        raise DeclarationTypeError(
            f"the generator {name} returned {yielded!r}: it must yield its tasks, as in `yield dsl.task(...)`"
        )
    try:
        for one in yielded:
            if type(one) is Task and one.foreign is None:
                passing.add(one)
            else:
                _take(passing, one, yielded, name, depth)
    finally:
        close = getattr(yielded, "close", None)
        if close is not None:
            close()


def _take(passing: Pass, one: Any, yielded: Any, name: str, depth: int) -> None:
    """What a generator may yield beside finished tasks."""
    if isinstance(one, TaskBuilder) and one.is_complete:
        passing.add(one())
    elif isinstance(one, SubPipeline):
        _run(passing, one.generator, one.dsl, one.name, depth + 1)
    else:
        place = place_of_yield(yielded)
        if isinstance(one, TaskBuilder):
            problem = f"task {one.key!r}, which does nothing yet: add .calls(...)()"
        elif isinstance(one, Task):
            problem = f"{one!r}, which belongs to another instance"
        elif isinstance(one, Pipeline):
            problem = "a pipeline: yield dsl.sub_pipeline(pipeline, prefix)"
        else:
            problem = f"{one!r}: yield tasks and sub-pipelines, one at a time"
        raise DeclarationTypeError(f"{place}: {name} yields {problem}", where=str(place))


# ---- the order


def _in_order(tasks: dict[str, Task]) -> dict[str, Task]:
    """The tasks with parents first. Refuses parents that were never yielded, and cycles."""
    seen: set[str] = set()
    is_ordered = True
    for key, task in tasks.items():
        for parent in parents_of(task.definition):
            if parent not in seen:
                _check_yielded(parent, task, tasks)
                is_ordered = False
        seen.add(key)
    return tasks if is_ordered else _sorted_by_parents(tasks)


def _check_yielded(parent: str, task: Task, tasks: dict[str, Task]) -> None:
    if parent in tasks:
        return
    names = ", ".join(repr(one.name) for one in task.definition.inputs if one.task == parent)
    takes = f"takes its input {names} from" if names else "comes after"
    raise UnknownKeyError(
        f"{task.place}: task {task.key!r} {takes} task {parent!r}, which was never yielded: yield it too",
        key=parent,
        near=(),
        where=str(task.place),
    )


def _sorted_by_parents(tasks: dict[str, Task]) -> dict[str, Task]:
    """Depth first, without recursion: the order of the yields stays where it can."""
    ordered: dict[str, Task] = {}
    for start in tasks:
        if start in ordered:
            continue
        path = {start: iter(parents_of(tasks[start].definition))}
        while path:
            key = next(reversed(path))
            parent = next((one for one in path[key] if one not in ordered), None)
            if parent is None:
                ordered[key] = tasks[key]
                del path[key]
            elif parent in path:
                raise _cycle(list(path), parent, tasks)
            else:
                path[parent] = iter(parents_of(tasks[parent].definition))
    return ordered


def _cycle(path: list[str], start: str, tasks: dict[str, Task]) -> CycleError:
    around = [*path[path.index(start) :], start]
    told = " needs ".join(f"{key!r} ({tasks[key].place})" for key in around)
    return CycleError(f"tasks need each other: {told}", path=around)
