"""Want: what has to be had, what an old result saves, and what the end of a node means to its children.

A suspending scheduler with two questions ("Build systems a la carte", Mokhov, Mitchell and Peyton Jones,
2018): the early one is asked before the parents are demanded, the late one when their outputs are known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ramify.core.columns import EVERYTHING, Columns
from ramify.core.graph import GATHER, KIND, REUSABLE
from ramify.core.table import (
    ASK,
    ASKED,
    ASLEEP,
    BAD,
    BLOCK,
    BLOCKED,
    BUSY,
    CHECK,
    CHECKED,
    DEMAND,
    FAILED,
    IDLE,
    OFFER,
    READY,
    REOPEN,
    REUSE,
    REUSED,
    REVERT,
    RUNNING,
    SUCCEEDED,
    WAITING,
    WAKE,
)
from ramify.core.table import GATHER as GATHER_STEP

OUTSIDE: Final = -1
"""Stands for whoever is no node, among those that watch one."""
NOTICE: Final = -2
"""As `OUTSIDE`, for whoever is told again after a reset."""


class Want(Columns):
    """The columns, and what follows when a node is wanted, answered for, or at its end."""

    __slots__ = ()

    def want(self, nodes: Iterable[int] | None, why: str, t: float = 0.0) -> None:
        """Event: these (all, where None) are asked for, and so is whatever they need."""
        chosen = None if nodes is None else list(nodes)
        self.note("w", -1, t, [chosen, why])
        queue = list(range(len(self.keys))) if chosen is None else chosen
        if why != EVERYTHING:
            for node in queue:
                self.why.setdefault(node, why)
        self._demand(queue)

    def _demand(self, queue: list[int]) -> None:
        """Breadth first over a list that grows while it is walked."""
        state, flags, wanted = self.state, self.flags, self.wanted
        for node in queue:
            if state[node] != IDLE:
                continue
            wanted[node] = 1
            if flags[node] & REUSABLE and not (self.tainted and self._is_tainted(node)):
                state[node] = ASK[IDLE]
                self.busy += 1
                self.asks.append(node)
            else:
                state[node] = DEMAND[IDLE]
                self._wait(node, queue)

    def _wait(self, node: int, queue: list[int]) -> None:
        """A waiting node is to be had through its parents; those that nothing wanted yet join the queue."""
        state = self.state
        if self.reusing:
            self.fresh.append(node)
        if not self.need[node]:
            self._offer(node)
            return
        parents = self.parents[node]
        if self.reasons:
            bad = next((p for p in parents if BAD[state[p]]), None)
            if bad is not None:
                self._block(node, bad)
                return
        for parent in parents:
            if state[parent] == IDLE:
                queue.append(parent)

    def _offer(self, node: int) -> None:
        """All parents are good."""
        flags = self.flags[node]
        if flags & KIND == GATHER:
            self._gather(node)
        elif flags & REUSABLE:
            self.state[node] = CHECK[self.state[node]]
            self.busy += 1
            self.checks.append(node)
        else:
            self.state[node] = OFFER[self.state[node]]
            self.busy += 1
            self.ready.append(node)

    def _gather(self, node: int) -> None:
        """Nodes without work succeed at once, and may let others of their kind succeed."""
        state, need, flags = self.state, self.need, self.flags
        stack = [node]
        while stack:
            node = stack.pop()
            state[node] = GATHER_STEP[state[node]]
            if node in self.watched:
                self._rouse(node)
            for child in self.children[node]:
                need[child] -= 1
                if not need[child] and state[child] == WAITING:
                    if flags[child] & KIND == GATHER:
                        stack.append(child)
                    else:
                        self._offer(child)

    # ---- the rebuilder's answers

    def early(self, node: int, digest: str | None, t: float) -> bool:
        """Event: the early question is answered; a digest is a hit. False: the answer was stale."""
        if self.state[node] != ASKED:
            return False
        self.note("e", node, t, digest)
        self.busy -= 1
        if digest is not None:
            self._reused(node, digest)
            return True
        self.state[node] = DEMAND[ASKED]
        queue: list[int] = []
        self._wait(node, queue)
        self._demand(queue)
        return True

    def late(self, node: int, digest: str | None, t: float) -> bool:
        """Event: the late question is answered; a digest is a hit. False: the answer was stale."""
        if self.state[node] != CHECKED:
            return False
        self.note("l", node, t, digest)
        if digest is not None:
            self.busy -= 1
            self._reused(node, digest)
        else:
            self.state[node] = OFFER[CHECKED]
            self.ready.append(node)
        return True

    def _reused(self, node: int, digest: str) -> None:
        self.state[node] = REUSE[self.state[node]]
        self.digests[node] = digest
        self._good(node)

    def _is_tainted(self, node: int) -> bool:
        return node < len(self.tainted) and bool(self.tainted[node])

    def settle(self, t: float) -> None:
        """Event: voids the early hits that have an ancestor which runs, or is judged late, in this run.

        To be called when no early question is out and before anything is started; it may ask new ones. Each
        node is tainted once, so all calls together cost one walk. A hit whose child has started stands.
        """
        if not self.fresh:
            return
        self.note("t", -1, t)
        self.tainted.extend(bytes(len(self.keys) - len(self.tainted)))
        state, tainted = self.state, self.tainted
        walk = self.fresh
        queue: list[int] = []
        self.fresh = []
        for node in walk:
            tainted[node] = 1
            for child in self.children[node]:
                if tainted[child]:
                    continue
                tainted[child] = 1
                walk.append(child)
                if state[child] == REUSED and not self._is_used(child):
                    self._reopen(child, queue)
        self._demand(queue)

    def _is_used(self, node: int) -> bool:
        used = (RUNNING, SUCCEEDED, FAILED)
        return any(self.state[c] in used and self.flags[c] & KIND != GATHER for c in self.children[node])

    def _reopen(self, node: int, queue: list[int]) -> None:
        self.digests.pop(node, None)
        self.state[node] = REOPEN[REUSED]
        for waiting in (node, *self._withdraw(node)):
            if self.state[waiting] == WAITING:
                self._wait(waiting, queue)

    def _withdraw(self, node: int) -> list[int]:
        """The node is no longer good: what had counted on it and has not started waits again.

        Returns the nodes whose hits, judged by this one's old value, are void too.
        """
        state, need = self.state, self.need
        void = []
        stack = [node]
        while stack:
            for child in self.children[stack.pop()]:
                need[child] += 1
                now = state[child]
                if now in (READY, CHECKED):
                    state[child] = REVERT[now]
                    self.busy -= 1
                elif now == SUCCEEDED and self.flags[child] & KIND == GATHER:
                    state[child] = REVERT[now]
                    self.reverted.append(child)
                    stack.append(child)
                elif now == REUSED and not self._is_used(child):
                    state[child] = REOPEN[now]
                    self.digests.pop(child, None)
                    void.append(child)
                    stack.append(child)
        return void

    # ---- what an end means to the nodes around it

    def _good(self, node: int) -> None:
        state, need = self.state, self.need
        if node in self.watched:
            self._rouse(node)
        for child in self.children[node]:
            need[child] -= 1
            if not need[child] and state[child] == WAITING:
                self._offer(child)

    def _bad(self, node: int) -> None:
        if node in self.watched:
            self._rouse(node)
        for child in self.children[node]:
            if self.state[child] in (ASKED, WAITING):
                self._block(child, node)

    def _block(self, node: int, parent: int) -> None:
        """The node and what was waiting for it can no longer be had, because of `parent`."""
        state = self.state
        first = self.reasons.get(parent) if state[parent] == BLOCKED else parent
        stack = [node]
        while stack:
            node = stack.pop()
            self.busy -= BUSY[state[node]]
            state[node] = BLOCK[state[node]]
            self.reasons[node] = first
            if node in self.watched:
                self._rouse(node)
            for child in self.children[node]:
                if state[child] in (ASKED, WAITING):
                    stack.append(child)

    def _rouse(self, node: int) -> None:
        """A watched node came to rest."""
        for sleeper in self.watched.pop(node):
            if sleeper == OUTSIDE:
                self.rested.append(node)
                continue
            if sleeper == NOTICE:
                self.noticed.append(node)
                continue
            left = self.sleepers[sleeper]
            del left[node]
            if not left:
                self._wake(sleeper)

    def _stop_watching(self, sleeper: int) -> None:
        for node in self.sleepers.pop(sleeper, ()):
            del self.watched[node][sleeper]
            if not self.watched[node]:
                del self.watched[node]

    def _wake(self, node: int) -> None:
        self._stop_watching(node)
        self.state[node] = WAKE[ASLEEP]
        self.busy += 1
        self.ready.append(node)
