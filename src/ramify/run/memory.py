"""Runs in memory: functions and values in this process, nothing on disk.

The same engine and driver as for a run on disk, with a store that is a list. It can be watched, not resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import CoroutineType
from typing import Any, Self

from ramify.core.engine import EVERYTHING, Engine
from ramify.core.graph import GROW, WORK
from ramify.core.table import BLOCKED, CANCELLED, FAILED, GOOD
from ramify.errors import (
    DuplicateKeyError,
    JobCancelled,
    JobError,
    ModeError,
    ParentFailed,
    UnknownKeyError,
)
from ramify.executors.threads import ThreadExecutor
from ramify.journals.memory import NoJournal
from ramify.ports import Failure, Journal, Observer, Order, Outcome
from ramify.run.contract import Policy
from ramify.run.driver import Driver
from ramify.run.queue import ReadyQueue
from ramify.run.record import Recorder
from ramify.run.same_call import is_same
from ramify.run.values import Away, LargeValues
from ramify.values.size import PLAIN, is_small, size_of
from ramify.values.substitution import replace
from ramify.worker.failure import lighten

NONE, _SOME, _DEEP = range(3)
"""What stands for values in the arguments of a call: nothing, arguments themselves, or parts of them too."""


class Ref(int):
    """Stands for the value of a node in the arguments of another: the node's number.

    An `int` without attributes is nothing that the garbage collector has to look at, however many there are.
    """

    __slots__ = ()


class MemoryRun:
    """A graph of calls, run in this process.

    `workers=0` runs one call at a time in the calling thread, in the order in which they were added;
    otherwise in so many threads.

    A value of up to 1 MB, and that of a call which nothing uses, is kept as long as the run. A larger one
    goes when the last call that uses it has ended, or can no longer run: `result()` then raises
    `ValueReleased`.
    `keep="all"` keeps them all, `add(..., keep=True)` one, `hold` and `release` for as long as wanted.

    `memory_limit` is in bytes, for the values that are kept or waited for: beyond it, values that no running
    call uses are put away in a temporary folder, and brought back when wanted. It is a limit on the estimated
    sizes of those values, not on what calls use while they run. `close()` removes the folder, and so does the
    end of the run object; `with MemoryRun(...) as run:` closes at its end.

    >>> run = MemoryRun()
    >>> two = run.add("two", lambda: 2)
    >>> five = run.add("five", lambda x, y: x + y, (two, 3))
    >>> run.start(); run.result("five")
    5
    >>> run = MemoryRun()
    >>> big = run.add("big", lambda: bytes(2_000_000))
    >>> size = run.add("size", len, (big,))
    >>> run.start(); run.result("size")
    2000000
    >>> run.result("big")
    Traceback (most recent call last):
        ...
    ramify.errors.ValueReleased: the value of 'big' was let go when the last call that uses it had ended. To \
keep it, add the call with keep=True, hold it, or make the run with keep="all"
    """

    driver: Any

    def __init__(
        self,
        *,
        workers: int = 0,
        fail_fast: bool = False,
        retries: int = 0,
        journal: Journal | None = None,
        observers: Sequence[Observer] = (),
        keep: str = "results",
        memory_limit: int | None = None,
    ) -> None:
        if keep not in ("results", "all"):
            raise ModeError(f'keep is "results" or "all", not {keep!r}')
        if memory_limit is not None and memory_limit < 0:
            raise ModeError(f"memory_limit is a number of bytes or None, not {memory_limit!r}")
        self.engine = Engine()
        self.values: list[Any] = []
        self.large = LargeValues(self.engine, self.values, keep == "all", memory_limit)
        self._functions: list[Callable[..., Any]] = []
        self._arguments: list[tuple[Any, ...]] = []
        self._keywords: dict[int, Mapping[str, Any]] = {}
        self._inside = bytearray()
        self._errors: dict[int, BaseException] = {}
        self._watching = self.large.watching
        self._begun = False
        self._inline = workers == 0
        policy = Policy(fail_fast=fail_fast, workers=max(workers, 1), retries=retries)
        self._prepare(policy, workers, Recorder(journal or NoJournal(), observers))

    def _prepare(self, policy: Policy, workers: int, recorder: Recorder) -> None:
        self.queue = ReadyQueue()
        self.driver = Driver(
            self.engine,
            self,
            [ThreadExecutor(self.perform, workers)],
            policy=policy,
            queue=self.queue,
            recorder=recorder,
        )
        self._interrupts = self.driver.interrupts

    def add(
        self,
        key: str,
        func: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        after: Sequence[int] = (),
        *,
        keep: bool = False,
        nested: Sequence[int] = (),
        grows: bool = False,
    ) -> Ref:
        """Adds a call and returns what stands for its value; a `Ref` among the arguments is a parent.

        `nested` are those that are not arguments themselves, but stand in containers that are. `after` are
        nodes that must be good first although their values are not used. `keep` keeps the value as long as
        the run, however large it is. `grows`: it may add nodes.
        """
        parents = [int(a) for a in args if type(a) is Ref] if args else []
        if kwargs:
            parents += [int(a) for a in kwargs.values() if type(a) is Ref]
        inside = _SOME if parents else NONE
        if nested:
            parents += nested
            inside = _DEEP
        used = parents
        if after or len(parents) > 1:
            parents = list(dict.fromkeys((*parents, *map(int, after))))
        node = self.engine.add(key, tuple(parents), GROW if grows else WORK)
        values = self.values
        if node != len(values):
            return self._again(node, func, args, kwargs)
        if after or keep or self._begun:
            func = self._look_after(node, func, used, parents, keep)
        self._functions.append(func)
        self._arguments.append(args)
        if kwargs:
            self._keywords[node] = kwargs
        self._inside.append(inside)
        values.append(None)
        return Ref(node)

    def _look_after(
        self, node: int, func: Callable[..., Any], used: list[int], parents: list[int], keep: bool
    ) -> Callable[..., Any]:
        """Tells of a new call which values it only waits for, and which large ones it uses.

        Returns the function to call: one that says so, if a value that it uses is gone already.
        """
        unused = frozenset(parents).difference(used)
        if unused:
            self.large.order_only[node] = unused
        if keep:
            self.large.hold(node)
        self.large.gained(used)
        for parent in used:
            if parent in self.large.gone:
                return partial(self._say_gone, parent)
        return func

    def _say_gone(self, node: int, *_: Any, **__: Any) -> None:
        self.large.fetch(node, self.engine.keys[node])

    def _again(
        self, node: int, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
    ) -> Ref:
        before = self._arguments[node], self._keywords.get(node, {})
        if not is_same((self._functions[node], *before), (func, args, kwargs or {})):
            key = self.engine.keys[node]
            raise DuplicateKeyError(
                f"the key {key!r} has another call. Give the new one another key", key=key
            )
        return Ref(node)

    def start(self) -> None:
        """Runs everything that was added, and returns when the run is at rest.

        Where it is interrupted, what was put away in the temporary folder is gone.
        """
        self._begun = True
        self.engine.want(None, EVERYTHING)
        try:
            self.driver.run()
        except BaseException:
            self.close()
            raise
        self.large.sweep_now()

    def cancel(self, why: str = "cancelled", force: bool = False) -> None:
        """Starts nothing more; with `force`, does not wait for what runs either. From any thread."""
        self.driver.cancel(why, force)
        self.driver.request(self.large.sweep_now)

    def close(self) -> None:
        """Removes the temporary folder, and with it what was put away there. May be called twice."""
        self.large.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self, node: int) -> None:
        """Keeps the value of a node until `release` was called as often as this. From any thread.

        A handle that a user has does both: `hold` when it is made, `release` when it goes (a finalizer may).
        """
        self.large.hold(node)

    def release(self, node: int) -> None:
        """Takes back one `hold`; a large value that nothing else keeps or needs goes. From any thread."""
        self.large.release(node)

    def result(self, key: str) -> Any:
        """The value of a call; raises the call's own exception, or says why there is no value.

        Raises `ValueReleased` for a value that was let go, `ParentFailed`, `JobCancelled`, `JobError` where
        the call has none, `UnknownKeyError` where there is no such call.
        """
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
        value = self.values[node]
        return self.large.fetch(node, key) if type(value) is Away else value

    # ---- the driver's questions

    def order(self, node: int, attempt: int) -> Order:
        """One attempt; calls of one function are of one kind."""
        return Order(node, attempt, "", None, None, id(self._functions[node]))

    def accept(self, node: int, attempt: int, outcome: Outcome) -> str | None:
        """Keeps the value."""
        if type(outcome) is _Returned:
            self.values[node] = outcome.value
        else:
            assert isinstance(outcome, _Large), "a good outcome in memory has its value"
            self.values[node] = outcome.value
            self.large.arrived(node, attempt, outcome.size)
        if self._watching and node in self._watching:
            self.large.ended(node)
        return None

    def drop(self, node: int, attempt: int) -> None:
        """A failed attempt leaves nothing in memory; if no other follows, what it used may go."""
        self.large.refused(node, attempt)
        if self._watching:
            self.driver.request(self.large.sweep)  # when the engine knows of the failure, and of its victims

    def as_pass(self, node: int, attempt: int, outcome: Outcome) -> Outcome:
        """What is made in memory is a pass already, where it is one."""
        return outcome

    def early(self, node: int) -> str | None:
        """Nothing is left from earlier runs."""
        return None

    def late(self, node: int) -> str | None:
        """Nothing is left from earlier runs."""
        return None

    def perform(self, order: Order) -> Outcome:
        """One attempt in this thread."""
        return self._perform(order) if self.large.limit is None else self._perform_within(order)

    def _perform(self, order: Order) -> Outcome:
        node = order.node
        func: Callable[..., Any] = self._functions[node]
        args: Sequence[Any] = self._arguments[node]
        kwargs = self._keywords.get(node) if self._keywords else None
        try:
            if self._inside[node]:
                args, kwargs = self._with_values(node, args, kwargs)
            if self._inline:
                self._interrupts.expose()
            value = func(*args, **kwargs) if kwargs else func(*args)
            return _Returned("ok", value=value) if type(value) in PLAIN else self.made(value)
        except BaseException as error:
            if self._inline and isinstance(error, KeyboardInterrupt):
                raise
            args, kwargs = (), None  # the error has this frame, and would keep them
            return self._failure(node, error)
        finally:
            if self._inline:
                self._interrupts.hide()

    def _with_values(self, node: int, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Any:
        values = self.values
        if self._inside[node] == _DEEP:
            return replace((args, kwargs), Ref, values.__getitem__)
        args = [values[a] if type(a) is Ref else a for a in args]
        if kwargs:
            kwargs = {k: values[a] if type(a) is Ref else a for k, a in kwargs.items()}
        return args, kwargs

    def call_of(self, order: Order) -> tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]:
        """The call of an order, values and all, for an executor that makes it elsewhere."""
        node = order.node
        args, kwargs = self._with_values(node, self._arguments[node], self._keywords.get(node))
        return self._functions[node], args, dict(kwargs or {})

    def _perform_within(self, order: Order) -> Outcome:
        """As `_perform`, with a memory limit: what the call needs is there while it runs, and others go."""
        try:
            borrowed = self.large.borrow(self._used_by(order.node))
            try:
                outcome = self._perform(order)
            finally:
                self.large.give_back(borrowed)
            if isinstance(outcome, _Large):
                self.large.expect(order.node, order.attempt, outcome.size)
            return outcome
        except Exception as error:  # what was put away cannot be read, or a warning was made an error
            return self._failure(order.node, error)

    def made(self, value: Any) -> Outcome:
        """The good outcome of a call that returned `value`; a coroutine is run to its end first."""
        if type(value) is CoroutineType:
            from ramify.worker.attempt import finish

            value = finish(value)
        return self._made_of(value, 0 if is_small(value) else None)

    def _made_of(self, value: Any, size: int | None) -> Outcome:
        size = size_of(value) if size is None else size
        if size > self.large.noticed:
            return _Large("ok", value=value, size=size)
        return _Returned("ok", value=value)

    def _used_by(self, node: int) -> list[int]:
        """The nodes whose values a call gets."""
        if not self._inside[node]:
            return []
        unused = self.large.order_only.get(node, ())
        return [parent for parent in self.engine.parents[node] if parent not in unused]

    def _failure(self, node: int, error: BaseException) -> Outcome:
        self._errors[node] = error
        if not self.large.keep_all:
            lighten(error)
        return Failed("error", error=Failure(type(error).__name__, _text_of(error)))


class _Returned(Outcome, gc=False):
    """A good outcome in memory: the value itself."""

    value: Any = None


class Failed(Outcome, gc=False):
    """A failure whose exception the run has."""


class _Large(Outcome, gc=False):
    """As `_Returned`, with the bytes that the value takes."""

    value: Any = None
    size: int = 0


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # an exception whose text cannot be had is still a failure
        return f"<its text cannot be had: {type(second).__name__}>"
