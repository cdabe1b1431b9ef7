"""Nodes of a live graph that add to it: what they return becomes calls, of whose values theirs is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ramify.core.table import BAD, REST
from ramify.dag.execution import by_name
from ramify.dag.extend import Extend, then_with
from ramify.dag.live_ground import check_keys, renumber
from ramify.dag.order import parents_first
from ramify.errors import GrowthError, JobError
from ramify.plan.definition import join
from ramify.run.growing import undeclared
from ramify.run.memory import Ref
from ramify.values.substitution import find, replace

if TYPE_CHECKING:
    from ramify.dag.keyed import Draft
    from ramify.dag.submitted import Submitted
    from ramify.run.live import LiveRun


class LiveExtender:
    """Adds what nodes return as `Extend`."""

    def __init__(self, graph: Submitted, run: LiveRun) -> None:
        self.graph = graph
        self.run = run
        self.engine = run.engine
        self._added: dict[int, list[int]] = {}
        self._owner: dict[int, int] = {}

    def settle(self, extend: Extend, node: int, attempt: int) -> None:
        """Called by whoever drives, at the end of an attempt: adds nodes, and has the node sleep on them.

        Raises `GrowthError` for a node that did not say `may_add`, or adds what it may not.
        """
        key = self.engine.keys[node]
        may_add = self.graph.may_add.get(node)
        if may_add is None:
            raise undeclared(key)
        base = len(self.engine)
        value, drafts = self._drafts(extend, key, base)
        taken = self.engine.number
        check_keys([draft.key for draft in drafts], taken)
        _check_tags(key, drafts, may_add)
        for draft in drafts:
            draft.hidden = True
            self.graph.take_grown(self.run, draft)
        new = list(range(base, len(self.engine)))
        self._added.setdefault(node, []).extend(new)
        self._owner.update(dict.fromkeys(new, node))
        self._redefine(node, value, extend.then)
        self.run.note_growth(node, {"job": key})
        for one in new:
            self.run._listen(one)
        now = time.time()
        self.engine.want(new, f"{key} added it", now)
        self.run.policy.spent[node] = attempt
        open_ones = [n for n in new if not REST[self.engine.state[n]]]
        self.engine.slept(node, attempt, open_ones, now)
        if not open_ones:
            self.engine.woken(node, "it added nothing", now)

    def adder_of(self, node: int) -> str | None:
        """The key of the node that added a node; None where none did."""
        owner = self._owner.get(node)
        return None if owner is None else self.engine.keys[owner]

    def _drafts(self, extend: Extend, key: str, base: int) -> tuple[Any, list[Draft]]:
        keyed = by_name("keyed", "Keyed")(self.graph, [], base)
        keyed.members.add(extend.dag, key)
        value = replace(extend.value, self.graph.stands, lambda one: keyed._stand(one, join(key, "value")))
        keyed.fill_all()
        drafts = list(keyed.drafts)
        needs = {n: [p - base for p in (*d.parents, *d.after) if p >= base] for n, d in enumerate(drafts)}
        if any(parent >= n for n, parents in needs.items() for parent in parents):
            order = parents_first(needs, lambda n: drafts[n].key)
            new = {base + old: base + number for number, old in enumerate(order)}
            renumber(drafts, new, base)
            value = replace(value, Ref, lambda ref: Ref(new.get(int(ref), int(ref))))
            drafts = [drafts[old] for old in order]
        return value, drafts

    def _redefine(self, node: int, value: Any, then: Callable[[Any], Any] | None) -> None:
        """The next attempt of the node gathers the values, in a thread of this process."""
        refs = [int(ref) for ref in find(value, Ref)]
        self.run.redefine(node, partial(self._collect, node, value, refs, then))

    def _collect(self, node: int, value: Any, refs: list[int], then: Callable[[Any], Any] | None) -> Any:
        engine = self.engine
        open_ones = [n for n in self._added[node] if not REST[engine.state[n]]]
        if open_ones:  # it was retried together with them
            return self.run.grow_and_sleep(lambda: open_ones)
        bad = next((n for n in self._added[node] if BAD[engine.state[n]]), None)
        if bad is not None:
            error = self.run.error(bad)
            keys = engine.keys
            raise JobError(
                f"{keys[node]!r} has no value: {keys[bad]!r}, which it added, has none ({error})",
                job_id=engine.keys[node],
                cause_id=engine.keys[bad],
                cause=error,
                node=self.graph.handle(bad),
            ) from error
        whole = replace(value, Ref, lambda ref: self.run.large.fetch(int(ref), engine.keys[int(ref)]))
        for ref in refs:
            self.run.large.no_result(ref)
        return whole if then is None else then_with(then, whole)

    def to_retry(self, nodes: list[int]) -> list[int]:
        """These nodes, what they added that ended badly, and whoever added such nodes."""
        state = self.engine.state
        found = dict.fromkeys(nodes)
        walk = list(nodes)
        for node in walk:
            related = [*self._added.get(node, ()), *([self._owner[node]] if node in self._owner else [])]
            for one in related:
                if one not in found and BAD[state[one]]:
                    found[one] = None
                    walk.append(one)
        return list(found)


def _check_tags(key: str, drafts: list[Draft], may_add: tuple[str, ...]) -> None:
    for draft in drafts:
        strange = [tag for tag in draft.policy.tags if tag not in may_add]
        if strange:
            raise GrowthError(
                f"{key!r} adds {draft.key!r} with the tag {strange[0]!r}, and does not say so: nothing was "
                f"added. Say may_add={[strange[0]]!r}",
                rule=key,
            )
