"""A reference to a folder that is stored elsewhere: what a `LazyDict` is stored as.

The payload is `{"target": ..., "digest": ...}`. The target is relative to the folder of the payload's final
place wherever the two have a common folder above them, so that both can be moved together. The digest is the
target's own: a reference and what it refers to are the same value.
"""

from __future__ import annotations

import os
from typing import Any, Final

import msgspec

from ramify.errors import RamifyDeserializationError, RamifySerializationError

SUFFIX: Final = ".link"


class Link(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the payload of a reference says; `members` are the children it is narrowed to, if it is."""

    target: str
    digest: str
    members: dict[str, Any] | None = None


def encode(link: Link, home: str | None) -> bytes:
    """The payload of a reference; `home` is the stem at which it will lie, if that is known."""
    if home is None:
        return msgspec.json.encode(link)
    target = link.target
    if _inside(target, home) or _inside(home, target):
        raise RamifySerializationError(
            f"the LazyDict of {target!r} cannot be stored at {home!r}: it would refer to itself; "
            "store its to_dict()",
            path=home,
        )
    here = os.path.dirname(home)
    common = os.path.commonpath([here, target])
    if common != os.path.dirname(common):
        target = os.path.relpath(target, here)
    return msgspec.json.encode(Link(target, link.digest, link.members))


def decode(data: bytes, path: str) -> Link:
    """What the payload at `path` refers to, with the target made absolute."""
    try:
        link = msgspec.json.decode(data, type=Link)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RamifyDeserializationError(f"{path!r} is no reference: {error}", path=path) from error
    if not _are_members(link.members):
        raise RamifyDeserializationError(f"{path!r} is no reference: its members cannot be", path=path)
    return Link(os.path.normpath(os.path.join(os.path.dirname(path), link.target)), link.digest, link.members)


def _are_members(members: Any) -> bool:
    """Whether these are names of children, each with None or the members of that child."""
    stack = [members]
    while stack:
        inner = stack.pop()
        if inner is None:
            continue
        if type(inner) is not dict or any("/" in name or name[:1] in (".", "") for name in inner):
            return False
        stack += inner.values()
    return True


def _inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + os.sep)
