"""What the results of a definition depend on, read from its line of the plan; nothing is imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec

from ramify.plan.definition import CodeNote, Definition, Spec
from ramify.rebuild.keys import Inputs

_SHORT: Final = 60
"""Characters of an argument that a trace keeps as it is written; of a longer one it keeps a digest."""

_json = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class Shape:
    """The inputs of a definition, with placeholders: `$0`, `$1`, ... for its dependencies, in their order,
    and `@0`, `@1`, ... for outputs from elsewhere, whose paths are `stored`.
    """

    inputs: Inputs
    stored: tuple[str, ...] = ()


def shape_of(definition: Definition, note: CodeNote) -> Shape:
    """The shape of a definition whose function has this fingerprint.

    An argument without a digest, or a function without a fingerprint, makes it unsound: it always runs.
    """
    reader = _Reader(definition.dependencies)
    args = {name: _kept(reader.text(spec, name)) for name, spec in definition.args.items()}
    inputs = Inputs(note.digest, args, (*note.unsound, *reader.unsound))
    return Shape(inputs, tuple(reader.stored))


class _Reader:
    """Turns specs into texts, and collects the references on the way."""

    def __init__(self, dependencies: Sequence[str]) -> None:
        self.place = {name: number for number, name in enumerate(dependencies)}
        self.stored: list[str] = []
        self.unsound: list[str] = []

    def text(self, spec: Spec, name: str) -> str:
        """A text that is equal exactly when the argument is; dicts and sets are free of order."""
        if "value" in spec:
            return _json(spec["value"]).decode()
        if "path" in spec:
            return f"path {spec['path']}"
        for kind, mark in (("job", ""), ("group", "/"), ("same", "/*")):
            if kind in spec:
                return f"${self.place[spec[kind] + mark]}"
        if "stored" in spec:
            self.stored.append(spec["stored"])
            return f"@{len(self.stored) - 1}{_json(spec.get('members')).decode()}"
        if "file" in spec:
            return self._digest(spec, name)
        if "pickle" in spec:
            held = ",".join(self.text(inner, name) for inner in spec["holds"])
            return f"{self._digest(spec, name)}({held})"
        return self._container(spec, name)

    def _digest(self, spec: Spec, name: str) -> str:
        digest = spec.get("digest")
        if digest is None:
            why = spec.get("unsound", "it has no digest")
            self.unsound.append(f"argument {name}: {why}")
            return "?"
        return f"#{digest}"

    def _container(self, spec: Spec, name: str) -> str:
        ((kind, items),) = spec.items()
        read: Callable[[Any], str] = lambda item: self.text(item, name)  # noqa: E731  # named for its two uses
        if kind == "dict":
            pairs = [f"{read(key)}:{read(item)}" for key, item in items]
            return f"dict({','.join(sorted(pairs))})"
        texts = [read(item) for item in items]
        return f"{kind}({','.join(sorted(texts) if kind in ('set', 'frozenset') else texts)})"


def _kept(text: str) -> str:
    """As a trace keeps it: short texts as they are, of long ones a digest."""
    if len(text) <= _SHORT:
        return f"={text}"
    return "#" + blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
