"""Every executor of this machine through the one suite."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Executor as Pool
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import pytest

from ramify.executors.foreign import ForeignExecutor
from ramify.executors.processes import ProcessExecutor
from ramify.ports import Executor
from ramify.testing.bench import RUN, Bench
from ramify.testing.executors import ExecutorContract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
START = None if sys.platform == "linux" else "spawn"


class _Processes(ExecutorContract):
    fresh = True
    start_method: str | None = START

    def make(self, bench: Bench, workers: int) -> Executor:
        return ProcessExecutor(
            bench.plan_path, bench.plan.run_folder, RUN, workers, self.fresh, start_method=self.start_method
        )


class TestFreshProcesses(_Processes):
    pass


class TestProcessPool(_Processes):
    fresh = False


class TestFreshProcessesSpawned(_Processes):
    start_method = "spawn"


class TestProcessPoolSpawned(_Processes):
    fresh = False
    start_method = "spawn"


class _Foreign(ExecutorContract):
    mode = "thread"

    @pytest.fixture(autouse=True)
    def pools(self) -> Iterator[None]:
        self.made: list[Pool] = []
        yield
        for pool in self.made:
            pool.shutdown(cancel_futures=True)

    def pool(self, workers: int) -> Pool:
        return ThreadPoolExecutor(workers)

    def make(self, bench: Bench, workers: int) -> Executor:
        pool = self.pool(workers)
        self.made.append(pool)
        return ForeignExecutor(pool, bench.plan_path, RUN, self.mode)

    def shut_down(self, bench: Bench) -> None:
        while self.made:
            self.made.pop().shutdown()


class TestThreadPool(_Foreign):
    isolated = tells_deaths = captures_children = False


class TestThreadPoolThatStartsProcesses(_Foreign):
    mode = "subprocess"


class TestForeignProcessPool(_Foreign):
    mode = "process"
    tells_deaths = captures_children = inherits = False

    def pool(self, workers: int) -> Pool:
        return ProcessPoolExecutor(workers, mp_context=get_context("forkserver"))


class TestForeignProcessPoolThatStartsProcesses(_Foreign):
    mode = "subprocess"
    inherits = False

    def pool(self, workers: int) -> Pool:
        return ProcessPoolExecutor(workers, mp_context=get_context("forkserver"))
