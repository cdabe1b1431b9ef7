"""Functions of graphs that are handed to a detached driver; they wait for files in the current folder."""

from __future__ import annotations

import os
import time
from typing import Any


def double(x: Any) -> Any:
    return 2 * x


def wait_for_go(x: Any) -> Any:
    open("began", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.005)
    return x


def broken_until_fixed(x: Any) -> Any:
    if not os.path.exists("fixed"):
        raise KeyError(x)
    return x


def times(x: Any, y: Any) -> Any:
    return x * y


def lists() -> list[list[int]]:
    return [[1, 2, 3], [4, 5, 9]]


def fails_twice(path: str) -> int:
    with open(path, "a") as file:
        file.write("x")
    count = os.path.getsize(path)
    if count < 3:
        raise OSError(f"attempt {count}")
    return count


def sleep_on(path: str) -> None:
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    time.sleep(1000)
