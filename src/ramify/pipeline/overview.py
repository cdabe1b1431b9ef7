"""What an instance's folder says of its tasks, whoever runs it: states, failures, times."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from ramify.errors import UnknownKeyError, UnknownRunError
from ramify.files.local import read_if_there
from ramify.pipeline.instance import CONTROL, ENGINE, Instance, TaskFolder
from ramify.pipeline.results import tail_of
from ramify.pipeline.states import ENDS_BADLY, TaskState

_NOTE: Final = re.compile(r"\S+ (\d+\.\d+) ([a-z-]+)(?:\.(\d+))?\b")


class Times(msgspec.Struct, frozen=True):
    """How long the last attempt of a task took, in seconds, and its steps; None where it has not ended."""

    key: str
    state: str
    seconds: float | None
    steps: tuple[float, ...]


def check_instance(path: str | os.PathLike[str]) -> Instance:
    """The instance in a folder; `UnknownRunError` where no pipeline has run or was prepared."""
    root = os.path.abspath(path)
    if not os.path.isdir(os.path.join(root, CONTROL, ENGINE)):
        what = "is no instance of a pipeline" if os.path.isdir(root) else "is no folder"
        told = f"{root} {what}: `ramify run TARGET -pid DIR` makes one; -pid says which"
        raise UnknownRunError(told, name=root, fits=[])
    return Instance(root)


def task_keys(instance: Instance) -> list[str]:
    """The keys of all tasks that have a folder, sorted."""
    with os.scandir(os.path.join(instance.path, CONTROL)) as found:
        return sorted(e.name for e in found if e.name[:1] not in "@." and e.is_dir(follow_symlinks=False))


def states_of(instance: Instance, glob: str = "*") -> dict[str, TaskState]:
    """The states of the tasks whose keys match."""
    found = {key: instance.task(key).state() for key in task_keys(instance) if fnmatchcase(key, glob)}
    return {key: state for key, state in found.items() if state is not None}


def chosen_keys(instance: Instance, text: str) -> list[str]:
    """The tasks that a person means: a key, or a glob. `UnknownKeyError` where there is none."""
    keys = task_keys(instance)
    if text in keys:
        return [text]
    found = [key for key in keys if fnmatchcase(key, text)]
    if not found:
        from difflib import get_close_matches

        near = get_close_matches(text, keys, 3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {len(keys)} tasks"
        raise UnknownKeyError(f"no task of {instance.path} is {text!r}: {hint}", key=text)
    return found


def failed_tasks(instance: Instance) -> list[tuple[str, str]]:
    """The tasks that ended badly, and for each: its state, what was wrong, the last line of its log.

    What ended because its run was interrupted did not end badly: the next run goes on with it.
    """
    ended = {key: state for key, state in states_of(instance).items() if state.name in ENDS_BADLY}
    return [
        (key, failure_text(instance.task(key), state))
        for key, state in ended.items()
        if not os.path.exists(instance.task(key).interrupted)
    ]


def failure_text(folder: TaskFolder, state: TaskState) -> str:
    """One failure in one line."""
    words = ""
    for line in reversed(tail_of(folder.own_log, lines=40).splitlines()):
        found = re.match(rf"\S+ \d+\.\d+ {re.escape(state.name)}: (.*)", line)
        if found:
            words = found[1]
            break
    said = [line.strip() for line in last_output(folder) if line.strip()]
    return f"{state.name} at step {state.step}: {words}" + (f": {said[-1]}" if said else "")


def last_output(folder: TaskFolder, lines: int = 8) -> list[str]:
    """The last lines that the last step printed, without those of earlier attempts."""
    start = 0
    for line in reversed(tail_of(folder.own_log, lines=40).splitlines()):
        found = re.match(r"\S+ \d+\.\d+ step-started\.\d+ (\d+)$", line)
        if found:
            start = int(found[1])
            break
    return tail_of(folder.log, start, lines).splitlines()


def times_of(instance: Instance, glob: str = "*") -> list[Times]:
    """How long tasks took, by their own logs; `UnknownKeyError` for a key or a glob that fits none."""
    chosen = None if glob == "*" else set(chosen_keys(instance, glob))
    states = states_of(instance)
    return [_times(instance.task(k), state) for k, state in states.items() if chosen is None or k in chosen]


def _times(folder: TaskFolder, state: TaskState) -> Times:
    begun: float | None = None
    since: float | None = None
    ended: float | None = None
    steps: list[float] = []
    for at, name, step in _notes(folder):
        if name == "step-started":
            if step == 0 or begun is None or ended is not None:
                begun, steps = at, []
            since, ended = at, None
        elif since is not None and (name in ENDS_BADLY or name in ("step-completed", "completed")):
            steps.append(at - since)
            since = None
        if name in ENDS_BADLY or name == "completed":
            ended = at
    took = None if begun is None or ended is None else ended - begun
    return Times(folder.key, str(state), took, tuple(steps))


def _notes(folder: TaskFolder) -> Iterator[tuple[float, str, int | None]]:
    data = read_if_there(folder.own_log) or b""
    for line in data.decode(errors="replace").splitlines():
        found = _NOTE.match(line)
        if found and (found[2] in ENDS_BADLY or found[2] in _TOLD) and (found[2] == "completed" or found[3]):
            yield float(found[1]), found[2], None if found[3] is None else int(found[3])


_TOLD: Final = frozenset({"step-started", "step-completed", "completed"})
