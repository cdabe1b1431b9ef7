"""Who may still add which nodes to a growing graph: what `closed` is answered from."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, Final

from ramify.core.patterns import is_glob, overlap, prefix_of

Reads = Mapping[tuple[str, Any], Any]
"""What a predicate looked at, and how it was then: ("node", number), ("key", key), ("tag", tag),
("glob", pattern), ("closed", pattern), or ("all", None) and ("rules", None)."""

EVERYTHING: Final = "**"
"""What may be added where nothing is declared."""


class Patterns:
    """Patterns by what they begin with, so that those that may overlap with one are found without a look at
    all of them: one begins as the other does, or they have no key in common.

    >>> some = Patterns()
    >>> for pattern in ("map/1", "map/2/*", "map", "*.txt"):
    ...     some.add(pattern)
    >>> list(some.near("map/1/x")), list(some.near("map/*/x"))
    (['*.txt', 'map', 'map/1'], ['*.txt', 'map', 'map/1', 'map/2/*'])
    """

    def __init__(self) -> None:
        self._by_head: dict[str, dict[str, None]] = {}
        self._heads: list[str] = []
        self._lengths: dict[int, int] = {}
        """How many heads there are of each length."""

    def add(self, pattern: str) -> None:
        """One more; nothing where it is there."""
        head = _head(pattern)
        if head not in self._by_head:
            self._by_head[head] = {}
            insort(self._heads, head)
            self._lengths[len(head)] = self._lengths.get(len(head), 0) + 1
        self._by_head[head][pattern] = None

    def remove(self, pattern: str) -> None:
        """It is not there any more."""
        head = _head(pattern)
        del self._by_head[head][pattern]
        if self._by_head[head]:
            return
        del self._by_head[head]
        del self._heads[bisect_left(self._heads, head)]
        self._lengths[len(head)] -= 1
        if not self._lengths[len(head)]:
            del self._lengths[len(head)]

    def above(self, pattern: str) -> Iterator[str]:
        """Those that begin as `pattern` does, or with less of it."""
        head = _head(pattern)
        for length in sorted(self._lengths):
            if length <= len(head):
                yield from self._by_head.get(head[:length], ())

    def near(self, pattern: str) -> Iterator[str]:
        """Those that may overlap with `pattern`."""
        yield from self.above(pattern)
        head = _head(pattern)
        place = bisect_left(self._heads, head)
        while place < len(self._heads) and self._heads[place].startswith(head):
            if self._heads[place] != head:
                yield from self._by_head[self._heads[place]]
            place += 1


def _head(pattern: str) -> str:
    """What every key that a pattern means begins with, where a slash ends each key."""
    return prefix_of(pattern) if is_glob(pattern) else f"{pattern}/"


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
        self._patterns = Patterns()

    def open(self, who: int, may_add: Iterable[str] | None) -> None:
        """From now on this one may add these; anything, where nothing is declared."""
        patterns = (EVERYTHING,) if may_add is None else tuple(may_add)
        self.declared[who] = patterns
        for pattern in patterns:
            if pattern not in self._by_pattern:
                self._by_pattern[pattern] = {}
                self._patterns.add(pattern)
            self._by_pattern[pattern][who] = None

    def close(self, who: int, few: int = 1) -> list[str]:
        """It adds nothing any more; returns those of its patterns that only a `few` are left to add."""
        rare = []
        for pattern in dict.fromkeys(self.declared.pop(who, ())):
            left = self._by_pattern[pattern]
            del left[who]
            if not left:
                del self._by_pattern[pattern]
                self._patterns.remove(pattern)
            if len(left) <= few:
                rare.append(pattern)
        return rare

    def blockers(self, query: str, but: Container[int] = ()) -> list[int]:
        """Those who may add a node that `query` means, in the order of their numbers."""
        found: set[int] = set()
        for pattern in self._patterns.near(query):
            if overlap(pattern, query):
                found.update(self._by_pattern[pattern])
        return sorted(one for one in found if one not in but)

    def is_blocked(self, query: str, but: Container[int] = ()) -> bool:
        """Whether there is any of the `blockers`."""
        for pattern in self._patterns.near(query):
            if overlap(pattern, query) and any(one not in but for one in self._by_pattern[pattern]):
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
