"""What the tests of live graphs call."""

from __future__ import annotations

import threading
from typing import Any

GUARD = 30.0


def double(x: Any) -> Any:
    return 2 * x


def same(x: Any) -> Any:
    return x


def fail(*_: Any) -> None:
    raise KeyError("boom")


class Gate:
    """A call that says when it began, and goes on when it is told."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()

    def __call__(self, value: Any = None) -> Any:
        self.began.set()
        assert self.go.wait(GUARD)
        return value


class Flaky:
    """Fails so many times, then gives its value."""

    def __init__(self, value: Any, times: int = 1) -> None:
        self.value, self.times, self.calls = value, times, 0

    def __call__(self) -> Any:
        self.calls += 1
        if self.calls <= self.times:
            raise OSError(f"{self.value} {self.calls}")
        return self.value
