"""No-ops in two worker processes, no files: `calls.py pool|dask N`. Starting and ending them counts."""

from __future__ import annotations

import sys
from importlib import import_module

from functions import nothing
from measure import report


def in_pool(n: int) -> None:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(2) as executor:
        calls = [executor.submit(nothing, i) for i in range(n)]
        assert all(call.result() == 1 for call in calls)


def in_dask(n: int) -> None:
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        assert client.gather(client.map(nothing, range(n), pure=False)) == [1] * n


if __name__ == "__main__":  # the workers may import this file
    engine, n = sys.argv[1], int(sys.argv[2])
    import_module({"dask": "dask.distributed", "pool": "concurrent.futures.process"}[engine])
    report(n, lambda: {"pool": in_pool, "dask": in_dask}[engine](n))
