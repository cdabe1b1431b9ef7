"""Functions that the tests of runs call as jobs; importable by their workers."""

import asyncio
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any


def done(value: Any) -> Any:
    return value


def add(x: int, y: int) -> int:
    return x + y


def fail(after: Any = None) -> None:
    raise ValueError("on purpose")


def wait_for(path: str) -> None:
    until = time.monotonic() + 30
    while not os.path.exists(path):
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.005)


def fail_when(flag: str) -> None:
    wait_for(flag)
    raise ValueError("on purpose")


def touch_and_hang(flag: str) -> None:
    Path(flag).touch()
    time.sleep(30)


def hang() -> None:
    time.sleep(30)


def fail_twice(folder: str) -> int:
    path = Path(folder) / "attempts"
    number = int(path.read_text()) + 1 if path.exists() else 1
    path.write_text(str(number))
    print(f"attempt {number}")
    if number < 3:
        raise OSError("not yet")
    return number


def kill_itself() -> None:
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def exit_hard() -> None:
    print("last words", flush=True)
    os._exit(7)


def die_once(folder: str) -> str:
    path = Path(folder) / "died"
    if path.exists():
        return "alive"
    path.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return "dead"


def leave() -> None:
    sys.exit(3)


def append(n: Any, path: str, after: Any = None) -> Any:
    with open(path, "a") as file:
        file.write(f"{n}\n")
    return n


def count_others(folder: str, n: int) -> int:
    mark = Path(folder) / str(n)
    mark.touch()
    time.sleep(0.05)
    present = len(os.listdir(folder))
    mark.unlink()
    return present


def make_lock() -> Any:
    return threading.Lock()


async def async_done(value: int) -> int:
    print("async", value)
    await asyncio.sleep(0.01)
    return value


async def async_hang() -> None:
    await asyncio.sleep(30)


class TwoArguments(Exception):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class Unpicklable(Exception):
    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class NoText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


ODD = {
    "red": "turned",
    "two_arguments": "one and two",
    "unpicklable": "holds a lock",
    "no_text": "NoText",
    "nested": "inner",
}


def raise_odd(name: str) -> None:
    if name == "red":
        raise ValueError("\x1b[31mturned\x1b[0m \\x1b \x00 red")
    if name == "two_arguments":
        raise TwoArguments("one", "two")
    if name == "unpicklable":
        raise Unpicklable
    if name == "no_text":
        raise NoText
    try:
        raise KeyError("inner")
    except KeyError as error:
        raise ValueError("outer") from error


def raise_keyboard_interrupt() -> None:
    raise KeyboardInterrupt


def say(text: str) -> str:
    print(text)
    return text


def evaluate_inside(folder: str, mode: str) -> Any:
    from ramify import DAG, Job

    dag = DAG(nodes={"x": Job(done, {"value": 1})})
    dag["y"] = Job(add, {"x": dag["x"], "y": 2})
    return dag.evaluate(folder, execution_mode=mode)["y"]


def interrupt_this_process() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def evaluate_and_interrupt(folder: str) -> Any:
    from ramify import DAG, Job

    dag = DAG(nodes={"x": Job(interrupt_this_process, {})})
    return dag.evaluate(folder, execution_mode="thread")["x"]


def status_of(folder: str, job_id: str) -> Any:
    """How a run says that a job stands, and how many of its jobs succeeded."""
    from ramify.run.view import RunView

    if not job_id:
        return None
    view = RunView(folder)
    return [view.job(job_id).status, view.counts()["succeeded"]]


def nap(n: int) -> int:
    time.sleep(0.02)
    return n


def total(group: Any) -> int:
    return sum(group.values())


def asyncio_run(value: int) -> int:
    async def inner() -> int:
        return value

    return asyncio.run(inner())


async def async_stubborn(flag: str) -> None:
    """Goes on after it was cancelled."""
    while not os.path.exists(flag):
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            continue


async def async_deaf(flag: str) -> None:
    """Never gives the loop its turn."""
    wait_for(flag)


def read_own_state(run: str) -> list[str]:
    import subprocess

    code = (
        "import sys; from ramify.run.view import RunView; view = RunView(sys.argv[1]);"
        "print(view.status, view.job('a').state)"
    )
    done = subprocess.run([sys.executable, "-c", code, run], capture_output=True, text=True, check=True)
    return done.stdout.split()


def raise_surrogate() -> None:
    raise FileNotFoundError(2, "no such file", os.fsdecode(b"\xff"))
