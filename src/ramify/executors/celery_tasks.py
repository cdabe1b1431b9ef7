"""What a Celery worker knows of Ramify: one task, and two commands by which it is watched and stopped.

The app of `celery -A ramify.executors.celery_app worker` has them; your own app gets them by `register`.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final

from ramify.executors.remote import missing
from ramify.worker.parcel import carry_out
from ramify.worker.trees import descendants, kill_all, kill_trees

if TYPE_CHECKING:
    from celery import Celery

TASK: Final = "ramify.run"
HELD: Final = "ramify_held"
STOP: Final = "ramify_stop"
QUEUE: Final = "ramify"
"""The queue of an app that is made here; an app of your own keeps its default queue."""

_watched = 0


def new_app(broker: str | None = None, backend: str | None = None) -> Celery:
    """A Celery app that knows the task; URLs that are not given are those of Celery's environment variables.

    Messages are JSON, and nothing else is accepted. A worker takes one task for each of its processes.
    """
    try:
        from celery import Celery
    except ImportError:
        raise missing("celery", "celery") from None
    broker = broker or os.environ.get("CELERY_BROKER_URL")
    backend = backend or os.environ.get("CELERY_RESULT_BACKEND") or _as_backend(broker)
    app = Celery("ramify", broker=broker, backend=backend, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        task_default_queue=QUEUE,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=_as_backend(broker) is not None,  # it works with Redis only
        broker_connection_retry_on_startup=True,
    )
    return register(app)


def _as_backend(broker: str | None) -> str | None:
    """Redis keeps results as well."""
    return broker if broker is not None and broker.startswith(("redis", "sentinel")) else None


def register(app: Celery) -> Celery:
    """Gives an app what `CeleryExecutor` needs of its workers; returns the app.

    The task is acknowledged when it begins, so that it is made at most once: with late acknowledgement a
    broker such as Redis gives a task that runs for longer than its visibility timeout to a second worker.
    """
    from celery.worker.control import Panel

    app.task(
        name=TASK, acks_late=False, track_started=True, ignore_result=False, serializer="json",
        resultrepr_maxsize=1, max_retries=0, shared=False,
    )(run)  # fmt: skip
    Panel.register(name=HELD, type="inspect")(held)
    Panel.register(name=STOP, type="control")(stop)
    return app


def run(parcel: str) -> str:
    """Makes a call that came as text, and gives its result as text: pickles inside, JSON outside."""
    _die_with_worker()
    return b64encode(carry_out(b64decode(parcel))).decode("ascii")


def held(state: Any, ids: list[str], **_: Any) -> dict[str, Any]:
    """Which of these tasks this worker has, what queues it reads, how many processes of what kind it has."""
    from celery.worker import state as worker

    pool = state.consumer.pool
    return {
        "held": [one for one in ids if one in worker.requests],
        "queues": [queue.name for queue in state.consumer.task_consumer.queues],
        "slots": pool.num_processes,
        "pool": type(pool).__module__.rpartition(".")[2],
    }


def stop(state: Any, ids: list[str], **_: Any) -> dict[str, Any]:
    """Drops those of these tasks that have not begun, and kills those that have, with all descendants."""
    from celery.worker import state as worker

    worker.revoked.update(ids)
    pool = state.consumer.pool
    if type(pool).__module__.endswith(".prefork"):
        for request in [worker.requests[one] for one in ids if one in worker.requests]:
            if request.time_start and request.worker_pid != os.getpid():
                kill_trees([request.worker_pid])
            request.terminate(pool, signal="SIGKILL")
    return {"ok": len(ids)}


def _die_with_worker() -> None:
    """In a pool's process: kills it and what it started as soon as the worker's main process is gone.

    The pool's own way kills the process alone, and what a job started would go on unseen.
    """
    global _watched
    from billiard import current_process
    from billiard.util import set_pdeathsig

    if current_process().name == "MainProcess" or _watched == os.getpid() or not hasattr(os, "pidfd_open"):
        return
    _watched = os.getpid()
    end = os.pidfd_open(os.getppid())
    threading.Thread(target=_watch, args=(end,), name="ramify-watch", daemon=True).start()
    try:
        set_pdeathsig(0)
    except OSError:
        return  # another C library than it knows: the pool's own way stays, beside this one


def _watch(end: int) -> None:
    poll = select.poll()
    poll.register(end, select.POLLIN)
    poll.poll()
    me = os.getpid()
    kill_all(descendants([me]))
    os.kill(me, signal.SIGKILL)
