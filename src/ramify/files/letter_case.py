"""File systems that take `a` and `A` for one name, as those of macOS and Windows mostly do."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable

from ramify.errors import RamifyKeyEncodingError


def ignores_case(path: str) -> bool:
    """Whether the file system that this path is on, or will be, ignores the case of letters."""
    while True:
        parent, name = os.path.split(path)
        other = os.path.join(parent, name.swapcase())
        if other != path and os.path.lexists(path):
            return os.path.lexists(other) and os.path.samestat(os.lstat(path), os.lstat(other))
        if parent == path:
            return False
        path = parent


def folded(name: str) -> str:
    """The same for all names that such a file system takes for one.

    >>> folded("Straße") == folded("STRASSE")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def refuse_same_but_for_case(names: Iterable[str], folder: str, what: str) -> None:
    """`RamifyKeyEncodingError` where two names would be one file in this folder; they are of `what`."""
    if not ignores_case(folder):
        return
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(folded(name), name)
        if other != name:
            raise same_but_for_case(other, name, folder, what)


def same_but_for_case(one: str, other: str, folder: str, what: str) -> RamifyKeyEncodingError:
    """Two names that would be one file in this folder."""
    return RamifyKeyEncodingError(
        f"{what} {one!r} and {other!r} would share their files: the file system of {folder} ignores the case "
        "of letters; give one of them another key",
        key=other,
    )
