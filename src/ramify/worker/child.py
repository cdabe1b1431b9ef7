"""The main loop of a worker process: one request after the other over a socket, one answer to each.

It ends with `os._exit` when its socket ends or its last request is answered; what jobs registered with
`atexit` has run then.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from ramify.ports import Outcome
from ramify.worker.attempt import finish, forget_peak, measure, perform, process_seconds, refused
from ramify.worker.failure import describe
from ramify.worker.launch import settle
from ramify.worker.logs import JobLog
from ramify.worker.wire import Done, RunJob, Setup, receive, send

if TYPE_CHECKING:
    from collections.abc import Callable

    from ramify.plan.opened import Plan

CANNOT_ANSWER: Final = 70
"""Exit code of a worker that could not send its answer: the connection was closed under it."""

log = JobLog()
plans: dict[str, Plan] = {}
"""Plans that this process has read, by path: a forked worker has its template's."""


def main(fd: int) -> None:
    """A worker that was spawned: it is told its surroundings first, and dies with the socket's other end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sock = socket.socket(fileno=fd)
    first = receive(sock)
    if first is None or not isinstance(first[0], Setup):
        os._exit(0)
    settle(first[0])
    log.install()
    die_with(sock)
    serve(sock)


def serve(sock: socket.socket) -> None:
    """Answers requests until there are no more; never returns."""
    import atexit

    code = CANNOT_ANSWER
    try:
        while True:
            request = receive(sock)
            if request is None or _answer(sock, *request):
                break
        code = 0
        atexit._run_exitfuncs()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        _leave(code)


def die_with(sock: socket.socket) -> None:
    """Kills this process's group as soon as the other end of the socket is gone, whatever runs here."""
    import threading

    threading.Thread(target=_watch, args=(sock.fileno(),), name="ramify-watch", daemon=True).start()


def _watch(fd: int) -> None:
    import select

    poll = select.poll()
    poll.register(fd, 0)  # a hang-up alone is always reported
    while not any(state & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, state in poll.poll()):
        continue
    os.killpg(0, signal.SIGKILL)


def _answer(sock: socket.socket, request: Any, buffers: list[bytearray]) -> bool:
    """Carries out one request and tells how it ended; whether it was the last."""
    log.begin(request.slot, request.log)
    if not request.last:
        forget_peak()
    reply: list[Any] = []
    if isinstance(request, RunJob):
        outcome = run_job(request)
    else:
        outcome, reply = run_call(buffers)
    log.end()
    send(sock, Done(outcome), reply)
    return bool(request.last)


def run_job(request: RunJob) -> Outcome:
    """One attempt of one job of a plan, which is read once per process."""
    try:
        plan = plans.get(request.plan)
        if plan is None:
            from ramify.plan.folder import read_plan

            plan = plans[request.plan] = read_plan(request.plan)
    except Exception as error:
        return refused(error)
    return perform(plan, request.job_id, request.token, leave_record=True)


def run_call(buffers: list[bytearray]) -> tuple[Outcome, list[Any]]:
    """One call whose function, arguments and value travel in the frames, large buffers uncopied."""
    from time import perf_counter

    during, began, cpu = "load", perf_counter(), process_seconds()
    reply: list[Any] = []
    try:
        function, args, kwargs = pickle.loads(buffers[0], buffers=buffers[1:])
        during = "call"
        value = finished(function(*args, **kwargs))
        during = "store"
        reply = dump_buffers(value)
        outcome = Outcome("ok")
    except BaseException as error:
        outcome = Outcome("error", error=describe(error, during=during))
    outcome.seconds = perf_counter() - began
    measure(outcome, cpu)
    return outcome, reply


def finished(value: Any) -> Any:
    """The value, or what it returns where it is a coroutine, which is run to its end."""
    from types import CoroutineType

    return finish(value) if type(value) is CoroutineType else value


def dump_buffers(value: Any) -> list[Any]:
    """The value's pickle and, beside it and uncopied, the memory of its arrays and tables."""
    apart: list[pickle.PickleBuffer] = []
    head = _pickler()(value, protocol=5, buffer_callback=apart.append)
    return [head, *(buffer.raw() for buffer in apart)]


def _pickler() -> Callable[..., bytes]:
    """Plain pickle would write what lives in `__main__` by name, and the other side has another one."""
    import cloudpickle

    dumps: Callable[..., bytes] = cloudpickle.dumps
    return dumps


def _leave(code: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue  # the job closed or replaced it
    os._exit(code)
