"""The frames of a run as one GIF, drawn with Pillow from the same layout. Needs the extra `gif`.

The colours of a light page, and what lies between two that touch, are one palette for all frames, so that
nothing flickers. Frames are drawn three times as large as they are, which makes their lines smooth.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ramify.errors import MissingExtraError
from ramify.show.drawing import Box, count_text, present, tips
from ramify.show.frames import Frame
from ramify.show.labels import SIZE, plain, shortened, width
from ramify.show.outlines import Point, bows, dashes, rounded, sign_lines
from ramify.show.palette import LIGHT_PAGE, LOOKS, look
from ramify.show.picture import STATUSES, Shape, counts
from ramify.show.scene import Scene
from ramify.show.text import duration

MARGIN: Final = 20.0
HEAD: Final = 62.0
"""Room for the title, the time and what came; lines of the legend below take `LINE` each."""
LINE: Final = 22.0
NARROW: Final = 640.0
LARGEST: Final = 1600.0
"""A graph that is wider or higher, in pixels, is made smaller."""

_SMOOTH: Final = 3
_LAST: Final = 2.0
"""Seconds for which the last frame stays at least."""
_FONTS: Final = ("DejaVuSans.ttf", "Arial Unicode.ttf", "Helvetica.ttc", "arial.ttf")


def draw_gif(scene: Scene, frames: Sequence[Frame], *, seconds: float = 0.4) -> bytes:
    """A GIF that shows every frame for so many `seconds`, the last one longer, again and again.

    There must be one frame at least. Raises a MissingExtraError where Pillow is not installed.
    """
    artist = _Artist(scene)
    images = [artist.frame(frame) for frame in frames]
    step = max(20, round(1000 * seconds))
    steps = [*[step] * (len(images) - 1), max(step, round(1000 * _LAST))]
    out = io.BytesIO()
    images[0].save(out, "GIF", save_all=True, append_images=images[1:], duration=steps, loop=0, disposal=1)
    return out.getvalue()


def _pillow() -> tuple[Any, Any, Any]:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        message = "a GIF needs Pillow: pip install 'ramify[gif]'"
        raise MissingExtraError(message, package="pillow", extra="gif") from error
    return Image, ImageDraw, ImageFont


class _Artist:
    """Draws the frames of one scene, all of one size."""

    def __init__(self, scene: Scene) -> None:
        self._image, self._draw, self._font = _pillow()
        self.scene = scene
        drawing = scene.drawing
        largest = max(drawing.width, drawing.height, 1.0)
        self.scale = min(1.0, LARGEST / largest)
        self.wide = max(drawing.width * self.scale, NARROW) + 2 * MARGIN
        most = dict.fromkeys(STATUSES, len(scene.timeline.engine))
        self.legend = len(list(_flowed(most, self.wide - 2 * MARGIN)))
        self.high = HEAD + drawing.height * self.scale + self.legend * LINE + 2 * MARGIN
        self.lines = [bows(line, drawing.down) for line in drawing.lines]
        self.tips = tips(drawing, len(scene.shapes))
        self.signs = {status: sign_lines(one.sign) for status, one in LOOKS.items()}
        self.fonts: dict[float, Any] = {}
        self.palette = self._image.new("P", (1, 1))
        self.palette.putpalette(_palette())

    def frame(self, frame: Frame) -> Any:
        """One picture."""
        size = (round(self.wide) * _SMOOTH, round(self.high) * _SMOOTH)
        image = self._image.new("RGB", size, LIGHT_PAGE["page"])
        self.on = self._draw.Draw(image)
        shapes = self.scene.at(frame.states)
        self._at(1.0, MARGIN, 0.0)
        self._words(frame, counts(shapes))
        left = (self.wide - self.scene.drawing.width * self.scale) / 2
        self._at(self.scale, left, HEAD)
        self._edges(shapes)
        for shape, box in zip(shapes, self.scene.drawing.boxes, strict=False):
            if shape.count:
                self._node(shape, box)
        small = image.reduce(_SMOOTH)
        return small.quantize(palette=self.palette, dither=self._image.Dither.NONE)

    # ---- the pen

    def _at(self, scale: float, x: float, y: float) -> None:
        """From now on everything is drawn in this scale, from there."""
        self._pen = (scale * _SMOOTH, x * _SMOOTH, y * _SMOOTH)

    def _points(self, points: Sequence[Point]) -> list[Point]:
        scale, left, top = self._pen
        return [(x * scale + left, y * scale + top) for x, y in points]

    def _line(self, points: Sequence[Point], colour: str, thick: float) -> None:
        wide = max(1, round(thick * self._pen[0]))
        self.on.line(self._points(points), fill=colour, width=wide, joint="curve")

    def _text(
        self, x: float, y: float, text: str, colour: str, size: float = SIZE, anchor: str = "lm"
    ) -> None:
        scale = self._pen[0]
        font = self.fonts.get(size * scale)
        if font is None:
            font = self.fonts[size * scale] = self._face(size * scale)
        self.on.text(self._points([(x, y)])[0], plain(text), fill=colour, font=font, anchor=anchor)

    def _face(self, size: float) -> Any:
        for name in _FONTS:
            try:
                return self._font.truetype(name, max(1, round(size)))
            except OSError:
                continue  # this machine does not have it
        return self._font.load_default(max(1, round(size)))

    # ---- what is drawn

    def _words(self, frame: Frame, tally: dict[str, int]) -> None:
        room = self.wide - 2 * MARGIN
        when = duration(frame.seconds)
        self._text(0, 20, shortened(self.scene.title, (room - 90) * SIZE / 16), LIGHT_PAGE["ink"], 15)
        self._text(room, 20, when, LIGHT_PAGE["ink"], 13, "rm")
        self._text(0, 42, shortened(frame.grew, room * SIZE / 13), LIGHT_PAGE["soft"], 12)
        top = self.high - MARGIN / 2 - self.legend * LINE
        for number, row in enumerate(_flowed(tally, room)):
            x, y = 0.0, top + number * LINE + LINE / 2
            for status, text, wide in row:
                self._sign(status, x, y - 7)
                self._text(x + 20, y, text, LIGHT_PAGE["soft"], 12)
                x += wide

    def _edges(self, shapes: Sequence[Shape]) -> None:
        drawing, colour = self.scene.drawing, LIGHT_PAGE["edge"]
        there = present(shapes, drawing)
        open_ = [there[line.upper] and there[line.lower] for line in drawing.lines]
        thin = 1.3 if len(self.lines) < 400 else 0.9
        for points, is_open in zip(self.lines, open_, strict=True):
            if is_open:
                self._line(points, colour, thin)
        for ((x, y), way), lines in self.tips.items():
            if any(open_[line] for line in lines):
                back = -6.5 * way
                foot = [(x - 3.6, y + back), (x + 3.6, y + back)]
                if not drawing.down:
                    foot = [(x + back, y - 3.6), (x + back, y + 3.6)]
                self.on.polygon(self._points([(x, y), *foot]), fill=colour)

    def _node(self, shape: Shape, box: Box) -> None:
        one, middle = look(shape.status), box.y + box.height / 2
        if shape.count > 1:
            for by in (6.0, 3.0):
                behind = box._replace(x=box.x + by, y=box.y + by)
                self.on.polygon(self._points(rounded(behind)), fill=LIGHT_PAGE["page"])
                self._line(rounded(behind), _blend(one.stroke, LIGHT_PAGE["page"], 0.4), 1.2)
        outline = rounded(box)
        self.on.polygon(self._points(outline), fill=one.fill)
        for piece in dashes(outline, 4, 2.5) if one.dashed else [outline]:
            self._line(piece, one.stroke, 1.5)
        self._sign(shape.status, box.x + 9, middle - 7)
        self._text(box.x + 29, middle, box.label, LIGHT_PAGE["ink"])
        if shape.count > 1:
            self._group(shape, box, middle)

    def _group(self, shape: Shape, box: Box, middle: float) -> None:
        right = box.x + box.width - 10
        self._text(right, middle, count_text(shape.count), LIGHT_PAGE["soft"], anchor="rm")
        at, room = box.x + 8, box.width - 16
        for status, count in counts([shape]).items():
            part, foot = room * count / shape.count, box.y + box.height - 5
            corners = self._points([(at, foot), (at + part, foot + 2.6)])
            self.on.rectangle(corners, fill=look(status).stroke)
            at += part

    def _sign(self, status: str, x: float, y: float) -> None:
        one = look(status)
        for line in self.signs.get(status, ()):
            points = [(x + px * 0.875, y + py * 0.875) for px, py in line]
            if one.filled:
                self.on.polygon(self._points(points), fill=one.stroke)
            else:
                self._line(points, one.stroke, 1.75)


def _flowed(tally: dict[str, int], room: float) -> Iterator[list[tuple[str, str, float]]]:
    """The legend in lines: status, words, and how much room each takes."""
    row: list[tuple[str, str, float]] = []
    used = 0.0
    for status, count in tally.items():
        text = f"{count} {status.lower()}"
        wide = 20 + width(text, 12) + 16
        if row and used + wide > room:
            yield row
            row, used = [], 0.0
        row.append((status, text, wide))
        used += wide
    if row:
        yield row


def _palette() -> list[int]:
    """256 colours: those of the page and of each status, and steps between those that touch."""
    pairs = [(LIGHT_PAGE[one], LIGHT_PAGE["page"]) for one in ("ink", "soft", "edge")]
    for one in LOOKS.values():
        pairs += [(one.stroke, one.fill), (one.stroke, LIGHT_PAGE["page"]), (LIGHT_PAGE["ink"], one.fill)]
        pairs += [(LIGHT_PAGE["soft"], one.fill)]
    found = dict.fromkeys(_blend(one, other, step / 7) for one, other in pairs for step in range(8))
    colours = [channel for colour in list(found)[:256] for channel in _channels(colour)]
    return colours + colours[:3] * (256 - len(colours) // 3)


def _blend(one: str, other: str, share: float) -> str:
    """A colour with so much of the first one."""
    mixed = (
        round(a * share + b * (1 - share)) for a, b in zip(_channels(one), _channels(other), strict=True)
    )
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def _channels(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
