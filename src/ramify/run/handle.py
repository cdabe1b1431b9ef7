"""A run in any process, held by any other: how it stands, what came of it, and how to end or retry it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol

from ramify.core.graph import GATHER, KIND
from ramify.core.table import NAMES, REST
from ramify.core.views import STATUS
from ramify.errors import JobCancelled, ParentFailed, RunOverError, RunTimeout, UnknownRunError
from ramify.ports import Failure
from ramify.run.control import Cancel, Retry, ask, asker
from ramify.run.ends import exception_of, told_before
from ramify.run.find import find_run_folder
from ramify.run.view import RunView

if TYPE_CHECKING:
    from uuid import UUID

Changes = list[tuple[str, str]]
"""Jobs by id, and the status that each has now."""


class SupportsRunName(Protocol):
    """A DAG."""

    @property
    def run_name(self) -> str | None: ...


_SHORTEST: Final = 0.01
_LONGEST: Final = 0.2
"""Seconds between two looks at a journal: nothing tells another process that it grew."""

_STATUS: Final = tuple(STATUS[name] for name in NAMES)


def connect(run: str | os.PathLike[str] | UUID | SupportsRunName = "latest") -> RunHandle:
    """The run of a name, a part of a name, an id (a `UUID` or its text), `latest`, the name that its graph
    was given, or a folder; or the latest run of a DAG. From any process, at any time.

    Raises `UnknownRunError` where there is none, or where several could be meant.

    >>> import tempfile
    >>> from ramify import DAG, Job
    >>> folder = tempfile.mkdtemp()
    >>> def double(x):
    ...     return 2 * x
    >>> _ = DAG({"a": Job(double, {"x": 3})}).evaluate(folder)
    >>> run = connect(folder)
    >>> run.wait(), run.result("a"), run.counts()
    ('COMPLETED', 6, {'COMPLETED': 1})
    """
    if isinstance(run, str | os.PathLike):
        return RunHandle(find_run_folder(os.fspath(run)))
    return RunHandle(find_run_folder(_run_of(run) if hasattr(run, "run_name") else str(run)))


def _run_of(dag: SupportsRunName) -> str:
    name = dag.run_name
    if name is None:
        raise UnknownRunError(f"nothing is written down of a run of {dag!r}, or not yet", name="", fits=[])
    return name


class RunHandle:
    """One run, by its folder. It reads the run's journal, each time what is new of it, and posts requests.

    Statuses are the public words: of the run RUNNING, COMPLETED, FAILED, CANCELLED, or LOST where its driver
    died; of a job NOT_STARTED, RUNNING, COMPLETED, FAILED, CANCELLED, PARENT_FAILED. A key is a job's id, or
    a part that no other job has (`JobIdError`). Any thread may use it.
    """

    def __init__(self, folder: str) -> None:
        self._view = RunView(folder)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"RunHandle({self.name!r}, {self.status})"

    def __reduce__(self) -> tuple[Any, ...]:
        return RunHandle, (self.folder,)

    # ---- how it stands

    @property
    def name(self) -> str:
        """The run's name."""
        return self._view.name

    @property
    def folder(self) -> str:
        """The run's own folder, with its journal and logs."""
        return self._view.folder

    @property
    def id(self) -> str | None:
        """The run's UUID; None for a run of an earlier version."""
        return self._view.facts.get("id")

    @property
    def outputs(self) -> str:
        """The folder of its outputs."""
        return self._view.outputs

    @property
    def status(self) -> str:
        """RUNNING, COMPLETED, FAILED, CANCELLED or LOST."""
        return self.view().status

    def done(self) -> bool:
        """Whether it is at rest, or nobody drives it any more."""
        return self.status != "RUNNING"

    def counts(self) -> dict[str, int]:
        """How many jobs have each status; those that none has are left out."""
        found: dict[str, int] = {}
        for status in self.nodes().values():
            found[status] = found.get(status, 0) + 1
        return found

    def nodes(self) -> dict[str, str]:
        """The status of every job, by id."""
        with self._lock:
            engine = self.view().engine
            return {
                key: _STATUS[state]
                for key, state, flags in zip(engine.keys, engine.state, engine.flags, strict=True)
                if flags & KIND != GATHER
            }

    def state_of(self, key: str) -> str:
        """The status of one job."""
        with self._lock:
            return _STATUS[self._view.engine.state[self._node(key)]]

    def view(self) -> RunView:
        """The run as its journal tells it now."""
        with self._lock:
            self._view.refresh()
            return self._view

    def _node(self, key: str) -> int:
        view = self.view()
        return view.engine.number[view.resolve(key)]

    # ---- waiting

    def wait(self, timeout: float | None = None) -> str:
        """Waits until the run is at rest or its driver is gone, and returns its status.

        Raises `RunTimeout` (a `TimeoutError`) where that takes longer than `timeout` seconds.
        """
        self._until(lambda: self.done(), timeout, lambda: f"the run {self.name} still goes on")
        return self.status

    def wait_for(self, key: str, timeout: float | None = None) -> str:
        """Waits until one job is at rest, or the run is, and returns the job's status.

        Raises `RunTimeout` where that takes longer than `timeout` seconds.
        """
        self._until(lambda: self._is_at_rest(key), timeout, lambda: f"the job {key} is not at rest")
        return self.state_of(key)

    def _until(self, holds: Callable[[], bool], timeout: float | None, told: Callable[[], str]) -> None:
        end = None if timeout is None else time.monotonic() + timeout
        pause = _SHORTEST
        while not holds():
            left = pause if end is None else end - time.monotonic()
            if left <= 0:
                raise RunTimeout(f"{told()} after {timeout:g} s", name=self.name)
            time.sleep(min(pause, left))
            pause = min(pause * 1.3, _LONGEST)

    def follow(
        self, callback: Callable[[Changes], object], *, thread: bool = False
    ) -> threading.Thread | None:
        """Calls `callback` with the jobs whose status changed, as (id, status) pairs, until the run is over.

        The first call has all jobs as they stand. It is called in the calling thread, and this returns when
        the run is over; or with `thread=True` in a daemon thread, which is returned. What `callback` raises
        ends the following.
        """
        if thread:
            own = threading.Thread(target=self._follow, args=(callback,), daemon=True)
            own.start()
            return own
        self._follow(callback)
        return None

    def _follow(self, callback: Callable[[Changes], object]) -> None:
        view = RunView(self.folder)
        seen, pause = b"", _SHORTEST
        while True:
            over = view.status != "RUNNING"
            changes, seen = _changes(view, seen)
            if changes:
                callback(changes)
                pause = _SHORTEST
            if over:
                return
            time.sleep(pause)
            pause = min(pause * 1.3, _LONGEST)
            view.refresh()

    # ---- what came of it

    def result(self, key: str, timeout: float | None = None) -> Any:
        """The output of a job, read from where the run stores it; waits until the job is at rest.

        Raises the job's failure (see `exception`), `JobCancelled`, `ParentFailed`, or `RunTimeout`.
        """
        self.wait_for(key, timeout)
        error = self.exception(key)
        if error is not None:
            raise error
        from ramify.values import deserialize

        return deserialize(self._place(key))

    def _is_at_rest(self, key: str) -> bool:
        with self._lock:
            node = self._node(key)
            return bool(REST[self._view.engine.state[node]]) or self._view.status != "RUNNING"

    def _place(self, key: str) -> str:
        from ramify.run.recover import kept_plan

        view = self._view
        return os.path.join(view.outputs, kept_plan(view.folder, view.outputs).stored(view.resolve(key)))

    def failure(self, key: str) -> Failure | None:
        """How a job failed, told in words; None where it did not fail (or not yet for good)."""
        with self._lock:
            job = self._view.job(self._view.engine.keys[self._node(key)])
        return told_before(job.failure).error if job.status == "FAILED" else None

    def exception(self, key: str) -> BaseException | None:
        """Why a job has no output: a `RemoteError` with the type, text and traceback of what its call raised,
        `JobTimeout` or `WorkerDied` where it was late or its process died, `JobCancelled` or `ParentFailed`;
        None where it has one. Nothing is unpickled for it.
        """
        with self._lock:
            job = self._view.job(self._view.engine.keys[self._node(key)])
            lost = self._view.status
        if job.status == "FAILED":
            return exception_of(
                told_before(job.failure), job_id=job.job_id, attempt=job.attempts, log=job.log
            )
        if job.status == "COMPLETED":
            return None
        if job.status == "PARENT_FAILED":
            told = f"{job.job_id} cannot run: {job.blocked_by} has no value"
            return ParentFailed(told, job_id=job.job_id, cause_id=job.blocked_by)
        why = job.note or f"the run is {lost}"
        return JobCancelled(f"{job.job_id} has no value: {why}", job_id=job.job_id)

    # ---- asking for something

    def cancel(self, force: bool = False, keys: Iterable[str] | None = None) -> bool:
        """Starts nothing more of these jobs, or of the whole run; with `force`, stops what runs as well.

        False where the run is over. Waits for the driver's answer; `ControlError` where it refuses.
        """
        return self._ask(Cancel(jobs=self._ids(keys), force=force, by=asker()))

    def retry(self, keys: Iterable[str] | None = None) -> bool:
        """Tries these jobs again, or all that failed or were cancelled, and what they kept from running.

        A run that is over, or whose driver died, goes on with a new driver in a process of its own. False
        where there is nothing to try again.
        """
        from ramify.run.detached import relaunch

        ids = self._ids(keys)
        if not self.done():
            try:
                told = ask(self.folder, Retry(jobs=ids, by=asker()))
                return told is None or bool(told["jobs"])
            except RunOverError:  # just now
                self.view()
        if not self.view().lacks_any(ids):
            return False
        relaunch(self.folder, only=ids)
        self.view()
        return True

    def _ask(self, request: Cancel) -> bool:
        try:
            ask(self.folder, request)
        except RunOverError:
            return False
        return True

    def _ids(self, keys: Iterable[str] | None) -> list[str] | None:
        if keys is None:
            return None
        several = [keys] if isinstance(keys, str) else list(keys)
        view = self.view()
        return list(dict.fromkeys(view.resolve(key) for key in several))


def _changes(view: RunView, seen: bytes) -> tuple[Changes, bytes]:
    """The jobs whose status is another than it was, and the states to compare with the next time."""
    engine = view.engine
    now = bytes(engine.state)
    if now == seen:
        return [], seen
    known = len(seen)
    changed = [n for n, state in enumerate(now) if n >= known or _STATUS[state] != _STATUS[seen[n]]]
    keys, flags = engine.keys, engine.flags
    return [(keys[n], _STATUS[now[n]]) for n in changed if flags[n] & KIND != GATHER], now
