"""Runs in memory that go on beside their owner: nodes are added, cancelled, retried and waited for meanwhile.

A run is driven in *sessions*. A session begins when there is something to run, has a thread that waits and
threads or processes that work, and ends when the run is at rest: then nothing of it is left. A retry begins
another one.

Whatever changes the engine is done by whoever drives. A request that comes when the session is about to end
is either part of it, or told that it came too late: `ask` decides that under one lock with the end itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ramify.core.engine import EVERYTHING
from ramify.core.graph import GROW
from ramify.core.table import BAD, BLOCKED, CANCELLED, FAILED, GOOD, REST, RUNNING
from ramify.core.views import with_bad_parents
from ramify.errors import JobCancelled, JobError, ParentFailed, StartedError, ValueReleased
from ramify.executors.threads import ThreadExecutor
from ramify.journals.memory import NoJournal
from ramify.ports import Executor, Journal, Observer, Order, Outcome
from ramify.run.approving import Approver
from ramify.run.callbacks import CallbackThread
from ramify.run.contract import Policy
from ramify.run.ends import exception_of
from ramify.run.growing import Grower, Pass
from ramify.run.limits import check_demands, demand_of, machine_limits
from ramify.run.memory import NONE, Failed, MemoryRun
from ramify.run.queue import ReadyQueue
from ramify.run.record import Recorder
from ramify.run.same_call import is_same, may_stay
from ramify.run.session import Answer, LiveDriver, Owner
from ramify.run.staying import Fetching, Keeping, Staying, loaded

if TYPE_CHECKING:
    from ramify.run.recording import Recording

Result = TypeVar("Result")


class LiveRun(MemoryRun):
    """A graph of calls that runs in threads, and in other executors, while its owner goes on.

    A place is where nodes run: 0 is `workers` threads of this process, `place` makes others. `owner` is told
    of starts and ends once `hear` has said of which. With a `recording` the run is written down.

    >>> run = LiveRun(workers=2)
    >>> two = run.add("two", lambda: 2)
    >>> five = run.add("five", lambda x, y: x + y, (two, 3))
    >>> run.launch(); run.wait(), run.value(five)
    (True, 5)
    """

    def __init__(
        self,
        *,
        workers: int,
        policy: Policy | None = None,
        journal: Journal | None = None,
        observers: Sequence[Observer] = (),
        keep: str = "results",
        memory_limit: int | None = None,
        owner: Owner | None = None,
        recording: Recording | None = None,
    ) -> None:
        self.recording = recording
        if recording is not None:
            journal = recording.journal
        self.policy = policy or Policy(fail_fast=False, workers=None)
        self._workers = workers
        self._places: list[Callable[[], Executor]] = [self._make_threads]
        self._place_of: dict[Hashable, int] = {}
        self.owner = owner
        super().__init__(
            workers=workers, journal=journal, observers=observers, keep=keep, memory_limit=memory_limit
        )
        if owner is not None:
            self.large.is_held = owner.is_held
        self.callbacks = CallbackThread()
        self.attempt_errors: dict[int, list[BaseException]] = {}
        self.broken: BaseException | None = None
        self._tracebacks: dict[int, Any] = {}
        self._noted = 0
        self.acting = 0
        """The thread that drives at this moment."""
        self._heard: set[int] = set()
        self._hears_all = False
        self._cancelled_before: str | None = None
        self._gates: dict[int, list[threading.Lock]] = {}
        self.staying: set[int] = set()
        """Nodes of worker processes whose values stay in files until somebody asks for them."""
        self._changing = threading.RLock()
        self._session: threading.Thread | None = None
        self._extend: type | None = None
        self._extender: Callable[[Any, int, int], None] = _no_extensions
        self._scratch: Any = None
        self._threads: ThreadExecutor | None = None
        self.grower: Grower | None = None
        self.approve: Approver | None = None
        self._quiet = threading.Event()
        self.given_up = threading.Event()
        """Set by `cancel`, for whoever waits to try again."""
        self._rest = threading.Event()

    def _prepare(self, policy: Policy, workers: int, recorder: Recorder) -> None:
        self._recorder = recorder
        self.queue = ReadyQueue()

    # ---- sessions

    @property
    def is_quiet(self) -> bool:
        """Whether the run was launched and its graph is at rest; callbacks may be under way."""
        return self._begun and self._quiet.is_set()

    @property
    def is_over(self) -> bool:
        """Whether the run was launched and is at rest, callbacks included."""
        return self._begun and self._rest.is_set()

    def launch(self) -> None:
        """Runs everything that was added; returns at once. Harmless where it was launched already."""
        with self._changing:
            if not self._begun:
                self._begun = True
                if self.recording is not None:
                    self.recording.begin(self.engine)
                    self._noted = len(self.engine)
                self._open_session(self._want_everything)

    def _want_everything(self) -> None:
        heard = range(len(self.engine)) if self._hears_all else sorted(self._heard)
        for node in heard:
            self.engine.tell_of(node)
        self._note_added()
        self.engine.want(None, EVERYTHING, time.time())
        if self._cancelled_before is not None:
            self.driver._give_up(self._cancelled_before, False)

    def _open_session(self, first: Callable[[], None]) -> None:
        self._quiet.clear()
        self._rest.clear()
        if self.recording is not None:
            self._recorder.look_after(self.recording.tend)
            self.recording.again()
        executors = [make() for make in self._places]
        self.driver = LiveDriver(
            self, executors, policy=self.policy, queue=self.queue, recorder=self._recorder
        )
        self._interrupts = self.driver.interrupts
        self.driver.grower = self.grower
        if self.approve is not None:
            self.driver.approver = self.approve.again()
        self.driver.ask(first)
        self._session = threading.Thread(target=self._drive, args=(self.driver,), name="ramify-run")
        self._session.start()

    def _drive(self, driver: LiveDriver) -> None:
        with nullcontext() if self.recording is None else self.recording.listening():
            try:
                driver.run()
            except BaseException as error:
                self.broken = error
        self.large.sweep_now()
        if self.recording is not None:
            trouble = None if self.broken is None else type(self.broken).__name__
            unfired = {} if self.grower is None else self.grower.unfired()
            self.recording.end(self._came_to(driver), driver.counts(), trouble, unfired)
        self._quiet.set()
        with self._changing:
            self.tell_rested()
            self._open_gates()
        self.callbacks.flush()
        if self.owner is not None:
            self.callbacks.put(self.owner.rest)
            self.callbacks.flush()
        with self._changing:
            if self.driver is driver:  # no callback began another session
                self._rest.set()

    def _came_to(self, driver: LiveDriver) -> str:
        """The status of a run whose session is over."""
        state = self.engine.state
        if isinstance(self.broken, KeyboardInterrupt | SystemExit):
            return "CANCELLED"
        if self.broken is not None or FAILED in state or driver.overdue:
            return "FAILED"
        return "CANCELLED" if CANCELLED in state or self._cancelled_before is not None else "COMPLETED"

    def _performer(self) -> Callable[[Order], Outcome]:
        return self.perform if self.recording is None else self.recording.hearing(self.perform)

    def ask(self, act: Callable[[], Result]) -> Result:
        """Has `act` done by whoever drives, between two events, and returns what it returns.

        Where no session is open, and by whoever drives, it is done here and now. What it raises is raised
        here.
        """
        if self.acting == get_ident():
            return act()
        with self._changing:
            if not self._begun or self._quiet.is_set():
                return act()
        answer = Answer(act)
        if self.driver.ask(answer):
            result: Result = answer.get()
            return result
        self._quiet.wait()
        return self.ask(act)

    # ---- places

    def place(self, name: Hashable, make: Callable[[], Executor]) -> int:
        """The number of the place `name`, which `make` makes anew for every session."""
        known = self._place_of.get(name)
        if known is None:
            known = self.ask(lambda: self._add_place(name, make))
        return known

    def _add_place(self, name: Hashable, make: Callable[[], Executor]) -> int:
        if name not in self._place_of:
            self._places.append(make)
            if self._begun and not self._quiet.is_set():
                self.driver.add_executor(make())
            self._place_of[name] = len(self._places) - 1
        return self._place_of[name]

    def _make_threads(self) -> Executor:
        threads = self._threads = ThreadExecutor(self._performer(), self._workers)
        if self.owner is not None:
            threads.on_abandon = self.owner.abandoned
        return threads

    def demand(self, node: int, amounts: Mapping[str, Any], cap: bool = False) -> None:
        """What an attempt of a node holds of this machine while it runs; with `cap` never more than there is.

        Raises `ArgumentError` for more than there is.
        """
        queue = self.queue
        if "cores" not in queue.limits:
            queue.limits.update(machine_limits())
            queue.free.update(queue.limits)
        asked = demand_of(amounts)
        if cap:
            asked = tuple((name, min(amount, queue.limits.get(name, amount))) for name, amount in asked)
        check_demands(self.engine, {node: asked}, queue.limits)
        queue.demands[node] = tuple(sorted((*queue.demands.get(node, ()), *asked)))

    # ---- adding while it runs

    def grow(self, nodes: Sequence[Callable[[], int]]) -> list[int]:
        """Has nodes added by these calls of `add`, and wants them, while the run goes on."""

        def act() -> list[int]:
            if self._quiet.is_set():
                raise StartedError("the run is over, and nothing can be added to it: make a fresh graph")
            new = [int(add()) for add in nodes]
            self.want_added(new, "it was added to the run")
            return new

        return self.ask(act)

    # ---- giving up, and again

    def cancel(self, why: str = "cancelled", force: bool = False) -> None:
        """Starts nothing more; with `force`, what runs is stopped, or abandoned where it cannot be."""

        self.given_up.set()

        def act() -> None:
            if not self._begun:
                self._cancelled_before = why
            elif not self._quiet.is_set():
                self.driver._give_up(why, force)
            self.large.sweep()

        self.ask(act)

    def cancel_node(self, node: int, why: str = "cancelled", force: bool = False) -> bool:
        """Gives a node up; False where it runs (unless `force` stops it) or is at rest."""

        def act() -> bool:
            if self.engine.state[node] == RUNNING:
                if force:
                    self.driver._stop([(node, self.engine.attempts[node])], why)
                return force
            if not self._begun:
                self.engine.want([node], "it was cancelled", time.time())
            return self.engine.cancelled(node, why, time.time())

        return self.ask(act)

    def retry_all(self) -> bool:
        """Retries all that ended badly."""
        self.given_up.clear()
        return self.retry([n for n, state in enumerate(self.engine.state) if BAD[state]])

    def retry(self, nodes: Iterable[int]) -> bool:
        """Puts nodes that ended badly back to the start, with all that came of them, and runs them again."""
        chosen = list(nodes)

        def act() -> bool:
            engine = self.engine
            nodes = chosen if self.owner is None else self.owner.retried(chosen)
            bad = with_bad_parents(engine, nodes)
            if not bad:
                return False
            again = engine.reset(bad, "retried", time.time())
            for node in again:
                self._errors.pop(node, None)
                self.policy.spent[node] = engine.attempts[node]
                if self.owner is not None:
                    self.owner.forgot(node)
                self._listen(node)
            if self._begun:
                self.driver.cancel_reason, self.driver.overdue = None, False
                engine.want(again, "retried", time.time())
            return True

        with self._changing:
            if self._begun and self._quiet.is_set():
                if not any(BAD[self.engine.state[n]] for n in chosen):
                    return False
                done: list[bool] = []
                self._open_session(lambda: done.append(act()))
                return self.ask(lambda: done[0])
        return self.ask(act)

    def go_on(self, act: Callable[[], None]) -> None:
        """Has `act` done by whoever drives; where the run is at rest, another session begins with it."""
        with self._changing:
            if self._begun and self._quiet.is_set():
                self._open_session(act)
                return
        self.ask(act)

    # ---- waiting

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the run is at rest and all callbacks have been called; whether it is.

        In a callback, which the end waits for, it waits for the rest of the graph alone. Ctrl-C stops
        everything, and is raised again.
        """
        done = self._quiet if self.callbacks.is_here() else self._rest
        try:
            is_done = done.wait(timeout)
            if is_done and done is self._rest and self._session is not None:
                self._session.join()  # it has nothing left to do: afterwards no thread of the run is there
            return is_done
        except KeyboardInterrupt:
            self.cancel("interrupted by Ctrl-C", force=True)
            raise

    def wait_for(self, node: int, timeout: float | None = None) -> bool:
        """Waits until the node is at rest; whether it is. A run that is at rest has nothing to wait for."""
        if self._is_settled(node):
            return True
        gate = threading.Lock()
        gate.acquire()

        def act() -> None:
            if self._is_settled(node):
                gate.release()
            else:
                self._gates.setdefault(node, []).append(gate)
                self.engine.tell_of(node)

        self.ask(act)
        try:
            return gate.acquire(timeout=-1 if timeout is None else max(timeout, 0.0))
        except KeyboardInterrupt:
            self.cancel("interrupted by Ctrl-C", force=True)
            raise

    def _is_settled(self, node: int) -> bool:
        return bool(REST[self.engine.state[node]]) or self._quiet.is_set()

    def hear(self, node: int | None) -> None:
        """Has the ends of a node told from now on; of all nodes, and their starts too, where None."""
        self.ask(partial(self.hear_now, node))

    def hear_now(self, node: int | None) -> None:
        """As `hear`, for whoever drives."""
        if node is None:
            self._hears_all = True
            nodes: Iterable[int] = range(len(self.engine))
        else:
            self._heard.add(node)
            nodes = (node,)
        if self._begun:
            for one in nodes:
                if not REST[self.engine.state[one]]:
                    self.engine.tell_of(one)

    def hear_later(self, node: int) -> None:
        """As `hear`, of a node that is at rest: its ends after a retry."""
        self._heard.add(node)

    def _listen(self, node: int) -> None:
        if self._hears_all or node in self._heard:
            self.engine.tell_of(node)

    def tell_rested(self) -> None:
        """Tells whoever waits, and puts the callbacks in line; called by whoever drives."""
        rested, self.engine.rested = self.engine.rested, []
        for node in rested:
            for gate in self._gates.pop(node, ()):
                gate.release()
            if self.owner is not None and (self._hears_all or node in self._heard):
                self.callbacks.put(self.owner.ended(node))

    def _open_gates(self) -> None:
        """The session is over: what did not come to rest never will without another one."""
        for node in list(self._gates):
            for gate in self._gates.pop(node):
                gate.release()

    # ---- what came of it

    def value(self, node: int) -> Any:
        """The value of a node that is at rest; raises its own exception, or says why it has no value."""
        error = self.error(node)
        if error is None:
            return self.fetch(node)
        raise error.with_traceback(self._tracebacks.get(node))

    def error(self, node: int) -> BaseException | None:
        """Why a node has no value, or None: it has one, or is not at rest."""
        state = self.engine.state[node]
        if GOOD[state] or (not REST[state] and self.broken is None):
            return None
        if state == FAILED:
            return self._errors[node]
        if state == BLOCKED:
            return self._parent_failed(node)
        key = self.engine.keys[node]
        if state == CANCELLED:
            return JobCancelled(f"{key!r} was cancelled: {self.engine.reasons[node]}", job_id=key)
        return JobError(f"{key!r} did not run: the run itself broke", job_id=key)

    def _parent_failed(self, node: int) -> BaseException:
        known = self._errors.get(node)
        if known is None:
            first = self.engine.reasons[node]
            cause = self.error(first)
            keys = self.engine.keys
            known = ParentFailed(
                f"{keys[node]!r} could not run: {keys[first]!r} has no value ({cause})",
                job_id=keys[node],
                cause_id=keys[first],
                cause=cause,
                node=keys[first] if self.owner is None else self.owner.handle(first),
            )
            known.__cause__ = cause
            self._errors[node] = known
        return known

    def peek(self, node: int) -> Any:
        """The value of a good node, or None where it was let go."""
        try:
            return self.fetch(node)
        except ValueReleased:
            return None

    def fetch(self, node: int) -> Any:
        """The value of a good node, from wherever it is. Raises `ValueReleased`."""
        value = self.large.fetch(node, self.engine.keys[node])
        return value.load() if type(value) is Staying else value

    def described(self, node: int) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """What the node calls, and with what; of a completed one the arguments are gone."""
        args = self._arguments[node]
        return self._functions[node], () if args is _GONE else args, dict(self._keywords.get(node, {}))

    # ---- the driver's questions

    def order(self, node: int, attempt: int) -> Order:
        """One attempt; its start is told where starts are heard."""
        if self._hears_all and self.owner is not None:
            self.callbacks.put(self.owner.started(node))
        if self.recording is None:
            return super().order(node, attempt)
        return Order(node, attempt, self.engine.keys[node], None, None, id(self._functions[node]))

    def accept(self, node: int, attempt: int, outcome: Outcome) -> str | None:
        """Keeps the value. The arguments are not needed any more: a completed node never runs again.

        Where rules may add it once more, those that are small stay, to be compared.
        """
        super().accept(node, attempt, outcome)
        if self.recording is not None and outcome.pid:
            self.recording.used(node, attempt, outcome)
        if self.grower is None or not may_stay((self._arguments[node], self._keywords.get(node))):
            self._arguments[node] = _GONE
            if self._keywords:
                self._keywords.pop(node, None)
        if self.owner is not None:
            self.owner.completed(node)
        return None

    def made(self, value: Any) -> Outcome:
        """The good outcome for a value; a pass of a grow node is one already."""
        if type(value) is Staying:
            return self._made_of(value.own(), value.size if self.large.limit is None else 0)
        if type(value) is Pass:
            return value
        if type(value) is self._extend:
            return Pass("ok", settle=partial(self._extender, value))
        return super().made(value)

    def take_extensions(self, kind: type, settle: Callable[[Any, int, int], None]) -> None:
        """Has `settle(value, node, attempt)` called by whoever drives for values of this class."""
        self._extend, self._extender = kind, settle

    def redefine(self, node: int, func: Callable[[], Any]) -> None:
        """Has the next attempt of a node call this, in a thread of this process; by whoever drives."""
        self._functions[node], self._arguments[node], self._inside[node] = func, (), NONE
        self._keywords.pop(node, None)
        self.queue.places.pop(node, None)

    def call_of(self, order: Order) -> tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]:
        """The call of an order; what stays in files is read where the call is made."""
        node = order.node
        args, kwargs = super()._with_values(node, self._arguments[node], self._keywords.get(node))
        func = self._functions[node]
        if self.staying:
            if not self.staying.isdisjoint(self.engine.parents[node]):
                func = Fetching(func)
            if node in self.staying:
                path = os.path.join(self.scratch(), f"{node}.{order.attempt}.value")
                func = Keeping(func, path, self._extend)
        return func, args, dict(kwargs or {})

    def _with_values(self, node: int, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Any:
        tree = super()._with_values(node, args, kwargs)
        if self.staying and not self.staying.isdisjoint(self.engine.parents[node]):
            tree = loaded(tree)
        return tree

    def _failure(self, node: int, error: BaseException) -> Outcome:
        self._keep_error(node, error)
        return super()._failure(node, error)

    def _keep_error(self, node: int, error: BaseException) -> None:
        self._errors[node] = error
        self._tracebacks[node] = error.__traceback__
        self.attempt_errors.setdefault(node, []).append(error)

    def failed_outside(self, node: int, outcome: Outcome) -> None:
        """An attempt failed without an exception in this process: it is made of what was told."""
        if not isinstance(outcome, Failed) and outcome.error is not None:
            facts = {"job_id": self.engine.keys[node], "attempt": self.engine.attempts[node]}
            self._keep_error(node, exception_of(outcome, **facts))

    # ---- growing

    def set_grower(self, grower: Grower) -> None:
        """Has this one wake the grow nodes, in this session and in those that follow."""
        self.grower = grower
        if self._begun and not self._quiet.is_set():
            self.driver.grower = grower

    def add_grow(
        self, key: str, one_pass: Callable[[], Any], parents: Sequence[int], place: int, flags: int = 0
    ) -> int:
        """Adds a grow node: `one_pass()` is called in the thread of growth: gives a `Pass` or the value."""
        node = self.engine.add(key, tuple(dict.fromkeys(parents)), GROW | flags)
        self._functions.append(one_pass)
        self._arguments.append(())
        self._inside.append(NONE)
        self.values.append(None)
        self.queue.places[node] = place
        if self._begun:
            self.large.gained(list(parents))
        return node

    def make_grow_executor(self) -> Executor:
        """One thread: passes are made one at a time."""
        return ThreadExecutor(self.perform, 1, name="ramify-grow", host=self._threads)

    def _note_added(self) -> None:
        """Writes down the nodes that are new, so that the journal alone tells the graph."""
        engine, first = self.engine, self._noted
        self._noted = len(engine)
        if isinstance(self._recorder.journal, NoJournal) or first == len(engine):
            return
        new = [(engine.keys[n], engine.parents[n], engine.flags[n], "") for n in range(first, len(engine))]
        engine.note("+", -1, time.time(), new)

    def note_growth(self, node: int, facts: Any) -> None:
        """As `_note_added`, of what a grow node added, with what else it did."""
        engine, first = self.engine, self._noted
        self._noted = len(engine)
        if not isinstance(self._recorder.journal, NoJournal):
            new = [
                (engine.keys[n], engine.parents[n], engine.flags[n], "") for n in range(first, len(engine))
            ]
            engine.note("g", node, time.time(), [new, facts])

    def is_same_call(self, node: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether these are the arguments of a node; of a completed one large ones are not known any more."""
        known = self._arguments[node]
        return known is _GONE or is_same((known, self._keywords.get(node, {})), (args, dict(kwargs)))

    def scratch(self) -> str:
        """A folder for this run alone; it goes with the run object."""
        if self._scratch is None:
            import tempfile

            self._scratch = tempfile.TemporaryDirectory(prefix="ramify-", ignore_cleanup_errors=True)
        return str(self._scratch.name)

    def grow_and_sleep(self, add: Callable[[], list[int]]) -> Pass:
        """The outcome of a pass that adds nodes, and has its node sleep until those are at rest."""

        def settle(node: int, attempt: int) -> None:
            new = add()
            self.want_added(new, f"{self.engine.keys[node]} needs it")
            self.policy.spent[node] = attempt
            self.engine.slept(node, attempt, new, time.time())

        return Pass("ok", settle=settle)

    def want_added(self, new: Sequence[int], why: str) -> None:
        """Nodes were added by whoever drives: they are written down, and wanted."""
        self._note_added()
        for one in new:
            self._listen(one)
        self.engine.want(new, why, time.time())


_GONE: Final[tuple[Any, ...]] = (object(),)
"""Stands for arguments that were not kept."""


def _no_extensions(value: Any, node: int, attempt: int) -> None:
    raise TypeError(f"{value!r:.60} cannot be added to this run")
