"""The two keys of a result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

_SIZE: Final = 20
"""Bytes of a key: enough that no two results of a project ever share one."""

_OWN_SIZE: Final = 10
"""Bytes of an own key, which only says where it is worth looking."""

FORMAT: Final = "ramify-trace-1"
"""Part of every key: a change of what keys are made of makes the old ones void."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the results of one job, or of the points of one grid, depend on, as far as the plan says.

    `code` is the fingerprint of the function. `args` has a text for each argument: `=` and the value, where
    that is short, else `#` and its digest; a reference to another job stands in it by its place among the
    parents. `declared` has such a text for what is read besides the arguments: files, variables, outputs from
    elsewhere. `unsound` says why the result cannot be judged; then it has no early key.
    """

    code: str | None
    args: dict[str, str] = field(default_factory=dict)
    unsound: tuple[str, ...] = ()
    declared: dict[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether equal inputs mean an equal result."""
        return self.code is not None and not self.unsound

    def base(self) -> bytes:
        """What all points have in common, in the order of the arguments' names."""
        hashed = blake2b(digest_size=_SIZE)
        for text in (FORMAT, self.code or "", *_sorted(self.args), "", *_sorted(self.declared)):
            hashed.update(text.encode("utf-8", "surrogatepass"))
            hashed.update(b"\0")
        return hashed.digest()


def _sorted(texts: dict[str, str]) -> list[str]:
    return [f"{name}{texts[name]}" for name in sorted(texts)]


def own_key(base: bytes, point: str | None) -> str:
    """What the code and the arguments alone come to: results whose own keys differ are never the same.

    >>> own_key(Inputs("f").base(), None) == own_key(Inputs("g").base(), None)
    False
    """
    hashed = blake2b(base, digest_size=_OWN_SIZE)
    if point is not None:
        hashed.update(point.encode())
    return hashed.hexdigest()


def early_key(base: bytes, point: str | None, above: Iterable[str | None]) -> str | None:
    """The early key of a job, or of one point of a grid; None where a parent has none.

    >>> base = Inputs("f", {"x": "=1"}).base()
    >>> early_key(base, None, []) == early_key(base, None, [])
    True
    >>> early_key(base, None, [None]) is None
    True
    """
    keys = []
    for key in above:
        if key is None:
            return None
        keys.append(key)
    text = f"early/{point}," if point is not None else "early,"
    return blake2b(base + f"{text}{','.join(keys)}".encode(), digest_size=_SIZE).hexdigest()


def late_key(base: bytes, point: str | None, digests: Sequence[str]) -> str:
    """The late key: `digests` are those of the parents' outputs, in the order of the parents.

    >>> base = Inputs("f", {"x": "=1"}).base()
    >>> late_key(base, None, ["a"]) == late_key(base, None, ["b"])
    False
    """
    text = f"late/{point}," if point is not None else "late,"
    return blake2b(base + f"{text}{','.join(digests)}".encode(), digest_size=_SIZE).hexdigest()


def gathered(members: Iterable[str | None]) -> str | None:
    """What stands for a group: of its members' early keys, or of their digests; None where one has none.

    >>> gathered(["a", "b"]) == gathered(["b", "a"])
    False
    """
    hashed = blake2b(b"gather", digest_size=_SIZE)
    for key in members:
        if key is None:
            return None
        hashed.update(key.encode())
        hashed.update(b",")
    return hashed.hexdigest()
