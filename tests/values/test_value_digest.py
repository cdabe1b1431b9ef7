"""Digests of values: the same for equal values in every process, different for different ones."""

import array
import collections
import copyreg
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import io
import json
import math
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import uuid
import zoneinfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.errors import UndigestableError
from ramify.values import LazyDict, serialize
from ramify.values.declared import digest_environment, digest_input, forget_inputs
from ramify.values.value_digest import digest_value, register_digest


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Bits(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Point:
    x: object
    y: object = 0


@dataclasses.dataclass
class Spot:
    x: object
    y: object = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Slotted:
    x: int


class Plain:
    def __init__(self, **given):
        self.__dict__.update(given)


class Words(list):
    pass


class Tags(set):
    pass


class Own:
    def __init__(self, name, cache):
        self.name = name
        self.cache = cache

    def __digest__(self):
        return self.name


class Registered:
    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()


register_digest(Registered, lambda it: it.name)
Pair = collections.namedtuple("Pair", "a b")  # the kind that has no types is what is tested


def shout(x):
    return x


DIFFERENT = [
    None, True, False, 0, 1, -1, 2**70, -(2**70),
    0.0, -0.0, 1.0, math.nan, math.inf, 1j, "1", "", b"", b"1",
    bytearray(b"1"), "a" * 1000, b"a" * 1000, ..., NotImplemented, range(3), range(4), slice(3),
    slice(1, 3),
    [], (), {}, set(), frozenset(), [1], (1,), {1}, frozenset({1}), {1: 1}, [[]], [[], []], [1, 2], [2, 1],
    ["ab", "c"], ["a", "bc"], [["a"], "b"], [["a", "b"]], {"a": 1}, {"a": "1"}, {1: "a"}, {True: "a"},
    {"a": {"b": 1}}, collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1),
    collections.deque([1]), collections.deque([1], 5), collections.defaultdict(int, a=1),
    collections.defaultdict(list, a=1), collections.Counter("aab"), Pair(1, 2), Point(1), Point(1, 1),
    Spot(1),
    Slotted(1), Slotted(2), Plain(), Plain(a=1), Plain(b=1), Words([1]), Words([2]), Tags([1]), Tags([2]),
    Colour.RED, Colour.BLUE, Bits.A, Bits.A | Bits.B, pathlib.PurePosixPath("a"),
    pathlib.PurePosixPath("b"),
    dt.date(2026, 1, 1), dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.time(1),
    dt.timedelta(1), dt.UTC, dt.timezone(dt.timedelta(hours=1)), zoneinfo.ZoneInfo("Europe/Paris"),
    decimal.Decimal("1"), decimal.Decimal("1.0"), fractions.Fraction(1), uuid.UUID(int=1), re.compile("a"),
    re.compile("a", re.I), re.compile(b"a"),
    int, float, Point, shout, len, math.sin, functools.partial(shout, 1),
    functools.partial(shout, 2), [].append, [1].append, Plain(a=1).__init__, ValueError("a"), KeyError("a"),
    random.Random(1), random.Random(2), io.BytesIO(b"a"), array.array("i", [1]), array.array("l", [1]),
    os, math,
    list[int], int | None, np.int64(1), np.int32(1), np.float64(1), np.bool_(True), np.array(1),
    np.array([1]),
    np.array([1], "i4"), np.array([[1]]), np.array([1.0]), np.array(["a"]), np.array(["a"], "U5"),
    np.array([b"a"]), np.array([1], ">i8"), np.array(["2026-01-01"], "M8[D]"),
    np.array(["2026-01-01"], "M8[s]"),
    np.array([None, "a"], object), np.array([None, "b"], object), np.zeros(0), np.zeros((0, 1)),
    np.zeros((1, 0)),
    np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), np.array([(1, 2.0)], [("a", "i4"), ("c", "f8")]),
    np.array(["a"], np.dtypes.StringDType()), np.ma.array([1, 2], mask=[0, 1]),
    np.ma.array([1, 2], mask=[1, 0]),
    np.dtype("f4"), np.dtype("f8"), np.random.default_rng(1), np.random.default_rng(2), np.sum, np.add,
    pd.Series([1]), pd.Series([1], name="a"), pd.Series([1], index=["a"]), pd.Series([1.0]),
    pd.Series(["1"]),
    pd.Series([1], dtype="Int64"), pd.Series([None], dtype="Int64"), pd.Series([0], dtype="Int64"),
    pd.Series(["a", None]), pd.Series(["a", "None"]), pd.Series(["a"], dtype=object),
    pd.Series(["a", "b"], dtype="category"), pd.Series(pd.Categorical(["a", "b"], ["b", "a"])),
    pd.Series(pd.Categorical(["a", "b"], ["a", "b"], ordered=True)),
    pd.Series(pd.to_datetime(["2026-01-01"])),
    pd.Series(pd.to_datetime(["2026-01-01"], utc=True)), pd.Series([pd.Timedelta(1)]),
    pd.Series(pd.period_range("2026", periods=1, freq="D")),
    pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1])),
    pd.Series(pd.arrays.SparseArray([0, 1])), pd.Series([1], dtype="int64[pyarrow]"),
    pd.Index([1]), pd.Index([1], name="a"), pd.MultiIndex.from_tuples([(1, 2)]),
    pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}), pd.DataFrame({"a": [1], "b": [1]}),
    pd.DataFrame({"b": [1], "a": [1]}), pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.DataFrame(index=[0]),
    pd.Timestamp("2026"), pd.Timestamp("2026", tz="UTC"), pd.NaT, pd.NA,
    pl.Series("a", [1]), pl.Series("b", [1]), pl.Series("a", [None], dtype=pl.Int64), pl.Series("a", [1.0]),
    pl.Series("a", ["x"]), pl.Series("a", [[1]]), pl.Series("a", [True]),
    pl.Series("a", [dt.date(2026, 1, 1)]),
    pl.Series("a", [dt.datetime(2026, 1, 1)]), pl.Series("a", ["x"], dtype=pl.Categorical),
    pl.Series("a", [decimal.Decimal("1.0")]), pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1], "b": [1]}),
    pa.array([1]), pa.array([1], "int32"), pa.array([None], "int64"), pa.array([0, None]), pa.array(["a"]),
    pa.array(["a"], "large_string"), pa.array([[1]]), pa.array([{"a": 1}]), pa.array([True]),
    pa.array([b"a"]),
    pa.array([dt.datetime(2026, 1, 1)]), pa.array([dt.datetime(2026, 1, 1)], pa.timestamp("s")),
    pa.array(["a", "b"]).dictionary_encode(), pa.array([dt.date(2026, 1, 1)]), pa.array([None]),
    pa.table({"a": [1]}), pa.table({"b": [1]}), pa.scalar(1), pa.scalar("1"), pa.int8(),
    Own("a", 1), Own("b", 1), Registered("a"), Registered("b"),
]  # fmt: skip


def test_different_values_differ():
    seen = {}
    for value in DIFFERENT:
        digest = digest_value(value)
        assert len(digest) == 64 and digest == digest_value(value)
        assert digest not in seen, (value, seen[digest])
        seen[digest] = value


def cycle():
    x = [1]
    x.append(x)
    return x


def sharing(depth):
    x = [[1], 2]
    for _ in range(depth):
        x = [x, x]
    return x


def copied(depth):
    return [copied(depth - 1), copied(depth - 1)] if depth else [[1], 2]


def used(cls):
    made = cls(a=1)
    made.__reduce_ex__(4)  # leaves `__slotnames__` on the class
    return made


chunks = pa.chunked_array([[1], [None, 3]])
frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", None, "z"]})
padded = np.zeros(2, np.dtype([("a", "i1"), ("b", "i8")], align=True))
dirty = padded.copy()
dirty.view("u1").reshape(2, -1)[:, 3] = 7

EQUAL = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"x", "y", "z"}, {"z", "y", "x"}),
    ({(1, 2): {3: 4}}, {(1, 2): {3: 4}}),
    (math.nan, float("-nan")),
    (cycle(), cycle()),
    (sharing(8), copied(8)),
    ([Point(1)] * 2, [Point(1), Point(1)]),
    (collections.Counter("ab"), collections.Counter("ba")),
    (Plain(a=1, b=2), Plain(b=2, a=1)),
    (Plain(a=1), used(Plain)),
    (Own("a", 1), Own("a", 2)),
    (Registered("a"), Registered("a")),
    (pathlib.Path("a"), pathlib.PurePath("a")),
    (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
    (np.arange(0, 10, 2), np.arange(10)[::2]),
    (np.arange(3)[::-1], np.array([2, 1, 0])),
    (padded, dirty),
    (pd.RangeIndex(3), pd.Index([0, 1, 2])),
    (frame, frame.iloc[[0, 1, 2]].copy()),
    (pd.DataFrame({"a": [1, 2], "b": [3, 4]}), pd.DataFrame(np.array([[1, 3], [2, 4]]), columns=["a", "b"])),
    (pd.array([1, None, 3], "Int64"), pd.array([1, 2, 3], "Int64") + pd.array([0, None, 0], "Int64")),
    (pd.Series(["a", None], dtype="string"), pd.Series(["a", pd.NA], dtype="string")),
    (pl.concat([pl.Series([1]), pl.Series([2])], rechunk=False), pl.Series([1, 2])),
    (pl.Series([9, 1, 2])[1:], pl.Series([1, 2])),
    (chunks, chunks.combine_chunks()),
    (pa.array([9, 1, None, 3]).slice(1), pa.array([1, None, 3])),
    (pa.chunked_array([["a"], ["b"]]), pa.array(["a", "b"])),
    (pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}), pa.table({"a": [1]})),
    (pa.chunked_array([pa.array(["a"]).dictionary_encode(), pa.array(["b"]).dictionary_encode()]),
     pa.array(["a", "b"]).dictionary_encode()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "two"), EQUAL, ids=[f"{n}-{type(pair[0]).__name__}" for n, pair in enumerate(EQUAL)]
)
def test_equal_values_are_equal(one, two):
    assert digest_value(one) == digest_value(two)


def generator():
    yield 1


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (threading.Lock, "x"),
        (lambda: [1, {"a": (threading.Lock(),)}], "x[1]['a'][0]"),
        (lambda: Point(1, threading.Lock()), "x.y"),
        (lambda: {1: [[], threading.Lock()]}, "x[1][1]"),
        (lambda: [[1], Plain(inner=Plain(lock=threading.Lock()))], "x[1].inner.lock"),
        (lambda: functools.partial(shout, threading.Lock()), "x"),
        (lambda: np.array([1, threading.Lock()], object), "x[1]"),
        (generator, "x"),
        (lambda: io.open(os.devnull), "x"),  # noqa: SIM115, UP020  # it is closed with its object
        (lambda: pl.LazyFrame({"a": [1]}), "x"),
        (lambda: LazyDict("/nowhere/at/all"), "x"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_has_no_digest_is_named(make, path):
    with pytest.raises(UndigestableError) as caught:
        digest_value(make(), "x")
    assert caught.value.path.startswith(path) and str(caught.value).startswith(path)
    assert isinstance(caught.value, TypeError)


@pytest.mark.slow
def test_depth_costs_no_stack():
    nest = []
    for _ in range(50_000):
        nest = [nest]
    assert digest_value(nest) != digest_value([nest])
    while nest:
        nest = nest.pop()


def test_shared_objects_are_digested_once():
    assert digest_value(sharing(200)) != digest_value(sharing(201))


@pytest.mark.slow
def test_tangles_are_refused():
    nodes = [[] for _ in range(30)]
    for node in nodes:
        node.extend(nodes)
    with pytest.raises(UndigestableError, match="too many ways"):
        digest_value(nodes)


def test_code_of_the_users_own_class_counts():
    def build(body):
        space = {"__name__": "somewhere"}
        exec(f"class A:\n    def f(self):\n        return {body}", space)
        return space["A"]()

    assert digest_value(build("1")) == digest_value(build("1"))
    assert digest_value(build("1")) != digest_value(build("2"))


def test_a_cached_property_that_was_read_changes_nothing():
    class A:
        @functools.cached_property
        def size(self):
            return 3

    fresh, read = A(), A()
    assert read.size == 3
    assert digest_value(fresh) == digest_value(read)


def test_a_lazy_dict_counts_by_its_record(tmp_path):
    for name, value in (("a", {"x": 1}), ("b", {"x": 1}), ("c", {"x": 2})):
        serialize(value, tmp_path / name)
    a, b, c = (digest_value(LazyDict(tmp_path / name)) for name in "abc")
    assert a == b != c


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.frozensets(st.integers() | st.text() | st.binary())
    ),
    max_leaves=20,
)


def shape(value):
    """What a digest tells apart: types as well as values."""
    if isinstance(value, list | tuple):
        return type(value), tuple(map(shape, value))
    if isinstance(value, dict):
        return dict, frozenset((shape(key), shape(item)) for key, item in value.items())
    if isinstance(value, frozenset):
        return frozenset, frozenset(map(shape, value))
    return type(value), re.sub("-nan", "nan", repr(value))


def reordered(value):
    """The same value, made in another order."""
    if isinstance(value, list | tuple):
        return type(value)(map(reordered, value))
    if isinstance(value, dict):
        return {key: reordered(item) for key, item in reversed(value.items())}
    return frozenset(sorted(value, key=repr)) if isinstance(value, frozenset) else value


@pytest.mark.slow
@given(VALUES, VALUES)
def test_digests_are_equal_exactly_when_values_are(one, two):
    assert (digest_value(one) == digest_value(two)) == (shape(one) == shape(two))
    assert digest_value(one) == digest_value(reordered(one))


def told_digests():
    """Each value that another process can have as well, with its digest."""
    return [(repr(v)[:80], digest_value(v)) for v in DIFFERENT if v is not shout]


def test_errors_are_the_same_where_a_library_pickles_their_tracebacks(monkeypatch):
    """As tblib does for all classes of errors, which Dask has it do when it is imported."""
    before = digest_value(ValueError("a"))
    monkeypatch.setitem(copyreg.dispatch_table, ValueError, lambda error: (print, error.args))
    assert digest_value(ValueError("a")) == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_same_under_every_hash_seed(seed):
    text = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); import test_value_digest as t; "
        "print(json.dumps(t.told_digests()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", text, os.path.dirname(__file__)],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = zip(told_digests(), json.loads(done.stdout), strict=True)
    assert [here for here, there in pairs if here[1] != there[1]] == []


@pytest.mark.parametrize(("home", "counts"), [("msgspec", False), (__name__, True)])
def test_what_a_library_registers_for_the_classes_of_others_does_not_count(monkeypatch, home, counts):
    before = digest_value(fractions.Fraction(1))

    def reduce(value):
        return fractions.Fraction, (2,)

    reduce.__module__ = home
    monkeypatch.setitem(copyreg.dispatch_table, fractions.Fraction, reduce)
    assert (digest_value(fractions.Fraction(1)) != before) == counts


# ---- declared inputs


def age(path, seconds):
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - seconds * 10**9))


def test_files_count_by_content(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    first = digest_input(file)
    file.write_text("two")  # of the same size, within the same tick of the clock
    assert digest_input(file) != first
    file.write_text("one")
    assert digest_input(file) == first


def test_a_changed_file_with_its_old_time_is_seen(tmp_path):
    file = tmp_path / "a"
    file.write_text("one")
    age(file, 100)
    first, times = digest_input(file), file.stat()
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest_input(file) != first


def test_an_old_file_is_read_once(tmp_path, monkeypatch):
    import ramify.values.declared as declared

    forget_inputs()
    file = tmp_path / "a"
    file.write_text("one")
    reads = []
    monkeypatch.setattr(declared, "digest_file", lambda path: reads.append(path) or "d")
    digest_input(file), digest_input(file)
    assert len(reads) == 2  # it was too fresh to trust
    later = file.stat().st_ctime_ns + 3 * 10**9
    monkeypatch.setattr(declared.time, "time_ns", lambda: later)
    digest_input(file), digest_input(file)
    assert len(reads) == 3


def test_folders_and_missing_files(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = digest_input(folder)
    (folder / "b").write_text("1")
    assert digest_input(folder) != first
    with pytest.raises(OSError, match="gone"):
        digest_input(tmp_path / "gone")


def test_what_has_no_content_counts_by_its_kind(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # nobody writes: opening it would last for ever
    assert digest_input(tmp_path / "pipe") == digest_input(tmp_path / "pipe") != digest_input("/dev/null")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/link").symlink_to("nowhere")
    first = digest_input(tmp_path / "folder")
    (tmp_path / "folder/link").unlink()
    (tmp_path / "folder/link").symlink_to("elsewhere")
    assert digest_input(tmp_path / "folder") != first


def test_environment(monkeypatch):
    monkeypatch.setenv("SOME_NAME", "secret")
    monkeypatch.delenv("NO_NAME", raising=False)
    found = digest_environment(["SOME_NAME", "NO_NAME"])
    assert found["NO_NAME"] is None and found["SOME_NAME"] and "secret" not in str(found)
    monkeypatch.setenv("SOME_NAME", "other")
    assert digest_environment(["SOME_NAME"])["SOME_NAME"] != found["SOME_NAME"]
