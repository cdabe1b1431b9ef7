"""What a folder's sidecar lists, kept for the folders that were looked into last.

A loop over `outputs["scores"][key]` asks the folder's record for every key: it is parsed once for as long as
the file stays the same one.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import Final, NamedTuple

from ramify.values import sidecar
from ramify.values.codec import SIDECAR
from ramify.values.sidecar import FOLDER, digest_in

Mark = tuple[int, int, int]

_MOST: Final = 16
_kept: dict[str, tuple[Mark, Listing]] = {}
_lock: Final = Lock()


class Listing(NamedTuple):
    """The digest in a folder's record, and its children's names in order; None where it lists none."""

    digest: str
    names: dict[str, None] | None


def listing_of(folder: str) -> Listing | None:
    """What the sidecar of a folder says, or None where there is no sidecar.

    Raises `RamifyDeserializationError` for one that is truncated or not understood.
    """
    mark = _mark(folder)
    if mark is None:
        return None
    kept = _kept.get(folder)
    if kept is not None and kept[0] == mark:
        return kept[1]
    record = sidecar.read(folder)
    if record is None:  # it went between the two looks
        return None
    names = record.get("order") if record["encoding"] == FOLDER else None
    found = Listing(digest_in(record), None if names is None else dict.fromkeys(names))
    with _lock:
        _kept.pop(folder, None)
        _kept[folder] = mark, found
        while len(_kept) > _MOST:
            del _kept[next(iter(_kept))]
    return found


def is_listed_folder(folder: str) -> bool:
    """Whether this is known, at the price of a look at the file, to be a folder whose record lists names."""
    kept = _kept.get(folder)
    return kept is not None and kept[1].names is not None and kept[0] == _mark(folder)


def _mark(folder: str) -> Mark | None:
    try:
        found = os.stat(folder + SIDECAR)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
