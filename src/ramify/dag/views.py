"""Live views of the nodes of a graph, made on demand: no node object is made for a look at the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uuid import UUID

    from ramify.dag.node import Node
    from ramify.dag.submitted import Submitted


class NodesById(Mapping["UUID", "Node[Any]"]):
    """The nodes by id, in the order in which they were added."""

    def __init__(self, graph: Submitted) -> None:
        self._graph = graph

    def __getitem__(self, identity: UUID) -> Node[Any]:
        return self._graph.handle(self._graph.number_of(identity))

    def __iter__(self) -> Iterator[UUID]:
        return map(self._graph.id_of, self._graph.visible())

    def __len__(self) -> int:
        return len(self._graph.nodes) - len(self._graph.hidden)

    def __repr__(self) -> str:
        return f"<{len(self)} nodes by id>"


class NodesByName(Mapping[str, "Node[Any]"]):
    """The nodes by name, in the order in which they were named."""

    def __init__(self, graph: Submitted) -> None:
        self._graph = graph

    def __getitem__(self, name: str) -> Node[Any]:
        return self._graph.handle(self._graph.names[name])

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._graph.names))

    def __len__(self) -> int:
        return len(self._graph.names)

    def __repr__(self) -> str:
        names = list(self)
        return f"<{len(names)} nodes: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}>"
