"""What the driver is told: what to do about time and failure, and whom to ask about the nodes."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ramify.models import RetryStrategy
from ramify.ports import Order, Outcome


class Work(Protocol):
    """What the driver has to know about a run's nodes: the tables behind the numbers."""

    def order(self, node: int, attempt: int) -> Order:
        """The order for one attempt."""

    def accept(self, node: int, attempt: int, outcome: Outcome) -> str | None:
        """Takes a good outcome in: makes the part the output; returns the digest of the value."""

    def drop(self, node: int, attempt: int) -> None:
        """Forgets what a stale or failed attempt left behind."""

    def as_pass(self, node: int, attempt: int, outcome: Outcome) -> Outcome:
        """A good outcome without a digest, as the pass of growth that it may be."""

    def early(self, node: int) -> str | None:
        """The rebuilder: the digest of an old result that stands whatever the parents do, or None."""

    def late(self, node: int) -> str | None:
        """The rebuilder: the digest of an old result that was made of what the parents brought, or None."""


class Policy(msgspec.Struct):
    """What is to be done about time and failure. Times are seconds; the dicts are by node number. `spent` are
    attempts that an earlier driver of the run made, or that were made before a node was put back.

    `strategy` and `node_strategies` win over `retries` and `node_retries`; a node's own words win over those
    for all. `salt` is what the jitter of waits is made of besides the node and the attempt. `deadline` is for
    the whole run, `node_deadlines` for all attempts of a node together, and the waits between them.
    """

    fail_fast: bool = True
    workers: int | None = 1
    retries: int = 0
    timeout: float | None = None
    node_retries: dict[int, int] = msgspec.field(default_factory=dict)
    node_timeouts: dict[int, float] = msgspec.field(default_factory=dict)
    spent: dict[int, int] = msgspec.field(default_factory=dict)
    strategy: RetryStrategy | None = None
    node_strategies: dict[int, RetryStrategy] = msgspec.field(default_factory=dict)
    salt: str = ""
    deadline: float | None = None
    node_deadlines: dict[int, float] = msgspec.field(default_factory=dict)

    def set_retries(self, retries: int | RetryStrategy, node: int | None = None) -> None:
        """What a number or a strategy means, for a node or for all that say nothing."""
        if node is None:
            self.retries = retries if isinstance(retries, int) else 0
            self.strategy = None if isinstance(retries, int) else retries
        elif isinstance(retries, int):
            self.node_retries[node] = retries
        else:
            self.node_strategies[node] = retries

    def strategy_of(self, node: int) -> RetryStrategy | None:
        """The strategy that holds for a node; None where a mere number of retries does."""
        own = self.node_strategies.get(node)
        return own if own is not None or node in self.node_retries else self.strategy

    def retries_of(self, node: int) -> int:
        """The last attempt that another may follow; those of an earlier driver do not count."""
        return self.node_retries.get(node, self.retries) + self.spent.get(node, 0)

    def pause_after(self, node: int, attempt: int, outcome: Outcome) -> float | None:
        """Seconds to wait between a failed attempt and the next, or None where no other follows."""
        strategy = self.strategy_of(node)
        if strategy is None:
            return 0.0 if attempt <= self.retries_of(node) else None
        return strategy.again(attempt - self.spent.get(node, 0), outcome, f"{self.salt}\n{node}")

    def timeout_of(self, node: int) -> float | None:
        """How long an attempt of the node may take."""
        return self.node_timeouts.get(node, self.timeout)

    @property
    def has_timeouts(self) -> bool:
        """Whether any attempt is limited in time, so that it may have to be abandoned."""
        limited = self.timeout is not None or self.deadline is not None
        return limited or bool(self.node_timeouts or self.node_deadlines)
