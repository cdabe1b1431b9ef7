"""What stands for something else, inside containers: found, and replaced.

Looked into are lists, tuples, sets, frozensets, dicts (keys and values), deques, their subclasses, named
tuples, dataclasses and `functools.partial`. A container is copied only where something in it is replaced;
what stood in two places still is one object, and what holds itself still does. Nothing here is recursive.
"""

from __future__ import annotations

import copy
import functools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

ATOMS: Final = frozenset(
    {str, int, float, bool, type(None), bytes, complex, bytearray, range, slice, type(Ellipsis), type}
)
_CHANGEABLE: Final = (list, dict, set, deque)
_FIXED: Final = (tuple, frozenset)

Put = Callable[[Any], Any]


def find(value: Any, kinds: type | tuple[type, ...]) -> list[Any]:
    """The objects of these classes in `value`, each once, in the order in which they stand.

    >>> find([1, {"a": (2.5, True)}, 2.5], float)
    [2.5]
    """
    found: dict[int, Any] = {}
    seen: dict[int, Any] = {}
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, kinds):
            found[id(item)] = item
        elif type(item) not in ATOMS and id(item) not in seen:
            inside = parts(item)
            if inside is not None:
                seen[id(item)] = item
                stack.extend(reversed(list(inside)))
    return list(found.values())


def replace(value: Any, kinds: type | tuple[type, ...], put: Put) -> Any:
    """`value` with each object of these classes replaced by what `put` gives for it.

    >>> shared = [1.5]
    >>> replace({"a": shared, "b": (shared, [2])}, float, round)
    {'a': [2], 'b': ([2], [2])}
    """
    if isinstance(value, kinds):
        return put(value)
    if type(value) in ATOMS or parts(value) is None:
        return value
    return _Copy(kinds, put).of(value)


def parts(value: Any) -> Iterable[Any] | None:
    """What a container holds; None for what is not looked into."""
    if isinstance(value, dict):
        return _of_dict(value)
    if isinstance(value, list | tuple | set | frozenset | deque):
        return value
    if isinstance(value, functools.partial):
        return (value.func, *value.args, *value.keywords.values())
    fields = _fields(value)
    return None if fields is None else list(fields.values())


def _of_dict(value: dict[Any, Any]) -> list[Any]:
    plain = all(type(key) is str for key in value)
    return list(value.values()) if plain else [part for pair in value.items() for part in pair]


def _fields(value: Any) -> dict[str, Any] | None:
    names = getattr(type(value), "__dataclass_fields__", None)
    if names is None:
        return None
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


class _Copy:
    """One value on its way to its copy.

    What holds something that is replaced, at any depth, is *touched*. Of touched containers those that can be
    changed are made empty, or as they were, and filled last; the others are made when all that they hold is
    there. A circle always leads through one that can be changed.
    """

    def __init__(self, kinds: type | tuple[type, ...], put: Put) -> None:
        self.kinds = kinds
        self.put = put
        self.made: dict[int, Any] = {}
        self.held: dict[int, Any] = {}
        """By id: what was met, so that no id is given to anything else meanwhile."""

    def of(self, value: Any) -> Any:
        touched = self._touched(value)
        if id(value) not in touched:
            return value
        fill: list[Any] = []
        stack: list[tuple[Any, bool]] = [(value, False)]
        while stack:
            item, is_ready = stack.pop()
            if id(item) in self.made or id(item) not in touched:
                continue
            if isinstance(item, _CHANGEABLE) or (_fields(item) is not None and not _is_fixed(item)):
                self.made[id(item)] = copy.copy(item)
                fill.append(item)
                stack.extend((part, False) for part in parts(item) or ())
            elif is_ready:
                self.made[id(item)] = self._made_anew(item)
            else:
                stack.append((item, True))
                stack.extend((part, False) for part in parts(item) or ())
        for item in fill:
            self._fill(self.made[id(item)], item)
        return self.made[id(value)]

    def _touched(self, value: Any) -> set[int]:
        """The ids of all that is replaced, and of what holds such."""
        above: dict[int, list[int]] = {}
        marked: list[int] = []
        stack = [value]
        self.held[id(value)] = value
        while stack:
            item = stack.pop()
            for part in parts(item) or ():
                if type(part) in ATOMS and not isinstance(part, self.kinds):
                    continue
                above.setdefault(id(part), []).append(id(item))
                if id(part) in self.held:
                    continue
                self.held[id(part)] = part
                if isinstance(part, self.kinds):
                    marked.append(id(part))
                    self.made[id(part)] = self.put(part)
                else:
                    stack.append(part)
        touched = set(marked)
        for one in marked:
            for holder in above.get(one, ()):
                if holder not in touched:
                    touched.add(holder)
                    marked.append(holder)
        return touched

    def _now(self, part: Any) -> Any:
        return self.made.get(id(part), part)

    def _made_anew(self, item: Any) -> Any:
        if isinstance(item, tuple):
            new = tuple(map(self._now, item))
            return new if type(item) is tuple else _like(item, tuple.__new__(type(item), new))
        if isinstance(item, frozenset):
            fixed = frozenset(map(self._now, item))
            return fixed if type(item) is frozenset else _like(item, frozenset.__new__(type(item), fixed))
        if isinstance(item, functools.partial):
            keywords = {name: self._now(part) for name, part in item.keywords.items()}
            return functools.partial(self._now(item.func), *map(self._now, item.args), **keywords)
        new = copy.copy(item)
        self._fill(new, item)
        return new

    def _fill(self, new: Any, item: Any) -> None:
        now = self._now
        if isinstance(item, dict):
            pairs = [(now(key), now(part)) for key, part in item.items()]
            new.clear()
            for key, part in pairs:
                new[key] = part
        elif isinstance(item, list):
            new[:] = map(now, item)
        elif isinstance(item, set | deque):
            new.clear()
            for part in item:
                new.add(now(part)) if isinstance(item, set) else new.append(now(part))
        else:
            for name, part in (_fields(item) or {}).items():
                if now(part) is not part:
                    object.__setattr__(new, name, now(part))


def _is_fixed(item: Any) -> bool:
    params = getattr(type(item), "__dataclass_params__", None)
    return bool(getattr(params, "frozen", False))


def _like(old: Any, new: Any) -> Any:
    """With what an object of a class of somebody's own holds beside its items."""
    if hasattr(old, "__dict__"):
        new.__dict__.update(old.__dict__)
    return new
