"""Many nodes at once: `million.py ENGINE N`. Prints also the bytes that one waiting node takes.

The engines hold all nodes before the first one runs, except the pool: it starts at once.
"""

from __future__ import annotations

import sys

from functions import nothing
from measure import peak_memory, report

WAITING = "waiting"


def ramify(n: int) -> dict[str, float]:
    run = MemoryRun()
    before = peak_memory()
    for i in range(n):
        run.add(str(i), nothing)
    waiting = (peak_memory() - before) / n
    run.start()
    return {WAITING: waiting}


def ramify_chain(n: int) -> dict[str, float]:
    run = MemoryRun()
    before = peak_memory()
    last = run.add("0", nothing)
    for i in range(1, n):
        last = run.add(str(i), nothing, (last,))
    waiting = (peak_memory() - before) / n
    run.start()
    return {WAITING: waiting}


def futures(n: int) -> dict[str, float]:
    """The functions wait until all are there, so that what is measured waits too."""
    gate = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        before = peak_memory()
        holding = [pool.submit(gate.wait) for _ in range(2)]
        calls = [pool.submit(nothing) for _ in range(n)]
        waiting = (peak_memory() - before) / n
        gate.set()
        assert all(call.result() for call in [*holding, *calls])
    return {WAITING: waiting}


def dask(n: int) -> dict[str, float]:
    before = peak_memory()
    call = delayed(nothing, pure=False)
    calls = [call() for _ in range(n)]
    waiting = (peak_memory() - before) / n
    assert len(compute(*calls, scheduler="threads", num_workers=2)) == n
    return {WAITING: waiting}


engine, n = sys.argv[1], int(sys.argv[2])
if engine == "dask":
    from dask import compute, delayed
elif engine == "futures":
    import threading
    from concurrent.futures import ThreadPoolExecutor
else:
    from ramify.run.memory import MemoryRun
ENGINES = {"ramify": ramify, "ramify-chain": ramify_chain, "futures": futures, "dask": dask}
report(n, lambda: ENGINES[engine](n))
