"""The frames of a run as files: an SVG each, and one HTML document that plays them. Nothing is fetched.

Without its script the document shows the graph as it is at last; a policy in its head forbids all other ones.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, overload

import msgspec

from ramify.files.local import make_folder, write_atomic
from ramify.run.view import RunView
from ramify.show.drawing import tips
from ramify.show.frames import Frame, timeline
from ramify.show.html import PAN_AND_ZOOM
from ramify.show.labels import plain, xml
from ramify.show.palette import LOOKS, colours
from ramify.show.picture import LIMIT, STATUSES, Shape, counts
from ramify.show.scene import Scene
from ramify.show.svg import draw_on
from ramify.show.text import duration

SCRIPT: Final = Path(__file__).with_name("film.js")
"""The script: one function, `ramifyFilm(film, holder, bar)`."""

_START: Final = """
const ramifyHolder = document.querySelector(".rg-holder");
ramifyPanZoom(ramifyHolder, null);
const ramifyData = JSON.parse(document.querySelector("#film").textContent);
ramifyFilm(ramifyData, ramifyHolder, document.querySelector(".bar"));
"""

_BUTTONS: Final = (
    ("first", "First frame", "M3 3V13M13 3 6 8 13 13Z"),
    ("back", "One frame back", "M11 3 4 8 11 13Z"),
    ("play", "Play", "M4 2.5 13 8 4 13.5Z"),
    ("next", "One frame on", "M5 3 12 8 5 13Z"),
    ("last", "Last frame", "M13 3V13M3 3 10 8 3 13Z"),
)
"""The controls: what the script calls them, what they are called for people, their signs."""


class Film(Sequence[Frame]):
    """The frames of a run; a notebook plays them.

    `film[3]` is one, `film.svg(3)` its picture, `film.html` the page that plays all. `seconds` and `grew`
    of a frame say when it is and what had come.
    """

    def __init__(self, scene: Scene, frames: Sequence[Frame]) -> None:
        self._scene = scene
        self._frames = tuple(frames)

    def __len__(self) -> int:
        return len(self._frames)

    @overload
    def __getitem__(self, place: int) -> Frame: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Frame]: ...
    def __getitem__(self, place: int | slice) -> Frame | Sequence[Frame]:
        return self._frames[place]

    def svg(self, place: int) -> str:
        """One frame as SVG; all are of one size, and nothing in them moves."""
        return self._scene.svg(self._frames[place])

    @property
    def html(self) -> str:
        """The page that plays the frames."""
        return draw_film(self._scene, self._frames)

    def states(self, place: int) -> dict[str, str]:
        """The status of every node that was there, by key, in the words of pictures."""
        return self._scene.timeline.statuses(self._frames[place])

    def save(self, path: str | Path) -> list[Path]:
        """Writes `.html`, `.gif`, or for a name without a suffix a folder of SVG files; returns the paths.

        Another suffix is a ValueError; a GIF raises a MissingExtraError where Pillow is not installed.
        """
        target = Path(path)
        kind = target.suffix.lower()
        if not kind:
            return self._save_each(target)
        if kind == ".gif":
            from ramify.show.film_gif import draw_gif

            data = draw_gif(self._scene, self._frames)
        elif kind in (".html", ".htm"):
            data = self.html.encode()
        else:
            raise ValueError(
                f"cannot save frames as {target.name!r}: the name must end in .html or .gif, or in nothing "
                "for a folder of SVG files"
            )
        write_atomic(str(target), data)
        return [target]

    def _save_each(self, folder: Path) -> list[Path]:
        make_folder(str(folder))
        digits = max(4, len(str(len(self))))
        paths = [folder / f"frame-{number:0{digits}}.svg" for number in range(1, len(self) + 1)]
        for place, path in enumerate(paths):
            write_atomic(str(path), self.svg(place).encode())
        return paths

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{xml(self.html)}" sandbox="allow-scripts" title="{xml(self._scene.title)}"'
            ' style="width:100%;height:600px;border:0"></iframe>'
        )

    def __repr__(self) -> str:
        last = f", {duration(self._frames[-1].seconds)}" if self._frames else ""
        return f"<Film of {len(self)} {'frame' if len(self) == 1 else 'frames'}{last}>"


def film_of(
    view: RunView,
    *,
    count: int | None = None,
    at: Iterable[float | str] | None = None,
    limit: int | None = LIMIT,
) -> Film:
    """The frames of a run as they are drawn; `count` and `at` as in `frames`, `limit` as in `draw_svg`."""
    told = timeline(view)
    return Film(Scene(told, limit), told.frames(count, at))


def draw_film(scene: Scene, frames: Sequence[Frame]) -> str:
    """One HTML document that plays the frames: buttons, a slider and keys; light and dark.

    There must be one frame at least.
    """
    script = f"{PAN_AND_ZOOM.read_text(encoding='utf-8')}{SCRIPT.read_text(encoding='utf-8')}{_START}"
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    film = _film(scene, frames)
    data = msgspec.json.encode(film).decode().replace("<", "\\u003c")
    picture = draw_on(scene.drawing, scene.shapes, legend=False)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{xml(scene.title)}</title><style>{_style()}</style></head><body>"
        f"<header><h1>{xml(scene.title)}</h1>{_bar(film)}</header>"
        f'<main class="rg-holder">{picture}</main>'
        f'<script id="film" type="application/json">{data}</script>'
        f"<script>{script}</script></body></html>\n"
    )


# ---- what the script reads


def _film(scene: Scene, frames: Sequence[Frame]) -> dict[str, Any]:
    drawing = scene.drawing
    return {
        "looks": [
            {
                "status": status.lower(),
                "name": LOOKS[status].name,
                "sign": LOOKS[status].sign,
                "filled": LOOKS[status].filled,
                "dashed": LOOKS[status].dashed,
            }
            for status in STATUSES
        ],
        "names": [plain(shape.name) for shape in scene.shapes],
        "lines": [(line.upper, line.lower) for line in drawing.lines],
        "tips": list(tips(drawing, len(scene.shapes)).values()),
        "frames": [_frame(scene, frame) for frame in frames],
    }


def _frame(scene: Scene, frame: Frame) -> dict[str, Any]:
    """How the shapes are: a digit for each, the place of its status, or a dot for what is not there."""
    shapes = scene.at(frame.states)
    letters = [str(STATUSES.index(shape.status)) if shape.count else "." for shape in shapes]
    whole = counts(shapes)
    return {
        "time": duration(frame.seconds),
        "grew": plain(frame.grew),
        "states": "".join(letters),
        "counts": [whole.get(status, 0) for status in STATUSES],
        "tallies": dict(_tallies(scene, shapes)),
    }


def _tallies(scene: Scene, shapes: Sequence[Shape]) -> Iterator[tuple[str, list[int]]]:
    """Of the groups that there are: how many of their nodes are in which status."""
    for number, (shape, last) in enumerate(zip(shapes, scene.shapes, strict=True)):
        if last.count > 1 and shape.count:
            yield str(number), [shape.tally().get(status, 0) for status in STATUSES]


# ---- what a person reads


def _bar(film: dict[str, Any]) -> str:
    """The controls, and a legend of the statuses that come up."""
    frames = film["frames"]
    used = [
        status for place, status in enumerate(STATUSES) if any(frame["counts"][place] for frame in frames)
    ]
    buttons = "".join(
        f'<button type="button" data-do="{name}" aria-label="{label}" title="{label}">'
        f'<svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"><path d="{sign}"'
        ' fill="currentColor" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"/>'
        "</svg></button>"
        for name, label, sign in _BUTTONS
    )
    speeds = "".join(
        f'<option value="{speed}"{" selected" if speed == 1 else ""}>{speed}×</option>'
        for speed in (0.25, 0.5, 1, 2, 4, 10)
    )
    return (
        f'<div class="bar" hidden><div class="row">{buttons}'
        f'<input type="range" data-do="seek" min="0" max="{len(frames) - 1}" value="0" step="1"'
        ' aria-label="Frame">'
        '<output data-do="time" aria-live="off"></output>'
        f'<label>Speed <select data-do="speed">{speeds}</select></label></div>'
        f'<div class="row legend">{"".join(map(_entry, used))}</div>'
        '<div class="row grew" data-do="grew"></div></div>'
    )


def _entry(status: str) -> str:
    """A line of the legend: sign, number, word."""
    one = LOOKS[status]
    kind = "ink" if one.filled else "pen"
    shape = (
        f'<path class="{kind}" d="{one.sign}" fill="currentColor"/>'
        if one.filled
        else f'<path class="{kind}" d="{one.sign}" fill="none" stroke="currentColor" stroke-width="2"'
        ' stroke-linecap="round"/>'
    )
    return (
        f'<span data-status="{one.name}"><svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true"'
        f' class="is-{one.name}">{shape}</svg> <b>0</b> {status.lower()}</span>'
    )


def _style() -> str:
    light, dark = colours(dark=False), colours(dark=True)
    signs = "".join(f".is-{one.name}{{color:{light[one.name]}}}" for one in LOOKS.values())
    dim = "".join(f".is-{one.name}{{color:{dark[one.name]}}}" for one in LOOKS.values())
    return (
        "body{margin:0;font:14px system-ui,sans-serif;"
        f"background:{light['page']};color:{light['ink']}}}"
        "header{position:sticky;top:0;padding:10px 20px 6px;border-bottom:1px solid;z-index:1;"
        f"background:{light['page']};border-color:{light['edge']}}}"
        "h1{font-size:15px;margin:0 0 6px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}"
        ".bar[hidden]{display:none}.row{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center}"
        "button,select{font:inherit;min-width:34px;min-height:28px;color:inherit;background:transparent;"
        "border:1px solid;border-radius:6px;cursor:pointer}"
        f"button,select{{border-color:{light['edge']}}}option{{color:#000;background:#fff}}"
        "button:disabled{opacity:.4;cursor:default}:focus-visible{outline:2px solid #2477c9;"
        "outline-offset:2px}input[type=range]{flex:1;min-width:160px}"
        "output{min-width:5.5em;text-align:right;font-variant-numeric:tabular-nums}"
        ".legend{gap:2px 16px;margin-top:6px}.legend span{white-space:nowrap}.legend svg{vertical-align:-2px}"
        "b{font-weight:600;font-variant-numeric:tabular-nums;display:inline-block;min-width:1.2em;"
        f"text-align:right}}.grew{{min-height:1.4em;margin-top:4px;color:{light['soft']}}}"
        ".rg-holder{overflow:auto}.rg-holder svg{display:block;margin:0 auto;max-width:100%;height:auto}"
        f"{signs}@media (prefers-color-scheme:dark){{body{{background:{dark['page']};color:{dark['ink']}}}"
        f"header{{background:{dark['page']};border-color:{dark['edge']}}}.grew{{color:{dark['soft']}}}"
        f"button,select{{border-color:{dark['edge']}}}{dim}}}"
    )
