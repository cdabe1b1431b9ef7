"""Ctrl-C and SIGTERM while a run waits: noticed at once, never in the middle of the driver's own work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class Interrupts:
    """While entered in the main thread, notes the first SIGINT or SIGTERM in `hit` and calls `wake`.

    Where `in_job` is set, the thread is in a job's own code, and SIGINT is raised there as usual. Handlers
    that the user installed are left alone, and so are signals in other threads.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.hit: int | None = None
        self.in_job = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._caught)
            if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
                self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._caught)
        return self

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self.hit = self.hit or number
        self.wake()
        if self.in_job:
            raise KeyboardInterrupt

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def raise_hit(self) -> None:
        """Raises what the signal means: KeyboardInterrupt, or SystemExit(143)."""
        if self.hit == signal.SIGINT:
            raise KeyboardInterrupt
        if self.hit is not None:
            raise SystemExit(128 + self.hit)
