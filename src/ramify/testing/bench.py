"""A plan of a few jobs, an executor for it, and all that it tells: what executors are tried out with."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from ramify.core.keys import Key
from ramify.dag.compile import compile_draft
from ramify.dag.draft import DAG
from ramify.plan.folder import read_plan, write_plan
from ramify.ports import Executor, Order, Outcome
from ramify.stores.folder import FolderStore

GUARD = 30.0
"""Seconds after which a wait is a failure; nothing here needs one."""

RUN = "2026-11-20-calm-otter"


class Bench:
    """A plan of a few jobs, an executor for it, and all that the executor has told."""

    def __init__(self, folder: Path, work: Mapping[Key, Any]) -> None:
        self.folder = folder
        self.plan_path = str(folder / "plan")
        write_plan(self.plan_path, compile_draft(DAG(nodes=work), self.plan_path))
        self.plan = read_plan(self.plan_path)
        self.store = FolderStore(self.plan.outputs)
        self.numbers = {job_id: number for number, job_id in enumerate(self.plan.job_ids())}
        self.news: list[tuple[int, int, str, Any]] = []
        self.executor: Executor
        self._changed = threading.Condition()
        self._fifos: list[str] = []
        self._held: list[int] = []

    def tell(self, node: int, attempt: int, what: str, data: Any) -> None:
        with self._changed:
            self.news.append((node, attempt, what, data))
            self._changed.notify_all()

    def start(self, executor: Executor) -> None:
        self.executor = executor
        executor.start(self.tell)

    def order(self, job_id: str, attempt: int = 1, **more: Any) -> Order:
        return Order(self.numbers[job_id], attempt, job_id, **more)

    def submit(self, *job_ids: str, attempt: int = 1) -> None:
        self.executor.submit([self.order(job_id, attempt) for job_id in job_ids])

    def told(self, job_id: str, attempt: int = 1) -> list[str]:
        with self._changed:
            return [w for n, a, w, _ in self.news if (n, a) == (self.numbers[job_id], attempt)]

    def wait(self, *job_ids: str, what: str = "ended", attempt: int = 1) -> list[Any]:
        """Waits until each was told of, and gives what came with it."""
        with self._changed:
            found = self._changed.wait_for(lambda: self._found(job_ids, what, attempt), GUARD)
        assert found, f"no {what!r} of all of {job_ids} in {GUARD} s; told: {self.news}"
        return found

    def run(self, *job_ids: str, attempt: int = 1) -> list[Outcome]:
        self.submit(*job_ids, attempt=attempt)
        return self.wait(*job_ids, attempt=attempt)

    def value(self, job_id: str, outcome: Outcome, attempt: int = 1) -> Any:
        """Adopts the outcome, as a driver does, and reads the output."""
        token = f"{RUN}.{self.numbers[job_id]}.{attempt}"
        assert outcome.record is not None, outcome
        self.store.adopt(job_id, token, outcome.record)
        return self.store.get(job_id)

    def log(self, name: str) -> Path:
        return Path(self.plan.run_folder) / RUN / "logs" / f"{name}.log"

    def fifo(self, name: str) -> str:
        for way in ("up", "down"):
            os.mkfifo(self.folder / f"{name}.{way}")
            self._fifos.append(f"{self.folder / name}.{way}")
        return str(self.folder / name)

    def release(self) -> None:
        """Lets every job go that waits at a fifo, whatever the test has come to."""
        self._held += [os.open(fifo, os.O_RDWR | os.O_NONBLOCK) for fifo in self._fifos]
        for fd in self._held:
            os.write(fd, b"\n")
        self._fifos.clear()

    def end(self) -> None:
        self.executor.close(force=True)
        while self._held:
            os.close(self._held.pop())

    def _found(self, job_ids: tuple[str, ...], what: str, attempt: int) -> list[Any]:
        wanted = [(self.numbers[job_id], attempt, what) for job_id in job_ids]
        data = {(n, a, w): d for n, a, w, d in self.news}
        return [data[key] for key in wanted] if all(key in data for key in wanted) else []


def heard(fifo: str) -> list[int]:
    """Waits until a job writes to its fifo: process ids."""
    return [int(word) for word in Path(f"{fifo}.up").read_text().split()]


def assert_gone(pids: list[int]) -> None:
    """The processes end, soon: killed ones may be a moment on their way."""
    _, alive = psutil.wait_procs([p for pid in pids if (p := _running(pid)) is not None], timeout=GUARD)
    assert not alive


def _running(pid: int) -> psutil.Process | None:
    """The process, unless it is gone or only waits for its parent to take notice."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:  # it may go between any two looks
        return None


def descriptors() -> int:
    """How many this process has open."""
    return int(psutil.Process().num_fds())
