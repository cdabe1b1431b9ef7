"""The driver's end of a fork template: start it, ask it for workers, hear how they ended, be rid of it."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
from collections.abc import Iterator
from typing import Final

from ramify.ports import Order
from ramify.worker.launch import spawn
from ramify.worker.template import ANSWER, FORK, KILL, REQUEST
from ramify.worker.wire import Inbox, Outbox, Setup, send

PATIENCE: Final = 10.0
"""Seconds that a template may take to end before it is killed; it needs a few thousandths."""


class Worker:
    """What the driver knows of one worker process."""

    def __init__(self, number: int, slot: int, sock: socket.socket) -> None:
        self.number, self.slot, self.sock = number, slot, sock
        self.inbox, self.outbox = Inbox(), Outbox()
        self.pid = 0
        self.order: Order | None = None
        self.told = self.stopping = self.unread = self.deaf = self.sending = False


class Nursery:
    """One template process. Its workers are known by numbers that are never used twice.

    Raises `InfrastructureError` when no process can be started.
    """

    def __init__(self, setup: Setup, output: str) -> None:
        self.ready = self.forks = False
        self._rest = b""
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        self.sock, theirs = socket.socketpair()
        try:
            self.pid = spawn("template", theirs.fileno(), fd, setup.mark)
        except BaseException:
            self.sock.close()
            raise
        finally:
            theirs.close()
            os.close(fd)
        self.gone = not self._greet(setup)

    def start(self, number: int) -> socket.socket:
        """Asks for a worker and gives the driver's end of its socket, non-blocking; requests may go at once.

        Raises `OSError` when the template is gone or no descriptor is left.
        """
        ours, theirs = socket.socketpair()
        try:
            ours.setblocking(False)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", theirs.fileno()))]
            self.sock.sendmsg([REQUEST.pack(FORK, number)], rights)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def kill(self, number: int) -> None:
        """Asks for the end of a worker's whole tree; an `EXITED` follows as it does after any other end."""
        try:
            self.sock.sendall(REQUEST.pack(KILL, number))
        except ConnectionError:
            return  # it is gone, and its end of the socket tells the same to the reader

    def answers(self) -> Iterator[tuple[int, int, int]]:
        """What it has said since: (worker, what, value). Afterwards `gone` says whether that was its last."""
        try:
            data = self.sock.recv(4096, socket.MSG_DONTWAIT)
            self.gone = not data
        except BlockingIOError:
            return
        except ConnectionError:
            data, self.gone = b"", True
        data = self._rest + data
        whole = len(data) - len(data) % ANSWER.size
        self._rest = data[whole:]
        yield from ANSWER.iter_unpack(data[:whole])

    def close(self) -> int | None:
        """Lets it go: it kills what still runs and ends. Its status, as `waitpid` gives it, where known."""
        self.sock.close()
        if not _ended(self.pid, PATIENCE):
            os.kill(self.pid, signal.SIGKILL)
        try:
            return os.waitpid(self.pid, 0)[1]
        except ChildProcessError:
            return None  # the program ignores its children, so the system has reaped it

    def _greet(self, setup: Setup) -> bool:
        try:
            send(self.sock, setup)
        except ConnectionError:
            return False
        return True


def _ended(pid: int, seconds: float) -> bool:
    """Waits until the child has ended, at most so long; it is not reaped. True where nothing can wait."""
    try:
        fd = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(fd)
