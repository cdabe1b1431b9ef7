"""Which queries run now, and how each is stopped from another thread.

A database forgets an interruption that comes before the statement has begun, so a call that is to stop is
told again until it has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from ramify.dag.masked import without_secrets
from ramify.errors import JobCancelled

_AGAIN: Final = 0.05
"""After how many seconds a call that has not ended is told once more."""

_lock = threading.Lock()
_calls: set[RunningCall] = set()


class RunningCall:
    """One call of a query: in which thread, and how it is stopped once it has a connection."""

    def __init__(self, query: object, line: str, token: Any) -> None:
        self.query = query
        self.token = token
        self.thread = threading.current_thread()
        self._line = line
        self._stop: Callable[[], object] | None = None
        self._lock = threading.Lock()
        self._told = False
        self._trouble = ""
        self._ended = threading.Event()

    @contextmanager
    def stopped_by(self, stop: Callable[[], object]) -> Iterator[None]:
        """While inside, an interruption calls `stop`, from a thread of its own and never after the end."""
        self._stop = stop
        try:
            yield
        finally:
            with self._lock:
                self._stop = None

    def check(self) -> None:
        """Raises `JobCancelled` if the call is to stop."""
        if self._told:
            trouble = f"; the database could not be told to stop: {self._trouble}" if self._trouble else ""
            raise JobCancelled(f"the query was cancelled: {self._line}{trouble}")

    def interrupt(self) -> None:
        """Has the call stop; returns at once."""
        with self._lock:
            if self._told:
                return
            self._told = True
        threading.Thread(target=self._insist, name="ramify-sql-interrupt", daemon=True).start()

    def _insist(self) -> None:
        while not self._ended.is_set():
            with self._lock:
                stop = self._stop
                if stop is not None:
                    self._try(stop)
            self._ended.wait(_AGAIN)

    def _try(self, stop: Callable[[], object]) -> None:
        """A driver may fail to reach its database: it is asked again, and the call's error tells of it."""
        try:
            stop()
            self._trouble = ""
        except Exception as error:  # of any driver
            self._trouble = without_secrets(str(error))

    def end(self) -> None:
        self._ended.set()


@contextmanager
def running(query: object, line: str, token: Any) -> Iterator[RunningCall]:
    """Has the call known to `interrupt` while inside.

    In a worker that was abandoned before it came here, whose interruption found no call, the call is told at
    once: a worker is marked before it is interrupted.
    """
    call = RunningCall(query, line, token)
    with _lock:
        _calls.add(call)
    if getattr(threading.current_thread(), "abandoned", False):
        call.interrupt()
    try:
        yield call
    finally:
        with _lock:
            _calls.discard(call)
        call.end()


def interrupt_calls(which: Callable[[RunningCall], bool]) -> int:
    """Interrupts the calls that `which` chooses; their number."""
    with _lock:
        chosen = [call for call in _calls if which(call)]
    for call in chosen:
        call.interrupt()
    return len(chosen)


def interrupt(thread: threading.Thread) -> bool:
    """Stops the query that runs in this thread, if one does; says whether.

    Returns at once. The query raises `JobCancelled` as soon as its database has stopped; where a driver has
    no way to stop a statement, after the statement. (The number of a thread that has ended is given to
    another one: the thread itself is what is compared.)

    >>> interrupt(threading.main_thread())
    False
    """
    return interrupt_calls(lambda call: call.thread is thread) > 0
