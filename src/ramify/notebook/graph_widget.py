"""The live picture of a graph in Jupyter, on anywidget: Python draws, the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from ramify.show.html import PAN_AND_ZOOM, fragment
from ramify.show.picture import LIMIT, Shape, counts
from ramify.show.svg import draw_svg

_SCRIPT = Path(__file__).with_name("graph_widget.js")


class GraphWidget(anywidget.AnyWidget):  # type: ignore[misc,unused-ignore]  # untyped if absent
    """A picture that changes where it is shown: `update` draws anew.

    `svg` is what is shown and `counts` how many nodes are in which status; both may be observed. Where the
    page knows no widgets, after nbconvert too, the picture is there as HTML, as it was when it was displayed.
    """

    _esm = PAN_AND_ZOOM.read_text(encoding="utf-8") + _SCRIPT.read_text(encoding="utf-8")

    svg = traitlets.Unicode("").tag(sync=True)
    counts = traitlets.Dict().tag(sync=True)

    def __init__(
        self, shapes: Sequence[Shape] = (), *, title: str | None = None, limit: int | None = LIMIT
    ) -> None:
        super().__init__()
        self._title, self._limit = title, limit
        self.update(shapes)

    @property
    def figure(self) -> GraphWidget:
        """What a person is given: the widget itself."""
        return self

    def update(self, shapes: Sequence[Shape]) -> None:
        """Shows the graph as it is now. May be called from any thread; what is equal is not sent again."""
        self._shapes = tuple(shapes)
        self.svg = draw_svg(self._shapes, title=self._title, limit=self._limit)
        self.counts = counts(self._shapes)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The view, and beside it the picture for pages without widgets."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle is None:  # the widget's connection is closed
            return {"text/html": self._repr_html_()}
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        data = {**data, "text/html": self._repr_html_()}
        return (data, *rest) if isinstance(bundle, tuple) else data

    def __repr__(self) -> str:
        numbers = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        return f"<GraphWidget: {numbers or 'no nodes'}>"

    def _repr_html_(self) -> str:
        return fragment(self._shapes, title=self._title, limit=self._limit)
