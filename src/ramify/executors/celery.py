"""Calls on Celery workers. Needs the extra `celery`."""

from __future__ import annotations

import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ramify.errors import InfrastructureError, ModeError
from ramify.executors.celery_tasks import HELD, STOP, TASK, new_app, register
from ramify.executors.remote import RemoteExecutor, WorkerLost, missing

if TYPE_CHECKING:
    from celery import Celery

__all__ = ["CeleryExecutor", "register"]

MISSES: Final = 4
"""After how many looks in a row without a sign of a call its worker counts as lost."""

_SOON, _LATE = 0.005, 0.1
"""Seconds between two looks for results: soon after there was one, and at most."""

_UNKNOWN_SLOTS: Final = 16
_QUESTIONS: Final = 3
"""How often workers are asked for their number before none is taken to be there."""


class _Task:
    """A call as a message: `worker` has it, as far as is known."""

    __slots__ = ("id", "misses", "stopping", "worker")

    def __init__(self) -> None:
        self.id = str(uuid.uuid4())
        self.worker = ""
        self.misses = 0
        self.stopping = False


class CeleryExecutor(RemoteExecutor):
    """A `concurrent.futures.Executor` on Celery workers that know the task `ramify.run`.

    `app_or_broker_url` is a `celery.Celery`, or the URL of a Redis that is broker and keeper of results.
    Start workers as `celery -A ramify.executors.celery_app worker`, with the URL in `CELERY_BROKER_URL`, or
    give your own app the task with `ramify.executors.celery.register(app)`. `queue` is the app's default
    queue if not given. `max_workers` is by default how many processes the workers of that queue have now.
    `patience` is how many seconds may pass without any worker of the queue before all that is open fails.

    A call is made once: when its process or its worker dies, it fails with the reason, within seconds. In
    workers with processes (Celery's default pool) what runs can be stopped, with its whole process tree.

    Raises `ModeError` for another kind of app, or one whose results nobody can ask for;
    `InfrastructureError` when the broker cannot be reached; `MissingExtraError` without `celery`.

    >>> CeleryExecutor(3)
    Traceback (most recent call last):
    ...
    ramify.errors.ModeError: app_or_broker_url is of type int: give a celery.Celery or the URL of a Redis
    """

    engine: ClassVar[str] = "Celery"
    answer_in: ClassVar[float] = 1.0
    """Seconds that workers have to answer."""

    def __init__(
        self,
        app_or_broker_url: Any,
        *,
        queue: str | None = None,
        max_workers: int | None = None,
        patience: float = 60.0,
    ) -> None:
        self._app, self._own = _app(app_or_broker_url)
        self._queue = queue or str(self._app.conf.task_default_queue)
        self._backend = _pollable(self._app)
        self._pause = _SOON
        self._pools: dict[str, str] = {}
        slots = self._count_slots()
        super().__init__(max_workers or slots, patience)

    def __repr__(self) -> str:
        return f"CeleryExecutor(queue={self._queue!r}, max_workers={self._max_workers})"

    def _count_slots(self) -> int:
        try:
            workers = next(filter(None, (self._ask([]) for _ in range(_QUESTIONS))), {})
        except Exception as error:
            raise InfrastructureError(
                f"the Celery broker cannot be reached ({type(error).__name__}): is it up, is its URL right?"
            ) from None  # the cause's text may have the URL, and so a password
        return sum(worker["slots"] for worker in workers.values()) or _UNKNOWN_SLOTS

    # ---- calls as messages

    def _send(self, parcel: bytes) -> _Task:
        """Not by `send_task`: it subscribes to every result on a connection that nobody would read."""
        task, amqp = _Task(), self._app.amqp
        text = b64encode(parcel).decode("ascii")
        message = amqp.create_task_message(task.id, TASK, [text], {}, argsrepr="(...)", kwargsrepr="{}")
        options = amqp.router.route({"queue": self._queue}, TASK)
        with self._app.producer_or_acquire() as producer:
            amqp.send_task_message(producer, TASK, message, serializer="json", retry=True, **options)
        return task

    def _follow(self, future: Future[Any], task: _Task) -> None:
        self._pause = _SOON

    def _begin(self) -> None:
        super()._begin()
        self._rounds("ramify-celery-results", self._collect, _SOON)

    def _withdraw(self, task: _Task) -> None:
        if not task.stopping:
            task.stopping = True
            self._app.control.broadcast(STOP, arguments={"ids": [task.id]})

    def end_task(self, future: Future[Any]) -> None:
        """Takes the call back or, where it is being made, kills it; the future is then cancelled."""
        with self._lock:
            task = self._open.get(future)
        if task is None:
            return
        self._drop(task)
        if not task.worker:
            future.cancel()

    # ---- results

    def _collect(self) -> float:
        """Looks for results; seconds until the next look."""
        with self._lock:
            left = {task.id: (future, task) for future, task in self._open.items()}
        try:
            metas = _metas(self._backend, left)
        except Exception:  # the next look may find it again; who looks after the workers gives up in time
            return _LATE
        ended = False
        for name, meta in metas.items():
            ended = self._heard(*left[name], meta) or ended
        self._pause = _SOON if ended else min(2 * self._pause, _LATE)
        return self._pause

    def _heard(self, future: Future[Any], task: _Task, meta: Mapping[str, Any]) -> bool:
        """What the backend says of a task; whether it is the end of it."""
        status, result = meta["status"], meta["result"]
        if status == "STARTED":
            task.worker = task.worker or (result or {}).get("hostname", "")
        if status == "SUCCESS":
            self._answer(future, b64decode(result))
        elif status == "REVOKED" or (status == "FAILURE" and task.stopping):
            task.stopping = True
            future.cancel()
        elif status == "FAILURE":
            self._fail(future, WorkerLost(f"{type(result).__name__}: {result}"))
        if status not in ("SUCCESS", "REVOKED", "FAILURE"):
            return False
        _forget(self._backend, task.id)
        return True

    # ---- workers

    def _ask(self, ids: list[str]) -> dict[str, dict[str, Any]]:
        """The workers of the queue, by name, and which of these tasks each has."""
        replies = self._app.control.broadcast(
            HELD, arguments={"ids": ids}, reply=True, timeout=self.answer_in
        )
        found = {name: said for reply in replies or [] for name, said in reply.items()}
        found = {name: said for name, said in found.items() if self._queue in said.get("queues", ())}
        self._pools |= {name: said["pool"] for name, said in found.items()}
        return found

    def _look(self) -> int:
        with self._lock:
            left = {task.id: (future, task) for future, task in self._open.items()}
        workers = self._ask(list(left))
        holder = {one: name for name, said in workers.items() for one in said["held"]}
        for name, (future, task) in left.items():
            task.worker = holder.get(name, task.worker)
            task.misses = task.misses + 1 if task.worker and name not in holder else 0
            if task.misses >= self._most_misses(task.worker):
                self._lose(future, task)
        return len(workers) or sum(self._pools.get(task.worker) == "solo" for _, task in left.values())

    def _most_misses(self, worker: str) -> float:
        """A worker without processes of its own is silent while it works; one unheard of may be such."""
        pool = self._pools.get(worker)
        if pool is None:
            return max(MISSES, self._patience / (self.look_every + self.answer_in))
        return float("inf") if pool == "solo" else MISSES

    def _lose(self, future: Future[Any], task: _Task) -> None:
        if task.stopping:
            future.cancel()
        else:
            self._fail(future, WorkerLost(f"the Celery worker {task.worker} was lost while it had the call"))
            self._drop(task)  # the broker may have the message still

    def _release(self) -> None:
        """Connections to the broker are of a pool that all apps of this process share by URL: they stay."""
        client = getattr(self._backend, "client", None)
        if self._own and client is not None:
            client.connection_pool.disconnect()


def _app(given: Any) -> tuple[Celery, bool]:
    """The app, and whether it was made here."""
    try:
        from celery import Celery
    except ImportError:
        raise missing("celery", "celery") from None
    if isinstance(given, Celery):
        return given, False
    if isinstance(given, str):
        return new_app(given), True
    kind = type(given).__name__
    raise ModeError(f"app_or_broker_url is of type {kind}: give a celery.Celery or the URL of a Redis")


def _pollable(app: Celery) -> Any:
    """The app's keeper of results, if it answers anyone who asks."""
    from celery.backends.base import BaseKeyValueStoreBackend

    backend = app.backend
    if isinstance(backend, BaseKeyValueStoreBackend) or type(backend).__name__ == "DatabaseBackend":
        return backend
    raise ModeError(
        f"the Celery app's result backend is {type(backend).__name__}, which cannot be asked for results by "
        "id: use a Redis, a database or another store of keys as result_backend"
    )


def _metas(backend: Any, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What the backend has on each of these tasks, by id; those of which it knows nothing are left out."""
    names = list(ids)
    if not hasattr(backend, "get_key_for_task"):
        return {name: backend.get_task_meta(name, cache=False) for name in names}
    values = backend.mget([backend.get_key_for_task(name) for name in names])
    return {name: backend.decode_result(value) for name, value in zip(names, values, strict=True) if value}


def _forget(backend: Any, task_id: str) -> None:
    """Results are as large as what was returned, and Celery keeps them for a day."""
    if hasattr(backend, "get_key_for_task"):
        backend.delete(backend.get_key_for_task(task_id))
    else:
        backend.forget(task_id)
