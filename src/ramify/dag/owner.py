"""What the run of a live graph asks and tells: its nodes, and the callbacks of the DAG."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threading import Thread

    from ramify.dag.live import Live
    from ramify.dag.submitted import Submitted


class GraphOwner:
    """What the run asks and tells: the graph, and the callbacks of the DAG."""

    def __init__(self, dag: Live, graph: Submitted) -> None:
        self.handle = graph.handle
        self.completed = graph.completed
        self.is_held = graph.is_held
        self.forgot = graph.forgot
        self._dag = dag
        self._graph = graph

    def started(self, node: int) -> Callable[[], None]:
        """A node started: what is to be called."""
        return self._update

    def ended(self, node: int) -> Callable[[], None]:
        """A node came to rest: what is to be called."""
        tell = self._graph.ended(node)

        def act() -> None:
            tell()
            self._update()

        return act

    def rest(self) -> None:
        """The run is at rest; what failed is tried again, if the graph has a strategy for it as a whole."""
        if not self._dag._try_again_as_a_whole():
            self._call(self._dag._done_callbacks)

    def abandoned(self, thread: Thread) -> None:
        """What runs in a thread is not wanted any more: a query can be stopped."""
        queries = sys.modules.get("ramify.dag.sql_running")
        if queries is not None:
            queries.interrupt(thread)

    def retried(self, nodes: list[int]) -> list[int]:
        """What is to be retried with these."""
        stages, extender = self._dag._stages, self._dag._extender
        if extender is not None:
            nodes = extender.to_retry(nodes)
        return nodes if stages is None else stages.to_retry(nodes)

    def _update(self) -> None:
        self._call(self._dag._update_callbacks)

    def _call(self, functions: list[Callable[[Any], object]]) -> None:
        from ramify.run.callbacks import guarded

        for function in list(functions):
            guarded(partial(function, self._dag))
