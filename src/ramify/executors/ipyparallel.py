"""Calls on the engines of an ipyparallel cluster. Needs the extra `ipyparallel`."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final

from ramify.errors import ModeError
from ramify.executors.remote import RemoteExecutor, WorkerLost, missing
from ramify.worker.parcel import carry_out

if TYPE_CHECKING:
    from ipyparallel import Client

ANSWER_IN: Final = 5.0
"""Seconds that the controller has to answer."""


class IPyParallelExecutor(RemoteExecutor):
    """A `concurrent.futures.Executor` on the engines of an ipyparallel cluster, each with one call at a time.

    `client_or_profile` is an `ipyparallel.Client`, which is left open; or the path of a connection file
    (`ipcontroller-client.json`) or the name of a profile, for which a client is opened until `shutdown`.
    `max_workers` is by default the number of engines now. `patience` is how many seconds may pass without any
    engine before all that is open fails.

    The engines need Ramify installed, and for plans on disk the same folders. A call is made once: when its
    engine dies, it fails with the reason. What runs on an engine cannot be stopped; what waits is taken back,
    unless an engine is about to begin it.

    Raises `ModeError` for another kind of client, `MissingExtraError` without `ipyparallel`, and `OSError`
    when the controller cannot be reached.

    >>> IPyParallelExecutor(3)
    Traceback (most recent call last):
    ...
    ramify.errors.ModeError: client_or_profile is 3: give an ipyparallel.Client, its file or a profile
    """

    engine = "ipyparallel"

    def __init__(
        self, client_or_profile: Any, *, max_workers: int | None = None, patience: float = 60.0
    ) -> None:
        self._client, self._own = _client(client_or_profile)
        super().__init__(max_workers or len(self._client.ids) or 1, patience)
        self._view = self._client.load_balanced_view()
        self._view.set_flags(block=False, track=False, retries=0)
        self._socket = threading.Lock()  # a client's sockets are for one thread at a time

    def __repr__(self) -> str:
        return f"IPyParallelExecutor(max_workers={self._max_workers})"

    def _send(self, parcel: bytes) -> Any:
        with self._socket:
            return self._view.apply_async(carry_out, parcel)

    def _follow(self, future: Future[Any], task: Any) -> None:
        task.add_done_callback(lambda done: self._done(future, done))

    def _done(self, future: Future[Any], task: Any) -> None:
        error = task.exception()
        if error is not None:
            self._fail(future, _translated(error))
        else:
            self._answer(future, task.result())
        self._forget(task)

    def _forget(self, task: Any) -> None:
        """A client keeps every result for ever otherwise."""
        for message in task.msg_ids:
            self._client.results.pop(message, None)
            self._client.metadata.pop(message, None)

    def _withdraw(self, task: Any) -> None:
        if not task.done():
            with self._socket:
                self._client.abort(task.msg_ids, block=False)

    def _look(self) -> int:
        """The client's own list stays as it was when the controller is gone, so that is asked for something.

        Its public questions wait for an answer for ever: this is what `queue_status` sends.
        """
        question = {"targets": None, "verbose": False}
        self._client._send(self._client._query_stream, "queue_request", content=question).result(ANSWER_IN)
        return len(self._client.ids)

    def _release(self) -> None:
        if self._own:
            self._client.close()


def _client(given: Any) -> tuple[Client, bool]:
    """The client, and whether it was opened here."""
    if not isinstance(given, str | os.PathLike) and not callable(getattr(given, "load_balanced_view", None)):
        raise ModeError(f"client_or_profile is {given!r}: give an ipyparallel.Client, its file or a profile")
    try:
        from ipyparallel import Client
    except ImportError:
        raise missing("ipyparallel", "ipyparallel") from None
    if not isinstance(given, str | os.PathLike):
        return given, False
    path = os.fspath(given)
    named = {"connection_info": path} if os.path.exists(path) else {"profile": path}
    return Client(**named), True


def _translated(error: BaseException) -> BaseException:
    """What the engine itself says; the call's own exceptions come back as replies."""
    name = getattr(error, "ename", type(error).__name__)
    text = getattr(error, "evalue", str(error))
    if name == "EngineError":
        return WorkerLost(f"the ipyparallel engine was lost while it had the call: {text}")
    return WorkerLost(f"{name}: {text}")
