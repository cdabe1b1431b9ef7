"""Real futures for the nodes of a live graph."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from ramify.dag.status import Status
from ramify.errors import JobCancelled

if TYPE_CHECKING:
    from ramify.dag.submitted import Submitted


class NodeFuture(Future[Any]):
    """The future of a node's present attempts; `cancel` gives the node up."""

    def __init__(self, owner: Submitted, number: int) -> None:
        super().__init__()
        self._owner = owner
        self._number = number

    def cancel(self) -> bool:
        """True if the node had not started."""
        return self._owner.cancel_node(self._number, force=False)

    def running(self) -> bool:
        """Whether an attempt is under way."""
        return not self.done() and self._owner.status_of(self._number) is Status.RUNNING

    def settle(self, error: BaseException | None, value: Any) -> None:
        """Takes the outcome, unless it has one."""
        if self.done():
            return
        if isinstance(error, JobCancelled):
            super().cancel()
            self.set_running_or_notify_cancel()
        elif self.set_running_or_notify_cancel():
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
