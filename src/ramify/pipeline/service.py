"""A service: every instance in some folders is run as it comes, each by a process of its own.

An instance says how it stands by one file, INSTANCE/.ramify/state.NAME: `ready` is to be run, `running`,
`completed`, `failed` (a task of it) and `error` (its generator, its validator). Whoever wants it run, again
or for the first time, makes it `ready`.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ramify.errors import ArgumentError, DeclarationTypeError
from ramify.files.local import make_folder, read_if_there, write_atomic
from ramify.files.lock import read_holder
from ramify.pipeline.instance import CONTROL, ENGINE
from ramify.pipeline.pipeline import PipelineType
from ramify.run.failure import DAGExecutionError

STATES: Final = ("ready", "running", "completed", "failed", "error")
ARGUMENTS: Final = "args.json"
"""What an instance is given, in its folder; the `default_args` of its type are put there where it is not."""

Kinds = Sequence[tuple[str, PipelineType]]
_SHORTEST: Final = 0.05
_PARENT: Final = 1.0
"""Seconds between two looks whether the parent is there."""

_log = logging.getLogger("ramify.service")


def kinds_from(generator: Callable[[], Iterable[tuple[Any, PipelineType]]]) -> Kinds:
    """What a configuration generator yields: a folder of instances, and what they are instances of."""
    found: list[tuple[str, PipelineType]] = []
    for one in generator():
        if not isinstance(one, tuple) or len(one) != 2 or not isinstance(one[1], PipelineType):
            raise DeclarationTypeError(
                f"a configuration generator yields (folder, PipelineType); it yielded {one!r:.100}"
            )
        found.append((os.path.abspath(one[0]), one[1]))
    if not found:
        raise ArgumentError("the configuration generator yielded nothing to look after", names=["generator"])
    return found


def instance_state(path: str) -> str | None:
    """What the name of the instance's state file says; None where it has none."""
    return next((n for n in STATES if os.path.isfile(os.path.join(path, CONTROL, f"state.{n}"))), None)


def set_instance_state(path: str, name: str) -> None:
    """Renames the state file, or makes one where there was none."""
    before = instance_state(path)
    make_folder(os.path.join(path, CONTROL))
    new = os.path.join(path, CONTROL, f"state.{name}")
    if before is None:
        write_atomic(new, b"")
    elif before != name:
        os.rename(os.path.join(path, CONTROL, f"state.{before}"), new)


def log_of(path: str) -> str:
    """Where the process that runs an instance prints to."""
    return os.path.join(path, CONTROL, ENGINE, "service.log")


class Service:
    """Looks after the instances in the folders of `kinds`, at most `most` at a time.

    `command` gives the words of the command that runs one (see `run_instance`). `sleeps` are the seconds
    between two looks: the first after something has happened, the last over and over. With `parent`, the id
    of a process, it ends when that is no longer its parent.
    """

    def __init__(
        self,
        kinds: Kinds,
        command: Callable[[str], Sequence[str]],
        *,
        most: int,
        sleeps: Sequence[float],
        parent: int | None = None,
    ) -> None:
        self.kinds = kinds
        self.command = command
        self.most = most
        self.sleeps = sleeps
        self.parent = parent
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._starts: dict[str, int] = {}
        self._unreadable: dict[str, str | None] = {}
        self._wake = threading.Event()
        self._is_over = False

    def stop(self) -> None:
        """Has `run` come back; any thread or signal handler may call it."""
        self._is_over = True
        self._wake.set()

    def run(self) -> None:
        """Looks and runs until `stop` is called. The tasks of instances that are being run go on by
        themselves: whoever runs these instances next waits for them.
        """
        self._take_up()
        at = 0
        try:
            while not self._is_over:
                self._wake.clear()
                at = 0 if self._look() else min(at + 1, len(self.sleeps) - 1)
                if not self._is_over:
                    self._rest(max(_SHORTEST, self.sleeps[at]))
        finally:
            self._leave()

    def _rest(self, seconds: float) -> None:
        """Until the time is up or something happens."""
        if self.parent is None:
            self._wake.wait(seconds)
            return
        while seconds > 0 and not self._wake.wait(min(_PARENT, seconds)):
            seconds -= _PARENT
            self._watch_parent()
        self._watch_parent()

    def _watch_parent(self) -> None:
        if self.parent is not None and os.getppid() != self.parent:
            _log.warning("the parent process %d is gone: the service ends", self.parent)
            self.stop()

    def _take_up(self) -> None:
        """What an earlier service was running when it was killed is ready again."""
        for path in self._instances("running"):
            if read_holder(os.path.join(path, CONTROL, ENGINE, "run")) is None:
                _log.info("%s was left running, and is taken up", path)
                set_instance_state(path, "ready")

    def _instances(self, state: str) -> Iterable[str]:
        for folder, _ in self.kinds:
            try:
                names = sorted(os.listdir(folder))
            except OSError as error:
                if self._unreadable.get(folder) != error.strerror:  # told once, not at each look
                    _log.error("cannot look into %s: %s", folder, error.strerror)
                    self._unreadable[folder] = error.strerror
                continue
            self._unreadable.pop(folder, None)
            for name in names:
                path = os.path.join(folder, name)
                if os.path.isfile(os.path.join(path, CONTROL, f"state.{state}")):
                    yield path

    def _look(self) -> bool:
        """Takes in what has ended and starts what is ready; whether there was any."""
        ended = [path for path, process in self._running.items() if process.poll() is not None]
        for path in ended:
            self._tell_end(path, self._running.pop(path).returncode)
        started = False
        for path in self._instances("ready"):
            if len(self._running) >= self.most:
                break
            if path not in self._running:
                started = self._start(path) or started
        return bool(ended) or started

    def _start(self, path: str) -> bool:
        try:
            make_folder(os.path.dirname(log_of(path)))
            set_instance_state(path, "running")
            with open(log_of(path), "ab") as log:
                self._starts[path] = log.tell()
                process = subprocess.Popen(
                    self.command(path),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            _log.error("%s cannot be run: %s", path, error)
            return False
        _log.info("%s is run by process %d", path, process.pid)
        self._running[path] = process
        threading.Thread(target=self._await, args=(process,), daemon=True).start()
        return True

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._wake.set()

    def _tell_end(self, path: str, code: int) -> None:
        if instance_state(path) == "running":  # it died, or was refused
            set_instance_state(path, "completed" if code == 0 else "error")
        state = instance_state(path)
        if code == 0:
            _log.info("%s is %s", path, state)
            return
        data = (read_if_there(log_of(path)) or b"")[self._starts[path] :]
        text = data.decode(errors="replace").rstrip()[-8000:]
        _log.error("%s is in state %s (exit code %d):\n%s", path, state, code, text)

    def _leave(self) -> None:
        """Ends the drivers, and no task: what a driver has not written down is found by the next one."""
        self._look_at_ends()
        for path, process in self._running.items():
            process.kill()
            process.wait()
            set_instance_state(path, "ready")
            _log.info("%s is left; its tasks go on", path)
        self._running.clear()

    def _look_at_ends(self) -> None:
        for path in [path for path, process in self._running.items() if process.poll() is not None]:
            self._tell_end(path, self._running.pop(path).returncode)


def run_instance(kinds: Kinds, path: str, **options: Any) -> int:
    """Runs the instance in a folder of these; `options` as of `run_pipeline`.

    Returns 0, or 1 when a task failed, 3 when something of its type raised; the instance's state says so, the
    traceback is printed.
    """
    path = os.path.abspath(path)
    kind = next((kind for folder, kind in kinds if folder == os.path.dirname(path)), None)
    if kind is None:
        raise ArgumentError(f"{path} is in no folder that the service looks after", names=["path"])
    try:
        _run(kind, path, options)
    except DAGExecutionError as error:
        print(error, flush=True)
        is_task = not error.failed_rules  # else the generator
        set_instance_state(path, "failed" if is_task else "error")
        return 1 if is_task else 3
    except Exception:  # whatever the user's functions raise is theirs, and harms no other instance
        traceback.print_exc()
        set_instance_state(path, "error")
        return 3
    set_instance_state(path, "completed")
    return 0


def _run(kind: PipelineType, path: str, options: dict[str, Any]) -> None:
    from ramify.pipeline.flow import places_in, run_pipeline

    given = _arguments(kind, path)
    for accept in kind.pre_run_filters:
        if accept(path) is False:
            raise ArgumentError(f"{path} was refused by {accept!r}", names=["path"])
    if kind.validator is not None:
        kind.validator(path, given)
    if kind.init_func is not None and not os.path.exists(places_in(path)[0]):
        kind.init_func(path)
    run_pipeline(kind.pipeline, path, restart_failed=True, **options)
    for function in (kind.post_run_validator, kind.complete_func):
        if function is not None:
            function(path)


def _arguments(kind: PipelineType, path: str) -> dict[str, Any]:
    """What the instance is given, as its file says; made of the defaults where it has none."""
    file = os.path.join(path, ARGUMENTS)
    data = read_if_there(file)
    if data is None:
        if kind.default_args:
            write_atomic(file, json.dumps(dict(kind.default_args), indent=2).encode())
        return dict(kind.default_args)
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ArgumentError(f"{file} must hold an object of arguments", names=[ARGUMENTS])
    return found
