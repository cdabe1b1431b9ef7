"""Pickle, the last of the chain: plain where that suffices, by value with cloudpickle where it does not.

Loading a pickle runs what is in it, so it happens only when a value is asked for: never to read a digest, a
sidecar or a listing.
"""

from __future__ import annotations

from typing import Any

from ramify.errors import RamifySerializationError
from ramify.values.codec import BytesCodec
from ramify.values.pickling import dump_value, find_unpicklable, load_value, type_name


def encode(value: Any) -> bytes:
    try:
        return dump_value(value)
    except Exception as error:
        culprit = find_unpicklable(value, "")
        where = culprit.rpartition(" (a ")[0]
        raise RamifySerializationError(
            f"no encoder can store the {type_name(value)}: {culprit.lstrip()} cannot be pickled "
            f"({type(error).__name__}: {error})",
            path=where,
            type_name=culprit.rpartition(" (a ")[2].rstrip(")"),
        ) from error


CODEC = BytesCodec("pickle", ".pickle", encode, load_value)
