"""Where values in memory are while memory is short: in a temporary folder, and brought back."""

import gc
import os
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from values_kept import check

from ramify.errors import RamifyDeserializationError, RamifyWarning, ValueReleased
from ramify.run.memory import MemoryRun


@pytest.fixture
def spill_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of values that were put away appear."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def put_away(run: MemoryRun) -> list[str]:
    return [run.engine.keys[n] for n, e in sorted(run.large.entries.items()) if e.stored is not None]


def test_the_largest_and_then_the_oldest_go_first(spill_home: Path) -> None:
    run = MemoryRun(memory_limit=200_000)
    sizes = {"a": 50_000, "b": 70_000, "c": 60_000, "d": 10_000, "e": 70_000}
    for key, size in sizes.items():
        run.add(key, bytes, (size,))
    run.start()
    assert put_away(run) == ["b"]
    assert run.result("b") == bytes(70_000)
    assert run.large.resident <= 200_000
    assert put_away(run) == ["e"]  # of the largest, it had been unused for longest
    run.close()


def test_what_a_running_call_uses_stays(spill_home: Path) -> None:
    away: list[list[str]] = []
    run = MemoryRun(memory_limit=100_000)
    a, b = run.add("a", bytes, (60_000,)), run.add("b", bytes, (50_000,))

    def look(first: bytes, second: bytes) -> bytes:
        away.append(put_away(run))
        return bytes(80_000)

    run.add("look", look, (a, b))
    run.start()
    assert away == [[]]
    run.close()


def test_a_change_that_a_call_makes_in_place_is_not_lost(spill_home: Path) -> None:
    run = MemoryRun(memory_limit=0)
    made = run.add("made", bytearray, (10_000,))
    changed = run.add("changed", lambda value: value.__setitem__(0, 7), (made,))
    others = [run.add(f"other{n}", bytes, (10_000,), after=(changed,)) for n in range(3)]
    run.add("read", lambda value: value[0], (made,), after=others)
    run.start()
    assert run.result("read") == 7
    run.close()


def test_arrays_come_back_as_they_were(spill_home: Path) -> None:
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    values = [
        numpy.arange(20_000.0).reshape(100, 200),
        numpy.asfortranarray(numpy.arange(20_000).reshape(100, 200)),
        numpy.arange(40_000)[::2],
        pandas.DataFrame({"x": numpy.arange(10_000), "y": ["a"] * 10_000}),
        {"deep": [numpy.ones(10_000), "text"]},
        bytearray(b"ab" * 10_000),
        "text" * 5_000,
    ]
    run = MemoryRun(memory_limit=0)
    for number, value in enumerate(values):
        run.add(str(number), lambda value=value: value)
    run.add("last", bytes, (10_000,))
    run.start()
    assert put_away(run) == [str(n) for n in range(len(values))]
    for number, value in enumerate(values):
        again = run.result(str(number))
        assert again is not value
        assert type(again) is type(value)
        if isinstance(value, pandas.DataFrame):
            pandas.testing.assert_frame_equal(again, value)
        elif isinstance(value, dict):
            assert (again["deep"][0] == 1).all()
        elif isinstance(value, numpy.ndarray):
            assert (again == value).all() and again.flags.writeable
        else:
            assert again == value
    run.close()


class Locked:
    """Cannot be pickled."""

    nbytes = 50_000

    def __reduce__(self) -> Any:
        raise TypeError("not this one")


@pytest.mark.parametrize("workers", [0, 2])
def test_what_cannot_be_written_stays_and_one_warning_says_so(workers: int, spill_home: Path) -> None:
    run = MemoryRun(workers=workers, memory_limit=60_000)
    refs = [run.add(f"locked{n}", Locked) for n in range(4)]
    rest = run.add("rest", lambda *values: [type(v) for v in values] * 2_000, tuple(refs))
    run.add("end", len, (rest,))
    with pytest.warns(RamifyWarning, match=r"Locked\) cannot be put away .* TypeError: not this one") as told:
        run.start()
    assert len(told) == 1
    assert run.result("end") == 8_000
    assert isinstance(run.result("locked0"), Locked)
    check(run)
    run.close()


class Slow:
    """Takes its time to be pickled: until a call has changed it."""

    nbytes = 50_000
    number = 0
    writing, changed = threading.Event(), threading.Event()

    def __getstate__(self) -> dict[str, int]:
        before = self.number
        self.writing.set()
        self.changed.wait(20)
        return {"number": before}


def test_a_change_while_the_value_is_written_is_not_lost(spill_home: Path) -> None:
    run = MemoryRun(workers=2, memory_limit=60_000)

    def change(value: Slow) -> None:
        value.number = 7
        Slow.changed.set()

    slow = run.add("slow", Slow)
    run.add("filler", bytes, (50_000,), after=(slow,))
    gate = run.add("gate", Slow.writing.wait, (20,), after=(slow,))
    run.add("change", change, (slow,), after=(gate,))
    run.start()
    assert Slow.writing.is_set()
    assert run.result("slow").number == 7
    check(run)
    run.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_warning_that_is_made_an_error_fails_a_call_and_not_the_run(workers: int, spill_home: Path) -> None:
    run = MemoryRun(workers=workers, memory_limit=0)
    run.add("a", Locked)
    run.add("b", Locked)
    run.add("c", Locked)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.start()
    assert run.driver.counts()["succeeded"] == 2
    check(run)


def test_a_full_disk_is_told_and_the_values_stay(spill_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = MemoryRun(memory_limit=0)
    monkeypatch.setattr("tempfile.tempdir", str(spill_home / "not" / "there"))
    for number in range(3):
        run.add(str(number), bytes, (10_000,))
    with pytest.warns(RamifyWarning, match="FileNotFoundError"):
        run.start()
    assert [run.result(str(n)) for n in range(3)] == [bytes(10_000)] * 3


def spilled(spill_home: Path, **options: Any) -> tuple[MemoryRun, Path]:
    run = MemoryRun(memory_limit=0, **options)
    first = run.add("a", bytes, (10_000,))
    run.add("b", bytes, (10_000,), after=(first,))
    run.start()
    (folder,) = spill_home.iterdir()
    return run, folder


@pytest.mark.slow
def test_the_folder_goes_with_the_run(spill_home: Path) -> None:
    run, folder = spilled(spill_home)
    assert [file.stat().st_size > 9_000 for file in folder.iterdir()] == [True]
    del run
    gc.collect()
    assert not folder.exists()


def test_a_closed_run_says_what_is_gone(spill_home: Path) -> None:
    run, folder = spilled(spill_home)
    with run:
        pass
    run.close()
    assert not folder.exists()
    assert run.result("b") == bytes(10_000)
    with pytest.raises(ValueReleased, match="'a' was in the temporary folder of a run that is closed"):
        run.result("a")


def test_an_interrupted_run_leaves_no_folder(spill_home: Path) -> None:
    def interrupt() -> None:
        assert list(spill_home.iterdir()) != []
        raise KeyboardInterrupt

    run = MemoryRun(memory_limit=0)
    last = run.add("a", bytes, (10_000,))
    last = run.add("b", bytes, (10_000,), after=(last,))
    run.add("c", interrupt, after=(last,))
    with pytest.raises(KeyboardInterrupt):
        run.start()
    assert list(spill_home.iterdir()) == []


def test_a_forked_child_does_not_remove_the_folder(spill_home: Path) -> None:
    run, folder = spilled(spill_home)
    from ramify.run.spill import _remove_own

    _remove_own(str(folder), os.getpid() + 1)
    assert folder.exists()
    run.close()


def test_a_folder_that_was_cleared_fails_the_call_that_needs_it(spill_home: Path) -> None:
    import shutil

    run = MemoryRun(memory_limit=0)
    first = run.add("a", bytes, (10_000,))
    second = run.add("b", bytes, (10_000,), after=(first,))

    def clear() -> None:
        for folder in spill_home.iterdir():
            shutil.rmtree(folder)

    cleared = run.add("clear", clear, after=(second,))
    run.add("use", len, (first,), after=(cleared,))
    with pytest.warns(RamifyWarning, match="cannot be put away"):
        run.start()
    with pytest.raises(RamifyDeserializationError, match="was the folder for temporary files cleared"):
        run.result("use")
    check(run)


def test_two_calls_that_need_one_value_bring_it_back_once(spill_home: Path) -> None:
    barrier = threading.Barrier(3, timeout=20)
    run = MemoryRun(workers=3, memory_limit=0)
    first = run.add("a", bytearray, (10_000,))
    second = run.add("b", bytes, (10_000,), after=(first,))

    def use(value: bytearray) -> int:
        barrier.wait()
        return id(value)

    for number in range(3):
        run.add(f"use{number}", use, (first,), after=(second,))
    run.start()
    assert len({run.result(f"use{n}") for n in range(3)}) == 1
    check(run)
    run.close()
