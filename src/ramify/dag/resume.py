"""Going on with a run: the same graph, the same journal, a new driver."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ramify.dag.evaluate import observers_for
from ramify.errors import PlanError, UnknownRunError
from ramify.plan.folder import read_plan
from ramify.plan.paths import Location
from ramify.run.view import RunView, runs_in
from ramify.values import LazyDict


def resume(
    target: Location,
    run: str = "latest",
    *,
    progress: bool = False,
    progress_callback: Callable[[str], object] | None = None,
    **options: Any,
) -> LazyDict:
    """Goes on with a run that was killed, cancelled or failed, and returns its outputs.

    `target` is the folder of the evaluation (or of the plan), `run` the name of the run. What is complete
    stays, what a worker left whole is taken in, the rest is done again: what was under way, what failed, and
    what is damaged or no longer there. Options (`executor`, `max_workers`, `execution_mode`, `on_failure`,
    `retries`, `timeout`, `limits`, `durable`) are those of the run where nothing else is said.

    Raises `UnknownRunError`, `LockedError` where it is still being driven, `PlanError` where the plan was
    replaced since, and `DAGExecutionError` as `DAG.evaluate` does.

    >>> import tempfile
    >>> from ramify import DAG, Job
    >>> folder = tempfile.mkdtemp()
    >>> def double(x):
    ...     return 2 * x
    >>> _ = DAG({"a": Job(double, {"x": 3})}).evaluate(folder)
    >>> resume(folder)["a"]
    6
    """
    plan = read_plan(target)
    view = RunView(_folder_of(plan.run_folder, run))
    return resume_view(view, observers=observers_for(progress, progress_callback), **options)


def resume_view(view: RunView, **options: Any) -> LazyDict:
    """Goes on with the run that was opened; options as of `resume`, and `observers`, `on_start`."""
    from ramify.run.execute import resume as go_on

    check_resumable(view)
    kept = dict(view.facts.get("options") or {})
    if options.get("executor") is not None:
        kept.pop("max_workers", None)
    said = {name: value for name, value in options.items() if value is not None}
    target = str(view.facts.get("target", ""))
    return go_on(view.plan, os.path.basename(view.folder), **{**kept, "target": target, **said})


def check_resumable(view: RunView) -> None:
    """Raises `PlanError` for a run that was in memory."""
    if view.is_in_memory:
        raise PlanError(
            f"the run {view.name} was in memory, so nothing of it is kept to go on from: evaluate() writes a "
            "plan, and what is resumed goes on from that",
            path=view.folder,
        )


def _folder_of(run_folder: str, run: str) -> str:
    folders = runs_in(run_folder)
    if run == "latest" and folders:
        return folders[0]
    for folder in folders:
        if os.path.basename(folder) == run:
            return folder
    names = ", ".join(os.path.basename(folder) for folder in folders[:5]) or "none"
    raise UnknownRunError(f"no run {run!r} in {run_folder}; there are: {names}", name=run, fits=[])
