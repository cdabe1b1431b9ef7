"""A graph in the languages of other drawing tools: Mermaid, which many pages show, and Graphviz' DOT."""

from __future__ import annotations

from collections.abc import Sequence

from ramify.show.drawing import count_text
from ramify.show.labels import plain
from ramify.show.palette import LOOKS, look
from ramify.show.picture import Shape, numbered_parents


def draw_mermaid(shapes: Sequence[Shape]) -> str:
    """The graph as a Mermaid flowchart; names are text, whatever they hold.

    >>> print(draw_mermaid([Shape("x", "load", "Completed"), Shape("y", "train", "Running", ("x",))]))
    flowchart TD
        n0["✓ load"]:::completed
        n1["▶ train"]:::running
        n0 --> n1
        classDef completed fill:#e3f5ee,stroke:#00795a,color:#1d2129
        classDef running fill:#fff5cf,stroke:#8a6a00,color:#1d2129
    <BLANKLINE>
    """
    lines = ["flowchart TD"]
    for number, shape in enumerate(shapes):
        lines.append(f'    n{number}["{_entities(_caption(shape))}"]:::{_class(shape)}')
    lines += [f"    n{parent} --> n{child}" for parent, child in _edges(shapes)]
    used = {_class(shape) for shape in shapes}
    for one in LOOKS.values():
        kind = one.name.replace("-", "_")
        if kind in used:
            dashes = ",stroke-dasharray:4 3" if one.dashed else ""
            lines.append(f"    classDef {kind} fill:{one.fill},stroke:{one.stroke},color:#1d2129{dashes}")
    return "\n".join(lines) + "\n"


def draw_dot(shapes: Sequence[Shape], *, title: str | None = None) -> str:
    r"""The graph in DOT, for Graphviz; names are text, whatever they hold.

    >>> print(draw_dot([Shape("x", 'a "b"'), Shape("y", "c", "Failed", ("x",))]))
    digraph {
        node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11]
        n0 [label="○ a \"b\"", color="#7d8490", fillcolor="#ffffff", style="rounded,filled,dashed"]
        n1 [label="✗ c", color="#b83200", fillcolor="#fde8e0"]
        n0 -> n1
    }
    <BLANKLINE>
    """
    lines = ["digraph {"]
    if title:
        lines.append(f"    label={_quoted(title)}")
    lines.append('    node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=11]')
    for number, shape in enumerate(shapes):
        one = look(shape.status)
        dashes = ', style="rounded,filled,dashed"' if one.dashed else ""
        paint = f'color="{one.stroke}", fillcolor="{one.fill}"{dashes}'
        lines.append(f"    n{number} [label={_quoted(_caption(shape))}, {paint}]")
    lines += [f"    n{parent} -> n{child}" for parent, child in _edges(shapes)]
    return "\n".join([*lines, "}"]) + "\n"


def _edges(shapes: Sequence[Shape]) -> list[tuple[int, int]]:
    return [
        (parent, child)
        for child, parents in enumerate(numbered_parents(shapes))
        for parent in dict.fromkeys(parents)
    ]


def _caption(shape: Shape) -> str:
    name = " ".join(plain(shape.name).split()) or "(no name)"
    return f"{look(shape.status).letter} {name} {count_text(shape.count)}".rstrip()


def _class(shape: Shape) -> str:
    return look(shape.status).name.replace("-", "_")


def _entities(text: str) -> str:
    """Every sign that Mermaid, Markdown or HTML could read as its own becomes a number."""
    return "".join(c if c.isalnum() or ord(c) > 127 or c in " _-." else f"#{ord(c)};" for c in text)


def _quoted(text: str) -> str:
    """A DOT string; a backslash would begin an escape of Graphviz."""
    escaped = " ".join(plain(text).split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
