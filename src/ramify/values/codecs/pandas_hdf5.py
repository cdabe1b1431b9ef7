"""pandas frames that Parquet cannot hold, as HDF5 under the key `data`; compared before they count."""

from __future__ import annotations

import json
from typing import Any, Final

import pandas as pd

from ramify.values.codec import FileCodec, GoToNextEncoderException
from ramify.values.codecs.pandas_alike import alike

_KEY: Final = "data"


def write(value: Any, path: str) -> None:
    if type(value) is not pd.DataFrame and type(value) is not pd.Series:
        raise GoToNextEncoderException("no pandas object")
    if any(map(_is_object, [*value.axes, *_columns(value)])):
        raise GoToNextEncoderException("HDF5 would hold these objects as pickles")
    try:
        with pd.HDFStore(path, "w") as file:
            file.put(_KEY, value, track_times=False)  # times would make each file another
            file.get_storer(_KEY).attrs.ramify = json.dumps(_ranges(value))
        same = alike(value, read(path))
    except OSError:
        raise
    except ImportError as error:
        raise GoToNextEncoderException("PyTables is not installed") from error
    except Exception as error:  # PyTables has many ways to refuse; the next encoder takes what it will not
        raise GoToNextEncoderException(f"HDF5 refuses the frame: {error}") from error
    if not same:
        raise GoToNextEncoderException("HDF5 would not give this frame back exactly")


def read(path: str) -> Any:
    with pd.HDFStore(path, "r") as file:
        value = file.get(_KEY)
        for axis, parts in json.loads(file.get_storer(_KEY).attrs.ramify).items():
            setattr(value, axis, pd.RangeIndex(*parts, name=getattr(value, axis).name))
    return value


def _columns(value: Any) -> list[Any]:
    return [value] if value.ndim == 1 else [value.iloc[:, i] for i in range(value.shape[1])]


def _is_object(labels: Any) -> bool:
    """Whether these are Python objects other than text: PyTables pickles them, and warns of it."""
    if isinstance(labels, pd.MultiIndex):
        return any(map(_is_object, labels.levels))
    return bool(labels.dtype == object) and pd.api.types.infer_dtype(labels, skipna=False) != "string"


def _ranges(value: Any) -> dict[str, list[int]]:
    """The axes that are ranges: HDF5 holds them as numbers."""
    names = ("index", "columns")[: value.ndim]
    axes = {name: getattr(value, name) for name in names}
    return {name: [a.start, a.stop, a.step] for name, a in axes.items() if type(a) is pd.RangeIndex}


CODEC = FileCodec("pandas-hdf5", ".h5", write, read)
