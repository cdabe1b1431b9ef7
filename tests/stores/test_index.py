"""The index of outputs: what is known without opening anything."""

import os
from pathlib import Path

from ramify.stores.index import NAME, OutputIndex, Row, signature


def row(place: str, late: str = "l") -> Row:
    return Row(place, "own", None, late, "d", ".json", "1.2.3")


def test_the_last_line_of_an_output_counts(tmp_path: Path) -> None:
    index = OutputIndex(str(tmp_path))
    index.add(row("a", "old"))
    index.flush()
    index.add(row("a", "new"))
    index.flush()
    assert OutputIndex(str(tmp_path)).rows["a"].late == "new"


def test_a_line_that_was_cut_short_or_is_damaged_is_left_out(tmp_path: Path) -> None:
    index = OutputIndex(str(tmp_path))
    for place in "abc":
        index.add(row(place))
    index.flush()
    whole = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).write_bytes(b"[damaged\n" + whole[:-5])
    assert set(OutputIndex(str(tmp_path)).rows) == {"a", "b"}


def test_what_is_forgotten_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    index = OutputIndex(str(tmp_path))
    for place in "abc":
        index.add(row(place))
    index.flush()
    index.forget(["b", "unknown"])
    assert set(OutputIndex(str(tmp_path)).rows) == {"a", "c"}


def test_a_file_of_stale_lines_is_written_anew(tmp_path: Path) -> None:
    index = OutputIndex(str(tmp_path))
    for number in range(1100):
        index.add(row("a", str(number)))
        index.flush()
    assert len((tmp_path / NAME).read_bytes().splitlines()) < 1100
    assert OutputIndex(str(tmp_path)).rows["a"].late == "1099"


def test_a_signature_tells_a_change_of_a_file_and_of_a_folder(tmp_path: Path) -> None:
    assert signature(str(tmp_path / "nothing")) is None
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a").write_text("one")
    first = signature(str(folder))
    assert signature(str(folder)) == first
    (folder / "inner" / "a").write_text("three")
    second = signature(str(folder))
    assert second != first
    os.replace(folder / "inner" / "a", folder / "inner" / "b")
    assert signature(str(folder)) not in (first, second)
