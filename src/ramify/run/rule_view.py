"""The rules of a run, as its journal tells of them, and who added which nodes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ramify.core.columns import Columns
from ramify.core.graph import GATHER, KIND, RULE
from ramify.core.rule_keys import RULES
from ramify.core.table import CANCELLED, FAILED, GOOD, REST

FIRED: Final = "fired"
FAILED_RULE: Final = "failed"
CANCELLED_RULE: Final = "cancelled"
UNFIRED: Final = "unfired"
OPEN: Final = "open"

FOR_LEAVE: Final = "waits for leave to grow: as many growths as were asked for have been made"
"""What a rule waits for that may fire no more for now; see `max_growths`."""


class Grown(NamedTuple):
    """One growth: who added which nodes, and when (seconds since the epoch)."""

    adder: int
    nodes: range
    time: float


class Growths:
    """All growths of a run, in order."""

    def __init__(self) -> None:
        self.all: list[Grown] = []
        self._firsts: list[int] = []
        self._by: dict[int, list[int]] = {}

    def take(self, known: int, letters: str, nodes: Sequence[int], times: Sequence[float], data: Any) -> None:
        """A batch of rows, before which there were so many nodes."""
        for letter, node, t, fact in zip(letters, nodes, times, data, strict=True):
            if letter in "+g":
                count = len(fact[0] if letter == "g" else fact)
                if letter == "g" and count:
                    self._firsts.append(known)
                    self.all.append(Grown(node, range(known, known + count), t))
                    self._by.setdefault(node, []).extend(self.all[-1].nodes)
                known += count

    def of(self, node: int) -> Grown | None:
        """The growth that brought a node; None for one that was there from the start."""
        place = bisect_right(self._firsts, node) - 1
        return self.all[place] if place >= 0 and node in self.all[place].nodes else None

    def by(self, adder: int) -> list[int]:
        """The nodes that one has added."""
        return self._by.get(adder, [])


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule of a run, by its name; `key` is that of its node.

    `state` is `"fired"`, `"failed"`, `"cancelled"`, `"unfired"` at the end of the run, or `"open"`: what an
    open rule waits for, its driver alone knows. `ended` is when it fired or failed, `added` are the ids of
    the jobs that it added, `added_rules` the names of the rules, `added_by` who added the rule (a key), and
    `failure` is as of `JobView`.
    """

    name: str
    key: str
    state: str
    ended: float | None = None
    added: Sequence[str] = ()
    added_rules: Sequence[str] = ()
    added_by: str | None = None
    waits_for: str | None = None
    failure: dict[str, Any] | None = None


def state_of(state: int, is_over: bool) -> str:
    """The state of a rule, by that of its node."""
    if GOOD[state]:
        return FIRED
    if state in (FAILED, CANCELLED):
        return FAILED_RULE if state == FAILED else CANCELLED_RULE
    return CANCELLED_RULE if REST[state] else UNFIRED if is_over else OPEN


def split(engine: Columns, nodes: Sequence[int]) -> tuple[list[str], list[str]]:
    """The ids of the jobs, and the names of the rules, among these nodes.

    >>> from ramify.core.engine import Engine
    >>> engine = Engine(); new = [engine.add("a"), engine.add("@rules/b", (), RULE)]
    >>> split(engine, new)
    (['a'], ['b'])
    """
    jobs = [engine.keys[n] for n in nodes if engine.flags[n] & KIND != GATHER and not engine.flags[n] & RULE]
    return jobs, [engine.keys[n].removeprefix(RULES) for n in nodes if engine.flags[n] & RULE]


def rule_story(rule: RuleView) -> str:
    """What became of a rule, in one line.

    >>> rule_story(RuleView("each", "@rules/each", "fired", added=["a", "b"]))
    "the rule 'each' has fired: it added a and b"
    >>> rule_story(RuleView("late", "@rules/late", "unfired", waits_for="waits for nodes 'x'"))
    "the rule 'late' never fired: it waits for nodes 'x'"
    """
    return f"the rule {rule.name!r} {_became(rule)}"


def _became(rule: RuleView) -> str:
    if rule.state == FIRED:
        return f"has fired: it added {_listed([*rule.added, *map('rule {}'.format, rule.added_rules)])}"
    if rule.state == FAILED_RULE:
        facts = rule.failure or {}
        told = f"{facts.get('type', 'failure')}: {facts.get('message', '')}".rstrip(": ")
        return f"failed: {told}"
    if rule.state == CANCELLED_RULE:
        return "was cancelled"
    if rule.state == UNFIRED:
        return "never fired" + (f": it {rule.waits_for}" if rule.waits_for else "")
    return rule.waits_for or "has not fired so far"


def _listed(names: Sequence[str], most: int = 8) -> str:
    if not names:
        return "nothing"
    shown = list(names[:most])
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))
