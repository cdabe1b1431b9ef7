"""The codecs, one per file, and the order in which they are asked.

A library's codecs are imported only for a value of that library, or to read what one of them wrote: the table
below has names, not modules.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from ramify.errors import RamifyDeserializationError
from ramify.values.codec import Codec

_WHERE: Final[dict[str, tuple[str, str]]] = {
    "json": ("json_plain", "CODEC"),
    "json-tagged": ("json_tagged", "CODEC"),
    "pickle": ("pickled", "CODEC"),
    "numpy": ("numpy_array", "CODEC"),
    "arrow": ("arrow_table", "CODEC"),
    "dataframe-parquet": ("pandas_parquet", "FRAME"),
    "series-parquet": ("pandas_parquet", "SERIES"),
    "pandas-hdf5": ("pandas_hdf5", "CODEC"),
    "polars": ("polars_frame", "CODEC"),
}
"""Encoding name: the module here, and the codec's name in it."""

_NEEDS: Final[dict[str, str]] = {
    "numpy": "numpy",
    "arrow": "pyarrow",
    "dataframe-parquet": "pyarrow",
    "series-parquet": "pyarrow",
    "pandas-hdf5": "tables",
}

_PLAIN: Final = ("json", "json-tagged", "pickle")
_ORDER: Final[dict[str, tuple[str, ...]]] = {
    "numpy": ("numpy", "json-tagged", "pickle"),
    "pyarrow": ("arrow", "pickle"),
    "pandas": ("dataframe-parquet", "series-parquet", "pandas-hdf5", "pickle"),
    "polars": ("polars", "pickle"),
}
"""Package of the value's type: what is asked, in this order. Any other package: `_PLAIN`."""

_loaded: dict[str, Codec] = {}


def codec_of(name: str) -> Codec:
    """The codec of an encoding; raises `RamifyDeserializationError` for a name that is none of ours."""
    codec = _loaded.get(name)
    if codec is None:
        if name not in _WHERE:
            raise RamifyDeserializationError(
                f"it was written by an encoder named {name!r}, which Ramify does not ship: "
                "pass its EncoderSpec in encoders=[...]"
            )
        module, attribute = _WHERE[name]
        codec = _loaded[name] = getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
    return codec


def candidates(value: Any) -> Iterator[Codec]:
    """The codecs to ask for a value, in order. A codec whose library is not installed is passed over."""
    package = type(value).__module__.partition(".")[0]
    for name in _ORDER.get(package, _PLAIN):
        try:
            codec = codec_of(name)
        except ModuleNotFoundError as error:
            if error.name != _NEEDS.get(name):
                raise
            continue
        yield codec


def reader_of_suffix(suffix: str, footer: Callable[[], bytes]) -> str | None:
    """The encoding to read a payload with that has no sidecar; None for a suffix that is none of ours.

    `footer` gives the file's last bytes: Parquet files of pandas and of Polars differ in their metadata only.
    """
    if suffix == ".parquet":
        return "polars" if b"ramify.polars" in footer() else "dataframe-parquet"
    return _BY_SUFFIX.get(suffix)


_BY_SUFFIX: Final = {
    ".json": "json-tagged",
    ".pickle": "pickle",
    ".npy": "numpy",
    ".arrow": "arrow",
    ".h5": "pandas-hdf5",
}
SUFFIXES: Final = (".json", ".parquet", ".npy", ".pickle", ".arrow", ".h5", ".link")
"""The suffixes of the shipped codecs, the likeliest first."""
