"""A process that imports the modules of Python steps once, and forks a worker for each step.

It has one thread and holds modules only, so a fork is cheap and safe. Requests and answers are lines of JSON
over a socket. Where an import has started a thread, or cannot be done, it says so, and the step gets an
interpreter of its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, Final

from ramify.pipeline import python_child
from ramify.worker.trees import kill_trees

SOCKET: Final = 3


def main(fd: int) -> None:
    """Serves the driver at descriptor `fd` until it is gone; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Warm(socket.socket(fileno=fd)).serve()


class Warm:
    """The parent of the workers of one driver."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._rest = b""
        self._survives = self._retired = False
        self._workers: dict[int, int] = {}
        self._modules: dict[str, tuple[int, int]] = {}
        self._asleep, self._wake = os.pipe()
        os.set_blocking(self._asleep, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Until the driver is gone: then all workers are killed, or, where they may survive, waited for."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._asleep, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self._asleep:
                    with suppress(BlockingIOError):
                        os.read(fd, 4096)
                elif not self._requests():
                    self._end()
            self._reap()
            if self._retired and not self._workers:
                self._end()

    def _requests(self) -> bool:
        try:
            data = self._control.recv(1 << 20)
        except ConnectionError:
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._answer(json.loads(line))
        return bool(data)

    def _answer(self, request: dict[str, Any]) -> None:
        if "retire" in request:
            self._survives = self._retired = True
            return
        if "import_path" in request:
            sys.path[:] = request["import_path"]
            self._survives = request["survives"]
            return
        self._say(request["id"], **(self._cannot(request) or self._fork(request)))

    def _cannot(self, request: dict[str, Any]) -> dict[str, Any]:
        """Imports what the step needs; why it cannot be forked, if so."""
        module = request["function"].partition(":")[0]
        if not request["pickled"] and module not in self._modules:
            try:
                importlib.import_module(module)
            except BaseException:  # the step imports it again, and tells it in its own log
                return {"alone": True}
            self._modules[module] = _stamp(module)
            gc.collect()
            gc.disable()
            gc.freeze()  # the pages that all workers share are not touched, and so not copied
        if not request["pickled"] and self._modules[module] != _stamp(module):
            return {"stale": True}
        alone = sys.platform.startswith("linux") and len(os.listdir("/proc/self/task")) == 1
        return {} if alone else {"alone": True}

    def _fork(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            pid = os.fork()
        except OSError:
            return {"alone": True}
        if pid:
            self._workers[pid] = request["id"]
            return {"pid": pid}
        code = 1
        try:
            code = self._work(request)
        finally:
            os._exit(code)

    def _work(self, request: dict[str, Any]) -> int:
        """In the new process: nothing of the parent's is left but its modules."""
        import atexit

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setsid()
        for fd in (self._asleep, self._wake):
            os.close(fd)
        self._control.close()
        atexit._clear()
        gc.enable()
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.environ.clear()
        os.environ.update(request["environ"])
        os.chdir(request["cwd"])
        _reseed()
        code = python_child.run(request)
        _join_threads()
        atexit._run_exitfuncs()
        python_child.flush()
        return code

    def _reap(self) -> None:
        while self._workers:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            number = self._workers.pop(pid, None)
            if number is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                self._say(number, status=status)

    def _say(self, number: int, **words: Any) -> None:
        try:
            self._control.sendall(json.dumps({"id": number, **words}).encode() + b"\n")
        except ConnectionError:
            return  # the driver is gone: the next poll says so

    def _end(self) -> None:
        if not self._survives:
            kill_trees(self._workers)
        for pid in self._workers:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        os._exit(0)


def _stamp(module: str) -> tuple[int, int]:
    """What changes when the file of a module does."""
    try:
        found = os.stat(getattr(sys.modules[module], "__file__", None) or "")
    except (OSError, KeyError):
        return (0, 0)
    return found.st_mtime_ns, found.st_size


def _reseed() -> None:
    """Python reseeds its own generator in a fork, NumPy does not: all workers would draw the same numbers."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _join_threads() -> None:
    import threading

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
