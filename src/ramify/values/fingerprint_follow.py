"""Follows code from function to function, through the user's own modules.

What is met first is named first, and waits in a queue: cycles and depth cost nothing. Every part has a name
that a person can read; two things of one name are told apart by `#2`. A part refers to others by their names,
so that exchanging two of them is a change.
"""

from __future__ import annotations

import sys
import types
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from ramify.errors import UndigestableError
from ramify.values.canonical import ATOMS, Code, Walk
from ramify.values.canonical_objects import begin, registry_of
from ramify.values.fingerprint_class import visit_class
from ramify.values.fingerprint_code import scan, texts_in
from ramify.values.fingerprint_late import LateImports
from ramify.values.fingerprint_modules import IMPORTER, follow_module, resolve
from ramify.values.fingerprint_names import (
    MISSING,
    Numbers,
    digest_of,
    held_in,
    home_of,
    is_by_name,
    is_made_elsewhere,
    is_surroundings,
    label,
    module_name,
    object_name,
    told_in,
    wrapped_by,
)
from ramify.values.fingerprint_origin import Origin, file_of, origin_of

_NUMBERS: Final = (bool, int, float, complex, type(None))
_LONGEST_NUMBER: Final = 40
_DEEPEST: Final = 20
_C_CODE: Final = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)


class Follower(Code):
    """Collects the parts of a fingerprint. `drain()` ends it.

    What must still be so for the parts to hold is kept beside them: `watched` names of namespaces, and the
    `sizes` of those that may get new ones, `functions`, `classes` and `cells` as they were, the classes
    `registered` with others, `mutable` values with their tokens; `steady` is False where that is not all.
    """

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.unsound: dict[str, None] = {}
        self.unfollowed: dict[str, None] = {}
        self.watched: list[tuple[Mapping[str, Any], str, Any]] = []
        self.sizes: list[tuple[Mapping[str, Any], int]] = []
        self.functions: list[tuple[types.FunctionType, Any, Any, Any, int]] = []
        self.classes: list[tuple[type, tuple[type, ...]]] = []
        self.registered: list[tuple[type, list[type]]] = []
        self.cells: list[tuple[types.CellType, Any]] = []
        self.mutable: list[tuple[Any, bytes]] = []
        self.steady = True
        self.walk = Walk(self, begin)
        self._queue: deque[Callable[[], None]] = deque()
        self._labels: dict[tuple[int, int], str] = {}
        self._count: dict[str, int] = {}
        self._kept: list[Any] = []
        self._met: list[Any] = []
        self.number = Numbers()
        self.late = LateImports(self)

    def later(self, task: Callable[[], None]) -> None:
        """Puts off what would go deeper."""
        self._queue.append(task)

    def drain(self) -> None:
        """Goes on until nothing waits."""
        while self._queue:
            self._queue.popleft()()

    # ---- what values ask

    def token_of_code(self, code: types.CodeType) -> bytes:
        return scan(code).token

    def met(self, value: Any) -> None:
        self._met.append(value)

    def name_of(self, value: Any) -> str:
        return object_name(value)

    def is_by_name(self, value: Any) -> bool:
        return is_by_name(value)

    # ---- values

    def value(self, name: str, value: Any) -> None:
        """A part that is a value: a number as it is, else its digest. What has none makes all unsound."""
        token = self.token(value, name)
        if token is None:
            self.parts[name] = "?"
        elif type(value) in _NUMBERS and len(token) <= _LONGEST_NUMBER:
            self.parts[name] = f"={value!r}"
        else:
            self.parts[name] = digest_of(token)

    def token(self, value: Any, name: str) -> bytes | None:
        """The token of a value, and the code in it is followed. None: there is none, and that is noted."""
        try:
            token = self.walk.token(value, name)
        except UndigestableError as error:
            self.unsound[error.message] = None
            self.steady = False
            self._met.clear()
            return None
        if not _is_fixed(value):
            self.mutable.append((value, token))
        met, self._met = self._met, []
        # The order in which a set was walked says nothing.
        for held in sorted(met, key=_sorting) if len(met) > 1 else met:
            self._follow_in_value(held)
        return token

    def _follow_in_value(self, value: Any) -> None:
        """Of a function in a value, its closure and defaults are in the value's digest already."""
        home = home_of(value) if isinstance(value, types.FunctionType) else getattr(value, "__module__", None)
        if home is not None and origin_of(home).kind == "own":
            self.steady = False
        if isinstance(value, types.FunctionType) and origin_of(home_of(value)).kind == "own":
            code, namespace = value.__code__, value.__globals__
            key = (id(code), id(namespace))
            if key not in self._labels:
                name = self._label(key, code, label(value))
                self._queue.append(lambda: self._code(name, code, namespace))
        else:
            self.follow(value, label(value))

    # ---- what code reaches

    def follow(self, value: Any, name: str, where: str = "") -> str:
        """Follows what a name leads to, and returns what to call that; `name` is what it is found by."""
        if isinstance(value, types.FunctionType):
            return self._follow_function(value)
        if isinstance(value, type):
            return self._follow_class(value)
        if isinstance(value, types.ModuleType):
            return follow_module(self, value)
        if isinstance(value, types.MethodType):
            inner = self.follow(value.__func__, name)
            return f"{inner} of {self.follow(value.__self__, f'{name}.__self__')}"
        if isinstance(value, _C_CODE) and not _is_bound(value):
            return self._follow_c(value)
        wrapped = wrapped_by(value)
        if wrapped is not None:
            self.note(origin_of(type(value).__module__))
            return self.follow(wrapped, name)
        if is_surroundings(value):
            self.unfollowed[f"{name}{told_in(where)}"] = None
            return name
        part = f"constant {name}"
        if part not in self.parts:
            self.value(part, value)
        return part

    def note(self, origin: Origin) -> None:
        """Of what others wrote, the version counts."""
        if origin.kind == "package":
            self.parts[f"package {origin.name}"] = origin.version

    def _follow_function(self, function: types.FunctionType) -> str:
        origin = origin_of(home_of(function))
        self.note(origin)
        if origin.kind != "own" and is_by_name(function):
            return object_name(function)
        key = (id(function), 0)
        if key not in self._labels:
            name = self._label(key, function, label(function))
            self._queue.append(lambda: self._function(name, function, origin.kind == "own"))
        return f"code of {self._labels[key]}"

    def _function(self, label: str, function: types.FunctionType, own: bool) -> None:
        """A function: its code and what it holds."""
        of = f" of {label}" if len(self._labels) > 1 and next(iter(self._labels.values())) != label else ""
        code = function.__code__
        size = len(function.__dict__)
        self.functions.append((function, code, function.__defaults__, function.__kwdefaults__, size))
        if own:
            self._code(label, code, function.__globals__)
        else:  # the version answers for what it reaches, and no name for which function it is
            self.parts[f"code of {label}"] = digest_of(scan(code).token)
        registry = registry_of(function)
        if registry is not None:
            self.value(f"registry{of}", registry)
            return
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            held = held_in(cell)
            self.cells.append((cell, held))
            self.held(f"closure value {name}{of}", held)
        defaults = function.__defaults__ or ()
        defaults = defaults[max(0, len(defaults) - code.co_argcount) :]
        names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
        keywords = function.__kwdefaults__ or {}
        self.watched += [(keywords, name, held) for name, held in keywords.items()]
        self.sizes.append((keywords, len(keywords)))
        for name, held in (*zip(names, defaults, strict=True), *keywords.items()):
            self.held(f"default of {name}{of}", held)
        for name, held in sorted(function.__dict__.items()):
            self.watched.append((function.__dict__, name, held))
            if name == "__wrapped__":
                self.follow(held, f"{label}.__wrapped__")
            elif own:
                self.held(f"attribute {name}{of}", held)

    def held(self, name: str, held: Any) -> None:
        """What a function holds: a reference to the code that it is, or a value."""
        if held is MISSING:
            self.parts[name] = "empty"
        elif isinstance(held, types.FunctionType | type | types.ModuleType):
            self.parts[name] = self.follow(held, name)
        else:
            self.value(name, held)

    def _code(self, label: str, code: types.CodeType, namespace: dict[str, Any]) -> None:
        found = scan(code)
        self.parts[f"code of {label}"] = ""  # its place is before those that it reaches
        refs = []
        by_name = found.imports_by_name
        for chain in found.chains:
            ref = "" if chain[0] in found.lends else resolve(self, namespace, chain, label)
            if ref:
                refs.append(self.ref(f"{'.'.join(chain)}={ref}"))
            by_name = by_name or ref == IMPORTER  # whatever it is called here
        for wanted in found.imports:
            refs += [self.ref(ref) for ref in self.late.imported(wanted, namespace, label)]
        if by_name:
            held = [namespace.get(chain[0]) for chain in found.chains]
            texts = [*texts_in(code), *(text for text in held if isinstance(text, str))]
            refs += [self.ref(ref) for ref in self.late.named_in(texts, namespace, label)]
        for name in found.asks:
            self.unfollowed[f".{name}{told_in(label)}"] = None
        self.parts[f"code of {label}"] = digest_of(found.token, *sorted(refs))

    def ref(self, text: str) -> bytes:
        """A reference to other code, as it counts in the code that holds it."""
        return self.number(text).encode("utf-8", "surrogatepass")

    def _follow_c(self, value: Any) -> str:
        """A C function: by the version of what it is of; by the library's file, if that is the user's own."""
        holder = getattr(value, "__objclass__", value)
        module = getattr(holder, "__module__", None)
        origin = origin_of(module) if module is not None else None
        name = object_name(value)
        if origin is None:
            return name
        self.note(origin)
        file = file_of(sys.modules.get(module or ""))
        if origin.kind == "own" and file is not None and not file.endswith(".py"):
            self.file(f"extension module {module_name(module)}", file)
        elif origin.kind == "own":
            self.unfollowed[name] = None
        return name

    def file(self, name: str, file: str) -> None:
        """A part that is what a file holds."""
        with open(file, "rb") as opened:
            self.parts[name] = digest_of(opened.read())

    # ---- classes

    def _follow_class(self, cls: type) -> str:
        origin = origin_of(cls.__module__)
        self.note(origin)
        if origin.kind != "own" and not (origin.kind == "python" and is_made_elsewhere(cls)):
            return object_name(cls)
        key = (id(cls), 0)
        if key not in self._labels:
            name = self._label(key, cls, label(cls))
            self._queue.append(lambda: visit_class(self, name, cls))
        return f"class {self._labels[key]}"

    def is_new(self, module: types.ModuleType, name: str) -> bool:
        """Whether the module has not been met yet; from now on it has."""
        key = (id(module), 0)
        if key in self._labels:
            return False
        self._kept.append(module)
        self._labels[key] = name
        return True

    def _label(self, key: tuple[int, int], value: Any, name: str) -> str:
        self._kept.append(value)  # what is known by its id() must not go away
        number = self._count[name] = self._count.get(name, 0) + 1
        told = self._labels[key] = name if number == 1 else f"{name} #{number}"
        return told


def _sorting(value: Any) -> tuple[str, bytes]:
    token = scan(value.__code__).token if isinstance(value, types.FunctionType) else b""
    return object_name(value), token


def _is_fixed(value: Any, depth: int = 0) -> bool:
    if type(value) in (tuple, frozenset):
        return depth < _DEEPEST and all(_is_fixed(item, depth + 1) for item in value)
    return type(value) in ATOMS and not isinstance(value, bytearray)


def _is_bound(value: Any) -> bool:
    holder = getattr(value, "__self__", None)
    return holder is not None and not isinstance(holder, types.ModuleType | type)
