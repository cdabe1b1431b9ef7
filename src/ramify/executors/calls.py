"""Calls whose function, arguments and value are in this process, made elsewhere: they travel as pickles.

What lives in `__main__` or in no module, a lambda or a closure, travels by value. Large arrays and tables
travel beside the pickle, uncopied.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Executor, Future
from time import perf_counter
from typing import Any

from ramify.errors import InfrastructureError
from ramify.executors.outcomes import lost
from ramify.executors.processes import ProcessExecutor
from ramify.ports import Order, Outcome, Tell
from ramify.worker.attempt import host_name
from ramify.worker.child import dump_buffers
from ramify.worker.failure import describe
from ramify.worker.wire import Call, frame

CallOf = Callable[[Order], tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]]
"""Gives the function, the arguments and the keywords of an order, values and all."""

Made = Callable[[Any], Outcome]
"""Gives the good outcome for a value that came back."""


class CallExecutor(ProcessExecutor):
    """Makes calls in a pool of lasting processes on this machine; see `ProcessExecutor`.

    `folder` is where the workers' spare log files are.
    """

    def __init__(self, call_of: CallOf, made: Made, folder: str, name: str, workers: int) -> None:
        super().__init__("", folder, name, workers, fresh=False)
        self._call_of = call_of
        self._made = made

    def _dispatch(self) -> None:
        """What cannot travel fails before a worker is asked."""
        ready: deque[Order] = deque()
        while self._queue:
            order = self._queue.popleft()
            if isinstance(order, _Packed):
                ready.append(order)
                continue
            try:
                ready.append(_packed(order, dump_buffers(self._call_of(order))))
            except BaseException as error:  # whatever the pickling of the user's own objects raises
                outcome = Outcome("error", error=describe(error, during="load", keep=True))
                self._tell(order.node, order.attempt, "ended", outcome)
        self._queue = ready
        super()._dispatch()

    def _request(self, order: Order, log: str, slot: str) -> list[Any]:
        assert isinstance(order, _Packed), "it was packed when it was taken from the queue"
        return list(frame(Call(log, slot, self._fresh), order.buffers))

    def _result(self, outcome: Outcome, buffers: list[bytearray]) -> Outcome:
        return outcome if outcome.kind != "ok" else _loaded(outcome, buffers, self._made)


class _Packed(Order, frozen=True, array_like=True, gc=False):
    """An order with what is sent for it."""

    buffers: Any = ()


def _packed(order: Order, buffers: list[Any]) -> _Packed:
    told: dict[str, Any] = {"options": order.options, "group": order.group, "kind": order.kind}
    return _Packed(order.node, order.attempt, order.job_id, buffers=buffers, **told)


def _loaded(outcome: Outcome, buffers: list[bytearray], made: Made) -> Outcome:
    """The outcome with the value itself, in place of its bytes."""
    import pickle

    try:
        good = made(pickle.loads(buffers[0], buffers=buffers[1:]))
    except BaseException as error:  # the user's classes take part in this
        return Outcome("error", error=describe(error, during="load", keep=True), pid=outcome.pid)
    for name in ("seconds", "cpu_seconds", "peak_memory", "pid", "host"):
        setattr(good, name, getattr(outcome, name))
    return good


class FutureCallExecutor:
    """Makes calls on any `concurrent.futures.Executor`, which is never shut down here.

    In a pool of threads of this process the call is made as it is; anywhere else as a pickle.
    """

    def __init__(self, executor: Executor, call_of: CallOf, made: Made) -> None:
        self._end_task: Callable[[Future[Any]], object] | None = getattr(executor, "end_task", None)
        self.stops = self._end_task is not None
        self.slots: int | None = getattr(executor, "_max_workers", None)
        self._executor = executor
        self._call_of = call_of
        self._made = made
        self._here = any(cls.__name__ == "ThreadPoolExecutor" for cls in type(executor).__mro__)
        self._open: dict[tuple[int, int], Future[Any]] = {}
        self._lock = threading.Lock()
        self._tell: Tell = _unheard

    def start(self, tell: Tell) -> None:
        self._tell = tell

    def submit(self, orders: Sequence[Order]) -> None:
        for order in orders:
            self._submit(order)

    def _submit(self, order: Order) -> None:
        try:
            call = self._call_of(order)
            future = (
                self._executor.submit(_call_here, *call)
                if self._here
                else self._executor.submit(_call_packed, [bytes(part) for part in dump_buffers(call)])
            )
        except Exception as error:
            self._tell(order.node, order.attempt, "ended", lost(error))
            return
        with self._lock:
            self._open[order.node, order.attempt] = future
        self._tell(order.node, order.attempt, "started", None)
        future.add_done_callback(lambda done: self._done(order, done))

    def _done(self, order: Order, future: Future[Any]) -> None:
        with self._lock:
            self._open.pop((order.node, order.attempt), None)
        self._tell(order.node, order.attempt, "ended", self._outcome(future))

    def _outcome(self, future: Future[Any]) -> Outcome:
        try:
            outcome, reply = future.result()
        except CancelledError:
            return Outcome("stopped")
        except BaseException as error:  # of the executor itself: the call's own came back as an outcome
            return lost(error)
        if outcome.kind != "ok":
            good: Outcome = outcome
            return good
        if not self._here:
            return _loaded(outcome, [bytearray(part) for part in reply], self._made)
        return self._made(reply)

    def stop(self, attempts: Iterable[tuple[int, int]]) -> None:
        """Takes back what has not begun; what runs is let go of where the executor cannot end it."""
        for attempt in attempts:
            with self._lock:
                future = self._open.get(attempt)
            if future is not None:
                future.cancel() if self._end_task is None else self._end_task(future)

    def close(self, force: bool = False) -> None:
        """What is still open is taken back; the executor is its owner's."""
        with self._lock:
            left = list(self._open)
        self.stop(left)


def _call_here(
    function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Outcome, Any]:
    began = perf_counter()
    try:
        return Outcome("ok"), function(*args, **kwargs)
    except BaseException as error:
        return Outcome("error", error=describe(error, keep=True), seconds=perf_counter() - began), None


def _call_packed(buffers: Sequence[Any]) -> tuple[Outcome, list[bytes]]:
    """What runs in the executor's own process."""
    from ramify.worker.child import run_call

    outcome, reply = run_call([bytearray(part) for part in buffers])
    outcome.pid, outcome.host = os.getpid(), host_name()
    return outcome, [bytes(part) for part in reply]


def _unheard(node: int, attempt: int, what: str, data: Any) -> None:
    raise InfrastructureError("start() comes before anything else")
