"""Waits: loops whose body the generator enters only when what it waits for is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

from ramify.errors import CallFormError, DeclarationError, DeclarationTypeError
from ramify.pipeline.builder import TaskBuilder
from ramify.pipeline.matching import TaskMatch
from ramify.pipeline.passing import Pass, Wait
from ramify.pipeline.place import Place
from ramify.pipeline.progress import COMPLETED
from ramify.pipeline.task import Task

STATES = (COMPLETED, "ready")


class Opening(Sequence[Any]):
    """One item when its wait is open, none when it is not. What is declared in a `for` over it is made from
    the wait.
    """

    __slots__ = ("_items", "_number", "_passing")

    def __init__(self, passing: Pass, number: int, items: tuple[Any, ...]) -> None:
        self._passing = passing
        self._number = number
        self._items = items if passing.waits[number].is_open else ()

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            self._passing.enter(self._number)
            try:
                yield item
            finally:  # also where the loop is left by `break`
                self._passing.leave(self._number)

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, place: int) -> Any: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Any]: ...
    def __getitem__(self, place: int | slice) -> Any:
        return self._items[place]


def wait_for_tasks(passing: Pass, prefix: str, given: tuple[Any, ...], place: Place) -> Opening:
    """A wait for tasks, or keys of tasks: one item, the task or the tuple of them."""
    if not given:
        raise CallFormError(f"{place}: wait_for_tasks() waits for nothing: give tasks, or their keys")
    keys = tuple(_key_of(one, prefix, place) for one in given)
    wait = Wait(f"wait_for_tasks({', '.join(map(repr, keys))})", place, keys=keys)
    unknown = [key for key in keys if key not in passing.tasks]
    if unknown:
        wait.lacks = f"no task {unknown[0]!r} was yielded before it"
    number = passing.wait(wait)
    if not wait.is_open:
        return Opening(passing, number, ())
    tasks = tuple(passing.tasks[key] for key in keys)
    return Opening(passing, number, (tasks[0] if len(tasks) == 1 else tasks,))


def wait_for_matching(
    passing: Pass,
    prefix: str,
    patterns: tuple[Any, ...],
    place: Place,
    state: str = COMPLETED,
    name: str = "",
) -> Opening:
    """A wait for all tasks yielded so far that match: one item, a match or the tuple of them.

    A pattern that matches none is not open: what it is meant for may come later.
    """
    name = name or "wait_for_matching_tasks"
    if not patterns:
        raise CallFormError(f"{place}: {name}() waits for nothing: give patterns, such as 'chunk.*'")
    if state not in STATES:
        raise DeclarationError(
            f"{place}: the state {state!r} cannot be waited for; {' or '.join(STATES)} can"
        )
    globs = [prefix + _pattern_of(pattern, name, place) for pattern in patterns]
    found = [passing.matching(glob) for glob in globs]
    wait = Wait(f"{name}({', '.join(map(repr, globs))})", place, state)
    wait.keys = tuple(dict.fromkeys(key for keys in found for key in keys))
    missing = next((glob for glob, keys in zip(globs, found, strict=True) if not keys), None)
    if missing is not None:
        wait.lacks = f"no task yielded before it matches {missing!r}"
    number = passing.wait(wait)
    if not wait.is_open:
        return Opening(passing, number, ())
    matches = _matches(passing, globs, found, number)
    return Opening(passing, number, (matches[0] if len(matches) == 1 else matches,))


def _matches(
    passing: Pass, globs: Iterable[str], found: Iterable[Iterable[str]], number: int
) -> tuple[TaskMatch, ...]:
    return tuple(
        TaskMatch(glob, [passing.tasks[key] for key in keys], number)
        for glob, keys in zip(globs, found, strict=True)
    )


def _key_of(given: Any, prefix: str, place: Place) -> str:
    if isinstance(given, str):
        return prefix + given
    if isinstance(given, Task) and not given.is_foreign:
        return given.key
    if isinstance(given, TaskBuilder):
        raise DeclarationTypeError(f"{place}: wait_for_tasks: {given.unfinished}", where=str(place))
    raise DeclarationTypeError(
        f"{place}: wait_for_tasks takes tasks and keys of tasks, not {given!r}", where=str(place)
    )


def _pattern_of(given: Any, name: str, place: Place) -> str:
    if isinstance(given, str) and given:
        return given
    raise DeclarationTypeError(
        f"{place}: {name} takes patterns of keys, as text, not {given!r}", where=str(place)
    )
