"""Inputs that are declared beside the arguments: files, by their content, and environment variables.

A file is hashed once. Its size, times and inode stand for its content as long as they are the same, except
where it was changed so shortly before it was hashed that a later change may carry the same time stamp
("racily clean", as Git calls it); then it is hashed again. What was learned can be kept between processes.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable
from typing import Final

import msgspec

from ramify.errors import StorageError
from ramify.files.local import make_folder, read_if_there, told_as_storage_error, write_atomic
from ramify.values.digest import digest_children, digest_file

_RACY: Final = 2_000_000_000
"""Nanoseconds: the coarsest time stamps of file systems in use (FAT has two seconds)."""

_BIGGEST: Final = 100_000
"""So many files an `InputCache` remembers; then it begins anew."""

ABSENT: Final = "absent"
"""What stands for the content of a file that is not there."""

Stamp = tuple[int, int, int, int, int]
_line = msgspec.json.Decoder(tuple[str, Stamp, str])
_encode = msgspec.json.Encoder().encode


class InputCache:
    """The digests of files by path and stamp; with a path of its own, kept in a file of JSON lines.

    Many processes may use one file at once: whole lines are added, the last of a path counts, and what cannot
    be read is hashed again.

    >>> import tempfile
    >>> cache = InputCache(tempfile.mkdtemp() + "/inputs")
    >>> cache.learn("/data/a", (1, 2, 3, 4, 5), "d")
    >>> InputCache(cache.path).known("/data/a", (1, 2, 3, 4, 5))
    'd'
    """

    def __init__(self, path: str | None = None) -> None:
        self.path = path
        self._files: dict[str, tuple[Stamp, str]] | None = None

    def known(self, path: str, stamp: Stamp) -> str | None:
        """The digest of a file that has this stamp still."""
        found = self._read().get(path)
        return found[1] if found is not None and found[0] == stamp else None

    def learn(self, path: str, stamp: Stamp, digest: str) -> None:
        """Notes a digest, in the file as well; where that cannot be written, only here."""
        files = self._read()
        if len(files) >= _BIGGEST:
            files.clear()
        files[path] = stamp, digest
        if self.path is None:
            return
        try:
            make_folder(os.path.dirname(self.path))
            with open(self.path, "ab") as file:
                file.write(_encode((path, stamp, digest)) + b"\n")
        except (OSError, UnicodeEncodeError, StorageError):  # it saves a hash next time, and nothing else
            return

    def _read(self) -> dict[str, tuple[Stamp, str]]:
        if self._files is None:
            self._files = {}
            lines = (read_if_there(self.path) or b"").splitlines() if self.path is not None else []
            for line in lines:
                try:
                    path, stamp, digest = _line.decode(line)
                except msgspec.MsgspecError:  # cut short, or of another version
                    continue
                self._files[path] = stamp, digest
            if self.path is not None and len(lines) > 2 * len(self._files) + 1000:
                self._write_anew(self.path)
        return self._files

    def _write_anew(self, path: str) -> None:
        assert self._files is not None, "it was read just now"
        rows = [_encode((name, *known)) for name, known in self._files.items()]
        try:
            write_atomic(path, b"\n".join(rows) + b"\n")
        except StorageError:  # the longer file will do
            return


_here = InputCache()


def digest_input(path: str | os.PathLike[str], cache: InputCache | None = None) -> str:
    """The SHA-256 of a file's content, or of a folder's, names and content; symbolic links are followed.

    Of what cannot be read to its end (a pipe, a socket, a device) only its kind counts; of a link in a folder
    that leads nowhere, its text.

    Raises `StorageError` where it cannot be read, or is not there.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> _ = open(folder + "/a.txt", "w").write("abc")
    >>> digest_input(folder + "/a.txt")[:16]
    'ba7816bf8f01cfea'
    """
    return _digest(os.path.abspath(os.fspath(path)), cache or _here, ())


def input_digest_or_absent(path: str, cache: InputCache | None = None) -> str:
    """As `digest_input`; `"absent"` for what is not there."""
    if not os.path.exists(path):
        return ABSENT
    return digest_input(path, cache)


def _digest(path: str, cache: InputCache, above: tuple[tuple[int, int], ...]) -> str:
    with told_as_storage_error(path, "read"):
        if above and os.path.islink(path) and not os.path.exists(path):
            return digest_children([("leads to", os.readlink(path))])
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            stamp = _stamp_of(found)
            return cache.known(path, stamp) or _hashed(path, stamp, cache)
        if not stat.S_ISDIR(found.st_mode):
            return digest_children([("kind", f"{stat.S_IFMT(found.st_mode)} {found.st_rdev}")])
        names = sorted(os.listdir(path))
    mark = found.st_dev, found.st_ino
    if mark in above:  # a link that leads back up
        return digest_children([])
    inside = (*above, mark)
    return digest_children([(name, _digest(os.path.join(path, name), cache, inside)) for name in names])


def _hashed(path: str, stamp: Stamp, cache: InputCache) -> str:
    started = time.time_ns()
    digest = digest_file(path)
    with told_as_storage_error(path, "read"):
        after = _stamp_of(os.stat(path))
    newest = max(after[1], after[2])
    # A clock that is behind the file's says nothing; nor does a file that changed while it was read.
    if after == stamp and newest + _RACY < started:
        cache.learn(path, stamp, digest)
    return digest


def _stamp_of(found: os.stat_result) -> Stamp:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


def forget_inputs() -> None:
    """Hashes every file anew the next time."""
    global _here
    _here = InputCache()


def digest_environment(names: Iterable[str]) -> dict[str, str | None]:
    """Of each variable a digest of its text; None where it is not set. The text itself is not kept.

    >>> digest_environment(["RAMIFY_NO_SUCH_VARIABLE"])
    {'RAMIFY_NO_SUCH_VARIABLE': None}
    """
    from ramify.values.value_digest import digest_value

    found = {name: os.environ.get(name) for name in sorted(set(names))}
    return {name: None if text is None else digest_value(text) for name, text in found.items()}
