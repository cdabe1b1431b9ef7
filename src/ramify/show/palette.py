"""How each status looks: a colour for light and for dark pages, and a sign that needs no colour.

The hues are those of Okabe and Ito, "Color Universal Design" (2008), which people with any kind of colour
vision tell apart, made darker or lighter until text and signs stand out from them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ramify.show.picture import (
    CANCELLED,
    COMPLETED,
    FAILED,
    NOT_STARTED,
    PARENT_FAILED,
    REUSED,
    RUNNING,
)


class Look(NamedTuple):
    """The colours of one status on a light and on a dark page, and its sign.

    `sign` is an SVG path in a square of 16 that is drawn with a pen 2 wide; `filled` closes and fills it.
    `letter` is the sign where only text can be shown. `dashed` is how the box's border is drawn.
    """

    name: str
    stroke: str
    fill: str
    dark_stroke: str
    dark_fill: str
    sign: str
    letter: str
    filled: bool = False
    dashed: bool = False


LOOKS: Final = {
    COMPLETED: Look("completed", "#00795a", "#e3f5ee", "#35c79a", "#12322a", "M3 8.5 6.6 12 13 4.5", "✓"),
    REUSED: Look(
        "reused",
        "#1f6fa8",
        "#e4f1fa",
        "#6cbcf0",
        "#142c3d",
        "M12.9 6.2A5.3 5.3 0 1 0 13.2 9.3M13.4 2.6V6.4H9.6",
        "↻",
    ),
    RUNNING: Look("running", "#8a6a00", "#fff5cf", "#f0cc3f", "#393010", "M5 3.2 12.6 8 5 12.8Z", "▶", True),
    FAILED: Look("failed", "#b83200", "#fde8e0", "#ff8a5c", "#42190c", "M4 4 12 12M12 4 4 12", "✗"),
    PARENT_FAILED: Look(
        "parent-failed",
        "#a3487c",
        "#fbebf3",
        "#e59bc4",
        "#3a1f2f",
        "M8 13.5V4M4 7.6 8 3.6 12 7.6",
        "↑",
        dashed=True,
    ),
    CANCELLED: Look(
        "cancelled",
        "#5d5d68",
        "#eeeef1",
        "#b0b0bc",
        "#2b2b31",
        "M13.5 8A5.5 5.5 0 1 1 2.5 8 5.5 5.5 0 0 1 13.5 8M4.2 11.8 11.8 4.2",
        "⊘",
    ),
    NOT_STARTED: Look(
        "not-started",
        "#7d8490",
        "#ffffff",
        "#868d99",
        "#1b1e23",
        "M13 8A5 5 0 1 1 3 8 5 5 0 0 1 13 8",
        "○",
        dashed=True,
    ),
}
"""By status."""


def look(status: str) -> Look:
    """How a status looks; one that is not known looks like one that has not started.

    >>> look("Failed").letter
    '✗'
    """
    return LOOKS.get(status, LOOKS[NOT_STARTED])


LIGHT_PAGE: Final = {"page": "#ffffff", "ink": "#1d2129", "soft": "#5a6270", "edge": "#99a1ad"}
DARK_PAGE: Final = {"page": "#16181c", "ink": "#eceef1", "soft": "#a3abb8", "edge": "#6b7480"}
"""What is no status: the ground, text, lesser text, edges."""


def colours(dark: bool) -> dict[str, str]:
    """Every colour by the name that style sheets use for it.

    >>> colours(dark=False)["failed"], colours(dark=False)["failed-fill"]
    ('#b83200', '#fde8e0')
    """
    named = dict(DARK_PAGE if dark else LIGHT_PAGE)
    for one in LOOKS.values():
        named[one.name] = one.dark_stroke if dark else one.stroke
        named[f"{one.name}-fill"] = one.dark_fill if dark else one.fill
    return named
