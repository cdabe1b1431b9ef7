"""The graph of a plan, as the engine takes it: rows of small tuples, linear in jobs and dependencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ramify.errors import PlanError
from ramify.plan.definition import Definition, join

GraphNode = tuple[str, str, tuple[int, ...], int, int]
"""Key, kind (`"job"`, `"gather"` or `"rule"`), parents (places in the list), number of the definition, number
of the point. The last two are -1 where there is none. A gather, `@gather/GROUP`, has no work: it is good when
all of its group are, so that a grid that takes a grid has edges by the sum of their points, not by the
product."""

GATHER: Final = "@gather/"


def group_name(key: str) -> str:
    """What to call a node: a gather by its group.

    >>> group_name("@gather/scores"), group_name("scores/m1"), group_name("@gather/")
    ('scores/', 'scores/m1', 'all')
    """
    if not key.startswith(GATHER):
        return key
    return f"{key[len(GATHER) :]}/" if key != GATHER else "all"


def build_graph(definitions: Sequence[Definition], points: Sequence[list[str]]) -> list[GraphNode]:
    """The nodes of these definitions, parents before children. `points` has a list for each definition."""
    return GraphBuilder().add(definitions, points)


class GraphBuilder:
    """Makes nodes of definitions, parents before children; more may follow, which refer to those before."""

    def __init__(self) -> None:
        self.definitions: list[Definition] = []
        self.points: list[list[str]] = []
        self.nodes: list[GraphNode] = []
        self.starts: dict[str, int] = {}  # node of a job, first node of a grid
        self.number: dict[str, int] = {}
        self.gathers: dict[str, int] = {}
        self.slices: dict[tuple[str, int], dict[str, list[int]]] = {}
        self.members: dict[str, list[int]] | None = None

    def add(self, definitions: Sequence[Definition], points: Sequence[list[str]]) -> list[GraphNode]:
        """The nodes of these definitions; `points` has a list for each."""
        first, before = len(self.definitions), len(self.nodes)
        self.definitions += definitions
        self.points += points
        self.number.update((d.id, n) for n, d in enumerate(definitions, first))
        self.members = None
        for number, definition in enumerate(definitions, first):
            parents, same = self._parents(definition)
            start = len(self.nodes)
            if definition.kind != "group":
                self.nodes.append((definition.id, definition.kind, parents, number, -1))
            elif same is None:
                base = f"{definition.id}/" if definition.id else ""
                rows = self.points[number]
                self.nodes += [(base + row, "job", parents, number, n) for n, row in enumerate(rows)]
            else:
                self._pointwise(definition, number, parents, same)
            self.starts[definition.id] = start
        return self.nodes[before:]

    def _parents(self, definition: Definition) -> tuple[tuple[int, ...], str | None]:
        """The nodes that all jobs of a definition wait for, and the group whose same point each waits for."""
        parents: dict[int, None] = {}
        same = None
        for name in definition.dependencies:
            if name.endswith("/*"):
                same = name[:-2]
            elif name.endswith("/"):
                parents[self._gather(definition, name[:-1])] = None
            else:
                parents[self._job(definition, name)] = None
        return tuple(parents), same

    def _pointwise(self, definition: Definition, number: int, parents: tuple[int, ...], same: str) -> None:
        base = f"{definition.id}/" if definition.id else ""
        for n, row in enumerate(self.points[number]):
            parent = self._job(definition, join(same, row))
            self.nodes.append((base + row, "job", (*parents, parent), number, n))

    def _job(self, child: Definition, job_id: str) -> int:
        node = self.starts.get(job_id)
        if node is not None:
            return node
        above, point = job_id, ""
        while above:
            above, _, last = above.rpartition("/")
            point = join(last, point) if point else last
            if above in self.starts:
                found = self._by_prefix(above, point.count("/") + 1).get(point)
                if found:
                    return found[0]
        raise _absent(child, job_id)

    def _gather(self, child: Definition, group: str) -> int:
        node = self.gathers.get(group)
        if node is None:
            parents = tuple(self._members(child, group))
            node = self.gathers[group] = len(self.nodes)
            self.nodes.append((GATHER + group, "gather", parents, -1, -1))
        return node

    def _members(self, child: Definition, group: str) -> Sequence[int]:
        if group in self.number:
            if group not in self.starts:
                raise _absent(child, group + "/")
            start = self.starts[group]
            return range(start, start + len(self.points[self.number[group]]))
        above, point = group, ""
        while above:
            above, _, last = above.rpartition("/")
            point = join(last, point) if point else last
            if above in self.starts and self.definitions[self.number[above]].kind == "group":
                return self._by_prefix(above, point.count("/") + 1).get(point, ())
        return self._of_dag(group)

    def _by_prefix(self, group: str, depth: int) -> dict[str, list[int]]:
        """The nodes of a grid by the first `depth` names of their points."""
        known = self.slices.get((group, depth))
        if known is None:
            known = self.slices[group, depth] = {}
            for node, row in enumerate(self.points[self.number[group]], self.starts[group]):
                known.setdefault("/".join(row.split("/", depth)[:depth]), []).append(node)
        return known

    def _of_dag(self, group: str) -> list[int]:
        """The nodes below the id of a nested DAG, hidden ones apart."""
        if self.members is None:
            self.members = {}
            for number, definition in enumerate(self.definitions):
                above = definition.id
                while above:
                    above = above.rpartition("/")[0]
                    self.members.setdefault(above, []).append(number)
        nodes: list[int] = []
        own_hidden = self._is_hidden(group)
        for number in self.members.get(group, ()):
            definition = self.definitions[number]
            if definition.hidden and not (own_hidden and definition.at.startswith(own_hidden)):
                continue
            start = self.starts[definition.id]
            if definition.kind == "rule":
                continue
            nodes += [start] if definition.kind == "job" else range(start, start + len(self.points[number]))
        return nodes

    def _is_hidden(self, group: str) -> str:
        """The folder of a hidden nested DAG's outputs, or nothing."""
        from ramify.plan.definition import hidden_at

        inside = self.members.get(group, ()) if self.members else ()
        folder = hidden_at(group) + "/"
        return folder if any(self.definitions[n].at.startswith(folder) for n in inside) else ""


def _absent(child: Definition, name: str) -> PlanError:
    return PlanError(f"the plan is broken: {child.id!r} depends on {name!r}, which does not come before it")
