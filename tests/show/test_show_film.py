"""Frames as files: SVG of one size, a page that plays them, a GIF."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from graphs_to_draw import read_svg
from grown_runs import Growing, write_diamond, write_waves
from PIL import Image

from ramify.core.graph import GATHER, GROW
from ramify.errors import MissingExtraError
from ramify.run.view import RunView
from ramify.show.film import Film, film_of
from ramify.show.film_gif import draw_gif
from ramify.show.frames import timeline
from ramify.show.outlines import dashes, sign_lines
from ramify.show.palette import LIGHT_PAGE, LOOKS
from ramify.show.picture import STATUSES
from ramify.show.scene import Scene


def waves(folder: Path, limit: int | None = None, **options: Any) -> Film:
    return film_of(RunView(write_waves(folder, **options)), limit=limit)


def data_of(page: str) -> Any:
    found = re.search(r'<script id="film" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def ids_in(svg: str) -> set[str]:
    return set(read_svg(svg).boxes)


# ---- pictures


def test_nodes_and_edges_appear_when_they_are_added_and_never_move(tmp_path: Path) -> None:
    film = waves(tmp_path, waves=2, each=3)
    pictures = [read_svg(film.svg(place)) for place in range(len(film))]
    last = pictures[-1]
    assert len({(one.whole.width, one.whole.height) for one in pictures}) == 1
    for place, one in enumerate(pictures):
        assert set(one.boxes) == set(film.states(place))
        assert all(last.boxes[key] == box for key, box in one.boxes.items())
        assert {key for edge in one.edges for key in edge[:2]} <= {*one.boxes, ""}
    assert set(pictures[0].boxes) == {"source"} and not pictures[0].edges
    assert len(last.edges) == 3 + 3 + 3 + 3


def test_statuses_are_those_of_the_moment(tmp_path: Path) -> None:
    film = film_of(RunView(write_diamond(tmp_path, fails=["b"])))
    for place in range(len(film)):
        tree = ET.fromstring(film.svg(place))
        told = {
            node.get("data-id"): (node.find("{*}title").text or "").split("\n")[1]  # type: ignore[union-attr]  # every node has one
            for node in tree.iter("{http://www.w3.org/2000/svg}g")
            if node.get("class") == "rg-node"
        }
        assert told == film.states(place)


def test_groups_fill_up(tmp_path: Path) -> None:
    film = waves(tmp_path, limit=6, waves=2, each=30)
    assert ids_in(film.svg(-1)) == {"source", "map/0/0", "reduce/0", "map/1/0", "reduce/1"}
    scene = film._scene
    counts = [[shape.count for shape in scene.at(frame.states)] for frame in film]
    assert counts[0] == [1, 0, 0, 0, 0] and counts[-1] == [1, 30, 1, 30, 1]
    assert "×30" in film.svg(-1)


def test_junctions_come_with_what_they_join(tmp_path: Path) -> None:
    run = Growing(tmp_path)
    above = [run.engine.add(f"a{i}") for i in range(4)]
    grow = run.engine.add("grow", (above[0],), GROW)
    run.start()
    for node, attempt in run.passes():
        run.grow(node, attempt, [(f"b{i}", tuple(above), 0, "") for i in range(4)])
    run.end()
    film = film_of(RunView(run.folder))
    assert grow == 4 and film.svg(0).count("<circle") == 0
    assert film.svg(-1).count("<circle") == 1
    assert film.svg(-1).count("data-from") == 1 + 4 + 4


def test_what_a_node_adds_hangs_on_it_and_gathers_are_seen_through(tmp_path: Path) -> None:
    run = Growing(tmp_path)
    run.engine.add("each", (), GROW)
    run.start()
    for node, attempt in run.passes():
        new = [
            ("each/0", (), 0, ""),
            ("each/1", (), 0, ""),
            ("@all", (1, 2), GATHER, ""),
            ("sum", (3,), 0, ""),
        ]
        run.grow(node, attempt, new)  # type: ignore[arg-type]  # keys, parents, flags, texts
    run.end()
    edges = {(start, end) for start, end, _ in read_svg(film_of(RunView(run.folder)).svg(-1)).edges}
    assert edges == {("each", "each/0"), ("each", "each/1"), ("each/0", "sum"), ("each/1", "sum")}


# ---- the page


@pytest.mark.slow
@pytest.mark.parametrize("limit", [None, 6])
def test_the_page_says_of_each_frame_what_its_picture_shows(tmp_path: Path, limit: int | None) -> None:
    film = waves(tmp_path, limit, waves=2, each=20, fails=["map/1/3"])
    data = data_of(film.html)
    order = [shape.id for shape in film._scene.shapes]
    assert len(data["frames"]) == len(film)
    for place, frame in enumerate(data["frames"]):
        drawn = {key for key, letter in zip(order, frame["states"], strict=True) if letter != "."}
        assert drawn == ids_in(film.svg(place))
        states = list(film.states(place).values())
        assert frame["counts"] == [states.count(status) for status in STATUSES]
        for number, tally in frame["tallies"].items():
            assert limit and sum(tally) <= 20 and frame["states"][int(number)] != "."


def test_what_the_script_changes_is_there_in_the_order_of_its_data(tmp_path: Path) -> None:
    page = waves(tmp_path, waves=2, each=5).html
    data = data_of(page)
    svg = ET.fromstring(re.search(r"<main[^>]*>(.*)</main>", page, re.DOTALL).group(1))  # type: ignore[union-attr]  # it is there
    found = {
        name: [g for g in svg.iter("{http://www.w3.org/2000/svg}g") if g.get("class") == name]
        for name in ("rg-node", "rg-edge", "rg-tip")
    }
    ids = [node.get("data-id") for node in found["rg-node"]]
    lines = [(path.get("data-from"), path.get("data-to")) for path in found["rg-edge"][0]]
    assert ids == data["names"]
    ends = [tuple(ids[n] if n < len(ids) else "" for n in pair) for pair in data["lines"]]
    assert lines == ends
    assert len(data["tips"]) == len(found["rg-tip"][0].findall("{*}path"))
    assert {line for lines in data["tips"] for line in lines} == set(range(len(lines)))


def test_the_page_needs_nothing_and_allows_its_own_script_only(tmp_path: Path) -> None:
    page = film_of(RunView(write_diamond(tmp_path))).html
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1))  # type: ignore[union-attr]  # it is there
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digests[0]}'"
    assert len(scripts) == 1
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    controls = re.findall(r'<(?:button|input|select)[^>]*data-do="(\w+)"', page)
    assert controls == ["first", "back", "play", "next", "last", "seek", "speed"]
    assert len(re.findall(r"<button[^>]*aria-label=", page)) == 5
    assert "prefers-color-scheme:dark" in page


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    run = Growing(tmp_path)
    run.engine.add("</script><script>alert(1)</script>\x00\u202e")
    run.start()
    assert list(run.passes()) == []
    run.end()
    film = film_of(RunView(run.folder))
    assert "<script>alert" not in film.html
    assert data_of(film.html)["names"] == ["</script><script>alert(1)</script>\ufffd\u202e"]
    ET.fromstring(film.svg(0))
    assert "<script" not in film._repr_html_() and 'sandbox="allow-scripts"' in film._repr_html_()


# ---- files


def test_saving(tmp_path: Path) -> None:
    film = film_of(RunView(write_diamond(tmp_path)), count=3)
    assert repr(film) == "<Film of 3 frames, 2.0 s>" and len(film[1:]) == 2
    pages = film.save(tmp_path / "each")
    assert [path.name for path in pages] == ["frame-0001.svg", "frame-0002.svg", "frame-0003.svg"]
    assert pages[1].read_text() == film.svg(1)
    assert film.save(tmp_path / "film.html")[0].read_text() == film.html
    with pytest.raises(ValueError, match=r"must end in \.html or \.gif"):
        film.save(tmp_path / "film.mp4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["each", "film.html", "run"]


def test_a_gif_has_the_frames_in_their_colours(tmp_path: Path) -> None:
    film = film_of(RunView(write_diamond(tmp_path, fails=["b"])))
    (path,) = film.save(tmp_path / "film.gif")
    scene = film._scene
    with Image.open(path) as image:
        assert image.n_frames == len(film) and image.info["loop"] == 0
        for place, frame in enumerate(film):
            image.seek(place)
            picture = image.convert("RGB")
            left = (picture.width - scene.drawing.width) / 2
            for shape, box in zip(scene.at(frame.states), scene.drawing.boxes, strict=True):
                inside = picture.getpixel((round(left + box.x + box.width - 8), round(62 + box.y + 6)))
                assert inside == tuple(bytes.fromhex(LOOKS[shape.status].fill[1:])), (place, shape)


def test_a_gif_shows_what_is_there_only(tmp_path: Path) -> None:
    film = waves(tmp_path, waves=1, each=3)
    data = io.BytesIO(draw_gif(film._scene, film))
    page = bytes.fromhex(LIGHT_PAGE["page"][1:])
    with Image.open(data) as image:
        used = []
        for place in range(image.n_frames):
            image.seek(place)
            picture = image.convert("RGB")
            used.append(picture.size[0] * picture.size[1] - picture.tobytes().count(page))
        # a page's bytes are alike, so that only the size of what is drawn counts
    assert used[0] < used[-1]


@pytest.mark.slow
def test_large_graphs_are_made_smaller_in_a_gif(tmp_path: Path) -> None:
    film = waves(tmp_path, waves=1, each=200)
    with Image.open(io.BytesIO(draw_gif(film._scene, film[-1:]))) as image:
        assert max(image.size) <= 1600 + 200


def test_without_pillow_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = film_of(RunView(write_diamond(tmp_path)))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ramify\[gif\]'"):
        film.save(tmp_path / "film.gif")
    assert not (tmp_path / "film.gif").exists()


@pytest.mark.parametrize("status", STATUSES)
def test_every_sign_stays_in_its_square(status: str) -> None:
    points = [point for line in sign_lines(LOOKS[status].sign) for point in line]
    assert len(points) > 2
    assert all(0 <= number <= 16 for point in points for number in point)


def test_an_arc_bulges_to_its_side() -> None:
    (half,) = sign_lines("M13 8A5 5 0 1 1 3 8")
    assert half[-1] == pytest.approx((3, 8)) and max(y for _, y in half) == pytest.approx(13)
    assert all((x - 8) ** 2 + (y - 8) ** 2 == pytest.approx(25) for x, y in half)
    (most,) = sign_lines(LOOKS["Reused"].sign)[:1]
    assert min(x for x, _ in most) < 3.5  # the long way round, on the left


def test_dashes_cover_their_share() -> None:
    pieces = list(dashes([(0, 0), (50, 0), (50, 50)], 3, 2))
    far = sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for p in pieces for a, b in pairwise(p))
    assert far == pytest.approx(60, abs=3)


@pytest.mark.slow
def test_five_thousand_nodes_are_folded_once(tmp_path: Path) -> None:
    told = timeline(RunView(write_waves(tmp_path, waves=10, each=500)))
    film = Film(Scene(told), told.frames())
    assert len(film) == 60 and len(film._scene.shapes) == 21
    assert sum(data_of(film.html)["frames"][-1]["counts"]) == 5011
