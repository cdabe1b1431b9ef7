"""Jobs in processes of their own: one per job (`subprocess`), or a pool of lasting ones (`process`).

One thread waits for everything: the driver's orders, the template's news, the workers' answers. What a
worker wrote before it died is read before its death is judged, and a death is put down to the attempt that
the worker had begun; an attempt whose worker died before it began is given to another worker.
"""

from __future__ import annotations

import heapq
import os
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

from ramify.errors import InfrastructureError
from ramify.executors.nursery import Nursery, Worker
from ramify.executors.outcomes import lost, status_text
from ramify.ports import Order, Outcome, Tell
from ramify.worker.attempt import host_name, is_loading
from ramify.worker.isolate import death
from ramify.worker.launch import surroundings
from ramify.worker.logs import claim, log_path, slot_path, sweep
from ramify.worker.template import EXITED, FAILED, FORKED, READY
from ramify.worker.trees import kill_all, kill_trees, marked
from ramify.worker.wire import Done, RunJob, frame

SECOND_CHANCES: Final = 3
"""How often an attempt may lose its worker before it began, and how often in a row the template may end."""

_READ, _BOTH = selectors.EVENT_READ, selectors.EVENT_READ | selectors.EVENT_WRITE


class ProcessExecutor:
    """Runs the jobs of one plan in worker processes on this machine.

    `fresh=True` gives each job a process of its own, `fresh=False` keeps the processes for the next job.
    Logs are `<run_folder>/<run_name>/logs/<job id>.log`. `start_method` is `"fork"` or `"spawn"`; None takes
    what is safe on this platform. `environ` replaces the workers' environment.

    `start` raises `InfrastructureError` when no process can be started.
    """

    stops = True

    def __init__(
        self,
        plan_path: str,
        run_folder: str,
        run_name: str,
        workers: int,
        fresh: bool,
        *,
        environ: dict[str, str] | None = None,
        start_method: str | None = None,
    ) -> None:
        self.slots: int | None = max(1, workers)
        self._limit = max(1, workers)
        self._plan, self._run, self._fresh = plan_path, run_name, fresh
        self._logs = os.path.join(run_folder, run_name, "logs")
        self._environ, self._fork = environ, start_method != "spawn"
        self._tell: Tell = _unheard
        self._commands: deque[Callable[[], None]] = deque()
        self._queue: deque[Order] = deque()
        self._workers: dict[int, Worker] = {}
        self._idle: list[Worker] = []
        self._busy = self._count = self._losses = 0
        self._free: list[int] = []
        self._chances: dict[tuple[int, int], int] = {}
        self._closing = self._forced = self._over = False
        self._why = ""
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    # ---- the port

    def start(self, tell: Tell) -> None:
        if is_loading():
            raise InfrastructureError(
                "a worker imports this module, and its import starts a run, which would start workers that "
                "import it again: put the call of evaluate() under `if __name__ == '__main__':`"
            )
        self._tell = tell
        self._setup = surroundings(self._plan, fork=self._fork, environ=self._environ)
        os.makedirs(self._logs, exist_ok=True)
        sweep(self._logs)
        self._nursery = Nursery(self._setup, self._own_log())
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._nursery.sock, _READ, self._news)
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._selector.register(self._ear, _READ, self._heard)
        self._thread = threading.Thread(target=self._serve, name="ramify-processes", daemon=True)
        self._thread.start()

    def submit(self, orders: Sequence[Order]) -> None:
        if self._closing:
            raise self._shut_out()
        self._post(lambda: self._queue.extend(orders))

    def stop(self, attempts: Iterable[tuple[int, int]]) -> None:
        wanted = frozenset(attempts)
        if not self._over:
            self._post(lambda: self._stop(wanted))

    def close(self, force: bool = False) -> None:
        if self._thread is None:
            return
        self._closing = True
        with suppress(InfrastructureError):  # it is over already, by an earlier call or because all was lost
            self._post(lambda: self._close(force))
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _shut_out(self) -> InfrastructureError:
        return InfrastructureError(self._why or "this executor was closed: it takes no more orders")

    # ---- the one thread

    def _post(self, command: Callable[[], None]) -> None:
        with self._lock:
            if self._over:
                raise self._shut_out()
            self._commands.append(command)
            _ring(self._bell)

    def _serve(self) -> None:
        try:
            while not (self._forced or (self._closing and not self._pending())):
                for key, events in self._selector.select():
                    key.data(events)
                while self._commands:
                    self._commands.popleft()()
                self._dispatch()
        except Exception as error:
            self._closing = True
            self._lose_all(error)
        finally:
            with self._lock:
                self._over = True
            self._shut()

    def _pending(self) -> bool:
        return bool(self._commands or self._queue or self._busy)

    def _heard(self, _: int) -> None:
        try:
            while self._ear.recv(4096):
                continue
        except BlockingIOError:
            return

    def _stop(self, wanted: frozenset[tuple[int, int]]) -> None:
        keep: deque[Order] = deque()
        for order in self._queue:
            if (order.node, order.attempt) in wanted:
                self._tell(order.node, order.attempt, "ended", Outcome("stopped"))
            else:
                keep.append(order)
        self._queue = keep
        for worker in self._workers.values():
            order_ = worker.order
            if order_ is not None and (order_.node, order_.attempt) in wanted and not worker.stopping:
                worker.stopping = True
                self._nursery.kill(worker.number)

    def _close(self, force: bool) -> None:
        self._forced = self._forced or force
        if force:
            return
        for worker in self._workers.values():
            if worker.stopping:
                self._ended(worker, Outcome("stopped"))

    # ---- giving work out

    def _dispatch(self) -> None:
        while self._queue and self._nursery.ready and not self._nursery.gone:
            if self._idle:
                worker = self._idle.pop()
            elif self._busy < self._limit:
                started = self._new_worker()
                if started is None:
                    return
                worker = started
            else:
                return
            self._give(worker, self._queue.popleft())

    def _new_worker(self) -> Worker | None:
        self._count += 1
        try:
            sock = self._nursery.start(self._count)
        except ConnectionError:
            return None  # the template is gone: its socket says so next
        except OSError as error:
            order = self._queue.popleft()
            self._tell(order.node, order.attempt, "ended", lost(f"no worker could be started: {error}"))
            return None
        slot = heapq.heappop(self._free) if self._free else len(self._workers)
        worker = self._workers[self._count] = Worker(self._count, slot, sock)
        self._selector.register(sock, _READ, lambda events: self._ready(worker, events))
        if not self._nursery.forks:
            worker.outbox.add(frame(self._setup))
        return worker

    def _give(self, worker: Worker, order: Order) -> None:
        worker.order, worker.told = order, False
        self._busy += 1
        log = log_path(self._logs, order.job_id, order.attempt)
        worker.outbox.add(self._request(order, log, slot_path(self._logs, worker.slot)))
        self._send(worker)
        if worker.pid:
            self._started(worker)

    def _request(self, order: Order, log: str, slot: str) -> list[Any]:
        """The frame that a worker gets for an order."""
        token = f"{self._run}.{order.node}.{order.attempt}"
        return list(frame(RunJob(self._plan, order.job_id, token, log, slot, self._fresh)))

    def _result(self, outcome: Outcome, buffers: list[bytearray]) -> Outcome:
        """What a worker's answer comes to; a job of a plan has left its value in the store."""
        return outcome

    def _send(self, worker: Worker) -> None:
        try:
            left = not worker.outbox.flush(worker.sock)
        except ConnectionError:
            worker.unread = True
            return
        if left != worker.sending and not worker.deaf:
            worker.sending = left
            data = self._selector.get_key(worker.sock).data
            self._selector.modify(worker.sock, _BOTH if left else _READ, data)

    # ---- hearing how it went

    def _ready(self, worker: Worker, events: int) -> None:
        if worker.deaf:
            return  # heard out in this same round, when the news of its end came first
        if events & selectors.EVENT_WRITE:
            self._send(worker)
        if events & _READ and not self._take(worker):
            self._deafen(worker)

    def _take(self, worker: Worker) -> bool:
        """Reads what the worker has said; False at the end of its words."""
        while True:
            try:
                count = worker.sock.recv_into(worker.inbox.room())
            except BlockingIOError:
                return True
            except ConnectionError:  # it died with an order that it never read
                worker.unread = True
                return False
            if not count:
                return False
            done = worker.inbox.took(count)
            if done is not None and isinstance(done[0], Done):
                self._answered(worker, self._result(done[0].outcome, done[1]))

    def _answered(self, worker: Worker, outcome: Outcome) -> None:
        self._losses = 0
        self._ended(worker, outcome)
        if not self._fresh:
            self._idle.append(worker)

    def _news(self, _: int) -> None:
        for number, what, value in self._nursery.answers():
            worker = self._workers.get(number)
            if what == READY:
                self._nursery.ready, self._nursery.forks = True, bool(value)
            elif worker is None:
                continue
            elif what == FORKED:
                worker.pid = value
                self._started(worker)
            elif what == EXITED:
                self._gone(worker, death(value, worker.pid))
            elif what == FAILED:
                self._gone(worker, lost(f"no worker process could be started: {os.strerror(value)}"))
        if self._nursery.gone:
            self._mourn()

    def _gone(self, worker: Worker, verdict: Outcome) -> None:
        """The worker is no more: hear its last words, then judge the attempt that it had."""
        if not worker.deaf:
            self._take(worker)
            self._deafen(worker)
        worker.sock.close()
        del self._workers[worker.number]
        heapq.heappush(self._free, worker.slot)
        if worker in self._idle:
            self._idle.remove(worker)
        order = worker.order
        if order is None:
            return
        claim(slot_path(self._logs, worker.slot), log_path(self._logs, order.job_id, order.attempt))
        if worker.unread and not worker.stopping and self._another_chance(order):
            worker.order = None
            self._busy -= 1
            self._queue.appendleft(order)
        else:
            self._ended(worker, Outcome("stopped") if worker.stopping else verdict)

    def _another_chance(self, order: Order) -> bool:
        key = order.node, order.attempt
        self._chances[key] = self._chances.get(key, 0) + 1
        return self._chances[key] <= SECOND_CHANCES

    def _mourn(self) -> None:
        """The template is gone, its workers with it: what they had is lost, the rest goes to a new one."""
        self._selector.unregister(self._nursery.sock)
        kill_trees([worker.pid for worker in self._workers.values() if worker.pid])
        kill_all(marked(self._setup.mark))  # what left a worker's group, and lost its parent with it
        why = f"the process that starts the workers ended ({status_text(self._nursery.close())})"
        for worker in list(self._workers.values()):
            self._gone(worker, lost(why))
        self._losses += 1
        if self._losses > SECOND_CHANCES:
            raise InfrastructureError(f"{why}, {self._losses} times in a row; {self._last_words()}")
        self._nursery = Nursery(self._setup, self._own_log())
        self._selector.register(self._nursery.sock, _READ, self._news)

    def _started(self, worker: Worker) -> None:
        order = worker.order
        if order is not None and not worker.told:
            worker.told = True
            self._tell(order.node, order.attempt, "started", {"pid": worker.pid, "host": host_name()})

    def _ended(self, worker: Worker, outcome: Outcome) -> None:
        order = worker.order
        if order is None:
            return
        worker.pid = worker.pid or outcome.pid
        self._started(worker)
        worker.order = None
        self._busy -= 1
        self._chances.pop((order.node, order.attempt), None)
        self._tell(order.node, order.attempt, "ended", outcome)

    def _deafen(self, worker: Worker) -> None:
        worker.deaf = True
        self._selector.unregister(worker.sock)

    # ---- the end

    def _lose_all(self, error: Exception) -> None:
        """Nothing can run any more: every order that is still open is told so, by name."""
        self._why = str(error) if isinstance(error, InfrastructureError) else repr(error)
        outcome = lost(self._why)
        with self._lock:
            self._over = True
        while self._commands:
            self._commands.popleft()()
        for worker in list(self._workers.values()):
            self._ended(worker, outcome)
        for order in self._queue:
            self._tell(order.node, order.attempt, "ended", outcome)
        self._queue.clear()

    def _shut(self) -> None:
        self._nursery.close()
        for worker in self._workers.values():
            if worker.order is not None:
                log = log_path(self._logs, worker.order.job_id, worker.order.attempt)
                claim(slot_path(self._logs, worker.slot), log)
            worker.sock.close()
        self._workers.clear()
        self._selector.close()
        self._bell.close()
        self._ear.close()
        claim(self._own_log(), f"{self._logs}/@template.log")
        sweep(self._logs)
        _remove_if_empty(self._logs)

    def _own_log(self) -> str:
        return f"{self._logs}/.slot-template"

    def _last_words(self) -> str:
        with open(self._own_log(), encoding="utf-8", errors="replace") as file:
            text = file.read()[-2000:].strip()
        return f"it wrote: {text}" if text else "it wrote nothing"


def _unheard(node: int, attempt: int, what: str, data: Any) -> None:
    raise InfrastructureError("start() comes before anything else")


def _ring(bell: socket.socket) -> None:
    try:
        bell.send(b"!")
    except BlockingIOError:
        return  # it rings already


def _remove_if_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        return  # logs are in it
