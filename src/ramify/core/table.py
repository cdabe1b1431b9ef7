"""The states of a node and every step between them. Everything that affects a transition lives here.

At import each step becomes 256 bytes, indexed by the present state: `SUCCEED[state]` is the next state, or
`ILLEGAL`. The diagram in the documentation is drawn from `ROWS`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

IDLE: Final = 0
ASKED: Final = 1
CHECKED: Final = 2
WAITING: Final = 3
READY: Final = 4
ASLEEP: Final = 5
RUNNING: Final = 6
SUCCEEDED: Final = 7
REUSED: Final = 8
FAILED: Final = 9
BLOCKED: Final = 10
CANCELLED: Final = 11
ILLEGAL: Final = 255

NAMES: Final = (
    "idle",
    "asked",
    "checked",
    "waiting",
    "ready",
    "asleep",
    "running",
    "succeeded",
    "reused",
    "failed",
    "blocked",
    "cancelled",
)

MEANINGS: Final = (
    "nothing wants it",
    "wanted; the early question is out: does an old result stand, whatever its parents do?",
    "its parents are good; the late question is out: does an old result fit their outputs?",
    "wanted; a parent is not good yet",
    "may start",
    "a grow node between two passes",
    "an attempt is under way",
    "has a value of this run",
    "has a value of an earlier run, which stands",
    "its last attempt failed",
    "a parent can no longer succeed",
    "given up on request",
)


class Row(NamedTuple):
    """One step: from any of `sources` to `target`."""

    step: str
    sources: tuple[int, ...]
    target: int
    meaning: str


ROWS: Final = (
    Row("ask", (IDLE,), ASKED, "something wants it, and an old result may stand"),
    Row("demand", (IDLE, ASKED), WAITING, "it has to be had through its parents, which are wanted now"),
    Row("check", (WAITING,), CHECKED, "all parents are good, and an old result may fit them"),
    Row("offer", (WAITING, CHECKED), READY, "all parents are good, and no old result stands"),
    Row("reuse", (ASKED, CHECKED), REUSED, "an old result stands"),
    Row("reopen", (REUSED,), WAITING, "an ancestor runs in this run, so the early answer is void"),
    Row(
        "revert",
        (READY, CHECKED, SUCCEEDED),
        WAITING,
        "a parent is not good any more; only a gather had succeeded",
    ),
    Row("gather", (WAITING,), SUCCEEDED, "a node without work: its parents are good, so it is"),
    Row("start", (READY,), RUNNING, "an attempt begins"),
    Row("succeed", (RUNNING,), SUCCEEDED, "the attempt brought a value"),
    Row("fail", (RUNNING,), FAILED, "the attempt failed, and no other follows"),
    Row("again", (RUNNING,), READY, "the attempt failed, and another follows"),
    Row("sleep", (RUNNING,), ASLEEP, "a grow node waits to be woken"),
    Row("wake", (ASLEEP,), READY, "what the grow node waited for has come"),
    Row("block", (IDLE, ASKED, WAITING), BLOCKED, "wanted, and a parent can no longer succeed"),
    Row("cancel", (IDLE, ASKED, CHECKED, WAITING, READY, ASLEEP), CANCELLED, "given up before it started"),
    Row("stop", (RUNNING,), CANCELLED, "its attempt was ended on request"),
    Row("reset", (SUCCEEDED, REUSED, FAILED, BLOCKED, CANCELLED), IDLE, "back to the start"),
)


def _column(step: str) -> bytes:
    column = bytearray([ILLEGAL]) * 256
    for row in ROWS:
        if row.step == step:
            for source in row.sources:
                column[source] = row.target
    return bytes(column)


ASK: Final = _column("ask")
DEMAND: Final = _column("demand")
CHECK: Final = _column("check")
OFFER: Final = _column("offer")
REUSE: Final = _column("reuse")
REOPEN: Final = _column("reopen")
REVERT: Final = _column("revert")
GATHER: Final = _column("gather")
START: Final = _column("start")
SUCCEED: Final = _column("succeed")
FAIL: Final = _column("fail")
AGAIN: Final = _column("again")
SLEEP: Final = _column("sleep")
WAKE: Final = _column("wake")
BLOCK: Final = _column("block")
CANCEL: Final = _column("cancel")
STOP: Final = _column("stop")
RESET: Final = _column("reset")


def _members(*states: int) -> bytes:
    return bytes(1 if state in states else 0 for state in range(256))


GOOD: Final = _members(SUCCEEDED, REUSED)
"""Its children may use its value."""
BAD: Final = _members(FAILED, BLOCKED, CANCELLED)
"""It ended without a value."""
REST: Final = _members(SUCCEEDED, REUSED, FAILED, BLOCKED, CANCELLED)
"""Nothing happens to it unless it is reset."""
BUSY: Final = _members(ASKED, CHECKED, READY, RUNNING)
"""The driver, or something that it started, owes the engine a word about it."""
