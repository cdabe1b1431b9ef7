"""One log per job and attempt, which appears with its first byte.

A worker process keeps one spare file open as its descriptors 1 and 2, so that whatever a job and its
children write lands there in the right order. The first text that Python writes gives the file the job's
name; what only others wrote is found, and the file named, when the job ends. An empty one serves the next.
"""

from __future__ import annotations

import contextvars
import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def log_name(job_id: str, attempt: int) -> str:
    """The name of an attempt's log below the folder of logs; attempts count from 1.

    No two jobs share one: a key that ends like `.try2` is quoted in its id.

    >>> log_name("scores/m1/train", 1), log_name("a", 2)
    ('scores/m1/train.log', 'a.try2.log')
    """
    return f"{job_id}.log" if attempt <= 1 else f"{job_id}.try{attempt}.log"


def log_path(logs: str, job_id: str, attempt: int) -> str:
    """The file of one attempt's output."""
    return f"{logs}/{log_name(job_id, attempt)}"


def slot_path(logs: str, number: int) -> str:
    """The spare file of the worker that holds slot `number`.

    >>> slot_path("logs", 3)
    'logs/.slot-3'
    """
    return f"{logs}/.slot-{number}"


def claim(spare: str, name: str) -> bool:
    """Gives a spare file its job's name, and makes the folders, if anything is in it; whether it was so."""
    try:
        if not os.stat(spare).st_size:
            return False
    except FileNotFoundError:
        return False
    _rename(spare, name)
    return True


def sweep(logs: str) -> None:
    """Removes empty spares that a killed run left; what has content stays, under a name that `ls` shows."""
    try:
        names = os.listdir(logs)
    except FileNotFoundError:
        return
    for name in names:
        if name.startswith(".slot-") and not claim(f"{logs}/{name}", f"{logs}/@unclaimed{name[5:]}.log"):
            os.unlink(f"{logs}/{name}")


class JobLog:
    """The output of a worker process, job after job: descriptors 1 and 2, `sys.stdout` and `sys.stderr`."""

    def __init__(self) -> None:
        self._spare = self._name = ""
        self._pending = False

    def install(self) -> None:
        """Puts in place streams that tell this log of the first text; once per process, before user code."""
        sys.stdout = sys.__stdout__ = _stream(1, self)  # type: ignore[misc]  # final only for type checkers
        sys.stderr = sys.__stderr__ = _stream(2, self)  # type: ignore[misc]  # likewise

    def begin(self, spare: str, name: str) -> None:
        """From here on output belongs to the job whose log is to be called `name`."""
        if self._spare != spare:
            self._open(spare)
        self._name, self._pending = name, True

    def spoken(self) -> None:
        """The first text of a job: from now on the file can be followed under the job's name."""
        if self._pending:
            self._pending = False
            _rename(self._spare, self._name)
            self._spare = ""

    def end(self) -> None:
        """The job is over. Its file has its name if anything was written; else it stays the spare."""
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        _flush_c()
        if self._pending and os.fstat(1).st_size:
            self.spoken()
        self._pending = False

    def _open(self, spare: str) -> None:
        fd = open_log(spare)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)
        self._spare = spare


class _FirstWrite(io.FileIO):
    """A descriptor that tells its log before something is written."""

    log: JobLog

    def write(self, data: Any) -> int:
        if self.log._pending:
            self.log.spoken()
        return super().write(data)


def _stream(fd: int, log: JobLog) -> io.TextIOWrapper:
    raw = _FirstWrite(fd, "w", closefd=False)
    raw.log = log
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def _rename(old: str, new: str) -> None:
    try:
        os.rename(old, new)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(new), exist_ok=True)
        os.rename(old, new)


def open_log(path: str) -> int:
    try:
        return os.open(path, _FLAGS, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, _FLAGS, 0o666)


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except (OSError, ValueError, AttributeError):
        return  # the job closed or replaced its own stream: nothing of it is left to keep


def _flush_c() -> None:
    """Flushes what C code has buffered, where ctypes is loaded already."""
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        ctypes.pythonapi.fflush(None)


# ---- threads: their own sys.stdout and sys.stderr, by context


_here: contextvars.ContextVar[_LazyFile | Echo | None] = contextvars.ContextVar("ramify_output", default=None)


@contextmanager
def captured(name: str) -> Iterator[None]:
    """What this thread (or task) writes to `sys.stdout` and `sys.stderr` goes to the file `name`, meanwhile.

    The file appears with its first byte. What a child process or C code writes is not told apart: it goes
    where the process's own output goes.
    """
    file = _LazyFile(name)
    token = _here.set(file)
    _route(1)
    try:
        yield
    finally:
        _route(-1)
        _here.reset(token)
        file.close()


@contextmanager
def echoing() -> Iterator[None]:
    """Meanwhile `Echo` hears what its thread (or task) writes to `sys.stdout` and `sys.stderr`."""
    _route(1)
    try:
        yield
    finally:
        _route(-1)


class Echo:
    """While it is entered, and `echoing` is, what this thread or task writes is kept in a file too.

    `open_file(job_id, attempt)` is called for the first text: it gives a descriptor, or -1 where nothing can
    be kept. It costs next to nothing for a job that writes nothing.
    """

    __slots__ = ("_attempt", "_fd", "_job_id", "_open", "_token")
    echoes = True

    def __init__(self, open_file: Callable[[str, int], int], job_id: str, attempt: int) -> None:
        self._open: Callable[[str, int], int] | None = open_file
        self._job_id, self._attempt = job_id, attempt
        self._fd = -1

    def __enter__(self) -> None:
        self._token = _here.set(self)

    def __exit__(self, *_: object) -> None:
        _here.reset(self._token)
        self._open = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def write(self, text: str) -> int:
        """Keeps the text, if that can be done: what a job prints must not end it."""
        open_file, self._open = self._open, None
        if open_file is not None:
            self._fd = open_file(self._job_id, self._attempt)
        if self._fd >= 0:
            try:
                write_all(self._fd, text.encode("utf-8", "backslashreplace"))
            except OSError:  # a full disk: the text is on its way to where it went before too
                os.close(self._fd)
                self._fd = -1
        return len(text)


_routes = 0
_routing = threading.Lock()
_KEPT: Final = 8
_routers: deque[_Router] = deque(maxlen=_KEPT)
"""The routers of late. Before 3.14 `print` does not own the stream that it writes to: another thread that
takes it away from `sys` must not be the one that frees it."""


def _route(change: int) -> None:
    """Puts the routing streams in place for the first capture, and takes them away after the last."""
    global _routes
    with _routing:
        _routes += change
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if not isinstance(stream, _Router):
                if _routes:
                    setattr(sys, name, _router_of(stream))
            elif not _routes:
                setattr(sys, name, stream._old)


def _router_of(stream: Any) -> _Router:
    """The router over this stream: the one of last time, if it was among the last few."""
    for router in _routers:
        if router._old is stream:
            return router
    _routers.append(_Router(stream))
    return _routers[-1]


class _LazyFile:
    """A text file that is made when something is written."""

    echoes = False

    def __init__(self, name: str) -> None:
        self._name, self._fd = name, -1

    def write(self, text: str) -> int:
        if text:
            if self._fd < 0:
                self._fd = open_log(self._name)
            write_all(self._fd, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def write_all(fd: int, data: bytes) -> None:
    """Writes every byte, however many calls the system needs."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class _Router(io.TextIOBase):
    """A stream that writes to the present context's file, and to the old stream outside of any.

    What an `Echo` hears goes to both.
    """

    def __init__(self, old: Any) -> None:
        self._old = old

    def write(self, text: str) -> int:
        file = _here.get()
        if file is not None:
            file.write(text)
            if not file.echoes:
                return len(text)
        return len(text) if self._old is None else int(self._old.write(text))

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        if self._old is not None:
            self._old.flush()

    def isatty(self) -> bool:
        file = _here.get()
        return (file is None or file.echoes) and self._old is not None and bool(self._old.isatty())

    def fileno(self) -> int:
        return int(self._old.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._old, name)
