"""`ramify graph`: the graph of a run as a picture, at any moment, or as it grew."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import click

from ramify.cli.find import RUN_HELP, complete_run, find_run, instance_option
from ramify.cli.output import json_option, put_json, put_lines, verbose_option
from ramify.core.graph import GATHER, KIND
from ramify.files.local import write_atomic
from ramify.show.film import Film
from ramify.show.frames import COUNT, WORDS, Frame, Timeline, timeline
from ramify.show.picture import LIMIT, Shape, counts
from ramify.show.scene import Scene
from ramify.show.status import shortest
from ramify.show.text import visible

_KINDS: Final = (".svg", ".html", ".mmd", ".dot")
_FILMS: Final = {"frames": ("",), "animate": (".html", ".htm"), "gif": (".gif",)}
"""What the names of the files must end in, by option."""


@click.command(epilog=RUN_HELP)
@click.argument("run", required=False, shell_complete=complete_run)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    help="The file to draw to: .svg, .html, .mmd (Mermaid) or .dot; NAME.svg if nothing is said.",
)
@click.option("--at", metavar="WHEN", help="How it was after so many seconds, or at a share such as 50%.")
@click.option("--frames", type=click.Path(file_okay=False), help="Draw how it grew: SVG files in a folder.")
@click.option(
    "--animate", type=click.Path(dir_okay=False), help="Draw how it grew: one HTML page that plays it."
)
@click.option("--gif", type=click.Path(dir_okay=False), help="Draw how it grew: a GIF; needs Pillow.")
@click.option("--count", type=click.IntRange(1), default=COUNT, show_default=True, help="Frames at most.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=LIMIT,
    show_default=True,
    help="With more nodes than this, those of like names are drawn as one.",
)
@instance_option
@verbose_option
@json_option
def graph(
    run: str | None,
    output: str | None,
    at: str | None,
    frames: str | None,
    animate: str | None,
    gif: str | None,
    count: int,
    limit: int,
    as_json: bool,
    **_: Any,
) -> None:
    """Draw the graph of a run as it is, as it was at a moment, or as it grew.

    Example: ramify graph latest --animate growth.html
    """
    _check(output, at, frames=frames, animate=animate, gif=gif)
    told = timeline(find_run(run))
    scene = Scene(told, limit)
    made = []
    if frames or animate or gif:
        film = Film(scene, told.frames(count))
        made = [path for path in (frames, animate, gif) if path]
        for path in made:
            film.save(path)
    (frame,) = told.frames(at=["100%" if at is None else at])
    if output or not (made or as_json):
        made.append(_still(scene, frame, output or f"{told.name}.svg", at is not None))
    if as_json:
        put_json(_document(told, frame, made))
    else:
        put_lines(visible(shortest(os.path.abspath(path))) for path in made)


def _check(output: str | None, at: str | None, **films: str | None) -> None:
    """Refuses what cannot be drawn before anything is."""
    if at is not None and any(films.values()):
        raise click.UsageError("--at is one moment, --frames, --animate and --gif are all: give one of them")
    for path, suffixes in ((output, _KINDS), *((films[name], _FILMS[name]) for name in films)):
        if path and os.path.splitext(path)[1].lower() not in suffixes:
            wanted = f"end in {', '.join(suffixes)}" if suffixes[0] else "have no suffix: it is a folder"
            raise click.UsageError(f"cannot draw to {path!r}: its name must {wanted}")


def _still(scene: Scene, frame: Frame, path: str, is_moment: bool) -> str:
    """Draws one picture. An SVG of a moment has its nodes where they are at last, as frames have."""
    from ramify.show.graph_text import draw_dot, draw_mermaid
    from ramify.show.html import draw_html
    from ramify.show.svg import draw_svg

    kind = os.path.splitext(path)[1].lower()
    shapes = [shape for shape in scene.at(frame.states) if shape.count]
    title = scene.title if not is_moment else f"{scene.title}  ·  {scene.caption(frame)}"
    draw: Callable[[list[Shape]], str] = {
        ".svg": lambda shapes: scene.svg(frame) if is_moment else draw_svg(shapes, title=title, limit=None),
        ".html": lambda shapes: draw_html(shapes, title=title, limit=None),
        ".mmd": draw_mermaid,
        ".dot": lambda shapes: draw_dot(shapes, title=title),
    }[kind]
    write_atomic(path, draw(shapes).encode())
    return path


def _document(told: Timeline, frame: Frame, made: list[str]) -> dict[str, Any]:
    """What `--json` says; times are seconds since the beginning of the run.

    A parent that is none of the nodes is one of the `gathers`: it stands for all that are told there.
    """
    engine = told.engine
    nodes = [
        {
            "id": engine.keys[node],
            "name": told.name_of(node),
            "status": WORDS[state],
            "parents": [engine.keys[parent] for parent in engine.parents[node]],
        }
        for node, state in enumerate(frame.states)
        if told.is_shown(node)
    ]
    return {
        "name": told.name,
        "status": told.status,
        "seconds": frame.seconds,
        "counts": counts(Shape(str(n["id"]), "", str(n["status"])) for n in nodes),
        "nodes": nodes,
        "gathers": _gathers(told, len(frame.states)),
        "growths": [
            {
                "seconds": growth.seconds,
                "by": growth.by or None,
                "nodes": [engine.keys[node] for node in growth.nodes if told.is_shown(node)],
            }
            for growth in told.growths
        ],
        "files": [os.path.abspath(path) for path in made],
    }


def _gathers(told: Timeline, known: int) -> dict[str, list[str]]:
    engine = told.engine
    return {
        engine.keys[node]: [engine.keys[parent] for parent in engine.parents[node]]
        for node in range(known)
        if engine.flags[node] & KIND == GATHER
    }
