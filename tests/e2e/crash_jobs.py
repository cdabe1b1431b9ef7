"""Jobs that leave a trace of each call."""

import time
from collections.abc import Mapping


def _trace(trace: str, text: str) -> None:
    with open(trace, "a") as file:
        file.write(f"{text}\n")


def square(n: int, trace: str) -> int:
    time.sleep(0.003)
    _trace(trace, str(n))
    return n * n


def total(group: Mapping[int, int], trace: str) -> int:
    _trace(trace, "sum")
    return sum(group.values())


def text(n: int, size: int = 80_000) -> str:
    return str(n) * size
