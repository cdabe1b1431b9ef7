"""NumPy arrays as `.npy`, never with pickles inside (https://numpy.org/neps/nep-0001-npy-format.html)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ramify.values.codec import FileCodec, GoToNextEncoderException


def write(value: Any, path: str) -> None:
    if type(value) is not np.ndarray or not _faithful(value.dtype):
        raise GoToNextEncoderException(".npy would not give this array back exactly")
    with open(path, "wb") as file:
        np.save(file, value, allow_pickle=False)


def read(path: str) -> Any:
    with open(path, "rb") as file:
        return np.load(file, allow_pickle=False)


def _faithful(dtype: Any) -> bool:
    """Whether the format's header can say this type: no objects, no metadata, no types of other packages."""
    if dtype.hasobject or dtype.metadata is not None or dtype.isbuiltin == 2:
        return False
    try:
        same = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype))
    except (TypeError, ValueError):
        return False
    return bool(same == dtype and same.isalignedstruct == dtype.isalignedstruct)


CODEC = FileCodec("numpy", ".npy", write, read)
