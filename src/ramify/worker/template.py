"""The template: a small process that imports what the jobs need once, and forks a worker whenever asked.

Forking costs 38 microseconds per megabyte of the parent, so the driver, which may hold anything, is never
forked; this process holds imported modules and nothing else. It has one thread. It is the parent of every
worker, so it alone sees how each ends, and ends them all when the driver is gone: no worker outlives a run.

The driver asks with eight bytes, what and which worker; `FORK` brings the worker's socket along. The answers
are twelve bytes: which worker, what, and a value. Where forking is not safe (not Linux, or an imported module
has started a thread), workers are spawned instead, and the first answer says so.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, Final

from ramify.worker import child
from ramify.worker.attempt import loading
from ramify.worker.launch import settle, spawn
from ramify.worker.trees import kill_trees
from ramify.worker.wire import Setup, receive

if TYPE_CHECKING:
    from ramify.plan.opened import Plan

REQUEST: Final = struct.Struct("<II")
FORK: Final = 1
KILL: Final = 2

ANSWER: Final = struct.Struct("<Iii")
READY: Final = 1
"""Value: whether workers are forked. A spawned one must be sent its `Setup` first."""
FORKED: Final = 2
"""Value: the worker's process id."""
EXITED: Final = 3
"""Value: its status, as `waitpid` gives it. Whatever it wrote to its socket is there by now."""
FAILED: Final = 4
"""No worker could be started. Value: the error number."""

_SMALL: Final = 1_000_000
"""Bytes of a pickled callable up to which it is loaded here: every fork pays for what the template holds."""
_PR_SET_PDEATHSIG: Final = 1


def main(fd: int) -> None:
    """Serves the driver at descriptor `fd` until it is gone; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=fd)
    first = receive(control)
    if first is None or not isinstance(first[0], Setup):
        os._exit(0)
    setup = first[0]
    settle(setup)
    child.log.install()
    template = Template(control, os.getppid())
    try:
        template.prepare(setup)
        template.serve()
    finally:
        template.end()


class Template:
    """The parent of one run's workers."""

    def __init__(self, control: socket.socket, driver: int) -> None:
        self._control = control
        self._workers: dict[int, int] = {}
        self._forks = False
        self._prctl: Any = None
        self._asleep, self._wake = os.pipe()
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._asleep, select.POLLIN)
        self._driver = _pidfd(driver)
        if self._driver >= 0:
            self._poll.register(self._driver, select.POLLIN)

    def prepare(self, setup: Setup) -> None:
        """Imports, freezes, and finds out whether forking is safe here."""
        os.set_blocking(self._asleep, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        if setup.fork:
            preload(setup.plan)
            self._prctl = _load_prctl()
            self._forks = _is_alone()
            _freeze()
        self._say(0, READY, int(self._forks))

    def serve(self) -> None:
        while True:
            for fd, _ in self._poll.poll():
                if fd == self._control.fileno():
                    if not self._requests():
                        return
                elif fd == self._driver:
                    return
                else:
                    _drain(self._asleep)
            self._reap()

    def end(self) -> None:
        """Kills every worker with all its processes, waits for the workers, and exits."""
        signal.set_wakeup_fd(-1)
        kill_trees(self._workers)
        for pid in self._workers:
            _wait(pid, 0)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _requests(self) -> bool:
        """Takes all requests that are there; False when the driver is gone."""
        doomed: set[int] = set()
        while True:
            try:
                data, extra, _, _ = self._control.recvmsg(REQUEST.size, _SPACE, _NOWAIT)
            except BlockingIOError:
                break
            except ConnectionError:
                return False
            if len(data) < REQUEST.size:
                return False
            what, number = REQUEST.unpack(data)
            if what == FORK:
                self._start(number, _descriptor(extra))
            else:
                doomed.add(number)
        if doomed:
            kill_trees([pid for pid, number in self._workers.items() if number in doomed])
        return True

    def _start(self, number: int, fd: int) -> None:
        try:
            pid = self._fork(fd) if self._forks else spawn("child", fd, 2)
        except Exception as error:
            self._say(number, FAILED, getattr(error, "errno", None) or 0)
        else:
            self._workers[pid] = number
            self._say(number, FORKED, pid)
        finally:
            os.close(fd)

    def _fork(self, fd: int) -> int:
        own = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                self._become_worker(own)
                child.serve(socket.socket(fileno=fd))
            finally:
                os._exit(child.CANNOT_ANSWER)
        return pid

    def _become_worker(self, template: int) -> None:
        """In the new process: nothing of the template's is left but its modules."""
        import atexit
        import gc

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        if self._prctl is not None:
            self._prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != template:
            os._exit(child.CANNOT_ANSWER)
        self._control.close()
        for fd in (self._asleep, self._wake, self._driver):
            if fd >= 0:
                os.close(fd)
        atexit._clear()
        gc.enable()
        _reseed()

    def _reap(self) -> None:
        while self._workers:
            pid, status = _wait(-1, os.WNOHANG)
            if pid <= 0:
                return
            number = self._workers.pop(pid, None)
            if number is not None:
                _kill_group(pid)
                self._say(number, EXITED, status)

    def _say(self, number: int, what: int, value: int) -> None:
        try:
            self._control.sendall(ANSWER.pack(number, what, value))
        except ConnectionError:
            return  # the driver is gone; the next poll says so and ends everything


def preload(plan_path: str) -> None:
    """Imports what the plan's callables need. What cannot be imported is told by the job that needs it."""
    if not plan_path:
        return
    from ramify.plan.folder import read_plan
    from ramify.plan.load import load_function

    with loading():
        try:
            plan = child.plans[plan_path] = read_plan(plan_path)
        except Exception:  # each worker reads the plan again, and its job reports what is wrong with it
            return
        for definition in _distinct(plan):
            try:
                load_function(plan, definition)
            except BaseException:  # a module may even exit; the job that needs it says so, with its own log
                continue
    import cloudpickle  # noqa: F401  # imported for the workers

    import ramify.stores.folder  # noqa: F401  # as above


def _distinct(plan: Plan) -> list[Any]:
    """One definition for each function that is small enough to be kept here."""
    from ramify.plan.paths import CALLABLES

    found: dict[Any, Any] = {}
    for definition in plan.definitions.values():
        found.setdefault(definition.function, definition)
    return [
        definition
        for ref, definition in found.items()
        if ref.pickle is None or _size(f"{plan.path}/{CALLABLES}/{ref.pickle}.pickle") <= _SMALL
    ]


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0  # the job that needs it says what is wrong with it


def _is_alone() -> bool:
    """Whether this process has one thread. BLAS libraries end theirs in a fork: a first one shows whether."""
    if not sys.platform.startswith("linux"):
        return False
    if len(os.listdir("/proc/self/task")) > 1:
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # this fork does nothing at all in the child
            pid = os.fork()
        if pid == 0:
            os._exit(0)
        _wait(pid, 0)
    return len(os.listdir("/proc/self/task")) == 1


def _freeze() -> None:
    """Keeps the collector from touching, and so copying, the pages that all workers share."""
    import gc

    gc.collect()
    gc.disable()
    gc.freeze()


def _reseed() -> None:
    """Python reseeds its own generator in a fork, NumPy does not: all workers would draw the same numbers."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _load_prctl() -> Any:
    try:
        import ctypes

        return ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None  # then only the template's own end of the sockets tells the workers that it is gone


def _pidfd(pid: int) -> int:
    """A descriptor that is readable once the process is gone, where the system has such; else -1."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return -1


def _wait(pid: int, flags: int) -> tuple[int, int]:
    try:
        return os.waitpid(pid, flags)
    except ChildProcessError:
        return -1, 0


def _kill_group(pid: int) -> None:
    """Ends what a worker left running in its group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _drain(fd: int) -> None:
    try:
        while os.read(fd, 4096):
            continue
    except BlockingIOError:
        return


_SPACE: Final = socket.CMSG_SPACE(4)
_NOWAIT: Final = socket.MSG_DONTWAIT | getattr(socket, "MSG_CMSG_CLOEXEC", 0)


def _descriptor(extra: list[tuple[int, int, bytes]]) -> int:
    (fd,) = struct.unpack("i", extra[0][2][:4])
    return int(fd)
