"""The picture that `visualize` gives: which kind where, what it shows, where it is saved."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from graphs_to_draw import shapes_of

from ramify.errors import MissingExtraError, StorageError
from ramify.show import live_picture
from ramify.show.live_picture import Picture, PlotlyPicture, in_notebook, live_view
from ramify.show.picture import STATUSES, Shape

DIAMOND = shapes_of([[], [0], [0], [1, 2]])
PROVIDED = """
class Fake:
    def __init__(self, shapes, *, title, limit):
        self.shapes, self.title, self.limit = shapes, title, limit
"""


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process of Jupyter looks like."""
    fake = types.ModuleType("IPython")
    shell = types.SimpleNamespace(kernel=object())
    fake.get_ipython = lambda: shell  # type: ignore[attr-defined]  # a module made up for the test
    monkeypatch.setitem(sys.modules, "IPython", fake)


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that brings a widget."""
    facts = tmp_path / "provider-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: provider\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[ramify.widgets]\ngraph = provided_widget:Fake\n")
    (tmp_path / "provided_widget.py").write_text(PROVIDED)
    (tmp_path / "anywidget.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))


def without(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.setitem(sys.modules, name, None)
    known = live_picture.find_spec
    monkeypatch.setattr(live_picture, "find_spec", lambda name: None if name in names else known(name))


def test_outside_of_notebooks_it_is_a_picture() -> None:
    assert not in_notebook()
    view = live_view(DIAMOND)
    assert isinstance(view, Picture) and view.figure is view


def test_a_picture_follows_its_updates(tmp_path: Path) -> None:
    picture = Picture(DIAMOND, title="calm otter")
    before = picture._repr_svg_()
    picture.update([Shape("1", "only", "Failed")])
    assert picture.counts == {"Failed": 1} and repr(picture) == "<Picture of 1 node: 1 Failed>"
    assert picture._repr_svg_() != before and "calm otter" in picture._repr_html_()


def test_saved_by_suffix(tmp_path: Path) -> None:
    picture = Picture(DIAMOND)
    assert picture.save(tmp_path / "a.svg").read_text() == picture.svg
    assert picture.save(str(tmp_path / "a.HTML")).read_text() == picture.html
    with pytest.raises(ValueError, match=r"'a\.png'.*\.svg or \.html"):
        picture.save(tmp_path / "a.png")
    with pytest.raises(StorageError):
        picture.save(tmp_path / "nowhere" / "a.svg")


@pytest.mark.usefixtures("kernel", "provider")
def test_the_widget_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    points = live_picture.entry_points
    theirs = [p for p in points(group="ramify.widgets") if p.value.startswith("provided")]
    monkeypatch.setattr(live_picture, "entry_points", lambda group, name: theirs)
    for kind in ("auto", "widget"):
        view: Any = live_view(DIAMOND, kind, title="t", limit=7)
        assert type(view).__name__ == "Fake"
        assert (view.shapes, view.title, view.limit) == (DIAMOND, "t", 7)


@pytest.mark.usefixtures("kernel")
def test_without_anywidget_a_notebook_gets_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "anywidget")
    assert isinstance(live_view(DIAMOND), Picture)
    with pytest.raises(MissingExtraError, match=r"pip install 'ramify\[notebook\]'"):
        live_view(DIAMOND, "widget")


def test_without_plotly_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "plotly", "plotly.graph_objects")
    with pytest.raises(ImportError, match=r"pip install 'ramify\[plotly\]'"):
        live_view(DIAMOND, "plotly")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'tree'.*plotly"):
        live_view([], "tree")  # type: ignore[arg-type]  # the point of the test


def test_a_picture_imports_nothing_that_must_be_installed() -> None:
    code = (
        "import sys; from ramify.show.live_picture import live_view; live_view([])._repr_html_();"
        "print(sorted({'plotly', 'anywidget', 'IPython', 'numpy', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "[]\n"


# ---- Plotly


@pytest.fixture
def plotly() -> Any:
    return pytest.importorskip("plotly.graph_objects", reason="the extra plotly is not installed")


def test_a_figure_for_every_status(plotly: Any) -> None:
    shapes = [Shape(s, f"<b>{s}</b>", s, STATUSES[:number][-1:]) for number, s in enumerate(STATUSES)]
    view = live_view(shapes, "plotly")
    assert isinstance(view, PlotlyPicture) and isinstance(view.figure, plotly.Figure)
    edges, boxes, *traces = view.figure.data
    assert edges.x.count(None) == len(STATUSES) - 1
    assert boxes.x.count(None) == len(STATUSES)
    assert [trace.name for trace in traces] == [f"{status} (1)" for status in STATUSES]
    assert len({trace.marker.color for trace in traces}) == len(STATUSES)
    assert len({trace.marker.symbol for trace in traces}) == len(STATUSES)
    assert all(trace.text[0].startswith(" &lt;b&gt;") for trace in traces)


def test_a_figure_follows_its_updates(plotly: Any) -> None:
    view = live_view([Shape("1", "a", "Running")], "plotly")
    shown = {trace.name for trace in view.figure.data[2:] if trace.showlegend}
    view.update([Shape("1", "a", "Completed"), Shape("2", "b", "Completed", ("1",))])
    assert shown == {"Running (1)"}
    assert {trace.name for trace in view.figure.data[2:] if trace.showlegend} == {"Completed (2)"}


@pytest.mark.slow
@pytest.mark.usefixtures("kernel")
def test_in_a_notebook_the_figure_is_a_widget(plotly: Any) -> None:
    pytest.importorskip("anywidget", reason="the extra notebook is not installed")
    view = live_view(DIAMOND, "plotly")
    assert isinstance(view.figure, plotly.FigureWidget)
    view.update(DIAMOND[:1])
    assert len(view.figure.data[2].x) == 1


@pytest.mark.parametrize("parents", [[], [[]], [[], [0]], [[], [0], [0], [1, 2]]])
def test_small_graphs_are_figures(plotly: Any, parents: list[list[int]]) -> None:
    figure = live_view(shapes_of(parents), "plotly").figure
    assert sum(len(trace.x) for trace in figure.data[2:]) == len(parents)
    assert figure.to_html(include_plotlyjs=False)
