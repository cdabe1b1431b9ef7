"""Who may still add which nodes to a growing graph: what `closed` is answered from."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, Final

from ramify.core.patterns import overlap

Reads = Mapping[tuple[str, Any], Any]
"""What a predicate looked at, and how it was then: ("node", number), ("key", key), ("tag", tag),
("glob", pattern), ("closed", pattern), or ("all", None) and ("rules", None)."""

EVERYTHING: Final = "**"
"""What may be added where nothing is declared."""


class Adders:
    """Rules and nodes by number, each with the patterns of what it may add, as long as it may.

    >>> adders = Adders()
    >>> adders.open(1, ("pdf",)); adders.open(2, None)
    >>> adders.blockers("pdf"), adders.blockers("png")
    ([1, 2], [2])
    >>> adders.close(2), adders.blockers("png")
    (['**'], [])
    """

    def __init__(self) -> None:
        self.declared: dict[int, tuple[str, ...]] = {}
        self._by_pattern: dict[str, dict[int, None]] = {}

    def open(self, who: int, may_add: Iterable[str] | None) -> None:
        """From now on this one may add these; anything, where nothing is declared."""
        patterns = (EVERYTHING,) if may_add is None else tuple(may_add)
        self.declared[who] = patterns
        for pattern in patterns:
            self._by_pattern.setdefault(pattern, {})[who] = None

    def close(self, who: int) -> list[str]:
        """It adds nothing any more; returns the patterns of which one or none is left to add any."""
        few = []
        for pattern in self.declared.pop(who, ()):
            left = self._by_pattern[pattern]
            del left[who]
            if not left:
                del self._by_pattern[pattern]
            if len(left) <= 1:
                few.append(pattern)
        return few

    def blockers(self, query: str, but: Container[int] = ()) -> list[int]:
        """Those who may add a node that `query` means, in the order of their numbers."""
        found: set[int] = set()
        for pattern, who in self._by_pattern.items():
            if overlap(pattern, query):
                found.update(who)
        return sorted(one for one in found if one not in but)

    def is_blocked(self, query: str, but: Container[int] = ()) -> bool:
        """Whether there is any of the `blockers`."""
        for pattern, who in self._by_pattern.items():
            if overlap(pattern, query) and any(one not in but for one in who):
                return True
        return False


def able_to_fire(
    rules: Iterable[int], reads: Mapping[int, Reads], adders: Adders, waiting: Iterable[int]
) -> set[int]:
    """Which of these open rules may still fire when nothing runs any more.

    Those `waiting` for a closure may. Any other was asked and said no; it may be asked again only when one
    that can fire adds something that it has looked at.
    """
    able = set(waiting)
    fresh = list(able)
    left = [rule for rule in rules if rule not in able]
    while fresh and left:
        added = {pattern for rule in fresh for pattern in adders.declared.get(rule, ())}
        roused = [rule for rule in left if may_change(reads.get(rule, {}), added)]
        able.update(roused)
        left = [rule for rule in left if rule not in able]
        fresh = roused
    return able


def may_change(reads: Reads, added: Iterable[str]) -> bool:
    """Whether what was read may be another when nodes are added that these patterns mean.

    >>> may_change({("tag", "pdf"): 0}, ["png"]), may_change({("tag", "pdf"): 0}, ["pdf"])
    (False, True)
    """
    patterns = list(added)
    for kind, what in reads:
        if kind in ("all", "rules"):
            return True
        if kind in ("key", "tag", "glob", "closed") and any(overlap(p, what) for p in patterns):
            return True
    return False
