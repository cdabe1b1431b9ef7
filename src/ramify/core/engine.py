"""The engine: one method per event, and what follows from it.

Each method looks its step up in the table, changes bytes and integers, and appends to four flat lists (a
letter, the node, the time, the data), which the driver takes and writes down. Replaying calls the same
methods. What follows is appended to lists that the driver takes as commands:

- `asks`: nodes whose early question is to be answered with `early`,
- `checks`: nodes whose late question is to be answered with `late`,
- `ready`: nodes that may start (a hint: look at the state before starting one),
- `stopping`: (node, attempt) that are to be ended,
- `rested`: nodes that were to be told of, and came to rest,
- `noticed`: nodes that were to be noticed, and came to rest or left it,
- `reverted`: gathers that were good and are not any more: what their groups come to may change.

Nothing here is recursive, and each event costs its node and its edges.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ramify.core.columns import EVENTS, EVERYTHING
from ramify.core.graph import GROW, KIND, Graph, NewNode
from ramify.core.table import (
    AGAIN,
    ASLEEP,
    BUSY,
    CANCEL,
    CANCELLED,
    CHECKED,
    FAIL,
    GOOD,
    ILLEGAL,
    OFFER,
    READY,
    RESET,
    REST,
    REVERT,
    RUNNING,
    SLEEP,
    START,
    STOP,
    SUCCEED,
    WAITING,
)
from ramify.core.want import NOTICE, OUTSIDE, Want

__all__ = ["EVENTS", "EVERYTHING", "Engine"]


class Engine(Want):
    """The state of a run.

    >>> engine = Engine()
    >>> a = engine.add("a"); b = engine.add("b", (a,))
    >>> engine.want(None, "asked for")
    >>> engine.ready
    [0]
    >>> engine.ready.clear(); attempt = engine.started(a, 0.0)
    >>> engine.succeeded(a, attempt, "digest", 1.0), engine.ready
    (True, [1])
    """

    __slots__ = ()

    # ---- looking

    def notice(self, node: int) -> None:
        """Has the node put among `noticed` when it comes to rest, and whenever it is reset. No event."""
        self.minded.add(node)
        if not REST[self.state[node]]:
            self.watched.setdefault(node, {})[NOTICE] = None

    def tell_of(self, node: int) -> None:
        """Has the node put among `rested`, once, when it comes to rest; at once, where it is. No event."""
        if REST[self.state[node]]:
            self.rested.append(node)
        else:
            self.watched.setdefault(node, {})[OUTSIDE] = None

    # ---- attempts

    def started(self, node: int, t: float, where: Any = None) -> int:
        """Event: an attempt begins; returns its number, from 1."""
        now = START[self.state[node]]
        if now == ILLEGAL:
            raise self._illegal(node, "start")
        self.state[node] = now
        attempt = self.attempts[node] + 1
        self.attempts[node] = attempt
        self.letters.append("s")
        self.nodes.append(node)
        self.times.append(t)
        self.data.append(where)
        return attempt

    def succeeded(self, node: int, attempt: int, digest: str | None, t: float) -> bool:
        """Event: the attempt brought a value. False: the word was stale, and nothing was changed."""
        state = self.state
        now = SUCCEED[state[node]]
        if now == ILLEGAL or self.attempts[node] != attempt:
            return self._stale(node, attempt, "succeed")
        state[node] = now
        self.busy -= 1
        self.letters.append("S")
        self.nodes.append(node)
        self.times.append(t)
        self.data.append(digest)
        if digest:
            self.digests[node] = digest
        if self.watched and node in self.watched:
            self._rouse(node)
        children = self.children[node]
        if children:
            # the hottest consequence, written out: `_good` and `_offer` of a plain child
            need, flags = self.need, self.flags
            for child in children:
                left = need[child] - 1
                need[child] = left
                if not left and state[child] == WAITING:
                    if flags[child]:
                        self._offer(child)
                    else:
                        state[child] = OFFER[WAITING]
                        self.busy += 1
                        self.ready.append(child)
        return True

    def failed(self, node: int, attempt: int, failure: Any, t: float) -> bool:
        """Event: the attempt failed, and no other follows. False: the word was stale."""
        now = FAIL[self.state[node]]
        if now == ILLEGAL or self.attempts[node] != attempt:
            return self._stale(node, attempt, "fail")
        self.note("f", node, t, failure)
        self.state[node] = now
        self.busy -= 1
        self.reasons[node] = failure
        self._bad(node)
        return True

    def again(self, node: int, attempt: int, failure: Any, t: float) -> bool:
        """Event: the attempt failed, and another follows. False: the word was stale.

        The node is ready, but not put among `ready`: when the next attempt begins is the driver's to say.
        """
        now = AGAIN[self.state[node]]
        if now == ILLEGAL or self.attempts[node] != attempt:
            return self._stale(node, attempt, "again")
        self.note("r", node, t, failure)
        self.state[node] = now
        self.reasons[node] = failure
        return True

    def stopped(self, node: int, attempt: int, why: str, t: float) -> bool:
        """Event: the attempt was ended on request. False: the word was stale."""
        now = STOP[self.state[node]]
        if now == ILLEGAL or self.attempts[node] != attempt:
            return self._stale(node, attempt, "stop")
        self.note("X", node, t, why)
        self.state[node] = now
        self.busy -= 1
        self.reasons[node] = why
        self._bad(node)
        return True

    # ---- growth

    def grew(self, node: int, attempt: int, nodes: Sequence[NewNode], t: float, facts: Any = None) -> range:
        """Event: a pass of a grow node adds nodes, all or none; returns the numbers of the new ones.

        Edges go from nodes that are there to new ones only. `facts` are what else the pass added. The pass
        goes on: `succeeded`, `slept` or `failed` ends it.
        """
        if self.state[node] != RUNNING or self.attempts[node] != attempt or self.flags[node] & KIND != GROW:
            raise self._illegal(node, "grow")
        Graph.validate(self, nodes)
        first = len(self.keys)
        new = [n for n in nodes if n[0] not in self.number]
        for key, parents, flags, declared in new:
            self.add(key, parents, flags, declared)
        self.note("g", node, t, [new, facts])
        return range(first, len(self.keys))

    def slept(self, node: int, attempt: int, on: Iterable[int], t: float) -> bool:
        """Event: the grow node waits until each of these is at rest, or until `woken`. False: stale.

        With nothing to wait for, only `woken` wakes it. Nodes that are at rest already do not count.
        """
        now = SLEEP[self.state[node]]
        if now == ILLEGAL or self.attempts[node] != attempt:
            return self._stale(node, attempt, "sleep")
        watched = sorted(set(on))
        self.note("z", node, t, watched)
        self.state[node] = now
        self.busy -= 1
        open_ones = [n for n in watched if not REST[self.state[n]]]
        for other in open_ones:
            self.watched.setdefault(other, {})[node] = None
        self.sleepers[node] = dict.fromkeys(open_ones)
        if watched and not open_ones:
            self._wake(node)
        return True

    def woken(self, node: int, why: str, t: float) -> bool:
        """Event: the grow node is to look again. False: it does not sleep, so there is nothing to do."""
        if self.state[node] != ASLEEP:
            return False
        self.note("k", node, t, why)
        self._wake(node)
        return True

    # ---- giving up, and back to the start

    def cancelled(self, node: int, why: str, t: float) -> bool:
        """Event: the node is given up before it starts. A running one is asked to stop instead.

        False: it is at rest, so there is nothing to give up.
        """
        if not self._give_up(node, why):
            return False
        self.note("x", node, t, why)
        if self.state[node] == CANCELLED:
            self._bad(node)
        return True

    def cancelled_all(self, why: str, t: float) -> None:
        """Event: everything that is wanted and has not started is given up; what runs goes on."""
        self.note("x", -1, t, why)
        state, wanted = self.state, self.wanted
        for node in range(len(state)):
            now = state[node]
            if not REST[now] and now != RUNNING and wanted[node]:
                self.busy -= BUSY[now]
                state[node] = CANCEL[now]
                self.reasons[node] = why
        told = [node for node, who in self.watched.items() if OUTSIDE in who]
        noticed = [node for node, who in self.watched.items() if NOTICE in who]
        self.watched.clear()
        self.sleepers.clear()
        for node in told:
            self.tell_of(node)
        for node in noticed:
            if REST[state[node]]:
                self.noticed.append(node)
            else:
                self.notice(node)

    def _give_up(self, node: int, why: str) -> bool:
        now = self.state[node]
        if now == RUNNING:
            self.stopping.append((node, self.attempts[node]))
            return True
        if REST[now]:
            return False
        self.busy -= BUSY[now]
        self.state[node] = CANCEL[now]
        self.reasons[node] = why
        self._stop_watching(node)
        return True

    def reset(self, nodes: Iterable[int], why: str, t: float) -> list[int]:
        """Event: these, and all at rest that came of them, go back to the start; returns their numbers.

        Nothing is wanted by it: call `want` with those that are to be had again. Raises `IllegalTransition`
        where one of them, or a descendant, is running; nothing was changed then.
        """
        chosen = sorted(set(nodes))
        closure = self._descendants(chosen)
        for node in closure:
            if self.state[node] == RUNNING:
                raise self._illegal(node, "reset")
        self.note("R", -1, t, [chosen, why])
        resting = [node for node in closure if REST[self.state[node]]]
        for node in resting:
            self._to_start(node)
        return resting

    def _to_start(self, node: int) -> None:
        if GOOD[self.state[node]]:
            need = self.need
            for child in self.children[node]:
                need[child] += 1
                if self.state[child] in (READY, CHECKED):
                    self.state[child] = REVERT[self.state[child]]
                    self.busy -= 1
            self.reverted.append(node)
        if node in self.minded:
            self.noticed.append(node)
        self.state[node] = RESET[self.state[node]]
        self.digests.pop(node, None)
        self.reasons.pop(node, None)

    def _descendants(self, nodes: list[int]) -> list[int]:
        seen = set(nodes)
        walk = list(nodes)
        for node in walk:
            for child in self.children[node]:
                if child not in seen:
                    seen.add(child)
                    walk.append(child)
        return walk
