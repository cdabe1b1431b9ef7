"""Groups of tasks, as a status shows them: by the user's functions, or by how keys begin."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ramify.errors import DeclarationTypeError

Grouper = Callable[[str], str]
"""From the key of a task to the name of its group."""

_NUMBERED: Final = re.compile(r"[-_.:]?[0-9].*", re.DOTALL)


def group_by_prefix(key: str) -> str:
    """What a key says before its first number.

    >>> [group_by_prefix(key) for key in ("task-for-chunk.12", "s_square-3", "merge", "7")]
    ['task-for-chunk', 's_square', 'merge', '7']
    """
    return _NUMBERED.sub("", key, count=1) or key


def group(keys: Iterable[str], grouper: Grouper) -> dict[str, list[str]]:
    """The keys of each group, both in the order in which they come.

    >>> group(["a1", "b1", "a2"], group_by_prefix)
    {'a': ['a1', 'a2'], 'b': ['b1']}
    """
    groups: dict[str, list[str]] = {}
    for key in keys:
        name = grouper(key)
        if not isinstance(name, str):
            raise DeclarationTypeError(
                f"a task grouper must return text; for {key!r} it returned {name!r}", key=key
            )
        groups.setdefault(name, []).append(key)
    return groups


def check_groupers(given: object) -> dict[str, Grouper]:
    """The groupers by name, checked."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DeclarationTypeError(f"task_groupers must be a dict of names and functions; it is {given!r}")
    for name, grouper in given.items():
        if not isinstance(name, str) or not callable(grouper):
            raise DeclarationTypeError(f"task_groupers[{name!r}] must be a function from a key to a group")
    return dict(given)
