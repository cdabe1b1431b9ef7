"""The verbs of a draft: compile it, compile and run it, run what was compiled."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ramify.core.keys import Key, decode_path, encode_key
from ramify.dag.compile import compile_draft
from ramify.dag.draft import DAG, Entry
from ramify.dag.warned import warn_user
from ramify.errors import LockedError, ModeError, PlanError, RamifyWarning
from ramify.files.local import local_path
from ramify.files.lock import FolderLock, read_holder
from ramify.plan.folder import NewPlan, read_plan, rewrite_outputs, write_plan
from ramify.plan.opened import Plan
from ramify.plan.paths import Location, PlanPaths, default_run, is_plan, plan_root
from ramify.values import LazyDict

Say = Callable[[str], object] | None


def materialize(
    draft: Entry,
    dag_path: Location | PlanPaths,
    *,
    prefix: Key | None = None,
    progress: bool = False,
    progress_callback: Callable[[str], object] | None = None,
) -> Path:
    """See `Executable.materialize`."""
    say = _say_with(progress, progress_callback)
    outputs = dag_path.outputs if isinstance(dag_path, PlanPaths) else None
    return Path(_materialize(draft, plan_root(dag_path), outputs, _above(prefix), say).path)


def evaluate(
    draft: Entry,
    target: Location | None = None,
    dag_path: Any = None,
    output_path: Any = None,
    *,
    executor: Any = None,
    max_workers: int | None = None,
    progress: bool = False,
    progress_callback: Callable[[str], object] | None = None,
    **options: Any,
) -> LazyDict:
    """See `Executable.evaluate`. The options are looked at first, so that a slip costs nothing."""
    dag_path, output_path, executor, max_workers = _later_form(dag_path, output_path, executor, max_workers)
    plan_path, outputs = places(target, dag_path, output_path)
    options.update(executor=executor, max_workers=max_workers, **_reuse_of(options))
    _check(options)
    say = _say_with(progress, progress_callback)
    observers = observers_for(progress, progress_callback)
    return evaluate_draft(draft, plan_path, outputs, say=say, observers=observers, **options)


def evaluate_draft(
    draft: Entry,
    plan_path: str,
    outputs: Location | None,
    *,
    say: Say = None,
    name: str | None = None,
    **options: Any,
) -> LazyDict:
    """Compiles, writes the plan and runs it under one lock; options as of `execute`."""
    from ramify.run.collector import collector_off

    with collector_off() as collect_again:
        options["on_built"] = collect_again
        return _evaluate(draft, plan_path, outputs, say, name, options)


def _evaluate(
    draft: Entry,
    plan_path: str,
    outputs: Location | None,
    say: Say,
    name: str | None,
    options: dict[str, Any],
) -> LazyDict:
    from ramify.run.execute import execute
    from ramify.run.names import new_name

    new = compile_draft(draft, os.path.abspath(plan_path))
    run_folder = run_folder_of(plan_path)
    name = name or new_name(os.listdir(run_folder) if os.path.isdir(run_folder) else ())
    try:
        with FolderLock(run_folder, run=name) as lock:
            plan = _write(plan_path, new, outputs, "", say)
            return execute(plan.path, name=name, lock=lock, just_compiled=True, **_with_own(draft, options))
    finally:
        if isinstance(draft, DAG):
            draft._evaluated(os.path.join(run_folder, name))


def run_folder_of(plan_path: str) -> str:
    """Where a plan at this path keeps its runs."""
    if is_plan(plan_path):
        try:
            return read_plan(plan_path).run_folder
        except PlanError:  # unreadable, so it is replaced
            pass
    plan = os.path.abspath(plan_path)
    return os.path.normpath(os.path.join(plan, default_run(plan)))


def execute_materialized(
    draft: Entry | None,
    target: Location | PlanPaths | None = None,
    dag_path: Any = None,
    output_path: Any = None,
    *,
    executor: Any = None,
    max_workers: int | None = None,
    skip_running: bool = False,
    progress: bool = False,
    progress_callback: Callable[[str], object] | None = None,
    **options: Any,
) -> LazyDict:
    """See `Executable.execute_materialized`. A draft lends its number of workers, nothing else."""
    dag_path, output_path, executor, max_workers = _later_form(dag_path, output_path, executor, max_workers)
    where = dag_path if dag_path is not None else target
    if where is None:
        raise ModeError("say which plan to run: execute_materialized('exp/plan')")
    options.update(executor=executor, max_workers=max_workers, **_reuse_of(options))
    _check(options)
    if skip_running:
        warnings.warn(
            "skip_running is ignored: a second driver of one plan is refused, so nothing runs elsewhere",
            RamifyWarning,
            stacklevel=3,
        )
    plan = read_plan(where)
    if output_path is None and isinstance(where, PlanPaths):
        output_path = where.outputs
    if output_path is not None:
        refuse_if_running(plan.path)
        plan = rewrite_outputs(plan, output_path)
    return _execute(draft, plan.path, options, progress, progress_callback)


def execute_plan(
    plan_dir: Location | PlanPaths,
    *,
    skip_completed: bool = False,
    skip_running: bool = False,
    max_workers: int | None = None,
    execution_mode: str = "subprocess",
    progress: bool = False,
    progress_callback: Callable[[str], object] | None = None,
    **options: Any,
) -> None:
    """Runs every job of a plan, without the DAG that it was made from; options as in `DAG.evaluate`.

    Raises `PlanError` where there is no plan, `OutputsExistError`, and `DAGExecutionError` when a job fails.
    """
    execute_materialized(
        None,
        plan_dir,
        skip_completed=skip_completed,
        skip_running=skip_running,
        max_workers=max_workers,
        execution_mode=execution_mode,
        progress=progress,
        progress_callback=progress_callback,
        **options,
    )


# ---- inside


def _later_form(
    dag_path: Any, output_path: Any, executor: Any, max_workers: Any
) -> tuple[Any, Any, Any, Any]:
    """The later form has `executor` second and `max_workers` third: told apart by what they are."""
    if dag_path is not None and not _is_place(dag_path):
        if executor is not None:
            raise ModeError(f"dag_path must be a path; it is {dag_path!r:.80}")
        dag_path, executor = None, dag_path
    if isinstance(output_path, int) and not isinstance(output_path, bool):
        if max_workers is not None:
            raise ModeError(f"output_path must be a path; it is {output_path!r}")
        output_path, max_workers = None, output_path
    if executor is not None and not hasattr(executor, "submit"):
        raise ModeError(
            f"executor must be a concurrent.futures.Executor, something with submit(); it is {executor!r:.80}"
        )
    return dag_path, output_path, executor, max_workers


def _reuse_of(options: dict[str, Any]) -> dict[str, Any]:
    """The globs and the folders, one of which may come as it is."""
    told = {"force": as_texts(options.get("force") or ())}
    if options.get("reuse_from") is not None:
        told["reuse_from"] = as_texts(options["reuse_from"])
    return told


def as_texts(given: Any) -> list[str]:
    """One path or glob, or several, as a list of texts."""
    several = [given] if isinstance(given, str | os.PathLike) else list(given)
    texts = [os.fspath(one) if isinstance(one, os.PathLike) else one for one in several]
    for text in texts:
        if not isinstance(text, str) or not text:
            raise ModeError(f"a text is wanted, or a list of texts; it is {text!r:.80}")
    return texts


def _is_place(value: Any) -> bool:
    return isinstance(value, str | os.PathLike | PlanPaths)


def places(target: Any, dag_path: Any, output_path: Any) -> tuple[str, str | None]:
    """The plan's folder and the outputs' (None: where a plan of that path has them)."""
    if target is None and (dag_path is None or output_path is None):
        raise ModeError(
            "say where to: evaluate('exp') keeps the plan in exp/plan and the outputs in exp/outputs; "
            "without a target both dag_path and output_path are needed"
        )
    if isinstance(target, PlanPaths):
        return plan_root(target), local_path(output_path or target.outputs)
    plan = plan_root(dag_path) if dag_path is not None else os.path.join(local_path(target), "plan")
    if output_path is not None:
        return plan, local_path(output_path)
    return plan, os.path.join(local_path(target), "outputs")


def _above(prefix: Key | None) -> str:
    """The id that a prefix means: a key, or the id of a path of keys."""
    if prefix is None:
        return ""
    if isinstance(prefix, str) and "/" in prefix:
        decode_path(prefix)  # refuses what is no path of keys
        return prefix
    return encode_key(prefix)


def _materialize(draft: Entry, plan_path: str, outputs: Location | None, above: str, say: Say) -> Plan:
    refuse_if_running(plan_path)
    new = compile_draft(draft, os.path.abspath(plan_path), above)
    return _write(plan_path, new, outputs, above, say)


def _write(plan_path: str, new: NewPlan, outputs: Location | None, above: str, say: Say) -> Plan:
    if say is not None:
        jobs = new.count_jobs()
        say(f"[materialize] starting ({jobs} {'job' if jobs == 1 else 'jobs'})")
    plan = write_plan(plan_path, new, outputs=outputs, under=above or None, told_gone=_tell_gone)
    if say is not None:
        say("[materialize] done")
    return plan


def refuse_if_running(plan_path: str) -> None:
    """A plan must not be replaced under a run that reads it."""
    if not is_plan(plan_path):
        return
    try:
        run_folder = read_plan(plan_path).run_folder
    except PlanError:  # unreadable, so nobody runs it
        return
    holder = read_holder(run_folder)
    if holder is not None:
        raise LockedError(
            f"the plan {plan_path} is being run by process {holder.get('pid')} on {holder.get('host')} (run "
            f"{holder.get('run')}): wait for it, stop it, or choose another folder",
            **{name: holder.get(name) for name in ("host", "pid", "since")},
        )


def _tell_gone(ids: list[str]) -> None:
    some = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
    count = "1 job of the earlier plan is" if len(ids) == 1 else f"{len(ids)} jobs of the earlier plan are"
    warn_user(
        f"{count} not in the new one ({some}); outputs they have stay until `ramify gc` or clear_outputs"
    )


def _check(options: dict[str, Any]) -> None:
    from ramify.run.options import Options

    Options(**options).check()


def _execute(
    draft: Entry | None,
    plan_path: str,
    options: dict[str, Any],
    progress: bool,
    progress_callback: Callable[[str], object] | None,
) -> LazyDict:
    from ramify.run.execute import execute

    observers = observers_for(progress, progress_callback)
    return execute(plan_path, observers=observers, **_with_own(draft, options))


def _with_own(draft: Entry | None, options: dict[str, Any]) -> dict[str, Any]:
    """The options, with the DAG's own name and namespace, and its workers where the call says nothing."""
    if not isinstance(draft, DAG):
        return options
    options = {**options, "label": draft.name, "namespace": draft.namespace}
    if options.get("executor") is None and options.get("max_workers") is None:
        options["max_workers"] = draft.max_workers
    return options


def observers_for(progress: bool, callback: Callable[[str], object] | None) -> list[Any]:
    from ramify.show.progress import make_progress

    return list(make_progress(progress, callback))


def _say_with(progress: bool, callback: Callable[[str], object] | None) -> Say:
    """What to say a line with: a callback asks for progress by being there."""
    if callback is not None:
        return callback
    return partial(print, file=sys.stderr, flush=True) if progress else None
