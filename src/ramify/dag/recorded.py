"""What a live graph has to do with its record: whether there is one, and what it is found by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ramify.dag.node import Node
from ramify.dag.status import Mode
from ramify.errors import GraphError
from ramify.settings import login_name, project_home, read_settings

if TYPE_CHECKING:
    from uuid import UUID

    from ramify.dag.submitted import Submitted
    from ramify.run.live import LiveRun
    from ramify.run.recording import Recording


class Recorded:
    """The part of a DAG that has it written down while `compute()` runs it."""

    name: str | None
    namespace: str | None
    record: bool | None
    _recording: Recording | None
    _locals: set[str]
    """The keys of nodes that are local."""
    if TYPE_CHECKING:

        @property
        def id(self) -> UUID: ...
        @property
        def _run(self) -> LiveRun | None: ...
        def _graph(self) -> Submitted: ...
        def _worker_count(self) -> int: ...

    def _init_record(self) -> None:
        self._recording = None
        self._locals = set()

    def _made_local(self, node: Node[Any]) -> Node[Any]:
        node.local, node.mode = True, Mode.LOCAL
        self._locals.add(node.key)
        return node

    def _new_recording(self) -> Recording | None:
        """What writes the run down; None where nothing is to be."""
        if self._recording is None and self.record is not False:
            settings = read_settings()
            if self.record or settings.record:
                from ramify.run.recording import Recording

                who = login_name()
                facts = {
                    "id": str(self.id),
                    "label": self.name,
                    "namespace": self.namespace or settings.namespace or who,
                    "created_by": who,
                    "workers": self._worker_count(),
                }
                self._recording = Recording(project_home(), facts, names=self._names_of_nodes)
        return self._recording

    def _names_of_nodes(self) -> dict[str, Any]:
        """What a record says of nodes beside their keys."""
        graph = self._graph()
        local = [n for n, key in enumerate(graph.keys) if key in self._locals] if self._locals else []
        return {"labels": {str(n): name for n, name in graph.labels.items()}, "local": local}

    @property
    def server_graph_uuid(self) -> UUID | None:
        """What the graph's record is found by in the logs; None where all nodes are local, or none is there.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> _ = dag.submit_local(abs, -1); dag.server_graph_uuid
        >>> _ = dag.submit(abs, -1); dag.server_graph_uuid == dag.id
        True
        """
        run: Any = self._run
        if run is not None and hasattr(run, "handle"):  # another driver has it, under an id of its own
            from uuid import UUID

            return UUID(run.handle.id) if run.handle.id else None
        graph = self._graph()
        return self.id if len(graph.nodes) - len(graph.hidden) > len(self._locals) else None

    def initial_setup(self) -> UUID | None:
        """Has the graph in the list of runs from now on; returns `server_graph_uuid`. May be called again.

        A graph is recorded by itself when it runs. Where it is not to be recorded, this does nothing.
        """
        run = self._run
        recording = self._new_recording() if run is None else run.recording
        if recording is not None and self.server_graph_uuid is not None:
            recording.announce()
        return self.server_graph_uuid

    def report_node_complete(self, node: Node[Any]) -> None:
        """Accepts that a node is completed, and changes nothing: the engine knows it before anybody else.

        Raises `GraphError` (a `ValueError`) for a node of another graph.
        """
        if node.dag is not self:
            raise GraphError(f"{node!r} is no node of this graph")
