"""Putting a payload in its place, so that a stored value is complete or absent at every instant.

Complete means: a sidecar that can be read, and the payload it describes. What was there goes first; then the
sidecar is written; then the payload is renamed to its final name, which is the commit. A crash leaves a
sidecar without a payload at most, and the next writer finds and replaces it.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from ramify.errors import RamifyDeserializationError, StorageError
from ramify.files.local import remove_file, retire, storage_error, write_exclusive
from ramify.values import sidecar
from ramify.values.codec import SIDECAR, SUFFIX
from ramify.values.sidecar import Record

_IN_THE_WAY: Final = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)


def place(part: str, stem: str, record: Record, trash: str | None = None) -> None:
    """Makes the payload at the stem `part` the value at `stem`, and replaces what was there.

    Fresh, it is one create and one rename. `trash` is a folder on the same file system for what has to go.
    Raises `StorageError`: with the old value in place where the part is not there.
    """
    suffix: str = record["suffix"]
    text = sidecar.encode(record)
    if not write_exclusive(stem + SIDECAR, text):
        _need(part + suffix)
        clear(stem, trash)
        write_exclusive(stem + SIDECAR, text)
    try:
        os.rename(part + suffix, stem + suffix)
    except OSError as error:
        if error.errno in _IN_THE_WAY and os.path.lexists(part + suffix):
            retire(stem + suffix, trash or os.path.dirname(stem))
            os.rename(part + suffix, stem + suffix)
            return
        remove_file(stem + SIDECAR)
        raise storage_error(error, stem + suffix, "put a value in place at") from error


def clear(stem: str, trash: str | None = None) -> bool:
    """Removes the value at a stem, payload first; returns whether there was anything.

    A folder is renamed away before it is emptied: half of it is never seen. Where no sidecar says which
    payload is meant, all that stand at the stem go.
    """
    trash = trash or os.path.dirname(stem)
    try:
        record = sidecar.read(stem)
    except RamifyDeserializationError:
        record = None
    there = False
    for path in _payloads(stem) if record is None else [stem + record["suffix"]]:
        if os.path.lexists(path):
            retire(path, trash)
            there = True
    return remove_file(stem + SIDECAR) or there


def _payloads(stem: str) -> list[str]:
    folder, name = os.path.split(stem)
    try:
        entries = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        os.path.join(folder, entry)
        for entry in entries
        if entry == name
        or (entry.startswith(name) and SUFFIX.fullmatch(entry[len(name) :]) and entry != name + SIDECAR)
    ]


def _need(path: str) -> None:
    if not os.path.lexists(path):
        raise StorageError(f"there is no payload at {path!r} to put in place", path=path, errno=errno.ENOENT)
