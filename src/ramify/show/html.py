"""A graph as HTML: a whole document, or a piece for a notebook. Both show it without any script.

Nothing is fetched from anywhere. The script of the document only moves and scales the picture; a policy in
its head forbids everything else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ramify.show.labels import xml
from ramify.show.palette import colours
from ramify.show.picture import LIMIT, Shape
from ramify.show.svg import draw_svg

PAN_AND_ZOOM: Final = Path(__file__).with_name("panzoom.js")
"""The script: one function, `ramifyPanZoom(holder, kept)`."""

START: Final = """
document.querySelectorAll(".rg-holder").forEach((holder) => ramifyPanZoom(holder, null));
document.querySelector(".rg-hint").hidden = false;
"""


def draw_html(shapes: Sequence[Shape], *, title: str | None = None, limit: int | None = LIMIT) -> str:
    """One HTML document with the picture and its legend, to be opened from a file.

    The graph is dragged with the mouse and scaled with Ctrl and the wheel. As in `draw_svg`, more than
    `limit` shapes are folded.

    >>> draw_html([Shape("1", "load")], title="a run")[:15]
    '<!doctype html>'
    """
    script = f"{PAN_AND_ZOOM.read_text(encoding='utf-8')}{START}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    light, dark = colours(dark=False), colours(dark=True)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{xml(title or 'Graph')}</title>"
        "<style>body{margin:0;font:13px system-ui,sans-serif;"
        f"background:{light['page']};color:{light['soft']}}}"
        f"@media (prefers-color-scheme:dark){{body{{background:{dark['page']};color:{dark['soft']}}}}}"
        ".rg-holder{overflow:auto}.rg-holder svg{display:block;margin:0 auto;max-width:100%;height:auto}"
        "p{margin:8px 20px}</style></head><body>"
        f'<div class="rg-holder">{draw_svg(shapes, title=title, limit=limit)}</div>'
        '<p class="rg-hint" hidden>Drag to move, Ctrl and the wheel to scale, double click for the whole.</p>'
        f"<script>{script}</script></body></html>\n"
    )


def fragment(shapes: Sequence[Shape], *, title: str | None = None, limit: int | None = LIMIT) -> str:
    """The picture as a notebook shows it inline: it scrolls where it is larger than the cell; no script.

    >>> fragment([]).startswith("<div")
    True
    """
    picture = draw_svg(shapes, title=title, limit=limit)
    return f'<div class="rg-holder" style="overflow:auto;max-height:80vh">{picture}</div>'
