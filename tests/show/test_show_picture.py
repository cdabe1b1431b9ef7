"""Shapes: counted, folded, and as Mermaid and DOT text."""

from __future__ import annotations

import re

import pytest
from graphs_to_draw import NAMES, random_parents, shapes_of
from hypothesis import given
from hypothesis import strategies as st

from ramify.show.graph_text import draw_dot, draw_mermaid
from ramify.show.picture import STATUSES, Shape, counts, fold


def named(*names: str) -> list[Shape]:
    return [Shape(str(number), name) for number, name in enumerate(names)]


def test_few_shapes_are_not_folded() -> None:
    shapes = named("f (1)", "f (2)")
    assert fold(shapes, 2) == shapes


@pytest.mark.parametrize(
    ("names", "limit", "folded"),
    [
        (["score", "score (1)", "score (2)", "end"], 2, ["score", "end"]),
        (["grid/1", "grid/2", "grid/3", "end"], 3, ["grid", "end"]),
        (["a/x/1", "a/x/2", "a/y/1", "b"], 3, ["a/x", "a/y/1", "b"]),
        (["a/x/1", "a/x/2", "a/y/1", "b"], 2, ["a", "b"]),
        (["step1", "step2", "other"], 2, ["step#", "other"]),
    ],
)
def test_names_are_folded_no_more_than_need_be(names: list[str], limit: int, folded: list[str]) -> None:
    assert [shape.name for shape in fold(named(*names), limit)] == folded


def test_names_without_likeness_are_folded_by_layer() -> None:
    letters = "abcdefghij"
    shapes = [Shape(c, c * 3, parents=tuple(letters[max(0, i - 1) : i])) for i, c in enumerate(letters)]
    folded = fold(shapes, 5)
    assert [shape.name for shape in folded] == [f"layers {n}–{n + 1}" for n in (1, 3, 5, 7, 9)]
    assert [shape.parents for shape in folded] == [(), ("a",), ("c",), ("e",), ("g",)]


def test_a_group_has_the_edges_of_its_nodes_and_says_what_they_are() -> None:
    shapes = [
        Shape("s", "start", "Completed"),
        Shape("1", "f (1)", "Completed", ("s",)),
        Shape("2", "f (2)", "Failed", ("s", "1")),
        Shape("3", "f (3)", "Parent Failed", ("2",)),
        Shape("e", "end", "Parent Failed", ("1", "2", "3")),
    ]
    start, group, end = fold(shapes, 3)
    assert (start.parents, group.parents, end.parents) == ((), ("s",), ("1",))
    assert (group.count, group.status) == (3, "Failed")
    assert group.statuses == {"Completed": 1, "Failed": 1, "Parent Failed": 1}
    assert end == Shape("e", "end", "Parent Failed", ("1",))


@pytest.mark.slow
@given(random_parents(), st.lists(NAMES, min_size=24, max_size=24), st.integers(1, 12))
def test_folding_loses_no_node_and_no_edge(parents: list[list[int]], names: list[str], limit: int) -> None:
    shapes = shapes_of(parents, names)
    folded = fold(shapes, limit)
    assert len(folded) <= max(limit, 1)
    assert counts(folded) == counts(shapes)
    ids = [shape.id for shape in folded]
    assert len(set(ids)) == len(ids)
    assert all(parent in ids and parent != shape.id for shape in folded for parent in shape.parents)


@pytest.mark.slow
def test_a_hundred_thousand_fold() -> None:
    shapes = [Shape(str(n), f"f ({n})", "Completed", (str(n - 1),) if n else ()) for n in range(100_000)]
    (group,) = fold(shapes)
    assert group.count == 100_000 and group.parents == ()


def test_counts_are_in_the_order_of_legends() -> None:
    shapes = [Shape(status, status, status) for status in reversed(STATUSES)]
    assert list(counts([*shapes, Shape("x", "x", "Unheard of")])) == [*STATUSES, "Unheard of"]


def test_two_shapes_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="id 'x'"):
        draw_dot([Shape("x", "a"), Shape("x", "b")])


HOSTILE = ['"]; click n0 call evil()', 'a" -> b; "', "back\\", "two\nlines", "\x00\ud800", "`*_#%%{init}"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_names_in_mermaid(name: str) -> None:
    first, *lines = draw_mermaid([Shape("1", name), Shape("2", name, parents=("1",))]).splitlines()
    assert first == "flowchart TD" and len(lines) == 4
    assert re.fullmatch(r' +n0\["○ (?:[^\W]|[ .\-]|[^\x00-\x7f]|#\d+;)*"\]:::not_started', lines[0])


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_names_in_dot(name: str) -> None:
    lines = draw_dot([Shape("1", name), Shape("2", "b", parents=("1", "1", "none"))], title=name).splitlines()
    assert len(lines) == 7 and lines[-2:] == ["    n0 -> n1", "}"]
    strings = r'"(?:[^"\\]|\\.)*"'
    assert re.fullmatch(rf"    label={strings}", lines[1])
    assert re.fullmatch(rf"    n0 \[label={strings}(?:, \w+={strings})*\]", lines[3])
