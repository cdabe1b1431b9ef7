"""Graphs of no-ops in memory: `memory.py ENGINE SHAPE N`. Building the graph counts, and so does the end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from functions import nothing
from measure import report
from shapes import SHAPES

Shape = Callable[..., list[Any]]


def ramify_in(workers: int, shape: Shape, n: int) -> None:
    from ramify.run.memory import MemoryRun

    run = MemoryRun(workers=workers)
    add = run.add
    shape(lambda *parents: add(str(len(run.values)), nothing, parents), n)
    run.start()
    assert run.result(str(len(run.values) - 1)) == 1


def bare_futures(shape: Shape, n: int) -> None:
    """Bare `submit`. A function asks the futures it depends on: they are in the queue before it."""
    from concurrent.futures import Future, ThreadPoolExecutor

    def call(*parents: Future[int]) -> int:
        return nothing(*[parent.result() for parent in parents])

    with ThreadPoolExecutor(2) as pool:
        ends = shape(lambda *parents: pool.submit(call, *parents), n)
        assert all(end.result() == 1 for end in ends)


def dask_threads(shape: Shape, n: int) -> None:
    """`dask.delayed`, computed by Dask's scheduler for threads."""
    import dask

    ends = shape(dask.delayed(nothing, pure=False), n)
    assert dask.compute(*ends, scheduler="threads", num_workers=2) == (1,) * len(ends)


ENGINES: dict[str, Callable[[Shape, int], None]] = {
    "ramify-inline": lambda shape, n: ramify_in(0, shape, n),
    "ramify-threads": lambda shape, n: ramify_in(2, shape, n),
    "futures": bare_futures,
    "dask": dask_threads,
}

engine, shape, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
LIBRARY = {"dask": "dask.threaded", "futures": "concurrent.futures.thread"}
import_module(LIBRARY.get(engine, "ramify.run.memory"))  # the import is not what is measured
report(n, lambda: ENGINES[engine](SHAPES[shape], n))
