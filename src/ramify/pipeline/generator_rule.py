"""The generator of a pipeline as a rule of the engine: it is run again when what it asked has changed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ramify.core.keys import encode_key
from ramify.core.table import BLOCKED, FAILED, GOOD, RUNNING
from ramify.dag.compile import ReadyJob
from ramify.errors import DuplicateKeyError
from ramify.pipeline.changes import diff
from ramify.pipeline.definition import TaskDefinition, TaskResult
from ramify.pipeline.definition_fingerprint import definition_fingerprint
from ramify.pipeline.instance import OUTPUT
from ramify.pipeline.on_disk import other_instance
from ramify.pipeline.opened import OpenInstance, as_stored, open_instance, opened
from ramify.pipeline.progress import COMPLETED
from ramify.pipeline.restarts import Restarts
from ramify.pipeline.sweep import Sweep, parents_of, sweep
from ramify.pipeline.watch import Watch
from ramify.plan.definition import CodeNote, Definition, FunctionRef
from ramify.plan.paths import relative_to_plan

if TYPE_CHECKING:
    from ramify.dag.graph_view import GraphView
    from ramify.dag.growth_view import GrowthView
    from ramify.pipeline.pipeline import Pipeline

PERFORM: Final = FunctionRef(module="ramify.pipeline.task_job", qualname="perform_task")


class GraphProgress:
    """What the generator may learn, from the graph of the run."""

    def __init__(self, here: OpenInstance) -> None:
        self.here = here
        self.view: GraphView | None = None
        self._results: dict[str, TaskResult] = {}

    def state(self, key: str) -> str:
        """The state of a task, in the words of a state file."""
        node = None if self.view is None else self.view.get(encode_key(key))
        if node is None:
            return "waiting"
        status = self.view._look(node._number)  # type: ignore[union-attr]  # there is a node, so there is a view
        if GOOD[status]:
            return COMPLETED
        words = {FAILED: "failed", BLOCKED: "blocked", RUNNING: "launched"}
        return words.get(status, "waiting")

    def result(self, key: str) -> TaskResult | None:
        """The result of a completed task."""
        if self.state(key) != COMPLETED or self.view is None:
            return None
        known = self._results.get(key)
        if known is None:
            known = self._results[key] = as_stored(self.view[encode_key(key)].result).result()
        return known

    def output_folder(self, key: str) -> str:
        """Where a task puts its files."""
        return os.path.join(self.here.path, OUTPUT, key)


class Passes:
    """The passes of one generator in one run."""

    def __init__(self, here: OpenInstance, pipeline: Pipeline, until: tuple[str, ...]) -> None:
        self.here = here
        self.pipeline = pipeline
        self.until = until
        self.progress = GraphProgress(here)
        self.latest: Sweep | None = None
        self.watch: Watch | None = None
        self.told: list[str] = []

    def look(self, view: GraphView) -> list[TaskDefinition]:
        """The tasks that are new; the generator is run only if something that it asked has changed."""
        self.progress.view = view
        if self.watch is not None and self.watch.look() is None:
            return []
        silent = GraphProgress(self.here)
        silent.view, silent._results = type(view)(view._book, view._rule), self.progress._results
        made = sweep(self.pipeline, self.here.path, silent, elsewhere=other_instance)
        if self.latest is not None:
            changes = diff(self.latest, made)
            changes.check()
            self.told += [f"{key} is not yielded any more" for key in changes.gone]
            for key in changes.changed:
                raise DuplicateKeyError(
                    f"{made.places[key]}: task {key!r} is yielded otherwise than before in this run, which "
                    "has it as it was first: yield it where all that it depends on is there, under its wait, "
                    "or give it another key",
                    key=key,
                )
        self.latest, self.watch = made, Watch(made, self.progress)
        self.watch.look()
        self.here.definitions.update(made.definitions)
        held = self._held_back(made)
        return [d for key, d in made.definitions.items() if key not in held and encode_key(key) not in view]

    def _held_back(self, made: Sweep) -> set[str]:
        """What is not to be started, and what needs it."""
        held: set[str] = set()
        if self.until:
            for key, definition in made.definitions.items():
                is_named = any(fnmatchcase(key, glob) for glob in self.until)
                if is_named or not held.isdisjoint(parents_of(definition)):
                    held.add(key)
        return held

    def job(self, definition: TaskDefinition, plan_path: str) -> ReadyJob:
        """A task as a job of the plan."""
        assert self.latest is not None, "the generator was run"
        return task_job(definition, self.latest, self.here, plan_path)


def task_job(definition: TaskDefinition, made: Sweep, here: OpenInstance, plan_path: str) -> ReadyJob:
    """A task as a job of a plan: what counts for reuse is the fingerprint of its declaration, the contents of
    its input files, and the results of the tasks that it needs.
    """
    key = definition.key
    functions = made.functions.get(key, ())
    code_folder = here.instance.code_folder
    own = definition_fingerprint(definition, code_folder, functions)
    here.codes[key] = own.digest
    note = CodeNote(own.digest, own.parts, tuple(own.unsound), tuple(own.unfollowed))
    parents = parents_of(definition)
    policy = msgspec.structs.replace(
        definition.conf.policy(),
        timeout=None,
        executor=None,
        priority=round(definition.conf.priority * 1000),
        files=tuple(relative_to_plan(plan_path, path) for path in _input_files(definition, here.path)),
    )
    upstream = [[{"value": parent}, {"job": encode_key(parent)}] for parent in parents]
    made_of = Definition(
        id=encode_key(key),
        kind="job",
        function=PERFORM,
        args={
            "key": {"value": key},
            "instance": {"path": relative_to_plan(plan_path, here.path)},
            "upstream": {"dict": upstream},
        },
        dependencies=[encode_key(parent) for parent in parents],
        policy=policy,
        code=own.digest or f"none-{key}",
        takes=_takes(definition, parents, made),
    )
    return ReadyJob.of(made_of, note)


def _takes(definition: TaskDefinition, parents: Iterable[str], made: Sweep) -> dict[str, list[str]]:
    """What a task uses of the results of others. Whom it only comes after does not count, unless it reads
    files by a glob: then what it comes after is what the glob means.
    """
    reads_globs = any(one.kind == "glob" for one in definition.inputs)
    takes: dict[str, list[str]] = {}
    for parent in parents:
        if parent in definition.after and reads_globs:
            continue
        takes[encode_key(parent)] = []
    for one in definition.inputs:
        parts = None if one.task is None else takes.get(encode_key(one.task))
        if parts is None:
            continue
        if one.kind != "file":
            parts.append(f"variables/{one.output}")
        elif one.value is not None:
            parts.append(f"digests/{one.value}")
        else:
            outputs = made.definitions[str(one.task)].outputs
            path = next(output.pattern for output in outputs if output.name == one.output)
            parts += [f"files/{one.output}", f"digests/{path}"]
    return takes


def _input_files(definition: TaskDefinition, path: str) -> Iterable[str]:
    for one in definition.inputs:
        if one.kind == "file" and one.task is None:
            yield os.path.join(path, str(one.value))


class GeneratorRule:
    """The rule of a pipeline: its predicate runs the generator, its body adds what was new, and itself."""

    is_perpetual = True
    name = "generator"
    may_add = None

    def __init__(self, pipeline: Pipeline, instance: str, until: tuple[str, ...] = ()) -> None:
        self.pipeline = pipeline
        self.instance = instance
        self.until = until
        self._new: list[TaskDefinition] = []

    def passes(self) -> Passes:
        """The passes so far."""
        here = opened(self.instance)
        if here.pipeline is None:  # another process goes on with the run
            here = open_instance(self.instance, self.pipeline, Restarts())
        if not isinstance(here.passes, Passes):
            here.passes = Passes(here, here.pipeline or self.pipeline, self.until)
        return here.passes

    def applicable(self, view: Any) -> bool:
        """Whether there are new tasks."""
        self._new = self.passes().look(view)
        return bool(self._new)

    def apply(self, view: GrowthView) -> None:
        """Adds them."""
        plan_path = view._book.ground.plan_path
        passes = self.passes()
        for definition in self._new:
            key = encode_key(definition.key)
            stored = passes.here.stored(definition.key)
            damage = None if stored is None else passes.here.damage(definition.key, stored)
            if damage is not None:
                view._book.ground.forget_output(key)
                passes.told.append(f"{definition.key}: {damage}")
            view._place(key, passes.job(definition, plan_path), None)
        view._growth.rules.append(self)  # type: ignore[arg-type]  # it is a rule by its methods

    def __getstate__(self) -> dict[str, Any]:
        return {"pipeline": self.pipeline, "instance": self.instance, "until": self.until}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # as it was made
