"""Arrays and tables: exact, or the next encoder's; and no library is imported for another's values."""

import datetime as dt
import decimal
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ramify.values import deserialize, serialize
from ramify.values.payload import read_payload, write_payload


def stored(value, tmp_path):
    record = write_payload(value, str(tmp_path / "v"))
    return read_payload(str(tmp_path / "v"), record), record["encoding"]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(10)[::2],
        np.array(5),
        np.zeros((0, 3), dtype="f4"),
        np.array(["a", "bc"]),
        np.array([1 + 2j]),
        np.array(["2026-01-01"], dtype="M8[D]"),
        np.array([1, 2], dtype=">i4"),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([True]),
    ],
    ids=str,
)
def test_arrays(array, tmp_path):
    back, encoding = stored(array, tmp_path)
    assert encoding == "numpy"
    assert back.dtype == array.dtype and back.shape == array.shape
    assert type(back) is np.ndarray
    np.testing.assert_array_equal(back, array)
    assert back.flags.f_contiguous == array.flags.f_contiguous or array.ndim < 2


@pytest.mark.parametrize(
    "array",
    [
        np.array([None, "a", [1]], dtype=object),
        np.ma.array([1, 2], mask=[0, 1]),
        np.array([1], dtype=np.dtype("i4", metadata={"unit": "m"})),
        np.array(["a"], dtype=np.dtypes.StringDType()),
        np.rec.array([(1,)], dtype=[("a", "i4")]),
    ],
    ids=repr,
)
def test_arrays_that_npy_would_bend_are_pickled(array, tmp_path):
    back, encoding = stored(array, tmp_path)
    assert encoding == "pickle"
    assert type(back) is type(array) and back.dtype == array.dtype
    assert back.dtype.metadata == array.dtype.metadata


@pytest.mark.parametrize(
    "scalar",
    [
        np.float64(0.1),
        np.float32("nan"),
        np.int8(-1),
        np.bool_(True),
        np.complex64(1j),
        np.datetime64("2026-01-01T00", "h"),
        np.timedelta64(3, "s"),
        np.float16(1.5),
        np.uint64(2**64 - 1),
    ],
    ids=repr,
)
def test_numpy_scalars_stay_numpy_scalars(scalar, tmp_path):
    back, encoding = stored(scalar, tmp_path)
    assert encoding == "json-tagged"
    assert type(back) is type(scalar) and back.dtype == scalar.dtype
    assert back.tobytes() == scalar.tobytes()
    (inside,), _ = stored((scalar,), tmp_path)
    assert type(inside) is type(scalar)


@pytest.mark.parametrize("scalar", [np.str_("a"), np.bytes_(b"a"), np.longdouble("0.1")], ids=repr)
def test_other_numpy_scalars_are_pickled(scalar, tmp_path):
    back, encoding = stored(scalar, tmp_path)
    assert encoding == "pickle"
    assert type(back) is type(scalar) and back == scalar


DAYS = pd.date_range("2026-01-01", periods=3)
FRAMES = {
    "numbers": (pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan]}), "dataframe-parquet"),
    "text": (pd.DataFrame({"a": ["x", None]}), "dataframe-parquet"),
    "integer columns": (pd.DataFrame(np.zeros((2, 2))), "dataframe-parquet"),
    "times": (pd.DataFrame({"t": DAYS, "z": DAYS.tz_localize("Europe/Berlin")}), "dataframe-parquet"),
    "day index": (pd.DataFrame({"a": [1, 2, 3]}, index=DAYS), "dataframe-parquet"),
    "named range index": (
        pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(3, 7, 2, name="i")),
        "dataframe-parquet",
    ),
    "two-level index": (
        pd.DataFrame({"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["p", "q"])),
        "dataframe-parquet",
    ),
    "two-level columns": (
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)])),
        "dataframe-parquet",
    ),
    "nullable": (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), "dataframe-parquet"),
    "categories unused": (
        pd.DataFrame({"c": pd.Categorical(["a"], categories=["z", "a"], ordered=True)}),
        "dataframe-parquet",
    ),
    "dates": (pd.DataFrame({"d": [dt.date(2026, 1, 2), None]}), None),
    "decimals": (pd.DataFrame({"d": [decimal.Decimal("1.10")]}), None),
    "integer categories": (pd.DataFrame({"c": pd.Categorical([3], categories=[5, 3])}), None),
    "seconds": (pd.DataFrame({"t": pd.Series(["2026-01-01"], dtype="datetime64[s]")}), None),
    "object text": (pd.DataFrame({"a": pd.Series(["x", None], dtype=object)}), None),
    "complex": (pd.DataFrame({"a": [1j]}), None),
    "mixed column names": (pd.DataFrame([[1, 2]], columns=["a", 1]), None),
    "same column twice": (pd.DataFrame([[1, 2]], columns=["a", "a"]), None),
    "objects": (pd.DataFrame({"a": [(1, 2), {"k": 1}]}), "pickle"),
    "lists": (pd.DataFrame({"a": [[1, 2], [3]]}), "pickle"),
    "mixed cells": (pd.DataFrame({"a": [1, "x", 2.5, None]}), None),
    "none and nan": (pd.DataFrame({"a": pd.Series([None, np.nan, "x"], dtype=object)}), None),
    "empty": (pd.DataFrame(), None),
    "no rows": (pd.DataFrame({"a": pd.Series([], dtype="int32")}), "dataframe-parquet"),
    "no columns": (pd.DataFrame(index=[1, 2, 3]), None),
    "sparse": (pd.DataFrame({"a": pd.arrays.SparseArray([0, 1])}), None),
    "month index": (pd.DataFrame({"a": [1, 2]}, index=pd.period_range("2026", periods=2, freq="M")), None),
    "span index": (pd.DataFrame({"a": [1]}, index=pd.timedelta_range("1s", periods=1, freq="2s")), None),
    "index called 0": (pd.DataFrame({"a": [1]}, index=pd.Index([3], name=0)), None),
    "int8": (pd.DataFrame({"a": np.array([1], dtype="i1")}), "dataframe-parquet"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", FRAMES)
def test_frames(name, tmp_path):
    frame, expected = FRAMES[name]
    back, encoding = stored(frame, tmp_path)
    pd.testing.assert_frame_equal(back, frame, check_exact=True)
    assert list(back.dtypes) == list(frame.dtypes)
    assert type(back.index) is type(frame.index) and type(back.columns) is type(frame.columns)
    for column in range(frame.shape[1]):
        if frame.dtypes.iloc[column].kind == "O":
            assert list(map(type, back.iloc[:, column])) == list(map(type, frame.iloc[:, column]))
    if expected:
        assert encoding == expected
    assert [path.name for path in tmp_path.iterdir()] == [
        "v" + {"pickle": ".pickle", "pandas-hdf5": ".h5"}.get(encoding, ".parquet")
    ]


def test_hdf5_takes_what_parquet_cannot(tmp_path):
    frame = pd.DataFrame({"a": [1j, 2j]})
    back, encoding = stored(frame, tmp_path)
    assert encoding == "pandas-hdf5"
    pd.testing.assert_frame_equal(back, frame)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([1, 2]),
        pd.Series([1, 2], name="x"),
        pd.Series([1.5], name=5, index=["a"]),
        pd.Series([1, 2, 3], index=DAYS, name="value"),
        pd.Series(["a", None]),
        pd.Series([1], name=("a", 1)),
        pd.Series([(1, 2)]),
        pd.Series([], dtype="float32"),
    ],
    ids=lambda s: str(s.name),
)
def test_series(series, tmp_path):
    back, _ = stored(series, tmp_path)
    pd.testing.assert_series_equal(back, series, check_exact=True)
    assert type(back.name) is type(series.name)


def test_a_frame_with_attributes_keeps_them(tmp_path):
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["unit"] = ("m", 1)
    back, _ = stored(frame, tmp_path)
    assert back.attrs == {"unit": ("m", 1)}


class Sub(pd.DataFrame):
    @property
    def _constructor(self):
        return Sub


def test_a_sub_class_of_a_frame_stays_one(tmp_path):
    back, encoding = stored(Sub({"a": [1]}), tmp_path)
    assert type(back) is Sub and encoding == "pickle"


@pytest.mark.parametrize(
    "value",
    [
        pl.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pl.DataFrame({"c": pl.Series(["a", "b"], dtype=pl.Categorical), "t": [dt.timedelta(1), None]}),
        pl.DataFrame({"l": [[1], [2, 3]], "s": [{"x": 1}, {"x": None}]}),
        pl.DataFrame({"e": pl.Series(["a"], dtype=pl.Enum(["a", "z"]))}),
        pl.DataFrame(),
        pl.Series("x", [1, 2]),
        pl.Series("", [None], dtype=pl.Int8),
    ],
    ids=lambda v: str(getattr(v, "schema", "series")),
)
def test_polars(value, tmp_path):
    back, _ = stored(value, tmp_path)
    assert type(back) is type(value)
    assert back.equals(value)
    if isinstance(value, pl.DataFrame):
        assert back.schema == value.schema
    else:
        assert back.dtype == value.dtype and back.name == value.name


def test_polars_objects_and_lazy_frames_take_the_next_encoder(tmp_path):
    back, encoding = stored(pl.LazyFrame({"a": [1]}), tmp_path)
    assert encoding == "pickle" and back.collect().equals(pl.DataFrame({"a": [1]}))


@pytest.mark.parametrize(
    "value",
    [
        pa.table({"a": [1, None], "b": ["x", "y"]}),
        pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}),
        pa.table({"d": pa.array(["a", "b"]).dictionary_encode()}),
        pa.record_batch({"a": [1, 2]}),
        pa.record_batch({"a": [1, 2]}).replace_schema_metadata({"k": "v"}),
        pa.table({}),
    ],
    ids=lambda v: type(v).__name__,
)
def test_arrow(value, tmp_path):
    back, encoding = stored(value, tmp_path)
    assert encoding == "arrow"
    assert type(back) is type(value)
    assert back.equals(value) and back.schema.equals(value.schema, check_metadata=True)


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"a": [1]}),
        pd.Series([1], name="x"),
        pl.DataFrame({"a": [1]}),
        pl.Series("x", [1]),
        np.arange(3),
        pa.table({"a": [1]}),
        pa.record_batch({"a": [1]}),
        pd.DataFrame({"a": [1j]}),
    ],
    ids=lambda v: f"{type(v).__module__}.{type(v).__name__}",
)
def test_all_are_read_without_sidecars(value, tmp_path):
    serialize(value, tmp_path / "v")
    (tmp_path / "v.ramify").unlink()
    back = deserialize(tmp_path / "v")
    assert type(back) is type(value)
    assert str(back) == str(value)


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


HEAVY = "[m for m in ('numpy','pandas','pyarrow','polars','h5py','tables') if m in sys.modules]"


@pytest.mark.parametrize("value", ["5", "'x'", "(1, {2: b'x'})", "{'a': {'b': 1}}", "lambda: 0"])
def test_plain_values_import_no_library(value, tmp_path):
    code = f"""
import sys
from ramify.values import serialize, deserialize
serialize({value}, {str(tmp_path / "v")!r}); deserialize({str(tmp_path / "v")!r})
print({HEAVY})
"""
    assert run(code) == "[]"


def test_an_array_imports_numpy_alone(tmp_path):
    code = f"""
import sys, numpy
from ramify.values import serialize, deserialize
serialize(numpy.arange(3), {str(tmp_path / "v")!r}); deserialize({str(tmp_path / "v")!r})
print({HEAVY})
"""
    assert run(code) == "['numpy']"


def test_the_import_is_light():
    late = "asyncio multiprocessing tomllib importlib.metadata subprocess cloudpickle psutil rich tempfile"
    late += " shutil base64 zoneinfo pickle"
    code = f"print({set(late.split())} & set(sys.modules))"
    assert run("import sys, ramify.values, ramify.stores.folder\n" + code) == "set()"


@pytest.mark.slow
def test_without_pyarrow_a_frame_takes_the_next_encoder_and_reading_parquet_says_what_to_install(tmp_path):
    serialize(pd.DataFrame({"a": [1, 2]}), tmp_path / "parquet")
    code = f"""
import sys
sys.modules["pyarrow"] = None
import pandas as pd
from ramify.values import serialize, deserialize
from ramify.errors import RamifyDeserializationError
serialize(pd.DataFrame({{"a": [1, 2]}}), {str(tmp_path / "v")!r})
assert deserialize({str(tmp_path / "v")!r})["a"].tolist() == [1, 2]
try:
    deserialize({str(tmp_path / "parquet")!r})
except RamifyDeserializationError as error:
    print("install that module" in str(error))
"""
    assert run(code) == "True"
    assert (tmp_path / "v.h5").exists()
