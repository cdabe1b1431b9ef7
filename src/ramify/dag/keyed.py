"""The keyed jobs, grids and nested DAGs of a draft, as calls of a live graph.

The ids and the rules are those of a plan (`ramify.dag.compile`): one object is one piece of work, a slice is
a part of its grid, what is only an argument is hidden. A grid or a DAG that is an argument comes to a dict.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ramify.core.keys import decode_key
from ramify.dag.draft import DAG
from ramify.dag.grid import ParametrizedJob
from ramify.dag.job import Job
from ramify.dag.members import Member, Members, identity
from ramify.dag.node import Node
from ramify.plan.definition import join
from ramify.plan.load import same_value
from ramify.plan.policy import DEFAULT, Policy
from ramify.run.memory import Ref
from ramify.values.substitution import find, replace

if TYPE_CHECKING:
    from ramify.dag.submitted import Submitted


_KEYED: Final = (Job, ParametrizedJob, DAG)


@dataclass(slots=True)
class Draft:
    """A call that is not in a run yet; `parents` are numbers of drafts whose values it uses."""

    key: str
    func: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    parents: Sequence[int] = ()
    after: Sequence[int] = ()
    node: Node[Any] | None = None
    policy: Policy = DEFAULT
    hidden: bool = False


class Keyed:
    """Turns keyed work into drafts, behind those of the submitted nodes."""

    def __init__(
        self,
        graph: Submitted,
        drafts: list[Draft],
        base: int = 0,
        stands: tuple[type, ...] | None = None,
        put: Callable[[Any], Any] | None = None,
    ) -> None:
        self.graph = graph
        self.drafts = drafts
        self.base = base
        """The number of the first draft."""
        self.stands = graph.stands if stands is None else stands
        self.put = put or (lambda node: graph._put({}, node))
        """Gives what stands for the value of what is no keyed work."""
        self.members = Members()
        self._first: dict[int, int] = {}
        self._points: dict[int, dict[str, int]] = {}
        self._hidden = 0

    def add_all(self) -> None:
        """Adds what the DAG has under keys, and what stands among the arguments of nodes."""
        if self.graph.dag._nodes:
            self.members.add(self.graph.dag, "")
        self.fill_all()

    def fill_all(self) -> None:
        """Adds what the members and the arguments of the drafts come to."""
        for draft in list(self.drafts):
            if find((draft.args, draft.kwargs), self.stands):
                self._fill(draft, draft.key)
        done = 0
        while done < len(self.members.members):  # grows while hidden ones are met
            self._add(done, self.members.members[done])
            done += 1

    def _fill(self, draft: Draft, owner: str) -> None:
        tree = (draft.args, draft.kwargs)
        draft.args, draft.kwargs = replace(tree, self.stands, lambda one: self._stand(one, owner))
        draft.parents = list(dict.fromkeys(int(ref) for ref in find((draft.args, draft.kwargs), Ref)))

    def _add(self, place: int, member: Member) -> None:
        first = self._number(place)
        home = self.members.home(member.node)
        if home is not None and home.place != place:
            self._add_same(first, member)
            return
        node = member.node
        whole = Draft(
            member.id, node.func, kwargs=dict(node.kwargs), policy=node.policy, hidden=member.hidden
        )
        self._fill(whole, member.id)
        if isinstance(node, Job):
            whole.after = [int(self._job(job)) for job in getattr(node, "after", ())]
            self.drafts[first - self.base] = whole
            return
        for index, point in enumerate(node._points):
            names = zip(node.parameter_names, map(decode_key, point.split("/")), strict=True)
            self.drafts[first - self.base + index] = Draft(
                join(member.id, point),
                node.func,
                kwargs={**whole.kwargs, **dict(names)},
                parents=whole.parents,
                policy=node.policy,
                hidden=member.hidden,
            )

    def _add_same(self, first: int, member: Member) -> None:
        """The same work under another key: its values are those of the first."""
        node = member.node
        if isinstance(node, Job):
            points: list[tuple[str, Any]] = [(member.id, self._job(node))]
        else:
            home = self.members.home(node)
            assert home is not None, "it is at home elsewhere"
            base = self._number(home.place)
            inside = self._index(home.place)
            above = "".join(f"{name}/" for name in self._beyond(home.place, node))
            points = [(join(member.id, p), Ref(base + inside[above + p])) for p in node._points]
        for index, (key, ref) in enumerate(points):
            self.drafts[first - self.base + index] = Draft(
                key, same_value, kwargs={"value": ref}, parents=[int(ref)], hidden=member.hidden
            )

    # ---- what stands for what

    def _stand(self, one: Any, owner: str) -> Any:
        if not isinstance(one, _KEYED):
            return self.put(one)
        if self.members.home(one) is None:
            self._hidden += 1
            self.members.add(one, join(owner, f"arg/{self._hidden}"), owner=owner)
        if isinstance(one, Job):
            return self._job(one)
        if isinstance(one, ParametrizedJob):
            return self._grid(one)
        return {decode_key(name): self._stand(child, owner) for name, child in one._nodes.items()}

    def _job(self, job: Job) -> Ref:
        home = self.members.home(job)
        assert home is not None, "it was added"
        base = self._number(home.place)
        beyond = self._beyond(home.place, job)
        return Ref(base + self._index(home.place)["/".join(beyond)] if beyond else base)

    def _grid(self, grid: ParametrizedJob) -> dict[Any, Any]:
        home = self.members.home(grid)
        assert home is not None, "it was added"
        base, inside = self._number(home.place), self._index(home.place)
        above = "".join(f"{name}/" for name in self._beyond(home.place, grid))
        result: dict[Any, Any] = {}
        for point in grid._points:
            *outer, last = map(decode_key, point.split("/"))
            level = result
            for key in outer:
                level = level.setdefault(key, {})
            level[last] = Ref(base + inside[above + point])
        return result

    def _beyond(self, place: int, node: Any) -> tuple[str, ...]:
        """The keys by which a node is a slice of what is at home at this place."""
        return identity(node)[1][len(identity(self.members.members[place].node)[1]) :]

    def _number(self, place: int) -> int:
        """The number of the first draft of a member; its places are kept as soon as they are known."""
        known = self._first.get(place)
        if known is None:
            node = self.members.members[place].node
            known = self._first[place] = self.base + len(self.drafts)
            count = 1 if isinstance(node, Job) else len(node._points)
            self.drafts.extend([Draft("", same_value)] * count)
        return known

    def _index(self, place: int) -> dict[str, int]:
        known = self._points.get(place)
        if known is None:
            node = self.members.members[place].node
            points = [] if isinstance(node, Job) else node._points
            known = self._points[place] = {point: number for number, point in enumerate(points)}
        return known
