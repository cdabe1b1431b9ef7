"""Polars data frames and series as Parquet; the file's metadata says which of them it is."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from ramify.values.codec import FileCodec, GoToNextEncoderException

KEY: Final = "ramify.polars"


def write(value: Any, path: str) -> None:
    if type(value) not in (pl.DataFrame, pl.Series):
        raise GoToNextEncoderException("no Polars frame or series")
    kind = "frame" if type(value) is pl.DataFrame else "series"
    frame: Any = value if type(value) is pl.DataFrame else value.to_frame()
    if any(map(_is_odd, frame.dtypes)):
        raise GoToNextEncoderException("Parquet cannot hold a column of this type")
    try:
        frame.write_parquet(path, metadata={KEY: kind})
        same = pl.read_parquet_schema(path) == frame.schema
        if same and any(map(_is_nested, frame.dtypes)):
            same = _same(value, read(path))
    except OSError:
        raise
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise GoToNextEncoderException(f"Parquet refuses the frame: {error}") from error
    except pl.exceptions.PanicException as error:  # a BaseException: some types are not refused but panic
        raise GoToNextEncoderException(f"Parquet refuses the frame: {error}") from error
    if not same:
        raise GoToNextEncoderException("Parquet would not give this frame back exactly")


def read(path: str) -> Any:
    kind = pl.read_parquet_metadata(path).get(KEY)
    frame = pl.read_parquet(path, hive_partitioning=False, glob=False)
    return frame.to_series(0) if kind == "series" else frame


def _is_odd(dtype: Any) -> bool:
    return bool(dtype == pl.Object or dtype == pl.Unknown)


def _is_nested(dtype: Any) -> bool:
    return bool(dtype.is_nested() or dtype == pl.Categorical)


def _same(before: Any, after: Any) -> bool:
    if type(before) is pl.Series:
        same = before.dtype == after.dtype and before.equals(after, check_names=True, null_equal=True)
        return bool(same)
    return bool(before.schema == after.schema and before.equals(after, null_equal=True))


CODEC = FileCodec("polars", ".parquet", write, read)
