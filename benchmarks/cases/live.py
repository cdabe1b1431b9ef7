"""Live graphs of no-ops: `live.py ENGINE SHAPE N FOLDER`. Adding, waiting and asking for the ends count.

Printed with the times: the threads that are left when the graph is at rest and still held. A graph of four
nodes is run first, which imports what there is to import.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from functions import nothing
from measure import report
from shapes import SHAPES

Shape = Callable[..., list[Any]]


def ramify_live(shape: Shape, n: int, record: bool) -> Any:
    """What `DAG()` does without another word is to record."""
    from ramify import DAG

    graph = DAG(2, record=record)
    ends = shape(lambda *parents: graph.submit(nothing, *parents), n)
    graph.compute()
    graph.wait()
    assert all(end.result() == 1 for end in ends)
    return graph


def tiledb_local(shape: Shape, n: int) -> Any:
    """Local nodes; with a namespace no network is asked."""
    from tiledb.cloud.dag import DAG

    graph = DAG(2, namespace="benchmark")
    ends = shape(lambda *parents: graph.submit_local(nothing, *parents), n)
    graph.compute()
    graph.wait()
    assert all(end.result() == 1 for end in ends)
    return graph


def bare_futures(shape: Shape, n: int) -> Any:
    """Bare `submit`. A function asks the futures it depends on: they are in the queue before it."""
    from concurrent.futures import Future, ThreadPoolExecutor

    def call(*parents: Future[int]) -> int:
        return nothing(*[parent.result() for parent in parents])

    with ThreadPoolExecutor(2) as pool:
        ends = shape(lambda *parents: pool.submit(call, *parents), n)
        assert all(end.result() == 1 for end in ends)
    return pool


def dask_delayed(shape: Shape, n: int) -> Any:
    """`dask.delayed`, computed by Dask's scheduler for threads."""
    import dask

    ends = shape(dask.delayed(nothing, pure=False), n)
    assert dask.compute(*ends, scheduler="threads", num_workers=2) == (1,) * len(ends)
    return ends


def dask_futures(shape: Shape, n: int) -> Any:
    """Futures of a cluster in this process; starting it counts."""
    from dask.distributed import Client

    with Client(processes=False, n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        ends = shape(lambda *parents: client.submit(nothing, *parents, pure=False), n)
        assert client.gather(ends) == [1] * len(ends)
    return client


ENGINES: dict[str, Callable[[Shape, int], Any]] = {
    "ramify": lambda shape, n: ramify_live(shape, n, record=True),
    "ramify-unrecorded": lambda shape, n: ramify_live(shape, n, record=False),
    "tiledb": tiledb_local,
    "futures": bare_futures,
    "dask": dask_delayed,
    "dask-futures": dask_futures,
}
engine, shape, n, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
os.makedirs(folder)
os.chdir(folder)
Path("ramify.toml").touch()  # the records are written here, and not where the user has them
before = threading.active_count()


def work() -> dict[str, int]:
    graph = ENGINES[engine](SHAPES[shape], n)
    left = threading.active_count() - before
    del graph
    return {"threads": left}


ENGINES[engine](SHAPES[shape], 4)  # imports are not what is measured
report(n, work)
