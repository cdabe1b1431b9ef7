"""The picture as SVG and HTML, as a reader of XML and a reader of pages sees it."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest
from graphs_to_draw import NAMES, Drawn, random_parents, read_svg, shapes_of
from hypothesis import given
from hypothesis import strategies as st

from ramify.show.drawing import LONGEST
from ramify.show.html import draw_html, fragment
from ramify.show.labels import shortened, width
from ramify.show.palette import LOOKS, colours
from ramify.show.picture import STATUSES, Shape
from ramify.show.svg import draw_svg


def check_picture(shapes: Sequence[Shape], limit: int | None = None) -> Drawn:
    """Each box once, none on another, each edge on its boxes and through no other; all inside."""
    drawn = read_svg(draw_svg(shapes, limit=limit))
    rects = list(drawn.boxes.items())
    for number, (_, rect) in enumerate(rects):
        assert not any(rect.overlaps(other) for _, other in rects[:number])
        assert rect.x >= 0 and rect.x + rect.width <= drawn.whole.width
        assert rect.y >= 0 and rect.y + rect.height <= drawn.whole.height
    for start, end, points in drawn.edges:
        for name, (x, y) in ((start, points[0]), (end, points[-1])):
            assert not name or drawn.boxes[name].touched(x, y)
        for x, y in points:
            assert not any(rect.holds(x, y, 1.0) for _, rect in rects)
    return drawn


def linked(drawn: Drawn) -> set[tuple[str, str]]:
    """Which boxes an edge joins, where no junction is between."""
    return {(start, end) for start, end, _ in drawn.edges if start and end}


@pytest.mark.slow
@given(random_parents(), st.lists(NAMES, min_size=24, max_size=24))
def test_random_graphs_with_random_names(parents: list[list[int]], names: list[str]) -> None:
    drawn = check_picture(shapes_of(parents, names))
    assert set(drawn.boxes) == {str(node) for node in range(len(parents))}
    edges = {(str(p), str(node)) for node, above in enumerate(parents) for p in above}
    assert linked(drawn) <= edges
    if all(start and end for start, end, _ in drawn.edges):
        assert linked(drawn) == edges


def test_nothing() -> None:
    drawn = check_picture([])
    assert not drawn.boxes and "no nodes" in drawn.text


def test_one_node() -> None:
    drawn = check_picture([Shape("1", "load", "Running", title="took 3 s")])
    assert len(drawn.boxes) == 1 and "took 3 s" in drawn.text and "1 Running" in drawn.text


def test_two_nodes() -> None:
    drawn = check_picture(shapes_of([[], [0]]))
    assert drawn.boxes["0"].y + drawn.boxes["0"].height < drawn.boxes["1"].y
    assert linked(drawn) == {("0", "1")}


def test_a_diamond_is_even() -> None:
    drawn = check_picture(shapes_of([[], [0], [0], [1, 2]]))
    middles = {name: rect.x + rect.width / 2 for name, rect in drawn.boxes.items()}
    assert middles["0"] == pytest.approx(middles["3"], abs=0.2)
    assert middles["1"] + middles["2"] == pytest.approx(2 * middles["0"], abs=0.4)


def test_a_junction_stands_for_all_edges_between_two_groups() -> None:
    layers = [[] for _ in range(20)] + [list(range(20)) for _ in range(20)]
    drawn = check_picture(shapes_of(layers))
    assert len(drawn.edges) == 40
    assert {start for start, end, _ in drawn.edges if not end} == {str(n) for n in range(20)}
    assert {end for start, end, _ in drawn.edges if not start} == {str(n) for n in range(20, 40)}


def test_a_wide_graph_flows_to_the_right() -> None:
    drawn = check_picture(shapes_of([[], *[[0] for _ in range(60)]]))
    assert all(drawn.boxes["0"].x + drawn.boxes["0"].width < drawn.boxes[str(n)].x for n in range(1, 61))
    assert drawn.whole.width < 700  # the legend is the widest


def test_parts_that_nothing_joins_share_the_page() -> None:
    drawn = check_picture(shapes_of([[] for _ in range(100)]))
    assert 0.5 < drawn.whole.width / drawn.whole.height < 4


def test_a_cycle_can_be_drawn() -> None:
    shapes = [Shape("a", "a", parents=("b",)), Shape("b", "b", parents=("a", "b")), Shape("c", "c")]
    assert len(check_picture(shapes).edges) == 1


@pytest.mark.slow
@pytest.mark.timeout(30)
def test_five_thousand_nodes_in_full_and_folded() -> None:
    chance = random.Random(2)
    shapes = [
        Shape(
            str(n),
            f"score ({n})",
            "Completed",
            tuple({str(chance.randrange(n)) for _ in range(4)} if n else ()),
        )
        for n in range(5_000)
    ]
    root = ET.fromstring(draw_svg(shapes, limit=None))
    assert sum("data-id" in element.attrib for element in root.iter()) == 5_000
    (group,) = read_svg(draw_svg(shapes)).boxes
    assert group == "0"


def test_a_group_says_how_many_and_shows_how_they_are() -> None:
    group = Shape("g", "score", "Failed", count=1200, statuses={"Failed": 300, "Completed": 900})
    document = draw_svg([group])
    assert "×1\u202f200" in document and "900 Completed, 300 Failed" in document
    bars = re.findall(r'class="rg-ink-(\w+)" x="[\d.]+" y="[\d.]+" width="([\d.]+)"', document)
    assert [name for name, _ in bars] == ["completed", "failed"]
    assert float(bars[0][1]) == pytest.approx(3 * float(bars[1][1]), abs=0.5)


# ---- statuses and colours


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_its_colour_and_its_sign(status: str) -> None:
    document = draw_svg([Shape("1", "a", status)])
    one = LOOKS[status]
    assert f'class="rg-box-{one.name}"' in document and one.sign in document
    assert f"1 {status}" in read_svg(document).text


def test_no_two_statuses_look_alike() -> None:
    assert set(LOOKS) == set(STATUSES)
    for facts in zip(*LOOKS.values(), strict=True):
        if all(isinstance(fact, str) for fact in facts):
            assert len(set(facts)) == len(STATUSES)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2: 4.5 is wanted for text, 3 for signs."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_signs_stand_out(dark: bool) -> None:
    named = colours(dark)
    assert contrast(named["ink"], named["page"]) > 7 and contrast(named["soft"], named["page"]) > 4.5
    for one in LOOKS.values():
        fill = named[f"{one.name}-fill"]
        assert contrast(named["ink"], fill) > 7
        assert contrast(named["soft"], fill) > 4.5
        assert contrast(named[one.name], fill) > 3 and contrast(named[one.name], named["page"]) > 3


# ---- names


HOSTILE = [
    "</text><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "]]></style><script>",
    "<!--",
    "&amp;&lt;&bogus;",
    "a\x00b\x1b[31m",
    "half \ud800 of a pair",
    "two\nlines\r\n",
    "\u202egnp.exe",
    "😀" * 60,
    "長い名前" * 20,
    "",
    "e\u0301" * 80,
]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.names.update(name for name, _ in attrs)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_breaks_out_of_nothing(name: str) -> None:
    shapes = [Shape(name, name, "Running", title=name), Shape("b", "b", name, (name,))]
    tame = [Shape("a", "a", "Running", title="a"), Shape("b", "b", "x", ("a",))]
    for draw in (draw_svg, draw_html, fragment):
        ours, plain = Tags(), Tags()
        ours.feed(draw(shapes, title=name or "a"))
        plain.feed(draw(tame, title="a"))
        assert sorted(ours.seen) == sorted(plain.seen)
        assert not any(attribute.startswith("on") for attribute in ours.names)
    check_picture(shapes)


@given(NAMES, st.floats(20, 300))
def test_shortened_names_fit(name: str, room: float) -> None:
    short = shortened(name, room)
    assert width(short) <= max(room, width("…")) and "\n" not in short


def test_long_names_are_short_in_the_box_and_whole_in_the_tooltip() -> None:
    name = "evaluate_everything_on_the_whole_held_out_set_of_the_last_year (12)"
    document = draw_svg([Shape("1", name)])
    (box,) = read_svg(document).boxes.values()
    assert f"<title>{name}\n" in document and box.width < LONGEST + 60
    assert re.search(r">evaluate[^<]*…[^<]* \(12\)</text>", document)


# ---- alone


def addresses(document: str) -> set[str]:
    return set(re.findall(r"\b(?:https?:)?//[\w.-]+|\burl\(|\bhref\b|@import|<image|<link", document))


def test_nothing_is_fetched() -> None:
    shapes = shapes_of([[], [0], [0], [1, 2]])
    assert addresses(draw_svg(shapes, title="t")) == {"http://www.w3.org"}  # the name of the language
    assert addresses(draw_html(shapes, title="t")) == {"http://www.w3.org"}
    assert "<script" not in draw_svg(shapes) and "<script" not in fragment(shapes)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', draw_html(shapes))
    assert policy and policy[1].startswith("default-src 'none'")


def test_the_same_graph_gives_the_same_picture() -> None:
    shapes = shapes_of([[], [0], [0], [1, 2], [], [4, 0]])
    assert draw_html(shapes) == draw_html(list(shapes))
