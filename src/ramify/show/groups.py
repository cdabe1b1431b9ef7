"""Jobs by group, the first key of their ids: how many are in which state.

Only the engine's column of states is read, by counting bytes, so looking costs nothing per event and may
be done while another thread drives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from ramify.core.columns import Columns
from ramify.core.graph import GATHER, KIND, RULE
from ramify.core.table import BLOCKED, CANCELLED, FAILED, REUSED, RUNNING, SUCCEEDED


class Counts(msgspec.Struct):
    """How many jobs of a group are in which state; `total` has those that wait as well."""

    total: int = 0
    succeeded: int = 0
    reused: int = 0
    failed: int = 0
    running: int = 0
    blocked: int = 0
    cancelled: int = 0

    @property
    def done(self) -> int:
        """Those that have a value."""
        return self.succeeded + self.reused

    @property
    def waiting(self) -> int:
        """Those that have not started and still may."""
        return self.total - self.done - self.failed - self.running - self.blocked - self.cancelled

    @property
    def over(self) -> bool:
        """Whether nothing happens any more."""
        return not self.running and not self.waiting

    def add(self, other: Counts) -> None:
        """Adds the numbers of another group."""
        for name in _FIELDS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


_FIELDS: Final = Counts.__struct_fields__
_STATES: Final = (SUCCEEDED, REUSED, FAILED, RUNNING, BLOCKED, CANCELLED)


GroupOf = Callable[[str], str]
NameOf = Callable[[str], str]
"""How a job is called, from its id."""
"""From the id of a job to the name of its group."""


def first_key(job_id: str) -> str:
    """The first key of an id, encoded.

    >>> first_key("scores/m1/3")
    'scores'
    """
    return job_id.partition("/")[0]


class Groups:
    """The groups of a run, in the order of their first jobs; `group_of` says what they are.

    >>> from ramify.core.engine import Engine
    >>> engine = Engine(); a = engine.add("g/1"); _ = engine.add("g/2"); _ = engine.add("last", (a,))
    >>> groups = Groups(engine); groups.names, groups.counts("g").total
    (['g', 'last'], 2)
    """

    def __init__(self, engine: Columns, group_of: GroupOf = first_key) -> None:
        self.engine = engine
        self._group_of = group_of
        self._known = 0
        self._spans: dict[str, list[list[int]]] = {}
        self.update()

    def update(self) -> None:
        """Takes in nodes that were added since; `need` is the column that grows last."""
        engine = self.engine
        keys, flags, spans = engine.keys, engine.flags, self._spans
        known, self._known = self._known, len(engine.need)
        for node in range(known, self._known):
            if flags[node] & KIND == GATHER or flags[node] & RULE:
                continue
            name = self._group_of(keys[node])
            found = spans.get(name)
            if found is None:
                spans[name] = [[node, node + 1]]
            elif found[-1][1] == node:
                found[-1][1] = node + 1
            else:
                found.append([node, node + 1])

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return list(self._spans)

    def counts(self, name: str) -> Counts:
        """The counts of one group."""
        count = self.engine.state.count
        numbers = [0] * (1 + len(_STATES))
        for start, stop in self._spans[name]:
            numbers[0] += stop - start
            for place, state in enumerate(_STATES, 1):
                numbers[place] += count(state, start, stop)
        return Counts(*numbers)

    def all(self) -> dict[str, Counts]:
        """The counts of every group."""
        return {name: self.counts(name) for name in self._spans}


def summed(counts: dict[str, Counts]) -> Counts:
    """All groups together."""
    whole = Counts()
    for one in counts.values():
        whole.add(one)
    return whole


def fold(counts: dict[str, Counts], most: int) -> tuple[list[tuple[str, Counts]], list[tuple[str, Counts]]]:
    """At most so many lines for these groups: those to show, and those that are left out.

    Jobs that stand alone share a line where there are too many of them; then what runs or failed goes first.

    >>> shown, rest = fold({"a": Counts(1), "b": Counts(1), "g": Counts(9)}, 2)
    >>> [(name, one.total) for name, one in shown], rest
    ([('g', 9), ('2 single jobs', 2)], [])
    """
    if len(counts) <= most:
        return list(counts.items()), []
    lines = [(name, one) for name, one in counts.items() if one.total > 1]
    alone = {name: one for name, one in counts.items() if one.total <= 1}
    if len(alone) > 1:
        lines.append((f"{len(alone)} single jobs", summed(alone)))
    else:
        lines += alone.items()
    if len(lines) <= most:
        return lines, []
    order = sorted(range(len(lines)), key=lambda i: _urgency(lines[i][1]))
    chosen = set(order[: max(1, most - 1)])
    kept = [line for i, line in enumerate(lines) if i in chosen]
    return kept, [line for i, line in enumerate(lines) if i not in chosen]


def _urgency(one: Counts) -> int:
    if one.running:
        return 0
    return 1 if one.failed else 2 if not one.over else 3
