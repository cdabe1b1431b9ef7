"""One session of a live run: the driver that may be asked for more until it shuts, and whom the run tells."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

from ramify.executors.threads import ThreadExecutor
from ramify.ports import Executor, Outcome
from ramify.run.driver import Driver
from ramify.run.memory import Failed
from ramify.worker.failure import describe

if TYPE_CHECKING:
    from ramify.run.live import LiveRun

Act = Callable[[], object]


class Owner(Protocol):
    """Whose run it is. All but `rest` is called by whoever drives, and must be quick; what `started` and
    `ended` return, and `rest`, is called in the thread of callbacks.
    """

    def handle(self, node: int) -> Any:
        """What stands for a node in errors."""

    def completed(self, node: int) -> None:
        """The node has a value."""

    def is_held(self, node: int) -> bool:
        """Whether somebody may still ask for the value."""

    def forgot(self, node: int) -> None:
        """The node is back at the start."""

    def started(self, node: int) -> Act:
        """An attempt of the node began."""

    def ended(self, node: int) -> Act:
        """The node came to rest."""

    def rest(self) -> None:
        """The run is at rest."""

    def abandoned(self, thread: threading.Thread) -> None:
        """The work in a thread of this process is not wanted any more, and cannot be stopped from outside."""

    def retried(self, nodes: list[int]) -> list[int]:
        """All that is to be retried when these are."""


class LiveDriver(Driver):
    """A driver that ends only when nothing more was asked of it."""

    def __init__(self, run: LiveRun, executors: Sequence[Executor], **parts: Any) -> None:
        super().__init__(run.engine, run, executors, **parts)
        self._live = run
        self._closing: ExitStack
        self._gate = threading.Lock()
        self._shut = False

    def ask(self, act: Callable[[], None]) -> bool:
        """Has `act` called by whoever drives; False when the session is over, or was about to be."""
        with self._gate:
            if self._shut:
                return False
            self._requests.append(act)
        self.drive()
        return True

    def _start(self, closing: ExitStack) -> None:
        self._closing = closing
        super()._start(closing)

    def add_executor(self, executor: Executor) -> None:
        """One more place for nodes to run; called by whoever drives."""
        executor.start(self.tell)
        self._closing.callback(self._close, executor)
        self.executors = [*self.executors, executor]
        self.in_flight.append(0)
        if isinstance(executor, ThreadExecutor):
            self._threads.append(executor)

    def _failed(self, node: int, attempt: int, outcome: Outcome, why: str | None) -> None:
        if self._live.recording is not None and isinstance(outcome, Failed):
            outcome.error = describe(self._live._errors[node], keep=True)
        super()._failed(node, attempt, outcome, why)
        self._live.failed_outside(node, outcome)

    def _turn(self) -> None:
        self._live.acting = get_ident()
        try:
            super()._turn()
            if self.engine.rested:
                self._live.tell_rested()
        finally:
            self._live.acting = 0

    def _at_rest(self) -> None:
        with self._gate:
            if self._requests or self._delayed or self._naps:
                return
            self._shut = True
        super()._at_rest()

    def _broken(self, error: BaseException) -> None:
        with self._gate:
            self._shut = True
        super()._broken(error)

    def _end_everything(self, what: str) -> None:
        with self._gate:
            self._shut = True
        super()._end_everything(what)


class Answer:
    """A request whose caller waits for what it returns."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self._act = act
        self._done = threading.Lock()
        self._done.acquire()
        self._value: Any = None
        self._error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self._value = self._act()
        except BaseException as error:
            self._error = error
        finally:
            self._done.release()

    def get(self) -> Any:
        self._done.acquire()
        if self._error is not None:
            raise self._error
        return self._value
