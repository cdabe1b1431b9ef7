"""One pass of a generator: what it has yielded, what it waits for, and every question that it has asked."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ramify.core.patterns import fits, is_glob, prefix_of
from ramify.errors import DeclarationError, DuplicateKeyError
from ramify.files.letter_case import folded, ignores_case, same_but_for_case
from ramify.pipeline.definition import TaskResult
from ramify.pipeline.place import Place
from ramify.pipeline.progress import COMPLETED, NOT_READY, Instance, Progress

if TYPE_CHECKING:
    from ramify.pipeline.task import Task

Signature = tuple[int, int, int] | None
"""Of a file: its inode, its size and its time of change; None: it is not there."""


@dataclass(slots=True)
class Wait:
    """A wait as one pass met it. `keys` are the tasks that it is about, `pending` those that are not there
    yet; `lacks` says what was never yielded. It is open when nothing is pending or lacking.
    """

    what: str
    place: Place
    state: str = COMPLETED
    keys: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    lacks: str | None = None

    @property
    def is_open(self) -> bool:
        return not self.pending and self.lacks is None

    def is_met_by(self, state: str) -> bool:
        """Whether a task in this state is waited for no more."""
        if self.state == COMPLETED:
            return state == COMPLETED
        return state.partition(".")[0] not in NOT_READY

    def why(self, progress: Progress) -> str | None:
        """Why it is not open, in a line; None where it is, or would be by now."""
        if self.is_open:
            return None
        if self.lacks is not None:
            return f"{self.place}: {self.what}: {self.lacks}"
        states = {key: progress.state(key) for key in self.pending}
        left = [key for key in self.pending if not self.is_met_by(states[key])]
        if not left:
            return None
        shown = ", ".join(f"{key} ({states[key]})" for key in left[:3])
        more = f" and {len(left) - 3} more" if len(left) > 3 else ""
        return (
            f"{self.place}: {self.what}: {len(left)} of {len(self.keys)} tasks are not "
            f"{self.state}: {shown}{more}"
        )


@dataclass(slots=True)
class Asked:
    """Every question of one pass, with its answer."""

    completed: dict[str, bool] = field(default_factory=dict)
    results: dict[str, TaskResult | None] = field(default_factory=dict)
    files: dict[str, Signature] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


class Pass:
    """One pass, while it goes on."""

    def __init__(
        self,
        instance_dir: str,
        progress: Progress,
        elsewhere: Callable[[str], Instance] | None = None,
    ) -> None:
        self.instance_dir = instance_dir
        self.progress = progress
        self.elsewhere = elsewhere
        self.tasks: dict[str, Task] = {}
        self.waits: list[Wait] = []
        self.inside: tuple[int, ...] = ()
        self.asked = Asked()
        self._names: dict[str, str] | None = {} if ignores_case(instance_dir) else None
        self._met: dict[tuple[str, str], bool] = {}
        self._sorted: list[str] = []
        self._unsorted: list[str] = []
        self._waited_for: dict[int, frozenset[str]] = {}

    # ---- tasks

    def add(self, task: Task) -> None:
        """A task that was yielded."""
        other = self.tasks.setdefault(task.key, task)
        if other is not task or task.is_yielded:
            same = "the same task is yielded twice" if other is task else f"as the one of {other.place}"
            raise DuplicateKeyError(
                f"{task.place}: two tasks have the key {task.key!r}: {same}; give each its own key",
                key=task.key,
                where=str(task.place),
            )
        if self._names is not None:
            same_name = self._names.setdefault(folded(task.key), task.key)
            if same_name != task.key:
                raise same_but_for_case(same_name, task.key, self.instance_dir, f"{task.place}: the tasks")
        task.is_yielded = True
        self._unsorted.append(task.key)

    def matching(self, pattern: str) -> list[str]:
        """The keys yielded so far that match, sorted."""
        if not is_glob(pattern):
            return [pattern] if pattern in self.tasks else []
        if self._unsorted:
            self._sorted += self._unsorted
            self._sorted.sort()  # nearly sorted lists cost next to nothing
            self._unsorted = []
        start = prefix_of(pattern)
        found = []
        for place in range(bisect_left(self._sorted, start), len(self._sorted)):
            key = self._sorted[place]
            if not key.startswith(start):
                break
            if fits(pattern, key):
                found.append(key)
        return found

    # ---- questions

    def is_completed(self, key: str) -> bool:
        """Whether a task is completed: asked once, so that a pass sees one state of things."""
        answer = self.asked.completed.get(key)
        if answer is None:
            answer = self.asked.completed[key] = self.progress.state(key) == COMPLETED
        return answer

    def result(self, key: str) -> TaskResult | None:
        """The result of a task, asked once."""
        if key not in self.asked.results:
            self.asked.results[key] = self.progress.result(key)
        return self.asked.results[key]

    def read(self, path: str) -> str:
        """Remembers that the generator reads a file."""
        self.asked.files[path] = signature_of(path)
        return path

    # ---- waits

    def wait(self, wait: Wait) -> int:
        """Adds a wait; finds which of its tasks are not there yet."""
        if wait.lacks is None:
            wait.pending = tuple([key for key in wait.keys if not self._is_met(wait, key)])
        self.waits.append(wait)
        return len(self.waits) - 1

    def enter(self, number: int) -> None:
        """What is declared from here on is made from this wait."""
        self.inside = (*self.inside, number)
        self._waited_for[number] = frozenset(self.waits[number].keys)

    def leave(self, number: int) -> None:
        self.inside = tuple(one for one in self.inside if one != number)

    def is_waited_for(self, key: str) -> bool:
        """Whether a wait that the generator is inside of has this task."""
        return any(key in self._waited_for[number] for number in self.inside)

    def _is_met(self, wait: Wait, key: str) -> bool:
        known = self._met.get((wait.state, key))
        if known is None:
            known = self._met[wait.state, key] = wait.is_met_by(self.progress.state(key))
        return known

    def other_instance(self, folder: str) -> Instance:
        """Another instance, by its folder; `$NAME` in it is replaced."""
        path = os.path.abspath(os.path.join(self.instance_dir, os.path.expandvars(folder)))
        if self.elsewhere is None:
            raise DeclarationError(f"nothing here can read the other instance {path}", where=path)
        self.asked.folders.add(path)
        return self.elsewhere(path)


def signature_of(path: str) -> Signature:
    """What changes when a file does.

    >>> signature_of("/nowhere/at/all") is None
    True
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def quoted_list(names: Iterable[str]) -> str:
    """Names as an error shows them.

    >>> quoted_list("abcdefg")
    "'a', 'b', 'c', 'd', 'e' and 2 more"
    """
    all_names = list(names)
    shown = ", ".join(map(repr, all_names[:5]))
    return shown + (f" and {len(all_names) - 5} more" if len(all_names) > 5 else "")
