"""From names to objects: the executors that a plan is run on, and what its jobs say about themselves."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ramify.core.keys import encode_key
from ramify.errors import ModeError, StorageError
from ramify.executors.threads import ThreadExecutor
from ramify.files.local import local_path
from ramify.plan.definition import Definition
from ramify.plan.folder import read_plan
from ramify.plan.load import load_function
from ramify.plan.opened import Plan
from ramify.plan.paths import is_plan
from ramify.plan.policy import Policy as JobPolicy
from ramify.ports import Executor, Order, Outcome
from ramify.run.contract import Policy
from ramify.run.interrupts import Interrupts
from ramify.run.limits import check_demand, demand_of, local_options
from ramify.run.options import Options
from ramify.run.queue import ReadyQueue
from ramify.run.view import LOGS
from ramify.run.work import PlanWork
from ramify.settings import HOME, project_home
from ramify.stores.traces import FOLDER as TRACES
from ramify.stores.traces import Elsewhere
from ramify.values.declared import InputCache
from ramify.worker.logs import log_name
from ramify.worker.stopping import stop_work_of


class Settings:
    """What single jobs say of retries, time and resources, and what `job_resources` means on this machine.

    Raises `ModeError` where `job_resources` names what is no top-level key.
    """

    def __init__(self, work: PlanWork, options: Options, policy: Policy, queue: ReadyQueue) -> None:
        self.work = work
        self.options = options
        self.policy = policy
        self.queue = queue
        self._asked = _asked_locally(work, options)

    def apply(self, nodes: Iterable[int]) -> None:
        """Tells the policy and the queue of these nodes.

        Raises `ModeError` where a job asks for an executor by a name that nobody has.
        """
        for node in nodes:
            definition = self.work.definition(node)
            if definition is not None:
                self._apply(node, self.work.engine.keys[node], definition.policy)

    def check(self, definitions: Iterable[Definition]) -> None:
        """Jobs that are to be added: raises as `apply` does, and `ArgumentError` where one asks for more than
        there is.
        """
        for definition in definitions:
            _check_executor(definition.id, definition.policy)
            if self.options.executor is None and definition.policy.resources:
                check_demand(definition.id, demand_of(definition.policy.resources), self.queue.limits)

    def _apply(self, node: int, key: str, own: JobPolicy) -> None:
        asked, options, policy, queue = self._asked, self.options, self.policy, self.queue
        _check_executor(key, own)
        resources, timeout = asked.get(key.partition("/")[0], ({}, None)) if asked else ({}, None)
        if options.executor is None and (own.resources or resources):
            queue.demands[node] = demand_of({**own.resources, **resources})
        if own.priority:
            queue.priorities[node] = own.priority
        if own.retries:
            policy.set_retries(own.retries, node)
        if timeout or own.timeout:
            policy.node_timeouts[node] = timeout or own.timeout or 0.0
        if own.deadline is not None:
            policy.node_deadlines[node] = own.deadline


def _check_executor(key: str, own: JobPolicy) -> None:
    if own.executor is not None:
        raise ModeError(
            f"{key!r} asks for the executor {own.executor!r}, and none is configured by that name: "
            "leave it out, or pass executor= to the call",
            job_id=key,
        )


def _asked_locally(work: PlanWork, options: Options) -> dict[str, tuple[dict[str, Any], float | None]]:
    """Per top-level key: the resources and the timeout that `job_resources` gives it here."""
    if not options.job_resources:
        return {}
    tops = {job_id.partition("/")[0] for job_id in work.plan.job_ids()}
    asked = {}
    for key, given in options.job_resources.items():
        name = encode_key(key)
        if name not in tops:
            raise ModeError(
                f"job_resources names {key!r}, which is no top-level key; those are: "
                f"{', '.join(sorted(tops))}",
                key=key,
            )
        if options.executor is None:
            asked[name] = local_options(name, given)
    return asked


def elsewhere_of(options: Options, outputs: str) -> Elsewhere:
    """Whose results may count besides those in the run's own folder of outputs."""
    if options.reuse_from is None:
        home = _home() if options.what_counts == "auto" and not options.skip_completed else None
        return Elsewhere(outputs, [] if home is None else [home])
    homes, folders = [], []
    for given in options.reuse_from:
        path = os.path.abspath(local_path(given))
        home = next(
            (p for p in (path, os.path.join(path, HOME)) if os.path.isdir(os.path.join(p, TRACES))), ""
        )
        if home:
            homes.append(home)
        else:
            folders.append(_outputs_at(path))
    return Elsewhere(outputs, homes, folders)


def _outputs_at(path: str) -> str:
    """The outputs that a folder means: those of its plan, those in it, or itself."""
    if not os.path.isdir(path):
        raise ModeError(f"reuse_from names {path!r}, which is no folder", name="reuse_from")
    for plan in (path, os.path.join(path, "plan")):
        if is_plan(plan):
            return read_plan(plan).outputs
    inside = os.path.join(path, "outputs")
    return inside if os.path.isdir(inside) else path


def forced_by(globs: Sequence[str], plan: Plan, what: str = "force") -> Callable[[str], bool] | None:
    """A test for the ids of jobs that are to run whatever is there; None where there are none.

    Raises `ModeError` for a glob that fits no job.
    """
    if not globs:
        return None
    ids = plan.job_ids()
    for glob in globs:
        if not any(fits(job_id, (glob,)) for job_id in ids):
            from difflib import get_close_matches

            near = get_close_matches(glob, ids, 3)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {len(ids)} jobs"
            raise ModeError(f"{what} names {glob!r}, which fits no job: {hint}", name=what)
    return lambda job_id: fits(job_id, globs)


def fits(job_id: str, globs: Sequence[str]) -> bool:
    """Whether an id is one of these, lies below one, or matches it as a glob.

    >>> fits("scores/m1/train", ["scores"]), fits("scores/m1/train", ["*/train"]), fits("a", ["b"])
    (True, True, False)
    """
    return any(job_id == g or job_id.startswith(f"{g}/") or fnmatchcase(job_id, g) for g in globs)


def input_cache() -> InputCache:
    """What the project remembers of the contents of declared files."""
    home = _home()
    return InputCache(None if home is None else os.path.join(home, "@inputs"))


def _home() -> str | None:
    """The project's own folder; None where nobody can say where that is, as the catalogue will tell."""
    try:
        return project_home()
    except (OSError, StorageError):
        return None


def make_executors(
    work: PlanWork, options: Options, policy: Policy, folder: str, interrupts: Interrupts
) -> tuple[list[Executor], dict[int, int]]:
    """The executors of a run, the usual one first, and which of the others a node belongs to."""
    plan = work.plan
    if options.executor is not None:
        from ramify.executors.foreign import ForeignExecutor

        mode, resources = options.execution_mode, options.job_resources
        return [ForeignExecutor(options.executor, plan.path, work.run_name, mode, resources)], {}
    workers = policy.workers or 1
    if options.execution_mode == "thread":
        may_inline = not (policy.has_timeouts or options.detached or _in_event_loop())
        logs = os.path.join(folder, LOGS)
        return _in_this_process(work, workers, workers == 1 and may_inline, logs, interrupts)
    from ramify.executors.processes import ProcessExecutor

    fresh = options.execution_mode == "subprocess"
    return [ProcessExecutor(plan.path, plan.run_folder, work.run_name, workers, fresh)], {}


def _in_this_process(
    work: PlanWork, workers: int, inline: bool, logs: str, interrupts: Interrupts
) -> tuple[list[Executor], dict[int, int]]:
    """Threads, and an event loop where there are coroutines and more than one may be under way.

    A single worker works in the calling thread (`inline`), unless it may have to be abandoned for taking too
    long, that thread has to hear requests, or an event loop runs there (as in a notebook), inside which a job
    could not run another.
    """
    from ramify.worker.attempt import perform
    from ramify.worker.logs import captured

    plan, token = work.plan, work.token

    def perform_here(order: Order) -> Outcome:
        with captured(os.path.join(logs, log_name(order.job_id, order.attempt))):
            try:
                if inline:
                    interrupts.expose()
                return perform(plan, order.job_id, token(order.node, order.attempt), leave_record=False)
            finally:
                if inline:
                    interrupts.hide()

    async def perform_on_loop(order: Order) -> Outcome:
        from ramify.worker.coroutine import perform_async

        with captured(os.path.join(logs, log_name(order.job_id, order.attempt))):
            return await perform_async(plan, order.job_id, token(order.node, order.attempt))

    threads = ThreadExecutor(perform_here, 0 if inline else workers)
    threads.on_abandon = stop_work_of
    executors: list[Executor] = [threads]
    coroutines = {} if inline else dict.fromkeys(_coroutines(work), 1)
    if coroutines:
        from ramify.executors.aio import AsyncExecutor

        executors.append(AsyncExecutor(perform_on_loop, workers))
    return executors, coroutines


def _in_event_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _coroutines(work: PlanWork) -> list[int]:
    """The nodes whose function is `async def`. One that cannot be loaded fails as a job, not here."""
    kinds: dict[int, bool] = {}
    for number, definition in enumerate(work.definitions):
        try:
            kinds[number] = inspect.iscoroutinefunction(load_function(work.plan, definition))
        except Exception:  # told by the job's own attempt, with its traceback
            kinds[number] = False
    if not any(kinds.values()):
        return []
    return [node for node in range(len(work.engine)) if kinds.get(work.kind(node), False)]
