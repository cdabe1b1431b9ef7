"""What is said of the rules of a run: what each waits for, what became of it, what others lose by it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ramify.core.patterns import overlap
from ramify.core.rule_keys import RULES
from ramify.core.table import FAILED, GOOD, NAMES, REST
from ramify.dag.graph_view import Read
from ramify.errors import RamifyWarning, RuleDeadlock, UnfiredRule
from ramify.run.rule_view import FOR_LEAVE, RuleView, rule_story, split, state_of

if TYPE_CHECKING:
    from ramify.core.adders import Adders
    from ramify.core.engine import Engine
    from ramify.dag.rules import Rule

_MOST_TOLD: Final = 200
"""So many rules that never fired are told of with what they wait for."""


class Entry:
    """One rule. `parent` added it; `ignored` are those that can never fire before it does; `added` are the
    nodes that it brought, at the time `fired`."""

    __slots__ = (
        *("added", "asked", "ended", "fired", "ignored", "node", "parent", "reads", "refused", "rest_until"),
        *("rule", "saw"),
    )

    def __init__(self, rule: Rule, node: int, parent: int | None) -> None:
        self.rule = rule
        self.node = node
        self.parent = parent
        self.asked = 0
        self.reads: dict[Read, Any] = {}
        self.ignored: frozenset[int] = frozenset()
        self.ended: BaseException | None = None
        self.refused = False
        self.rest_until = 0.0
        self.saw = -1
        self.added: Sequence[int] = ()
        self.fired: float | None = None


class RuleWords:
    """What a `RuleBook` says of its rules."""

    engine: Engine
    adders: Adders
    entries: dict[int, Entry]
    """By node number, in the order in which they were added."""
    growths_left: int | None
    _open: dict[int, None]
    _due: dict[int, None]
    _deferred: dict[int, None]
    _readers: dict[Read, dict[int, None]]

    def __init__(self) -> None:
        self._told: set[int] = set()
        self._lost: dict[int, tuple[str, ...]] = {}
        """Rules that failed or were cancelled, and what they might have added."""
        self._told_lost: set[tuple[int, str]] = set()

    def members(self, pattern: str) -> list[int]:
        """The nodes that a text means."""
        raise NotImplementedError

    def node_called(self, node: int) -> str:
        """What a node is called."""
        raise NotImplementedError

    def name_of(self, node: int) -> str:
        """What a rule is called."""
        return self.engine.keys[node].removeprefix(RULES)

    # ---- what became of them

    def why(self, what: Any) -> str | None:
        """What a rule, or the rule of a name, waits for, or what became of it; None where there is none."""
        for node, entry in self.entries.items():
            if entry.rule is what or self.name_of(node) == what:
                return rule_story(self._seen_from_outside(node, entry))
        return None

    def _seen_from_outside(self, node: int, entry: Entry) -> RuleView:
        is_open, reason = node in self._open, self.engine.reasons.get(node)
        added, rules = split(self.engine, entry.added)
        return RuleView(
            name=self.name_of(node),
            key=self.engine.keys[node],
            state=state_of(self.engine.state[node], False),
            ended=entry.fired,
            added=added,
            added_rules=rules,
            added_by=None if entry.parent is None else self.engine.keys[entry.parent],
            waits_for=self.waits_for(node) if is_open else None,
            failure=reason if isinstance(reason, dict) else None,
        )

    def adder_of(self, node: int) -> str | None:
        """The key of the rule that added a node; None where no rule did."""
        by = (self.engine.keys[n] for n, entry in self.entries.items() if node in entry.added)
        return next(by, None)

    def _unfired(self) -> list[int]:
        """The open rules, those apart that are not meant to end."""
        return [n for n in list(self._open) if not getattr(self.entries[n].rule, "is_perpetual", False)]

    def unfired(self) -> dict[str, str]:
        """The rules that have not fired and still might, by name, and what each waits for.

        What a rule waits for may take a look at all others: it is told of so many only.
        """
        left = [n for n in self._unfired() if not REST[self.engine.state[n]]]
        told = {self.name_of(n): self.waits_for(n) for n in left[:_MOST_TOLD]}
        return told | {
            self.name_of(n): f"waits for what is not written down: {len(left):,} rules never fired"
            for n in left[_MOST_TOLD:]
        }

    # ---- what they wait for

    def waits_for(self, node: int) -> str:
        """What an open rule waits for, in words."""
        entry = self.entries[node]
        if entry.refused:
            return "was refused"
        if node in self._deferred:
            return "waits for leave to grow: it was put off, and is asked about again"
        if self.growths_left == 0 and (node in self._due or not entry.reads):
            return FOR_LEAVE
        if not entry.reads:
            return "said no and looked at nothing that can change" if entry.asked else "was not asked yet"
        told = list(dict.fromkeys(filter(None, (self._told_of(node, r, w) for r, w in entry.reads.items()))))
        more = f", and {len(told) - 4} more" if len(told) > 4 else ""
        if told:
            return f"waits for {', '.join(told[:4])}{more}"
        return f"waits for a change of what it looked at: {', '.join(self._looked_at(entry))}"

    def _looked_at(self, entry: Entry) -> list[str]:
        """What a rule looked at and was content with, as far as that goes; and yet it said no."""
        told = []
        for kind, what in entry.reads:
            if kind == "node":
                told.append(f"{self.node_called(what)!r}, which is {NAMES[self.engine.state[what]]}")
            elif kind == "glob":
                count = len(self.members(what))
                told.append(f"nodes {what!r}, of which there {'is' if count == 1 else 'are'} {count}")
            elif kind == "closed":
                told.append(f"closed({what!r})")
        return told[:4]

    def _told_of(self, node: int, read: Read, was: Any) -> str:
        engine, (kind, what) = self.engine, read
        if kind == "key":
            return f"a node {what!r}, which is not there"
        if kind == "glob" and not self.members(what):
            return f"nodes {what!r}, of which there are none"
        if kind == "glob":
            return ""
        if kind == "node":
            state = engine.state[what]
            if GOOD[state]:
                return ""
            how = f"which is {NAMES[state]}" if REST[state] else "which is not at rest"
            return f"{self.node_called(what)!r}, {how}"
        if kind == "rest":
            left = [n for n in what if not REST[engine.state[n]]]
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            return f"{self.node_called(left[0])!r}{more} to end" if left else ""
        if kind == "closed" and not was:
            return f"closed({what!r}): {self._told_blockers(node, what)}"
        return {"all": "a change of the graph", "rules": "a change of the rules"}.get(kind, "")

    def _told_blockers(self, node: int, what: str) -> str:
        blockers = self.adders.blockers(what, {node, *self.entries[node].ignored})
        names = [
            f"the rule {self.name_of(b)!r}" if b in self.entries else repr(self.node_called(b))
            for b in blockers
        ]
        return f"{', '.join(names[:5])} may add such a node" if names else "none may add one"

    # ---- warnings

    def _deadlock(self, waiting: Sequence[int]) -> RuleDeadlock:
        names = [self.name_of(node) for node in waiting]
        told = "; ".join(f"{self.name_of(node)!r} {self.waits_for(node)}" for node in waiting)
        return RuleDeadlock(
            f"the rules {listed(names)} wait for each other: {told}. Say by may_add what each may add",
            rules=names,
        )

    def _tell_unfired(self) -> None:
        fresh = [node for node in self._unfired() if node not in self._told]
        self._told.update(fresh)
        if fresh:
            some = "; ".join(f"{self.name_of(node)!r} {self.waits_for(node)}" for node in fresh[:5])
            more = f"; and {len(fresh) - 5} more" if len(fresh) > 5 else ""
            warnings.warn(
                f"{len(fresh)} {'rule' if len(fresh) == 1 else 'rules'} never fired: {some}{more}",
                RamifyWarning,
                stacklevel=2,
            )

    def _has_readers(self, which: str, but: int) -> bool:
        return any(rule != but for rule in self._readers.get(("closed", which), ()))

    def _tell_lost(self, closures: Sequence[str], asker: int | None = None) -> None:
        """Says once which failed rules might have fed a closure that others go on from."""
        if not closures:
            return
        for node, patterns in self._lost.items():
            ended = self.entries[node].ended
            if isinstance(ended, RuleDeadlock | UnfiredRule) or node == asker:
                continue  # at the end of the run nothing goes on
            for which in closures:
                if (node, which) not in self._told_lost and any(overlap(p, which) for p in patterns):
                    self._told_lost.add((node, which))
                    how = "failed" if self.engine.state[node] == FAILED else "was cancelled"
                    warnings.warn(
                        f"rule {self.name_of(node)!r} {how}: what waits for closed({which!r}) goes on "
                        "without what it would have added",
                        RamifyWarning,
                        stacklevel=2,
                    )


def listed(texts: Iterable[str]) -> str:
    return ", ".join(map(repr, texts)) or "nothing"
