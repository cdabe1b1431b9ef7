"""Values as a person wants to see them; and that nothing is unpickled unasked."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest

from ramify.errors import ChecksumError, RamifyDeserializationError
from ramify.show.text import Paint
from ramify.show.value import document, show_value
from ramify.values import serialize


def shown(tmp_path: Path, value: Any, unpickle: bool = False) -> Any:
    stem = str(tmp_path / "value")
    serialize(value, stem)
    return show_value(stem, Paint(False), unpickle)


class Trap:
    """Says so when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    ("value", "summary", "line", "plain"),
    [
        (3, "int", "3", 3),
        (None, "None", "None", None),
        (0.5, "float", "0.5", 0.5),
        ("two\nlines", "str of 9", "two", "two\nlines"),
        ([1, "a"], "list of 2", "[1, 'a']", [1, "a"]),
        ((1, (2,)), "tuple of 2", "(1, (2,))", [1, [2]]),
        ({1, 2}, "set", "set(1, 2)", "set(1, 2)"),
        (b"\x00ab", "bytes", "b'\\x00ab'", "b'\\x00ab'"),
        (dt.date(2026, 1, 2), "date", "date(2026-01-02)", "date(2026-01-02)"),
        (2**70, "int", "1180591620717411303424", 2**70),
        (float("inf"), "float", "inf", "inf"),
    ],
)
def test_plain_values(tmp_path: Path, value: Any, summary: str, line: str, plain: Any) -> None:
    found = shown(tmp_path, value)
    assert (found.summary, found.lines[0], document(found)["value"]) == (summary, line, plain)


def test_control_characters_are_written_out(tmp_path: Path) -> None:
    assert shown(tmp_path, "a\x1b[2J\nb").lines == ["a\\x1b[2J", "b"]


def test_long_values_are_cut_and_say_so(tmp_path: Path) -> None:
    found = shown(tmp_path, "\n".join(map(str, range(1000))))
    assert len(found.lines) == 60 and found.lines[-1] == "... 941 more lines"
    assert found.raw is not None and len(found.raw.splitlines()) == 1000


def test_dicts_are_trees(tmp_path: Path) -> None:
    found = shown(tmp_path, {"a": {1: "x", 2: [1, 2]}, "b": "y" * 5000, "c": {}})
    assert found.summary == "dict of 3"
    assert found.lines == [
        "'a': dict of 2",
        "  1: 'x'",
        "  2: [1, 2]",
        "'b': JSON, 5.0 kB",
        "'c': dict of 0",
    ]


def test_wide_and_deep_trees_end(tmp_path: Path) -> None:
    deep: Any = 1
    for _ in range(10):
        deep = {"x": deep}
    found = shown(tmp_path, {"wide": {i: i for i in range(500)}, "deep": deep})
    assert "  ... 480 more" in found.lines
    assert len(found.lines) < 40


def test_pickles_are_described_and_not_loaded(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    found = shown(tmp_path, Trap(str(sprung)))
    assert "--unpickle" in "\n".join(found.lines)
    assert "value" not in document(found)
    assert not sprung.exists()
    show_value(str(tmp_path / "value"), Paint(False), unpickle=True)
    assert sprung.exists()


def test_a_tree_does_not_load_the_pickles_in_it(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    found = shown(tmp_path, {"trap": Trap(str(sprung))})
    assert found.lines[0].startswith("'trap': pickled object")
    assert not sprung.exists()


def test_no_module_of_the_user_is_imported_for_a_dataclass(tmp_path: Path) -> None:
    (tmp_path / "value.json").write_text(
        '{"@ramify": "tagged", "value": {"@": "dataclass", "class": "no_module:Point", "fields": {"x": 1}}}'
    )
    found = show_value(str(tmp_path / "value"), Paint(False))
    assert found.lines == ["Point(x=1)"]


def test_frames_and_arrays_by_their_heads(tmp_path: Path) -> None:
    np = pytest.importorskip("numpy")
    found = shown(tmp_path, np.arange(10_000.0).reshape(100, 100))
    assert found.summary == "ndarray (100, 100), float64" and len(found.lines) < 10
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = shown(tmp_path, pd.DataFrame({"a": range(100), "b": ["\x1b[2J"] * 100}))
    assert frame.summary.startswith("DataFrame, 100 rows × 2 columns (a: int64")
    assert frame.lines[-1] == "... 90 more rows"
    assert "\x1b" not in "\n".join(frame.lines)


def test_changed_and_missing_values_are_errors(tmp_path: Path) -> None:
    shown(tmp_path, [1, 2])
    (tmp_path / "value.json").write_text("[1, 3]")
    with pytest.raises(ChecksumError):
        show_value(str(tmp_path / "value"), Paint(False))
    with pytest.raises(RamifyDeserializationError, match="nothing is stored"):
        show_value(str(tmp_path / "none"), Paint(False))
    (tmp_path / "bad.json").write_text("{oh")
    with pytest.raises(RamifyDeserializationError, match="holds no value"):
        show_value(str(tmp_path / "bad"), Paint(False))
