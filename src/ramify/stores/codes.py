"""The parts of fingerprints, kept beside the outputs that were made with them: for telling what changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import msgspec

from ramify.files.local import make_folder, read_if_there, write_atomic

CODES: Final = ".codes"
"""The folder in the outputs with the parts of fingerprints: no key begins with a dot."""


def read_parts(outputs: str, digest: str) -> dict[str, str]:
    """The parts of a fingerprint by its digest; empty where they are not known."""
    if not digest.isalnum():  # a text out of a sidecar, and no path
        return {}
    data = read_if_there(os.path.join(outputs, CODES, f"{digest}.json"))
    try:
        return {} if data is None else msgspec.json.decode(data, type=dict[str, str])
    except msgspec.MsgspecError:  # damaged: the cause is told without the names of the parts
        return {}


def write_parts(outputs: str, digest: str, parts: Mapping[str, str]) -> None:
    """Keeps the parts of a fingerprint beside the outputs that are made with it."""
    path = os.path.join(outputs, CODES, f"{digest}.json")
    if not os.path.exists(path):
        make_folder(os.path.dirname(path))
        write_atomic(path, msgspec.json.encode(parts))
