"""What each node's result depends on: its code, its arguments, what it declares, its parents."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from ramify.core.columns import Columns
from ramify.core.graph import GATHER, KIND, WORK
from ramify.core.keys import decode_key
from ramify.errors import RamifyDeserializationError, StorageError
from ramify.files.local import read_if_there
from ramify.plan.definition import CodeNote, Definition
from ramify.plan.opened import Plan
from ramify.plan.shape import Shape, shape_of
from ramify.rebuild.keys import Inputs, early_key, gathered, late_key, own_key
from ramify.rebuild.trace import MOST_PARENTS, Trace
from ramify.values.declared import InputCache, digest_environment, input_digest_or_absent
from ramify.values.stored import digest_of

Declared = dict[str, dict[str, str]]
"""By the id of a definition or of a point, what was declared, as texts."""

_NO_NOTE: Final = CodeNote()


class Dependencies:
    """The inputs and the keys of the nodes of one run.

    `kinds` gives each node's definition and point (-1, -1 for a node without work); both lists may grow while
    the run does. Files, variables and outputs from elsewhere are looked at once, when first asked for, and
    `declared` remembers what was found; `known` is what an earlier run had found, taken instead of looking.
    """

    def __init__(
        self,
        engine: Columns,
        plan: Plan,
        definitions: Sequence[Definition],
        points: Sequence[Sequence[str]],
        kinds: Sequence[tuple[int, int]],
        cache: InputCache | None = None,
        known: Declared | None = None,
    ) -> None:
        self.engine = engine
        self.definitions = definitions
        self.declared: Declared = {}
        self._plan = plan
        self._points = points
        self._kinds = kinds
        self._cache = cache
        self._known = known
        self._shapes: dict[int, Shape] = {}
        self._inputs: dict[int, Inputs] = {}
        self._at_point: dict[int, Inputs] = {}
        self._bases: dict[int, bytes | None] = {}
        self._alike: dict[tuple[Any, ...], bytes] = {}
        self._early: list[str | None] = []
        self._gathers: dict[int, str] = {}
        self._parts: dict[int, tuple[str, Any]] = {}

    def note(self, node: int) -> CodeNote:
        """The fingerprint of the node's function."""
        return self._note(self._kinds[node][0])

    def _note(self, number: int) -> CodeNote:
        return self._plan.codes.get(self.definitions[number].code, _NO_NOTE)

    # ---- inputs

    def inputs(self, node: int) -> Inputs:
        """What the node depends on besides its parents."""
        number, point = self._kinds[node]
        if point < 0 or not _has_templates(self.definitions[number]):
            return self._of_definition(number)
        found = self._at_point.get(node)
        if found is None:
            found = self._at_point[node] = self._of_point(node, number, self._points[number][point])
        return found

    def _of_definition(self, number: int) -> Inputs:
        found = self._inputs.get(number)
        if found is None:
            definition = self.definitions[number]
            shape = self._shapes[number] = shape_of(definition, self._note(number))
            policy, found = definition.policy, shape.inputs
            if shape.stored or policy.files or policy.environment:
                files = [path for path in policy.files if not _is_template(definition, path)]
                texts = self._found(definition.id, files, policy.environment, shape.stored)
                found = _with(shape.inputs, texts)
            self._inputs[number] = found
        return found

    def _of_point(self, node: int, number: int, point: str) -> Inputs:
        definition = self.definitions[number]
        values = dict(zip(definition.parameters, map(_told, point.split("/")), strict=False))
        files = [_filled(path, values) for path in definition.policy.files if _is_template(definition, path)]
        return _with(self._of_definition(number), self._found(self.engine.keys[node], files, (), ()))

    def _found(
        self, name: str, files: Iterable[str], variables: Iterable[str], stored: Iterable[str]
    ) -> dict[str, str]:
        if self._known is not None and name in self._known:
            texts = self._known[name]
        else:
            texts = {f"file {path}": self._file(path) for path in files}
            texts |= {f"variable {name}": _mark(d) for name, d in digest_environment(variables).items()}
            texts |= {f"outputs {path}": self._stored(path) for path in stored}
        self.declared[name] = texts
        return texts

    def _file(self, path: str) -> str:
        return f"#{input_digest_or_absent(os.path.join(self._plan.path, path), self._cache)}"

    def _stored(self, path: str) -> str:
        try:
            return f"#{digest_of(os.path.join(self._plan.path, path))}"
        except (RamifyDeserializationError, StorageError):
            return "?"

    # ---- keys

    def _base(self, node: int) -> bytes | None:
        """A definition's part of its keys; None where it is not sound."""
        number = self._kinds[node][0]
        if number in self._bases:
            return self._bases[number]
        base = self._base_of(self.inputs(node))
        if not _has_templates(self.definitions[number]):
            self._bases[number] = base
        return base

    def _base_of(self, inputs: Inputs) -> bytes | None:
        """Many jobs call one function with the same arguments, but for what comes from their parents."""
        if not inputs.is_sound:
            return None
        if inputs.declared:
            return inputs.base()
        alike = inputs.code, *inputs.args.items()
        known = self._alike.get(alike)
        if known is None:
            known = self._alike[alike] = inputs.base()
        return known

    def _point(self, node: int) -> str | None:
        number, point = self._kinds[node]
        return None if point < 0 else self._points[number][point]

    def own_key(self, node: int) -> str | None:
        """What the node's code and arguments come to; None where they are not sound."""
        base = self._base(node)
        return None if base is None else own_key(base, self._point(node))

    def early_key(self, node: int) -> str | None:
        """The early key. Those of all nodes up to this one are made on the way, parents before children."""
        keys = self._early
        while len(keys) <= node:
            keys.append(self._make_early(len(keys), keys))
        return keys[node]

    def _make_early(self, node: int, keys: list[str | None]) -> str | None:
        above = [keys[p] for p in self.engine.parents[node]]
        if self._kinds[node][0] < 0:
            return self._gather(node, above)
        base = self._base(node)
        return None if base is None else early_key(base, self._point(node), above)

    def late_key(self, node: int) -> str | None:
        """The late key, of the digests that the parents have now."""
        base = self._base(node)
        if base is None:
            return None
        takes = self.definitions[self._kinds[node][0]].takes
        keys, parents = self.engine.keys, self.engine.parents[node]
        if takes:
            digests = [
                self._taken(p, takes[keys[p]]) if keys[p] in takes else self.digest(p) for p in parents
            ]
        else:
            digests = [self.digest(p) for p in parents]
        return late_key(base, self._point(node), digests)

    def _taken(self, parent: int, parts: Sequence[str]) -> str:
        """The digest of some parts of an output that is JSON text; of none, it does not depend on it."""
        if not parts:
            return "-"
        digest = self.digest(parent)
        known = self._parts.get(parent)
        if known is None or known[0] != digest:
            number = self._kinds[parent][0]
            path = os.path.join(self._plan.outputs, self.definitions[number].stored(self._point(parent)))
            known = self._parts[parent] = digest, _json_text(f"{path}.json")
        return digest_of_parts(known[1], parts) or digest

    def digest(self, node: int) -> str:
        """The digest of what a good node has to give: its output's, or that of a whole group."""
        if self.engine.flags[node] & KIND != GATHER:
            return self.engine.digests[node]
        while self.engine.reverted:
            self._gathers.pop(self.engine.reverted.pop(), None)
        known = self._gathers.get(node)
        if known is None:
            digests = [self.digest(p) for p in self.engine.parents[node]]
            known = self._gathers[node] = self._gather(node, digests) or ""
        return known

    def _gather(self, node: int, members: Iterable[str | None]) -> str | None:
        """The key of a group: of what its members are called in it, and of their keys."""
        keys = self.engine.keys
        above = len(keys[node]) - len("@gather/")
        named = []
        for parent, key in zip(self.engine.parents[node], members, strict=True):
            if key is None:
                return None
            named.append(f"{keys[parent][above:]}={key}")
        return gathered(named)

    # ---- traces

    def trace(self, node: int) -> Trace | None:
        """The trace of what the node makes now, its parents being good; None where it is not sound."""
        late = self.late_key(node)
        if late is None:
            return None
        inputs = self.inputs(node)
        parents = self.engine.parents[node]
        names = {self.engine.keys[p]: self.digest(p) for p in parents} if len(parents) <= MOST_PARENTS else {}
        return Trace(
            code=inputs.code,
            args=inputs.args,
            late=late,
            early=self.early_key(node),
            parents=names,
            declared=inputs.declared,
            own=self.own_key(node) or "",
        )


def standing_alone(plan: Plan, stored_digest: Callable[[str], str | None]) -> Dependencies:
    """The dependencies of a plan outside of any run; `stored_digest` gives the digest of an output by its
    place, None where there is none."""
    engine = Columns()
    kinds: list[tuple[int, int]] = []
    definitions = list(plan.definitions.values())
    for key, kind, parents, definition, point in plan.graph():
        node = engine.add(key, parents, GATHER if kind == "gather" else WORK)
        kinds.append((definition, point))
        if definition >= 0:
            rows = plan.points(definitions[definition])
            place = definitions[definition].stored(rows[point] if point >= 0 else None)
            engine.digests[node] = stored_digest(place) or ""
    return Dependencies(engine, plan, definitions, [plan.points(d) for d in definitions], kinds)


def _json_text(path: str) -> Any:
    """What is written in an output that is JSON text; None where it cannot be read."""
    data = read_if_there(path)
    try:
        return None if data is None else msgspec.json.decode(msgspec.json.decode(data, type=str))
    except msgspec.MsgspecError:
        return None


def digest_of_parts(value: Any, parts: Sequence[str]) -> str | None:
    """The digest of some parts of a value; None where it has not got them.

    >>> one, other = {"a": 1, "b": {"c": 2}}, {"a": 9, "b": {"c": 2}}
    >>> digest_of_parts(one, ["b/c"]) == digest_of_parts(other, ["b/c"])
    True
    """
    found = []
    for part in parts:
        name, slash, key = part.partition("/")
        try:
            found.append(value[name][key] if slash else value[name])
        except (KeyError, TypeError):
            return None
    return blake2b(msgspec.json.encode(found, order="sorted"), digest_size=16).hexdigest()


def _with(inputs: Inputs, texts: Mapping[str, str]) -> Inputs:
    unread = tuple(f"the {name} cannot be read" for name, text in texts.items() if text == "?")
    return Inputs(inputs.code, inputs.args, (*inputs.unsound, *unread), {**inputs.declared, **texts})


def _mark(digest: str | None) -> str:
    return "unset" if digest is None else f"#{digest}"


def _has_templates(definition: Definition) -> bool:
    files = definition.policy.files
    return bool(files) and any(_is_template(definition, path) for path in files)


def _is_template(definition: Definition, path: str) -> bool:
    return any(f"{{{name}}}" in path for name in definition.parameters)


def _told(name: str) -> str:
    """A key as a path shows it."""
    return str(decode_key(name))


def _filled(path: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), path)
