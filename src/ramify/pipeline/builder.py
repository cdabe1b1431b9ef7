"""A task while it is being declared: each clause gives a new builder, the last `()` gives the task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import msgspec

from ramify.errors import DeclarationError
from ramify.pipeline.calls import make_call
from ramify.pipeline.conf import TaskConf
from ramify.pipeline.definition import Call, Input, Output, TaskDefinition
from ramify.pipeline.inputs import make_inputs
from ramify.pipeline.names import refusal, wrong_type
from ramify.pipeline.outputs import check_collisions, make_outputs
from ramify.pipeline.passing import Pass
from ramify.pipeline.place import Place
from ramify.pipeline.scope import Scope
from ramify.pipeline.task import Task


class TaskBuilder:
    """What has been said of a task so far. It never changes; a half-made one may be the start of many."""

    __slots__ = (
        "_after",
        "_calls",
        "_conf",
        "_functions",
        "_inputs",
        "_outputs",
        "_passing",
        "_place",
        "_props",
    ) + ("_scope", "_waits", "key")

    _inputs: tuple[Input, ...]
    _outputs: tuple[Output, ...]
    _calls: tuple[Call, ...]
    _functions: tuple[Callable[..., Any], ...]
    _after: tuple[str, ...]
    _waits: tuple[int, ...]
    _props: dict[str, Any]

    def __init__(self, passing: Pass, scope: Scope, key: str, place: Place, conf: TaskConf) -> None:
        self._passing = passing
        self._scope = scope
        self.key = key
        self._place = place
        self._conf = conf
        self._inputs = self._outputs = self._calls = self._functions = self._after = self._waits = ()
        self._props = {}

    # ---- clauses

    def inputs(self, *outputs: Any, **named: Any) -> TaskBuilder:
        """What the task takes, as variables of these names: int, float, str, `dsl.file(...)`, paths, and
        outputs of other tasks; by position outputs keep their names, and a task is only waited for.
        """
        taken = make_inputs(outputs, named, self._passing, self.key, self._place)
        new = self._copy()
        new._inputs += taken.inputs
        new._after += taken.after
        new._waits += taken.waits
        return new

    @property
    def outputs(self) -> _OutputsClause:
        """`.outputs(name=...)`: what the task makes. Each is `int`, `float` or `str` (or `dsl.var(...)`), a
        `dsl.file(path)`, or a `dsl.fileset(glob)`.
        """
        return _OutputsClause(self)

    def calls(
        self,
        step: Any,
        container: str | None = None,
        python_bin: str | None = None,
        sbatch_options: str | Iterable[str] = (),
    ) -> TaskBuilder:
        """One step more: bash (with or without a shebang), the path of a `.sh` file below the code folder, or
        a `@python_call()` function; in a container, or by an interpreter, of its own.
        """
        if sbatch_options and not self._calls:
            raise refusal(
                self.key, self._place, "its first step takes the task's own TaskConf(sbatch_options=...)"
            )
        scope = self._scope
        call = make_call(
            step,
            scope.scripts,
            self.key,
            self._place,
            scope.container(container) if isinstance(container, str) else container,
            python_bin,
            sbatch_options,
        )
        new = self._copy()
        new._calls += (call,)
        if call.kind == "python":
            new._functions += (step,)
        return new

    def props(self, **props: Any) -> TaskBuilder:
        """Attaches facts of the user's own (what JSON can hold), which change nothing of how it runs."""
        try:
            msgspec.json.encode(props)
        except (TypeError, ValueError) as error:
            raise wrong_type(self.key, self._place, f"props must be what JSON can hold: {error}") from error
        new = self._copy()
        new._props = {**self._props, **props}
        return new

    def consumes(self, *outputs: Any, **named: Any) -> TaskBuilder:
        """The old name of `inputs`."""
        return self.inputs(*outputs, **named)

    @property
    def produces(self) -> _OutputsClause:
        """The old name of `outputs`."""
        return _OutputsClause(self)

    # ---- the end

    @property
    def is_complete(self) -> bool:
        """Whether it says what the task does."""
        return bool(self._calls)

    @property
    def unfinished(self) -> str:
        """What to do where a builder stands in a task's place."""
        return f"task {self.key!r} ({self._place}) is not finished: add () after its last clause"

    def __call__(self) -> Task:
        """The task."""
        if not self._calls:
            raise refusal(self.key, self._place, "it does nothing: add .calls(...)")
        if len(self._inputs) + len(self._outputs) > 1:
            self._check_names()
        passing = self._passing
        definition = TaskDefinition(
            self.key,
            self._calls,
            self._inputs,
            self._outputs,
            tuple(dict.fromkeys(self._after)) if self._after else (),
            self._conf,
            self._props,
        )
        made_in = passing.inside
        if self._waits:
            made_in = tuple(dict.fromkeys((*made_in, *self._waits)))
        return Task(passing, definition, self._place, self._functions, made_in)

    def _check_names(self) -> None:
        seen: set[str] = set()
        for name in [one.name for one in self._inputs] + [one.name for one in self._outputs]:
            if name in seen:
                raise refusal(self.key, self._place, f"two of its inputs and outputs are named {name!r}")
            seen.add(name)

    def _copy(self) -> TaskBuilder:
        new = TaskBuilder(self._passing, self._scope, self.key, self._place, self._conf)
        new._inputs, new._outputs, new._calls = self._inputs, self._outputs, self._calls
        new._functions, new._after, new._waits = self._functions, self._after, self._waits
        new._props = self._props
        return new

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"{self.unfinished}; clauses are inputs, outputs, calls and props, not {name!r}")

    def __repr__(self) -> str:
        return f"<unfinished task {self.key!r} of {self._place}>"


class _OutputsClause:
    """`.outputs` of a builder, to be called; what reads it as a task's is told so."""

    __slots__ = ("_builder",)

    def __init__(self, builder: TaskBuilder) -> None:
        self._builder = builder

    def __call__(self, *positional: Any, **named: Any) -> TaskBuilder:
        builder = self._builder
        if positional:
            raise wrong_type(builder.key, builder._place, "outputs have names, as in .outputs(x=int)")
        new = builder._copy()
        new._outputs += make_outputs(named, builder.key, builder._place)
        if builder._outputs:
            check_collisions(new._outputs, builder.key, builder._place)
        return new

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        builder = self._builder
        raise DeclarationError(
            f"{builder._place}: .outputs.{name}: {builder.unfinished}",
            key=builder.key,
            where=str(builder._place),
        )
