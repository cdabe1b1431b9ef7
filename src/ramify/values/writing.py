"""`serialize`: a value to a place of the caller's choice."""

from __future__ import annotations

import os
from typing import Any

from ramify.errors import RamifySerializationError
from ramify.files.local import local_path, make_folder, remove_tree, temporary_name
from ramify.values.codec import SIDECAR, ChecksumInfo, Encoders
from ramify.values.payload import write_payload
from ramify.values.place import place


def serialize(value: Any, target: str | os.PathLike[str], encoders: Encoders = None) -> ChecksumInfo:
    """Stores a value at `target`, a path without suffix, and returns the digest of what was stored.

    The encoders are asked in this order; one that would not give the value back exactly passes it on: those
    of `encoders`, a reference (`LazyDict`), a folder (a dict whose keys are legal), the formats of NumPy,
    Arrow, pandas and Polars for their own values, JSON, tagged JSON (tuples, sets, dates, dicts with any
    keys, dataclasses), pickle. The payload stands at `target` plus the encoder's suffix, its record at
    `target.ramify`. What was stored there is replaced; a crash leaves the value whole or absent.

    Raises `RamifySerializationError` (a `TypeError`), naming the object that cannot be stored, and
    `StorageError` (an `OSError`).

    >>> import tempfile
    >>> serialize([1, 2], tempfile.mkdtemp() + "/x").algorithm
    'sha256'
    """
    stem = os.path.abspath(local_path(target))
    if not os.path.basename(stem) or stem.endswith(SIDECAR):
        raise RamifySerializationError(
            f"{os.fspath(target)!r} cannot be a target: give a name without the suffix {SIDECAR!r}", path=""
        )
    make_folder(os.path.dirname(stem))
    part = temporary_name(stem)
    record = write_payload(value, part, encoders, home=stem)
    try:
        place(part, stem, record)
    except BaseException:
        remove_tree(part + record["suffix"])
        raise
    return ChecksumInfo(**record["checksum"])
