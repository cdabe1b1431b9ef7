"""Requests to a run, from any process: a small file in its folder `control`, which the driver takes up.

A request is JSON under a name of its own that appears by a rename, so it is there whole or not at all. The
driver does what it says between two steps of its own, writes `["control", facts]` into the journal, and
removes the file. What it cannot do it refuses in a file beside it, `NAME.refused`. A file that nobody has
removed is a request that nobody has taken up: whoever sent it sees whether a driver is still there, and takes
it back where none is. Nothing is unpickled, and a name never leads out of the folder.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from typing import Any, Final

import msgspec

from ramify.core.graph import GATHER, KIND
from ramify.errors import ControlError, IllegalTransition, RamifyWarning, RunOverError, StorageError
from ramify.files.local import make_folder, storage_error, write_atomic
from ramify.files.lock import read_holder
from ramify.run.driver import Driver
from ramify.run.view import JOURNAL

CONTROL: Final = "control"
"""The folder of requests in the folder of a run."""

VERSION: Final = 1
_REQUEST: Final = ".json"
_REFUSED: Final = ".refused"

LOOK: Final = 0.05
"""Seconds between two looks of a driver at the folder, at least."""

_SETTLED: Final = 3_000_000_000
"""Nanoseconds after which a folder's time of change is surely another if something changes again."""

_LARGEST: Final = 64_000_000
"""Most bytes of a request."""

_POLL: Final = 0.02


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel", tag_field="kind"):
    """Give up these jobs, or the whole run (None); with `force`, stop what runs as well."""

    jobs: list[str] | None = None
    force: bool = True
    why: str = ""
    by: str = ""
    version: int = VERSION


class Retry(msgspec.Struct, frozen=True, kw_only=True, tag="retry", tag_field="kind"):
    """Try these jobs again, or all that failed or were cancelled (None)."""

    jobs: list[str] | None = None
    by: str = ""
    version: int = VERSION


Request = Cancel | Retry

_decode = msgspec.json.Decoder(Request).decode


# ---- who asks


def asker() -> str:
    """Who asks, as the journal tells it: the user, the machine, the process."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename} (process {os.getpid()})"


def is_driven(folder: str) -> bool:
    """Whether a driver has the run of this folder in hand now."""
    folder = os.path.abspath(folder)
    holder = read_holder(os.path.dirname(folder))
    return holder is not None and holder.get("run") == os.path.basename(folder)


def post(folder: str, request: Request) -> str:
    """Writes a request into a run's folder; returns the path of its file.

    Raises `RunOverError` where no driver is there to take it up, and `StorageError`.
    """
    if not is_driven(folder):
        raise _over(folder)
    control = os.path.join(folder, CONTROL)
    make_folder(control)
    name = f"{time.time_ns():020d}-{os.getpid()}-{os.urandom(4).hex()}"
    path = os.path.join(control, name + _REQUEST)
    write_atomic(path, msgspec.json.encode(request))
    return path


def ask(folder: str, request: Request, patience: float = 10.0) -> dict[str, Any] | None:
    """Sends a request and waits until the driver has done what it says; returns what the driver says of it.

    None where it was not taken up within so many seconds: it stays, and the driver comes to it when it can (a
    run in one thread between two jobs). Raises `ControlError` where the driver refuses it, `RunOverError`
    where the run is over, before or meanwhile; then nothing was done.
    """
    journal = os.path.join(folder, JOURNAL)
    before = os.path.getsize(journal) if os.path.exists(journal) else 0
    path = post(folder, request)
    until = time.monotonic() + patience
    while True:
        refusal = _take_refusal(path)
        if refusal is not None:
            raise ControlError(refusal, request=msgspec.to_builtins(request))
        if not os.path.exists(path):
            told = _told(journal, before, _id_of(path))
            if told is not None:
                return told
        elif not is_driven(folder) and _taken_back(path):
            raise _over(folder)
        if time.monotonic() >= until:
            return None
        time.sleep(_POLL)


def _over(folder: str) -> RunOverError:
    name = os.path.basename(os.path.abspath(folder))
    return RunOverError(
        f"the run {name} is over, or its driver died: nobody takes requests (`ramify status {name}` says how "
        "it stands)",
        folder=folder,
    )


def _taken_back(path: str) -> bool:
    """Removes the request; False where somebody has taken it up after all."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _take_refusal(path: str) -> str | None:
    beside = path + _REFUSED
    try:
        with open(beside, encoding="utf-8") as file:
            text = file.read()
        os.unlink(beside)
    except FileNotFoundError:
        return None
    return text


def _told(journal: str, start: int, request_id: str) -> dict[str, Any] | None:
    """What the journal says of a request, in what was written since `start`."""
    with open(journal, "rb") as file:
        file.seek(start)
        for line in file:
            if line.startswith(b'["control",') and line.endswith(b"\n"):
                facts: dict[str, Any] = msgspec.json.decode(line)[1]
                if facts.get("id") == request_id:
                    return facts
    return None


def _id_of(path: str) -> str:
    return os.path.basename(path).removesuffix(_REQUEST)


# ---- who is asked


class Attention:
    """A driver's ear: looks for requests, and has the driver do them.

    `look` is for the waiting thread, which may call it as often as it likes. What was left to an earlier
    driver of the run is refused when this is made. What comes too late stays for who sent it to take back.
    """

    def __init__(self, folder: str, driver: Driver) -> None:
        self.folder = os.path.join(folder, CONTROL)
        self._driver = driver
        self._looked = 0.0
        self._seen: int | None = None
        self._under_way: set[str] = set()
        for name in self._names():
            path = os.path.join(self.folder, name)
            self._refuse(path, "it was for an earlier driver of the run, which is gone: ask again")

    def look(self) -> None:
        """Takes up what has come since the last look; costs one question about a folder, at most."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        try:
            changed = os.stat(self.folder).st_mtime_ns
            if changed != self._seen:
                self._seen = changed if time.time_ns() - changed > _SETTLED else None
                self._take_up()
        except FileNotFoundError:
            return
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """The run matters more than what may be asked of it."""
        self._driver.attend = None
        warnings.warn(
            f"the run takes no more requests: {self.folder} cannot be read ({error})",
            RamifyWarning,
            stacklevel=2,
        )

    def _names(self) -> list[str]:
        """The requests that are there, the oldest first."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(n for n in names if n.endswith(_REQUEST) and not n.startswith("."))

    def _take_up(self) -> None:
        for name in self._names():
            if name not in self._under_way:
                self._under_way.add(name)
                self._take(name)

    def _take(self, name: str) -> None:
        path = os.path.join(self.folder, name)
        try:
            request = _decode(_read(path))
        except FileNotFoundError:  # it was taken back
            return
        except (msgspec.DecodeError, ValueError, OSError) as error:
            self._refuse(path, f"this version does not understand the request: {error}")
            return
        if request.version > VERSION:
            self._refuse(path, f"the request has version {request.version}; this driver knows {VERSION}")
            return
        self._driver.request(lambda: self._do(path, request))

    # ---- in the driver's role

    def _do(self, path: str, request: Request) -> None:
        driver = self._driver
        if driver.done or not os.path.exists(path):  # too late; or it was taken back
            return
        number = driver.engine.number
        unknown = [job for job in request.jobs or () if job not in number]
        if unknown:
            self._refuse(path, f"the run has no job {unknown[0]!r}")
            return
        nodes = None if request.jobs is None else [number[job] for job in request.jobs]
        if isinstance(request, Retry):
            try:
                again = driver.put_back(nodes, f"retry on request of {request.by}")
            except IllegalTransition as error:  # nothing was changed
                self._refuse(path, str(error))
            else:
                self._done(path, request, again)
        elif nodes is not None:
            why = request.why or f"on request of {request.by}"
            self._done(path, request, driver.give_up_some(nodes, why, request.force))
        else:
            driver.cancel(request.why or f"on request of {request.by}", request.force)
            driver.request(lambda: self._done(path, request, None))

    def _done(self, path: str, request: Request, nodes: list[int] | None) -> None:
        """Says so, then removes the request: in this order, so that it is never gone without a word."""
        facts = {"id": _id_of(path), "kind": type(request).__struct_config__.tag, "by": request.by}
        if isinstance(request, Cancel):
            facts |= {"force": request.force, "why": request.why}
        flags = self._driver.engine.flags
        jobs = None if nodes is None else sum(flags[n] & KIND != GATHER for n in nodes)
        self._driver.recorder.journal.append(["control", {**facts, "jobs": jobs, "t": time.time()}])
        self._guarded(lambda: _remove(path))

    def _refuse(self, path: str, why: str) -> None:
        self._guarded(lambda: write_atomic(path + _REFUSED, why.encode("utf-8", "backslashreplace")))
        self._guarded(lambda: _remove(path))

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except StorageError as error:  # whoever asks sees that nothing comes
            warnings.warn(f"a request could not be answered: {error}", RamifyWarning, stacklevel=3)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST} bytes")
    return data


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(error, path, "remove") from error
