"""Runs in memory: functions and values in this process, nothing on disk.

The same engine and driver as for a run on disk, with a store that is a list. It can be watched, not resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ramify.core.engine import EVERYTHING, Engine
from ramify.core.table import BLOCKED, CANCELLED, FAILED, GOOD
from ramify.errors import JobCancelled, JobError, ParentFailed, UnknownKeyError
from ramify.executors.threads import ThreadExecutor
from ramify.journals.memory import NoJournal
from ramify.ports import Failure, Journal, Observer, Order, Outcome
from ramify.run.contract import Policy
from ramify.run.driver import Driver
from ramify.run.queue import ReadyQueue
from ramify.run.record import Recorder


class Ref(int):
    """Stands for the value of a node in the arguments of another: the node's number.

    An `int` without attributes is nothing that the garbage collector has to look at, however many there are.
    """

    __slots__ = ()


class MemoryRun:
    """A graph of calls, run in this process.

    `workers=0` runs one call at a time in the calling thread, in the order in which they were added;
    otherwise in so many threads. Values are kept until the run is dropped.

    >>> run = MemoryRun()
    >>> two = run.add("two", lambda: 2)
    >>> five = run.add("five", lambda x, y: x + y, (two, 3))
    >>> run.start(); run.result("five")
    5
    """

    def __init__(
        self,
        *,
        workers: int = 0,
        fail_fast: bool = False,
        retries: int = 0,
        journal: Journal | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.engine = Engine()
        self.values: list[Any] = []
        self._functions: list[Callable[..., Any]] = []
        self._arguments: list[tuple[Any, ...]] = []
        self._keywords: dict[int, Mapping[str, Any]] = {}
        self._plain = bytearray()
        self._errors: dict[int, BaseException] = {}
        self._inline = workers == 0
        policy = Policy(fail_fast=fail_fast, workers=max(workers, 1), retries=retries)
        self.queue = ReadyQueue()
        self.driver = Driver(
            self.engine,
            self,
            [ThreadExecutor(self._perform, workers)],
            policy=policy,
            queue=self.queue,
            recorder=Recorder(journal or NoJournal(), observers),
        )

    def add(
        self,
        key: str,
        func: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        after: Sequence[int] = (),
    ) -> Ref:
        """Adds a call and returns what stands for its value; a `Ref` among the arguments is a parent.

        `after` are nodes that must be good first although their values are not used.
        """
        parents = [int(a) for a in args if type(a) is Ref]
        if kwargs:
            parents += [int(a) for a in kwargs.values() if type(a) is Ref]
        plain = not parents
        if after or len(parents) > 1:
            parents = list(dict.fromkeys((*parents, *map(int, after))))
        node = self.engine.add(key, tuple(parents))
        self._functions.append(func)
        self._arguments.append(args)
        if kwargs:
            self._keywords[node] = kwargs
        self._plain.append(plain)
        self.values.append(None)
        return Ref(node)

    def start(self) -> None:
        """Runs everything that was added, and returns when the run is at rest."""
        self.engine.want(None, EVERYTHING)
        self.driver.run()

    def result(self, key: str) -> Any:
        """The value of a call; raises the call's own exception, or says why there is no value."""
        node = self.engine.number.get(key)
        if node is None:
            raise UnknownKeyError(f"no call {key!r} in this run", key=key)
        state = self.engine.state[node]
        if state == FAILED:
            raise self._errors[node]
        if state == BLOCKED:
            cause = self.engine.reasons[node]
            raise ParentFailed(
                f"{key!r} could not run: {self.engine.keys[cause]!r} has no value", job_id=key
            ) from self._errors.get(cause)
        if state == CANCELLED:
            raise JobCancelled(f"{key!r} was cancelled: {self.engine.reasons[node]}", job_id=key)
        if not GOOD[state]:
            raise JobError(f"{key!r} has not run", job_id=key)
        return self.values[node]

    # ---- the driver's questions

    def order(self, node: int, attempt: int) -> Order:
        """One attempt; calls of one function are of one kind."""
        return Order(node, attempt, "", None, None, id(self._functions[node]))

    def accept(self, node: int, attempt: int, outcome: Outcome) -> str | None:
        """Keeps the value."""
        assert isinstance(outcome, _Returned), "a good outcome in memory has its value"
        self.values[node] = outcome.value
        return None

    def drop(self, node: int, attempt: int) -> None:
        """A failed attempt leaves nothing in memory."""

    def early(self, node: int) -> str | None:
        """Nothing is left from earlier runs."""
        return None

    def late(self, node: int) -> str | None:
        """Nothing is left from earlier runs."""
        return None

    def _perform(self, order: Order) -> Outcome:
        node = order.node
        func: Callable[..., Any] = self._functions[node]
        args: Sequence[Any] = self._arguments[node]
        kwargs = self._keywords.get(node) if self._keywords else None
        try:
            if not self._plain[node]:
                values = self.values
                args = [values[a] if type(a) is Ref else a for a in args]
                if kwargs:
                    kwargs = {k: values[a] if type(a) is Ref else a for k, a in kwargs.items()}
            if self._inline:
                self.driver.interrupts.expose()
            return _Returned("ok", value=func(*args, **kwargs) if kwargs else func(*args))
        except BaseException as error:
            if self._inline and isinstance(error, KeyboardInterrupt):
                raise
            self._errors[node] = error
            return Outcome("error", error=Failure(type(error).__name__, _text_of(error)))
        finally:
            if self._inline:
                self.driver.interrupts.hide()


class _Returned(Outcome, gc=False):
    """A good outcome in memory: the value itself."""

    value: Any = None


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # an exception whose text cannot be had is still a failure
        return f"<its text cannot be had: {type(second).__name__}>"
