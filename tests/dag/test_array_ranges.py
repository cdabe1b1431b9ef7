"""Parts of arrays: one grammar over TileDB, Zarr, NumPy and Parquet, and functions called with them."""

from __future__ import annotations

import datetime
import itertools
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from ramify.dag.arrays import ArrayCall, ArrayList, array_entry, read_array, read_arrays
from ramify.dag.ranges import index_dim, parse_attrs, parse_layout, parse_ranges
from ramify.errors import ArgumentError, ArrayReadError, MissingExtraError

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
tiledb = pytest.importorskip("tiledb")
zarr = pytest.importorskip("zarr")

SQUARE = np.arange(1, 17).reshape(4, 4)


def tiledb_square(folder: Path) -> str:
    """The 4 x 4 array with coordinates from 1, as the field's examples have it."""
    dims = [tiledb.Dim(name, domain=(1, 4), tile=2, dtype=np.int32) for name in ("rows", "cols")]
    uri = str(folder / "square")
    tiledb.Array.create(uri, tiledb.ArraySchema(tiledb.Domain(*dims), [tiledb.Attr("a", dtype=np.int64)]))
    with tiledb.open(uri, "w") as array:
        array[:] = SQUARE
    return uri


def tiledb_sparse(folder: Path) -> str:
    name = tiledb.Dim("name", domain=(None, None), dtype="ascii")
    span = (np.datetime64("2020-01-01"), np.datetime64("2020-12-31"))
    day = tiledb.Dim("day", domain=span, tile=np.timedelta64(30, "D"), dtype="datetime64[D]")
    uri = str(folder / "sparse")
    attrs = [tiledb.Attr("v", dtype=np.float64), tiledb.Attr("w", dtype=np.int64)]
    tiledb.Array.create(uri, tiledb.ArraySchema(tiledb.Domain(name, day), attrs, sparse=True))
    with tiledb.open(uri, "w") as array:
        days = np.array(["2020-05-01", "2020-03-01", "2020-01-01"], "M8[D]")
        array[["x", "y", "z"], days] = {"v": np.array([1.0, 2, 3]), "w": np.array([4, 5, 6])}
    return uri


def npy(folder: Path) -> Any:
    np.save(folder / "a.npy", SQUARE)
    return folder / "a.npy"


def npz(folder: Path) -> Any:
    np.savez(folder / "a.npz", values=SQUARE)
    return f"file://{folder}/a.npz"


def zarr_array(folder: Path) -> str:
    zarr.create_array(str(folder / "a.zarr"), data=SQUARE, chunks=(3, 2), dimension_names=["rows", "cols"])
    return str(folder / "a.zarr")


def zarr_group(folder: Path) -> Any:
    """In a folder whose name says nothing, in the older format, opened already."""
    group = zarr.open_group(str(folder / "group"), mode="w", zarr_format=2)
    group.create_array("values", data=SQUARE, chunks=(3, 3))
    return group


DENSE: dict[str, Callable[[Path], Any]] = {
    "numpy": lambda _: SQUARE,
    "dict": lambda _: {"values": SQUARE},
    "structured": lambda _: SQUARE.astype([("values", int)]),
    "npy": npy,
    "npz": npz,
    "zarr": zarr_array,
    "group": zarr_group,
    "tiledb": tiledb_square,
}


@pytest.fixture(params=DENSE)
def dense(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, int, str]:
    """An array, its first coordinate, and the name of its attribute."""
    source = DENSE[request.param](tmp_path)
    return source, int(request.param == "tiledb"), "a" if request.param == "tiledb" else "values"


# ---- the same ranges everywhere

ONE: list[Any] = [None, [], (), 2, np.int64(2), (1, 2), slice(1, 2), slice(2, None), (None, 1), [0, (2, 3)]]
ONE += [[3, 0], [(1, 2), (2, 3)], [slice(0, 1), 3], [None, 1], slice(None)]
NUMBERS = [range(4), range(4), range(4), [2], [2], [1, 2], [1, 2], [2, 3], [0, 1], [0, 2, 3]]
NUMBERS += [[3, 0], [1, 2, 2, 3], [0, 1, 3], range(4), range(4)]


def moved(given: Any, by: int) -> Any:
    """The same range of an array whose coordinates begin at `by`."""
    if given is None or by == 0:
        return given
    if isinstance(given, slice):
        return slice(moved(given.start, by), moved(given.stop, by))
    return type(given)(moved(one, by) for one in given) if isinstance(given, list | tuple) else given + by


@pytest.mark.slow
def test_every_form_of_range_in_every_kind_of_array(dense: tuple[Any, int, str]) -> None:
    source, by, name = dense
    for (rows, row_numbers), (cols, col_numbers) in itertools.product(
        zip(ONE, NUMBERS, strict=True), repeat=2
    ):
        found = read_array(source, [moved(rows, by), moved(cols, by)])
        assert list(found) == [name]
        assert found[name].tolist() == SQUARE[np.ix_(row_numbers, col_numbers)].tolist(), (rows, cols)


def test_one_and_two_to_four_sum_to_136(tmp_path: Path) -> None:
    entry = array_entry(tiledb_square(tmp_path), [[1, (2, 4)], None], ["a"])
    assert ArrayCall(lambda data: data["a"].sum())(entry) == 136


def test_dimensions_at_the_end_may_be_left_out(dense: tuple[Any, int, str]) -> None:
    source, by, name = dense
    for ranges in (None, [], ()):
        assert read_array(source, ranges)[name].tolist() == SQUARE.tolist()
    assert read_array(source, [by])[name].tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    "layout", ["R", "C", "g", "U", "row-major", "COL-MAJOR", "global_order", "Unordered"]
)
def test_layouts_change_the_order_in_memory_and_no_value(dense: tuple[Any, int, str], layout: str) -> None:
    source, by, name = dense
    for ranges in ([], [[by + 3, (by, by + 1)]]):
        found = read_array(source, ranges, None, layout)[name]
        assert found.tolist() == (SQUARE if not ranges else SQUARE[[3, 0, 1]]).tolist()
        flags = {"R": "C_CONTIGUOUS", "C": "F_CONTIGUOUS"}
        assert found.flags[flags.get(parse_layout(layout) or "", "ALIGNED")]


def test_what_is_outside_is_told(dense: tuple[Any, int, str]) -> None:
    source, by, _ = dense
    for wrong in (by + 4, (by, by + 4), [by, slice(by - 1, by)], -1):
        with pytest.raises(ArgumentError, match=rf"\(position 1\): .* is outside {by}..{by + 3}"):
            read_array(source, [None, wrong])


def test_unknown_attributes_are_told_with_the_known(dense: tuple[Any, int, str]) -> None:
    source, _, name = dense
    assert list(read_array(source, None, [name])) == [name]
    with pytest.raises(ArgumentError, match=f"no attribute 'nope'; it has '{name}'"):
        read_array(source, None, ["nope"])


# ---- the grammar


@pytest.mark.parametrize(
    "wrong, told",
    [
        (True, "True is no integer"),
        (1.0, "1.0 is no integer"),
        ("x", "'x' is no integer"),
        (datetime.date(2024, 1, 1), "is no integer"),
        ((1, 2, 3), "no (start, end); several ranges are a list"),
        ((1,), "no (start, end)"),
        (slice(0, 3, 2), "has a step"),
        ((3, 1), "the range 3..1 ends before it starts"),
        (range(2), "of type range is no coordinate"),
        ([[1, 2]], "of type list is no coordinate"),
        ({1}, "of type set is no coordinate"),
        (np.array([0, 1]), "an array as array.tolist()"),
        pytest.param(object(), "is no integer", id="an object"),
    ],
    ids=repr,
)
def test_anything_else_is_told_with_name_and_position(wrong: Any, told: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        parse_ranges([None, wrong], [index_dim("rows", 4), index_dim("cols", 4)])
    assert told in str(caught.value) and "dimension 'cols' (position 1)" in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("wrong", [3, "ab", slice(1, 2), {"rows": 1}, np.zeros((2, 2))])
def test_ranges_is_a_list(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="ranges is a list with one entry per dimension"):
        parse_ranges(wrong, [index_dim("rows", 4)])


def test_too_many_dimensions_attributes_and_layouts_are_told() -> None:
    with pytest.raises(ArgumentError, match=r"ranges has 2 entries, and the array 1 dimensions \('rows'\)"):
        parse_ranges([1, 2], [index_dim("rows", 4)])
    for layout in ("F", "", 3, "rowmajor"):
        with pytest.raises(ArgumentError, match=r"R \(row-major\), C \(col-major\)"):
            parse_layout(layout)
    for attrs in ("a", 3):
        with pytest.raises(ArgumentError, match="attrs is a list of names"):
            parse_attrs(attrs, ["a"], "it")


# ---- TileDB


def test_sparse_arrays_give_coordinates_and_take_texts_and_dates(tmp_path: Path) -> None:
    uri = tiledb_sparse(tmp_path)
    found = read_array(uri, ["x", None], ["v"])
    assert list(found) == ["name", "day", "v"]
    assert (found["name"].tolist(), found["v"].tolist()) == ([b"x"], [1.0])
    march = datetime.datetime(2020, 3, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    for low in (
        "2020-03-01",
        datetime.date(2020, 3, 1),
        np.datetime64("2020-03-01"),
        pd.Timestamp("2020-03-01"),
    ):
        assert read_array(uri, [None, (low, None)])["w"].tolist() == [4, 5]
    assert read_array(uri, [None, (march, None)])["w"].tolist() == [4, 5]
    assert read_array(uri, [[("y", None), b"x"], None])["w"].tolist() == [4, 5, 6]
    assert list(read_array(uri, None, ["day", "w"])) == ["day", "w"]
    assert read_array(uri, ["nobody"])["w"].tolist() == []


def test_a_range_of_days_does_not_grow_by_the_hours_of_its_ends(tmp_path: Path) -> None:
    uri = tiledb_sparse(tmp_path)
    morning, night = datetime.datetime(2020, 3, 1, 8), datetime.datetime(2020, 5, 1, 22)
    assert read_array(uri, [None, (morning, night)])["w"].tolist() == [4], "the day of March began before"
    assert read_array(uri, [None, ("2020-03-01T00:00", night)])["w"].tolist() == [4, 5]
    with pytest.raises(ArgumentError, match="between two coordinates, 2020-03-01 and 2020-03-02"):
        read_array(uri, [None, morning])
    with pytest.raises(ArgumentError, match="ends before it starts"):
        read_array(uri, [None, (morning, datetime.datetime(2020, 3, 1, 9))])


def test_an_open_array_is_read_and_stays_open(tmp_path: Path) -> None:
    with tiledb.open(tiledb_square(tmp_path)) as array:
        for _ in range(2):
            assert read_array(array, [[1, (2, 4)], None])["a"].sum() == 136


def test_open_ends_of_a_dense_array_are_where_what_is_written_ends(tmp_path: Path) -> None:
    uri = str(tmp_path / "large")
    domain = tiledb.Domain(tiledb.Dim("t", domain=(0, 10**12), tile=10, dtype=np.int64))
    tiledb.Array.create(uri, tiledb.ArraySchema(domain, [tiledb.Attr("a", dtype=np.int64)]))
    for unsaid in (None, [slice(3, None)], [[1, slice(None, 2)]]):
        with pytest.raises(ArgumentError, match="nothing is written in it"):
            read_array(uri, unsaid)
    assert read_array(uri, [(2, 3)])["a"].shape == (2,), "what is said is read, written or not"
    with tiledb.open(uri, "w") as array:
        array[5:8] = np.array([50, 60, 70])
    assert read_array(uri)["a"].tolist() == [50, 60, 70]
    assert read_array(uri, [slice(6, None)])["a"].tolist() == [60, 70]
    assert read_array(uri, [[7, (None, 5)]])["a"].tolist() == [70, 50]
    with pytest.raises(ArgumentError, match=r"9..None ends before it starts \(an open end is at 5 or 7\)"):
        read_array(uri, [slice(9, None)])


def test_layouts_order_the_cells_of_sparse_arrays(tmp_path: Path) -> None:
    uri = tiledb_sparse(tmp_path)
    assert read_array(uri)["w"].tolist() == read_array(uri, layout="R")["w"].tolist() == [4, 5, 6]
    assert read_array(uri, layout="C")["w"].tolist() == [6, 5, 4]
    assert sorted(read_array(uri, [[("x", "y"), "z"]], layout="U")["w"]) == [4, 5, 6]
    assert sorted(read_array(uri, [("x", "y")], layout="G")["w"]) == [4, 5]
    with pytest.raises(ArgumentError, match="one range per dimension"):
        read_array(uri, [["x", "z"]], layout="G")


@pytest.mark.parametrize(
    "ranges, told",
    [
        ([3], "dimension 'name' (position 0): 3 is no text"),
        ([None, 3], "dimension 'day' (position 1): 3 is no date or time"),
        ([None, "soon"], "dimension 'day' (position 1)"),
        ([None, "NaT"], "is no date or time"),
        ([None, "2021-03-01"], "'2021-03-01' is outside 2020-01-01..2020-12-31"),
    ],
)
def test_coordinates_of_the_wrong_kind_are_told(tmp_path: Path, ranges: Any, told: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        read_array(tiledb_sparse(tmp_path), ranges)
    assert told in str(caught.value)


def test_unnamed_attributes_float_dimensions_and_coordinates_of_dense_arrays(tmp_path: Path) -> None:
    uri = str(tmp_path / "unnamed")
    dim = tiledb.Dim("x", domain=(0.0, 9.0), tile=1.0, dtype=np.float64)
    schema = tiledb.ArraySchema(tiledb.Domain(dim), [tiledb.Attr(dtype=np.int64)], sparse=True)
    tiledb.Array.create(uri, schema)
    with tiledb.open(uri, "w") as array:
        array[np.array([0.5, 2.5, 4])] = np.array([1, 2, 3])
    assert read_array(uri, [(0.5, np.float32(2.5))])[""].tolist() == [1, 2]
    assert read_array(uri, [[4, (None, 1)]], [""])["x"].tolist() == [4.0, 0.5]
    for wrong in (float("nan"), "1", True):
        with pytest.raises(ArgumentError, match="dimension 'x'"):
            read_array(uri, [wrong])
    found = read_array(tiledb_square(tmp_path), [2, (1, 2)], ["a", "cols"])
    assert {name: one.tolist() for name, one in found.items()} == {"a": [[5, 6]], "cols": [[1, 2]]}


# ---- Zarr, NumPy, tables


def test_names_of_zarrs_dimensions_stand_in_errors(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"dimension 'cols' \(position 1\)"):
        read_array(zarr_array(tmp_path), [None, 9])


def test_groups_and_archives_have_several_arrays(tmp_path: Path) -> None:
    group = zarr.open_group(str(tmp_path / "g"), mode="w")
    group.create_array("b", data=SQUARE * 2)
    group.create_array("a", data=SQUARE)
    np.savez(tmp_path / "x.npz", b=SQUARE * 2, a=SQUARE)
    for source, names in ((str(tmp_path / "g"), ["a", "b"]), (tmp_path / "x.npz", ["b", "a"])):
        assert list(read_array(source, [0])) == names
        found = read_array(source, [(0, 1), 3], ["b"])
        assert {name: one.tolist() for name, one in found.items()} == {"b": [[8], [16]]}


def test_files_stay_as_they_are_when_the_result_is_changed(tmp_path: Path) -> None:
    path = npy(tmp_path)
    read_array(path)["values"][:] = 0
    assert np.load(path).tolist() == SQUARE.tolist()


def test_arrays_without_dimensions_or_elements() -> None:
    assert read_array(np.array(3), layout="R")["values"].shape == ()
    assert read_array(np.zeros((0, 2)), [None, [0, 1]])["values"].shape == (0, 2)
    with pytest.raises(ArgumentError, match="the array 0 dimensions"):
        read_array(np.array(3), [0])


class Trap:
    """Tells if anything ever unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.place,)

    def __init__(self, place: str) -> None:
        self.place = place


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    trap, sprung = Trap(str(tmp_path / "sprung")), tmp_path / "sprung"
    traps = np.array([trap, trap], dtype=object)
    np.save(tmp_path / "t.npy", traps, allow_pickle=True)
    np.savez(tmp_path / "t.npz", values=traps, allow_pickle=True)
    for name in ("t.npy", "t.npz"):
        with pytest.raises(ArrayReadError, match=r"allow_pickle=False|Python objects"):
            read_array(tmp_path / name)
    folder = tmp_path / "t.zarr"
    folder.mkdir()
    about = {"zarr_format": 2, "shape": [2], "chunks": [2], "dtype": "|O", "fill_value": "", "order": "C"}
    about |= {"compressor": None, "filters": [{"id": "vlen-utf8"}, {"id": "pickle", "protocol": 5}]}
    (folder / ".zarray").write_text(json.dumps(about))
    (folder / "0").write_bytes(pickle.dumps(traps))
    with pytest.raises(ArrayReadError, match="holds pickles"):
        read_array(folder)
    assert not sprung.exists()


TABLE = {"a": list(range(10)), "b": [f"r{n}" for n in range(10)], "c": [None, *range(1, 10)]}


@pytest.mark.parametrize("kind", ["parquet", "arrow", "pandas", "polars"])
def test_rows_of_tables(tmp_path: Path, kind: str) -> None:
    source: Any = pa.table(TABLE)
    if kind == "parquet":
        pq.write_table(source, tmp_path / "t.parquet", row_group_size=3)
        source = tmp_path / "t.parquet"
    elif kind != "arrow":
        source = pd.DataFrame(TABLE) if kind == "pandas" else pl.DataFrame(TABLE)
    for rows, numbers in [
        (None, [*range(10)]),
        ((2, 3), [2, 3]),
        (9, [9]),
        ([8, (1, 3), 1], [8, 1, 2, 3, 1]),
        ([(0, 2), (6, 8)], [0, 1, 2, 6, 7, 8]),
        ((4, None), [4, 5, 6, 7, 8, 9]),
    ]:
        found = read_array(source, [rows], ["b", "a"])
        assert list(found) == ["b", "a"]
        assert found["a"].tolist() == numbers and found["b"].tolist() == [f"r{n}" for n in numbers]
    assert np.isnan(read_array(source, [0])["c"][0])
    with pytest.raises(ArgumentError, match=r"dimension 'rows' \(position 0\): 10 is outside 0..9"):
        read_array(source, [10])
    with pytest.raises(ArgumentError, match="has no attribute 'd'; it has 'a', 'b', 'c'"):
        read_array(source, None, ["d"])


def test_only_the_row_groups_that_are_asked_for_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table(TABLE), tmp_path / "t.parquet", row_group_size=3)
    read: list[Any] = []
    whole = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_groups",
        lambda self, groups, columns: read.append((groups, columns)) or whole(self, groups, columns),
    )
    assert read_array(tmp_path / "t.parquet", [[9, (2, 3)]], ["a"])["a"].tolist() == [9, 2, 3]
    assert read == [([0, 1, 3], ["a"])]


def test_an_empty_table_has_empty_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "t.pq")
    assert read_array(tmp_path / "t.pq")["a"].tolist() == []


# ---- what cannot be read


def test_what_is_not_there_or_no_array_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    (tmp_path / "torn.npz").write_bytes(b"PK")
    (tmp_path / "t" / "__schema").mkdir(parents=True)
    for name in ("nowhere", "nowhere.npy", "empty", "torn.npy", "torn.parquet", "torn.npz", "t"):
        with pytest.raises(ArrayReadError) as caught:
            read_array(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value) and isinstance(caught.value, OSError)
    for wrong in (3, [1, 2], object(), None):
        with pytest.raises(ArgumentError, match="is no array"):
            read_array(wrong)
    with pytest.raises(ArrayReadError, match="give a path") as caught:
        read_array("https://me:hunter2@host/a.npy")
    assert "hunter2" not in str(caught.value) + repr(caught.value.uri)


@pytest.mark.parametrize("package, kind", [("tiledb", "tiledb"), ("zarr", "zarr")])
def test_a_missing_library_says_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, kind: str
) -> None:
    source = DENSE[kind](tmp_path)
    sys_modules = __import__("sys").modules
    monkeypatch.delitem(sys_modules, f"ramify.dag.arrays_{package}", raising=False)
    monkeypatch.setitem(sys_modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ramify\[arrays\]'"):
        read_array(source)


# ---- calls


def test_several_arrays_give_a_dict_each(tmp_path: Path) -> None:
    arrays = ArrayList().add(tiledb_square(tmp_path), [1], ["a"]).add(SQUARE, [(0, 1), 0], layout="C")
    for given in (arrays, arrays.entries, pickle.loads(pickle.dumps(arrays))):
        call = ArrayCall(lambda one, two, by, *, plus: int(one["a"].sum() + two["values"].sum()) * by + plus)
        assert call(given, 2, plus=1) == (10 + 6) * 2 + 1
    assert len(read_arrays(arrays)) == len(arrays) == 2


def test_a_call_travels_and_has_its_functions_name(tmp_path: Path) -> None:
    def total(data: Any) -> int:
        """Adds up."""
        return int(sum(one.sum() for one in data.values()))

    call = cloudpickle.loads(cloudpickle.dumps(ArrayCall(total)))
    assert (call.__name__, call.__doc__) == ("total", "Adds up.") and "total" in repr(call)
    assert call(array_entry(zarr_array(tmp_path), [(0, 1)])) == 36
    with pytest.raises(ArgumentError, match="cannot be called"):
        ArrayCall(3)  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize("wrong", ["a.npy", [1], {"path": "a"}, {"uri": "a", "buffers": []}, None])
def test_what_is_no_entry_is_told(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match=r"array_entry\(uri, ranges, attrs, layout\)"):
        read_arrays(wrong)
