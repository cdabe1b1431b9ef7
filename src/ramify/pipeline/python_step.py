"""Python steps: in a fork of a warm process, or in an interpreter of their own."""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ramify.errors import InfrastructureError
from ramify.pipeline.step_process import driver_token, end_tree
from ramify.pipeline.warm import SOCKET
from ramify.worker.launch import ROOT, interpreter_flags
from ramify.worker.trees import MARK

_lock = threading.Lock()
_pools: dict[tuple[int, bool], WarmPool] = {}


class WarmPool:
    """The driver's end of one warm process."""

    def __init__(self, survives: bool) -> None:
        self.gone = False
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._sock, theirs = socket.socketpair()
        try:
            self._pid = _start(theirs.fileno(), f"warm.{driver_token(survives)}:0:")
        except BaseException:
            self._sock.close()
            raise
        finally:
            theirs.close()
        self._send({"import_path": [entry or os.getcwd() for entry in sys.path], "survives": survives})
        threading.Thread(target=self._listen, name="ramify-warm", daemon=True).start()

    def ask(self, request: Mapping[str, Any]) -> queue.SimpleQueue[dict[str, Any]]:
        """Asks for a worker; where the answers about it arrive."""
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self._lock:
            self._count += 1
            number = self._count
            self._answers[number] = answers
        if self.gone or not self._send({**request, "id": number}):
            answers.put({"lost": True})
        return answers

    def retire(self) -> None:
        """Takes no more requests; the process ends with its last worker."""
        self.gone = True
        self._send({"retire": True})

    def kill(self) -> None:
        """For one that does not answer: its workers are lost with it."""
        self.gone = True
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)

    def _send(self, message: Mapping[str, Any]) -> bool:
        data = json.dumps(message).encode() + b"\n"
        try:
            with self._lock:
                self._sock.sendall(data)
        except OSError:
            return False
        return True

    def _listen(self) -> None:
        with self._sock.makefile("rb") as lines:
            try:
                for line in lines:
                    self._hear(json.loads(line))
            except (OSError, ValueError):
                pass  # it was closed, or killed in the middle of a line: what follows tells all who wait
        self.gone = True
        with self._lock:
            waiting, self._answers = list(self._answers.values()), {}
        for answers in waiting:
            answers.put({"lost": True})
        with suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _hear(self, answer: dict[str, Any]) -> None:
        number = answer.pop("id")
        with self._lock:
            answers = self._answers.get(number)
            if "pid" not in answer:
                self._answers.pop(number, None)
        if answers is not None:
            answers.put(answer)


class WarmStep:
    """A Python step in a fork of the warm process."""

    def __init__(self, mark: str, survives: bool) -> None:
        self._mark, self._survives = mark, survives
        self._lock = threading.Lock()
        self._gone = self._unwanted = False
        self._pool: WarmPool | None = None
        self.pid = 0

    def begin(self, request: Mapping[str, Any]) -> bool:
        """Whether it has been started so; if not, it needs an interpreter of its own."""
        for _ in range(2):  # once more, where its modules have changed meanwhile
            self._pool = _pool(self._survives)
            self._answers = self._pool.ask(request)
            answer = self._answers.get()
            if "stale" not in answer:
                break
            self._pool.retire()
        with self._lock:
            self.pid = int(answer.get("pid", 0))
            if self.pid and self._unwanted:
                end_tree([self.pid], self._mark)
        return bool(self.pid) or self._unwanted

    def wait(self) -> int | None:
        """Its status, as `waitpid` gives it; None where the process that knew it was lost."""
        if not self.pid:
            return None  # it was ended before it began
        answer = self._answers.get()
        with self._lock:
            self._gone = True
        if "status" in answer:
            return int(answer["status"])
        end_tree([self.pid], self._mark)
        return None

    def end(self) -> None:
        """Ends the whole tree."""
        with self._lock:
            self._unwanted = True
            if self.pid and not self._gone:
                end_tree([self.pid], self._mark)
            elif self._pool is not None and not self._gone:
                self._pool.kill()  # it hangs in an import


def python_request(
    function: str,
    pickled: bytes | None,
    arguments: Mapping[str, Any],
    globs: Mapping[str, tuple[str, str]],
    inputs: list[str],
    outputs: list[str],
    record: str,
) -> dict[str, Any]:
    """What a worker has to know of a step, as JSON can say it."""
    return {
        "function": function,
        "pickled": base64.b64encode(pickled).decode() if pickled else None,
        "arguments": {**arguments, **globs},
        "globs": list(globs),
        "inputs": inputs,
        "outputs": outputs,
        "record": record,
    }


def import_path(own_interpreter: bool, code_folder: str) -> list[str]:
    """Where an interpreter of its own looks first; another one gets none of this one's libraries."""
    entries = [os.path.abspath(entry or ".") for entry in sys.path]
    if not own_interpreter:
        prefixes = tuple(os.path.realpath(prefix) + os.sep for prefix in {sys.prefix, sys.base_prefix})
        entries = [each for each in entries if not os.path.realpath(each).startswith(prefixes)]
    return [*entries, code_folder]


def _pool(survives: bool) -> WarmPool:
    key = (os.getpid(), survives)
    with _lock:
        pool = _pools.get(key)
        if pool is None or pool.gone:
            pool = _pools[key] = WarmPool(survives)
        return pool


def _start(sock: int, mark: str) -> int:
    code = f"import sys; sys.path.insert(0, {ROOT!r}); from ramify.pipeline.warm import main; main({SOCKET})"
    import fcntl

    high = fcntl.fcntl(sock, fcntl.F_DUPFD_CLOEXEC, 10)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *interpreter_flags(), "-c", code],
            {**os.environ, MARK: mark},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, 1, 2),
                (os.POSIX_SPAWN_DUP2, high, SOCKET),
            ],
            setsid=True,
        )
    except OSError as error:
        raise InfrastructureError(f"no process could be started from {sys.executable}: {error}") from error
    finally:
        os.close(high)
