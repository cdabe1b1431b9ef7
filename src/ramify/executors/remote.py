"""What the executors on Celery, Dask and ipyparallel have in common: futures whose work is elsewhere.

Each is a `concurrent.futures.Executor`. What is special about them:
- a call is made at most once; if the worker that makes it is lost, the future ends with `WorkerLost`;
- `end_task(future)`, where an engine can stop what runs there;
- while anything is open, one thread looks after the workers: if there is none for `patience` seconds, all
  that is open ends with `WorkerLost` and says so.
"""

from __future__ import annotations

import threading
import warnings
from abc import abstractmethod
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, InvalidStateError, wait
from time import monotonic
from typing import Any, ClassVar

from ramify.errors import InfrastructureError, MissingExtraError, RamifyWarning
from ramify.worker.parcel import opened, packed


class WorkerLost(InfrastructureError, BrokenExecutor):
    """The worker that had a call is gone, or there is no worker at all."""


class RemoteExecutor(Executor):
    """Calls that are made by the workers of `engine`, and come back as futures.

    `max_workers` is how many calls are under way at a time, `patience` the seconds that may pass without any
    worker.
    """

    engine: ClassVar[str] = ""
    look_every: ClassVar[float] = 1.0
    """Seconds between two looks at the workers."""

    def __init__(self, max_workers: int, patience: float) -> None:
        if max_workers < 1:
            raise InfrastructureError(f"max_workers={max_workers}: use 1 or more")
        self._max_workers = max_workers
        self._patience = patience
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._open: dict[Future[Any], Any] = {}
        self._closed = False
        self._threads: dict[str, threading.Thread] = {}
        self._seen = 0.0

    # ---- what an engine's own file says

    @abstractmethod
    def _send(self, parcel: bytes) -> Any:
        """Hands the call to the engine; gives what the engine calls it."""

    @abstractmethod
    def _follow(self, future: Future[Any], task: Any) -> None:
        """Sees to it that `_answer` or `_fail` is called when the task has ended."""

    @abstractmethod
    def _withdraw(self, task: Any) -> None:
        """The future was cancelled: the task need not run any more."""

    @abstractmethod
    def _look(self) -> int:
        """How many workers there are now; ends what was with those that are gone. May raise."""

    def _release(self) -> None:
        """Closes what was opened for this executor alone; called once."""

    # ---- concurrent.futures.Executor

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future of `fn(*args, **kwargs)`, which is pickled and called by a worker.

        Raises `InfrastructureError` (a `RuntimeError`) after `shutdown`, and what the pickling raises.
        """
        parcel = packed(fn, args, kwargs)
        if self._closed:
            raise InfrastructureError(f"this {type(self).__name__} was shut down: it takes no more calls")
        task = self._send(parcel)
        future: Future[Any] = Future()
        with self._lock:
            if not self._open:
                self._seen = monotonic()
            self._open[future] = task
            self._begin()
        future.add_done_callback(self._ended)
        self._follow(future, task)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls; `cancel_futures` takes back those that are open. The engine itself goes on."""
        with self._lock:
            first, self._closed = not self._closed, True
            left = list(self._open)
        if cancel_futures:
            for future in left:
                future.cancel()
        if wait:
            _wait_for(left)
            self._join()
        if first and wait:
            self._release()

    def _join(self) -> None:
        with self._lock:
            self._changed.notify_all()
            threads = list(self._threads.values())
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def _begin(self) -> None:
        """Something is open: begins to look after the workers. The lock is held."""
        self._rounds(f"ramify-{self.engine.lower()}", self._look_after, self.look_every)

    # ---- how a call ended

    def _answer(self, future: Future[Any], reply: bytes) -> None:
        try:
            value = opened(reply)
        except BaseException as error:  # the call's own, or that its value cannot be loaded here
            self._fail(future, error)
            return
        try:
            future.set_result(value)
        except InvalidStateError:  # cancelled, or given up, meanwhile
            return

    def _fail(self, future: Future[Any], error: BaseException) -> None:
        try:
            future.set_exception(error)
        except InvalidStateError:  # likewise
            return

    def _ended(self, future: Future[Any]) -> None:
        with self._lock:
            task = self._open.pop(future, None)
            self._changed.notify_all()
        if future.cancelled():
            future.set_running_or_notify_cancel()
            if task is not None:
                self._drop(task)

    def _drop(self, task: Any) -> None:
        try:
            self._withdraw(task)
        except Exception as error:  # the engine may be gone altogether, and with it the task
            message = f"{self.engine} could not be told to drop a call: {type(error).__name__}"
            warnings.warn(message, RamifyWarning, stacklevel=2)

    # ---- while anything is open

    def _rounds(self, name: str, step: Callable[[], float], pause: float) -> None:
        """Calls `step` again and again in a thread of its own, each time after the seconds that it gave last.

        It ends when nothing is open, and begins again with the next call. The lock is held.
        """
        if name not in self._threads:
            thread = threading.Thread(target=self._go_round, args=(name, step, pause), name=name, daemon=True)
            self._threads[name] = thread
            thread.start()

    def _go_round(self, name: str, step: Callable[[], float], pause: float) -> None:
        while True:
            with self._lock:
                self._changed.wait_for(lambda: self._closed and not self._open, pause)
                if not self._open:
                    del self._threads[name]
                    return
            pause = step()

    def _look_after(self) -> float:
        """One look at the workers, and what follows where there are none."""
        try:
            workers, trouble = self._look(), ""
        except Exception as error:  # the engine cannot be reached: that is no worker either
            workers, trouble = 0, f" ({type(error).__name__})"
        if workers:
            self._seen = monotonic()
        elif monotonic() - self._seen > self._patience:
            self._give_up(f"no {self.engine} worker was seen for {self._patience:g} s{trouble}")
        return self.look_every

    def _give_up(self, reason: str) -> None:
        with self._lock:
            left = list(self._open.items())
        for future, task in left:
            self._fail(future, WorkerLost(reason))
            self._drop(task)


def _wait_for(futures: list[Future[Any]]) -> None:
    wait(futures)


def missing(package: str, extra: str) -> MissingExtraError:
    """What to raise where the engine's client is not installed."""
    return MissingExtraError(
        f"this executor needs {package}: pip install 'ramify[{extra}]'", package=package, extra=extra
    )
