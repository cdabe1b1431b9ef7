"""The verbs that a DAG and a grid share: each leads to where it is done.

That is above the draft and reads it, so it is reached by name, when a verb is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from ramify.core.keys import Key

if TYPE_CHECKING:
    from ramify.dag.preview import Preview
    from ramify.plan.paths import Location, PlanPaths
    from ramify.plan.policy import Retries
    from ramify.values import LazyDict


def by_name(module: str, name: str) -> Callable[..., Any]:
    """What a module of this room, above the draft, calls so."""
    verb: Callable[..., Any] = getattr(import_module(f"ramify.dag.{module}"), name)
    return verb


class RunOptions(TypedDict, total=False):
    """How a plan is run, as `evaluate` and `execute_materialized` take it; see `evaluate`."""

    on_failure: str | None
    retries: Retries | None
    timeout: float | None
    deadline: float | None
    name: str | None
    limits: Mapping[str, float | str] | None
    durable: bool
    reuse: str | None
    force: str | Iterable[str]
    reuse_from: Location | Iterable[Location] | None
    strict: bool
    approve: Callable[[Any], Any] | None
    max_growths: int | None


class Executable:
    """What can be compiled to a plan and run.

    What of earlier runs may count is said with `reuse`: `"auto"`, results that would come out the same, here
    or in other runs of the project; `"exists"`, any output that is there; `"off"`, none.
    `skip_completed=True` is `"auto"` with the outputs of this folder alone; `reuse_from` names other folders
    or projects instead. `force` are globs of ids that run whatever is there; what depends on them is judged
    by their outputs.
    """

    def materialize(
        self,
        dag_path: Location | PlanPaths,
        *,
        prefix: Key | None = None,
        progress: bool = False,
        progress_callback: Callable[[str], object] | None = None,
    ) -> Path:
        """Compiles to a plan at `dag_path`, runs nothing, and returns the plan's path.

        A plan that is there is replaced whole, its outputs stay. With `prefix`, a key or a path of keys, all
        ids begin with it, and only what the plan had below it is replaced: several scripts may share a plan.

        Raises `DraftError`, `CycleError` (with the path), `UnpicklableError`, `PlanError`, `StorageError`;
        then the folder is as it was before.
        """
        return by_name("evaluate", "materialize")(  # type: ignore[no-any-return]  # its own signature says
            self, dag_path, prefix=prefix, progress=progress, progress_callback=progress_callback
        )

    def evaluate(
        self,
        target: Location | None = None,
        dag_path: Any = None,
        output_path: Any = None,
        executor: Any = None,
        max_workers: int | None = None,
        job_resources: Mapping[Key, Mapping[str, Any]] | None = None,
        execution_mode: str = "subprocess",
        skip_completed: bool = False,
        progress: bool = False,
        progress_callback: Callable[[str], object] | None = None,
        **options: Unpack[RunOptions],
    ) -> LazyDict:
        """Compiles, runs every job in the order of its dependencies, and returns the outputs.

        `evaluate("exp")` keeps the plan in `exp/plan` and the outputs in `exp/outputs`; `dag_path` and
        `output_path` say otherwise. `execution_mode` is `"subprocess"` (a fresh process per job), `"process"`
        (a pool), or `"thread"`. `max_workers` jobs run at a time, one if not given; or `executor` runs them,
        any `concurrent.futures.Executor`. `on_failure="continue"` stops only what depends on a failure, as is
        usual with rules; `"fail_fast"` all. Rules that never fire are named in a warning; with `strict` they
        are failures.
        `retries` (a number, or a `RetryStrategy`) and `timeout` (seconds) hold for jobs that say nothing;
        `deadline` (seconds) for the run. `job_resources` maps keys to an outside engine's options; `limits`
        says how much there is of what jobs ask for. `durable` has the journal survive a power cut. Outputs
        that are there are an error unless `reuse`, `skip_completed` or `force` says what may count.

        Raises what `materialize` raises, `ModeError`, `OutputsExistError`, `DAGExecutionError`.
        """
        return by_name("evaluate", "evaluate")(  # type: ignore[no-any-return]  # its own signature says
            self,
            target,
            dag_path,
            output_path,
            executor=executor,
            max_workers=max_workers,
            job_resources=job_resources,
            execution_mode=execution_mode,
            skip_completed=skip_completed,
            progress=progress,
            progress_callback=progress_callback,
            **options,
        )

    def plan(
        self,
        target: Location | None = None,
        dag_path: Any = None,
        output_path: Any = None,
        *,
        reuse: str = "auto",
        skip_completed: bool = False,
        force: str | Iterable[str] = (),
        reuse_from: Location | Iterable[Location] | None = None,
    ) -> Preview:
        """What `evaluate` would do with each job, and why; nothing is run, nothing is written.

        Always: what is `RUN` is executed, and what is executed is `RUN` or `MAYBE`.

        >>> from ramify import DAG, Job
        >>> def double(x):
        ...     return 2 * x
        >>> verdict = DAG({"a": Job(double, {"x": 3})}).plan()["a"]
        >>> verdict.verdict, verdict.cause.text
        ('RUN', 'it has no output')
        """
        return by_name("preview", "preview")(  # type: ignore[no-any-return]  # its own signature says
            self,
            target,
            dag_path,
            output_path,
            reuse=reuse,
            skip_completed=skip_completed,
            force=force,
            reuse_from=reuse_from,
        )

    def evaluate_in_subprocesses(self, *args: Any, **kwargs: Any) -> LazyDict:
        """`evaluate`, by its older name."""
        return self.evaluate(*args, **kwargs)

    def execute_materialized(
        self,
        target: Location | PlanPaths | None = None,
        dag_path: Any = None,
        output_path: Any = None,
        executor: Any = None,
        max_workers: int | None = None,
        job_resources: Mapping[Key, Mapping[str, Any]] | None = None,
        execution_mode: str = "subprocess",
        skip_completed: bool = False,
        skip_running: bool = False,
        progress: bool = False,
        progress_callback: Callable[[str], object] | None = None,
        **options: Unpack[RunOptions],
    ) -> LazyDict:
        """Runs a plan as it was materialized; see `evaluate`.

        The plan is at `dag_path`, or at `target`, or in its folder `plan`. `output_path` is where the outputs
        are from now on. `skip_running` has nothing to skip, and says so: two drivers never run one plan.
        """
        return by_name("evaluate", "execute_materialized")(  # type: ignore[no-any-return]  # its own signature says
            self,
            target,
            dag_path,
            output_path,
            executor=executor,
            max_workers=max_workers,
            job_resources=job_resources,
            execution_mode=execution_mode,
            skip_completed=skip_completed,
            skip_running=skip_running,
            progress=progress,
            progress_callback=progress_callback,
            **options,
        )

    def clear_outputs(self, dag_path: Location | PlanPaths, job_ids: Iterable[str] | None = None) -> None:
        """Removes the outputs of a plan: all, or those of the jobs (or groups) named.

        Ids that the plan does not know are named in a `RamifyWarning`; the others are cleared.
        """
        by_name("outputs", "clear_outputs")(dag_path, job_ids)
