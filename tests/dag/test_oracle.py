"""Random graphs give what calling their functions gives: nested, shared, sliced, hidden, in containers."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ramify import DAG, Job, LazyDict, ParametrizedJob, get_job_states

pytestmark = pytest.mark.timeout(30)

KEYS: list[Any] = [
    *("a", "b", "arg", "x y", "é", "7", "true", "a.json", "-1", 'q"', "a,", ","),
    *(7, 1.5, True, -1, dt.date(2020, 1, 2), dt.datetime(2020, 1, 1, 3)),
]
PLAIN: list[Any] = [1, "s", None, 2.5, b"x", (1, 2), {1: 2}, {"a": 1}, -0.0, 10**30, [], list(range(300))]


class Box:
    def __init__(self, held: Any) -> None:
        self.held = held


def plain(value: Any) -> Any:
    """The value with its stored dicts as dicts, and boxes open, so that it can be compared."""
    if isinstance(value, LazyDict):
        value = value.to_dict()
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return ("box", plain(value.held)) if isinstance(value, Box) else value


def pair(**given: Any) -> Any:
    return "pair", {name: plain(value) for name, value in given.items()}


def folder(**given: Any) -> Any:
    return {"z": [plain(value) for value in given.values()], "y": {"count": len(given)}, 2: {}}


class Draft:
    """A random graph; what it has made may be used again as an argument, or under a second key."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.made: list[Any] = []

    def dag(self, depth: int = 0) -> DAG:
        dag = DAG()
        for key in self.keys(4):
            kind = self.random.random()
            if kind < 0.5:
                dag[key] = self.job()
            elif kind < 0.75:
                dag[key] = self.grid()
            elif depth < 2:
                dag[key] = self.dag(depth + 1)
            elif self.made:
                dag[key] = self.random.choice(self.made)
        if depth:
            self.made.append(dag)
        return dag

    def keys(self, most: int) -> list[Any]:
        chosen: dict[Any, Any] = {}
        for key in self.random.sample(KEYS, self.random.randrange(most + 1)):
            chosen.setdefault(key, key)  # of equal keys of two types, one
        return list(chosen.values())

    def job(self) -> Job:
        job = Job(self.random.choice([pair, folder]), self.kwargs())
        self.made.append(job)
        return job

    def grid(self) -> ParametrizedJob:
        names = ["u", "v", "w"][: self.random.randrange(1, 4)]
        columns = [self.keys(3) or ["a"] for _ in names]
        points = {tuple(map(self.random.choice, columns)) for _ in range(self.random.randrange(5))}
        grid = ParametrizedJob(
            self.random.choice([pair, folder]), names, sorted(points, key=repr), self.kwargs()
        )
        self.made.append(grid)
        return grid

    def kwargs(self) -> dict[str, Any]:
        return {name: self.argument() for name in self.random.sample(["x", "y", "arg", "z"], 2)}

    def argument(self, depth: int = 0) -> Any:
        kind = self.random.random()
        if self.made and kind < 0.45:
            return self.slice_of(self.random.choice(self.made))
        if kind < 0.7 and depth < 3:
            inner = [self.argument(depth + 1) for _ in range(self.random.randrange(3))]
            keyed = dict(zip(self.keys(3), inner, strict=False))
            return self.random.choice([inner, tuple(inner), keyed, Box(inner)])
        return self.job() if kind < 0.75 else self.random.choice(PLAIN)

    def slice_of(self, node: Any) -> Any:
        while isinstance(node, ParametrizedJob) and len(node) and self.random.random() < 0.5:
            node = node[self.random.choice(list(node))]
        return node


def called(node: Any) -> Any:
    """What a node, or an argument, is worth, by calling everything."""
    if isinstance(node, Job):
        return node.func(**{name: called(value) for name, value in node.kwargs.items()})
    if isinstance(node, DAG | ParametrizedJob):
        return {key: called(node[key]) for key in node}
    if type(node) in (list, tuple):
        return type(node)(map(called, node))
    if type(node) is dict:
        return {key: called(value) for key, value in node.items()}
    return Box(called(node.held)) if isinstance(node, Box) else node


@pytest.mark.parametrize("seed", range(60))
def test_a_graph_gives_what_its_functions_give(tmp_path: Path, seed: int) -> None:
    dag = Draft(seed).dag()
    result = dag.evaluate(tmp_path, execution_mode="thread", max_workers=1 + seed % 3)
    # Text shows the order of keys and the type of every part.
    assert repr(plain(result)) == repr(plain(called(dag)))
    assert set(get_job_states(tmp_path).values()) <= {"succeeded"}
