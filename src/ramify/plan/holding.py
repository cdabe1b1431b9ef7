"""Objects that hold jobs somewhere inside: pickled with a number in the place of each job.

When such an object is loaded, each number becomes that job's value. So a dataclass, a named tuple, or any
other object may hold jobs, as deep as it likes.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from ramify.files.local import read_bytes


def dump_holding(value: Any, place: Callable[[Any], int | None]) -> bytes:
    """The pickle of `value`; `place` gives the number of an object that stands for a value, else None.

    Raises what pickle raises.
    """
    from ramify.values.pickling import by_value, value_pickler

    class Pickler(value_pickler()):  # type: ignore[misc]  # cloudpickle has no types
        def persistent_id(self, inner: Any) -> int | None:
            return place(inner)

    buffer = io.BytesIO()
    with by_value():
        Pickler(buffer, protocol=5).dump(value)
    return buffer.getvalue()


def load_holding(path: str, values: Sequence[Any]) -> Any:
    """The object in the file at `path`, with these values in the places of its jobs."""

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number: Any) -> Any:
            return values[number]

    return Unpickler(io.BytesIO(read_bytes(path))).load()
