"""What live and plain lines about a run share: its groups, the clock, and failures as they come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, TextIO

from ramify.core.columns import Columns
from ramify.core.rule_keys import called
from ramify.show.groups import Counts, GroupOf, Groups, NameOf, first_key
from ramify.show.text import one_line, visible

Changes = Sequence[tuple[str, int, float, Any]]

_FAILURES: Final = 10
"""So many failures are told one by one while the run goes on."""


class Watch:
    """What live and plain lines share: the groups, the clock, and failures as they come."""

    def __init__(self, stream: TextIO, group_of: GroupOf = first_key, name_of: NameOf = called) -> None:
        self.stream = stream
        self._group_of = group_of
        self._name_of = name_of
        self.name = ""
        self.groups: Groups | None = None
        self.began = time.monotonic()
        self.failures = 0
        self._notes: deque[str] = deque()
        self._draws = False
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def begin(self, engine: Columns, facts: dict[str, Any]) -> None:
        """The run is about to start: which graph, and the run's name."""
        self.groups = Groups(engine, self._group_of)
        self.name = str(facts.get("name", ""))
        self.began = time.monotonic()
        self._draws = True

    def saw(self, changes: Changes) -> None:
        """Tells the failures among these; everything else is read from the engine when it is shown."""
        for letter, node, _, data in changes:
            if letter in "fr":
                self._failed(letter, node, data)

    def _failed(self, letter: str, node: int, data: Any) -> None:
        assert self.groups is not None, "begin is called before anything else"
        self.failures += 1
        if self.failures <= _FAILURES:
            name = self._name_of(self.groups.engine.keys[node])
            self.tell(failure_line(name, letter == "r", data))
        elif self.failures == _FAILURES + 1:
            self.tell("more jobs fail; `ramify status --failed` tells of all")

    def note(self, text: str) -> None:
        """Shows a warning, from any thread: with the next lines, or at once where nothing is drawn."""
        self._notes.append(text)
        if not self._draws:
            self.tell_notes()

    def tell_notes(self) -> None:
        """Shows the warnings that came; by the thread that draws."""
        while self._notes:
            self.warn(self._notes.popleft())

    def warn(self, text: str) -> None:
        """Prints a warning as a line that stays."""
        self.tell(f"warning: {text}")

    def tell(self, text: str) -> None:
        """Prints one line that stays."""
        raise NotImplementedError

    def pace(self, name: str, one: Counts, now: float) -> tuple[float | None, float | None]:
        """Jobs per second of a group since its first start, and the seconds that are left at that pace."""
        if one.running or one.done or one.failed:
            self._first.setdefault(name, now)
        else:
            return None, None
        if not one.over:
            self._last[name] = now
        took = self._last.get(name, now) - self._first[name]
        ran = one.succeeded + one.failed
        if took < 0.2 or not ran:
            return None, None
        speed = ran / took
        return speed, (one.waiting + one.running) / speed if not one.over else None

    def took(self, name: str) -> float | None:
        """Seconds from a group's first start to its last news; None where it was not seen to run twice."""
        return (self._last[name] - self._first[name] or None) if name in self._last else None


def troubles(one: Counts) -> list[str]:
    """What a line says beside what is done, where it is not zero."""
    named = (
        (one.reused, "reused"),
        (one.failed, "failed"),
        (one.blocked, "blocked"),
        (one.cancelled, "cancelled"),
    )
    return [f"{number} {name}" for number, name in named if number]


def failure_line(name: str, again: bool, failure: Any) -> str:
    """One line for a job, or a rule, that failed just now."""
    facts = failure if isinstance(failure, dict) else {}
    told = one_line(f"{facts.get('type', 'failure')}: {facts.get('message', '')}", 160).rstrip(": ")
    return f"{visible(name)} {'failed, and is tried again' if again else 'FAILED'}: {told}"
