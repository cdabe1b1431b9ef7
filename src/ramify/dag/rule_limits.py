"""What a rule may add: what it has declared, and nothing that others have relied on not to come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ramify.core.adders import Patterns
from ramify.core.patterns import fits, is_glob
from ramify.dag.rule_words import Entry, RuleWords, listed
from ramify.dag.rules import Rule
from ramify.errors import GrowthError

if TYPE_CHECKING:
    from ramify.dag.growth_view import Growth


class Limits:
    """Looks at growths before anything of them is added; remembers which rules acted on which closures."""

    def __init__(self, book: RuleWords) -> None:
        self._book = book
        self._acted_on: dict[str, list[int]] = {}
        self._near = Patterns()

    def acted(self, node: int, closures: Iterable[str]) -> None:
        """A rule has fired because nothing that these mean could come any more."""
        for pattern in closures:
            self._acted_on.setdefault(pattern, []).append(node)
            self._near.add(pattern)

    def check(self, entry: Entry, growth: Growth) -> list[Rule]:
        """The rules of a growth, each of which may add at most what `entry` may.

        Raises `GrowthError` where the rule adds what it may not, or what others count on not to come.
        """
        rules = [self._bounded(entry, rule) for rule in growth.rules]
        for key, tags in growth.described():
            self._check_declared(entry, key, tags)
            self._check_acted_on(entry, key, tags)
        return rules

    def _bounded(self, entry: Entry, rule: Rule) -> Rule:
        limits = entry.rule.may_add
        if limits is None:
            return rule
        if rule.may_add is None:
            return Rule(rule.predicate, rule.body, rule.name, limits)
        strange = [pattern for pattern in rule.may_add if not _is_within(pattern, limits)]
        if strange:
            own = self._book.name_of(entry.node)
            raise GrowthError(
                f"the rule {own!r} may add {listed(limits)}, and the rule {rule.name!r} that it adds may add "
                f"{listed(strange)}: nothing was added",
                rule=own,
            )
        return rule

    def _check_declared(self, entry: Entry, key: str, tags: frozenset[str]) -> None:
        may_add = entry.rule.may_add
        if may_add is not None and not _is_declared(key, tags, may_add):
            own = self._book.name_of(entry.node)
            limit = listed(may_add) + (" only" if may_add else "")
            what = f"{key!r}" + (f" with the tags {listed(sorted(tags))}" if tags else "")
            raise GrowthError(
                f"the rule {own!r} adds {what}, and says that it may add {limit}: nothing was added. Name "
                "the tag or the key in may_add",
                rule=own,
            )

    def _check_acted_on(self, entry: Entry, key: str, tags: frozenset[str]) -> None:
        for pattern in (*self._near.above(key), *(tag for tag in tags if tag in self._acted_on)):
            if not fits(pattern, key, tags):
                continue
            late = [rule for rule in self._acted_on[pattern] if not self._descends(entry.node, rule)]
            if late:
                own, other = self._book.name_of(entry.node), self._book.name_of(late[0])
                raise GrowthError(
                    f"the rule {own!r} adds {key!r}, and the rule {other!r} has acted on "
                    f"closed({pattern!r}): nothing was added. {_advice(entry.rule)}",
                    rule=own,
                )

    def _descends(self, node: int, ancestor: int) -> bool:
        walk: int | None = node
        while walk is not None and walk != ancestor:
            walk = self._book.entries[walk].parent
        return walk is not None


def _advice(rule: Rule) -> str:
    if rule.may_add is None:
        return "Say by may_add what the rule may add"
    return "It could not fire then, so it was waited for no longer: run the graph anew"


def _is_within(pattern: str, limits: Sequence[str]) -> bool:
    """Whether all that a pattern means may be added, as far as that is seen from the texts.

    >>> _is_within("map/3", ["map"]), _is_within("map/3", ["map/*"]), _is_within("maps", ["map"])
    (True, False, False)
    """
    return any(
        pattern == limit or (not is_glob(limit) and pattern.startswith(f"{limit}/")) for limit in limits
    )


def _is_declared(key: str, tags: frozenset[str], may_add: Sequence[str]) -> bool:
    """Whether a new node is among what may be added; each of its tags must be named."""
    return all(tag in may_add for tag in tags) and any(fits(p, key, tags) for p in may_add)
