"""What was true when a result was made, and how it compares with what is true now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ramify.rebuild.keys import Inputs

MOST_PARENTS: Final = 50
"""So many parents' digests a trace keeps by name; of more it knows only whether all are the same."""

RUN: Final = "RUN"
MAYBE: Final = "MAYBE"
REUSE: Final = "REUSE"
LOAD: Final = "LOAD"
SKIP: Final = "SKIP"

VERDICTS: Final = {
    RUN: "it will run",
    MAYBE: "it runs only if the new output of what it needs differs",
    REUSE: "its output stands, and nothing that runs reads it",
    LOAD: "its output stands, and something that runs reads it",
    SKIP: "nothing wants it",
}


@dataclass(frozen=True, slots=True)
class Trace:
    """A result's past: fingerprint of the code, texts of the arguments and of what was declared, digests of
    the parents, and the keys.

    `early` is None where the code, an argument or something upstream had no sound digest.
    """

    code: str | None
    args: dict[str, str]
    late: str
    early: str | None = None
    parents: dict[str, str] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    own: str = ""

    def to_record(self) -> dict[str, Any]:
        """As it stands in the sidecar of the output."""
        record = {
            "code": self.code,
            "args": self.args,
            "own": self.own,
            "early": self.early,
            "late": self.late,
            "parents": self.parents,
        }
        return {**record, "declared": self.declared} if self.declared else record


def trace_of(record: Mapping[str, Any]) -> Trace | None:
    """The trace in a sidecar; None where there is none, or none that this version understands."""
    found = record.get("trace")
    if not isinstance(found, dict) or not isinstance(found.get("late"), str):
        return None
    texts = {name: found.get(name) for name in ("args", "parents", "declared")}
    args, parents, declared = (text if isinstance(text, dict) else {} for text in texts.values())
    return Trace(
        code=found.get("code"),
        args=args,
        late=found["late"],
        early=found.get("early"),
        parents=parents,
        declared=declared,
        own=str(found.get("own", "")),
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """The one reason of a verdict. `kind` is one of

    `no output`, `damaged`, `no trace`, `forced`, `code`, `argument`, `declared`, `upstream`, `maybe`,
    `unsound`, `off`, `same`, `elsewhere`, `exists`, `failed`, `by hand`, `held`, `not needed`; `subject`
    names what it is about, `old` and `new` what it was and is.
    """

    kind: str
    subject: str = ""
    old: str = ""
    new: str = ""

    @property
    def text(self) -> str:
        """The reason in words.

        >>> Cause("argument", "lr", "0.1", "0.2").text
        'argument lr changed: 0.1 -> 0.2'
        """
        change = f": {self.old} -> {self.new}" if self.old and self.new else ""
        if self.kind == "argument":
            return f"argument {self.subject} changed{change}"
        if self.kind in ("code", "declared"):
            return f"{self.subject or 'its code'} changed{change}"
        if self.kind == "maybe":
            return f"if the new output of {self.subject} differs"
        if self.kind == "elsewhere":
            return f"the same was made in {self.subject}"
        if self.kind == "upstream":
            return f"upstream {self.subject} changed" if self.subject else "something upstream changed"
        if self.kind == "unsound":
            return f"cannot be judged: {self.subject}"
        if self.kind in ("damaged", "failed") and self.subject:
            return self.subject
        words = {
            "no output": "it has no output",
            "damaged": "its output is damaged",
            "no trace": "nothing says what its output was made of",
            "forced": "forced",
            "off": "reuse is off",
            "same": "nothing that it depends on changed",
            "exists": "its output is there",
            "held": "held back by --until",
            "by hand": "it was completed by hand",
        }
        return words.get(self.kind, self.kind)


def own_change(trace: Trace, now: Inputs) -> Cause | None:
    """What changed about the job itself: its code or an argument; None where nothing did."""
    if not now.is_sound:
        return Cause("unsound", now.unsound[0] if now.unsound else "its code has no fingerprint")
    if trace.code != now.code:
        return Cause("code")
    return _differing("argument", trace.args, now.args) or _differing(
        "declared", trace.declared, now.declared
    )


def _differing(kind: str, old: Mapping[str, str], new: Mapping[str, str]) -> Cause | None:
    """The first text that is new, is another or is gone."""
    for name in (*new, *old):
        if old.get(name) != new.get(name):
            return Cause(kind, name, _told(old.get(name, "")), _told(new.get(name, "")))
    return None


def code_change(old: Mapping[str, str], new: Mapping[str, str]) -> Cause:
    """Which parts of a fingerprint differ: two by name, of more the number of the others.

    >>> code_change({"code of f": "1", "constant X": "=2"}, {"code of f": "1", "constant X": "=3"}).text
    'constant X changed: 2 -> 3'
    """
    names = [name for name in (*new, *(n for n in old if n not in new)) if old.get(name) != new.get(name)]
    if len(names) == 1:
        return Cause("code", names[0], _told(old.get(names[0], "")), _told(new.get(names[0], "")))
    return Cause("code", " and ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} others")


def upstream_change(trace: Trace, now: Mapping[str, str]) -> Cause:
    """Which parent's output differs from the one that the result was made of."""
    for name, digest in now.items():
        if trace.parents.get(name, digest) != digest:
            return Cause("upstream", name)
    new = [name for name in now if name not in trace.parents]
    return Cause("upstream", new[0] if len(new) == 1 and len(now) <= MOST_PARENTS else "")


def _told(text: str) -> str:
    """A short value as it is written, and nothing of a digest."""
    return text[1:] if text.startswith("=") else ""
