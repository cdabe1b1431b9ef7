"""The driver's role: news is folded, questions are answered, and what is ready is handed out.

Driving is a role, not a thread. News goes into an inbox without a lock. Whoever brings some tries to take the
role. Who does not get it goes on with its own work, for the holder looks into the inbox again after letting
go. Nothing is done before the run has begun, and what comes after its end is thrown away.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

from ramify.core.engine import Engine
from ramify.core.graph import RULE
from ramify.core.table import ASLEEP, CANCELLED, FAILED, GOOD, READY, RUNNING
from ramify.core.views import counts, with_bad_parents
from ramify.errors import RamifyWarning
from ramify.executors.threads import ThreadExecutor
from ramify.ports import Executor, Order, Outcome
from ramify.run.approving import Approver
from ramify.run.contract import Policy, Work
from ramify.run.ends import LATE, as_failure, facts_of, not_stored
from ramify.run.growing import Grower, Pass
from ramify.run.interrupts import Wake
from ramify.run.questions import answer
from ramify.run.queue import ReadyQueue
from ramify.run.record import Recorder
from ramify.run.timers import Timers
from ramify.worker.failure import describe

FLUSH = 0.001
"""Seconds that folded news may stay unwritten."""


class Role:
    """What any thread may do with a run: tell news of it, ask for something, and drive it."""

    def __init__(
        self,
        engine: Engine,
        work: Work,
        executors: Sequence[Executor],
        *,
        policy: Policy,
        queue: ReadyQueue,
        recorder: Recorder,
    ) -> None:
        self.engine = engine
        self.work = work
        self.executors = executors
        self.policy = policy
        self.queue = queue
        self.recorder = recorder
        self.in_flight = [0] * len(executors)
        self.full: set[int] = set()
        self.running = 0
        self.first_failure: int | None = None
        self.abandoned = False
        self.cancel_reason: str | None = None
        self.error: BaseException | None = None
        self.outcomes: dict[int, Outcome] = {}
        self.inbox: deque[tuple[int, int, str, Any]] = deque()
        self._requests: deque[Callable[[], None]] = deque()
        self._role = threading.Lock()
        self._wake = Wake()
        self._timers = Timers(self._wake.set)
        self._delayed: dict[int, float] = {}
        self._ends: dict[int, float] = {}
        self.overdue = False
        self._stop_why: dict[tuple[int, int], str] = {}
        self._written = time.monotonic()
        self._begun = False
        self.approver: Approver | None = None
        self._naps: dict[int, float] = {}
        self.grower: Grower | None = None
        self.grow_place: int | None = None
        """The executor of passes of growth, where they do not count as work."""
        self.done = False
        self._over = False

    # ---- news, from anywhere

    def tell(self, node: int, attempt: int, what: str, data: Any) -> None:
        """News of an attempt; see `ramify.ports.Tell`."""
        self.inbox.append((node, attempt, what, data))
        self.drive()

    def request(self, act: Callable[[], None]) -> None:
        """Has `act` called by whoever drives next: the way in for cancelling, waking and adding.

        Before the run has begun it is kept until then; after the end it is forgotten.
        """
        self._requests.append(act)
        self.drive()

    def drive(self) -> None:
        """Takes the driver's role if nobody has it, and keeps it while there is news."""
        while self._begun:
            if not self._role.acquire(blocking=False):
                return
            try:
                self._turn()
            except BaseException as error:
                self._broken(error)
            finally:
                self._role.release()
            if not self.inbox and not self._requests:
                return

    def _broken(self, error: BaseException) -> None:
        """The driver itself failed: the waiting thread raises it, nothing more is started."""
        if self.error is None:
            self.error = error
        self.inbox.clear()
        self._requests.clear()
        self.done = True
        self._wake.set()

    # ---- one turn of the role

    def _turn(self) -> None:
        if self._over or self.error is not None:
            self._throw_away()
            return
        while self._requests:
            self._requests.popleft()()
        self._fold()
        engine = self.engine
        if self.grower is not None and self.cancel_reason is None:
            self.grower.look()
        if engine.asks or engine.checks or engine.fresh:
            answer(engine, self.work.early, self.work.late, time.time)
        if engine.ready:
            self._collect()
        surely_short = self._hand_out()
        self._write(surely_short)
        if not engine.busy and not self.running and not self.inbox:
            if self.grower is not None and self.cancel_reason is None and self.grower.at_rest():
                self._requests.append(_again)
            elif not self._naps:
                self._at_rest()

    def _fold(self) -> None:
        inbox = self.inbox
        while inbox:
            node, attempt, what, data = inbox.popleft()
            if what == "ended":
                self._ended(node, attempt, data)
            elif what == "started" and data is not None:
                self.recorder.handle(node, attempt, data)

    def _throw_away(self) -> None:
        """The run is over: what was abandoned and ends now leaves nothing behind."""
        self._requests.clear()
        while self.inbox:
            node, attempt, what, _ = self.inbox.popleft()
            if what == "ended" and self._over:
                self.work.drop(node, attempt)

    def _collect(self) -> None:
        push, state, delayed = self.queue.push, self.engine.state, self._delayed
        ready, self.engine.ready = self.engine.ready, []
        if self.approver is not None:
            ready = [node for node in ready if not self._must_be_approved(node)]
        for node in ready:
            if state[node] == READY and node not in delayed:
                push(node)

    def _must_be_approved(self, node: int) -> bool:
        """Whether a first attempt is to be asked about, which is done then."""
        if self.engine.attempts[node] or self.engine.flags[node] & RULE or self.approver is None:
            return False
        self.approver.ask_about(node)
        return True

    def let_start(self, node: int) -> None:
        """A node may start; by whoever drives."""
        if self.engine.state[node] == READY:
            self.queue.push(node)

    def refuse_start(self, node: int, why: str) -> None:
        """A node may not start; by whoever drives."""
        self.engine.cancelled(node, why, time.time())

    def nap(self, node: int, seconds: float) -> None:
        """Has a node that sleeps, or may not start yet, asked about again; by whoever drives."""
        when = self._naps[node] = time.monotonic() + seconds
        self._timers.add(when, node, 0)

    def _wake_up(self, node: int) -> None:
        del self._naps[node]
        if self.engine.state[node] == READY and self.approver is not None:
            self.approver.ask_about(node)
        else:
            self.engine.woken(node, "it is asked again", time.time())

    def _hand_out(self) -> bool:
        """Starts what fits; returns whether all of it is known to be short."""
        limit = self.policy.workers
        queue, state, places = self.queue, self.engine.state, self.queue.places
        short = True
        orders: list[tuple[int, Order]] = []
        while True:
            is_full = limit is not None and self.running - self._passes() >= limit
            if is_full and self.grow_place is None:
                break
            node = queue.pop(self._all_but_growth() if is_full else self.full)
            if node is None:
                break
            if state[node] == READY and node not in self._delayed:
                place = places.get(node, 0) if places else 0
                order = self._begin(node, place)
                short = short and self._is_short(place, order)
                orders.append((place, order))
        if not orders:
            return False
        if self.recorder.prompt or not short:  # what is known to be short may turn out long
            self._write(False)
        if len(self.executors) == 1:
            self.executors[0].submit([order for _, order in orders])
        else:
            for place in sorted({place for place, _ in orders}):
                self.executors[place].submit([order for where, order in orders if where == place])
        return short

    def _passes(self) -> int:
        """How many passes of growth are under way: no worker is busy with them."""
        return 0 if self.grow_place is None else self.in_flight[self.grow_place]

    def _all_but_growth(self) -> set[int]:
        assert self.grow_place is not None, "it was asked for"
        return self.full | (set(range(len(self.executors))) - {self.grow_place})

    def _is_short(self, place: int, order: Order) -> bool:
        executor = self.executors[place]
        return isinstance(executor, ThreadExecutor) and executor.is_short(order.kind)

    def _begin(self, node: int, place: int) -> Order:
        attempt = self.engine.started(node, time.time())
        self.running += 1
        self.in_flight[place] += 1
        if self.in_flight[place] == self.executors[place].slots:
            self.full.add(place)
        if self.queue.demands:
            self.queue.hold(node)
        if self.policy.has_timeouts:
            self._limit_time(node, attempt)
        return self.work.order(node, attempt)

    def _limit_time(self, node: int, attempt: int) -> None:
        now, policy = time.monotonic(), self.policy
        limit, whole = policy.timeout_of(node), policy.node_deadlines.get(node)
        if limit is not None:
            self._timers.add(now + limit, node, attempt)
        if whole is not None:
            self._timers.add(self._ends.setdefault(node, now + whole), node, attempt)

    def _write(self, may_wait: bool) -> None:
        now = time.monotonic()
        if may_wait and now - self._written < FLUSH:
            return
        self._written = now
        if self.engine.letters:
            self.recorder.write(self.engine.take())

    def _at_rest(self) -> None:
        """Nothing runs and nothing is owed: a node that waits for its next attempt is. Sleepers stay."""
        self._write(False)
        self.done = True
        self._wake.set()

    # ---- ends of attempts

    def _ended(self, node: int, attempt: int, outcome: Outcome) -> None:
        engine = self.engine
        if engine.state[node] != RUNNING or engine.attempts[node] != attempt:
            self.work.drop(node, attempt)
            return
        self.running -= 1
        place = self.queue.places.get(node, 0)
        self.in_flight[place] -= 1
        self.full.discard(place)
        if self.queue.demands:
            self.queue.release(node)
        why = self._stop_why.pop((node, attempt), None) if self._stop_why else None
        if outcome.kind == "ok" and outcome.record is not None and not outcome.digest:
            outcome = self.work.as_pass(node, attempt, outcome)
        if isinstance(outcome, Pass):
            self._passed(node, attempt, outcome)
        elif outcome.kind == "ok":
            self._succeeded(node, attempt, outcome)
        elif outcome.kind == "stopped" and why not in LATE:
            self.work.drop(node, attempt)
            self.outcomes[node] = outcome
            engine.stopped(node, attempt, why or "stopped", time.time())
        else:
            self._failed(node, attempt, outcome, why)

    def _passed(self, node: int, attempt: int, outcome: Pass) -> None:
        if self.cancel_reason is not None:
            self.engine.stopped(node, attempt, self.cancel_reason, time.time())
            return
        try:
            outcome.settle(node, attempt)
        except Exception as error:
            self._failed(node, attempt, Outcome("error", error=describe(error, keep=True)), None)

    def _succeeded(self, node: int, attempt: int, outcome: Outcome) -> None:
        try:
            digest = self.work.accept(node, attempt, outcome)
        except Exception as error:
            self._failed(node, attempt, not_stored(outcome, error), None)
            return
        self.engine.succeeded(node, attempt, digest, time.time())

    def _failed(self, node: int, attempt: int, outcome: Outcome, why: str | None) -> None:
        engine = self.engine
        self.work.drop(node, attempt)
        self.outcomes[node] = outcome
        policy = self.policy
        limit = policy.node_deadlines.get(node) if why == "deadline" else policy.timeout_of(node)
        failure = as_failure(outcome, why, limit)
        outcome.error = failure
        told = facts_of(outcome, failure)
        pause = self._pause_after(node, attempt, outcome, why)
        if pause is not None:
            if pause:
                told["again_in"] = round(pause, 3)
            engine.again(node, attempt, told, time.time())
            self._try_again(node, attempt, pause)
            return
        engine.failed(node, attempt, told, time.time())
        if self.first_failure is None:
            self.first_failure = node
        if self.policy.fail_fast and self.cancel_reason is None:
            self._give_up(f"{engine.keys[node]} failed, and the run stops at the first failure")

    def _pause_after(self, node: int, attempt: int, outcome: Outcome, why: str | None) -> float | None:
        """Seconds until the next attempt, or None where none follows."""
        if self.cancel_reason is not None or why == "deadline":
            return None
        try:
            pause = self.policy.pause_after(node, attempt, outcome)
        except Exception as error:  # the user's own expression
            key = self.engine.keys[node]
            warnings.warn(
                f"{key!r} is not tried again: the expression of its RetryStrategy raised {error!r}",
                RamifyWarning,
                stacklevel=2,
            )
            return None
        end = self._ends.get(node)
        too_late = pause is not None and end is not None and time.monotonic() + pause >= end
        return None if too_late else pause

    def _try_again(self, node: int, attempt: int, pause: float) -> None:
        if pause <= 0:
            self.queue.push(node)
            return
        when = self._delayed[node] = time.monotonic() + pause
        self._timers.add(when, node, attempt)

    def _look_at_due(self) -> None:
        """Stops what is late, and lets go on what has waited long enough."""
        attempts, state, now = self.engine.attempts, self.engine.state, time.monotonic()
        late: dict[str, list[tuple[int, int]]] = {why: [] for why in LATE}
        for node, attempt in self._timers.due(now):
            if node < 0:
                self._end_overdue()
            elif now >= self._naps.get(node, inf):
                self._wake_up(node)
            elif attempts[node] == attempt and state[node] == RUNNING:
                why = "deadline" if now >= self._ends.get(node, inf) else "timeout"
                late[why].append((node, attempt))
            elif now >= self._delayed.get(node, inf):
                del self._delayed[node]
                if state[node] == READY:
                    self.queue.push(node)
        for why, those in late.items():
            if those:
                self._stop(those, why)

    def _end_overdue(self) -> None:
        self.overdue = True
        self._give_up(f"the run took longer than its deadline of {self.policy.deadline:g} s")

    # ---- giving up, and back to the start

    def cancel(self, why: str, force: bool = True) -> None:
        """Starts nothing more; with `force`, also ends what runs. From any thread."""
        self.request(lambda: self._give_up(why, force))

    def _give_up(self, why: str, force: bool = True) -> None:
        if self.cancel_reason is None:
            self.cancel_reason = why
        self.engine.cancelled_all(why, time.time())
        self._delayed.clear()
        self._naps.clear()
        if force and self.running:
            self._stop(self._under_way(), why)

    def give_up_some(self, nodes: Iterable[int], why: str, force: bool) -> list[int]:
        """These are given up if they have not started, and stopped with `force`; in the role only.

        Returns those that it made a difference to.
        """
        engine, now = self.engine, time.time()
        running = [(n, engine.attempts[n]) for n in nodes if engine.state[n] == RUNNING] if force else []
        given_up = [n for n in nodes if engine.state[n] != RUNNING and engine.cancelled(n, why, now)]
        for node in given_up:
            self._delayed.pop(node, None)
        if running:
            self._stop(running, why)
        return [*given_up, *(node for node, _ in running)]

    def put_back(self, nodes: Iterable[int] | None, why: str) -> list[int]:
        """Failed and cancelled nodes (all, where None) are tried again, and so is what could not run because
        of them; in the role only, and not after the end. Returns the nodes that are wanted again.

        A named node that is blocked takes with it what blocks it. What is good or under way stays as it is.
        """
        engine = self.engine
        chosen = self._failed_ones() if nodes is None else with_bad_parents(engine, nodes)
        if not chosen:
            return []
        again = [n for n in engine.reset(chosen, why, time.time()) if engine.wanted[n]]
        for node in again:
            self.outcomes.pop(node, None)
            self._ends.pop(node, None)
            if engine.attempts[node]:
                self.policy.spent[node] = engine.attempts[node]
        self.cancel_reason, self.overdue = None, False
        self.first_failure = next((n for n, state in enumerate(engine.state) if state == FAILED), None)
        engine.want(again, why, time.time())
        return again

    def _failed_ones(self) -> list[int]:
        state, wanted = self.engine.state, self.engine.wanted
        return [n for n, now in enumerate(state) if now in (FAILED, CANCELLED) and wanted[n]]

    def _executor_of(self, node: int) -> Executor:
        return self.executors[self.queue.places.get(node, 0)]

    def _under_way(self) -> list[tuple[int, int]]:
        attempts = self.engine.attempts
        return [(n, attempts[n]) for n, state in enumerate(self.engine.state) if state == RUNNING]

    def _stop(self, attempts: list[tuple[int, int]], why: str) -> None:
        for attempt in attempts:
            self._stop_why.setdefault(attempt, why)
        for place, executor in enumerate(self.executors):
            mine = [a for a in attempts if self.queue.places.get(a[0], 0) == place]
            if not mine:
                continue
            executor.stop(mine)
            if not executor.stops:  # nobody waits for what cannot be stopped; its late word changes nothing
                self.abandoned = True
                self.inbox.extend((node, attempt, "ended", Outcome("stopped")) for node, attempt in mine)

    # ---- looking

    def counts(self) -> dict[str, int]:
        """How many nodes are in each state."""
        return counts(self.engine)

    def is_good(self) -> bool:
        """Whether all that was wanted has a value; rules that never fired do not count."""
        state, wanted, flags = self.engine.state, self.engine.wanted, self.engine.flags
        return all(
            GOOD[state[n]] or (state[n] == ASLEEP and flags[n] & RULE) for n in range(len(state)) if wanted[n]
        )


def _again() -> None:
    """Asked for so that another turn is made."""
