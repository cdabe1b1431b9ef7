"""The append-only graph: nodes as rows of columns, edges from older nodes to newer ones.

A parent must be there before its child, so the graph is acyclic by construction and no walk needs a
recursion. Adding an equal node again changes nothing; adding an unequal one under the same key is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ramify.errors import DuplicateKeyError, GraphError, UnknownKeyError

WORK: Final = 0
"""A node whose attempt runs on an executor."""
GROW: Final = 1
"""A node whose attempt runs in the driver and may add nodes."""
GATHER: Final = 2
"""A node without work: it succeeds when its parents are good. One stands for many, so edges stay linear."""

KIND: Final = 3
"""The bits of a node's flags that hold its kind."""
REUSABLE: Final = 4
"""The flag of a node that the rebuilder is asked about."""
RULE: Final = 8
"""The flag of a grow node that is a rule: no work of the graph, and not counted."""

_FEW: Final = 4
"""Children that are kept as a tuple; more are a list, which can grow in place."""

NewNode = tuple[str, tuple[int, ...], int, str]
"""Key, parents, flags, and a text that is equal exactly when the declared work is."""


class Graph:
    """Keys, parents, children and flags, by node number.

    >>> graph = Graph()
    >>> a = graph.add("a"); b = graph.add("b", (a,))
    >>> graph.children[a], graph.parents[b], graph.add("b", (a,)) == b
    ((1,), (0,), True)
    """

    __slots__ = ("children", "declared", "flags", "keys", "number", "parents")

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.number: dict[str, int] = {}
        self.parents: list[tuple[int, ...]] = []
        self.children: list[tuple[int, ...] | list[int]] = []
        self.flags = bytearray()
        self.declared: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, key: str) -> int:
        """The number of a key's node; `UnknownKeyError` where there is none."""
        try:
            return self.number[key]
        except KeyError:
            raise UnknownKeyError(f"no node {key!r} in this graph", key=key) from None

    def add(self, key: str, parents: tuple[int, ...] = (), flags: int = WORK, declared: str = "") -> int:
        """Adds a node and returns its number; `parents` are numbers of nodes that are there, each once.

        Raises `DuplicateKeyError` where the key has an unequal node, `GraphError` for a parent that is not
        there. Nothing was changed then.
        """
        node = len(self.keys)
        if self.number.setdefault(key, node) != node:
            return self._again(key, parents, flags, declared)
        children = self.children
        if parents:
            try:
                self._link(node, parents)
            except GraphError:
                del self.number[key]
                raise
        self.keys.append(key)
        self.parents.append(parents)
        children.append(())
        self.flags.append(flags)
        if declared:
            self.declared[node] = declared
        return node

    def _link(self, node: int, parents: tuple[int, ...]) -> None:
        if min(parents) < 0 or max(parents) >= node:
            raise GraphError(f"node {node} names a parent that is not there: {parents}", parents=parents)
        if len(parents) > 1 and len(set(parents)) != len(parents):
            raise GraphError(f"node {node} names a parent twice: {parents}", parents=parents)
        children = self.children
        for parent in parents:
            row = children[parent]
            if not row:
                children[parent] = (node,)
            elif isinstance(row, list):
                row.append(node)
            elif len(row) < _FEW:  # a tuple of integers is nothing that the garbage collector looks at
                children[parent] = (*row, node)
            else:
                children[parent] = [*row, node]

    def _again(self, key: str, parents: tuple[int, ...], flags: int, declared: str) -> int:
        node = self.number[key]
        differs = []
        if self.parents[node] != parents:
            differs.append(f"its parents were {self._names(self.parents[node])}, now {self._names(parents)}")
        if self.flags[node] & KIND != flags & KIND:
            differs.append("its kind is another")
        if self.declared.get(node, "") != declared:
            differs.append(f"its work was {self.declared.get(node, '')}, now {declared}")
        if differs:
            raise DuplicateKeyError(
                f"the key {key!r} has another node: {'; '.join(differs)}. Give the new one another key",
                key=key,
            )
        return node

    def _names(self, parents: tuple[int, ...]) -> list[str]:
        known = len(self.keys)
        return [self.keys[p] if 0 <= p < known else str(p) for p in parents]

    def validate(self, nodes: Sequence[NewNode]) -> None:
        """Raises what `add` of these, one after the other, would raise; changes nothing.

        A node of the batch may be the parent of a later one, by the number that it is going to have.
        """
        fresh: dict[str, int] = {}
        known = len(self.keys)
        for key, parents, flags, declared in nodes:
            if key in fresh:
                raise DuplicateKeyError(f"the key {key!r} is added twice at once", key=key)
            if key in self.number:
                self._again(key, parents, flags, declared)
                continue
            node = known + len(fresh)
            if parents and (min(parents) < 0 or max(parents) >= node or len(set(parents)) < len(parents)):
                raise GraphError(f"{key!r} names parents that are not there, or twice: {parents}", key=key)
            fresh[key] = node
