"""How the work of a thread that is abandoned is stopped, where its job has said how."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_ways: dict[threading.Thread, Callable[[], object]] = {}


@contextmanager
def stopped_by(stop: Callable[[], object]) -> Iterator[None]:
    """Within it, `stop` is called, from another thread, when what this thread does is not wanted any more.

    >>> told = threading.Event()
    >>> with stopped_by(told.set):
    ...     stop_work_of(threading.current_thread())
    ...     told.wait(10)
    True
    """
    thread = threading.current_thread()
    _ways[thread] = stop
    try:
        yield
    finally:
        del _ways[thread]


def stop_work_of(thread: threading.Thread) -> None:
    """Stops what a thread does, if it has said how; returns at once, and the process ends only after it."""
    stop = _ways.get(thread)
    if stop is not None:
        threading.Thread(target=stop, name="ramify-stop").start()
