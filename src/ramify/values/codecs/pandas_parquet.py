"""pandas data frames and series as Parquet, where Parquet gives them back exactly.

Parquet has no place for a series, its name or an index's frequency: they stand in the file's own metadata,
under `ramify`. Columns of plain numbers, times and text are faithful by rule; a frame with any other kind is
read back and compared before it counts as stored.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ramify.values.codec import FileCodec, GoToNextEncoderException
from ramify.values.codecs.pandas_alike import alike

KEY: Final = b"ramify"

_REFUSALS: Final = (pa.ArrowException, TypeError, ValueError, KeyError, OverflowError, NotImplementedError)


def write_frame(value: Any, path: str) -> None:
    if type(value) is not pd.DataFrame:
        raise GoToNextEncoderException("no pandas.DataFrame")
    _write(value, {"kind": "frame"}, path)
    if not _by_rule(value, path) and not alike(value, read(path)):
        raise GoToNextEncoderException("Parquet would not give this frame back exactly")


def write_series(value: Any, path: str) -> None:
    if type(value) is not pd.Series or type(value.name) not in (str, int, type(None)):
        raise GoToNextEncoderException("no pandas.Series with a plain name")
    _write(value.to_frame("value"), {"kind": "series", "name": value.name}, path)
    if not alike(value, read(path)):
        raise GoToNextEncoderException("Parquet would not give this series back exactly")


def read(path: str) -> Any:
    table = pq.read_table(path, use_threads=False, partitioning=None)
    facts = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
    frame = _restore(table, facts)
    return frame["value"].rename(facts["name"]) if facts.get("kind") == "series" else frame


def _restore(table: Any, facts: dict[str, Any]) -> Any:
    frame = table.to_pandas()
    if "columns" in facts:
        frame.columns = pd.RangeIndex(*facts["columns"])
    if "freq" in facts:
        frame.index.freq = facts["freq"]
    return frame


def _write(frame: Any, facts: dict[str, Any], path: str) -> None:
    if frame.attrs or not frame.flags.allows_duplicate_labels:
        raise GoToNextEncoderException("Parquet has no place for the attributes of a frame")
    if not isinstance(frame.columns, pd.MultiIndex) and frame.columns.inferred_type.startswith("mixed"):
        raise GoToNextEncoderException("Parquet makes text of mixed column names")
    if not {*map(type, (*frame.index.names, *frame.columns.names))} <= {str, type(None)}:
        raise GoToNextEncoderException("Parquet makes text of the names of an index")
    if isinstance(frame.index, pd.DatetimeIndex | pd.TimedeltaIndex) and frame.index.freq is not None:
        facts["freq"] = frame.index.freqstr
    if type(frame.columns) is pd.RangeIndex and frame.columns.name is None:
        facts["columns"] = [frame.columns.start, frame.columns.stop, frame.columns.step]
    try:
        table = pa.Table.from_pandas(frame)
        metadata = {**(table.schema.metadata or {}), KEY: json.dumps(facts).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    except OSError:
        raise
    except _REFUSALS as error:
        raise GoToNextEncoderException(f"Parquet refuses the frame: {error}") from error


def _by_rule(frame: Any, path: str) -> bool:
    """Whether the types alone say that the round trip is exact. The file's schema is read for its units."""
    if frame.columns.empty or isinstance(frame.index, pd.MultiIndex) or hasattr(frame.index, "freq"):
        return False
    if not (all(map(_is_plain, frame.dtypes)) and _is_plain(frame.index.dtype)):
        return False
    schema = pq.read_schema(path)
    none = _restore(schema.empty_table(), json.loads(schema.metadata[KEY]))
    same = (none.dtypes.to_numpy() == frame.dtypes.to_numpy()).all() and none.columns.equals(frame.columns)
    return bool(same) and all(
        type(one) is type(two) and one.dtype == two.dtype and list(one.names) == list(two.names)
        for one, two in zip(none.axes, frame.axes, strict=True)
    )


def _is_plain(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "biufmM" and not isinstance(dtype, pd.api.extensions.ExtensionDtype)


FRAME = FileCodec("dataframe-parquet", ".parquet", write_frame, read)
SERIES = FileCodec("series-parquet", ".parquet", write_series, read)
