"""What the engine's columns say, for people: counts, a node's story, what an unfinished node waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ramify.core.graph import GATHER, KIND, RULE
from ramify.core.table import BAD, BLOCKED, GOOD, NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ramify.core.columns import Columns

STATUS = {
    "idle": "NOT_STARTED",
    "asked": "NOT_STARTED",
    "checked": "NOT_STARTED",
    "waiting": "NOT_STARTED",
    "ready": "NOT_STARTED",
    "asleep": "NOT_STARTED",
    "running": "RUNNING",
    "succeeded": "COMPLETED",
    "reused": "COMPLETED",
    "failed": "FAILED",
    "blocked": "PARENT_FAILED",
    "cancelled": "CANCELLED",
}
"""What the public `Status` calls each state."""

JOB_STATES = {
    "RUNNING": "running",
    "COMPLETED": "succeeded",
    "FAILED": "failed",
    "NOT_STARTED": "pending",
    "PARENT_FAILED": "pending",
    "CANCELLED": "pending",
}
"""What `get_job_states` calls each status."""


def counts(engine: Columns) -> dict[str, int]:
    """How many nodes with work are in each state; states without any are left out.

    >>> from ramify.core.engine import Engine
    >>> engine = Engine(); _ = engine.add("a"); counts(engine)
    {'idle': 1}
    """
    column = engine.state
    hidden = bytes(
        column[n] for n, flags in enumerate(engine.flags) if flags & KIND == GATHER or flags & RULE
    )
    found = {}
    for state, name in enumerate(NAMES):
        count = engine.state.count(state) - hidden.count(state)
        if count:
            found[name] = count
    return found


def snapshot(engine: Columns) -> dict[str, Any]:
    """Everything that events determine, in plain values: equal snapshots are equal runs."""
    return {
        "keys": list(engine.keys),
        "state": bytes(engine.state),
        "wanted": bytes(engine.wanted),
        "attempts": list(engine.attempts),
        "need": list(engine.need),
        "digests": dict(engine.digests),
        "reasons": dict(engine.reasons),
        "busy": engine.busy,
    }


def story(engine: Columns, node: int) -> str:
    """One sentence on how a node came to be where it is."""
    state = NAMES[engine.state[node]]
    parts = [f"it is {state}"]
    if engine.attempts[node]:
        count = engine.attempts[node]
        parts.append(f"after {count} attempt{'s' if count > 1 else ''}")
    parents = engine.parents[node]
    if parents:
        parts.append(f"{len(parents) - engine.need[node]} of its {len(parents)} parents are good")
    if node in engine.why:
        parts.append(f"wanted because: {engine.why[node]}")
    if engine.state[node] == BLOCKED:
        parts.append(f"blocked by {blocker(engine, node)!r}")
    return ", ".join(parts)


def blocker(engine: Columns, node: int) -> str:
    """The key of the first failure that keeps a blocked node from running."""
    first = engine.reasons.get(node)
    return engine.keys[first] if isinstance(first, int) else engine.keys[node]


def unfinished_parents(engine: Columns, node: int) -> list[str]:
    """The keys of the parents that are not good, those that ended badly first."""
    open_ones = [p for p in engine.parents[node] if not GOOD[engine.state[p]]]
    open_ones.sort(key=lambda p: not BAD[engine.state[p]])
    return [engine.keys[p] for p in open_ones]


def with_bad_parents(engine: Columns, nodes: Iterable[int]) -> list[int]:
    """Those of the nodes that ended without a value, and all above them that did: what to put back."""
    state = engine.state
    walk = [node for node in dict.fromkeys(nodes) if BAD[state[node]]]
    seen = set(walk)
    for node in walk:
        for parent in engine.parents[node]:
            if BAD[state[parent]] and parent not in seen:
                seen.add(parent)
                walk.append(parent)
    return walk
