"""Reading and writing files of this machine, whole or not at all.

Each function raises `StorageError` with the path, the error number and what to do about it. A file appears
with the rights that the user's umask gives, as one from `open` would.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ramify.errors import ArgumentError, StorageError

_PLAIN: Final[int] = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _PLAIN
_EXCLUSIVE: Final = _CREATE | os.O_EXCL
_READ: Final = os.O_RDONLY | _PLAIN

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # two letters at least: one is a drive

_count = itertools.count()

_ADVICE: Final = {
    errno.ENOSPC: "the disk is full: free some space, then resume",
    errno.EDQUOT: "your disk quota is used up: free some space, then resume",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EACCES: "permission denied: check who owns the folder, or choose another",
    errno.EPERM: "permission denied: check who owns the folder, or choose another",
    errno.ENOENT: "it does not exist",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ENAMETOOLONG: "the path is too long for this file system: use shorter keys or another folder",
    errno.EMFILE: "this process has too many open files: raise the limit with `ulimit -n`",
}


def local_path(location: str | os.PathLike[str]) -> str:
    """The text of a path of this machine; a URL is refused, so that it never becomes a folder called `s3:`.

    >>> local_path("exp/plan")
    'exp/plan'
    >>> local_path("s3://bucket/plan")
    Traceback (most recent call last):
        ...
    ramify.errors.ArgumentError: 's3://bucket/plan' is a URL: give a path of this machine
    """
    path = os.fspath(location)
    if isinstance(path, str) and _URL.match(path):
        raise ArgumentError(f"{path!r} is a URL: give a path of this machine", names=[path])
    return path


def storage_error(error: OSError, path: str, doing: str) -> StorageError:
    """The `StorageError` that says what could not be done with `path`, why, and what helps."""
    advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return StorageError(f"cannot {doing} {path!r}: {advice}", path=path, errno=error.errno)


def temporary_name(path: str) -> str:
    """A name beside `path` that nobody else uses, and that no key can have."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:100]}.{os.getpid()}-{next(_count)}")


def write_new(path: str, data: bytes | bytearray | memoryview) -> None:
    """Writes a file that nobody reads yet; on an error nothing is left. One that is there goes."""
    try:
        _write(path, data, _CREATE)
    except OSError as error:
        raise storage_error(error, path, "write") from error


def write_exclusive(path: str, data: bytes) -> bool:
    """Writes a file unless one is there; returns whether it did."""
    try:
        _write(path, data, _EXCLUSIVE)
    except FileExistsError:
        return False
    except OSError as error:
        raise storage_error(error, path, "write") from error
    return True


def write_atomic(path: str, data: bytes, durable: bool = False) -> None:
    """Puts a whole file in place in one step; with `durable` it is on the disk when this returns.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomic(folder + "/a", b"one")
    ...     write_atomic(folder + "/a", b"two")
    ...     read_bytes(folder + "/a"), os.listdir(folder)
    (b'two', ['a'])
    """
    beside = temporary_name(path)
    try:
        _write(beside, data, _CREATE, durable)
        try:
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
        if durable:
            _sync_folder(os.path.dirname(path) or ".")
    except OSError as error:
        raise storage_error(error, path, "write") from error


def read_bytes(path: str) -> bytes:
    """All of a file. `StorageError` where it cannot be read; `errno` tells a missing file apart."""
    try:
        return _read(path)
    except OSError as error:
        raise storage_error(error, path, "read") from error


def read_if_there(path: str) -> bytes | None:
    """All of a file, or None where there is none."""
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise storage_error(error, path, "read") from error


def make_folder(path: str) -> None:
    """Makes a folder and those above it; one that is there is fine."""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise storage_error(error, path, "make the folder") from error


def rename(source: str, target: str) -> None:
    """Renames, replacing a file or an empty folder that is at `target`."""
    try:
        os.rename(source, target)
    except OSError as error:
        raise storage_error(error, target, "put a file in place at") from error


def link_file(source: str, target: str) -> None:
    """Makes a file appear at `target` too: as a hard link, else as a copy. Raises `StorageError`."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without hard links
        import shutil

        try:
            shutil.copy2(source, target, follow_symlinks=False)
        except OSError as error:
            raise storage_error(error, target, "copy a file to") from error


def link_tree(source: str, target: str) -> None:
    """As `link_file`, for a file or a folder with all it holds; one with symbolic links in it is refused."""
    if not os.path.isdir(source) or os.path.islink(source):
        _refuse_link(source)
        link_file(source, target)
        return
    for above, folders, names in os.walk(source):
        inside = target + above[len(source) :]
        make_folder(inside)
        for name in folders:
            _refuse_link(os.path.join(above, name))
        for name in names:
            _refuse_link(os.path.join(above, name))
            link_file(os.path.join(above, name), os.path.join(inside, name))


def _refuse_link(path: str) -> None:
    if os.path.islink(path):
        raise StorageError(f"{path!r} is a link, which would lead elsewhere from here", path=path)


def remove_file(path: str) -> bool:
    """Removes a file; returns whether one was there."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise storage_error(error, path, "remove") from error
    return True


def remove_tree(path: str) -> None:
    """Removes a folder with all it holds, or a file; what is gone already is fine. Links are not followed."""
    try:
        os.unlink(path)
        return
    except (FileNotFoundError, NotADirectoryError):
        return
    except (IsADirectoryError, PermissionError):
        pass
    except OSError as error:
        raise storage_error(error, path, "remove") from error
    import shutil

    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(error, path, "remove") from error


def retire(path: str, trash: str) -> None:
    """Makes a file or a folder disappear at once, then removes it: nobody sees it half removed."""
    away = os.path.join(trash, os.path.basename(temporary_name(path)))
    try:
        os.rename(path, away)
    except FileNotFoundError:
        return
    except OSError as error:
        raise storage_error(error, path, "remove") from error
    remove_tree(away)


@contextmanager
def told_as_storage_error(path: str, doing: str) -> Iterator[None]:
    """Turns an `OSError` of another library, which wrote or read `path`, into a `StorageError`."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(error, path, doing) from error


def _write(path: str, data: bytes | bytearray | memoryview, flags: int, durable: bool = False) -> None:
    descriptor = os.open(path, flags, 0o666)
    try:
        try:
            written = os.write(descriptor, data)
            if written != len(data):
                _write_rest(descriptor, memoryview(data)[written:])
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        os.unlink(path)
        raise


def _write_rest(descriptor: int, rest: memoryview) -> None:
    """The kernel takes at most 2 GiB at a time, and less when the disk is nearly full."""
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read(path: str) -> bytes:
    descriptor = os.open(path, _READ)
    try:
        data = os.read(descriptor, 65536)
        if len(data) < 65536:
            return data
        chunks = [data]
        while data:
            data = os.read(descriptor, 1 << 24)
            chunks.append(data)
        return b"".join(chunks)
    finally:
        os.close(descriptor)


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, _READ)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
