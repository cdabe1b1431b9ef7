"""A graph as a Plotly figure, for who asks for one. Needs the extra `plotly`."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final

from ramify.errors import MissingExtraError
from ramify.show.drawing import Drawing, count_text, drawn
from ramify.show.labels import plain
from ramify.show.palette import LIGHT_PAGE, look
from ramify.show.picture import LIMIT, STATUSES, Shape, counts, fold

if TYPE_CHECKING:
    import plotly.graph_objects as go

MARKERS: Final = dict(
    zip(
        STATUSES,
        ["circle", "diamond", "triangle-right", "x", "triangle-up-open", "square-x-open", "circle-open"],
        strict=True,
    )
)
"""A form for each status, so that nobody has to tell them by colour."""


MOST_NARROW: Final = 480.0
"""Room for the legend, in pixels."""


def figure(shapes: Sequence[Shape], *, widget: bool = False, limit: int | None = LIMIT) -> go.Figure:
    """The graph as a `plotly.graph_objects.Figure`, or with `widget` as a `FigureWidget` that can be updated.

    The first trace holds the edges, the second the boxes, then follows one for each status, always all of
    them and in the order of `STATUSES`; those without nodes are left out of the legend. A
    MissingExtraError says what to install.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise _missing("plotly", "a Plotly figure", "plotly") from error
    drawing, found = _traces(shapes, limit)
    traces = [go.Scatter(trace) for trace in found]
    layout = go.Layout(_layout(drawing))
    if not widget:
        return go.Figure(traces, layout)
    try:
        return go.FigureWidget(traces, layout)
    except ImportError as error:  # FigureWidget stands on anywidget
        raise _missing("anywidget", "a live Plotly figure", "notebook") from error


def update_figure(shown: go.Figure, shapes: Sequence[Shape], *, limit: int | None = LIMIT) -> None:
    """Draws the graph as it is now in a figure of `figure`; a widget changes in one step."""
    drawing, traces = _traces(shapes, limit)
    with shown.batch_update():
        for trace, new in zip(shown.data, traces, strict=True):
            trace.update(new)
        shown.update_layout(_layout(drawing))


def _missing(package: str, purpose: str, extra: str) -> MissingExtraError:
    message = f"{purpose} needs {package}: pip install 'ramify[{extra}]'"
    return MissingExtraError(message, package=package, extra=extra)


def _layout(drawing: Drawing) -> dict[str, Any]:
    """As large as it is drawn, so that names are inside their boxes."""
    wide, high = max(drawing.width, MOST_NARROW), drawing.height
    left = (wide - drawing.width) / 2
    return {
        "width": wide + 40,
        "height": high + 90,
        "plot_bgcolor": "white",
        "margin": {"l": 20, "r": 20, "t": 20, "b": 70},
        "xaxis": {"visible": False, "range": [-left, wide - left]},
        "yaxis": {"visible": False, "range": [high, 0]},
        "hovermode": "closest",
        "legend": {"orientation": "h", "y": 0, "yanchor": "top"},
    }


def _traces(shapes: Sequence[Shape], limit: int | None) -> tuple[Drawing, list[dict[str, Any]]]:
    shown = list(shapes) if limit is None else fold(shapes, limit)
    drawing = drawn(shown)
    tally = counts(shown)
    nodes = [_trace(status, shown, drawing, tally.get(status, 0)) for status in STATUSES]
    return drawing, [_edge_trace(drawing), _box_trace(drawing), *nodes]


def _box_trace(drawing: Drawing) -> dict[str, Any]:
    xs: list[float | None] = []
    ys: list[float | None] = []
    for x, y, wide, high, _ in drawing.boxes:
        xs += [x, x + wide, x + wide, x, x, None]
        ys += [y, y, y + high, y + high, y, None]
    pen = {"color": LIGHT_PAGE["edge"], "width": 1}
    fill = {"fill": "toself", "fillcolor": "#f6f7f9"}
    return {"x": xs, "y": ys, "mode": "lines", "line": pen, **fill, "hoverinfo": "skip", "showlegend": False}


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
        "x": [box.x + 14 for _, box in mine],
        "y": [box.y + box.height / 2 for _, box in mine],
        "text": [_text(f" {box.label}", shape) for shape, box in mine],
        "hovertext": [f"{_text(plain(shape.name), shape)}<br>{escape(shape.status)}" for shape, _ in mine],
        "hoverinfo": "text",
        "mode": "markers+text",
        "textposition": "middle right",
        "name": f"{status} ({count})",
        "showlegend": bool(mine),
        "marker": {
            "symbol": MARKERS[status],
            "color": one.stroke,
            "size": 12,
            "line": {"width": 2, "color": one.stroke},
        },
    }


def _text(name: str, shape: Shape) -> str:
    """Plotly reads some HTML in its texts."""
    return escape(f"{name} {count_text(shape.count)}".rstrip())
