"""Attempts of `async def` functions: many at a time on one event loop, in one thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from ramify.errors import InfrastructureError
from ramify.ports import Order, Outcome, Tell

LET_GO: Final = 1.0
"""Seconds that a cancelled task may take to end, before nobody waits for it any more."""


class AsyncExecutor:
    """Performs orders as tasks of an event loop, at most `slots` at a time.

    `perform` carries out one order and returns its outcome; it raises nothing but `CancelledError`. Unlike a
    thread, a task can be stopped: it is cancelled where it awaits. One that will not end, since it goes on
    after the cancelling or never awaits, is let go of, and its late word changes nothing.
    """

    stops = True

    def __init__(self, perform: Callable[[Order], Awaitable[Outcome]], slots: int) -> None:
        self.perform = perform
        self.slots: int | None = slots
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[tuple[int, int], asyncio.Task[None]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False
        self._timers: set[threading.Timer] = set()
        self._deaf = False

    def start(self, tell: Tell) -> None:
        """Starts the loop's thread."""
        self._tell = tell
        self._thread = threading.Thread(target=self._loop.run_forever, name="ramify-async", daemon=True)
        self._thread.start()

    def submit(self, orders: Sequence[Order]) -> None:
        """Makes a task of each order."""
        if self._closed:
            raise InfrastructureError("this executor was closed: it takes no more orders")
        self._loop.call_soon_threadsafe(self._begin, list(orders))

    def _begin(self, orders: list[Order]) -> None:
        for order in orders:
            attempt = order.node, order.attempt
            self._tasks[attempt] = self._loop.create_task(self._carry_out(order))

    async def _carry_out(self, order: Order) -> None:
        attempt = order.node, order.attempt
        try:
            outcome = await self.perform(order)
        except asyncio.CancelledError:
            outcome = Outcome("stopped")
        self._tasks.pop(attempt, None)
        self._tell(*attempt, "ended", outcome)

    def stop(self, attempts: Iterable[tuple[int, int]]) -> None:
        """Cancels the tasks of these attempts."""
        if self._closed:
            return
        wanted = list(attempts)
        self._loop.call_soon_threadsafe(self._cancel, wanted)
        timer = threading.Timer(LET_GO, self._let_go, (wanted,))
        timer.daemon = True
        self._timers.add(timer)
        timer.start()

    def _cancel(self, attempts: list[tuple[int, int]]) -> None:
        for attempt in attempts:
            task = self._tasks.get(attempt)
            if task is not None:
                task.cancel()

    def _let_go(self, attempts: list[tuple[int, int]]) -> None:
        for attempt in attempts:
            if self._tasks.pop(attempt, None) is not None:
                self._deaf = True
                self._tell(*attempt, "ended", Outcome("stopped"))

    def close(self, force: bool = False) -> None:
        """Ends the loop once its tasks are over; with `force`, cancels them first.

        A loop that does not end in time is left behind in its daemon thread.
        """
        if self._closed:
            return
        self._closed = True
        for timer in self._timers:
            timer.cancel()
            timer.join()
        if self._thread is None:
            self._loop.close()
            return
        self._wait_for(self._end_tasks(force), LET_GO if force or self._deaf else None)
        if self._wait_for(self._clean_up(), LET_GO):
            self._thread.join()
            self._loop.close()

    def _wait_for(self, step: Coroutine[Any, Any, None], most: float | None) -> bool:
        """Whether the step was done in time; if not, it goes on by itself."""
        try:
            asyncio.run_coroutine_threadsafe(step, self._loop).result(most)
        except TimeoutError:
            return False
        return True

    async def _end_tasks(self, force: bool) -> None:
        tasks = list(self._tasks.values())
        if force:
            for task in tasks:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _clean_up(self) -> None:
        """Ends what jobs left on the loop, as `asyncio.run` does, and then the loop."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()
        self._loop.call_soon(self._loop.stop)
