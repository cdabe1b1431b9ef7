"""Draws the pictures of docs/ARCHITECTURE.md from what they picture.

The layers come from the import contract in pyproject.toml, the states and steps from `ramify.core.table`.
`scripts/diagram.py` writes docs/_generated anew; with `--check` it writes nothing and exits with 1 when a
picture no longer shows the truth.
"""

from __future__ import annotations

import math
import sys
import tomllib
from html import escape
from pathlib import Path

from ramify.core import table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "_generated"

LAYERS = {
    "cli": "one file per command group",
    "testing": "fakes, hostile executor, contract suites",
    "web": "the page",
    "notebook": "the widget",
    "experiment": "records, stages, reports",
    "pipeline": "bash and Python tasks",
    "dag": "Job, ParametrizedJob, DAG: drafts and what they expand to",
    "show": "progress, failures, tables: folds over a journal, as text",
    "run": "Run, the driver (the only loop), recovery, control",
    "executors": "where an attempt is carried out: one file per back end",
    "worker": "one attempt of one job: load, call, capture, store, report",
    "plan": "definitions, callables and literal inputs on disk",
    "stores": "outputs",
    "journals": "what happened",
    "catalogue": "which runs there are",
    "values": "serialize, deserialize, LazyDict, codecs, how code travels",
    "files": "write and rename, lock, list",
    "settings": "flag = key = RAMIFY_*: one frozen value",
    "models": "what a person may say of retries",
    "ports": "the contracts: Executor, Store, Journal, Catalogue, Observer, Clock",
    "rebuild": "pure: when an old result is still good",
    "core": "pure: keys, graph, states, events, engine, views",
    "errors": "one tree of exceptions",
}
"""What is in each room, in a line."""

PLACES = {
    "idle": (80, 215),
    "asked": (255, 85),
    "reused": (440, 60),
    "checked": (625, 85),
    "waiting": (440, 215),
    "ready": (660, 215),
    "running": (850, 215),
    "asleep": (755, 335),
    "succeeded": (1050, 120),
    "failed": (1050, 215),
    "cancelled": (1050, 310),
    "blocked": (190, 335),
}
"""The centre of each state's box, in pixels."""

LANES = {"program": "your program", "disk": "disk", "driver": "driver and engine", "worker": "worker"}
JOURNEY = (
    ("program", "disk", "the plan: a line for each job or grid"),
    ("disk", "driver", "the graph: a node for each job"),
    ("driver", "driver", "which nodes are ready?"),
    ("driver", "disk", "journal: an attempt begins"),
    ("driver", "worker", "the order: node, attempt, job id"),
    ("disk", "worker", "the function and its inputs"),
    ("worker", "worker", "the call"),
    ("worker", "disk", "the part, and a record of it"),
    ("worker", "driver", "the outcome: digest, or what went wrong"),
    ("driver", "disk", "the sidecar; then the part gets its final name"),
    ("driver", "disk", "journal: it succeeded"),
    ("driver", "driver", "which children are ready now?"),
    ("disk", "program", "the outputs, read when they are asked for"),
)
"""What passes from whom to whom until one job's value is an output, in this order."""

HALF = (52, 18)
FONT = 'font-family="system-ui, sans-serif"'
TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0L8 4L0 8z" fill="#5b6b7c"/></marker></defs>'
)
GOOD, BAD, BUSY, REST = "#d9f2e0", "#f9dcd9", "#fdf0cf", "#e6edf5"
COMMON = 4
"""A step from this many states or more is a line of text under the picture: arrows would hide the rest."""


def main(arguments: list[str]) -> int:
    """Writes the pictures, or checks them. Returns the exit code."""
    stale = []
    for name, text in {
        "layers.svg": layers(),
        "states.svg": states(),
        "steps.md": steps(),
        "journey.svg": journey(),
    }.items():
        path = FOLDER / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(text)
    if stale:
        print("docs/_generated:", ", ".join(stale), "stale" if "--check" in arguments else "written")
    return 1 if stale and "--check" in arguments else 0


# ---- layers


def contract() -> list[list[str]]:
    """The rows of the house from top to bottom, each a list of siblings."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    rows = next(c["layers"] for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    return [[name.strip(" ()") for name in row.split("|")] for row in rows]


def layers() -> str:
    """The house as an SVG: a row for each layer; dashed is not built yet."""
    parts = []
    width, height = 860, 34
    rows = contract()
    for number, row in enumerate(rows):
        each = (width - 10 * (len(row) - 1)) / len(row)
        for place, name in enumerate(row):
            parts.append(_room(name, 10 + place * (each + 10), 10 + number * (height + 6), each, height))
    return _svg(width + 20, len(rows) * (height + 6) + 14, parts)


def _room(name: str, x: float, y: float, width: float, height: float) -> str:
    there = (ROOT / "src/ramify" / name / "__init__.py").exists() or (ROOT / f"src/ramify/{name}.py").exists()
    fill, dash = (REST, "") if there else ("#ffffff", ' stroke-dasharray="4 3"')
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{height}" rx="4" fill="{fill}" '
        f'stroke="#5b6b7c"{dash}/>'
        f'<text x="{x + 12:.0f}" y="{y + 22:.0f}" font-weight="600">{name}</text>'
        f'<text x="{x + 118:.0f}" y="{y + 22:.0f}" fill="#445" font-size="12">{escape(LAYERS[name])}</text>'
    )


# ---- states


def states() -> str:
    """The transition table as an SVG of boxes and arrows."""
    parts = [TIP]
    arrows = [(row.step, source, row.target) for row in table.ROWS for source in row.sources
              if len(row.sources) < COMMON]  # fmt: skip
    parts += [_arrow(step, table.NAMES[source], table.NAMES[target]) for step, source, target in arrows]
    parts += [_box(name, number) for number, name in enumerate(table.NAMES)]
    common = [row for row in table.ROWS if len(row.sources) >= COMMON]
    for line, row in enumerate(common):
        sources = ", ".join(table.NAMES[source] for source in row.sources)
        text = f"{row.step}: from {sources} to {table.NAMES[row.target]}"
        parts.append(f'<text x="30" y="{410 + 20 * line}" font-size="13">{escape(text)}</text>')
    return _svg(1130, 410 + 20 * len(common), parts)


def _box(name: str, number: int) -> str:
    x, y = PLACES[name]
    fill = GOOD if table.GOOD[number] else BAD if table.BAD[number] else BUSY if table.BUSY[number] else REST
    return (
        f'<rect x="{x - HALF[0]}" y="{y - HALF[1]}" width="{2 * HALF[0]}" height="{2 * HALF[1]}" rx="9" '
        f'fill="{fill}" stroke="#5b6b7c"/>'
        f'<text x="{x}" y="{y + 5}" text-anchor="middle" font-weight="600">{name}</text>'
    )


def _arrow(step: str, source: str, target: str) -> str:
    """A curve that leans to its right, so that there and back do not cover each other."""
    (x1, y1), (x2, y2) = PLACES[source], PLACES[target]
    length = math.hypot(x2 - x1, y2 - y1)
    lean = 0.0 if step == "gather" else 22.0
    bend = ((x1 + x2) / 2 - (y2 - y1) / length * lean, (y1 + y2) / 2 + (x2 - x1) / length * lean)
    (x1, y1), (x2, y2) = _border((x1, y1), bend), _border((x2, y2), bend)
    x, y = (x1 + 2 * bend[0] + x2) / 4, (y1 + 2 * bend[1] + y2) / 4
    return (
        f'<path d="M{x1:.0f} {y1:.0f}Q{bend[0]:.0f} {bend[1]:.0f} {x2:.0f} {y2:.0f}" fill="none" '
        f'stroke="#5b6b7c" marker-end="url(#tip)"/>'
        f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" font-size="12" stroke="#fff" '
        f'stroke-width="4" paint-order="stroke">{step}</text>'
    )


def _border(centre: tuple[float, float], towards: tuple[float, float]) -> tuple[int, int]:
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    scale = min(HALF[0] / abs(dx) if dx else math.inf, HALF[1] / abs(dy) if dy else math.inf)
    return round(centre[0] + dx * scale), round(centre[1] + dy * scale)


# ---- the journey


def journey() -> str:
    """How one job travels: a line for each party, and an arrow for each thing that passes."""
    apart, top, step = 320, 60, 42
    places = {lane: 90 + apart * number for number, lane in enumerate(LANES)}
    bottom = top + step * len(JOURNEY)
    parts = [TIP]
    for lane, x in places.items():
        parts.append(f'<path d="M{x} 42V{bottom}" stroke="#b8c2cc" stroke-dasharray="3 4"/>')
        parts.append(
            f'<rect x="{x - 75}" y="10" width="150" height="32" rx="9" fill="{REST}" stroke="#5b6b7c"/>'
        )
        parts.append(f'<text x="{x}" y="31" text-anchor="middle" font-weight="600">{LANES[lane]}</text>')
    for number, (source, target, text) in enumerate(JOURNEY):
        parts += _message(places[source], places[target], top + step * number + 24, f"{number + 1}. {text}")
    return _svg(places["worker"] + 140, bottom + 14, parts)


def _message(x1: int, x2: int, y: int, text: str) -> list[str]:
    """An arrow with its words above it; to oneself, a loop with its words beside it."""
    end = 'stroke="#5b6b7c" marker-end="url(#tip)"/>'
    words = f'font-size="12" stroke="#fff" stroke-width="5" paint-order="stroke">{escape(text)}</text>'
    if x1 == x2:
        loop = f'<path d="M{x1} {y - 12}h26v16h-24" fill="none" {end}'
        return [loop, f'<text x="{x1 - 8}" y="{y}" text-anchor="end" {words}']
    beside = min(x1, x2) + 12
    line = f'<path d="M{x1} {y}H{x2 - 2 if x2 > x1 else x2 + 2}" {end}'
    return [line, f'<text x="{beside}" y="{y - 8}" {words}']


def steps() -> str:
    """The states and the steps as two Markdown tables."""
    lines = ["| state | meaning |", "|---|---|"]
    lines += [f"| {name} | {meaning} |" for name, meaning in zip(table.NAMES, table.MEANINGS, strict=True)]
    lines += ["", "| step | from | to | meaning |", "|---|---|---|---|"]
    for row in table.ROWS:
        sources = ", ".join(table.NAMES[source] for source in row.sources)
        lines.append(f"| {row.step} | {sources} | {table.NAMES[row.target]} | {row.meaning} |")
    return "\n".join(lines) + "\n"


def _svg(width: float, height: float, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" {FONT} font-size="14">'
        '<rect width="100%" height="100%" fill="#fff"/>'
    )
    return "\n".join([head, *parts, "</svg>", ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
