"""Why a node of a run is as it is, in words."""

from __future__ import annotations

from ramify.core.engine import Engine
from ramify.core.graph import RULE
from ramify.core.table import BAD, BLOCKED, CANCELLED, FAILED, GOOD, NAMES, REST, WAITING
from ramify.core.views import blocker, story, unfinished_parents


def why_node(engine: Engine, node: int) -> str:
    """What a node waits for, or why it ended as it did.

    >>> engine = Engine()
    >>> a = engine.add("a"); b = engine.add("b", (a,)); engine.want(None, "all")
    >>> why_node(engine, b)
    "'b' waits for 'a'"
    """
    key, state = engine.keys[node], engine.state[node]
    if engine.flags[node] & RULE and not BAD[state]:
        name = key.partition("/")[2]
        return f"the rule {name!r} has fired" if GOOD[state] else f"the rule {name!r} has not fired"
    if state == BLOCKED:
        return f"{key!r} cannot run: {blocker(engine, node)!r} has no value"
    if state == FAILED:
        reason = engine.reasons.get(node)
        told = reason.get("message", "") if isinstance(reason, dict) else str(reason)
        return f"{key!r} failed: {told}"
    if state == CANCELLED:
        return f"{key!r} was cancelled: {engine.reasons.get(node)}"
    if state == WAITING:
        return f"{key!r} waits for {', '.join(map(repr, unfinished_parents(engine, node)[:5]))}"
    return f"{key!r}: {story(engine, node)}" if REST[state] else f"{key!r} is {NAMES[state]}"
