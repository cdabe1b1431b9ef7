"""Running a pipeline in an instance folder, and telling what a run would do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from msgspec import structs

from ramify.core.keys import decode_key, encode_key
from ramify.dag.accept import Accepted
from ramify.dag.draft import DAG
from ramify.dag.evaluate import evaluate_draft
from ramify.dag.preview import Preview, judged
from ramify.errors import ArgumentError, ModeError
from ramify.files.lock import FolderLock
from ramify.pipeline.definition import TaskDefinition, TaskResult
from ramify.pipeline.dsl import Generator
from ramify.pipeline.foresight import as_seen, foreseen, may_grow
from ramify.pipeline.generator_rule import GeneratorRule, task_job
from ramify.pipeline.instance import CONTROL, ENGINE
from ramify.pipeline.kept import Kept, write_kept
from ramify.pipeline.on_disk import DiskProgress, other_instance
from ramify.pipeline.opened import OpenInstance, close_instance, open_instance
from ramify.pipeline.passing import quoted_list
from ramify.pipeline.pipeline import Pipeline, create_pipeline
from ramify.pipeline.progress import COMPLETED
from ramify.pipeline.restarts import Restarts
from ramify.pipeline.states import TaskState
from ramify.pipeline.sweep import Sweep, parents_of, sweep
from ramify.plan.definition import CodeNote
from ramify.plan.folder import NewPlan, read_plan, unwritten_plan
from ramify.plan.opened import Plan
from ramify.plan.paths import is_plan
from ramify.rebuild.trace import Cause
from ramify.run.assemble import elsewhere_of, fits, forced_by, input_cache
from ramify.run.judge import Verdict
from ramify.run.options import Options
from ramify.run.work import PlanWork
from ramify.stores.folder import FolderStore

Until = Sequence[str]


def as_pipeline(target: Pipeline | Generator) -> Pipeline:
    """The pipeline, made of a generator function where one is given."""
    return target if isinstance(target, Pipeline) else create_pipeline(target)


def places_in(instance_dir: str | os.PathLike[str]) -> tuple[str, str]:
    """The folders of an instance's plan and of the engine's outputs."""
    root = os.path.join(os.path.abspath(instance_dir), CONTROL, ENGINE)
    return os.path.join(root, "plan"), os.path.join(root, "outputs")


def run_pipeline(
    target: Pipeline | Generator,
    /,
    instance_dir: str | os.PathLike[str],
    *,
    jobs: int | None = None,
    until: Until = (),
    restart_failed: bool = False,
    reset_failed: bool = False,
    only: Iterable[str] | None = None,
    at_step: Mapping[str, int] | None = None,
    keep_stale: bool = False,
    on_failure: str = "continue",
    on_told: Callable[[str], object] | None = None,
    **options: Any,
) -> None:
    """Runs a pipeline until nothing more can be run, `jobs` tasks at a time (as many as there are cores).

    The instance folder is made where there is none. What an earlier run completed stays, unless the task's
    declaration, its input files or what it needs have changed, or its outputs: that is run again, or kept
    with `keep_stale`. Tasks that failed in an earlier run fail at once, unless `restart_failed` has them go
    on at their step, or `reset_failed` begin anew (`only` those of these keys); `at_step` says from which
    step on, from 0, a task of this key runs if it does. What matches a glob of `until` is not started, nor
    what needs it. `on_told` gets a line for what is worth one. Other options are those of `DAG.evaluate`.

    Raises `DAGExecutionError` when a task or the generator failed, whose exception is its `cause`, and
    `LockedError` where the instance is run already.

    >>> from tempfile import mkdtemp
    >>> def flow(dsl):
    ...     one = dsl.task("one").outputs(n=int).calls("export n=20")()
    ...     yield one
    ...     yield dsl.task("two").inputs(one.outputs.n).outputs(m=int).calls("export m=$((n + 1))")()
    >>> folder = mkdtemp()
    >>> run_pipeline(flow, folder)
    >>> read_result(folder, "two").variables
    {'m': 21}
    """
    pipeline = as_pipeline(target)
    path = os.path.abspath(instance_dir)
    os.makedirs(path, exist_ok=True)
    chosen = None if only is None else frozenset(only)
    here = open_instance(path, pipeline, Restarts(restart_failed, reset_failed, dict(at_step or {}), chosen))
    rule = GeneratorRule(pipeline, path, tuple(until))
    options.update({"reuse": "exists"} if keep_stale else {"skip_completed": True})
    try:
        _evaluate(rule, max_workers=jobs, on_failure=on_failure, **options)
    finally:
        _tell(rule, on_told)
        _mark_the_rest(here, rule)
        close_instance(path)


def _evaluate(rule: GeneratorRule, *, max_workers: int | None, **options: Any) -> None:
    """Runs the graph that begins as the rule of a generator alone."""
    from ramify.run.limits import cores

    dag = DAG(name=rule.pipeline.name)
    dag.add_rule(rule)
    plan, outputs = places_in(rule.instance)
    workers = max_workers or cores()
    evaluate_draft(dag, plan, outputs, execution_mode="thread", max_workers=workers, detached=True, **options)


def _tell(rule: GeneratorRule, on_told: Callable[[str], object] | None) -> None:
    passes = rule.passes()
    if on_told is not None:
        for glob in rule.until:
            if not any(fnmatchcase(key, glob) for key in passes.here.definitions):
                on_told(f"--until {glob!r} fits no task")
        for line in passes.told:
            on_told(line)
        if passes.latest is not None:
            for line in passes.latest.not_ready(passes.progress):
                on_told(line)
            far = [key for key, one in passes.latest.definitions.items() if one.conf.is_elsewhere]
            if far:
                on_told(
                    f"{quoted_list(far)}: meant for Slurm or another host, and here processes of this machine"
                )


def _mark_the_rest(here: OpenInstance, rule: GeneratorRule) -> None:
    """What never ran says so in its folder."""
    passes = rule.passes()
    states = {key: here.instance.task(key).state() for key in here.definitions}
    for key, definition in here.definitions.items():
        if states[key] is not None and states[key] not in _NOT_BEGUN:
            continue
        if passes.progress.state(key) == COMPLETED:  # and only its file was lost
            here.instance.task(key).put_state(TaskState(COMPLETED))
            continue
        before = [states.get(parent) for parent in parents_of(definition)]
        if all(state == TaskState(COMPLETED) for state in before):
            held = any(fnmatchcase(key, glob) for glob in passes.until)
            name = "ready" if held else "waiting"
        else:
            has_failed = any(state is not None and state.step is not None for state in before)
            name = "blocked" if has_failed else "waiting"
        here.instance.task(key).put_state(TaskState(name))


_NOT_BEGUN = (TaskState("waiting"), TaskState("ready"), TaskState("blocked"))


def read_result(instance_dir: str | os.PathLike[str], key: str) -> TaskResult:
    """What a completed task of an instance came to; `ArgumentError` for one that is not completed."""
    here = OpenInstance(os.path.abspath(instance_dir))
    stored = here.stored(key)
    if stored is None:
        raise ArgumentError(f"task {key!r} of {here.path} has no result", names=["key"])
    return stored.result()


def forget_tasks(instance_dir: str | os.PathLike[str], keys: Iterable[str]) -> None:
    """Removes what these tasks made and what is known of them. `LockedError` while the instance is run."""
    here = OpenInstance(os.path.abspath(instance_dir))
    chosen = list(keys)
    forget_results(here.path, chosen)
    with FolderLock(os.path.join(here.instance.engine_folder, "run"), run="clean"):
        for key in chosen:
            here.instance.task(key).reset()


def forget_results(instance_dir: str | os.PathLike[str], keys: Iterable[str]) -> None:
    """Has the next run do these tasks again; their files and states stay until then."""
    from ramify.dag.outputs import clear_outputs

    here, plan = OpenInstance(os.path.abspath(instance_dir)), places_in(instance_dir)[0]
    chosen = list(keys)
    for key in chosen:
        here.forget_by_hand(key)
    wanted = {encode_key(key) for key in chosen}
    if wanted and is_plan(plan):
        known = wanted.intersection(read_plan(plan).job_ids())
        if known:
            clear_outputs(plan, sorted(known))


def sweep_of(
    target: Pipeline | Generator, instance_dir: str | os.PathLike[str]
) -> tuple[Sweep, OpenInstance]:
    """One pass of the generator over an instance that nobody runs; nothing is written."""
    pipeline = as_pipeline(target)
    here = OpenInstance(os.path.abspath(instance_dir), pipeline)
    made = sweep(pipeline, here.path, DiskProgress(here), elsewhere=other_instance)
    here.definitions.update(made.definitions)
    return made, here


def prepare(target: Pipeline | Generator, instance_dir: str | os.PathLike[str]) -> list[TaskDefinition]:
    """Makes the folders of all tasks that are known now, and runs nothing; returns the tasks."""
    made, here = sweep_of(target, instance_dir)
    here.instance.prepare()
    progress = DiskProgress(here)
    completed = {key for key in made.definitions if progress.state(key) == COMPLETED}
    for key, definition in made.definitions.items():
        folder = here.instance.task(key)
        if folder.state() in (None, *_NOT_BEGUN):
            is_ready = all(parent in completed for parent in parents_of(definition))
            folder.put_state(TaskState("ready" if is_ready else "waiting"))
            write_kept(Kept(definition, {}), here.instance)
    return list(made.definitions.values())


def plan_pipeline(
    target: Pipeline | Generator,
    instance_dir: str | os.PathLike[str],
    *,
    force: Sequence[str] = (),
    jobs: Sequence[str] | None = None,
) -> Preview:
    """What a run would do with each task that is known now, and why; nothing is run, nothing is written.

    It speaks of tasks by their keys; so do `force`, globs of what is done again whatever it came to, and
    `jobs`, globs of what is asked for (None: all). `ModeError` for a glob of `force` that fits no task.
    """
    made, here = sweep_of(target, instance_dir)
    plan, codes, damaged = _declared(made, here)
    keys = {encode_key(key): key for key in made.definitions}
    options = Options(skip_completed=True, force=(*_fitting(force, keys, "force"), *damaged))
    work = PlanWork(
        plan,
        FolderStore(plan.outputs),
        "plan",
        reuse=options.what_counts,
        forced=forced_by(options.force, plan),
        elsewhere=elsewhere_of(options, plan.outputs),
        cache=input_cache(),
    )
    wanted = None if jobs is None else _fitting(jobs, keys, "jobs")
    found = judged(work, wanted)
    told = foreseen(_in_keys(found, keys, damaged), made, here)
    definitions = [
        structs.replace(one, id=keys[one.id], dependencies=[keys[parent] for parent in one.dependencies])
        for one in found.definitions
    ]
    return Preview(told, definitions, codes, may_grow(told, made))


def _fitting(globs: Sequence[str], keys: Mapping[str, str], what: str) -> list[str]:
    """The ids of the tasks whose keys fit; `ModeError` for a glob that fits none."""
    for one in globs:
        if not any(fits(key, (one,)) for key in keys.values()):
            near = get_close_matches(one, keys.values(), 3)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {len(keys)} tasks"
            raise ModeError(f"{what} names {one!r}, which fits no task: {hint}", name=what)
    return [job_id for job_id, key in keys.items() if fits(key, globs)]


def _in_keys(found: Iterable[Verdict], keys: Mapping[str, str], damaged: Mapping[str, str]) -> list[Verdict]:
    """The same with the keys of tasks in the place of the ids of their jobs."""
    told = []
    for verdict in found:
        cause = verdict.cause
        if verdict.job_id in damaged:
            cause = Cause("damaged", damaged[verdict.job_id])
        elif cause.subject and cause.kind in ("upstream", "maybe"):
            cause = replace(cause, subject=keys.get(cause.subject, cause.subject))
        told.append(replace(verdict, job_id=keys[verdict.job_id], cause=cause))
    return told


def accept_tasks(
    target: Pipeline | Generator, instance_dir: str | os.PathLike[str], keys: Iterable[str]
) -> list[Accepted]:
    """Has what these tasks made count as made by their present declarations, code and inputs.

    Nothing is run; only records are written. A task that is not completed or not declared, whose files are
    not as it made them, or that takes something from one without a result, is refused and said.
    `LockedError` while the instance is run.
    """
    made, here = sweep_of(target, instance_dir)
    plan, _, damaged = _declared(made, here)
    chosen = dict.fromkeys(keys)
    found = {key: Accepted(key, None, "it is not completed") for key in chosen}
    found |= {key: Accepted(key, None, "it is not declared") for key in chosen if key not in made.definitions}
    with FolderLock(os.path.join(here.instance.engine_folder, "run"), run="accept"):
        work = PlanWork(plan, FolderStore(plan.outputs), "accept", reuse="auto", cache=input_cache())
        for node, job_id in work.with_outputs():
            key = str(decode_key(job_id))
            if key in chosen:
                harm = damaged.get(job_id)
                cause, refusal = (None, harm) if harm else work.accept_as_is(node)
                found[key] = Accepted(key, None if cause is None else as_seen(cause, here), refusal)
        work.flush()
    return list(found.values())


def _declared(made: Sweep, here: OpenInstance) -> tuple[Plan, dict[str, CodeNote], dict[str, str]]:
    """What the generator yields as a plan that is not written, what is known of its code, and by the ids of
    tasks what is wrong with their files.
    """
    plan_path, outputs = places_in(here.path)
    new = NewPlan([])
    damaged: dict[str, str] = {}
    for key, definition in made.definitions.items():
        job = task_job(definition, made, here, plan_path)
        new.definitions.append(job.definition)
        new.codes[job.definition.code] = job.note
        stored = here.stored(key)
        damage = None if stored is None else here.damage(key, stored)
        if damage is not None:
            damaged[job.definition.id] = damage
    new.folders[""] = [d.id for d in new.definitions]
    return unwritten_plan(plan_path, new, outputs), new.codes, damaged
