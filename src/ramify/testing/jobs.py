"""Jobs that do to an executor what jobs do to executors: used by the suite, and by suites of your own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any, NoReturn


class Unpicklable(Exception):  # named for what is wrong with it
    """Holds a lock, which cannot travel."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class TwoArguments(Exception):  # named for what is wrong with it
    """Its constructor takes other arguments than the exception keeps, so that plain pickle cannot load it."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


def give(value: Any = 1) -> Any:
    return value


async def give_async(value: Any = 1) -> Any:
    import asyncio

    await asyncio.sleep(0)
    return value


def where() -> dict[str, Any]:
    """What a job sees of its surroundings."""
    return {
        "pid": os.getpid(),
        "cwd": os.getcwd(),
        "path": list(sys.path),
        "argv": list(sys.argv),
        "mark": os.environ.get("RAMIFY_TEST_MARK"),
        "stdin": sys.stdin.read() if not sys.stdin.isatty() else "a terminal",
        "main": getattr(sys.modules["__main__"], "__file__", None),
    }


def draw() -> list[float]:
    import random

    numpy_random = sys.modules.get("numpy.random")
    drawn = [random.random()]
    return drawn if numpy_random is None else [*drawn, float(numpy_random.random())]


def fail(message: str = "no") -> NoReturn:
    raise ValueError(message)


def fail_unpicklably() -> NoReturn:
    raise Unpicklable("it holds a lock")


def fail_oddly() -> NoReturn:
    raise TwoArguments(7, "odd")


def leave() -> NoReturn:
    raise SystemExit("left by itself")


def give_what_cannot_be_stored() -> Any:
    return threading.Lock()


def exit_hard(code: int = 7) -> NoReturn:
    os._exit(code)


def kill_self() -> None:
    os.write(2, b"last words\n")
    os.kill(os.getpid(), signal.SIGKILL)


def say(text: str = "said") -> int:
    print(text)
    print("warned", file=sys.stderr)
    return len(text)


def say_all_ways() -> None:
    """From Python, from the descriptor, from a child; the order is the order of writing."""
    print("python")
    os.write(1, b"descriptor\n")
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)


def say_by_descriptor() -> None:
    os.write(2, b"descriptor\n")


def wait_for(fifo: str) -> str:
    """Tells its process id through the fifo `<fifo>.up`, then waits for what comes through `<fifo>.down`."""
    with open(f"{fifo}.up", "w") as up:
        up.write(f"{os.getpid()}")
    with open(f"{fifo}.down") as down:
        return down.read()


def wait_with_family(fifo: str) -> None:
    """Starts a child in its own group and one that leaves it, tells all three ids, and waits for ever."""
    sleeper = [sys.executable, "-c", "import signal; signal.pause()"]
    inside = subprocess.Popen(sleeper)
    outside = subprocess.Popen(sleeper, start_new_session=True)
    with open(f"{fifo}.up", "w") as up:
        up.write(f"{os.getpid()} {inside.pid} {outside.pid}")
    signal.pause()


def leave_child_behind(fifo: str) -> int:
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    with open(f"{fifo}.up", "w") as up:
        up.write(f"{os.getpid()} {child.pid}")
    return child.pid
