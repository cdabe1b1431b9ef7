"""What the driver is told: what to do about time and failure, and whom to ask about the nodes."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ramify.ports import Order, Outcome


class Work(Protocol):
    """What the driver has to know about a run's nodes: the tables behind the numbers."""

    def order(self, node: int, attempt: int) -> Order:
        """The order for one attempt."""

    def accept(self, node: int, attempt: int, outcome: Outcome) -> str | None:
        """Takes a good outcome in: makes the part the output; returns the digest of the value."""

    def drop(self, node: int, attempt: int) -> None:
        """Forgets what a stale or failed attempt left behind."""

    def early(self, node: int) -> str | None:
        """The rebuilder: the digest of an old result that stands whatever the parents do, or None."""

    def late(self, node: int) -> str | None:
        """The rebuilder: the digest of an old result that was made of what the parents brought, or None."""


class Policy(msgspec.Struct):
    """What is to be done about time and failure. Times are seconds; the dicts are by node number. `spent` are
    attempts that an earlier driver of the run made.
    """

    fail_fast: bool = True
    workers: int | None = 1
    retries: int = 0
    timeout: float | None = None
    node_retries: dict[int, int] = msgspec.field(default_factory=dict)
    node_timeouts: dict[int, float] = msgspec.field(default_factory=dict)
    spent: dict[int, int] = msgspec.field(default_factory=dict)

    def retries_of(self, node: int) -> int:
        """The last attempt that another may follow; those of an earlier driver do not count."""
        return self.node_retries.get(node, self.retries) + self.spent.get(node, 0)

    def timeout_of(self, node: int) -> float | None:
        """How long an attempt of the node may take."""
        return self.node_timeouts.get(node, self.timeout)

    @property
    def has_timeouts(self) -> bool:
        """Whether any attempt is limited in time."""
        return self.timeout is not None or bool(self.node_timeouts)
