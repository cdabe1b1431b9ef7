"""The patterns that are found near another are those of all that overlap with it, and not many others."""

from __future__ import annotations

import random

from ramify.core.adders import Adders, Patterns
from ramify.core.patterns import fits, overlap

PARTS = ("a", "ab", "b", "*", "a*", "?", "**", "[ab]", "*b")


def some_pattern(chance: random.Random) -> str:
    return "/".join(chance.choice(PARTS) for _ in range(chance.randint(1, 4)))


def test_all_that_overlap_are_near() -> None:
    chance = random.Random(5)
    for _ in range(200):
        given = {some_pattern(chance) for _ in range(chance.randint(1, 12))}
        patterns = Patterns()
        for one in given:
            patterns.add(one)
            patterns.add(one)
        for gone in list(given)[::3]:
            patterns.remove(gone)
            given.remove(gone)
        query = some_pattern(chance)
        near = list(patterns.near(query))
        assert len(near) == len(set(near)) and set(near) <= given
        assert {one for one in given if overlap(one, query)} <= set(near)
        key = "/".join(chance.choice(("a", "ab", "b")) for _ in range(3))
        assert {one for one in given if fits(one, key)} <= set(patterns.above(key))


def test_a_pattern_of_another_scope_is_not_looked_at() -> None:
    patterns = Patterns()
    for n in range(1000):
        patterns.add(f"map/{n}")
        patterns.add(f"map/{n}/*")
    assert list(patterns.near("map/7/x")) == ["map/7", "map/7/*"]
    assert list(patterns.near("other")) == []


def test_who_closes_names_what_few_are_left_to_add() -> None:
    adders = Adders()
    for who in range(4):
        adders.open(who, ("pdf", f"own/{who}"))
    assert adders.close(0) == ["own/0"]
    assert adders.close(1, few=2) == ["pdf", "own/1"]
    assert adders.blockers("pdf") == [2, 3] and adders.blockers("own/1") == []
    assert adders.is_blocked("own", but=(3,)) and not adders.is_blocked("own", but=(2, 3))
