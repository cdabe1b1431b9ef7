"""`ramify graph` and `ramify status --follow` on runs written by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from cli_calls import Call, register
from grown_runs import write_diamond, write_waves
from PIL import Image


@pytest.fixture
def grown(project: Path) -> str:
    folder = write_waves(project / "exp", waves=2, each=3)
    register(folder)
    return folder


def nodes_in(path: Path) -> set[str | None]:
    groups = ET.parse(path).iter("{http://www.w3.org/2000/svg}g")
    return {group.get("data-id") for group in groups if group.get("class") == "rg-node"}


@pytest.mark.usefixtures("grown")
def test_the_graph_is_drawn_beside_if_nothing_is_said(call: Call, project: Path) -> None:
    assert call("graph").out == "calm-otter.svg\n"
    assert len(nodes_in(project / "calm-otter.svg")) == 9


@pytest.mark.usefixtures("grown")
@pytest.mark.parametrize(("when", "nodes"), [("0", 1), ("1.0", 5), ("10%", 1), ("100%", 9), ("1000", 9)])
def test_a_moment(call: Call, project: Path, when: str, nodes: int) -> None:
    assert call("graph", "latest", "--at", when, "-o", "then.svg").code == 0
    assert len(nodes_in(project / "then.svg")) == nodes
    document = call("graph", "--at", when, "--json").document
    assert len(document["nodes"]) == sum(document["counts"].values()) == nodes


@pytest.mark.usefixtures("grown")
def test_the_growth_as_pictures_page_and_gif(call: Call, project: Path) -> None:
    said = call("graph", "--frames", "each", "--animate", "all.html", "--gif", "all.gif", "--count", "5")
    assert (said.code, said.out) == (0, "each\nall.html\nall.gif\n")
    assert len(list((project / "each").iterdir())) == 5
    assert (project / "all.html").read_text().startswith("<!doctype html>")
    with Image.open(project / "all.gif") as image:
        assert image.n_frames == 5
    assert not (project / "calm-otter.svg").exists()


@pytest.mark.usefixtures("grown")
def test_other_languages(call: Call, project: Path) -> None:
    for name, begins in (("g.mmd", "flowchart"), ("g.dot", "digraph"), ("g.html", "<!doctype html>")):
        assert call("graph", "-o", name, "--at", "0").code == 0
        text = (project / name).read_text()
        assert text.startswith(begins) and "source" in text and "reduce" not in text


def test_the_document(call: Call, grown: str) -> None:
    document = call("graph", grown, "--json").document
    assert (document["name"], document["status"], document["files"]) == ("calm-otter", "COMPLETED", [])
    assert document["nodes"][1] == {
        "id": "map/0/0",
        "name": "map/0/0",
        "status": "Completed",
        "parents": ["source"],
    }
    assert [growth["by"] for growth in document["growths"]] == [None, "rule wave 0", "rule wave 1"]
    assert document["growths"][1]["nodes"] == ["map/0/0", "map/0/1", "map/0/2", "reduce/0"]


@pytest.mark.usefixtures("grown")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "x.png"], "must end in .svg, .html, .mmd, .dot"),
        (["--at", "1", "--gif", "x.gif"], "--at is one moment"),
        (["--gif", "x.png"], "must end in .gif"),
        (["--frames", "x.svg"], "it is a folder"),
        (["--at", "soon"], "no moment 'soon'"),
        (["--count", "0"], "0 is not in the range"),
    ],
)
def test_what_is_refused(call: Call, project: Path, words: list[str], told: str) -> None:
    before = sorted(project.rglob("*"))
    said = call("graph", *words)
    assert said.code in (2, 3) and told in said.err
    assert sorted(project.rglob("*")) == before


def test_many_nodes_are_folded(call: Call, project: Path) -> None:
    write_waves(project / "many", waves=1, each=50)
    assert call("graph", "many", "-o", "m.svg", "--limit", "10").code == 0
    assert len(nodes_in(project / "m.svg")) == 3


def test_following_a_run_that_is_over(call: Call, project: Path) -> None:
    write_diamond(project / "exp", fails=["b"])
    lines = call("status", "exp", "--follow").out.splitlines()
    assert lines[:3] == ["0 ms  + 4 nodes: a, b, c, and 1 more", "1.5 s  2/4 done, 1 failed, 1 blocked", ""]
    assert lines[3].startswith("calm-otter  growing  FAILED")


def test_rules_are_no_jobs(call: Call, grown: str) -> None:
    document = call("status", grown, "--json", "--jobs").document
    assert document["counts"]["total"] == len(document["jobs"]) == 9
    assert not [name for name in document["groups"] if name.startswith("@")]


@pytest.mark.usefixtures("grown")
@pytest.mark.parametrize("other", ["--json", "--watch"])
def test_following_is_no_document_and_no_picture(call: Call, other: str) -> None:
    said = call("status", "--follow", other)
    assert said.code == 2 and "--follow prints lines" in said.err
