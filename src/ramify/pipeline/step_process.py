"""The process of one step: started without a copy of this one, waited for, ended with all that it started."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from time import monotonic, time_ns
from typing import Final

from ramify.errors import InfrastructureError
from ramify.worker import guard
from ramify.worker.trees import MARK, descendants, kill_all, kill_trees, mark_of, marked

PATIENCE: Final = 5.0
"""Seconds between TERM and KILL."""

_DEFAULTS: Final = [signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGHUP, signal.SIGTERM]
_lock = threading.Lock()
_guards: dict[tuple[int, bool], str] = {}


def driver_token(survives: bool) -> str:
    """What the marks of all steps of this process have in common; the first call starts its guard."""
    key = (os.getpid(), survives)
    token = _guards.get(key)
    if token is None:
        with _lock:
            token = _guards.get(key)
            if token is None:
                token = f"{os.getpid()}-{time_ns()}"
                if not survives:
                    _start_guard(token)
                _guards[key] = token
    return token


def step_mark(instance: str, survives: bool, step: int, key: str) -> str:
    """The value of `RAMIFY_WORKERS_OF` for a step, as long for every key."""
    return f"{_mark_of(instance)}{driver_token(survives)}:{step}:{_digest(key)}"


def processes_of(instance: str, key: str) -> list[int]:
    """The processes of a task, whichever driver started them, itself and its ancestors left out."""
    ending = f":{_digest(key)}".encode()
    beginning = _mark_of(instance)
    own = _ancestors()
    return [pid for pid in marked(beginning) if pid not in own and _mark_in(pid).endswith(ending)]


class StepProcess:
    """A process that leads a session of its own. `mark` is in its environment and in that of its children.

    `OSError` when it cannot be started.
    """

    def __init__(self, argv: list[str], environ: Mapping[str, str], log: str, mark: str) -> None:
        self._lock = threading.Lock()
        self._gone = False
        self._mark = mark
        self.pid = os.posix_spawn(
            argv[0],
            argv,
            {**environ, MARK: mark},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_DEFAULTS,
        )

    def wait(self) -> int:
        """Its status, as `waitpid` gives it. What it left running in its group is killed."""
        try:
            if hasattr(os, "waitid"):
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)  # its number stays its own until below
            with self._lock:
                self._gone = True
                if hasattr(os, "waitid"):
                    _kill_group(self.pid)
                return os.waitpid(self.pid, 0)[1]
        except ChildProcessError as error:
            raise InfrastructureError(
                "another part of this program has reaped the process of a step, so its exit status is lost: "
                "let it wait for its own children only, and do not ignore SIGCHLD"
            ) from error

    def end(self) -> None:
        """TERM to the whole tree, KILL to what is left after `PATIENCE` seconds; back when all is gone."""
        with self._lock:
            if not self._gone:
                end_tree([self.pid], self._mark)


class AdoptedProcess:
    """The process of a step that another driver has started: it can be waited for, its status is not told."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.pids = list(pids)

    def wait(self) -> None:
        """Until all of them have ended."""
        _await(self.pids, None)

    def end(self) -> None:
        """As for an own one."""
        if self.pids:
            end_tree(self.pids, None)


def end_tree(roots: Sequence[int], mark: str | None) -> None:
    """Ends processes, their descendants, and what bears the mark: TERM, then KILL after `PATIENCE`."""
    pids = _all_of(roots, mark)
    for number in (signal.SIGTERM, signal.SIGCONT):
        for pid in pids:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
    _await(pids, PATIENCE)
    rest = _all_of(roots, mark)
    kill_trees(roots)
    kill_all(rest)


def _all_of(roots: Sequence[int], mark: str | None) -> list[int]:
    found = dict.fromkeys([*roots, *descendants(roots), *(marked(mark) if mark else ())])
    return [pid for pid in found if pid not in _ancestors()]


def _await(pids: Iterable[int], seconds: float | None) -> None:
    """Until all have ended, or the time is up."""
    if not hasattr(os, "pidfd_open"):
        import psutil

        alive = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
        psutil.wait_procs(alive, timeout=seconds)
        return
    until = None if seconds is None else monotonic() + seconds
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            continue  # it is gone
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(None if until is None else max(0.0, until - monotonic()) * 1000)
        finally:
            os.close(fd)


def _start_guard(token: str) -> None:
    if not sys.executable:
        raise InfrastructureError("this Python does not know its own program (sys.executable is empty)")
    theirs, ours = os.pipe()
    try:
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", guard.__file__, token, str(os.getpid())],
            {"PATH": os.environ.get("PATH", os.defpath)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, theirs, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
            setsid=True,
        )
    except OSError as error:
        os.close(ours)
        raise InfrastructureError(f"no process could be started from {sys.executable}: {error}") from error
    finally:
        os.close(theirs)
    # `ours` stays open, and belongs to nobody: the system closes it when this process ends.


def explain_start(error: OSError, argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Why a step could not be started, and what to do."""
    if error.errno == errno.E2BIG:
        name = max(environ, key=lambda each: len(environ[each]))
        return (
            f"its variables are more than the system takes; the longest is {name}, of {len(environ[name])} "
            "characters: pass it in a file"
        )
    return f"{argv[0]} cannot be started: {error.strerror or error}"


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


_mark_of = lru_cache(maxsize=256)(mark_of)


def _digest(key: str) -> str:
    return blake2b(key.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def _mark_in(pid: int) -> bytes:
    if os.path.isdir("/proc/self"):
        return guard.mark_of(f"/proc/{pid}")
    import psutil

    try:
        return str(psutil.Process(pid).environ().get(MARK, "")).encode()
    except psutil.Error:
        return b""  # it ended meanwhile


def _ancestors() -> set[int]:
    """This process and those that it descends from: never to be ended by themselves."""
    own = {os.getpid(), os.getppid()}
    pid = os.getppid()
    while pid > 1 and os.path.isdir("/proc/self"):
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                stat = file.read()
        except OSError:
            break
        pid = int(stat[stat.rindex(b")") + 2 :].split(None, 2)[1])
        own.add(pid)
    return own
