"""Failures that are alike, told as one: their texts with what differs from job to job taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from ramify.run.view import RunView
from ramify.show.status import failed_jobs
from ramify.show.text import Paint, one_line, several, visible

_LONGEST: Final = 2000
_MASKS: Final = (
    (re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`|‘[^’\n]*’|“[^”\n]*”"), "'...'"),
    (re.compile(r"\w+://\S+"), "<url>"),
    (re.compile(r"(?<![\w.])~?\.{0,2}(?:/[^\s:,;()'\"]+)+/?|\b[\w.-]+(?:/[\w.-]+)+"), "<path>"),
    (
        re.compile(r"\b0x[0-9a-fA-F]+\b|\b(?=[0-9a-fA-F-]*\d)(?=[0-9a-fA-F-]*[a-fA-F])[0-9a-fA-F-]{7,}\b"),
        "<hex>",
    ),
    (re.compile(r"[-+]?\d+(?:[.,:]\d+)*(?:[eE][-+]?\d+)?"), "<n>"),
)


class Kind(msgspec.Struct, frozen=True):
    """Jobs that failed alike. `number` counts from 1, the most frequent kind first."""

    number: int
    text: str
    keys: tuple[str, ...]


def mask(text: str) -> str:
    """A text without what differs between failures of one kind: quoted texts, paths, hex, numbers.

    An exit code stays: another one is another failure.

    >>> mask("line 17 of /data/a.txt: no 'x9' (exit code 3)")
    "line <n> of <path>: no '...' (exit code 3)"
    """
    parts = re.split(r"(exit code \d+|SIG[A-Z]+)", text[:_LONGEST])
    for number in range(0, len(parts), 2):
        for pattern, sign in _MASKS:
            parts[number] = pattern.sub(sign, parts[number])
    return " ".join("".join(parts).split())


def by_signature(failures: Iterable[tuple[str, str]]) -> list[Kind]:
    """Failures, as keys and texts, by kind; the same failures have the same numbers every time.

    >>> [(kind.number, kind.keys) for kind in by_signature([("a", "no 1"), ("b", "bad"), ("c", "no 2")])]
    [(1, ('a', 'c')), (2, ('b',))]
    """
    found: dict[str, list[str]] = {}
    for key, text in failures:
        found.setdefault(mask(text), []).append(key)
    order = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Kind(number, text, tuple(keys)) for number, (text, keys) in enumerate(order, 1)]


def failures_of(view: RunView) -> list[tuple[str, str]]:
    """The failed jobs of a run, and what was wrong with each."""
    told = [(job.job_id, job.failure or {}) for job in failed_jobs(view)]
    return [(key, f"{f.get('type', 'failure')}: {f.get('message', '')}".rstrip(": ")) for key, f in told]


def triage_lines(kinds: Sequence[Kind], pen: Paint, most: int = 20) -> list[str]:
    """A line for each kind, with its number, how many jobs, and some of them below it."""
    lines: list[str] = []
    for kind in kinds[:most]:
        count = len(kind.keys)
        head = pen.red(f"✗ {kind.number}") + f"  {count} {'job' if count == 1 else 'jobs'}  "
        lines += [head + pen.bold(one_line(kind.text, 160)), f"     {pen.dim(several(list(kind.keys)))}"]
    left = kinds[most:]
    if left:
        lines.append(pen.dim(f"and {len(left)} more kinds, {sum(len(kind.keys) for kind in left)} jobs"))
    return lines


def triage_document(kinds: Sequence[Kind]) -> list[dict[str, Any]]:
    """The kinds as plain values."""
    return [
        {"number": kind.number, "signature": visible(kind.text), "count": len(kind.keys), "keys": kind.keys}
        for kind in kinds
    ]
