"""The rebuilder's two questions, put and answered until none is left."""

from __future__ import annotations

from collections.abc import Callable

from ramify.core.engine import Engine
from ramify.core.table import ASKED, CHECKED

Answer = Callable[[int], str | None]
"""Gives the digest of an old result of a node that stands, or None."""


def answer(engine: Engine, early: Answer, late: Answer, now: Callable[[], float]) -> None:
    """Answers what the engine asks; afterwards no early hit has an ancestor that is going to run."""
    while engine.asks or engine.fresh or engine.checks:
        while engine.asks:
            asks, engine.asks = engine.asks, []
            for node in asks:
                if engine.state[node] == ASKED:
                    engine.early(node, early(node), now())
        engine.settle(now())
        if not engine.asks:
            checks, engine.checks = engine.checks, []
            for node in checks:
                if engine.state[node] == CHECKED:  # a parent's hit may have been voided since
                    engine.late(node, late(node), now())
