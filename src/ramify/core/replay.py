"""Folding a log: the same methods that made it are called again with what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ramify.core.engine import Engine
from ramify.errors import JournalError

Rows = tuple[str, list[int], list[float], list[Any]]
"""Letters, nodes, times, data: one of each per event."""


def replay(engine: Engine, batches: Iterable[Rows]) -> Engine:
    """Folds batches of rows into an engine, whose commands and log are empty afterwards.

    >>> first = Engine(); a = first.add("a"); first.want(None, "all")
    >>> attempt = first.started(a, 1.0); first.failed(a, attempt, "no", 2.0)
    True
    >>> second = Engine(); _ = second.add("a")
    >>> bytes(replay(second, [first.take()]).state) == bytes(first.state)
    True
    """
    for letters, nodes, times, data in batches:
        for letter, node, t, fact in zip(letters, nodes, times, data, strict=True):
            step = _STEPS.get(letter)
            if step is None:
                raise JournalError(f"the journal has an event {letter!r} that this version does not know")
            step(engine, node, t, fact)
        engine.take()
    for commands in (engine.asks, engine.checks, engine.ready, engine.reverted, engine.noticed):
        commands.clear()
    engine.stopping.clear()
    return engine


def _added(engine: Engine, node: int, t: float, fact: Any) -> None:
    engine.added([(key, tuple(parents), flags, declared) for key, parents, flags, declared in fact], t)


def _grown(engine: Engine, node: int, t: float, fact: Any) -> None:
    nodes = [(key, tuple(parents), flags, declared) for key, parents, flags, declared in fact[0]]
    engine.grew(node, engine.attempts[node], nodes, t, fact[1])


def _wanted(engine: Engine, node: int, t: float, fact: Any) -> None:
    engine.want(fact[0], fact[1], t)


_STEPS: dict[str, Callable[[Engine, int, float, Any], Any]] = {
    "+": _added,
    "g": _grown,
    "w": _wanted,
    "e": lambda engine, node, t, fact: engine.early(node, fact, t),
    "l": lambda engine, node, t, fact: engine.late(node, fact, t),
    "s": lambda engine, node, t, fact: engine.started(node, t, fact),
    "S": lambda engine, node, t, fact: engine.succeeded(node, engine.attempts[node], fact, t),
    "f": lambda engine, node, t, fact: engine.failed(node, engine.attempts[node], fact, t),
    "r": lambda engine, node, t, fact: engine.again(node, engine.attempts[node], fact, t),
    "z": lambda engine, node, t, fact: engine.slept(node, engine.attempts[node], fact, t),
    "k": lambda engine, node, t, fact: engine.woken(node, fact, t),
    "x": lambda engine, node, t, fact: _cancelled(engine, node, t, fact),
    "X": lambda engine, node, t, fact: engine.stopped(node, engine.attempts[node], fact, t),
    "R": lambda engine, node, t, fact: engine.reset(fact[0], fact[1], t),
    "t": lambda engine, node, t, fact: engine.settle(t),
}


def _cancelled(engine: Engine, node: int, t: float, fact: Any) -> None:
    if node < 0:
        engine.cancelled_all(fact, t)
    else:
        engine.cancelled(node, fact, t)
