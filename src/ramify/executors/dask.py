"""Calls on a Dask cluster. Needs the extra `dask`."""

from __future__ import annotations

import uuid
from concurrent.futures import Future
from typing import Any

from ramify.errors import ModeError
from ramify.executors.remote import RemoteExecutor, WorkerLost, missing
from ramify.worker.parcel import carry_out

_PREFIX = "ramify-"


class DaskExecutor(RemoteExecutor):
    """A `concurrent.futures.Executor` on the workers of a Dask cluster.

    `client_or_address` is a `distributed.Client`, which is left open, or the address of a scheduler
    (`"tcp://host:8786"`), to which a client is opened until `shutdown`. `max_workers` is by default the
    number of the workers' threads now. `patience` is how many seconds may pass without any worker before all
    that is open fails.

    The workers need Ramify installed, and for plans on disk the same folders. A call is made once: when its
    worker dies, it fails with the reason, whatever the cluster's `allowed-failures`. What runs on a Dask
    worker cannot be stopped; what waits is taken back.

    Raises `ModeError` for another kind of client, `MissingExtraError` without `distributed`, and `OSError`
    when the scheduler cannot be reached.

    >>> DaskExecutor(3)
    Traceback (most recent call last):
    ...
    ramify.errors.ModeError: client_or_address is 3: give a distributed.Client or a scheduler's address
    """

    engine = "Dask"

    def __init__(
        self, client_or_address: Any, *, max_workers: int | None = None, patience: float = 60.0
    ) -> None:
        self._client, self._own = _client(client_or_address)
        super().__init__(max_workers or sum(self._client.nthreads().values()) or 1, patience)
        self._client.register_plugin(_once(), name="ramify-once")

    def __repr__(self) -> str:
        return f"DaskExecutor(max_workers={self._max_workers})"

    def _send(self, parcel: bytes) -> Any:
        return self._client.submit(carry_out, parcel, key=f"{_PREFIX}{uuid.uuid4().hex}", pure=False)

    def _follow(self, future: Future[Any], task: Any) -> None:
        task.add_done_callback(lambda done: self._done(future, done))

    def _done(self, future: Future[Any], task: Any) -> None:
        if future.done():
            return
        if task.status == "cancelled":
            self._fail(future, WorkerLost("the Dask scheduler is gone, or has forgotten the call"))
            return
        try:
            reply = task.result()
        except Exception as error:
            self._fail(future, _translated(error))
        else:
            self._answer(future, reply)
        finally:
            task.release()

    def _withdraw(self, task: Any) -> None:
        """Not by `cancel`, which goes another way than the call, and may reach the scheduler before it."""
        task.release()

    def _look(self) -> int:
        """Without a connection the client says what it knew last."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        return len(workers) if self._client.status == "running" else 0

    def _release(self) -> None:
        if self._own:
            self._client.close()


def _client(given: Any) -> tuple[Any, bool]:
    """The client (its methods have no types), and whether it was opened here."""
    if not isinstance(given, str) and not callable(getattr(given, "register_plugin", None)):
        raise ModeError(f"client_or_address is {given!r}: give a distributed.Client or a scheduler's address")
    try:
        from distributed import Client
    except ImportError:
        raise missing("distributed", "dask") from None
    if not isinstance(given, str):
        return given, False
    opened: Any = Client
    return opened(given, set_as_default=False), True


def _translated(error: Exception) -> BaseException:
    """What the engine itself says; the call's own exceptions come back as replies."""
    from distributed import KilledWorker

    if isinstance(error, KilledWorker):
        return WorkerLost(f"the Dask worker {error.last_worker.address} was lost while it had the call")
    return WorkerLost(f"{type(error).__name__}: {error}")


def _once() -> Any:
    """A plugin for the scheduler: a call of ours that was with a lost worker is not given to another.

    It is defined in here so that it travels by value: the scheduler need not have Ramify.
    """
    from distributed import SchedulerPlugin

    class Once(SchedulerPlugin):
        idempotent = True

        def update_graph(self, scheduler: Any, *, tasks: Any, **more: Any) -> None:
            for key in tasks:
                if isinstance(key, str) and key.startswith("ramify-") and key in scheduler.tasks:
                    scheduler.tasks[key].suspicious = scheduler.allowed_failures

    return Once()
