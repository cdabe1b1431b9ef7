"""The contracts between the driver and what it stands on, in prose and as protocols.

Every back end is one file that fulfils one of these; `ramify.testing` holds a suite for each. A node is a
small integer here, the engine's number of it; an attempt is the engine's count of starts of that node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec


class Order(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One attempt of one job, as an executor gets it.

    `job_id` names the job in the plan. `slot` is empty until an executor that has slots fills it. `options`
    are an outside engine's own words for this job (`job_resources`), passed on as they are. Orders of one
    `group` are points of one grid. Orders of one `kind` call the same function.
    """

    node: int
    attempt: int
    job_id: str
    options: dict[str, Any] | None = None
    group: str | None = None
    kind: int = 0


class Outcome(msgspec.Struct, omit_defaults=True, gc=False):
    """How an attempt ended, as a worker tells it. Times are seconds, memory is bytes.

    `kind` is one of
    - `"ok"`: the value is stored as the attempt's part; `record` is its sidecar, `digest` its digest;
    - `"error"`: the call, or the loading or storing around it, raised: `error` says what;
    - `"died"`: the process ended without a word: `exit_code` or `signal`;
    - `"lost"`: the executor cannot say (a closed pool, a cluster that forgot the job): `error` says why;
    - `"stopped"`: it was stopped on request.
    """

    kind: str
    digest: str = ""
    record: dict[str, Any] | None = None
    error: Failure | None = None
    exit_code: int | None = None
    signal: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: int = 0
    pid: int = 0
    host: str = ""


class Failure(msgspec.Struct, omit_defaults=True):
    """An exception, told so that nobody has to unpickle anything to read it.

    `traceback` begins at the user's own frame; `full_traceback` has every frame. `pickled` is the exception
    itself where it could travel: only the client and the driver of its own run load it.
    """

    type_name: str
    message: str
    traceback: str = ""
    full_traceback: str = ""
    pickled: bytes | None = None
    during: str = "call"


Tell = Callable[[int, int, str, Any], None]
"""`tell(node, attempt, what, data)`: how an executor reports. `what` is `"started"` (data: a handle that a
recovered driver could use, or None) or `"ended"` (data: an `Outcome`). Any thread may call it, in any order,
more than once: the engine ignores what is stale."""


@runtime_checkable
class Executor(Protocol):
    """Carries out orders somewhere.

    - `start` is called once, before anything else; it may raise, and then nothing is to be closed.
    - `submit` returns without waiting for any of the work. Each order leads to exactly one `"ended"`,
      whatever happens to the worker, except after `close(force=True)`.
    - `stop` ends the attempts' whole process trees, soon; each still gets its `"ended"` (`"stopped"`, or what
      came first). Unknown attempts are ignored. An executor that cannot stop work says so: `stops` is False;
      it lets go of the attempts, and need not tell of them any more.
    - `close` waits for nothing that was stopped, leaves no process, thread or file behind, and may be called
      twice. With `force=True` it also ends what still runs.
    - `slots` is how many orders it wants at a time (None: as many as there are).
    """

    slots: int | None
    stops: bool

    def start(self, tell: Tell) -> None: ...
    def submit(self, orders: Sequence[Order]) -> None: ...
    def stop(self, attempts: Iterable[tuple[int, int]]) -> None: ...
    def close(self, force: bool = False) -> None: ...


class Journal(Protocol):
    """One append-only sequence of records, one writer.

    `append` takes one whole record and returns when the operating system has it (`durable`: when the disk has
    it); `extend` takes several, in order. What was appended before a crash is read back whole; a last record
    cut short is not there.
    """

    def append(self, record: Sequence[Any]) -> None: ...
    def extend(self, records: Sequence[Sequence[Any]]) -> None: ...
    def close(self) -> None: ...


class Store(Protocol):
    """Where the outputs of one run live, by job id.

    An output is complete or absent. A worker writes a part under its attempt's name; `adopt` makes the part
    the output, in a step that no crash can halve, and replaces what was there; `discard` forgets a part.
    """

    def adopt(self, job_id: str, attempt: str, record: dict[str, Any]) -> None: ...
    def discard(self, attempt: str) -> None: ...
    def holds(self, job_id: str) -> dict[str, Any] | None: ...
    def remove(self, job_id: str) -> bool: ...


class Observer(Protocol):
    """Watches a run: called in the waiting thread, in order; what it raises is reported as a warning.

    `saw` gets rows of the log: (letter, node, time, data), letters as in `ramify.core.engine.EVENTS`.
    An observer that has a `tick` gets it called about every 50 ms, for what moves without news.
    """

    def saw(self, changes: Sequence[tuple[str, int, float, Any]]) -> None: ...
    def ended(self) -> None: ...


class Catalogue(Protocol):
    """The runs of a project, newest first: a projection of their journals. A failed write is a warning."""

    def began(self, name: str, folder: str, facts: dict[str, Any]) -> None: ...
    def ended(self, name: str, facts: dict[str, Any]) -> None: ...
    def runs(self) -> list[dict[str, Any]]: ...


class Clock(Protocol):
    """Seconds since the epoch for people, and seconds that never go back for measuring."""

    def now(self) -> float: ...
    def steady(self) -> float: ...
