"""Inputs that are declared beside the arguments: files, by their content, and environment variables.

A file is hashed once. Its size, times and inode stand for its content as long as they are the same, except
where it was changed so shortly before it was hashed that a later change may carry the same time stamp
("racily clean", as Git calls it); then it is hashed again.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from typing import Final

from ramify.files.local import told_as_storage_error
from ramify.values.digest import digest_any

_RACY: Final = 2_000_000_000
"""Nanoseconds: the coarsest time stamps of file systems in use (FAT has two seconds)."""

Stamp = tuple[int, int, int, int, int]
_known: dict[str, tuple[Stamp, str]] = {}
_BIGGEST_CACHE: Final = 100_000


def digest_input(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's content, or of a folder's, names and content; symbolic links are followed.

    Raises `StorageError` where it cannot be read, or is not there.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> _ = open(folder + "/a.txt", "w").write("abc")
    >>> digest_input(folder + "/a.txt")[:16]
    'ba7816bf8f01cfea'
    """
    text = os.path.abspath(os.fspath(path))
    with told_as_storage_error(text, "read"):
        found = os.stat(text)
    if stat.S_ISDIR(found.st_mode):
        return digest_any(text)
    stamp = _stamp_of(found)
    known = _known.get(text)
    if known is not None and known[0] == stamp:
        return known[1]
    return _hashed(text, stamp)


def _hashed(path: str, stamp: Stamp) -> str:
    started = time.time_ns()
    digest = digest_any(path)
    with told_as_storage_error(path, "read"):
        after = _stamp_of(os.stat(path))
    newest = max(after[1], after[2])
    # A clock that is behind the file's says nothing; nor does a file that changed while it was read.
    if after == stamp and newest + _RACY < started:
        if len(_known) >= _BIGGEST_CACHE:
            _known.clear()
        _known[path] = stamp, digest
    return digest


def _stamp_of(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


def forget_inputs() -> None:
    """Hashes every file anew the next time."""
    _known.clear()


def digest_environment(names: Iterable[str]) -> dict[str, str | None]:
    """Of each variable a digest of its text; None where it is not set. The text itself is not kept.

    >>> digest_environment(["RAMIFY_NO_SUCH_VARIABLE"])
    {'RAMIFY_NO_SUCH_VARIABLE': None}
    """
    from ramify.values.value_digest import digest_value

    found = {name: os.environ.get(name) for name in sorted(set(names))}
    return {name: None if text is None else digest_value(text) for name, text in found.items()}
