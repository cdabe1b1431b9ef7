"""A live graph as the ground that rules grow on: what they add becomes calls of its run."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ramify.core.graph import RULE
from ramify.core.rule_keys import called
from ramify.dag.execution import by_name
from ramify.dag.graph_view import NodeView
from ramify.dag.growth_view import STANDS, Growth, NewNode, Placed
from ramify.dag.job import Job
from ramify.dag.node import Node
from ramify.dag.order import parents_first
from ramify.dag.status import Status
from ramify.errors import DuplicateKeyError, GraphError
from ramify.run.memory import Ref
from ramify.run.same_call import is_same_function
from ramify.values.substitution import ATOMS, find, replace

if TYPE_CHECKING:
    from uuid import UUID

    from ramify.dag.keyed import Draft
    from ramify.dag.rules import Rule
    from ramify.dag.submitted import Submitted
    from ramify.run.live import LiveRun


class LiveGround:
    """What a `RuleBook` asks of a live graph; see `rule_book.Ground`."""

    def __init__(self, graph: Submitted, run: LiveRun) -> None:
        self.graph = graph
        self.run = run
        self.engine = run.engine
        self._place = run.place("grow", run.make_grow_executor)
        self.asks: Callable[[int], Any]

    # ---- looking

    def name_of(self, node: int) -> str:
        """What a node is called."""
        return self.graph.name_of(node)

    def named(self, name: str) -> int | None:
        """The number of the node of this name."""
        return self.graph.names.get(name)

    def id_of(self, node: int) -> UUID:
        """The id of a node."""
        return self.graph.id_of(node)

    def with_id(self, identity: UUID) -> int | None:
        """The number of the node of this id."""
        try:
            return self.graph.number_of(identity)
        except KeyError:
            return None

    def tags_of(self, node: int) -> Iterable[str]:
        """The tags that a node was made with."""
        return self.graph.tags.get(node, ())

    def may_add_of(self, node: int) -> tuple[str, ...] | None:
        """What an attempt of the node may add."""
        return self.graph.may_add.get(node)

    def value(self, node: int) -> Any:
        """The value of a good node."""
        return self.run.fetch(node)

    def error(self, node: int) -> BaseException | None:
        """Why a node has none."""
        return self.run.error(node)

    def check_node(self, node: Node[Any]) -> None:
        """Raises `GraphError` for a node of another graph that is not completed."""
        if node._owner is self.graph or (node._owner is not None and node.status is Status.COMPLETED):
            return
        raise GraphError(
            f"the node {node.name!r} is of another graph and not completed: wait for it first, or submit it "
            "to this graph"
        )

    def is_same(self, growth: Growth, key: str, item: NewNode | Placed) -> bool:
        """Whether the node that is under `key` calls the same function with the same arguments."""
        number = self.engine.number[key]
        func = self.run._functions[number]
        if isinstance(item, NewNode):
            tree = self._with_references(growth, (item.args, item.kwargs))
            return is_same_function(func, item.func) and self.run.is_same_call(number, *tree)
        if not isinstance(item.entry, Job) or find(item.entry.kwargs, self.graph.stands):
            return False
        kwargs = self._with_references(growth, item.entry.kwargs)
        return is_same_function(func, item.entry.func) and self.run.is_same_call(number, (), kwargs)

    def _with_references(self, growth: Growth, tree: Any) -> Any:
        return replace(tree, STANDS, lambda one: self._stand(one, {}))

    # ---- adding

    def enter(self, key: str) -> int:
        """Adds the grow node of a rule."""
        number = len(self.engine)
        node = self.run.add_grow(key, partial(self.asks, number), (), self._place, RULE)
        self.graph.keys.append(key)
        self.graph.nodes.append(None)
        self.graph.hidden.add(node)
        return int(node)

    plan_path = ""

    def forget_output(self, key: str) -> None:
        """Nothing is left of earlier runs."""

    def nap(self, node: int, seconds: float) -> None:
        """Has a grow node woken after so long."""
        self.run.driver.nap(node, seconds)

    def add(
        self,
        node: int,
        attempt: int,
        growth: Growth,
        rules: Sequence[tuple[str, Rule]],
        facts: dict[str, Any],
    ) -> list[int]:
        """Adds what a rule brought, all or none; returns the numbers of the rules that it added."""
        engine, base = self.engine, len(self.engine)
        drafts = self._drafts([i for i in growth.items if i.is_group or i.key not in engine.number], base)
        needs = {n: [p - base for p in (*d.parents, *d.after) if p >= base] for n, d in enumerate(drafts)}
        order: Sequence[int] = range(len(drafts))
        if any(parent >= n for n, parents in needs.items() for parent in parents):
            order = parents_first(needs, lambda n: drafts[n].key)
            renumber(drafts, {base + old: base + new for new, old in enumerate(order)}, base)
        check_keys([draft.key for draft in drafts], engine.number)
        for old in order:
            self.graph.take_grown(self.run, drafts[old])
        added = [self.enter(key) for key, _ in rules]
        self.run.note_growth(node, facts)
        new = range(base, len(engine))
        for one in new:
            self.run._listen(one)
        engine.want(new, f"{called(engine.keys[node])} added it", time.time())
        return added

    def _drafts(self, items: Sequence[NewNode | Placed], base: int) -> list[Draft]:
        make_draft = by_name("keyed", "Draft")
        numbers: dict[int, int] = {}
        drafts: list[Draft] = []
        for item in items:
            if isinstance(item, NewNode):
                numbers[id(item)] = base + len(drafts)
                drafts.append(make_draft(item.key, item.func, item.args, item.kwargs))
        put = partial(self._stand, numbers=numbers)
        kinds = (*STANDS, *self.graph.stands)
        new = [item for item in items if isinstance(item, NewNode)]
        if len(new) < len(items) or not all(_resolve(draft, put, self.graph.stands) for draft in drafts):
            drafts = self._with_keyed(items, drafts, base, kinds, put)
        for item, draft in zip(new, drafts, strict=False):
            draft.node = self._node_of(item, draft)
            draft.after = [int(one) for one in map(put, item.after) if isinstance(one, Ref)]
        return drafts

    def _with_keyed(
        self,
        items: Sequence[NewNode | Placed],
        drafts: list[Draft],
        base: int,
        kinds: tuple[type, ...],
        put: Callable[[Any], Any],
    ) -> list[Draft]:
        keyed = by_name("keyed", "Keyed")(self.graph, drafts, base, kinds, put)
        waits: list[tuple[str, int]] = []
        for item in items:
            if isinstance(item, Placed):
                keyed.members.add(item.entry, item.key)
                if item.after is not None:
                    waits.append((item.key, int(put(item.after))))
        keyed.fill_all()
        for key, after in waits:
            for draft in keyed.drafts:
                is_inside = draft.key == key or draft.key.startswith(f"{key}/")
                if is_inside and not any(parent >= base for parent in draft.parents):
                    draft.after = [*draft.after, after]
        return list(keyed.drafts)

    def _stand(self, one: Any, numbers: dict[int, int]) -> Any:
        """What stands for the value of a node among the arguments of a call."""
        if isinstance(one, NodeView):
            return Ref(one._number)
        if isinstance(one, NewNode):
            known = numbers.get(id(one))
            return Ref(self.engine.number[one.key] if known is None else known)
        if isinstance(one, Node) and one._owner is self.graph:
            return Ref(one._number)
        return one.result()

    def _node_of(self, item: NewNode, draft: Draft) -> Node[Any]:
        node: Node[Any] = Node.__new__(Node)
        node._begin(item.func, draft.args, draft.kwargs, item.options)
        node.mode, node._raw = self.graph.dag.mode, False
        node._name = item.name if item.name != item.key else None
        return node


def _resolve(draft: Draft, put: Callable[[Any], Any], drafts: tuple[type, ...]) -> bool:
    """Replaces nodes among the arguments by what stands for their values; False where there are jobs."""
    if not draft.kwargs:
        kinds = list(map(type, draft.args))
        if all(kind in ATOMS or kind is NodeView or kind is NewNode for kind in kinds):
            is_node = [kind is NodeView or kind is NewNode for kind in kinds]
            args = [put(arg) if node else arg for arg, node in zip(draft.args, is_node, strict=True)]
            draft.args = tuple(args)
            draft.parents = list(dict.fromkeys(int(a) for a, n in zip(args, is_node, strict=True) if n))
            return True
    tree = replace((draft.args, draft.kwargs), STANDS, put)
    draft.args, draft.kwargs = tree
    draft.parents = list(dict.fromkeys(int(ref) for ref in find(tree, Ref)))
    return not find(tree, drafts)


def renumber(drafts: Sequence[Draft], new: dict[int, int], base: int) -> None:
    """Gives drafts from `base` on other numbers."""
    for draft in drafts:
        if any(parent >= base for parent in draft.parents):
            tree = (draft.args, draft.kwargs)
            draft.args, draft.kwargs = replace(tree, Ref, lambda ref: Ref(new.get(int(ref), int(ref))))
        draft.parents = [new.get(p, p) for p in draft.parents]
        draft.after = [new.get(p, p) for p in draft.after]
        if draft.node is not None:
            draft.node._args, draft.node._kwargs = draft.args, draft.kwargs


def check_keys(keys: Sequence[str], taken: Container[str]) -> None:
    """Raises `DuplicateKeyError` where two nodes would have one key; nothing was added then."""
    seen: set[str] = set()
    for key in keys:
        if key in taken or key in seen:
            raise DuplicateKeyError(
                f"the key {key!r} has another node: give the new one another key", key=key
            )
        seen.add(key)
