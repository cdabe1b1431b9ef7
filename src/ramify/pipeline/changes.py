"""What changed between two sweeps of one run."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from ramify.errors import ReopenedError
from ramify.pipeline.conf import TaskConf
from ramify.pipeline.definition import TaskDefinition
from ramify.pipeline.passing import Wait, quoted_list
from ramify.pipeline.place import Place
from ramify.pipeline.sweep import Sweep


@dataclass(frozen=True, slots=True)
class Reopened:
    """A task that was made from a wait, and the matches that came to that wait after it."""

    key: str
    place: Place
    wait: str
    new: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"{self.place}: task {self.key!r} was made from {self.wait}, and then came "
            f"{quoted_list(self.new)}, which it matches too: yield all that a wait is for "
            "before it, or wait for what makes them"
        )


@dataclass(frozen=True, slots=True)
class Changes:
    """`new`, `changed`, `held` and `gone` are keys, in order.

    `changed` do something else, or with something else; how a task runs does not count.
    `held` are not yielded because a wait that they were made from is not open any more: a task of it is to be
    run again. `gone` are not yielded for no such reason: to be reported. `reopened` are errors.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    reopened: tuple[Reopened, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.held or self.gone or self.reopened)

    def check(self) -> None:
        """Raises `ReopenedError` for the first task made from a wait that later matches reopened."""
        for one in self.reopened:
            raise ReopenedError(str(one), key=one.key, wait=one.wait, new=list(one.new), where=str(one.place))


def diff(old: Sweep, new: Sweep) -> Changes:
    """What a later sweep of the same run has otherwise. Both are linear in their tasks."""
    later = {(wait.what, wait.place): wait for wait in new.waits}
    reopened: list[Reopened] = []
    held: list[str] = []
    gone: list[str] = []
    grown = {number: more for number, wait in enumerate(old.waits) if (more := _grown(wait, later))}
    for key, made_in in old.made_in.items() if grown else ():
        for number in made_in:
            if number in grown:
                wait = old.waits[number]
                reopened.append(Reopened(key, old.places[key], wait.what, grown[number]))
                break
    for key in old.definitions:
        if key not in new.definitions:
            (held if _is_held(old, key, later) else gone).append(key)
    return Changes(
        tuple(key for key in new.definitions if key not in old.definitions),
        tuple(
            key
            for key, one in new.definitions.items()
            if (was := old.definitions.get(key)) is not None and was != one and not _same(was, one, old, new)
        ),
        tuple(held),
        tuple(gone),
        tuple(reopened),
    )


def _grown(wait: Wait, later: dict[tuple[str, Place], Wait]) -> tuple[str, ...]:
    now = later.get((wait.what, wait.place))
    if now is None or now.keys is wait.keys or now.keys == wait.keys or not wait.is_open:
        return ()
    before = set(wait.keys)
    return tuple(key for key in now.keys if key not in before)


def _is_held(old: Sweep, key: str, later: dict[tuple[str, Place], Wait]) -> bool:
    for number in old.made_in.get(key, ()):
        wait = old.waits[number]
        now = later.get((wait.what, wait.place))
        if now is None or not now.is_open:
            return True
    return False


def _same(was: TaskDefinition, now: TaskDefinition, old: Sweep, new: Sweep) -> bool:
    was, now = (msgspec.structs.replace(one, conf=TaskConf(), props={}) for one in (was, now))
    if was == now:
        return True
    if not any(call.pickled for call in now.calls) or _plain(was) != _plain(now):
        return False
    # Pickles of one function made anew are not always equal; its code is.
    functions = old.functions.get(was.key, ()), new.functions.get(now.key, ())
    codes = [[getattr(function, "__code__", function) for function in each] for each in functions]
    return codes[0] == codes[1]


def _plain(definition: TaskDefinition) -> TaskDefinition:
    calls = tuple(
        msgspec.structs.replace(call, pickled=b"" if call.pickled else None) for call in definition.calls
    )
    return msgspec.structs.replace(definition, calls=calls)
