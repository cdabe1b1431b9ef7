"""The rules of one run: which are open, what each waits for, and when each is asked again.

A rule is a grow node of the engine under the key `@rules/NAME`. It is *asked* in a pass, in the thread of
growth: its predicate looks at a view, which remembers what it looked at. If it says no, the node sleeps, and
whoever drives wakes it when something that it looked at has changed. If it says yes, its body is called, and
what it added is added by whoever drives, in one step, with the end of the rule: one record of the journal.

Between the pass and that step the graph goes on. What was looked at is therefore looked at once more: a
closure that does not hold any more, or a change since a no, is a reason to ask again.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from ramify.core.adders import Adders, Patterns, able_to_fire
from ramify.core.graph import GATHER, KIND, RULE
from ramify.core.patterns import is_glob, overlap
from ramify.core.table import ASLEEP, BAD, GOOD, REST
from ramify.dag.graph_view import GraphView, Read
from ramify.dag.growth_view import Growth, GrowthView
from ramify.dag.node_index import NodeIndex
from ramify.dag.rule_limits import Limits
from ramify.dag.rule_words import Entry, RuleWords
from ramify.dag.rules import PREFIX, Rule
from ramify.errors import RamifyWarning, UnfiredRule
from ramify.run.approving import Proposal
from ramify.run.growing import Pass

if TYPE_CHECKING:
    from uuid import UUID

    from ramify.core.engine import Engine
    from ramify.run.approving import Approver


_LONG: Final = 0.002
"""Seconds from which asking a predicate takes long."""
_SHARE: Final = 10
"""A predicate that takes long is asked for one of so many seconds at most, while other things run."""


class Ground(Protocol):
    """The run that grows. `enter`, `add` and `wake_driver` are called by whoever drives, or before."""

    engine: Engine

    def name_of(self, node: int) -> str:
        """What a node is called."""

    def named(self, name: str) -> int | None:
        """The number of the node of this name."""

    def id_of(self, node: int) -> UUID:
        """The id of a node."""

    def with_id(self, identity: UUID) -> int | None:
        """The number of the node of this id."""

    def tags_of(self, node: int) -> Iterable[str]:
        """The tags that a node was made with."""

    def may_add_of(self, node: int) -> tuple[str, ...] | None:
        """What an attempt of the node may add; None: nothing."""

    def value(self, node: int) -> Any:
        """The value of a good node."""

    def error(self, node: int) -> BaseException | None:
        """Why a node has none."""

    asks: Callable[[int], Any]
    """Set by the book: one pass of a rule, in the thread of growth."""

    def enter(self, key: str) -> int:
        """Adds the grow node of a rule, before the start."""

    def is_same(self, growth: Growth, key: str, item: Any) -> bool:
        """Whether the node that is under `key` is equal to what is to be added there."""

    def check_node(self, node: Any) -> None:
        """Raises `GraphError` for a `Node` that new nodes cannot wait for."""

    def add(
        self,
        node: int,
        attempt: int,
        growth: Growth,
        rules: Sequence[tuple[str, Rule]],
        facts: dict[str, Any],
    ) -> list[int]:
        """Adds the nodes of a growth and, by their keys, grow nodes of rules, all or none; writes down that
        `node` did, with `facts`, and has them wanted. Returns the numbers of the rules.
        """

    @property
    def plan_path(self) -> str:
        """Of a run on disk, the folder of its plan."""

    def forget_output(self, key: str) -> None:
        """Of a run on disk: removes the output that an earlier run left of a job that is to be added."""

    def nap(self, node: int, seconds: float) -> None:
        """Has a grow node woken after so long."""


class RuleBook(RuleWords):
    """The rules of one run; see the top of this module."""

    def __init__(
        self,
        ground: Ground,
        *,
        strict: bool = False,
        approver: Approver | None = None,
        max_growths: int | None = None,
    ) -> None:
        super().__init__()
        self.ground = ground
        self.engine = ground.engine
        self.strict = strict
        self.approver = approver
        self.growths_left = max_growths
        self.entries = {}
        self.applied: list[int] = []
        self.adders = Adders()
        self.version = 0
        self.rule_version = 0
        self._taken: dict[str, int] = {}
        self._open = {}
        self._seen = 0
        self._tags: dict[int, frozenset[str]] = {}
        self._index = NodeIndex()
        self._closures = Patterns()
        """The texts of closures that rules wait for."""
        self._most_ignored = 0
        self._readers = {}
        self._due = {}
        self._resting: dict[int, None] = {}
        self._deferred = {}
        """Rules whose growth somebody put off, and will be asked about again."""
        self._limits = Limits(self)
        self._declared: set[str] = set()
        ground.asks = self._pass

    # ---- rules

    def add_rule(self, rule: Rule) -> int:
        """One more rule; by whoever drives, or before the start."""
        return self.take_rule(self.ground.enter(f"{PREFIX}{self._own_name(rule.name)}"), rule)

    def take_rule(self, node: int, rule: Rule, parent: int | None = None) -> int:
        """The rule of a grow node that is there."""
        self.entries[node] = Entry(rule, node, parent)
        self._taken.setdefault(rule.name, 1)
        self._open[node] = None
        self.adders.open(node, rule.may_add)
        self._declared.update(rule.may_add or ())
        self._rules_changed()
        return node

    def has_fired(
        self, node: int, closures: Iterable[str], added: Sequence[int] = (), when: float | None = None
    ) -> None:
        """A rule has fired, or had before this driver began: it acted on these closures, and added these."""
        entry = self.entries[node]
        entry.added, entry.fired = added, when
        self._limits.acted(node, closures)
        self.applied.append(node)
        self._end(entry)

    def _own_name(self, wanted: str) -> str:
        count = self._taken.get(wanted, 0)
        self._taken[wanted] = count + 1
        name = wanted if not count else f"{wanted} ({count})"
        while f"{PREFIX}{name}" in self.engine.number:
            count += 1
            name = f"{wanted} ({count})"
        return name

    @property
    def has_open_rules(self) -> bool:
        """Whether there is a rule that may look at values."""
        return bool(self._open)

    def open_names(self) -> list[str]:
        """The names of the rules that have not fired."""
        return [self.name_of(node) for node in list(self._open)]

    def applied_names(self) -> list[str]:
        """The names of the rules that have fired, in that order."""
        return [self.name_of(node) for node in list(self.applied)]

    def open_rules(self) -> list[Rule]:
        """The rules that have not fired."""
        return [self.entries[node].rule for node in list(self._open)]

    def applied_rules(self) -> list[Rule]:
        """The rules that have fired, in that order."""
        return [self.entries[node].rule for node in list(self.applied)]

    def _rules_changed(self) -> None:
        self.rule_version += 1
        self._rouse(("rules", None))

    # ---- nodes

    def number_of(self, key: Any) -> int | None:
        """The number of a node by its key, or by its id."""
        if not isinstance(key, str):
            return self.ground.with_id(key)
        number = self.engine.number.get(key)
        if number is None:
            number = self.ground.named(key)
        return None if number is None or not self._is_work(number) else number

    def _is_work(self, node: int) -> bool:
        flags = self.engine.flags[node]
        return flags & KIND != GATHER and not flags & RULE

    def all_numbers(self) -> list[int]:
        """All nodes with work."""
        return [n for n in range(len(self.engine)) if self._is_work(n)]

    def parents_of(self, node: int) -> list[int]:
        """The nodes with work that one waits for."""
        found: dict[int, None] = {}
        stack = list(reversed(self.engine.parents[node]))
        while stack:
            parent = stack.pop()
            if self._is_work(parent):
                found[parent] = None
            else:
                stack += reversed(self.engine.parents[parent])
        return list(found)

    def children_of(self, node: int) -> list[int]:
        """The nodes with work that wait for one, so far."""
        found: dict[int, None] = {}
        stack = list(reversed(list(self.engine.children[node])))
        while stack:
            child = stack.pop()
            if self._is_work(child):
                found[child] = None
            else:
                stack += reversed(list(self.engine.children[child]))
        return list(found)

    def tags_of(self, node: int) -> frozenset[str]:
        """The tags of a node."""
        known = self._tags.get(node)
        return frozenset(self.ground.tags_of(node)) if known is None else known

    def tag(self, node: int, tags: Iterable[str]) -> None:
        """Gives a node more tags; by whoever drives."""
        before = self.tags_of(node)
        after = self._tags[node] = before | frozenset(tags)
        for fresh in self._index.tag(node, sorted(after - before)):
            self._rouse(("glob", fresh))
        self._changed()

    def members(self, pattern: str) -> list[int]:
        """The nodes that a text means."""
        return self._index.members(pattern)

    def node_called(self, node: int) -> str:
        """What a node is called."""
        return self.ground.name_of(node)

    def is_declared(self, pattern: str) -> bool:
        """Whether the text can mean nodes that are still to come, rather than a key that was mistyped."""
        return is_glob(pattern) or pattern in self._declared

    def _changed(self) -> None:
        self.version += 1
        self._rouse(("all", None))

    # ---- closures

    def is_closed(self, which: str, asker: int) -> bool:
        """Whether none but `asker`, and what can only fire after it, may add such a node."""
        entry = self.entries[asker]
        return not self.adders.is_blocked(which, {asker, *entry.ignored})

    def _close(self, node: int) -> None:
        """A rule, or a node that may add, can add nothing any more."""
        if node not in self.adders.declared:
            return
        rare = self.adders.close(node, 1 + self._most_ignored)
        near = (
            which for pattern in rare for which in self._closures.near(pattern) if overlap(pattern, which)
        )
        for which in dict.fromkeys(near):
            readers = self._readers.get(("closed", which), ())
            if any(self.is_closed(which, rule) for rule in readers):
                self._rouse(("closed", which))

    # ---- asking, in the thread of growth

    def _pass(self, node: int) -> Pass:
        entry = self.entries[node]
        if entry.ended is not None:
            raise entry.ended
        if self.growths_left == 0:
            return Pass("ok", settle=lambda n, attempt: self._wait_for_leave(entry, attempt))
        entry.asked += 1
        entry.saw = self.version
        began = time.monotonic()
        view = GraphView(self, node)
        says_no = not entry.rule.applicable(view)
        took = time.monotonic() - began
        if took > _LONG:
            entry.rest_until = began + took * _SHARE
        if says_no:
            return Pass("ok", settle=lambda n, attempt: self._said_no(entry, attempt, view._reads))
        growth = Growth(node, self.name_of(node))
        body = GrowthView(self, node, growth)
        body._reads = view._reads
        try:
            growth.check_returned(entry.rule.apply(body))
        finally:
            growth.ended = True
        word = "approve" if self.approver is None else self.approver.decide(self._proposal(growth))
        if word != "approve":
            return Pass("ok", settle=lambda n, attempt: self._put_off(entry, attempt, word, view._reads))
        return Pass("ok", settle=lambda n, attempt: self._said_yes(entry, attempt, growth, view._reads))

    def _proposal(self, growth: Growth) -> Proposal:
        keys = [key for key, _ in growth.described() if key not in self.engine.number]
        return Proposal("growth", growth.name, keys, [rule.name for rule in growth.rules])

    # ---- what came of it, by whoever drives

    def _put_off(self, entry: Entry, attempt: int, word: str, reads: dict[Read, Any]) -> None:
        """Somebody does not want the growth: now, or ever; or no growth any more."""
        self._deferred.pop(entry.node, None)
        if word == "stop":
            self.growths_left = 0
            self._wait_for_leave(entry, attempt)
            return
        if word == "refuse":
            entry.refused = True
            self._forget_reads(entry)
            self.engine.slept(entry.node, attempt, [], time.time())
            return
        self._said_no(entry, attempt, reads)
        if self.engine.state[entry.node] == ASLEEP and self.approver is not None:
            self._deferred[entry.node] = None
            self.ground.nap(entry.node, self.approver.pause(self.name_of(entry.node)))

    def _wait_for_leave(self, entry: Entry, attempt: int) -> None:
        """As many growths as were asked for have been made: the rest waits for `step`."""
        self.engine.slept(entry.node, attempt, [], time.time())
        self._due[entry.node] = None

    def step(self, growths: int | None) -> None:
        """Allows so many more growths, any number where None; by whoever drives."""
        self.growths_left = growths

    def _said_no(self, entry: Entry, attempt: int, reads: dict[Read, Any]) -> None:
        engine, node = self.engine, entry.node
        self._deferred.pop(node, None)
        self._look_at_new()
        self._forget_reads(entry)
        entry.reads = reads
        waits_for: list[int] = []
        for read in reads:
            if read[0] == "rest":
                waits_for += read[1]
            else:
                self._readers.setdefault(read, {})[node] = None
                if read[0] == "closed":
                    self._closures.add(read[1])
                if read[0] == "node":
                    engine.notice(read[1])
        engine.slept(node, attempt, waits_for, time.time())
        changed = any(self._now(node, read) != was for read, was in reads.items())
        if changed and engine.state[node] == ASLEEP:
            engine.woken(node, "what it looked at has changed", time.time())

    def _now(self, rule: int, read: Read) -> Any:
        """How something that a rule looked at is now."""
        kind, what = read
        if kind == "node":
            return self.engine.state[what]
        if kind == "glob":
            return len(self.members(what))
        if kind == "key":
            return 0 if self.number_of(what) is None else 1
        if kind == "closed":
            return self.is_closed(what, rule)
        return {"all": self.version, "rules": self.rule_version}.get(kind)

    def _said_yes(self, entry: Entry, attempt: int, growth: Growth, reads: dict[Read, Any]) -> None:
        engine, node = self.engine, entry.node
        self._look_at_new()
        if any(holds and not self.is_closed(r[1], node) for r, holds in reads.items() if r[0] == "closed"):
            engine.slept(node, attempt, [], time.time())
            engine.woken(node, "more can come after all", time.time())
            return
        rules = self._limits.check(entry, growth)
        keys = [f"{PREFIX}{self._own_name(rule.name)}" for rule in rules]
        facts: dict[str, Any] = {"rule": self.name_of(node)}
        if growth.tags:
            facts["tags"] = {growth.key_of(one): sorted(tags) for one, tags in growth.tags.items()}
        closures = sorted(read[1] for read, holds in reads.items() if read[0] == "closed" and holds)
        if closures:
            facts["closed"] = closures
        base, now = len(engine), time.time()
        added = self.ground.add(node, attempt, growth, list(zip(keys, rules, strict=True)), facts)
        for one, tags in growth.tags.items():
            self.tag(growth.number_of(one), tags)
        for number, rule in zip(added, rules, strict=True):
            self.take_rule(number, rule, node)
        engine.succeeded(node, attempt, None, time.time())
        self._tell_lost(closures, node)
        self.has_fired(node, closures, range(base, len(engine)), now)
        growth.let_go()
        if self.growths_left is not None:
            self.growths_left -= 1

    def _end(self, entry: Entry) -> None:
        self._open.pop(entry.node, None)
        self._forget_reads(entry)
        self._due.pop(entry.node, None)
        self._deferred.pop(entry.node, None)
        self._rules_changed()
        self._close(entry.node)

    def _forget_reads(self, entry: Entry) -> None:
        for read in entry.reads:
            readers = self._readers.get(read)
            if readers is not None:
                readers.pop(entry.node, None)
                if not readers:
                    del self._readers[read]
                    if read[0] == "closed":
                        self._closures.remove(read[1])
        entry.reads = {}

    # ---- waking, by whoever drives

    def _rouse(self, read: Read) -> None:
        readers = self._readers.get(read)
        if readers:
            self._due.update(readers)

    def look(self) -> None:
        """Takes note of what ended and what is new, and wakes the rules that had looked at it."""
        engine = self.engine
        if engine.noticed:
            self._look_at_ends()
        if self._seen < len(engine):
            self._look_at_new()
        if self._due and self.growths_left != 0:
            due, self._due = self._due, {}
            for node in due:
                self._wake(self.entries[node])

    def _wake(self, entry: Entry) -> None:
        """Has a rule asked again; not at once, where asking it takes long: see `_SHARE`."""
        rest = entry.rest_until - time.monotonic()
        if rest > 0 and self.engine.busy:
            self._resting[entry.node] = None
            self.ground.nap(entry.node, rest)
        else:
            self.engine.woken(entry.node, "what it looked at has changed", time.time())

    def _look_at_ends(self) -> None:
        engine = self.engine
        noticed, engine.noticed = engine.noticed, []
        for node in dict.fromkeys(noticed):
            if node in self.entries:
                self._look_at_rule(self.entries[node])
                continue
            self._rouse(("node", node))
            if node in self.adders.declared and GOOD[engine.state[node]]:
                self._close(node)
            engine.notice(node)
        self._changed()

    def _look_at_rule(self, entry: Entry) -> None:
        """A rule that failed or was cancelled adds nothing, unless it is retried."""
        state = self.engine.state[entry.node]
        if BAD[state] and entry.node in self._open:
            self._lost[entry.node] = self.adders.declared.get(entry.node, ())
            lost = {which for pattern in self._lost[entry.node] for which in self._closures.near(pattern)}
            self._tell_lost([which for which in sorted(lost) if self._has_readers(which, entry.node)])
            self._end(entry)
        elif not REST[state] and entry.node not in self._open:
            entry.ended = None
            self._lost.pop(entry.node, None)
            self._open[entry.node] = None
            self.adders.open(entry.node, entry.rule.may_add)
        self.engine.notice(entry.node)

    def _look_at_new(self) -> None:
        engine, first = self.engine, self._seen
        if first == len(engine):
            return
        for node in range(first, len(engine)):
            self._note(node)
        self._seen = len(engine)
        self._changed()

    def _note(self, node: int) -> None:
        if node in self.entries:
            self.engine.notice(node)
            return
        if not self._is_work(node):
            return
        engine, key = self.engine, self.engine.keys[node]
        may_add = self.ground.may_add_of(node)
        if may_add is not None:
            self.adders.open(node, (*may_add, key))
            self._declared.update(may_add)
            engine.notice(node)
        name = self.ground.name_of(node)
        readers = self._readers
        for text in self._index.add(node, key, name, self.tags_of(node)):
            if ("glob", text) in readers:
                self._rouse(("glob", text))
        for text in (key, name):
            if ("key", text) in readers:
                self._rouse(("key", text))

    # ---- the end

    def at_rest(self) -> bool:
        """Nothing runs any more: closures that only dead rules keep from holding are let hold, one at a time.

        Returns whether a rule was woken.
        """
        if self.growths_left == 0:
            return False
        if self._ask_once_more():
            return True
        if self._deferred:  # their growth may come yet: nothing is final
            return False
        waiting = self._waiting_for_closures()
        for node in waiting:
            entry = self.entries[node]
            dead = self._dead_before(node, waiting)
            blockers = {b for q in _closures(entry.reads) for b in self.adders.blockers(q, {node})}
            if blockers and blockers <= dead:
                self._release(entry, blockers)
                return True
        if waiting:
            self._end_badly(waiting, self._deadlock(waiting))
            return True
        if self.strict and (left := self._unfired()):
            self._end_badly(left, None)
            return True
        self._tell_unfired()
        return False

    def _ask_once_more(self) -> bool:
        """Whether a rule is asked that had to rest, or that is to see the end of everything."""
        resting, self._resting = list(self._resting), {}
        late = [
            node
            for node in self._open
            if getattr(self.entries[node].rule, "is_perpetual", False)
            and self.entries[node].saw != self.version
        ]
        woken = [self.engine.woken(node, "nothing else is left", time.time()) for node in (*resting, *late)]
        return any(woken)

    def _waiting_for_closures(self) -> list[int]:
        return [node for node in self._open if _closures(self.entries[node].reads)]

    def _dead_before(self, asker: int, waiting: Sequence[int]) -> set[int]:
        """The rules that cannot fire before `asker` does, and the nodes that ended without adding."""
        others = [node for node in self._open if node != asker]
        reads = {node: self.entries[node].reads for node in others}
        able = able_to_fire(others, reads, self.adders, [node for node in waiting if node != asker])
        nodes = {n for n in self.adders.declared if n not in self.entries and REST[self.engine.state[n]]}
        return {node for node in others if node not in able} | nodes

    def _release(self, entry: Entry, blockers: set[int]) -> None:
        rules = [b for b in sorted(blockers) if b in self.entries]
        if rules:
            warnings.warn(
                f"the rule {self.name_of(entry.node)!r} waits no longer: "
                + "; ".join(f"{self.name_of(r)!r} can never fire ({self.waits_for(r)})" for r in rules),
                RamifyWarning,
                stacklevel=2,
            )
        entry.ignored = entry.ignored | blockers
        self._most_ignored = max(self._most_ignored, len(entry.ignored))
        self.engine.woken(entry.node, "what it waited for can never come", time.time())

    def _end_badly(self, nodes: Sequence[int], error: BaseException | None) -> None:
        for node in nodes:
            self.entries[node].ended = error or UnfiredRule(
                f"the rule {self.name_of(node)!r} never fired: {self.waits_for(node)}",
                rule=self.name_of(node),
                waits_for=self.waits_for(node),
            )
        for node in nodes:
            self.engine.woken(node, "the run is over", time.time())


def _closures(reads: dict[Read, Any]) -> list[str]:
    """The closures that did not hold when a rule was asked."""
    return [what for (kind, what), holds in reads.items() if kind == "closed" and not holds]
