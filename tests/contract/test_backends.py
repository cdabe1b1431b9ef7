"""Celery, Dask and ipyparallel through the suite of executors, each on a real cluster of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor as Pool
from typing import Any

import psutil
import pytest
from backend_services import celery_worker, dask_cluster, ipyparallel_cluster, redis_server

from ramify.executors.celery import CeleryExecutor
from ramify.executors.dask import DaskExecutor
from ramify.executors.foreign import ForeignExecutor
from ramify.executors.ipyparallel import IPyParallelExecutor
from ramify.ports import Executor
from ramify.testing.bench import RUN, Bench
from ramify.testing.executors import ExecutorContract

pytestmark = [pytest.mark.service, pytest.mark.timeout(100)]


class _Backend(ExecutorContract):
    tells_deaths = captures_children = inherits = False

    @pytest.fixture(autouse=True)
    def pools(self, cluster: Any) -> Iterator[None]:
        self.made: list[Pool] = []
        self.cluster = cluster
        yield
        for pool in self.made:
            pool.shutdown()

    def pool(self, workers: int) -> Pool:
        raise NotImplementedError

    def make(self, bench: Bench, workers: int) -> Executor:
        self.made.append(self.pool(workers))
        return ForeignExecutor(self.made[-1], bench.plan_path, RUN)

    def children(self) -> list[psutil.Process]:
        """A cluster starts its own processes when it sees fit, to replace one that was stopped."""
        return psutil.Process().children()

    def shut_down(self, bench: Bench) -> None:
        while self.made:
            self.made.pop().shutdown()


class _Prompt(CeleryExecutor):
    answer_in = 0.2


class TestCelery(_Backend):
    @pytest.fixture(scope="class")
    @classmethod
    def cluster(cls) -> Iterator[str]:
        with redis_server() as url:
            worker = celery_worker(url)
            yield url
            worker.end()

    def pool(self, workers: int) -> Pool:
        return _Prompt(self.cluster, max_workers=workers)

    def test_it_stops_what_runs(self) -> None:
        """So that nothing of the suite is passed over."""
        assert callable(self.pool(1).end_task)  # type: ignore[attr-defined]  # it is a CeleryExecutor


class TestDask(_Backend):
    @pytest.fixture(scope="class")
    @classmethod
    def cluster(cls) -> Iterator[str]:
        with dask_cluster() as address:
            yield address

    def pool(self, workers: int) -> Pool:
        return DaskExecutor(self.cluster, max_workers=workers)


class TestIPyParallel(_Backend):
    @pytest.fixture(scope="class")
    @classmethod
    def cluster(cls) -> Iterator[Any]:
        with ipyparallel_cluster(3) as client:  # one of them is lost in the suite
            yield client

    def pool(self, workers: int) -> Pool:
        return IPyParallelExecutor(self.cluster, max_workers=workers)
