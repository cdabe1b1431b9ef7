"""Modules that are imported by a function when it is called.

Whether such a module is loaded already depends on what ran before, and a fingerprint must not. So its file is
read, and not run: what its import does counts whole, classes too, and of its plain functions those that are
reached. What it imports itself is followed in the same way.
"""

from __future__ import annotations

import builtins
import functools
import sys
import types
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ramify.values.fingerprint_code import Import, Scan, scan
from ramify.values.fingerprint_modules import down, say_if_open
from ramify.values.fingerprint_names import absolute_name, digest_of, module_label, told_in
from ramify.values.fingerprint_outline import Outline
from ramify.values.fingerprint_unloaded import Found, find_module

if TYPE_CHECKING:
    from ramify.values.fingerprint_follow import Follower

_ALONE = ""
"""In the place of the name of what is imported: nothing but the import itself."""

_STALE = "its file was changed after it was imported"

_looks: dict[str, tuple[Any, Outline]] = {}
"""Of each module how it was loaded, and what was in its file then, as far as that was seen."""


class LateImports:
    """What a follower has read of such modules: the parts `source of helpers`, `source of helpers.clean`."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._read: set[tuple[str, str]] = set()
        self._reached: set[tuple[str, tuple[str, ...]]] = set()

    def imported(self, wanted: Import, namespace: Mapping[str, Any], where: str) -> list[str]:
        """Follows an import in code whose globals are `namespace`; returns what is read of it, as what."""
        module = absolute_name(wanted, namespace)
        self._packages_above(module, str(namespace.get("__name__", "")), where)
        if not wanted.chains:
            return [f"{module_label(module)}={self.reach(module, (_ALONE,), where)}"]
        first = () if wanted.name is None else (wanted.name,)
        refs = []
        for chain in wanted.chains:
            steps = (*first, *chain)
            refs.append(f"{'.'.join((module_label(module), *steps))}={self.reach(module, steps, where)}")
        return refs

    def named_in(self, texts: Iterable[str], namespace: Mapping[str, Any], where: str) -> list[str]:
        """Modules of the user's own that are named in code that imports by name, with dots before or not."""
        names = list(dict.fromkeys(texts))
        packages = [*filter(_is_dotted, names), str(namespace.get("__package__") or "")]
        for text in [text for text in names if text.startswith(".")]:
            beneath = Import(text.lstrip("."), len(text) - len(text.lstrip(".")), None, ())
            names += [absolute_name(beneath, {"__package__": package}) for package in packages if package]
        refs = []
        self._follower.steady = False
        for name in dict.fromkeys(filter(_is_dotted, names)):
            found = find_module(name)
            if found is not None and found.origin.kind == "own":
                self._packages_above(name, str(namespace.get("__name__", "")), where)
                refs.append(f"{module_label(name)}={self.reach(name, (), where)}")
        return refs

    def _packages_above(self, module: str, importer: str, where: str) -> None:
        """The packages that are imported before the module; those of the importer itself are there."""
        steps = module.split(".")
        for package in (".".join(steps[:depth]) for depth in range(1, len(steps))):
            if not f"{importer}.".startswith(f"{package}.") and find_module(package) is not None:
                self.reach(package, (_ALONE,), where)

    def reach(self, module: str, steps: tuple[str, ...], where: str) -> str:
        """Follows `steps` down from a module, all of it where there are none; returns what to call that."""
        found = find_module(module)
        name = module_label(module)
        if found is None:
            self._follower.steady = False  # it may come
            return self._without_file(module, steps, where)
        self._follower.note(found.origin)
        if found.origin.kind != "own":
            self._say_if_open(module, steps, where)
            return ".".join((name, *steps))
        self._follower.steady = False
        if (module, steps) in self._reached:
            return f"source of {'.'.join((name, *steps))}"
        self._reached.add((module, steps))
        if found.is_package and steps and find_module(f"{module}.{steps[0]}") is not None:
            self.reach(f"{module}.{steps[0]}", steps[1:], where)
        if found.outline is not None:
            self._visit(module, found, found.outline, steps)
        elif found.file is not None:
            self._follower.file(f"extension module {name}", found.file)
        return f"source of {'.'.join((name, *steps))}"

    def _without_file(self, module: str, steps: tuple[str, ...], where: str) -> str:
        """A module that was made by a program, or is not there."""
        loaded = sys.modules.get(module)
        if loaded is not None:
            inner = () if steps == (_ALONE,) else steps
            return down(self._follower, loaded, inner, module_label(module), where)
        self._follower.unfollowed[f"{module_label(module)}{told_in(where)}, which is not to be found"] = None
        return "nothing"

    def _say_if_open(self, module: str, steps: tuple[str, ...], where: str) -> None:
        value: Any = sys.modules.get(module)
        for depth, step in enumerate(steps, 1):
            value = vars(value).get(step) if isinstance(value, types.ModuleType) else None
            say_if_open(self._follower, value, ".".join((module, *steps[:depth])), where)

    def _visit(self, module: str, found: Found, outline: Outline, steps: tuple[str, ...]) -> None:
        """Reads a module, and of its functions those that `steps` reach: all, where there are none."""
        label = module_label(module)
        home = {"__name__": module, "__package__": found.package}
        waiting = [*steps[:1]] if steps else [*outline.functions]
        if (module, _ALONE) not in self._read:
            self._read.add((module, _ALONE))
            self._follower.parts[f"source of {label}"] = digest_of(outline.rest.token)
            if _is_from_before(module, outline):
                self._follower.unsound[f"{label}: {_STALE}"] = None
            self._go_on(outline.rest, home, label)
            waiting += (*outline.reads, "__getattr__")
        for name in steps[:1] or outline.imports:  # what it has from another module, and hands on
            for wanted in outline.imports.get(name, ()):
                self._later(replace(wanted, chains=(steps[1:],)), home, label)
        while waiting:
            reached = waiting.pop()
            if reached not in outline.functions or (module, reached) in self._read:
                continue
            self._read.add((module, reached))
            waiting += self._function(module, reached, outline, home)

    def _function(self, module: str, name: str, outline: Outline, home: Mapping[str, Any]) -> list[str]:
        """One function of such a module; returns the global names that it reads."""
        label = f"{module_label(module)}.{name}"
        scans = [scan(code) for code in outline.functions[name]]
        self._follower.parts[f"source of {label}"] = digest_of(*(found.token for found in scans))
        if _is_stale(sys.modules.get(module), name, outline.bodies[name]):
            self._follower.unsound[f"{label}: {_STALE}"] = None
        for found in scans:
            self._go_on(found, home, label)
            for first, *steps in found.chains:
                for wanted in outline.imports.get(first, ()):
                    self._later(replace(wanted, chains=(tuple(steps),)), home, label)
        return [chain[0] for found in scans for chain in found.chains]

    def _go_on(self, found: Scan, home: Mapping[str, Any], where: str) -> None:
        for chain in found.chains:
            say_if_open(self._follower, vars(builtins).get(chain[0]), chain[0], where)
        for wanted in found.imports:
            self._later(wanted, home, where)
        if found.imports_by_name:
            self._follower.later(functools.partial(self._named_in, found.texts, home, where))

    def _later(self, wanted: Import, home: Mapping[str, Any], where: str) -> None:
        self._follower.later(functools.partial(self._imported, wanted, home, where))

    def _imported(self, wanted: Import, home: Mapping[str, Any], where: str) -> None:
        self.imported(wanted, home, where)

    def _named_in(self, texts: Iterable[str], home: Mapping[str, Any], where: str) -> None:
        self.named_in(texts, home, where)


def _is_dotted(text: str) -> bool:
    """Whether it may be the full name of a module."""
    return all(step.isidentifier() for step in text.split("."))


def _is_from_before(module: str, outline: Outline) -> bool:
    """Whether what is loaded was in the file at an earlier look, and another import would be there now.

    Every load, the second one of a module too, has a spec of its own.
    """
    spec = getattr(sys.modules.get(module), "__spec__", None)
    known, seen = _looks.get(module, (None, outline))
    loaded_since = known is None and spec is not None
    _looks[module] = spec, seen if spec is not None and (spec is known or loaded_since) else outline
    return _looks[module][1].rest.token != outline.rest.token


def _is_stale(loaded: types.ModuleType | None, name: str, codes: tuple[types.CodeType, ...]) -> bool:
    """Whether a module that is loaded has another function of this name than its file has now."""
    if loaded is None:
        return False
    held = vars(loaded).get(name)
    while isinstance(held, types.FunctionType) and "__wrapped__" in held.__dict__:
        held = held.__dict__["__wrapped__"]
    if not isinstance(held, types.FunctionType) or held.__globals__ is not vars(loaded):
        return False
    tokens = [scan(code).token for code in codes]
    return held.__code__.co_name == name and scan(held.__code__).token not in tokens
