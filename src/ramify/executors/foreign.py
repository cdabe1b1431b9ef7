"""Any `concurrent.futures.Executor`, taken as it is: a pool, Dask's, ipyparallel's, a cluster's.

It gets `submit(errand, plan, job_id)`, where `errand` is a `ramify.worker.errand.Errand`; where it has them
and they are called for, `submit_with_options(errand, plan, job_id, sbatch_options=...)`, and for ready points
of one grid `submit_array_with_options(errand, plan, job_ids, sbatch_options=...)`, which answers an object
with `.future`. One that can stop what runs has `end_task(future)`: the future is then cancelled.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from queue import SimpleQueue
from typing import Any, NamedTuple

from ramify.core.keys import encode_key
from ramify.errors import InfrastructureError, ModeError
from ramify.executors.outcomes import lost
from ramify.plan.folder import read_plan
from ramify.ports import Order, Outcome, Tell
from ramify.stores.folder import PARTS
from ramify.values.sidecar import read
from ramify.worker.errand import Errand
from ramify.worker.failure import describe
from ramify.worker.isolate import stop_isolated
from ramify.worker.logs import log_path

MODES = ("subprocess", "thread", "process")


Attempt = tuple[int, int]


class _Entry(NamedTuple):
    order: Order
    future: Future[Any]
    mark: tuple[int, int]


class ForeignExecutor:
    """Runs the jobs of one plan on somebody else's executor, which is never shut down here.

    `execution_mode` counts for executors of this machine: `"subprocess"` starts a process from the executor's
    worker, `"thread"` runs in the worker, `"process"` asks for a pool of processes. One that runs elsewhere
    ignores it. `job_resources` maps a top-level key to the executor's own options.

    Raises `ModeError` for a mode or options that this executor cannot honour.
    """

    def __init__(
        self,
        executor: Any,
        plan_path: str,
        run_name: str,
        execution_mode: str = "subprocess",
        job_resources: Mapping[Any, Mapping[str, Any]] | None = None,
    ) -> None:
        _check(executor, execution_mode, job_resources)
        self._executor, self._plan, self._run = executor, plan_path, run_name
        self._isolated = _isolation(executor, execution_mode)
        self._options = {encode_key(key): dict(value) for key, value in (job_resources or {}).items()}
        self._opened = read_plan(plan_path)
        self._logs = f"{self._opened.run_folder}/{run_name}/logs"
        self._end_task: Callable[[Future[Any]], None] | None = getattr(executor, "end_task", None)
        own = self._isolated == "always" and _is_local(executor, "ThreadPoolExecutor")
        self.stops = own or self._end_task is not None
        self.slots: int | None = getattr(executor, "_max_workers", None)
        self._tell: Tell = _unheard
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._held: deque[Order] = deque()
        self._open: dict[Attempt, _Entry] = {}
        self._stopping: set[Attempt] = set()
        self._closing = self._forced = False
        self._thread = threading.Thread(target=self._serve, name="ramify-foreign", daemon=True)

    # ---- the port

    def start(self, tell: Tell) -> None:
        self._tell = tell
        self._thread.start()

    def submit(self, orders: Sequence[Order]) -> None:
        if self._closing:
            raise InfrastructureError("this executor was closed: it takes no more orders")
        self._inbox.put(lambda: self._held.extend(orders))

    def stop(self, attempts: Iterable[Attempt]) -> None:
        """Takes back what waits in the executor's queue; what runs is killed where it has its own process."""
        wanted = frozenset(attempts)
        self._inbox.put(lambda: self._stop(wanted))

    def close(self, force: bool = False) -> None:
        self._closing = True
        self._forced = self._forced or force
        if self._thread.is_alive():
            self._inbox.put(_nothing)
            if threading.current_thread() is not self._thread:
                self._thread.join()

    # ---- the one thread

    def _serve(self) -> None:
        """Everything is done here, never in an executor's callback: there it may hold its own locks."""
        try:
            self._serve_on()
        except Exception as error:  # of ours: nobody waits for ever because of it
            for order in (*self._held, *(entry.order for entry in self._open.values())):
                self._say(order, "ended", lost(error))
            raise

    def _serve_on(self) -> None:
        while not (self._forced or (self._closing and self._is_idle())):
            self._inbox.get()()
            while not self._inbox.empty():
                self._inbox.get()()
            self._hand_out()
        for entry in self._open.values():
            self._take_back(entry)
            if not self._forced:
                self._say(entry.order, "ended", Outcome("stopped"))
        self._open.clear()

    def _is_idle(self) -> bool:
        return self._inbox.empty() and not self._held and self._open.keys() <= self._stopping

    def _stop(self, wanted: frozenset[Attempt]) -> None:
        held, self._held = self._held, deque()
        for order in held:
            if (order.node, order.attempt) in wanted:
                self._say(order, "ended", Outcome("stopped"))
            else:
                self._held.append(order)
        self._stopping |= wanted & self._open.keys()
        for attempt in wanted:
            entry = self._open.get(attempt)
            if entry is not None and self._alone(entry):
                self._take_back(entry)

    def _alone(self, entry: _Entry) -> bool:
        """Whether nobody else wants the submission: the members of an array share one."""
        return all(
            attempt in self._stopping for attempt, other in self._open.items() if other.future is entry.future
        )

    def _take_back(self, entry: _Entry) -> None:
        if self._end_task is not None:
            self._end_task(entry.future)
        elif not entry.future.cancel():
            stop_isolated(self._token(entry.order))

    # ---- handing over

    def _hand_out(self) -> None:
        """Hands over what there is room for: a pool prefetches work and cannot take it back then."""
        while self._held:
            room = len(self._held) if self.slots is None else self.slots - len(self._open)
            if room <= 0:
                return
            orders = [self._held.popleft() for _ in range(min(room, len(self._held)))]
            for batch in self._batches(orders):
                self._hand_over(batch)

    def _batches(self, orders: Sequence[Order]) -> list[list[Order]]:
        """Ready points of one grid with equal options together, in the order of submission."""
        if not hasattr(self._executor, "submit_array_with_options"):
            return [[order] for order in orders]
        batches: dict[Any, list[Order]] = {}
        for number, order in enumerate(orders):
            key = number if order.group is None else (order.group, repr(self._resources(order)))
            batches.setdefault(key, []).append(order)
        return list(batches.values())

    def _hand_over(self, batch: list[Order]) -> None:
        """One submission; if the executor refuses it, every order of it is lost, once, with the reason."""
        try:
            marks = [self._mark(order) for order in batch]
            future = self._submit_array(batch) if len(batch) > 1 else self._submit_one(batch[0])
        except Exception as error:
            for order in batch:
                self._say(order, "ended", lost(error))
            return
        for order, mark in zip(batch, marks, strict=True):
            self._open[order.node, order.attempt] = _Entry(order, future, mark)
            self._say(order, "started", None)
        future.add_done_callback(lambda done: self._inbox.put(lambda: self._done(batch, done)))

    def _submit_one(self, order: Order) -> Future[Any]:
        errand, options = self._errand([order]), self._resources(order)
        future: Future[Any]
        if options:
            submit = self._executor.submit_with_options
            future = submit(errand, self._plan, order.job_id, sbatch_options=options)
        else:
            future = self._executor.submit(errand, self._plan, order.job_id)
        return future

    def _submit_array(self, batch: list[Order]) -> Future[Any]:
        options = {"job_name": batch[0].group, **self._resources(batch[0])}
        answer = self._executor.submit_array_with_options(
            self._errand(batch), self._plan, [order.job_id for order in batch], sbatch_options=options
        )
        future: Future[Any] = answer.future
        return future

    def _errand(self, batch: list[Order]) -> Errand:
        tokens = {order.job_id: self._token(order) for order in batch}
        logs = {order.job_id: log_path(self._logs, order.job_id, order.attempt) for order in batch}
        return Errand(self._run, tokens, logs, self._isolated)

    def _resources(self, order: Order) -> dict[str, Any]:
        return order.options or self._options.get(order.job_id.partition("/")[0], {})

    def _token(self, order: Order) -> str:
        return f"{self._run}.{order.node}.{order.attempt}"

    # ---- hearing how it went

    def _done(self, batch: list[Order], future: Future[Any]) -> None:
        """The executor has ended a submission: each of its orders ends, whatever the others did."""
        error = CancelledError() if future.cancelled() else future.exception()
        result = None if error is not None else future.result()
        results = [result] * len(batch)
        if isinstance(result, list | tuple) and len(result) == len(batch):
            results = list(result)
        for order, one in zip(batch, results, strict=True):
            attempt = order.node, order.attempt
            entry, stopping = self._open.pop(attempt, None), attempt in self._stopping
            self._stopping.discard(attempt)
            if entry is not None:
                self._say(order, "ended", self._judge(entry, one, error, stopping))

    def _judge(self, entry: _Entry, result: Any, error: BaseException | None, stopping: bool) -> Outcome:
        if isinstance(error, CancelledError):
            return Outcome("stopped")
        try:
            outcome = result if isinstance(result, Outcome) else self._found(entry)
        except Exception as problem:  # an unreadable record; an executor would only log what is raised here
            return lost(problem)
        if outcome is not None:
            return Outcome("stopped") if stopping and outcome.kind == "died" else outcome
        if isinstance(error, BrokenExecutor):
            return lost(error)
        if error is not None:
            return Outcome("error", error=describe(error, keep=True))
        return lost(f"the executor says that {entry.order.job_id!r} is done, but it has no new output")

    def _found(self, entry: _Entry) -> Outcome | None:
        """A worker that answered nothing may have left its part's record, or put its output in place.

        An outcome `"ok"` without a record says that the output is in place already.
        """
        part = read(f"{self._opened.outputs}/{PARTS}/{self._token(entry.order)}")
        if part is not None:
            part.pop("job_id", None)
            return Outcome("ok", digest=part["checksum"]["digest"], record=part)
        if self._mark(entry.order) == entry.mark:
            return None
        own = read(self._stem(entry.order))
        return None if own is None else Outcome("ok", digest=own["checksum"]["digest"])

    def _stem(self, order: Order) -> str:
        self._opened.refresh()
        definition, point = self._opened.locate(order.job_id)
        return f"{self._opened.outputs}/{definition.stored(point)}"

    def _mark(self, order: Order) -> tuple[int, int]:
        """What tells the sidecar of an output in place from any later one."""
        try:
            stat = os.stat(f"{self._stem(order)}.ramify")
        except (FileNotFoundError, NotADirectoryError):
            return 0, 0
        return stat.st_ino, stat.st_mtime_ns

    def _say(self, order: Order, what: str, data: Any) -> None:
        self._tell(order.node, order.attempt, what, data)


def _nothing() -> None:
    """Wakes the thread, which then looks at what was set."""


def _unheard(node: int, attempt: int, what: str, data: Any) -> None:
    raise InfrastructureError("start() comes before anything else")


def _check(executor: Any, mode: str, job_resources: Any) -> None:
    if mode not in MODES:
        known = ", ".join(map(repr, MODES))
        raise ModeError(f"execution_mode={mode!r} is unknown: use one of {known}", mode=mode)
    if not callable(getattr(executor, "submit", None)):
        raise ModeError(f"executor={executor!r} has no submit(): give a concurrent.futures.Executor")
    if mode == "process" and _is_local(executor, "ThreadPoolExecutor"):
        raise ModeError(
            "execution_mode='process' needs a pool of processes, and executor= is a pool of threads: "
            "give a ProcessPoolExecutor, or execution_mode='thread' or 'subprocess'",
            mode=mode,
        )
    if job_resources and not callable(getattr(executor, "submit_with_options", None)):
        raise ModeError(
            f"job_resources needs an executor with submit_with_options(), such as SlurmExecutor; "
            f"{type(executor).__name__} has none"
        )


def _isolation(executor: Any, mode: str) -> str:
    if mode != "subprocess":
        return "never"
    return "always" if _is_local(executor, "ThreadPoolExecutor", "ProcessPoolExecutor") else "here"


def _is_local(executor: Any, *names: str) -> bool:
    """Whether it is one of the library's own pools, or derived from one; asked without importing any."""
    return any(
        cls.__name__ in names and cls.__module__.startswith("concurrent.futures.")
        for cls in type(executor).__mro__
    )
