"""How many bytes of memory a value holds on to: exact for arrays and text, an estimate for what holds others.

No library is imported for it: a value of NumPy's is one whose class says so.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from itertools import islice
from sys import getsizeof
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

_MOST_LOOKS: Final = 256
"""Objects that are looked at for one value, at most."""

_FEW: Final = 64
"""A container of so many is looked at whole; of a larger one, so many stand for all."""

_ELSEWHERE: Final = frozenset({"dask", "h5py", "tables", "zarr"})
"""What these call `nbytes` is what would have to be read or computed."""

_SHORT: Final = 4096
"""Bytes, or characters, that are small whatever else is so."""

LARGE: Final = 1_000_000
"""A value of more bytes is not kept in memory for longer than it is needed."""

PLAIN: Final = frozenset({type(None), bool, int, float, complex})
"""Types whose values are small; an integer of many digits is let pass."""

_CONTAINERS: Final = (list, tuple, set, frozenset, deque)
_HOLD_NOTHING: Final = (type, ModuleType, FunctionType, BuiltinFunctionType)


def is_small(value: Any) -> bool:
    """Whether a look is enough to see that a value takes a few kilobytes at most. Quicker than `size_of`.

    >>> is_small("ab"), is_small((1, "ab", None)), is_small(bytes(1_000_000)), is_small([[1]])
    (True, True, False, False)
    """
    kind = type(value)
    if kind is str or kind is bytes:
        return len(value) < _SHORT
    if kind is tuple or kind is list:
        return len(value) < 16 and all(map(_is_plain, value))
    if kind is dict:
        return len(value) < 16 and all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return kind in PLAIN


def _is_plain(value: Any) -> bool:
    kind = type(value)
    return kind in PLAIN or (kind is str and len(value) < 256)


def size_of(value: Any) -> int:
    """The bytes that would be free if the value were gone. Never raises, and copies nothing.

    A view of an array counts as what it is a view of: that is what it keeps. Of a container with many
    members a sample stands for all, so one that is much larger than its siblings may be missed.

    >>> size_of(bytes(1_000_000)) // 1000, size_of([bytes(1000)] * 3 + [bytes(2000)] * 2) // 1000
    (1000, 3)
    """
    total = total_weight = 0.0
    seen: set[int] = set()
    queue: deque[tuple[Any, float]] = deque([(value, 1.0)])
    looks = 0
    while queue and looks < _MOST_LOOKS:
        one, weight = queue.popleft()
        looks += 1
        total_weight += weight
        try:
            size, held, count = _own_size(one)
        except Exception:  # an object of the user's that fails when it is asked anything counts for nothing
            continue
        total += weight * size
        if held:
            share = weight * count / len(held)
            times = Counter(map(id, held))
            for child in held:
                if id(child) not in seen:  # what many places share is there once
                    seen.add(id(child))
                    queue.append((child, share if times[id(child)] == 1 else weight))
    unseen = sum(weight for _, weight in queue)
    return int(total + unseen * total / total_weight)


def _own_size(value: Any) -> tuple[int, list[Any], int]:
    """The bytes of an object itself, what stands for those that it holds, and how many those are."""
    kind = type(value)
    if kind.__module__ != "builtins" or not isinstance(value, _CONTAINERS + (dict, str, bytes, bytearray)):
        known = _told_by_itself(value)
        if known is not None:
            return known
    if isinstance(value, _HOLD_NOTHING):
        return 0, [], 0
    size = getsizeof(value, 0)
    if isinstance(value, dict):
        return size, _some_of_dict(value), 2 * len(value)
    if isinstance(value, _CONTAINERS):
        return size, _some_of(value), len(value)
    held = _attributes(value)
    return size, held, len(held)


def _told_by_itself(value: Any) -> tuple[int, list[Any], int] | None:
    """The size of a table or an array of any library, which says so itself; None for all else."""
    library = type(value).__module__.partition(".")[0]
    if library in _ELSEWHERE:
        return getsizeof(value, 0), [], 0
    try:
        if library == "numpy":
            return _of_array(value)
        if library == "pandas":
            used = value.memory_usage(deep=False)
            return int(used if isinstance(used, int) else used.sum()), [], 0
        if library == "polars":
            return int(value.estimated_size()), [], 0
        size = getattr(value, "nbytes", None)
    except Exception:  # a class of that library without a size, or a property of the user's that failed
        return None
    return (size, [], 0) if isinstance(size, int) else None


def _of_array(value: Any) -> tuple[int, list[Any], int]:
    array = sys.modules["numpy"].ndarray
    if not isinstance(value, array):
        return int(value.nbytes), [], 0
    root = value
    while isinstance(root.base, array):
        root = root.base
    if type(root.base).__name__ == "mmap":
        return 0, [], 0  # a mapped file: the system has it in memory as long as it likes
    if not root.dtype.hasobject or root.dtype.names or not root.size:
        return int(root.nbytes), [], 0
    step = max(1, root.size // _FEW)
    return int(root.nbytes), [root.flat[place] for place in range(0, root.size, step)], root.size


def _some_of(value: Any) -> list[Any]:
    """Some members: of a sequence from all over it, of a set those that come first."""
    if len(value) <= _FEW:
        return list(islice(value, _FEW))
    if isinstance(value, list | tuple):
        step = len(value) // _FEW
        return [value[place] for place in range(0, step * _FEW, step)]
    return list(islice(value, _FEW))


def _some_of_dict(value: dict[Any, Any]) -> list[Any]:
    found: list[Any] = []
    for pair in islice(value.items(), _FEW):
        found += pair
    return found


def _attributes(value: Any) -> list[Any]:
    """What an object of the user's holds in its attributes, slots included; no property is called."""
    held = list(islice(getattr(value, "__dict__", {}).values(), _FEW))
    for kind in type(value).__mro__:
        for member in vars(kind).values() if "__slots__" in vars(kind) else ():
            if type(member).__name__ == "member_descriptor":
                try:
                    held.append(member.__get__(value, kind))
                except AttributeError:  # a slot that is empty
                    continue
    return held[:_FEW]
