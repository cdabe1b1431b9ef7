"""The garbage collector, kept away from tables that are being built."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collector_off() -> Iterator[Callable[[], None]]:
    """Nothing that is built meanwhile is garbage, and to walk it again and again would take as long as to
    build it. Gives a function that ends this before the block does.

    >>> with collector_off() as collect_again:
    ...     before = gc.isenabled()
    ...     collect_again()
    ...     before, gc.isenabled()
    (False, True)
    """
    was_on = gc.isenabled()
    gc.disable()

    def collect_again() -> None:
        if was_on:
            gc.enable()

    try:
        yield collect_again
    finally:
        collect_again()
