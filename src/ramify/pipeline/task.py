"""A declared task, as the generator holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ramify.errors import UnknownOutputError
from ramify.pipeline.definition import TaskDefinition, TaskResult
from ramify.pipeline.handles import Outputs
from ramify.pipeline.passing import Pass
from ramify.pipeline.place import Place
from ramify.pipeline.progress import Progress


class Task:
    """A task: made by `dsl.task(...)...()`, to be yielded. Its `outputs` are inputs of others.

    `made_in` are the waits that the generator was inside of, `functions` those that its steps call. One that
    `is_foreign` belongs to another instance, whose progress is `foreign`.
    """

    __slots__ = ("definition", "foreign", "functions", "is_yielded", "key", "made_in", "passing", "place")

    def __init__(
        self,
        passing: Pass,
        definition: TaskDefinition,
        place: Place,
        functions: tuple[Callable[..., Any], ...] = (),
        made_in: tuple[int, ...] = (),
        foreign: Progress | None = None,
    ) -> None:
        self.passing = passing
        self.definition = definition
        self.key = definition.key
        self.place = place
        self.functions = functions
        self.made_in = made_in
        self.foreign = foreign
        self.is_yielded = False

    @property
    def outputs(self) -> Outputs:
        """Its outputs, by name."""
        return Outputs(self)

    out = outputs

    @property
    def props(self) -> dict[str, Any]:
        """What `.props()` attached to it."""
        return self.definition.props

    @property
    def is_foreign(self) -> bool:
        return self.foreign is not None

    def result(self) -> TaskResult | None:
        """What it came to, None while it is not completed; that this was asked is remembered."""
        return self.passing.result(self.key) if self.foreign is None else self.foreign.result(self.key)

    def output_folder(self) -> str:
        """Where its files are, absolute."""
        return (self.foreign or self.passing.progress).output_folder(self.key)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__") and name in self.outputs:
            raise UnknownOutputError(
                f"task {self.key!r} has its output at .outputs.{name}, not at .{name}",
                key=self.key,
                output=name,
            )
        raise AttributeError(f"a task has no {name!r}: it has key, outputs and props")

    def __call__(self) -> Task:
        return self

    def __repr__(self) -> str:
        return f"<task {self.key!r} of {self.place}>"
