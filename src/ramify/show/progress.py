"""Observers that tell how a run goes: live lines on a terminal, plain lines elsewhere, or a callback."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TextIO

from ramify.core.columns import Columns
from ramify.core.graph import GATHER, KIND, RULE
from ramify.core.rule_keys import called
from ramify.ports import Observer
from ramify.show.groups import Counts, GroupOf, NameOf, first_key, summed
from ramify.show.text import duration, is_terminal, rate
from ramify.show.watch import Changes, Watch, troubles

_STEP: Final = 0.1
"""The share of all jobs between two plain lines."""
_SOONEST: Final = 2.0
_LATEST: Final = 30.0
"""Seconds between two plain lines, at least and at most."""


def make_progress(
    progress: bool,
    callback: Callable[[str], object] | None = None,
    stream: TextIO | None = None,
    group_of: GroupOf = first_key,
    name_of: NameOf = called,
) -> list[Observer]:
    """The observers for `progress=` and `progress_callback=`: none, one that calls, or one that prints.

    A callback alone turns progress on, and nothing is printed then. What is printed goes to `stream`, the
    standard error by default: live lines on a terminal; plain ones where there is none, where TERM is `dumb`,
    and where CI is set. Jobs are told by group, which `group_of` gives for an id; `name_of` says how a job is
    called.
    """
    if callback is not None:
        return [CallbackProgress(callback)]
    out = sys.stderr if stream is None else stream
    if not progress or out is None:
        return []
    if is_terminal(out) and not os.environ.get("CI"):
        from ramify.show.live import LiveProgress

        return [LiveProgress(out, group_of, name_of)]
    return [LineProgress(out, group_of, name_of)]


class CallbackProgress:
    """Calls back with a line for every job that ends.

    >>> from ramify.run.memory import MemoryRun
    >>> lines = []; run = MemoryRun(observers=[CallbackProgress(lines.append)])
    >>> _ = run.add("a", int); run.driver.recorder.observers[0].begin(run.engine, {})
    >>> run.start(); run.driver.recorder.end({})
    >>> lines
    ['[execute] starting (1 jobs)', '[execute] [1/1] completed: a', '[execute] done']
    """

    def __init__(self, callback: Callable[[str], object]) -> None:
        self._call = callback
        self._engine: Columns | None = None
        self._counted = bytearray()
        self._done = self._total = 0

    def begin(self, engine: Columns, facts: dict[str, Any]) -> None:
        """The run is about to start."""
        self._engine = engine
        self._grow()
        self._call(f"[execute] starting ({self._total} jobs)")

    def _grow(self) -> None:
        assert self._engine is not None, "begin is called before anything else"
        flags = self._engine.flags
        self._total += sum(_is_job(f) for f in flags[len(self._counted) :])
        self._counted.extend(bytes(len(flags) - len(self._counted)))

    def saw(self, changes: Changes) -> None:
        """Tells each job that ended, once."""
        for letter, node, _, data in changes:
            if letter == "S":
                self._tell("completed", node)
            elif letter == "f":
                self._tell("failed", node)
            elif letter in "el" and data is not None:
                self._tell("skipped", node)
            elif letter in "+g":
                self._grow()

    def _tell(self, what: str, node: int) -> None:
        assert self._engine is not None, "begin is called before anything else"
        flags = self._engine.flags[node]
        if not _is_job(flags):
            if flags & RULE and what == "failed":
                self._call(f"[execute] failed: {called(self._engine.keys[node])}")
            return
        if not self._counted[node]:
            self._counted[node] = 1
            self._done += 1
        self._call(f"[execute] [{self._done}/{self._total}] {what}: {self._engine.keys[node]}")

    def ended(self) -> None:
        """Nothing more happens."""
        if self._done >= self._total:
            self._call("[execute] done")
        else:
            self._call(f"[execute] stopped ({self._done} of {self._total} jobs)")


def _is_job(flags: int) -> bool:
    return flags & KIND != GATHER and not flags & RULE


class LineProgress(Watch):
    """Plain lines with the time: at most one every two seconds, one for every tenth of the jobs."""

    def __init__(self, stream: TextIO, group_of: GroupOf = first_key, name_of: NameOf = called) -> None:
        super().__init__(stream, group_of, name_of)
        self._told_at = self.began
        self._told_share = 0.0

    def begin(self, engine: Columns, facts: dict[str, Any]) -> None:
        """The run is about to start."""
        super().begin(engine, facts)
        self._told_at = self.began
        assert self.groups is not None, "the line above made them"
        total = summed(self.groups.all()).total
        limit = f", {facts['workers']} at a time" if facts.get("workers") else ""
        jobs = f"{total} {'job' if total == 1 else 'jobs'}" if total else "a graph that grows"
        self.tell(f"{self.name}: {jobs}{limit}".lstrip(": "))

    def tick(self) -> None:
        """Prints a line where it is time for one."""
        now = time.monotonic()
        self.tell_notes()
        if self.groups is None or now - self._told_at < _SOONEST:
            return
        self.groups.update()
        whole = summed(self.groups.all())
        share = (whole.done + whole.failed) / max(1, whole.total)
        if share - self._told_share >= _STEP or now - self._told_at >= _LATEST:
            self._told_at, self._told_share = now, share
            self.tell(self._line(whole, now))

    def _line(self, whole: Counts, now: float) -> str:
        speed, left = self.pace("", whole, now)
        parts = [f"{whole.done}/{whole.total} done", f"{whole.running} running", *troubles(whole)]
        parts += [rate(speed)] if speed is not None else []
        parts += [f"{duration(left)} left"] if left is not None else []
        return ", ".join(parts)

    def tell(self, text: str) -> None:
        """Prints one line, with the time in front."""
        self.stream.write(f"{time.strftime('%H:%M:%S')} {text}\n")
        self.stream.flush()

    def ended(self) -> None:
        """Prints the last line."""
        self._draws = False
        self.tell_notes()
        if self.groups is None:
            return
        self.groups.update()
        whole = summed(self.groups.all())
        told = ", ".join([f"{whole.done}/{whole.total} done", *troubles(whole)])
        self.tell(f"{told}, in {duration(time.monotonic() - self.began)}")
