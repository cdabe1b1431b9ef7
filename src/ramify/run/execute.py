"""One execution of a plan, from the lock to the last sidecar; and the going on of one whose driver died."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from ramify._version import __version__
from ramify.catalogue import open_catalogue
from ramify.core.engine import EVERYTHING
from ramify.errors import (
    JobIdError,
    ModeError,
    OutputsExistError,
    PlanError,
    RamifyError,
    RamifyWarning,
)
from ramify.files.lock import FolderLock
from ramify.journals.file import FileJournal
from ramify.models import plain_retries
from ramify.plan.codes import notes_of_today
from ramify.plan.folder import read_plan
from ramify.plan.growth import forget_growth, prepare_growth, take_up_growth
from ramify.plan.opened import Plan
from ramify.ports import Executor
from ramify.run.approving import Approver
from ramify.run.assemble import (
    Settings,
    elsewhere_of,
    forced_by,
    input_cache,
    make_executors,
)
from ramify.run.collector import collector_off
from ramify.run.contract import Policy
from ramify.run.control import Attention
from ramify.run.driver import Driver
from ramify.run.interrupts import Interrupts
from ramify.run.limits import check_demands, machine_limits
from ramify.run.names import new_name
from ramify.run.options import Options
from ramify.run.questions import answer
from ramify.run.queue import ReadyQueue
from ramify.run.ranks import ranks
from ramify.run.record import Recorder, encodable
from ramify.run.recover import (
    adopt_parts,
    back_to_work,
    end_orphans,
    fold_run,
    is_same_plan,
    keep_definitions,
)
from ramify.run.until import Until
from ramify.run.verdict import error_of, status_of
from ramify.run.view import JOURNAL, graph_record
from ramify.run.work import PlanWork
from ramify.settings import login_name, project_home, read_settings
from ramify.stores.folder import FolderStore
from ramify.stores.traces import TraceWriter
from ramify.values import LazyDict
from ramify.worker.attempt import loading


def execute(plan_path: str, **options: Any) -> LazyDict:
    """Runs a plan and returns its outputs; the keywords are those of `Options`.

    Raises `ModeError`, `PlanError`, `OutputsExistError`, `LockedError` or `ArgumentError` before anything
    runs, and `DAGExecutionError` when a job failed or the run was cancelled.
    """
    chosen = Options(**options)
    chosen.check()
    plan = read_plan(plan_path)
    name = chosen.name or new_name(_names_in(plan.run_folder))
    if chosen.name is not None and os.path.exists(os.path.join(plan.run_folder, chosen.name, JOURNAL)):
        raise ModeError(
            f"there is a run {name!r} in {plan.run_folder} already: choose another name", name=name
        )
    with (
        nullcontext(chosen.lock) if chosen.lock is not None else FolderLock(plan.run_folder, run=name) as lock
    ):
        _after_a_death(plan, lock)
        if not chosen.just_compiled:
            _look_at_codes(plan)
        Run(plan, name, chosen).carry_out()
    return LazyDict(plan.outputs)


def resume(plan_path: str, name: str, **options: Any) -> LazyDict:
    """Goes on with a run of a plan: the same graph, the same journal, a new driver.

    What is complete stays; what was under way, failed or is no longer there is done again; with `only`, the
    jobs of these ids that have no output, what keeps them from running, and what follows. Raises as
    `execute` does, and `PlanError` where the plan is another by now.
    """
    chosen = Options(**options)
    chosen.check()
    plan = read_plan(plan_path)
    folder = os.path.join(plan.run_folder, name)
    if not is_same_plan(folder, plan):
        raise PlanError(
            f"the plan {plan.path} is not the one that the run {name} executed any more: run it anew with "
            "skip_completed=True (ramify run --skip-completed), which keeps what still holds",
            path=plan.path,
        )
    with FolderLock(plan.run_folder, run=name) as lock:
        _after_a_death(plan, lock)
        _look_at_codes(plan)
        store = FolderStore(plan.outputs)
        past = fold_run(folder, plan, store, cache=input_cache())
        _look_at_ids(chosen.only or (), past)
        Run(plan, name, chosen, past).carry_out()
    return LazyDict(plan.outputs)


def _look_at_ids(job_ids: Sequence[str], work: PlanWork) -> None:
    for job_id in job_ids:
        if job_id not in work.engine.number:
            raise JobIdError(f"the run {work.run_name} has no job {job_id!r}", job_id=job_id)


def _look_at_codes(plan: Plan) -> None:
    """The plan was made some time ago: what its functions are now is what its jobs will run."""
    with loading():
        plan.replace_codes(notes_of_today(plan))


def _after_a_death(plan: Plan, lock: FolderLock) -> None:
    """A driver that died left workers: nobody waits for them, and they may still write."""
    if lock.taken_over is not None:
        ended = end_orphans(plan)
        if ended:
            warnings.warn(
                f"{ended} {'process' if ended == 1 else 'processes'} of a run whose driver died were ended",
                RamifyWarning,
                stacklevel=2,
            )


class Run:
    """One execution of a plan: its name, its folder, how it stands, and the way to end it.

    `past` are the tables of the run as an earlier driver left them.
    """

    def __init__(self, plan: Plan, name: str, options: Options, past: PlanWork | None = None) -> None:
        self.plan = plan
        self.name = name
        self.folder = os.path.join(plan.run_folder, name)
        self.options = options
        self.resumed = past is not None
        self.work = past or self._new_work()
        self.store = self.work.store
        self.engine = self.work.engine
        self.until: Until | None = None
        self.started = 0.0
        self.end: dict[str, Any] | None = None
        self._prepare_outputs()
        self._asked_first = self._hold_back()
        self.driver = self._make_driver()
        self.driver.attend = Attention(self.folder, self.driver).look

    def _new_work(self) -> PlanWork:
        options = self.options
        forget_growth(self.plan)
        return PlanWork(
            self.plan,
            FolderStore(self.plan.outputs),
            self.name,
            reuse=options.what_counts,
            forced=forced_by(options.force, self.plan),
            elsewhere=elsewhere_of(options, self.plan.outputs),
            target=options.target,
            cache=input_cache(),
        )

    # ---- before anything runs

    def _prepare_outputs(self) -> None:
        """Takes in what a killed run left whole, or refuses to mix with what is there."""
        if self.resumed:
            if self.work.may_grow:
                take_up_growth(self.plan, self.folder, len(self.work.grown))
            back_to_work(self.work, time.time(), self.options.only)
        elif self.options.is_reusing:
            if adopt_parts(self.plan, self.store):
                self.work.rebuilder.look_again()
        else:
            self._refuse_to_mix()
        self.store.sweep()

    def _hold_back(self) -> list[int] | None:
        """What is asked for at the beginning; None: everything. `ModeError` for a glob that fits no job."""
        globs = self.options.until
        if not globs:
            return None
        if not self.work.may_grow:  # else what fits may come later
            forced_by(globs, self.plan, "until")
        self.until = Until(globs, self.engine)
        self.work.to_start = self.until.to_start
        return self.until.to_start(range(len(self.engine)))

    def _refuse_to_mix(self) -> None:
        present = self.store.listing()
        if present:
            stored = {self.plan.stored(i): i for i in self.plan.job_ids()}
            ids = sorted(stored[name] for name in present if name in stored)
            if ids:
                raise _outputs_exist(ids, self.plan.outputs)

    def _make_driver(self) -> Driver:
        options, engine = self.options, self.engine
        policy = Policy(
            fail_fast=(options.on_failure or self._usual_on_failure()) == "fail_fast",
            workers=None if options.executor is not None else options.max_workers or 1,
            timeout=options.timeout,
            deadline=options.deadline,
            spent={n: attempts for n, attempts in enumerate(engine.attempts) if attempts},
            salt=self.name,
        )
        policy.set_retries(plain_retries(options.retries or 0))
        order = partial(ranks, engine.keys, engine.parents, by_path=policy.workers != 1)
        queue = ReadyQueue(order, machine_limits(options.limits))
        settings = Settings(self.work, options, policy, queue)
        settings.apply(range(len(engine)))
        check_demands(engine, queue.demands, queue.limits)
        interrupts = Interrupts()
        executors, queue.places = make_executors(self.work, options, policy, self.folder, interrupts)
        growth = self._make_growth(settings, executors)
        recorder = Recorder(
            FileJournal(os.path.join(self.folder, JOURNAL), durable=options.durable),
            options.observers,
            prompt=True,
            notes=self.work.notes,
            keep=self._keep,
        )
        driver = Driver(
            engine,
            self.work,
            executors,
            policy=policy,
            queue=queue,
            recorder=recorder,
            interrupts=interrupts,
        )
        if options.approve is not None:
            driver.approver = Approver(options.approve)
        if growth is not None:
            growth.take(driver)
        return driver

    def _usual_on_failure(self) -> str:
        """Rules may wait for a failure."""
        return "continue" if self.work.rules else "fail_fast"

    def _make_growth(self, settings: Settings, executors: list[Executor]) -> Any:
        """What makes the graph grow, if anything can; it is found by its name, as it stands above this."""
        if not self.work.may_grow:
            return None
        from importlib import import_module

        growth = import_module("ramify.dag.plan_growth").PlanGrowth(settings, len(executors))
        executors.append(growth.executor)
        return growth

    # ---- the run

    def carry_out(self) -> None:
        """Runs to the end, writes the end down, and raises `DAGExecutionError` where an output is missing."""
        if self.options.on_start is not None:
            self.options.on_start(self)
        with self.driver.interrupts:
            try:
                self._begin()
                self.driver.run()
            except BaseException as error:
                self._finish(type(error).__name__)
                raise
            self._finish(None)
        if not self.driver.is_good():
            raise error_of(self.driver, self.work, self.folder)

    def _begin(self) -> None:
        self.started = time.time()
        facts = self._facts()
        recorder = self.driver.recorder
        recorder.begin(facts)
        if not self.work.is_written:
            recorder.journal.append(graph_record(self.engine))
        if self.work.may_grow:
            prepare_growth(self.plan)
        keep_definitions(self.plan, self.folder)
        self._open_traces()
        self._catalogue("began", facts)
        if not any(self.engine.wanted):  # an earlier driver may have died before it came to this
            why = EVERYTHING if self._asked_first is None else "asked for"
            self.engine.want(self._asked_first, why, self.started)
        answer(self.engine, self.work.early, self.work.late, time.time)
        if self.options.on_stale is not None and self.options.is_reusing:
            self.options.on_stale(self.work.stale())
        if self.options.on_built is not None and self.engine.busy:
            self.options.on_built()
        recorder.introduce(self.engine, facts)

    def _facts(self) -> dict[str, Any]:
        options = self.options
        facts = {
            "name": self.name,
            "version": __version__,
            "plan": os.path.relpath(self.plan.path, self.folder),
            "outputs": os.path.relpath(self.plan.outputs, self.folder),
            "mode": options.execution_mode if options.executor is None else type(options.executor).__name__,
            "workers": self.driver.policy.workers,
            "resumed" if self.resumed else "started": self.started,
            "reuse": options.what_counts,
            "options": options.to_record(),
            "target": options.target,
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "python": sys.version.split()[0],
            "command": list(sys.argv),
            "folder": _here(),
            "created_by": login_name(),
        }
        if not self.resumed:
            facts["id"] = _new_id()
            facts["namespace"] = options.namespace or _own_namespace()
            if options.label is not None:
                facts["label"] = options.label
        return {name: encodable(fact) for name, fact in facts.items()}

    def _open_traces(self) -> None:
        """What this run makes, others of the project may reuse; and `why` can tell what changed since."""
        self._guarded("reuse between runs is off for what it makes", self._write_traces)

    def _write_traces(self) -> None:
        self.work.traces = TraceWriter(project_home(), self.plan.outputs, self.name, self.options.target)
        self.work.rebuilder.keep_codes(self.plan.codes)

    def _keep(self) -> None:
        self._guarded("later runs may have to read outputs again", self.work.flush)

    def _guarded(self, price: str, act: Any) -> None:
        """What is a convenience for later runs: this one goes on without it."""
        try:
            act()
        except (OSError, RamifyError) as error:
            self.work.traces = None
            warnings.warn(f"{price}: {error}", RamifyWarning, stacklevel=3)

    def _finish(self, trouble: str | None) -> None:
        """Tidies up and writes the end down; `trouble` is the name of what ended the run early."""
        try:
            if not self.driver.abandoned:  # what still works discards its own part, or the next run does
                self.store.sweep()
            if self.driver.is_good() and (self.until is None or not self.until.held):
                self._seal()
            self._doubt()
            self._keep()
        except BaseException as error:
            self._write_end(type(error).__name__)
            raise
        self._write_end(trouble)

    def _doubt(self) -> None:
        """Outputs that a job could not load are not believed in by the next run before it has read them."""
        for node, outcome in self.driver.outcomes.items():
            if outcome.error is not None and outcome.error.during == "load":
                self.work.doubt(node)

    def _write_end(self, trouble: str | None) -> None:
        self.end = {
            "status": self._came_to(trouble),
            "ended": time.time(),
            "counts": self.driver.counts(),
            "interrupted": trouble,
        }
        grower = self.driver.grower
        unfired = grower.unfired() if grower is not None else {}
        if unfired:
            self.end["unfired"] = unfired
        self.driver.recorder.end(self.end)
        self._catalogue("ended", self.end)

    def _came_to(self, trouble: str | None) -> str:
        if trouble in ("KeyboardInterrupt", "SystemExit"):
            return "COMPLETED" if self.driver.is_good() else "CANCELLED"
        return self.status if trouble is None else "FAILED"

    def _seal(self) -> None:
        """The records of all groups: they are complete now."""
        with collector_off():
            digests = self.work.digests()
            members, empty = self.plan.contents("")
            self.store.finish_folders([(place, digests[place]) for place in members], empty=empty)

    def _catalogue(self, what: str, facts: dict[str, Any]) -> None:
        """The catalogue is a convenience: the run goes on without it."""
        try:
            catalogue = open_catalogue(project_home())
            if what == "began":
                catalogue.began(self.name, self.folder, facts)
            else:
                catalogue.ended(self.name, facts)
        except (OSError, RamifyError) as error:
            warnings.warn(f"the run is not in the catalogue: {error}", RamifyWarning, stacklevel=2)

    # ---- how it stands

    @property
    def status(self) -> str:
        """NOT_STARTED, RUNNING, COMPLETED, FAILED or CANCELLED."""
        return status_of(self.driver) if self.started else "NOT_STARTED"

    def stats(self) -> dict[str, int]:
        """How many jobs are in each state."""
        return self.driver.counts()

    def cancel(self, force: bool = False) -> None:
        """Starts nothing more; with `force`, ends what runs too."""
        self.driver.cancel("cancelled", force)


def _outputs_exist(ids: list[str], outputs: str) -> OutputsExistError:
    some = ", ".join(ids[:5]) + (", ..." if len(ids) > 5 else "")
    return OutputsExistError(
        f"{len(ids)} outputs are in {outputs} already ({some}): keep what still holds with "
        "skip_completed=True, or with reuse='auto', which also takes what other runs made; or remove them "
        "with clear_outputs",
        job_ids=ids,
    )


def _new_id() -> str:
    from uuid import uuid4

    return str(uuid4())


def _own_namespace() -> str:
    """That of the settings, else the login name; settings that cannot be read are told of elsewhere."""
    try:
        return read_settings().namespace or login_name()
    except (OSError, RamifyError):
        return login_name()


def _here() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:  # somebody removed it; the run does not need it
        return ""


def _names_in(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []
