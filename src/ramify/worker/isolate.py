"""One attempt in a new process that this one waits for: isolation where no fork template is at hand."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading

from ramify.ports import Outcome
from ramify.worker.attempt import host_name
from ramify.worker.launch import new_mark, spawn, surroundings
from ramify.worker.logs import claim, open_log
from ramify.worker.trees import kill_trees
from ramify.worker.wire import Done, Inbox, Message, RunJob, send

_running: dict[str, int] = {}
"""Process ids of this process's isolated attempts, by token; each is unreaped while it is here."""

_lock = threading.Lock()


def run_isolated(plan: str, job_id: str, token: str, log: str) -> Outcome:
    """Runs the attempt in a new interpreter, and tells how it ended; its output goes to the file `log`.

    Raises `InfrastructureError` when no process can be started. What the job leaves running is killed.
    """
    spare = os.path.join(os.path.dirname(log), f".spare-{token}")
    output = open_log(spare)
    ours, theirs = socket.socketpair()
    mark = new_mark(plan)
    try:
        with _lock:
            pid = _running[token] = spawn("child", theirs.fileno(), output, mark)
        theirs.close()
        done = _converse(ours, pid, surroundings(mark=mark), RunJob(plan, job_id, token, log, spare, True))
    finally:
        ours.close()
        theirs.close()
        os.close(output)
    status = _reap(token, pid)
    if not claim(spare, log) and os.path.exists(spare):
        os.unlink(spare)
    return done.outcome if done is not None else death(status, pid)


def stop_isolated(token: str) -> bool:
    """Kills the attempt's whole tree, if it runs in this process's care."""
    with _lock:
        pid = _running.get(token)
        if pid is not None:
            kill_trees([pid])
    return pid is not None


def death(status: int, pid: int) -> Outcome:
    """What is known of a process that ended without a word; `status` as `waitpid` gives it.

    >>> death(7 << 8, 1234).exit_code, death(9, 1234).signal
    (7, 9)
    """
    outcome = Outcome("died", pid=pid, host=host_name())
    if os.WIFSIGNALED(status):
        outcome.signal = os.WTERMSIG(status)
    else:
        outcome.exit_code = os.WEXITSTATUS(status)
    return outcome


def _converse(sock: socket.socket, pid: int, *requests: Message) -> Done | None:
    """Asks, and waits for the answer or the process's end, whichever is first."""
    try:
        for request in requests:
            send(sock, request)
    except ConnectionError:
        return None  # it ended before it had read all; its status tells how
    sock.setblocking(False)
    inbox, poll, end = Inbox(), select.poll(), _pidfd(pid)
    poll.register(sock, select.POLLIN)
    if end >= 0:
        poll.register(end, select.POLLIN)
    try:
        while True:
            ready = {fd for fd, _ in poll.poll()}
            done, more = _drain(sock, inbox)
            if done is not None or not more or end in ready:
                return done
    finally:
        if end >= 0:
            os.close(end)


def _drain(sock: socket.socket, inbox: Inbox) -> tuple[Done | None, bool]:
    """Reads what is there: the answer, if that was it, and whether more may come."""
    try:
        while count := sock.recv_into(inbox.room()):
            frame = inbox.took(count)
            if frame is not None and isinstance(frame[0], Done):
                return frame[0], False
    except BlockingIOError:
        return None, True
    except ConnectionError:
        return None, False
    return None, False


def _pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1  # the end of the socket has to do


def _reap(token: str, pid: int) -> int:
    if hasattr(os, "waitid"):  # macOS has it from Python 3.13 on
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with _lock:
        del _running[token]
        _kill_group(pid)
        return os.waitpid(pid, 0)[1]


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
