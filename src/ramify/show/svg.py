"""A graph as one SVG document that needs nothing else: no font, no script, no other file.

The colours stand in attributes, so that a viewer without style sheets shows them; a small style sheet turns
them dark where the reader's system or the page around wants that. Every status has a sign besides its colour.
The names of nodes are text of people: they are escaped, and shortened with the whole name as a tooltip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from ramify.show.drawing import Box, Drawing, Line, count_text, drawn, present, tips
from ramify.show.labels import SIZE, plain, shortened, width, xml
from ramify.show.palette import LIGHT_PAGE, LOOKS, Look, colours, look
from ramify.show.picture import LIMIT, Shape, counts, fold

MARGIN: Final = 20.0
SMALLEST: Final = 0.6
"""Where a page shrinks the picture to its width, no further than this: below it names cannot be read."""

LEGEND: Final = 22.0
HEADING: Final = 30.0
NARROW: Final = 640.0
"""A title or a legend makes a small picture so wide at most."""
FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif"


def draw_svg(
    shapes: Sequence[Shape], *, title: str | None = None, limit: int | None = LIMIT, legend: bool = True
) -> str:
    """The graph as SVG; more than `limit` shapes are folded first, None folds nothing.

    A title stands above the graph, and a line below tells what the colours mean and how many nodes there are
    of each. Two shapes with one id are a ValueError.

    >>> draw_svg([Shape("1", "load", "Completed")]).startswith("<svg xmlns=")
    True
    """
    shown = list(shapes) if limit is None else fold(shapes, limit)
    return draw_on(drawn(shown), shown, title=title, legend=legend)


def draw_on(
    drawing: Drawing,
    shapes: Sequence[Shape],
    *,
    title: str | None = None,
    legend: bool = True,
    least: tuple[float, int] = (0.0, 0),
) -> str:
    """The shapes in the places of a drawing that was made before, with a box for each of them.

    A shape with the `count` 0 keeps its place, and is not drawn. `least` keeps pictures alike in size: how
    wide the graph's room and how many lines the legend's are at least.

    >>> one = [Shape("1", "load")]
    >>> draw_on(drawn(one), one) == draw_svg(one)
    True
    """
    tally = counts(shapes)
    top = MARGIN + (HEADING if title else 0.0)
    entries = list(_legend(tally)) if legend else []
    needed = max(width(title or "", 16.5), sum(extent for _, extent in entries))
    wide = max(drawing.width, least[0], min(needed, NARROW))
    rows = _flowed(entries, wide)
    lines = max(len(rows), least[1])
    tall = top + drawing.height + (LEGEND * lines + 12 if lines else 0) + MARGIN
    left = MARGIN + (wide - drawing.width) / 2
    wide += 2 * MARGIN
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ramify-graph" role="img"'
            f' aria-label="{xml(_spoken(title, tally))}"'
            f' viewBox="0 0 {_n(wide)} {_n(tall)}" width="{_n(wide)}" height="{_n(tall)}"'
            f' style="min-width:{_n(wide * SMALLEST)}px"'
            f' font-family="{FONT}" font-size="{SIZE}">',
            f"<style>{STYLE}</style>",
            f'<rect class="rg-page" width="100%" height="100%" rx="6" fill="{LIGHT_PAGE["page"]}"/>',
            _heading(title, wide) if title else "",
            f'<g transform="translate({_n(left)} {_n(top)})">',
            *_graph(shapes, drawing),
            "</g>",
            *_legend_rows(rows, top + drawing.height + LEGEND + 6),
            "</svg>",
        ]
    )


def legend_lines(tally: dict[str, int], room: float) -> int:
    """How many lines a legend takes.

    >>> legend_lines({"Completed": 3, "Failed": 1}, 640), legend_lines({"Completed": 3, "Failed": 1}, 90)
    (1, 2)
    """
    return len(_flowed(list(_legend(tally)), room))


def _spoken(title: str | None, tally: dict[str, int]) -> str:
    """The picture for those who hear it."""
    numbers = ", ".join(f"{count} {status.lower()}" for status, count in tally.items())
    return f"{title or 'Graph'}: {numbers or 'no nodes'}"


def _style() -> str:
    light = ";".join(f"--rg-{name}:{colour}" for name, colour in colours(dark=False).items())
    dark = ";".join(f"--rg-{name}:{colour}" for name, colour in colours(dark=True).items())
    rules = [
        f".ramify-graph{{{light};color-scheme:light}}",
        f"@media (prefers-color-scheme:dark){{.ramify-graph{{{dark};color-scheme:dark}}}}",
        # A page that has a theme of its own is right about it: JupyterLab, the manual.
        f'[data-jp-theme-light="true"] .ramify-graph,[data-theme="light"] .ramify-graph{{{light}}}',
        f'[data-jp-theme-light="false"] .ramify-graph,[data-theme="dark"] .ramify-graph{{{dark}}}',
        ".ramify-graph{max-width:none}",
        ".rg-page{fill:var(--rg-page)}",
        ".rg-ink{fill:var(--rg-ink)}",
        ".rg-soft{fill:var(--rg-soft)}",
        ".rg-edge{stroke:var(--rg-edge)}",
        ".rg-tip{fill:var(--rg-edge)}",
    ]
    for one in LOOKS.values():
        rules.append(f".rg-box-{one.name}{{stroke:var(--rg-{one.name});fill:var(--rg-{one.name}-fill)}}")
        rules.append(f".rg-pen-{one.name}{{stroke:var(--rg-{one.name})}}")
        rules.append(f".rg-ink-{one.name}{{fill:var(--rg-{one.name})}}")
    return "".join(rules)


STYLE: Final = _style()


def _n(number: float) -> str:
    """A number without needless digits."""
    return f"{number:.1f}".rstrip("0").rstrip(".")


def _heading(title: str, wide: float) -> str:
    return (
        f'<text class="rg-ink" x="{_n(MARGIN)}" y="{_n(MARGIN + 10)}" font-size="15" font-weight="600"'
        f' fill="{LIGHT_PAGE["ink"]}">{xml(shortened(title, (wide - 2 * MARGIN) * SIZE / 16.5))}</text>'
    )


# ---- the graph


def _graph(shapes: Sequence[Shape], drawing: Drawing) -> Iterator[str]:
    """Edges first, as they may touch no box and no name."""
    edge = LIGHT_PAGE["edge"]
    thin = 1.3 if len(drawing.lines) < 400 else 0.9
    there = present(shapes, drawing)
    yield f'<g class="rg-edge" fill="none" stroke="{edge}" stroke-width="{thin}">'
    names = [shape.id for shape in shapes] + [""] * (len(drawing.boxes) - len(shapes))
    for line in drawing.lines:
        if there[line.upper] and there[line.lower]:
            ends = f'data-from="{xml(names[line.upper])}" data-to="{xml(names[line.lower])}"'
            yield f'<path d="{_path(line, drawing.down)}" {ends}/>'
    yield f'</g><g class="rg-tip" fill="{edge}">'
    for (place, way), lines in tips(drawing, len(shapes)).items():
        if any(there[drawing.lines[n].upper] and there[drawing.lines[n].lower] for n in lines):
            yield _tip(place, way, drawing.down)
    for number, junction in enumerate(drawing.boxes[len(shapes) :], len(shapes)):
        if there[number]:
            yield f'<circle cx="{_n(junction.x)}" cy="{_n(junction.y)}" r="3"/>'
    yield "</g>"
    for shape, box in zip(shapes, drawing.boxes, strict=False):
        if shape.count:
            yield _node(shape, box)


def _path(line: Line, down: bool) -> str:
    """Bows between the layers, straight pieces beside the boxes."""
    parts = [f"M{_at(line.points[0])}"]
    for number, (one, other) in enumerate(pairwise(line.points)):
        aligned = one[0] == other[0] if down else one[1] == other[1]
        if aligned or number % 2 == 0:
            parts.append(f"L{_at(other)}")
        elif down:
            middle = (one[1] + other[1]) / 2
            parts.append(f"C{_at((one[0], middle))} {_at((other[0], middle))} {_at(other)}")
        else:
            middle = (one[0] + other[0]) / 2
            parts.append(f"C{_at((middle, one[1]))} {_at((middle, other[1]))} {_at(other)}")
    return "".join(parts)


def _at(point: tuple[float, float]) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _tip(place: tuple[float, float], way: int, down: bool) -> str:
    x, y = place
    back = -6.5 * way
    if down:
        return f'<path d="M{_at((x, y))}L{_at((x - 3.6, y + back))}H{_n(x + 3.6)}Z"/>'
    return f'<path d="M{_at((x, y))}L{_at((x + back, y - 3.6))}V{_n(y + 3.6)}Z"/>'


def _node(shape: Shape, box: Box) -> str:
    one = look(shape.status)
    middle = box.y + box.height / 2
    return "".join(
        [
            f'<g class="rg-node" data-id="{xml(shape.id)}">',
            f"<title>{xml(_tooltip(shape))}</title>",
            _cards(box, one) if shape.count > 1 else "",
            _rect(box, one),
            _sign(one, box.x + 9, middle - 7),
            f'<text class="rg-ink" x="{_n(box.x + 29)}" y="{_n(middle + 4.4)}"'
            f' fill="{LIGHT_PAGE["ink"]}">{xml(box.label)}</text>',
            _group(shape, box, middle) if shape.count > 1 else "",
            "</g>",
        ]
    )


def _tooltip(shape: Shape) -> str:
    count = count_text(shape.count)
    lines = [f"{shape.name} {count}".strip()]
    tally = counts([shape])
    lines.append(shape.status if shape.count == 1 else ", ".join(f"{n} {s}" for s, n in tally.items()))
    return "\n".join([*lines, *shape.title.splitlines()])


def _rect(box: Box, one: Look) -> str:
    dashes = ' stroke-dasharray="4 2.5"' if one.dashed else ""
    return (
        f'<rect class="rg-box-{one.name}" x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}"'
        f' height="{_n(box.height)}" rx="6" fill="{one.fill}" stroke="{one.stroke}"'
        f' stroke-width="1.5"{dashes}/>'
    )


def _cards(box: Box, one: Look) -> str:
    """The edges of the cards behind the first: a group is a pile."""
    right, foot = box.x + box.width, box.y + box.height
    outlines = [
        f"M{_n(box.x + 6)} {_n(foot + by)}H{_n(right - 6 + by)}a6 6 0 0 0 6-6V{_n(box.y + 6)}"
        for by in (3.0, 6.0)
    ]
    return (
        f'<path class="rg-pen-{one.name}" d="{"".join(outlines)}" fill="none" stroke="{one.stroke}"'
        ' stroke-width="1.2" opacity=".6"/>'
    )


def _sign(one: Look, x: float, y: float) -> str:
    kind, paint = ("rg-ink", "fill") if one.filled else ("rg-pen", "stroke")
    other = "" if one.filled else ' fill="none" stroke-width="2" stroke-linecap="round"'
    return (
        f'<path class="{kind}-{one.name}" transform="translate({_n(x)} {_n(y)}) scale(.875)" d="{one.sign}"'
        f' {paint}="{one.stroke}"{other}/>'
    )


def _group(shape: Shape, box: Box, middle: float) -> str:
    """How many, and a bar that is parted by status."""
    right = box.x + box.width
    parts = [
        f'<text class="rg-soft" x="{_n(right - 10)}" y="{_n(middle + 4.4)}" text-anchor="end"'
        f' fill="{LIGHT_PAGE["soft"]}">{count_text(shape.count)}</text>'
    ]
    tally = counts([shape])
    at, room = box.x + 8, box.width - 16
    for status, count in tally.items():
        one, part = look(status), room * count / max(1, sum(tally.values()))
        parts.append(
            f'<rect class="rg-ink-{one.name}" x="{_n(at)}" y="{_n(box.y + box.height - 5)}"'
            f' width="{_n(part)}" height="2.6" fill="{one.stroke}"/>'
        )
        at += part
    return "".join(parts)


# ---- the legend


def _legend(tally: dict[str, int]) -> Iterator[tuple[str, float]]:
    """One entry for each status that there is, and how much room it takes."""
    if not tally:
        yield f'<text class="rg-soft" font-size="12" fill="{LIGHT_PAGE["soft"]}">no nodes</text>', 60
    for status, count in tally.items():
        one = look(status)
        text = f"{count} {plain(status)}"
        sign = _sign(one, 0, -11)
        yield (
            f'{sign}<text class="rg-soft" x="20" font-size="12" fill="{LIGHT_PAGE["soft"]}">'
            f"{xml(text)}</text>",
            20 + width(text, 12) + 18,
        )


def _flowed(entries: Sequence[tuple[str, float]], room: float) -> list[list[tuple[str, float]]]:
    """The entries in lines that are no wider than the picture."""
    rows: list[list[tuple[str, float]]] = []
    for entry in entries:
        if not rows or sum(extent for _, extent in rows[-1]) + entry[1] > room:
            rows.append([])
        rows[-1].append(entry)
    return rows


def _legend_rows(rows: Sequence[Sequence[tuple[str, float]]], y: float) -> Iterator[str]:
    for number, row in enumerate(rows):
        x = MARGIN
        for entry, extent in row:
            yield f'<g transform="translate({_n(x)} {_n(y + number * LEGEND)})">{entry}</g>'
            x += extent
