"""The driver: the thread that waits for a run, and keeps its time.

It starts the executors, takes the first turn of the role (`ramify.run.role`), and looks after what moves
without news: timeouts, observers, and a nudge for sleepy workers. Whatever happens, everything is closed, and
the last word is written down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from ramify.executors.threads import ThreadExecutor
from ramify.ports import Executor
from ramify.run.interrupts import Interrupts
from ramify.run.role import Role

TICK = 0.05
"""Seconds between two looks of the waiting thread, while there is something to look after."""

ATTENTIVE = 0.1
"""Seconds between two looks at most, where somebody may ask for something."""

LONGEST = 0.25
"""Seconds that the waiting thread sleeps at most: so late may Ctrl-C be noticed."""


class Driver(Role):
    """Runs an engine's graph on executors.

    `run()` returns when the run is at rest. `tell` may be called from any thread; `cancel` too, at any time.
    """

    def __init__(self, *args: Any, interrupts: Interrupts | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.interrupts = interrupts or Interrupts()
        self.interrupts.wake = self._wake.set
        self.attend: Callable[[], None] | None = None
        """Called by the waiting thread whenever it wakes: for requests from other processes."""
        self._inline = _inline(self.executors)
        self._threads = [e for e in self.executors if isinstance(e, ThreadExecutor)]

    def run(self) -> None:
        """Drives and waits until the run is at rest; raises what broke the driver itself.

        Ctrl-C, SIGTERM and SIGHUP end everything, which is written down, and are raised again.
        """
        with self.interrupts, ExitStack() as closing:
            closing.callback(self._let_go)
            closing.callback(self._last_words)
            try:
                self._start(closing)
                self._wait()
                self.interrupts.raise_hit()
                if self.error is not None:
                    raise self.error
            except BaseException as error:
                self._end_everything(type(error).__name__)
                raise

    def _start(self, closing: ExitStack) -> None:
        if self.approver is not None:
            self.approver.begin(self)
        for executor in self.executors:
            executor.start(self.tell)
            closing.callback(self._close, executor)
        self.interrupts.raise_hit()
        self._begun = True
        if self.policy.deadline is not None:
            self._timers.add(time.monotonic() + self.policy.deadline, -1, 0)
        self.drive()

    def _close(self, executor: Executor) -> None:
        executor.close(force=self.cancel_reason is not None)

    def _wait(self) -> None:
        while not self.done and self.interrupts.hit is None:
            if self._inline is not None:
                self._step_by_step(self._inline)
                if self.done:
                    return
            if self.attend is not None:
                self.attend()
            pause = self._pause(self._look_at_time())
            if not self.done and self.interrupts.hit is None:
                self._wake.wait(pause)
            for executor in self._threads:
                executor.nudge()
            if self.engine.letters:
                self.drive()
            self.recorder.show()

    def _step_by_step(self, inline: ThreadExecutor) -> None:
        """The attempts of the waiting thread itself, as long as there are any."""
        interrupts = self.interrupts
        while interrupts.hit is None and (order := inline.take()) is not None:
            # no local variable for the outcome: a kept error has this frame below its own, and so the value
            self.tell(order.node, order.attempt, "ended", inline.timed(order))
            if self.attend is not None:
                self.attend()
            if self.recorder.observers:
                self.recorder.show()
            else:
                self.recorder.tend()

    def _hand_out(self) -> bool:
        """As the role does; where growth readied something for the waiting thread itself, it is to know."""
        short = super()._hand_out()
        if self._inline is not None and self.grow_place is not None and self.running > self._passes():
            self._wake.set()
        return short

    def _look_at_time(self) -> float | None:
        """Has what is due looked at by whoever drives; returns the seconds until something else is due."""
        due = self._timers.next()
        if due is None:
            return None
        left = due - time.monotonic()
        if left > 0:
            return left
        self.request(self._look_at_due)
        return TICK if self._inline is None else 0.0

    def _pause(self, due: float | None) -> float:
        """How long to sleep: short while something is to be shown, written or nudged.

        Never for ever: a signal just before the sleep is handled by Python only after it.
        """
        most = TICK if self.recorder.observers or self._threads else LONGEST
        if self.attend is not None:
            most = min(most, ATTENTIVE)
        return most if due is None else min(due, most)

    def _end_everything(self, what: str) -> None:
        """The waiting thread was interrupted, or the driver broke: what was told before still counts."""
        why = f"interrupted by {what}"
        with self._role:
            self._give_up(why, force=False)
            if self.error is None:
                self._fold()
            for node, attempt in self._under_way():
                self.abandoned = self.abandoned or not self._executor_of(node).stops
                self.engine.stopped(node, attempt, why, time.time())

    def _let_go(self) -> None:
        """The executors know this driver, and it knows them: without that, what a run held goes at once."""
        if self.approver is not None:
            self.approver.close()
        self.executors, self._threads, self._inline = [], [], None
        self.attend = None
        self.recorder.let_go()

    def _last_words(self) -> None:
        with self._role:
            self.done = self._over = True
            if self.engine.letters:
                self.recorder.write(self.engine.take())
        self.recorder.show()


def _inline(executors: Sequence[Executor]) -> ThreadExecutor | None:
    first = executors[0]
    return first if isinstance(first, ThreadExecutor) and first.workers == 0 else None
