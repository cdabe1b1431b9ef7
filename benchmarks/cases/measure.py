"""What each case prints: one line of JSON with its times and its peak memory. Standard library alone."""

from __future__ import annotations

import gc
import json
import resource
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any


def report(n: int, work: Callable[[], dict[str, Any] | None]) -> None:
    """Calls `work` once and prints what it cost: seconds of CPU (children included), of wall, bytes at peak.

    `n` is how many nodes, jobs or calls the work has; what `work` returns is printed with the rest.
    """
    gc.collect()
    before, cpu, began = peak_memory(), cpu_seconds(), perf_counter()
    facts = work() or {}
    wall, cpu = perf_counter() - began, cpu_seconds() - cpu
    cost = {"n": n, "wall": wall, "cpu": cpu, "memory": peak_memory() - before}
    print(json.dumps(cost | facts))


def cpu_seconds() -> float:
    """User and system time of this process and of its children that have ended and been waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes."""
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except FileNotFoundError:
        size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return size if sys.platform == "darwin" else size * 1024
