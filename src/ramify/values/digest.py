"""Digests: SHA-256 of a payload's bytes; of a folder, over its children's names and digests.

The digest of a folder needs no payload, and equals that of any other folder with the same names and digests:
what a run wrote job by job has the digest that `serialize` of the equal dict would have.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from typing import Final

from ramify.files.local import told_as_storage_error

ALGORITHM: Final = "sha256"


def digest_bytes(data: bytes | bytearray | memoryview) -> str:
    """The digest of a payload that is in memory."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: str) -> str:
    """The digest of a payload file."""
    with told_as_storage_error(path, "read"), open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, hashlib.sha256).hexdigest()


def digest_children(children: Iterable[tuple[str, str]]) -> str:
    """The digest of a folder, of `(name, digest)` pairs in any order.

    >>> digest_children([("a", "01"), ("b", "02")]) == digest_children([("b", "02"), ("a", "01")])
    True
    """
    lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(children))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def digest_any(path: str) -> str:
    """The digest of a payload that an encoder of the user's wrote: a file, or a folder of any depth."""
    with told_as_storage_error(path, "read"):
        if not stat.S_ISDIR(os.stat(path).st_mode):
            return digest_file(path)
        names = sorted(os.listdir(path))
        return digest_children([(name, digest_any(os.path.join(path, name))) for name in names])
