"""Values that are put away in a temporary folder while memory is short, and brought back.

They stay within this process, so a plain pickle does; the buffers of arrays and tables go to the file and
come back as they are, without a copy in between.
"""

from __future__ import annotations

import os
import threading
import weakref
from itertools import count
from typing import Any, NamedTuple

from ramify.errors import RamifyDeserializationError
from ramify.files.local import remove_file, remove_tree


class Stored(NamedTuple):
    """Where a value lies: the pickle in the first `head` bytes of the file, then its buffers."""

    path: str
    head: int
    lengths: tuple[int, ...]


class SpillFolder:
    """A folder for the values of one run. It is made at the first, and gone when this object is.

    >>> folder = SpillFolder()
    >>> stored = folder.write([1, 2])
    >>> folder.read(stored)
    [1, 2]
    >>> folder.close(); os.path.exists(stored.path)
    False
    """

    def __init__(self) -> None:
        self.path: str | None = None
        self._names = count()
        self._opening = threading.Lock()
        self._remove: weakref.finalize[..., SpillFolder] | None = None

    def open(self) -> str:
        """The folder's path; it is made where it is not there yet."""
        with self._opening:
            if self.path is None:
                from tempfile import mkdtemp

                self.path = mkdtemp(prefix="ramify-values-")
                self._remove = weakref.finalize(self, _remove_own, self.path, os.getpid())
            return self.path

    def write(self, value: Any) -> Stored:
        """Writes a value. Raises what pickle raises, and `OSError`; nothing is left then."""
        import pickle

        path = os.path.join(self.open(), str(next(self._names)))
        buffers: list[pickle.PickleBuffer] = []
        try:
            with open(path, "wb") as file:
                pickle.Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
                head = file.tell()
                views = [buffer.raw() for buffer in buffers]
                for view in views:
                    file.write(view)
        except BaseException:
            remove_file(path)
            raise
        return Stored(path, head, tuple(view.nbytes for view in views))

    def read(self, stored: Stored) -> Any:
        """The value again. Raises `RamifyDeserializationError` where its file is gone or was changed."""
        import pickle

        try:
            with open(stored.path, "rb") as file:
                file.seek(stored.head)
                buffers = [_take(file, length) for length in stored.lengths]
                file.seek(0)
                return pickle.load(file, buffers=buffers)
        except Exception as error:  # what user code raises while it is unpickled too
            raise RamifyDeserializationError(
                f"a value that was put away in {stored.path!r} cannot be read back "
                f"({type(error).__name__}: {error}): was the folder for temporary files cleared?",
                path=stored.path,
            ) from error

    def remove(self, stored: Stored) -> None:
        """Forgets a value."""
        remove_file(stored.path)

    def close(self) -> None:
        """Removes the folder with all that is in it."""
        if self._remove is not None:
            self._remove()


def _take(file: Any, length: int) -> bytearray:
    buffer = bytearray(length)
    if file.readinto(buffer) != length:
        raise EOFError("the file is shorter than it was")
    return buffer


def _remove_own(path: str, pid: int) -> None:
    """A forked child, which has a copy of everything, must not remove its parent's folder."""
    if os.getpid() == pid:
        remove_tree(path)
