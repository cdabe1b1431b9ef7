"""The columns of a run: the state of every node, and the log of the events that made it so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ramify.core.graph import REUSABLE, WORK, Graph, NewNode
from ramify.core.table import GOOD, IDLE
from ramify.errors import IllegalTransition

EVENTS: Final = {
    "+": "nodes were added; data: the nodes",
    "g": "a grow node adds nodes; data: [the nodes, what else it added]",
    "w": "nodes are wanted; data: [nodes or null for all, why]",
    "e": "early answer; data: digest of the old result, or null",
    "l": "late answer; data: digest of the old result, or null",
    "s": "an attempt started; data: where, or null",
    "S": "it succeeded; data: digest",
    "f": "it failed for good; data: the failure",
    "r": "it failed, and another attempt follows; data: the failure",
    "z": "a grow node sleeps; data: the nodes that it waits for",
    "k": "a grow node is woken; data: why",
    "x": "cancelled before it started (node -1: all that had not); data: why",
    "X": "its attempt was stopped; data: why",
    "R": "reset, with what came of them; data: [nodes, why]",
    "t": "early hits with an ancestor that runs were voided",
}
"""The letters of the log."""

EVERYTHING: Final = "everything was asked for"
"""The reason of a want that needs no reason of each node's own."""


class Columns(Graph):
    """A graph whose nodes have a state. Only the classes above change it.

    Laws. `need[n]` is the number of parents of `n` that are not good, whatever the state of `n`. `busy` is
    the number of nodes in a state of `table.BUSY`; the run is at rest when it is zero.
    """

    __slots__ = (
        "asks",
        "attempts",
        "busy",
        "checks",
        "data",
        "digests",
        "fresh",
        "letters",
        "minded",
        "need",
        "nodes",
        "noticed",
        "ready",
        "reasons",
        "rested",
        "reusing",
        "reverted",
        "sleepers",
        "state",
        "stopping",
        "tainted",
        "times",
        "wanted",
        "watched",
        "why",
    )

    def __init__(self) -> None:
        super().__init__()
        self.state = bytearray()
        self.wanted = bytearray()
        self.attempts: list[int] = []
        self.need: list[int] = []
        self.digests: dict[int, str] = {}
        self.reasons: dict[int, Any] = {}
        self.why: dict[int, str] = {}
        self.sleepers: dict[int, dict[int, None]] = {}
        self.watched: dict[int, dict[int, None]] = {}
        self.busy = 0
        self.reusing = False
        self.tainted = bytearray()
        self.fresh: list[int] = []
        self.asks: list[int] = []
        self.checks: list[int] = []
        self.ready: list[int] = []
        self.stopping: list[tuple[int, int]] = []
        self.reverted: list[int] = []
        self.rested: list[int] = []
        self.noticed: list[int] = []
        self.minded: set[int] = set()
        self.letters: list[str] = []
        self.nodes: list[int] = []
        self.times: list[float] = []
        self.data: list[Any] = []

    def add(self, key: str, parents: tuple[int, ...] = (), flags: int = WORK, declared: str = "") -> int:
        """As `Graph.add`; the new node is idle."""
        known = len(self.keys)
        node = Graph.add(self, key, parents, flags, declared)
        if node == known:
            self.state.append(IDLE)
            self.wanted.append(0)
            self.attempts.append(0)
            need = len(parents)
            if parents:
                state = self.state
                for parent in parents:
                    need -= GOOD[state[parent]]
            self.need.append(need)
            if flags & REUSABLE and not self.reusing:
                self.reusing = True
                self.fresh = [n for n in range(node) if self.state[n] != IDLE]
            if self.tainted:
                self._inherit_taint(node, parents)
        return node

    def _inherit_taint(self, node: int, parents: tuple[int, ...]) -> None:
        tainted = self.tainted
        tainted.extend(bytes(node + 1 - len(tainted)))
        tainted[node] = any(tainted[p] for p in parents)

    def added(self, nodes: Sequence[NewNode], t: float) -> range:
        """Event: a batch of nodes, all or none; returns the numbers of those that are new."""
        Graph.validate(self, nodes)
        first = len(self.keys)
        new = [n for n in nodes if n[0] not in self.number]
        for key, parents, flags, declared in new:
            self.add(key, parents, flags, declared)
        if new:
            self.note("+", -1, t, new)
        return range(first, len(self.keys))

    def note(self, letter: str, node: int, t: float, data: Any = None) -> None:
        """One row of the log."""
        self.letters.append(letter)
        self.nodes.append(node)
        self.times.append(t)
        self.data.append(data)

    def take(self) -> tuple[str, list[int], list[float], list[Any]]:
        """The rows since the last call."""
        rows = "".join(self.letters), self.nodes, self.times, self.data
        self.letters, self.nodes, self.times, self.data = [], [], [], []
        return rows

    def _stale(self, node: int, attempt: int, step: str) -> bool:
        """News of an attempt that is over changes nothing; of one that never was, is an error."""
        if not 0 < attempt <= self.attempts[node]:
            raise self._illegal(node, step, attempt)
        return False

    def _illegal(self, node: int, step: str, attempt: int | None = None) -> IllegalTransition:
        from ramify.core.views import story

        told = story(self, node)
        about = f" (attempt {attempt})" if attempt is not None else ""
        return IllegalTransition(
            f"{self.keys[node]!r} cannot {step}{about}: {told}", node=node, step=step, story=told
        )
