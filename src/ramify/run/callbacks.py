"""Calls back in a thread of their own, in order: what a user's function does there never holds up the run."""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable

from ramify.errors import RamifyWarning

Act = Callable[[], object]


class CallbackThread:
    """Calls what is put in, one after the other. The thread is there only while there is something to call.

    What a callback raises is a warning that names it, and the next one is called.

    >>> told = []
    >>> thread = CallbackThread()
    >>> thread.put(lambda: told.append(1)); thread.put(lambda: told.append(2)); thread.flush()
    >>> told
    [1, 2]
    """

    def __init__(self) -> None:
        self._queue: deque[Act] = deque()
        self._thread: threading.Thread | None = None
        self._last: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, act: Act) -> None:
        """Has `act` called soon; returns at once. From any thread."""
        with self._lock:
            self._queue.append(act)
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="ramify-callbacks", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Returns when all that was put in so far, and all that this led to, has been called.

        In a callback itself there is nothing to wait for.
        """
        while True:
            with self._lock:
                thread = self._thread or self._last
            if thread is None or thread is threading.current_thread():
                return
            thread.join()
            with self._lock:
                if self._last is thread:
                    self._last = None

    def is_here(self) -> bool:
        """Whether the calling thread is the one of the callbacks."""
        return threading.current_thread() is self._thread

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._thread, self._last = None, self._thread
                    return
                act = self._queue.popleft()
            guarded(act)


def guarded(act: Act) -> None:
    """Calls a user's callback; its failure is a warning, and ends nothing."""
    try:
        act()
    except Exception as error:
        name = getattr(act, "__qualname__", None) or type(act).__qualname__
        told = getattr(act, "func", None)
        name = getattr(told, "__qualname__", name)
        warnings.warn(f"the callback {name} failed: {error!r}", RamifyWarning, stacklevel=2)
