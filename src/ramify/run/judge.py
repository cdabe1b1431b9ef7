"""What a run would do, and why: the run's own engine, with an interpreter that only judges.

Nodes that would run are taken to succeed with an output that nobody knows. What depends on such an output and
has not changed itself runs only if that output differs: MAYBE. So, always: RUN is a part of what is executed,
and that is a part of RUN and MAYBE together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ramify.core.engine import EVERYTHING
from ramify.core.graph import GATHER, KIND, REUSABLE, RULE
from ramify.core.table import GOOD, IDLE, READY
from ramify.rebuild.trace import LOAD, MAYBE, REUSE, RUN, SKIP, Cause
from ramify.run.questions import answer
from ramify.run.work import PlanWork

_UNKNOWN: Final = "?"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would happen to one job, and the one cause of it."""

    job_id: str
    verdict: str
    cause: Cause


class Judge:
    """Judges the nodes of a run that has not begun; nothing is executed, and nothing is written."""

    def __init__(self, work: PlanWork) -> None:
        self.work = work
        self.engine = work.engine
        self._found: dict[int, str] = {}
        self._causes: dict[int, Cause] = {}
        self._open: dict[int, int] = {}
        self._read: dict[int, bool] = {}

    def judge(self, targets: Iterable[int] | None = None) -> list[Verdict]:
        """The verdicts, parents before children; `targets` are the nodes that are asked for (None: all)."""
        engine = self.engine
        engine.want(targets, EVERYTHING if targets is None else "asked for")
        while engine.busy:
            answer(engine, self.work.rebuilder.early, self._late, lambda: 0.0)
            ready, engine.ready = engine.ready, []
            for node in ready:
                if engine.state[node] == READY:
                    self._run(node)
        jobs = [n for n, flags in enumerate(engine.flags) if flags & KIND != GATHER and not flags & RULE]
        return [self._verdict(n) for n in jobs]

    def _late(self, node: int) -> str | None:
        """As the run would answer; where a parent's output is not known, whatever is certain all the same."""
        if self._first_unknown(node) < 0:
            return self.work.rebuilder.late(node)
        if self._certain(node) is not None:
            return None
        self._found[node] = MAYBE
        return _UNKNOWN

    def _first_unknown(self, node: int) -> int:
        """The first job above whose output nobody knows, -1 where all are known. Its parents are good."""
        engine = self.engine
        for parent in engine.parents[node]:
            if engine.flags[parent] & KIND == GATHER:
                if parent not in self._open:
                    self._open[parent] = self._first_unknown(parent)
                if self._open[parent] >= 0:
                    return self._open[parent]
            elif engine.digests.get(parent) == _UNKNOWN:
                return parent
        return -1

    def _run(self, node: int) -> None:
        self._found[node] = RUN
        self.engine.succeeded(node, self.engine.started(node, 0.0), _UNKNOWN, 0.0)

    # ---- causes

    def _certain(self, node: int) -> Cause | None:
        """Why the node runs whatever its parents bring; None where nothing says so."""
        known = self._causes.get(node)
        if known is None:
            known = self._look(node)
            if known is not None:
                self._causes[node] = known
        return known

    def _look(self, node: int) -> Cause | None:
        if not self.engine.flags[node] & REUSABLE:
            return self.work.unasked(node)
        return self.work.rebuilder.certain(node)

    def _cause(self, node: int) -> Cause:
        certain = self._certain(node)
        if certain is not None:
            return certain
        unknown = self._first_unknown(node)
        if unknown >= 0:
            return Cause("upstream", self.engine.keys[unknown])
        return self.work.rebuilder.cause(node)

    def _verdict(self, node: int) -> Verdict:
        engine = self.engine
        key = engine.keys[node]
        found = self._found.get(node)
        if found == RUN:
            return Verdict(key, RUN, self._cause(node))
        if found == MAYBE:
            return Verdict(key, MAYBE, Cause("maybe", engine.keys[self._first_unknown(node)]))
        if engine.state[node] == IDLE:
            return Verdict(key, SKIP, Cause("not needed"))
        assert GOOD[engine.state[node]], "what does not run, stands"
        return Verdict(key, LOAD if self._is_read(node) else REUSE, self._kept(node))

    def _kept(self, node: int) -> Cause:
        rebuilder = self.work.rebuilder
        found = rebuilder.brought.get(node)
        if found is not None:
            return Cause("elsewhere", found[0].outputs)
        return Cause("exists" if rebuilder.mode(node) == "exists" else "same")

    def _is_read(self, node: int) -> bool:
        engine = self.engine
        for child in engine.children[node]:
            if engine.flags[child] & KIND == GATHER:
                if child not in self._read:
                    self._read[child] = self._is_read(child)
                if self._read[child]:
                    return True
            elif child in self._found:
                return True
        return False
