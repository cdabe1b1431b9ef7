"""A grid evaluated to a fresh folder: `disk.py ENGINE MODE N FOLDER [WORKERS]`, one worker unless told.

The `bare` engine does by hand what has to be done at least: the same calls, and for each a payload, a sidecar
with its digest, and a line in a journal; one after another, in a `ProcessPoolExecutor`, or with a bare
`python -c pass` as the process of a job.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from importlib import import_module
from itertools import starmap

from functions import point
from measure import report

NAMES = ["x", "y"]


def points(n: int) -> list[tuple[int, int]]:
    """A square, or nearly: about as many values of the first parameter as of the second."""
    side = max(1, round(n**0.5))
    return [(i // side, i % side) for i in range(n)]


def ramify(mode: str, n: int, folder: str, workers: int) -> None:
    from ramify import DAG, ParametrizedJob

    dag = DAG()
    dag["grid"] = ParametrizedJob(point, NAMES, points(n))
    dag.evaluate(folder, execution_mode=mode, max_workers=workers)


def tidyrun(mode: str, n: int, folder: str, workers: int) -> None:
    from tidyrun import DAG, ParametrizedJob

    dag = DAG()
    dag["grid"] = ParametrizedJob(point, NAMES, points(n))
    dag.evaluate(folder, execution_mode=mode, max_workers=workers if workers > 1 else None)


def bare(mode: str, n: int, folder: str, workers: int) -> None:
    grid = points(n)
    for x in {x for x, _ in grid}:
        os.makedirs(f"{folder}/outputs/grid/{x}")
    stored = list(zip([folder] * n, *zip(*grid, strict=True), strict=True))
    with open(f"{folder}/journal.jsonl", "ab", buffering=0) as journal:
        for job_id, digest in DONE[mode](stored, workers):
            journal.write(json.dumps(["done", job_id, digest]).encode() + b"\n")


def one_by_one(jobs, workers):
    return starmap(call_and_store, jobs)


def in_pool(jobs, workers):
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(call_and_store, *zip(*jobs, strict=True))


def in_fresh_processes(jobs, workers):
    from concurrent.futures import ThreadPoolExecutor

    def isolated(*job):
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        return call_and_store(*job)

    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(isolated, *zip(*jobs, strict=True))


DONE = {"thread": one_by_one, "process": in_pool, "subprocess": in_fresh_processes}


def call_and_store(folder: str, x: int, y: int) -> tuple[str, str]:
    """Calls the function, writes the payload and the sidecar, and returns the job's id and the digest."""
    payload = json.dumps(point(x, y)).encode()
    digest = hashlib.sha256(payload).hexdigest()
    sidecar = {"version": 1, "encoding": "json", "suffix": ".json"}
    sidecar["checksum"] = {"algorithm": "sha256", "digest": digest}
    name = f"grid/{x}/{y}"
    with open(f"{folder}/outputs/{name}.json", "wb") as file:
        file.write(payload)
    with open(f"{folder}/outputs/{name}.ramify", "wb") as file:
        file.write(json.dumps(sidecar).encode())
    return name, digest


ENGINES = {"ramify": ramify, "tidyrun": tidyrun, "bare": bare}

if __name__ == "__main__":  # the pool's workers may import this file
    engine, mode, n, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
    workers = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    if engine != "bare":
        _ = import_module(engine).DAG  # imported now: this is not what is measured
    report(n, lambda: ENGINES[engine](mode, n, folder, workers))
