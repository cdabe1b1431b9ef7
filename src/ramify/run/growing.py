"""Growth while a run goes on: what the driver asks of whoever makes its graph grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ramify.errors import GrowthError
from ramify.ports import Outcome

Settle = Callable[[int, int], None]
"""`settle(node, attempt)`: what a pass came to is made true."""


class Pass(Outcome, gc=False):
    """The good outcome of a pass of a grow node: whoever drives calls `settle`, which adds nodes and ends the
    pass: the node sleeps, or has its value. What `settle` raises fails the node; nothing was added then.
    """

    settle: Any = None


def undeclared(key: str) -> GrowthError:
    """The error of a job that adds, and did not say that it may."""
    return GrowthError(
        f"{key!r} returned an Extend and does not say what it may add: say may_add=() for a job that adds "
        "nodes below its own key alone",
        rule=key,
    )


class Grower(Protocol):
    """Knows why grow nodes sleep, and wakes them. Called by whoever drives, so it must be quick."""

    def look(self) -> None:
        """News was folded: wakes what waited for it."""

    def at_rest(self) -> bool:
        """Nothing runs and nothing is owed; whether something was woken because of that."""

    def unfired(self) -> dict[str, str]:
        """The rules that have not fired, by name, and what each waits for."""
