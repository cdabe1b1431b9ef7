"""Values of worker processes that stay in a file until somebody asks for them.

The worker writes the value and sends back where it lies; another worker that needs it reads it there, so it
never passes through the driver's process. The file goes with the last who holds the value.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ramify.files.local import remove_file
from ramify.run.spill import SpillFolder, Stored
from ramify.values.substitution import replace


class Staying:
    """Stands for a value that lies in a file of `size` bytes.

    What is pickled of it does not own the file: that is removed when the object goes on which `own` was
    called.
    """

    __slots__ = ("_owner", "size", "stored")

    def __init__(self, stored: Stored, size: int) -> None:
        self.stored = stored
        self.size = size
        self._owner = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return Staying, (self.stored, self.size)

    def own(self) -> Staying:
        """Has the file go with this object; returns it."""
        self._owner = os.getpid()
        return self

    def load(self) -> Any:
        """The value. Raises `RamifyDeserializationError` where the file is gone or was changed."""
        return SpillFolder().read(self.stored)

    def __del__(self) -> None:
        if self._owner == os.getpid():  # not a forked child's copy
            remove_file(self.stored.path)


class Keeping:
    """A function whose value stays where it was made, in a new file at `path`.

    A value of the class `passed` is for whoever drives, and is sent.

    >>> import tempfile
    >>> staying = Keeping(max, os.path.join(tempfile.mkdtemp(), "value"))([1, 2])
    >>> type(staying).__name__, staying.load()
    ('Staying', 2)
    """

    def __init__(self, func: Callable[..., Any], path: str, passed: type | None = None) -> None:
        self.func = func
        self.path = path
        self.passed = passed

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from ramify.worker.child import dump_buffers, finished

        value = finished(self.func(*args, **kwargs))
        if type(value) is self.passed:
            return value
        frames = dump_buffers(value)
        sizes = [memoryview(one).nbytes for one in frames]
        try:
            with open(self.path, "xb") as file:
                for one in frames:
                    file.write(one)
        except BaseException:
            remove_file(self.path)
            raise
        return Staying(Stored(self.path, sizes[0], tuple(sizes[1:])), sum(sizes))


class Fetching:
    """A function that gets what stays in files as the values themselves."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = loaded((args, kwargs))
        return self.func(*args, **kwargs)


def loaded(tree: Any) -> Any:
    """`tree` with the values in place of what stands for them."""
    return replace(tree, Staying, Staying.load)
