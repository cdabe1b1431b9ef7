"""A run with every attempt of its nodes: the same fold as `RunView`, which keeps the last ones only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from ramify.core.replay import Rows
from ramify.run.view import RunView

_ENDS: Final = {"S": "COMPLETED", "f": "FAILED", "r": "FAILED", "X": "CANCELLED"}


@dataclass(slots=True)
class Attempt:
    """One attempt of a node; `number` counts from 1, times are seconds since the epoch, memory is bytes.

    `status` is RUNNING, COMPLETED, FAILED or CANCELLED, `failure` what the journal has of its failure. None
    stands for what is not known: what a thread took cannot be told apart from its process.
    """

    number: int
    started: float
    ended: float | None = None
    status: str = "RUNNING"
    failure: dict[str, Any] | None = None
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    host: str | None = None
    pid: int | None = None


class History(RunView):
    """One run with all attempts, as its journal tells them at the moment of opening."""

    def __init__(self, folder: str) -> None:
        self._attempts: dict[int, list[Attempt]] = {}
        self._use_of: dict[tuple[int, int], tuple[Any, ...]] = {}
        super().__init__(folder)

    def attempts_of(self, node: int) -> list[Attempt]:
        """The attempts of a node, the first one first."""
        return self._attempts.get(node, [])

    def _keep_times(self, rows: Rows) -> None:
        super()._keep_times(rows)
        for letter, node, t, fact in zip(*rows, strict=True):
            if letter == "s":
                tries = self._attempts.setdefault(node, [])
                tries.append(Attempt(len(tries) + 1, t, host=self.facts.get("host"), pid=self._own_pid()))
                self._take_use(node, tries[-1])
            elif letter in _ENDS and node in self._attempts:
                self._end(self._attempts[node][-1], letter, t, fact)

    def _end(self, attempt: Attempt, letter: str, t: float, fact: Any) -> None:
        attempt.status, attempt.ended = _ENDS[letter], t
        if isinstance(fact, dict):
            attempt.failure = fact
            attempt.pid, attempt.host = fact.get("pid", attempt.pid), fact.get("host", attempt.host)
            attempt.cpu_seconds, attempt.peak_memory = fact.get("cpu_seconds"), fact.get("peak_memory")

    def _own_pid(self) -> int | None:
        """Where an attempt runs if nothing else is said."""
        return self.facts.get("pid") if self.facts.get("mode") in ("memory", "thread") else None

    def _keep_place(self, node: int, attempt: int, place: Any) -> None:
        tried = self._attempt(node, attempt)
        if tried is not None and isinstance(place, dict):
            tried.pid, tried.host = place.get("pid", tried.pid), place.get("host", tried.host)

    def _keep_use(self, node: int, attempt: int, *use: Any) -> None:
        super()._keep_use(node, attempt, *use)
        self._use_of[node, attempt] = use  # it may be told before the rows with the attempt's start
        tried = self._attempt(node, attempt)
        if tried is not None:
            self._take_use(node, tried)

    def _take_use(self, node: int, tried: Attempt) -> None:
        use = self._use_of.pop((node, tried.number), None)
        if use is not None:
            tried.cpu_seconds, tried.peak_memory, tried.pid, tried.host = use

    def _attempt(self, node: int, attempt: int) -> Attempt | None:
        tries = self.attempts_of(node)
        return tries[attempt - 1] if 0 < attempt <= len(tries) else None
