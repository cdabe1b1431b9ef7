"""How much memory values are said to take."""

import sys
from array import array
from collections import deque
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from ramify.values.size import is_small, size_of

LARGE = 1_000_000


@dataclass
class Plain:
    held: Any


@dataclass(slots=True)
class Slotted:
    held: Any
    other: Any = None


class Packed(msgspec.Struct):
    held: Any


class Hostile:
    """Whatever is asked of it fails."""

    def __getattr__(self, name: str) -> Any:
        raise ValueError("never")

    @property
    def nbytes(self) -> int:
        raise ValueError("never")

    def __sizeof__(self) -> int:
        raise ValueError("never")


def test_values_of_the_language() -> None:
    data = bytes(LARGE)
    holders: list[Any] = [
        data,
        bytearray(data),
        memoryview(data),
        array("b", data),
        "a" * LARGE,
        [data],
        (data, data),
        {data},
        {"a": {"b": [data]}},
        deque([data]),
        Plain(data),
        Slotted(data),
        Packed(data),
    ]
    for holder in holders:
        assert LARGE <= size_of(holder) < 1.1 * LARGE, type(holder)
        assert not is_small(holder)


@pytest.mark.parametrize("value", [1, None, 2.5, "text", b"bytes", (1, "a"), [None], {"a": 1}, True, 1j])
def test_small_values_are_seen_at_once(value: Any) -> None:
    assert is_small(value)
    assert size_of(value) < 1000


@pytest.mark.parametrize("value", [len, size_of, Plain, sys, iter([]), object(), ValueError("a")])
def test_what_holds_nothing_of_its_own_is_small(value: Any) -> None:
    assert size_of(value) < 1000


def test_a_hostile_object_raises_nothing() -> None:
    assert size_of([Hostile()]) < 1000


def test_large_containers_are_sampled() -> None:
    rows = [{"number": float(n), "text": f"{n:100}"} for n in range(50_000)]
    exact = sum(sys.getsizeof(r) + sum(map(sys.getsizeof, r.values())) for r in rows)
    assert 0.7 * exact < size_of(rows) < 1.3 * exact
    assert size_of(set(range(100_000))) > 2_000_000


def test_what_many_places_share_counts_once() -> None:
    assert size_of([bytes(LARGE)] * 1000) < 1.1 * LARGE


def test_a_ring_has_an_end() -> None:
    ring: list[Any] = [bytes(LARGE)]
    ring.append(ring)
    assert LARGE < size_of(ring) < 1.1 * LARGE


def test_arrays() -> None:
    numpy = pytest.importorskip("numpy")
    data = numpy.zeros(LARGE, dtype="u1")
    assert size_of(data) == LARGE
    assert size_of(data[:3]) == LARGE  # the view keeps all of it
    assert size_of(numpy.broadcast_to(data[:1], (LARGE, LARGE))) == LARGE
    assert size_of(numpy.array([bytes(1000) for _ in range(1000)], dtype=object)) > LARGE
    assert size_of(numpy.float64(1)) < 100
    assert size_of(data.dtype) < 1000


def test_a_mapped_file_is_not_memory(tmp_path: Any) -> None:
    numpy = pytest.importorskip("numpy")
    mapped = numpy.memmap(tmp_path / "file", dtype="u1", mode="w+", shape=LARGE)
    assert size_of(mapped) == 0
    assert size_of(mapped[:10]) == 0


def test_tables() -> None:
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    column = [0.0] * 125_000
    frame = pandas.DataFrame({"x": column})
    for table in (frame, frame["x"], pandas.Index(column), polars.DataFrame({"x": column})):
        assert LARGE <= size_of(table) < 1.1 * LARGE, type(table)
    for table in (polars.Series(column), pyarrow.table({"x": column}), pyarrow.array(column)):
        assert LARGE <= size_of(table) < 1.1 * LARGE, type(table)
    assert size_of(polars.DataFrame({"x": column}).lazy()) >= 0
    assert size_of(pandas.Timestamp("2020-01-01")) < 1000


def test_what_lies_on_disk_is_not_memory(tmp_path: Any) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "file.h5", "w") as file:
        stored = file.create_dataset("x", shape=(LARGE,), dtype="u1")
        assert stored.nbytes == LARGE
        assert size_of(stored) < 1000
