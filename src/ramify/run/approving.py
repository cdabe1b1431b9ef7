"""A person's word on what is about to happen: growths, and starts of nodes.

`approve(proposal)` is called outside the driver, one call at a time. It says `True` or `"approve"`,
`"refuse"` for never, and `False`, `None` or `"defer"` for later: then it is asked again when something has
changed, or after a pause, which grows from a tenth of a second to five. `"stop"` to a growth makes neither
it nor any other, as after `max_growths`: whoever goes on with the run is asked again.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ramify.errors import ArgumentError

if TYPE_CHECKING:
    from ramify.run.role import Role

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0

_WORDS: Final = {
    True: "approve",
    False: "defer",
    None: "defer",
    "approve": "approve",
    "refuse": "refuse",
    "defer": "defer",
    "stop": "stop",
}


class Proposal(msgspec.Struct, frozen=True):
    """What is proposed: a `"growth"` by the rule or the job `by`, or the `"start"` of the node `by`.

    `nodes` are the keys of what would be added, or the node; `rules` the names of the rules.
    """

    kind: str
    by: str
    nodes: Sequence[str] = ()
    rules: Sequence[str] = ()

    def __str__(self) -> str:
        if self.kind == "start":
            return f"start {self.by}"
        shown = ", ".join(self.nodes[:8]) + (
            f" and {len(self.nodes) - 8} more" if len(self.nodes) > 8 else ""
        )
        rules = f"; rules {', '.join(self.rules)}" if self.rules else ""
        return f"{self.by} adds {shown or 'no node'}{rules}"


Approve = Callable[[Proposal], Any]


def check_growing(approve: Any, max_growths: Any) -> None:
    """Raises `ArgumentError` for what cannot be asked, and for what is no number of growths."""
    if approve is not None and not callable(approve):
        raise ArgumentError(
            f"approve={approve!r:.60} of type {type(approve).__name__} cannot be called: give a function of "
            "a proposal, such as lambda proposal: True",
            names=["approve"],
        )
    if max_growths is not None and not (type(max_growths) is int and max_growths >= 0):
        raise ArgumentError(
            f"max_growths={max_growths!r}: use a whole number, 0 or more", names=["max_growths"]
        )


class Approver:
    """Asks, one question at a time, and remembers how often each was put off."""

    def __init__(self, approve: Approve) -> None:
        self._approve = approve
        self._turn = threading.Lock()
        self._deferred: dict[str, int] = {}
        self._waiting: deque[int] = deque()
        self._work = threading.Semaphore(0)
        self._thread: threading.Thread | None = None
        self._role: Role | None = None
        self._closed = False

    def decide(self, proposal: Proposal) -> str:
        """`"approve"`, `"refuse"`, `"defer"` or `"stop"`. Raises `ArgumentError` for any other word."""
        with self._turn:
            said = self._approve(proposal)
        try:
            return _WORDS[said]
        except (KeyError, TypeError):
            raise ArgumentError(
                f"approve() said {said!r:.60} to {str(proposal)!r}: say True, 'refuse', 'defer' or 'stop'",
                names=["approve"],
            ) from None

    def pause(self, what: str) -> float:
        """Seconds until something that was put off is asked again."""
        count = self._deferred[what] = self._deferred.get(what, 0) + 1
        return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (count - 1)))

    def again(self) -> Approver:
        """The same person, for another driver: still one question at a time."""
        other = Approver(self._approve)
        other._turn, other._deferred = self._turn, self._deferred
        return other

    # ---- starts

    def begin(self, role: Role) -> None:
        """This is whom to tell what may start."""
        self._role = role

    def ask_about(self, node: int) -> None:
        """A node is ready: somebody is to say whether it may start. Called by whoever drives."""
        self._waiting.append(node)
        self._work.release()
        if self._thread is None:
            self._thread = threading.Thread(target=self._ask_on, name="ramify-approve", daemon=True)
            self._thread.start()

    def _ask_on(self) -> None:
        while True:
            self._work.acquire()
            if self._closed:
                return
            self._answer(self._waiting.popleft())

    def _answer(self, node: int) -> None:
        role = self._role
        assert role is not None, "only a run asks"
        key = role.engine.keys[node]
        try:
            word = self.decide(Proposal("start", key, (key,)))
        except BaseException as error:
            why = f"approve() raised {type(error).__name__}: {error}"
            role.request(lambda: role.refuse_start(node, why))
            return
        if word == "approve":
            role.request(lambda: role.let_start(node))
        elif word in ("refuse", "stop"):
            role.request(lambda: role.refuse_start(node, "its start was refused"))
        else:
            pause = self.pause(key)
            role.request(lambda: role.nap(node, pause))

    def close(self) -> None:
        """Nothing is asked any more."""
        self._closed = True
        self._work.release()
