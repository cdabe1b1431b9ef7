"""Those who keep results, for `reuse.py`: each gets a shape, a size and a folder, and returns a call.

What is imported and drawn up before that is not in the call, as far as the engine has a before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from hashlib import blake2b
from importlib import import_module
from typing import Any

from functions import increment

LENGTH = 100
"""Calls in a chain, each of what the one before has returned."""
APART = 1000
"""How far apart chains begin: no two of their calls are the same."""

Call = Callable[[], dict[str, Any] | None]


def chains(n: int) -> range:
    """The numbers of the chains."""
    return range(max(1, n // LENGTH))


# ---- graphs that are drawn up first


def ramify(shape: str, n: int, folder: str) -> Call:
    dag = deferred("ramify", shape, n)
    return lambda: void(dag.evaluate(folder, execution_mode="thread", reuse="auto"))


def tidyrun(shape: str, n: int, folder: str) -> Call:
    dag = deferred("tidyrun", shape, n)
    return lambda: void(dag.evaluate(folder, execution_mode="thread", skip_completed=True))


def deferred(package: str, shape: str, n: int) -> Any:
    """The graph, in words that Ramify and TidyRun share."""
    names = import_module(package)
    dag = names.DAG()
    if shape == "grid":
        dag["grid"] = names.ParametrizedJob(increment, ["x"], [(x,) for x in range(n)])
    elif shape == "fifth":
        module = import_module("constants_of_five")
        for i in range(5):
            function = getattr(module, f"times_{i}")
            dag[f"grid-{i}"] = names.ParametrizedJob(function, ["x"], [(x,) for x in range(n // 5)])
    else:
        for i in chains(n):
            chain = names.DAG()
            value: Any = i * APART
            for j in range(min(LENGTH, n)):
                value = chain[f"step-{j}"] = names.Job(increment, {"x": value})
            dag[f"chain-{i}"] = chain
    return dag


def void(_: Any) -> None:
    """The value is not what is measured."""


# ---- calls that are kept


def bare(shape: str, n: int, folder: str) -> Call:
    """By hand what has to be done at least: a key per call, what is known by key, a look at each file."""

    def call() -> None:
        index = f"{folder}/index.json"
        rows = {}
        if os.path.exists(index):
            with open(index, "rb") as file:
                rows = json.load(file)
        os.makedirs(f"{folder}/outputs", exist_ok=True)
        for x in range(n):
            key = blake2b(b"increment %d" % x, digest_size=20).hexdigest()
            path = f"{folder}/outputs/{x}.json"
            row = rows.get(str(x))
            if row is None or row[0] != key or row[1] != seen(path):
                with open(path, "w") as file:
                    json.dump(increment(x), file)
                rows[str(x)] = [key, seen(path)]
        with open(index, "w") as file:
            json.dump(rows, file)

    return call


def seen(path: str) -> list[int]:
    """What tells that a file is as it was."""
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def joblib(shape: str, n: int, folder: str) -> Call:
    from joblib import Memory

    kept = Memory(folder, verbose=0).cache(increment)

    def grid() -> None:
        for x in range(n):
            kept(x)

    def in_chains() -> None:
        for i in chains(n):
            value = i * APART
            for _ in range(min(LENGTH, n)):
                value = kept(value)

    return {"grid": grid, "chains": in_chains}[shape]


def redun(shape: str, n: int, folder: str) -> Call:
    """With its log turned down: it would be a line for each call."""
    import logging

    from redun import Scheduler, task
    from redun.config import Config

    kept = task(increment, name="increment", namespace="benchmark")

    def grid(n: int) -> list[Any]:
        return [kept(x) for x in range(n)]

    def in_chains(n: int) -> list[Any]:
        ends = []
        for i in chains(n):
            value: Any = i * APART
            for _ in range(min(LENGTH, n)):
                value = kept(value)
            ends.append(value)
        return ends

    top = task({"grid": grid, "chains": in_chains}[shape], name=shape, namespace="benchmark")
    logging.getLogger("redun").setLevel(logging.WARNING)
    os.makedirs(folder, exist_ok=True)
    scheduler = Scheduler(config=Config({"backend": {"db_uri": f"sqlite:///{folder}/redun.db"}}))
    scheduler.load()

    def call() -> dict[str, Any]:
        scheduler.run(top(n))
        return {"ran": ran_by_redun(f"{folder}/redun.db")}

    return call


def ran_by_redun(database: str) -> int:
    """How many jobs of the last execution called their function."""
    import sqlite3

    with sqlite3.connect(database) as connection:
        last = "SELECT id FROM execution ORDER BY rowid DESC LIMIT 1"
        found = connection.execute(
            f"SELECT count(*) FROM job WHERE execution_id = ({last}) AND NOT cached AND parent_id IS NOT NULL"
        )
        return int(found.fetchone()[0])


def doit(shape: str, n: int, folder: str) -> Call:
    from doit.cmd_base import ModuleTaskLoader
    from doit.doit_cmd import DoitMain
    from doit.tools import config_changed

    ran: list[int] = []

    def kept(x: int) -> dict[str, int]:
        ran.append(x)
        return {"value": increment(x)}

    def task_grid() -> Any:
        for x in range(n):
            yield {"name": str(x), "actions": [(kept, [x])], "uptodate": [config_changed({"x": x})]}

    def task_chains() -> Any:
        for i in chains(n):
            first = {"actions": [(kept, [i * APART])], "uptodate": [config_changed({"x": i * APART})]}
            yield {"name": f"{i}-0", **first}
            for j in range(1, min(LENGTH, n)):
                above = {"x": (f"chains:{i}-{j - 1}", "value")}
                yield {"name": f"{i}-{j}", "actions": [kept], "getargs": above}

    os.makedirs(folder, exist_ok=True)
    tasks = {"task_grid": task_grid} if shape == "grid" else {"task_chains": task_chains}
    main = DoitMain(ModuleTaskLoader(tasks))

    def call() -> dict[str, Any]:
        assert main.run(["run", "--db-file", f"{folder}/doit.db", "--reporter", "zero"]) == 0
        return {"ran": len(ran)}

    return call


ENGINES: dict[str, Callable[[str, int, str], Call]] = {
    "ramify": ramify,
    "tidyrun": tidyrun,
    "bare": bare,
    "joblib": joblib,
    "redun": redun,
    "doit": doit,
}
