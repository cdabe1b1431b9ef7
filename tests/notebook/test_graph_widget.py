"""The widget, as the page's half of it sees it."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from ramify.show.picture import Shape

pytest.importorskip("anywidget", reason="the extra notebook is not installed")

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


@pytest.fixture
def widget_class() -> Any:
    """As it is declared."""
    value = PROJECT["entry-points"]["ramify.widgets"]["graph"]
    return EntryPoint("graph", value, "ramify.widgets").load()


def test_updates_reach_the_page(widget_class: Any) -> None:
    widget = widget_class([Shape("1", "load", "Running")], title="calm otter")
    assert widget.figure is widget and widget.counts == {"Running": 1}
    sent: list[Any] = []
    widget.observe(lambda change: sent.append((change["name"], change["new"])), ["svg", "counts"])
    widget.update([Shape("1", "load", "Completed")])
    assert [name for name, _ in sent] == ["svg", "counts"]
    assert sent[1][1] == {"Completed": 1} and "calm otter" in sent[0][1] and "rg-box-completed" in sent[0][1]
    widget.update([Shape("1", "load", "Completed")])
    assert len(sent) == 2  # nothing new, nothing sent


def test_a_page_without_widgets_shows_the_picture(widget_class: Any) -> None:
    widget = widget_class([Shape("1", "load", "Running")])
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "<svg" in data["text/html"] and "<script" not in data["text/html"]


def test_the_script_is_whole(widget_class: Any) -> None:
    script = str(widget_class._esm)
    assert "function ramifyPanZoom(" in script and script.rstrip().endswith("export default { render };")
