"""What of a graph is planned and not started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ramify.core.columns import Columns
from ramify.core.graph import GATHER, KIND, RULE
from ramify.run.assemble import fits


class Until:
    """Holds back the jobs whose ids fit a glob, and all that needs them; also of nodes that come later.

    >>> from ramify.core.engine import Engine
    >>> engine = Engine()
    >>> nodes = [engine.add("a"), engine.add("b", (0,)), engine.add("c", (1,)), engine.add("d", (0,))]
    >>> Until(["b"], engine).to_start(nodes)
    [0, 3]
    """

    def __init__(self, globs: Sequence[str], engine: Columns) -> None:
        self.globs = globs
        self.engine = engine
        self.held: set[int] = set()

    def to_start(self, nodes: Iterable[int]) -> list[int]:
        """Those of these nodes that may start; parents come before children."""
        engine, held = self.engine, self.held
        chosen = []
        for node in nodes:
            if not held.isdisjoint(engine.parents[node]) or self._is_named(node):
                held.add(node)
            else:
                chosen.append(node)
        return chosen

    def _is_named(self, node: int) -> bool:
        flags = self.engine.flags[node]
        return flags & KIND != GATHER and not flags & RULE and fits(self.engine.keys[node], self.globs)
