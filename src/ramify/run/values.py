"""The large values of a run in memory: how long each is kept, and where.

A value is let go when no call that uses it is left: each has ended, or can no longer run. To know that costs
each edge once: a large value watches one of its users at a time, and looks for the next when that one is at
rest. Values of up to `LARGE` bytes are not looked after at all.

With a limit, values that no running call uses are put away in a temporary folder, the largest first and of
those of about one size the oldest, and brought back when a call or the caller wants them.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from ramify.core.engine import Engine
from ramify.core.table import REST
from ramify.errors import RamifyWarning, ValueReleased
from ramify.run.spill import SpillFolder, Stored
from ramify.values.pickling import type_name
from ramify.values.size import LARGE

SPILLED_FROM: Final = 4096
"""Bytes from which a value is counted, and may be put away, where there is a limit."""


class Away:
    """Stands where a value was; `why` is how the sentence "the value of 'a' ..." ends."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why


RELEASED: Final = Away(
    "was let go when the last call that uses it had ended. To keep it, add the call with keep=True, "
    'hold it, or make the run with keep="all"'
)
PUT_AWAY: Final = Away("is in the temporary folder")
CLOSED: Final = Away("was in the temporary folder of a run that is closed or was interrupted")


class Large:
    """What is known of one large value.

    `at` is the place of the user that it watches among the node's children, `used` whether any child uses it,
    `done` whether no user is left, `running` how many calls use it now, `turn` how many ever began to.
    """

    __slots__ = ("at", "done", "moving", "running", "size", "stays", "stored", "turn", "used")

    def __init__(self, size: int, moving: threading.Lock | None) -> None:
        self.size = size
        self.at = 0
        self.used = self.done = self.stays = False
        self.running = self.turn = 0
        self.moving = moving
        self.stored: Stored | None = None


class _Turn:
    """A lock; who lets go of it does what could not be done while it was taken."""

    __slots__ = ("_afterwards", "lock")

    def __init__(self, afterwards: Callable[[], None]) -> None:
        self.lock = threading.Lock()
        self._afterwards = afterwards

    def __enter__(self) -> None:
        self.lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.lock.release()
        self._afterwards()


class LargeValues:
    """Keeps the large ones among `values`, which are by node number, and lets go of them.

    The driver tells what `arrived`, whose call `ended`, and when to `sweep`; `hold` and `release` may be
    called from any thread, `release` from a finalizer too.
    """

    def __init__(self, engine: Engine, values: list[Any], keep_all: bool, limit: int | None) -> None:
        self.engine = engine
        self.values = values
        self.keep_all = keep_all
        self.limit = limit
        self.noticed = LARGE if limit is None else SPILLED_FROM
        self.entries: dict[int, Large] = {}
        self.watching: dict[int, list[int]] = {}
        self.order_only: dict[int, frozenset[int]] = {}
        self.gone: set[int] = set()
        self.is_held: Callable[[int], bool] | None = None
        self.resident = 0
        self._expected: dict[tuple[int, int], int] = {}
        self._holds: dict[int, int] = {}
        self._let_go: deque[int] = deque()
        self._troubles = 0
        self._shelves: list[dict[int, None]] = [{} for _ in range(64)]
        self._folder = SpillFolder()
        self._making_room = threading.Lock()
        self._closed = False
        self._warned = False
        self._lock = _Turn(self._do_releases)

    # ---- how long

    def expect(self, node: int, attempt: int, size: int) -> None:
        """A call has made a value, which is there before it is at its place: makes room for it."""
        with self._lock:
            self._expected[node, attempt] = size
            self.resident += size
        self.make_room()

    def refused(self, node: int, attempt: int) -> None:
        """What was made is not wanted any more."""
        with self._lock:
            self.resident -= self._expected.pop((node, attempt), 0)

    def arrived(self, node: int, attempt: int, size: int) -> None:
        """A value of `size` bytes is at its place."""
        dropped: list[Any] = []
        with self._lock:
            self.gone.discard(node)
            large = self.entries[node] = Large(size, None if self.limit is None else threading.Lock())
            self.resident += size - self._expected.pop((node, attempt), 0)
            self._shelve(node, large)
            self._look(node, large, dropped)

    def ended(self, node: int) -> None:
        """A call that a value watches is at rest, or about to be."""
        dropped: list[Any] = []  # its members go when the lock is free again: what they call then may need it
        with self._lock:
            self._next_users(node, dropped)

    def sweep(self) -> None:
        """Looks for users that came to rest without a word: blocked or cancelled ones.

        One look goes over everything that is watched, so after single failures it is put off until there were
        enough of them to pay for it.
        """
        self._troubles += 1
        if self._troubles * 64 >= len(self.watching):
            self.sweep_now()

    def sweep_now(self) -> None:
        """As `sweep`, at once."""
        dropped: list[Any] = []
        state = self.engine.state
        with self._lock:
            self._troubles = 0
            for user in [node for node in self.watching if REST[state[node]]]:
                self._next_users(user, dropped)

    def gained(self, parents: Iterable[int]) -> None:
        """A call was added that uses these: what nothing used any more waits for it."""
        with self._lock:
            for node in parents:
                large = self.entries.get(node)
                if large is not None and large.done:
                    large.done = False
                    self._look(node, large, [])

    def no_result(self, node: int) -> None:
        """Only other nodes use the value: it goes when they have, and is no result of the run."""
        dropped: list[Any] = []
        with self._lock:
            large = self.entries.get(node)
            if large is not None:
                large.used = True
                self._look(node, large, dropped)

    def hold(self, node: int) -> None:
        """Keeps the value of a node, however often this is called, until `release` was as often."""
        with self._lock:
            self._holds[node] = self._holds.get(node, 0) + 1

    def release(self, node: int) -> None:
        """Takes back one `hold`; if it was the last and nothing needs the value, the value goes.

        A finalizer may call this in the middle of anything: whoever has the lock then does the work.
        """
        self._let_go.append(node)
        self._do_releases()

    def _do_releases(self) -> None:
        lock = self._lock.lock
        while self._let_go and lock.acquire(blocking=False):
            dropped: list[Any] = []
            try:
                while self._let_go:
                    self._released(self._let_go.popleft(), dropped)
            finally:
                lock.release()

    def _released(self, node: int, dropped: list[Any]) -> None:
        left = self._holds.get(node, 0) - 1
        if left > 0:
            self._holds[node] = left
            return
        self._holds.pop(node, None)
        large = self.entries.get(node)
        if large is not None and large.done:
            self._nobody_left(node, large, dropped)

    def _next_users(self, user: int, dropped: list[Any]) -> None:
        for node in self.watching.pop(user, ()):
            large = self.entries.get(node)
            if large is not None:
                large.at += 1
                self._look(node, large, dropped)

    def _look(self, node: int, large: Large, dropped: list[Any]) -> None:
        """Has a value watch its next user; where there is none, nothing needs it any more."""
        if self.keep_all or large.size <= LARGE:
            return
        children, state, order_only = self.engine.children[node], self.engine.state, self.order_only
        for place in range(large.at, len(children)):
            child = children[place]
            if order_only and node in order_only.get(child, ()):
                continue
            large.used = True
            if not REST[state[child]]:
                large.at = place
                self.watching.setdefault(child, []).append(node)
                return
        large.at = len(children)
        large.done = True
        self._nobody_left(node, large, dropped)

    def _nobody_left(self, node: int, large: Large, dropped: list[Any]) -> None:
        """What nothing ever used is a result of the run, and stays; what is held stays too."""
        if not large.used or node in self._holds or (self.is_held is not None and self.is_held(node)):
            return
        dropped.append(self.values[node])
        self._forget(node, large, RELEASED)

    def _forget(self, node: int, large: Large, mark: Away) -> None:
        del self.entries[node]
        self.values[node] = mark
        self.gone.add(node)
        if large.stored is None:
            self.resident -= large.size
            self._unshelve(node, large)
        else:
            self._folder.remove(large.stored)

    def fetch(self, node: int, key: str) -> Any:
        """The value of a good node, brought back if it was put away. Raises `ValueReleased`."""
        borrowed = self.borrow((node,))
        try:
            value = self.values[node]
        finally:
            self.give_back(borrowed)
        if type(value) is Away:
            raise ValueReleased(f"the value of {key!r} {value.why}", key=key)
        return value

    # ---- where

    def borrow(self, nodes: Iterable[int]) -> list[tuple[int, Large]]:
        """Brings back what a call needs, and keeps it in memory until `give_back` of what is returned."""
        if self.limit is None:
            return []
        with self._lock:
            borrowed = [(node, self.entries[node]) for node in nodes if node in self.entries]
            for node, large in borrowed:
                large.running += 1
                large.turn += 1
                self._unshelve(node, large)
        try:
            for node, large in borrowed:
                if large.stored is not None:
                    self._bring_back(node, large)
        except BaseException:
            self.give_back(borrowed)
            raise
        return borrowed

    def give_back(self, borrowed: list[tuple[int, Large]]) -> None:
        """The call has ended: what it used may be put away again."""
        if borrowed:
            with self._lock:
                for node, large in borrowed:
                    large.running -= 1
                    if self.entries.get(node) is large:
                        self._shelve(node, large)

    def make_room(self) -> None:
        """Puts values away until the rest is within the limit, or nothing is left that can go.

        One thread at a time does so, and the others wait: a value that is being written is in memory still.
        """
        if self.limit is None or self.resident <= self.limit:
            return
        with self._making_room:
            while (victim := self._victim()) is not None:
                self._put_away(*victim)

    def close(self) -> None:
        """Removes the folder; what was in it is gone."""
        with self._lock:
            self._closed = True
            for node, large in list(self.entries.items()):
                if large.stored is not None:
                    self._forget(node, large, CLOSED)
        self._folder.close()

    def _victim(self) -> tuple[int, Large] | None:
        with self._lock:
            if self.limit is None or self._closed or self.resident <= self.limit:
                return None
            for shelf in reversed(self._shelves):
                if shelf:
                    node = next(iter(shelf))
                    del shelf[node]
                    return node, self.entries[node]
            return None

    def _put_away(self, node: int, large: Large) -> None:
        assert large.moving is not None, "where there is a limit, every large value can be moved"
        with large.moving:
            with self._lock:
                value, turn = self.values[node], large.turn
                if self.entries.get(node) is not large or large.running or large.stored is not None:
                    return
            try:
                stored = self._folder.write(value)
            except Exception as error:  # whatever pickling the user's own object raises, or a full disk
                with self._lock:
                    large.stays = True
                self._warn(node, value, error)
                return
            with self._lock:
                if self._closed or self.entries.get(node) is not large or large.turn != turn:
                    self._folder.remove(stored)  # a call that came meanwhile may have changed it
                else:
                    self._unshelve(node, large)
                    large.stored = stored
                    self.values[node] = PUT_AWAY
                    self.resident -= large.size

    def _warn(self, node: int, value: Any, error: Exception) -> None:
        if self._warned:
            return
        self._warned = True
        warnings.warn(
            f"the value of {self.engine.keys[node]!r} (a {type_name(value)}) cannot be put away to keep to"
            f" the memory limit, and stays in memory: {type(error).__name__}: {error}. Of others like it "
            "nothing is said",
            RamifyWarning,
            stacklevel=2,
        )

    def _bring_back(self, node: int, large: Large) -> None:
        assert large.moving is not None, "where there is a limit, every large value can be moved"
        with large.moving:
            stored = large.stored
            if stored is None:  # another call that needs it was quicker
                return
            self._count(large.size)
            try:
                self.make_room()
                value = self._folder.read(stored)
            except BaseException:
                self._count(-large.size)
                raise
            with self._lock:
                if self.entries.get(node) is large:
                    self.values[node] = value
                    large.stored = None
                else:
                    self.resident -= large.size
            self._folder.remove(stored)

    def _count(self, size: int) -> None:
        with self._lock:
            self.resident += size

    def _shelve(self, node: int, large: Large) -> None:
        if self.limit is not None and not large.running and not large.stays and large.stored is None:
            self._shelves[large.size.bit_length()][node] = None

    def _unshelve(self, node: int, large: Large) -> None:
        self._shelves[large.size.bit_length()].pop(node, None)
