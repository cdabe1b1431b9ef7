"""Ctrl-C, SIGTERM and SIGHUP while a run goes on: noticed at once, never amid Ramify's own work."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

_DEFAULTS: Final = (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
)

_ENOUGH: Final = 3
"""So many signals are not noted any more, but raised."""


class Wake:
    """An event that is used up by who waits for it, and that a signal handler may set.

    `threading.Event.set` takes a lock that the interrupted thread may hold at that very moment; this one is a
    single call of C.

    >>> wake = Wake(); wake.set(); wake.set(); wake.wait(0.0), wake.wait(0.0)
    (True, False)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Lets the waiting thread go on, now or when it comes to wait."""
        try:
            self._lock.release()
        except RuntimeError:  # it was set already
            return

    def wait(self, timeout: float | None) -> bool:
        """Waits until it is set, or so many seconds; returns whether it was set."""
        return self._lock.acquire(timeout=-1 if timeout is None else timeout)


class Interrupts:
    """While entered in the main thread, notes the first signal in `hit` and calls `wake`.

    It may be entered again inside; when it is left for good, what was noted is raised.

    Between `expose` and `hide` the thread is in a job's own code, and the signal is raised there as a
    `KeyboardInterrupt`. Handlers that the user installed are left alone, and so are signals in other threads.
    A run inside a job of another run passes on to that one what it notes. Somebody who presses Ctrl-C for the
    third time does not want to wait for an orderly end: it is raised at once.
    """

    wake: Callable[[], None]

    def __init__(self) -> None:
        self.wake = _nobody
        self.hit: int | None = None
        self._in_job = False
        self._depth = self._count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        self._depth += 1
        if self._depth == 1 and threading.current_thread() is threading.main_thread():
            for number, default in _DEFAULTS:
                present = signal.getsignal(number)
                if present is default or _owner(present) is not None:
                    self._before[number] = present
                    signal.signal(number, self._caught)
        return self

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self._note(number)
        self._count += 1
        if self._in_job or self._count >= _ENOUGH:
            self._in_job = False
            raise KeyboardInterrupt

    def _note(self, number: int) -> None:
        self.hit = self.hit or number
        self.wake()
        outer = _owner(self._before.get(number))
        if outer is not None:
            outer._note(number)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        self._depth -= 1
        while self._before and not self._depth:
            number, handler = next(reversed(self._before.items()))  # SIGINT, which may raise, comes last
            if signal.getsignal(number) == self._caught:
                signal.signal(number, handler)
            del self._before[number]
        if not self._depth and (kind is None or kind is KeyboardInterrupt):
            self.raise_hit()

    def expose(self) -> None:
        """From here on the thread is in a job's own code; `KeyboardInterrupt` for an earlier signal."""
        self._in_job = True
        if self.hit is not None:
            raise KeyboardInterrupt

    def hide(self) -> None:
        """The job's own code is over."""
        self._in_job = False

    def raise_hit(self) -> None:
        """Raises what the signal means: KeyboardInterrupt, or SystemExit(128 + its number)."""
        if self.hit == signal.SIGINT:
            raise KeyboardInterrupt
        if self.hit is not None:
            raise SystemExit(128 + self.hit)


def _nobody() -> None:
    """Nobody waits yet."""


def _owner(handler: Any) -> Interrupts | None:
    owner = getattr(handler, "__self__", None)
    return owner if isinstance(owner, Interrupts) else None
