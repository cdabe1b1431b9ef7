"""A graph as a Plotly figure, for who asks for one. Needs the extra `plotly`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ramify.errors import MissingExtraError
from ramify.show.drawing import Drawing, count_text, drawn
from ramify.show.labels import plain, shortened
from ramify.show.palette import LIGHT_PAGE, look
from ramify.show.picture import LIMIT, STATUSES, Shape, counts, fold

if TYPE_CHECKING:
    import plotly.graph_objects as go

MARKERS: Final = dict(
    zip(
        STATUSES,
        ["circle", "circle-dot", "triangle-right", "x", "triangle-up-open", "square-x-open", "circle-open"],
        strict=True,
    )
)
"""A form for each status, so that nobody has to tell them by colour."""


def figure(shapes: Sequence[Shape], *, widget: bool = False, limit: int | None = LIMIT) -> go.Figure:
    """The graph as a `plotly.graph_objects.Figure`, or with `widget` as a `FigureWidget` that can be updated.

    The first trace holds the edges, then follows one for each status, always all of them and in the order of
    `STATUSES`; those without nodes are left out of the legend. A MissingExtraError says what to install.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise _missing("plotly", "a Plotly figure", "plotly") from error
    traces = [go.Scatter(trace) for trace in _traces(shapes, limit)]
    layout = go.Layout(
        plot_bgcolor="white",
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"visible": False},
        yaxis={"visible": False, "autorange": "reversed"},
        hovermode="closest",
        legend={"orientation": "h", "y": 0},
    )
    if not widget:
        return go.Figure(traces, layout)
    try:
        return go.FigureWidget(traces, layout)
    except ImportError as error:  # FigureWidget stands on anywidget
        raise _missing("anywidget", "a live Plotly figure", "notebook") from error


def update_figure(shown: go.Figure, shapes: Sequence[Shape], *, limit: int | None = LIMIT) -> None:
    """Draws the graph as it is now in a figure of `figure`; a widget changes in one step."""
    with shown.batch_update():
        for trace, new in zip(shown.data, _traces(shapes, limit), strict=True):
            trace.update(new)


def _missing(package: str, purpose: str, extra: str) -> MissingExtraError:
    message = f"{purpose} needs {package}: pip install 'ramify[{extra}]'"
    return MissingExtraError(message, package=package, extra=extra)


def _traces(shapes: Sequence[Shape], limit: int | None) -> list[dict[str, Any]]:
    shown = list(shapes) if limit is None else fold(shapes, limit)
    drawing = drawn(shown)
    tally = counts(shown)
    return [_edge_trace(drawing), *[_trace(s, shown, drawing, tally.get(s, 0)) for s in STATUSES]]


def _edge_trace(drawing: Drawing) -> dict[str, Any]:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for line in drawing.lines:
        xs += [*[x for x, _ in line.points], None]
        ys += [*[y for _, y in line.points], None]
    pen = {"color": LIGHT_PAGE["edge"], "width": 1}
    return {"x": xs, "y": ys, "mode": "lines", "line": pen, "hoverinfo": "skip", "showlegend": False}


def _trace(status: str, shapes: Sequence[Shape], drawing: Drawing, count: int) -> dict[str, Any]:
    """The nodes of one status; one that is not known is shown as not started."""
    one = look(status)
    pairs = zip(shapes, drawing.boxes, strict=False)
    mine = [(shape, box) for shape, box in pairs if look(shape.status) is one]
    return {
        "x": [box.x + box.width / 2 for _, box in mine],
        "y": [box.y + box.height / 2 for _, box in mine],
        "text": [_text(shortened(shape.name, 120), shape) for shape, _ in mine],
        "hovertext": [f"{_text(plain(shape.name), shape)}<br>{escape(shape.status)}" for shape, _ in mine],
        "hoverinfo": "text",
        "mode": "markers+text",
        "textposition": "bottom center",
        "name": f"{status} ({count})",
        "showlegend": bool(mine),
        "marker": {
            "symbol": MARKERS[status],
            "color": one.stroke,
            "size": 14,
            "line": {"width": 2, "color": one.stroke},
        },
    }


def _text(name: str, shape: Shape) -> str:
    """Plotly reads some HTML in its texts."""
    return escape(f"{name} {count_text(shape.count)}".strip())
