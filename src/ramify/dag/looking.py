"""How a live graph is: its nodes, how many are in which status, and what the last ones came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ramify.core.table import CANCELLED, FAILED
from ramify.dag.node import Node
from ramify.dag.status import STATUS_OF, Status
from ramify.errors import NotStartedError

if TYPE_CHECKING:
    from uuid import UUID

    from ramify.dag.submitted import Submitted
    from ramify.run.live import LiveRun


class Looking:
    """What a DAG tells of its latest run."""

    _cancelled_early: bool

    if TYPE_CHECKING:

        @property
        def _run(self) -> LiveRun | None: ...

        def _graph(self) -> Submitted: ...

    def _running(self) -> LiveRun:
        run = self._run
        if run is None:
            raise NotStartedError("this graph was never started: call compute() first")
        return run

    @property
    def status(self) -> Status:
        """How the latest run is: `FAILED` as soon as a node failed, although others still run."""
        run = self._run
        if run is None:
            return Status.CANCELLED if self._cancelled_early else Status.NOT_STARTED
        state = run.engine.state
        if run.broken is not None or FAILED in state or run.driver.overdue:
            return Status.FAILED
        if not run.is_quiet:
            return Status.RUNNING
        return Status.CANCELLED if CANCELLED in state or self._cancelled_early else Status.COMPLETED

    @property
    def nodes(self) -> Mapping[UUID, Node[Any]]:
        """All nodes by id: a live view, read-only."""
        from ramify.dag.views import NodesById

        return NodesById(self._graph())

    @property
    def nodes_by_name(self) -> Mapping[str, Node[Any]]:
        """All nodes by name: a live view, read-only."""
        from ramify.dag.views import NodesByName

        return NodesByName(self._graph())

    def _with_status(self, *wanted: Status) -> dict[UUID, Node[Any]]:
        graph = self._graph()
        return {graph.id_of(n): graph.handle(n) for n in graph.visible() if graph.status_of(n) in wanted}

    @property
    def running_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes of which an attempt is under way, by id."""
        return self._with_status(Status.RUNNING)

    @property
    def completed_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that have a value, by id."""
        return self._with_status(Status.COMPLETED)

    @property
    def failed_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that failed themselves, by id."""
        return self._with_status(Status.FAILED)

    @property
    def cancelled_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that were given up, by id."""
        return self._with_status(Status.CANCELLED)

    @property
    def not_started_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that did not start: those that wait, and those of which a parent failed; by id."""
        return self._with_status(Status.NOT_STARTED, Status.PARENT_FAILED)

    @property
    def parent_failed_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that cannot run because a parent has no value, by id."""
        return self._with_status(Status.PARENT_FAILED)

    def stats(self) -> dict[str, int | float]:
        """How many nodes there are, and how many in each status; those with a failed parent did not start.

        >>> from ramify import DAG
        >>> dag = DAG(); dag.stats()["percent_complete"], dag.stats()["total_count"]
        (0.0, 0)
        """
        graph = self._graph()
        counts = self._counts(graph)
        total = len(graph.nodes) - len(graph.hidden)
        completed = counts.get(Status.COMPLETED, 0)
        return {
            "percent_complete": 100.0 * completed / total if total else 0.0,
            "running": counts.get(Status.RUNNING, 0),
            "failed": counts.get(Status.FAILED, 0),
            "completed": completed,
            "cancelled": counts.get(Status.CANCELLED, 0),
            "not_started": counts.get(Status.NOT_STARTED, 0) + counts.get(Status.PARENT_FAILED, 0),
            "total_count": total,
        }

    def _counts(self, graph: Submitted) -> dict[Status, int]:
        counts: dict[Status, int] = {}
        if graph.run is not None and not graph.hidden:
            state = graph.run.engine.state
            for number, status in enumerate(STATUS_OF):
                counts[status] = counts.get(status, 0) + state.count(number)
            return counts
        for number in graph.visible():
            status = graph.status_of(number)
            counts[status] = counts.get(status, 0) + 1
        return counts

    def end_nodes(self) -> list[Node[Any]]:
        """The nodes that no other node waits for."""
        graph = self._graph()
        used = {parent for n in graph.visible() for parent in graph.parent_numbers(n)}
        return [graph.handle(n) for n in graph.visible() if n not in used]

    find_end_nodes = end_nodes

    def end_results(self) -> dict[UUID, Any]:
        """The values of the end nodes by id; waits, and raises the first failure among them."""
        self._running()
        return {node.id: node.result() for node in self.end_nodes()}

    def end_results_by_name(self) -> dict[str, Any]:
        """The values of the end nodes by name; waits, and raises the first failure among them."""
        self._running()
        return {node.name: node.result() for node in self.end_nodes()}

    def node_details(self) -> dict[str, dict[str, str]]:
        """Name and status of every node, by the text of its id."""
        graph = self._graph()
        return {
            str(graph.id_of(n)): {"name": graph.name_of(n), "status": str(graph.status_of(n))}
            for n in graph.visible()
        }

    get_tiledb_plot_node_details = node_details
