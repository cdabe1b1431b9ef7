"""Graphs that grow while they run, of no-ops: `growth.py ENGINE SHAPE N FOLDER`.

Rules add nodes and rules. `N` is how many nodes there are at the end, or nearly so: levels and waves are
whole. Where rules wait, it is how many there are, each for another node of a chain. A graph of four nodes is
run first, which imports what there is to import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from functions import nothing
from measure import report

WAVE = 50


class Ramify:
    """The shapes in words of Ramify."""

    def __init__(self) -> None:
        from ramify import DAG, after

        self.dag = DAG(2)
        self.after = after

    def node(self, name: str, *parents: str) -> None:
        """A node before the start."""
        known = self.dag.nodes_by_name if parents else {}
        self.dag.submit(nothing, *[known[parent] for parent in parents], name=name)

    def rule(self, waits_for: str, body: Callable[[Any], None]) -> None:
        """A rule before the start."""
        self.dag.add_rule(self.after(waits_for), body)

    def grow(self, view: Any, name: str, *parents: str) -> None:
        """A node in a body."""
        view.submit(nothing, name=name, depends_on=parents)

    def grow_rule(self, view: Any, waits_for: str, body: Callable[[Any], None]) -> None:
        """A rule in a body."""
        view.add_rule(self.after(waits_for), body)

    def run(self) -> int:
        """How many nodes there were."""
        self.dag.compute()
        self.dag.wait()
        assert not self.dag.rules
        return len(self.dag.completed_nodes)


class Adage:
    """The shapes in words of Adage, with a backend that calls at once, and no pause between its rounds."""

    def __init__(self) -> None:
        import adage

        self.adage = adage
        self.state = adage.adageobject()
        self.task = adage.adagetask(nothing)
        self.ids: dict[str, str] = {}

    def node(self, name: str, *parents: str) -> None:
        self._add(self.state, name, parents)

    def _add(self, state: Any, name: str, parents: tuple[str, ...]) -> None:
        above = [state.dag.getNode(self.ids[parent]) for parent in parents]
        self.ids[name] = state.dag.addTask(self.task.s(), nodename=name, depends_on=above).identifier

    def _rule(self, state: Any, waits_for: str, body: Callable[[Any], None]) -> None:
        def has_ended(state: Any) -> bool:
            known = self.ids.get(waits_for)
            return known is not None and state.dag.getNode(known).successful()

        def apply(adageobj: Any) -> None:
            body(adageobj)

        state.rules.append(self.adage.Rule(has_ended, apply))

    def rule(self, waits_for: str, body: Callable[[Any], None]) -> None:
        self._rule(self.state, waits_for, body)

    def grow(self, view: Any, name: str, *parents: str) -> None:
        self._add(view, name, parents)

    def grow_rule(self, view: Any, waits_for: str, body: Callable[[Any], None]) -> None:
        self._rule(view, waits_for, body)

    def run(self) -> int:
        import logging

        logging.disable()
        self.adage.rundag(self.state, backend=AtOnce(), update_interval=0, default_trackers=False)
        assert not self.state.rules
        return len(self.state.dag.nodes())


class AtOnce:
    """A backend of Adage that calls in the moment of the submission."""

    def submit(self, task: Callable[[], Any]) -> list[Any]:
        return [task()]

    def ready(self, proxy: list[Any]) -> bool:
        return True

    def successful(self, proxy: list[Any]) -> bool:
        return True

    def result(self, proxy: list[Any]) -> Any:
        return proxy[0]

    def fail_info(self, proxy: list[Any]) -> str:
        return "nothing failed"


# ---- shapes


def fan(graph: Any, n: int) -> None:
    """One rule adds all nodes, and one that waits for them."""
    graph.node("first")

    def body(view: Any) -> None:
        for i in range(n - 2):
            graph.grow(view, f"part/{i}", "first")
        graph.grow(view, "last", *(f"part/{i}" for i in range(n - 2)))

    graph.rule("first", body)


def waves(graph: Any, n: int) -> None:
    """Fifty nodes at a time; the next fifty when the last of these is done."""
    graph.node("first")
    count = max(1, n // WAVE)

    def wave(number: int) -> Callable[[Any], None]:
        def body(view: Any) -> None:
            for i in range(WAVE):
                graph.grow(view, f"{number}/{i}", "first")
            if number + 1 < count:
                graph.grow_rule(view, f"{number}/{WAVE - 1}", wave(number + 1))

        return body

    graph.rule("first", wave(0))


def chain(graph: Any, n: int) -> None:
    """Each node is added when the one before it is done."""
    graph.node("0")

    def link(number: int) -> Callable[[Any], None]:
        def body(view: Any) -> None:
            graph.grow(view, str(number), str(number - 1))
            if number + 1 < n:
                graph.grow_rule(view, str(number), link(number + 1))

        return body

    graph.rule("0", link(1))


def levels(graph: Any, n: int, width: int) -> None:
    """A map and its reduction, then another map of that, and so on."""
    graph.node("r0")
    depth = max(1, n // (width + 1))

    def level(number: int) -> Callable[[Any], None]:
        def body(view: Any) -> None:
            parts = [f"m{number}/{i}" for i in range(width)]
            for part in parts:
                graph.grow(view, part, f"r{number}")
            graph.grow(view, f"r{number + 1}", *parts)
            if number + 1 < depth:
                graph.grow_rule(view, f"r{number + 1}", level(number + 1))

        return body

    graph.rule("r0", level(0))


def waiting(graph: Any, n: int) -> None:
    """As many rules as nodes, each for another node of a chain; when that is done it adds one node."""
    for i in range(n):
        graph.node(f"c{i}", *([f"c{i - 1}"] if i else []))

        def body(view: Any, i: int = i) -> None:
            graph.grow(view, f"d{i}", f"c{i}")

        graph.rule(f"c{i}", body)


SHAPES: dict[str, Callable[[Any, int], None]] = {
    "fan": fan,
    "waves": waves,
    "chain": chain,
    "levels-10": lambda graph, n: levels(graph, n, 10),
    "levels-100": lambda graph, n: levels(graph, n, 100),
    "waiting": waiting,
}
ENGINES: dict[str, Callable[[], Any]] = {"ramify": Ramify, "adage": Adage}
engine, shape, n, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
os.makedirs(folder)
os.chdir(folder)
Path("ramify.toml").touch()  # the records are written here, and not where the user has them


def work(size: int = n) -> dict[str, int]:
    graph = ENGINES[engine]()
    SHAPES[shape](graph, size)
    return {"n": graph.run()}


work(4)  # imports are not what is measured
report(n, work)
