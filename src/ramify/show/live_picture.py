"""The picture that a person holds: a widget where a notebook can show one, else SVG and HTML."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from ramify.errors import MissingExtraError
from ramify.files.local import write_atomic
from ramify.show.html import draw_html, fragment
from ramify.show.picture import LIMIT, Shape, counts
from ramify.show.svg import draw_svg

Kind = Literal["auto", "widget", "plotly", "html"]
KINDS: Final = ("auto", "widget", "plotly", "html")


class LiveView(Protocol):
    """What every kind of picture can do."""

    @property
    def figure(self) -> Any:
        """The object that is displayed: the picture itself, or Plotly's figure."""

    def update(self, shapes: Sequence[Shape]) -> None:
        """Shows the graph as it is now."""


class Picture:
    """A picture of a graph as it was when it was last updated; notebooks show it inline.

    >>> picture = Picture([Shape("1", "load", "Running")])
    >>> picture
    <Picture of 1 node: 1 Running>
    >>> picture.update([Shape("1", "load", "Completed")]); picture.counts
    {'Completed': 1}
    """

    def __init__(
        self, shapes: Sequence[Shape] = (), *, title: str | None = None, limit: int | None = LIMIT
    ) -> None:
        self._title, self._limit = title, limit
        self.update(shapes)

    @property
    def figure(self) -> Picture:
        """What a person is given: the picture itself."""
        return self

    @property
    def counts(self) -> dict[str, int]:
        """How many nodes are in which status."""
        return counts(self._shapes)

    @property
    def svg(self) -> str:
        """The picture as an SVG document."""
        return draw_svg(self._shapes, title=self._title, limit=self._limit)

    @property
    def html(self) -> str:
        """The picture as an HTML document of its own."""
        return draw_html(self._shapes, title=self._title, limit=self._limit)

    def update(self, shapes: Sequence[Shape]) -> None:
        """Shows the graph as it is now; it is drawn when somebody looks."""
        self._shapes = tuple(shapes)

    def save(self, path: str | Path) -> Path:
        """Writes the picture to a file, whole or not at all, and returns its path.

        The suffix says what: `.svg`, `.html` or `.htm`. Another one is a ValueError.
        """
        target = Path(path)
        suffix = target.suffix.lower()
        if suffix not in (".svg", ".html", ".htm"):
            raise ValueError(f"cannot save a picture as {target.name!r}: the name must end in .svg or .html")
        write_atomic(str(target), (self.svg if suffix == ".svg" else self.html).encode())
        return target

    def _repr_html_(self) -> str:
        return fragment(self._shapes, title=self._title, limit=self._limit)

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        tally = self.counts
        nodes = sum(tally.values())
        numbers = ", ".join(f"{count} {status}" for status, count in tally.items())
        return f"<Picture of {nodes} node{'' if nodes == 1 else 's'}{': ' if numbers else ''}{numbers}>"


class PlotlyPicture:
    """A Plotly figure of a graph, and how it is updated. Needs the extra `plotly`."""

    def __init__(self, shapes: Sequence[Shape] = (), *, limit: int | None = LIMIT) -> None:
        from ramify.show.plotly_figure import figure

        live = in_notebook() and find_spec("anywidget") is not None
        self._limit = limit
        self.figure = figure(shapes, widget=live, limit=limit)

    def update(self, shapes: Sequence[Shape]) -> None:
        """Shows the graph as it is now; where Jupyter shows the figure, it changes there."""
        from ramify.show.plotly_figure import update_figure

        update_figure(self.figure, shapes, limit=self._limit)

    def _repr_mimebundle_(self, *arguments: Any, **options: Any) -> Any:
        return self.figure._repr_mimebundle_(*arguments, **options)


def live_view(
    shapes: Sequence[Shape], kind: Kind = "auto", *, title: str | None = None, limit: int | None = LIMIT
) -> LiveView:
    """The picture to give to a person; `.figure` is what is displayed, `.update(shapes)` draws anew.

    "auto" takes the widget in a Jupyter kernel that has anywidget, else a `Picture`, which needs nothing.
    "widget" and "plotly" raise a MissingExtraError that says what to install.

    >>> type(live_view([])).__name__
    'Picture'
    """
    if kind not in KINDS:
        raise ValueError(f"no kind of picture is called {kind!r}: there are {', '.join(KINDS)}")
    if kind == "plotly":
        return PlotlyPicture(shapes, limit=limit)
    if kind == "widget" or (kind == "auto" and in_notebook()):
        made = widget_class()
        if made is not None:
            view: LiveView = made(shapes, title=title, limit=limit)
            return view
        if kind == "widget":
            message = "a live widget needs anywidget: pip install 'ramify[notebook]'"
            raise MissingExtraError(message, package="anywidget", extra="notebook")
    return Picture(shapes, title=title, limit=limit)


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this process. IPython is not imported for the question."""
    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return ask is not None and getattr(ask(), "kernel", None) is not None


def widget_class() -> Any:
    """The class that the entry point `graph` of `ramify.widgets` names; None without it or anywidget."""
    if find_spec("anywidget") is None:
        return None
    for point in entry_points(group="ramify.widgets", name="graph"):
        return point.load()
    return None
