"""One driver per folder: an advisory lock that the kernel drops when its holder dies.

The lock is `flock` on `<folder>/lock`, so a crash or `kill -9` leaves no lock behind, only a text that tells
whose it was. The file is never removed: removing it would let two processes lock two files of one name.
"""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from ramify.errors import InfrastructureError, LockedError
from ramify.files.local import make_folder, storage_error

NAME: Final = "lock"


class FolderLock:
    """The lock of one folder.

    `facts` (the run's name and the like) are written beside `host`, `pid` and `since` (seconds since the
    epoch). After `acquire`, `taken_over` holds the facts of a holder that died without releasing, or None.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, FolderLock(folder, run="calm-otter"):
    ...     read_holder(folder)["run"]
    'calm-otter'
    """

    def __init__(self, folder: str | os.PathLike[str], **facts: Any) -> None:
        self.folder = os.path.abspath(os.fspath(folder))
        self.path = os.path.join(self.folder, NAME)
        self.taken_over: dict[str, Any] | None = None
        self._facts = facts
        self._descriptor = -1

    def acquire(self, facts: dict[str, Any] | None = None) -> None:
        """Takes the lock, or raises `LockedError` with `host`, `pid` and `since` of who has it."""
        if self._descriptor >= 0:
            raise _locked(self.folder, _facts_of(self._descriptor))
        make_folder(self.folder)
        descriptor = self._open()
        try:
            if not self._take(descriptor):
                raise _locked(self.folder, _facts_of(descriptor))
            self.taken_over = _facts_of(descriptor)
            mine = {"host": _host(), "pid": os.getpid(), "since": time.time(), **self._facts, **(facts or {})}
            self._put(descriptor, msgspec.json.encode(mine) + b"\n")
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Gives the lock back; twice is fine."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        try:
            os.ftruncate(descriptor, 0)
            fcntl = _fcntl()
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # a forked child may hold a copy of the descriptor
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        try:
            self.acquire()
        except BaseException:  # Ctrl-C may come when it is taken and nobody has it yet
            self.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise storage_error(error, self.path, "lock") from error

    def _take(self, descriptor: int) -> bool:
        try:
            return _flock(descriptor)
        except OSError as error:  # a file system without locks
            raise storage_error(error, self.path, "lock") from error

    def _put(self, descriptor: int, text: bytes) -> None:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text, 0)
        except OSError as error:
            raise storage_error(error, self.path, "write") from error


def read_holder(folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Who holds the folder's lock now, or None. Looking never keeps a driver from taking it.

    Only the lock itself tells a live holder from a text that outlived its writer. To ask for it, even shared,
    could refuse a driver at that instant; so it is asked only where the text names a process that may live,
    and a driver that is refused tries again.
    """
    path = os.path.join(os.fspath(folder), NAME)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise storage_error(error, path, "read") from error
    try:
        facts = _facts_of(descriptor)
        if facts is None or _surely_dead(facts):
            return None
        return None if _is_free(descriptor) else facts
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        return _flock(descriptor, shared=True)
    except OSError:  # it cannot be asked for from here: the text is all that is known
        return False


def _surely_dead(facts: dict[str, Any]) -> bool:
    pid = facts.get("pid")
    if facts.get("host") != _host() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _flock(descriptor: int, shared: bool = False) -> bool:
    """Whether the lock could be had. An exclusive one is tried for a moment: a reader may be looking."""
    fcntl = _fcntl()
    want = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB
    for _ in range(1 if shared else 20):
        try:
            fcntl.flock(descriptor, want)
            return True
        except BlockingIOError:
            os.sched_yield()
    return False


def _fcntl() -> Any:
    try:
        import fcntl
    except ImportError as error:
        raise InfrastructureError(
            "folders cannot be locked here: this Python has no fcntl module (Windows); run under Linux, "
            "macOS or WSL"
        ) from error
    return fcntl


def _facts_of(descriptor: int) -> dict[str, Any] | None:
    try:
        text = os.pread(descriptor, 65536, 0)
        facts = msgspec.json.decode(text) if text.strip() else None
    except msgspec.DecodeError:
        return {}
    return facts if isinstance(facts, dict) else None


def _locked(folder: str, facts: dict[str, Any] | None) -> LockedError:
    facts = facts or {}
    since = facts.get("since")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(since)) if isinstance(since, float) else "?"
    run = f" (run {facts['run']})" if "run" in facts else ""
    return LockedError(
        f"{folder!r} is in use by process {facts.get('pid', '?')} on {facts.get('host', '?')} "
        f"since {when}{run}: wait for it, cancel it, or choose another folder",
        folder=folder,
        host=facts.get("host"),
        pid=facts.get("pid"),
        since=since,
        facts=facts,
    )


def _host() -> str:
    return os.uname().nodename
