"""Attempts in threads of this process, or one by one in the thread that drives.

There is no driver thread to hand over to: the worker that ends an attempt tells the driver, which folds the
news and hands out more on that same thread, so a chain never changes threads. A sleeper is woken only where
that pays: two threads that run very short functions fight for the interpreter lock and are slower than one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter

from ramify.errors import InfrastructureError
from ramify.ports import Order, Outcome, Tell
from ramify.worker.failure import describe

SHORT = 0.0002
"""Seconds below which a second thread costs more than it brings (with files written; 50 µs without)."""

LONG = 0.001
"""Seconds from which a start is worth writing down before it is made."""


class ThreadExecutor:
    """Performs orders in `workers` daemon threads; with `workers=0`, when the caller takes them.

    `perform` carries out one order and returns its outcome; what it raises is the attempt's error. What runs
    in a thread cannot be stopped (`stops` is False): `stop` abandons the thread, whose late word nobody waits
    for, and a new one takes its place. A thread of the `host` that drives and has nothing else to do performs
    what it hands out here itself.
    """

    stops = False

    def __init__(
        self,
        perform: Callable[[Order], Outcome],
        workers: int,
        name: str = "ramify",
        host: ThreadExecutor | None = None,
    ) -> None:
        self.perform = perform
        self._host = host
        self._guest: ThreadExecutor | None = None
        self.workers = workers
        self.slots: int | None = max(workers, 1)
        self.name = name
        self.seconds: dict[int, float] = {}
        self.on_abandon: Callable[[threading.Thread], None] | None = None
        """Called with a thread that is abandoned: what it waits for may be stopped."""
        self._todo: deque[Order] = deque()
        self._free: deque[_Worker] = deque()
        self._busy: dict[tuple[int, int], _Worker] = {}
        self._workers: set[_Worker] = set()
        self._closing = False
        self._lock = threading.Lock()

    def start(self, tell: Tell) -> None:
        """Threads are made when there is work for them."""
        self.tell = tell

    def submit(self, orders: Sequence[Order]) -> None:
        """Queues orders; whoever is free, or becomes free, takes them."""
        with self._lock:
            self._todo.extend(orders)
        if not self.workers:
            return
        current = threading.current_thread()
        if current in self._workers:
            return
        host = self._host
        if host is not None and current in host._workers:
            host._guest = self
            return
        self._wake_one()

    def is_short(self, kind: int) -> bool:
        """Whether orders of this kind are known to be short."""
        return self.seconds.get(kind, 1.0) < LONG

    def nudge(self) -> None:
        """Mends a wrong guess: wakes a sleeper when work is queued. The waiting thread calls it at times."""
        if self._todo and self.workers:
            self._wake_one()

    def take(self) -> Order | None:
        """The next queued order, for a thread that performs it itself with `timed`."""
        try:
            return self._todo.popleft()
        except IndexError:
            return None

    def timed(self, order: Order) -> Outcome:
        """Performs an order in this thread, and learns how long its kind takes."""
        began = perf_counter()
        outcome = self.perform(order)
        self.seconds[order.kind] = perf_counter() - began
        return outcome

    def _wake_one(self) -> None:
        try:
            self._free.popleft().gate.release()
            return
        except IndexError:
            pass
        with self._lock:
            if len(self._workers) < self.workers and not self._closing:
                self._add_worker()

    def _add_worker(self) -> None:
        worker = _Worker(self)
        try:
            worker.start()
        except RuntimeError as error:  # the system gives no more threads: those that there are do it all
            if not self._workers:
                raise InfrastructureError(f"no thread could be started: {error}") from error
            self.workers = len(self._workers)
            return
        self._workers.add(worker)

    def _work(self, worker: _Worker) -> None:
        """A worker's life: take orders while there are any, then sleep until woken."""
        while not worker.abandoned:
            order = self._claim(worker)
            if self._guest is not None and self._look_after_guest(worker, order):
                continue
            if order is None:
                if self._closing:
                    return
                self._free.append(worker)
                if self._todo or self._closing:
                    self._wake_one()
                worker.gate.acquire()
                continue
            if self._todo and self.seconds.get(order.kind, 1.0) > SHORT:
                self._wake_one()
            self._perform_claimed(order)

    def _look_after_guest(self, worker: _Worker, order: Order | None) -> bool:
        """Performs what was handed out to the guest, after a short order of its own; whether it did."""
        guest, self._guest = self._guest, None
        if guest is None:
            return False
        if order is None:
            return guest._help(worker)
        if self.seconds.get(order.kind, 1.0) < SHORT:
            self._guest = guest
        else:
            guest._wake_one()
        return False

    def _help(self, worker: _Worker) -> bool:
        """A thread of the host performs an order; whether there was one."""
        order = self._claim(worker)
        if order is None:
            return False
        self._perform_claimed(order)
        return True

    def _claim(self, worker: _Worker) -> Order | None:
        """Takes an order: from here on it is this worker's, and `stop` finds it there."""
        with self._lock:
            if not self._todo:
                return None
            order = self._todo.popleft()
            self._busy[order.node, order.attempt] = worker
            return order

    def _perform_claimed(self, order: Order) -> None:
        try:
            outcome = self.timed(order)
        except BaseException as error:  # KeyboardInterrupt, which is the user's in the main thread only
            outcome = Outcome("error", error=describe(error, keep=True))
        self._busy.pop((order.node, order.attempt), None)
        self.tell(order.node, order.attempt, "ended", outcome)

    def stop(self, attempts: Iterable[tuple[int, int]]) -> None:
        """Takes back what is queued, and abandons the threads of what is not.

        They go on, and nobody waits for what they bring; new ones take their places.
        """
        wanted = set(attempts)
        abandoned: list[_Worker] = []
        with self._lock:
            kept = [order for order in self._todo if (order.node, order.attempt) not in wanted]
            self._todo.clear()
            self._todo.extend(kept)
            for attempt in wanted & self._busy.keys():
                worker = self._busy.pop(attempt)
                worker.abandoned = True
                worker.executor._workers.discard(worker)
                abandoned.append(worker)
        if self.on_abandon is not None:
            for worker in abandoned:
                self.on_abandon(worker)
        if self._todo and self.workers:
            self._wake_one()

    def close(self, force: bool = False) -> None:
        """Ends the threads that sleep and waits for them; with `force`, abandons those that work."""
        with self._lock:
            self._closing = True
            if force:
                self._todo.clear()
        if force:
            self.stop(list(self._busy))
        for worker in list(self._workers):
            worker.gate.release()
        for worker in list(self._workers):
            if worker is not threading.current_thread():
                worker.join()
        self._workers.clear()


class _Worker(threading.Thread):
    """A daemon thread with a gate that it sleeps at."""

    def __init__(self, executor: ThreadExecutor) -> None:
        super().__init__(name=f"{executor.name}-worker", daemon=True)
        self.executor = executor
        self.abandoned = False
        self.gate = threading.Semaphore(0)

    def run(self) -> None:
        self.executor._work(self)
