"""Canonical forms of what is no plain container: code, members of enums, paths, objects of any class.

An object says itself what it is made of: by `__digest__`, by a registered function, by what pickle would take
of it. Objects that pickle cannot take (locks, open files, generators) have no digest.
"""

from __future__ import annotations

import functools
import types
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from pathlib import PurePath
from typing import Any, Final

from ramify.errors import UndigestableError
from ramify.values.canonical import (
    Attr,
    Parts,
    Walk,
    bytes_token,
    compound,
    enum_parts,
    pairs,
    path_parts,
    text_token,
    unordered,
)
from ramify.values.canonical_libraries import library_parts
from ramify.values.canonical_reduced import reduced, type_name

_REGISTERED: Final[dict[type, Callable[[Any], Any]]] = {}
_BUILTIN: Final = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_WRAPPERS: Final = (
    staticmethod,
    classmethod,
    functools.cached_property,
    functools.partialmethod,
    functools.singledispatchmethod,
)
_PATH_CACHE: Final = frozenset(n for cls in PurePath.__mro__ for n in getattr(cls, "__slots__", ()))
_LAZY_DICT: Final = "ramify.values.lazy"


def register(cls: type, function: Callable[[Any], Any]) -> None:
    """Objects of `cls` and of its subclasses are made of what `function` returns of them."""
    _REGISTERED[cls] = function


def begin(walk: Walk, value: Any) -> Parts:
    """The generator for an object that is no plain container. Raises `UndigestableError`."""
    kind = type(value)
    own = _own_digest(value, kind)
    if own is not None:
        return _by_own_digest(walk, value, own)
    if kind.__module__ == _LAZY_DICT:
        return _lazy_dict(walk, value)
    for kinds, build in _KINDS:
        if isinstance(value, kinds):
            return build(walk, value)
    return library_parts(walk, value) or reduced(walk, value)


def _own_digest(value: Any, kind: type) -> Callable[[Any], Any] | None:
    if isinstance(value, type):
        return None  # its `__digest__` is for its objects
    if _REGISTERED:
        for cls in kind.__mro__:
            if cls in _REGISTERED:
                return _REGISTERED[cls]
    found: Callable[[Any], Any] | None = getattr(kind, "__digest__", None)
    return found


def _by_own_digest(walk: Walk, value: Any, function: Callable[[Any], Any]) -> Parts:
    said = function(value)
    if said is value:
        raise UndigestableError(f"the digest of a {type_name(value)} is said to be made of the object itself")
    name = text_token(
        walk.code.name_of(type(value))
    )  # its class says what it is made of, so the code does not count
    return compound(b"own", (name, (yield said, Attr(".__digest__()"))))


# ---- code


def registry_of(function: types.FunctionType) -> dict[type, Any] | None:
    """The implementations of what `singledispatch` makes; the rest of its closure is a cache."""
    if function.__globals__ is not vars(functools) or "registry" not in function.__dict__:
        return None
    return dict(function.__dict__["registry"])


def _function(walk: Walk, value: types.FunctionType) -> Parts:
    """By name, if a library's or the interpreter's; else what it does, and what it holds."""
    walk.code.met(value)
    if walk.code.is_by_name(value):
        return compound(b"name", (text_token(walk.code.name_of(value)),))
    tokens = [text_token(walk.code.name_of(value)), walk.code.token_of_code(value.__code__)]
    registry = registry_of(value)
    if registry is not None:
        return compound(b"singledispatch", (*tokens, (yield registry, Attr(".registry"))))
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            held = cell.cell_contents
        except ValueError:  # it is not filled yet
            tokens.append(b"?")
        else:
            tokens.append((yield held, Attr(f" closure value {name}")))
    tokens.append((yield value.__defaults__, Attr(".__defaults__")))
    tokens.append((yield value.__kwdefaults__, Attr(".__kwdefaults__")))
    for name, held in sorted(value.__dict__.items()):
        if name != "__wrapped__":  # the closure has it, if the function calls it
            tokens += text_token(name), (yield held, Attr(f".{name}"))
    return compound(b"function", tokens)


def _named(walk: Walk, value: Any) -> Parts:
    """A class, a module, a C function: its name; what it does is for whoever follows code."""
    walk.code.met(value)
    return compound(b"name", (text_token(walk.code.name_of(value)),))
    yield


def _builtin(walk: Walk, value: Any) -> Parts:
    holder = getattr(value, "__self__", None)
    if holder is None or isinstance(holder, types.ModuleType):
        return (yield from _named(walk, value))
    name = text_token(value.__name__)
    return compound(b"method", (name, (yield holder, Attr(".__self__"))))


def _method(walk: Walk, value: types.MethodType) -> Parts:
    function = yield value.__func__, Attr(".__func__")
    return compound(b"method", (function, (yield value.__self__, Attr(".__self__"))))


def _property(walk: Walk, value: property) -> Parts:
    tokens = []
    for name in ("fget", "fset", "fdel"):
        tokens.append((yield getattr(value, name), Attr(f".{name}")))
    return compound(b"property", tokens)


def _wrapper(walk: Walk, value: Any) -> Parts:
    """What a class body puts around a function."""
    if isinstance(value, functools.cached_property):
        held: Any = value.func
    elif isinstance(value, functools.partialmethod):
        held = (value.func, value.args, value.keywords)
    elif isinstance(value, functools.singledispatchmethod):
        held = (value.func, dict(value.dispatcher.registry))
    else:
        held = value.__func__
    return compound(type(value).__name__.encode(), ((yield held, Attr(".__func__")),))


def _cached(walk: Walk, value: Any) -> Parts:
    """What `lru_cache` makes: the function; what is in the cache does not count."""
    return compound(b"cached", ((yield value.__wrapped__, Attr(".__wrapped__")),))


# ---- objects


def _lazy_dict(walk: Walk, value: Any) -> Parts:
    from ramify.values.lazy import link_of

    return bytes_token(b"LazyDict", link_of(value).digest.encode())
    yield


def _set_of_a_class(walk: Walk, value: Any) -> Parts:
    """A subclass of a set: pickle would take its items in the order of their hashes."""
    tokens = [(yield type(value), Attr(".__class__")), (yield from unordered(walk, value, b"items"))]
    tokens.append((yield _attributes(value), Attr(".__dict__")))
    return compound(b"set of a class", tokens)


def _ordered_of_a_class(walk: Walk, value: Any) -> Parts:
    tokens = [(yield type(value), Attr(".__class__")), *(yield from pairs(walk, value))]
    tokens.append((yield _attributes(value), Attr(".__dict__")))
    return compound(b"OrderedDict of a class", tokens)


def _attributes(value: Any) -> Any:
    """What the object holds beside its items, in slots too."""
    return object.__getstate__(value)


def _path(walk: Walk, value: PurePath) -> Parts:
    """A path; one of a class of somebody's own with its class, and what it holds."""
    plain = yield from path_parts(walk, value)
    if type(value).__module__.partition(".")[0] == "pathlib":
        return plain
    tokens = [plain, (yield type(value), Attr(".__class__"))]
    held = {name: item for name, item in getattr(value, "__dict__", {}).items() if name not in _PATH_CACHE}
    tokens.append((yield held, Attr(".__dict__")))
    return compound(b"path of a class", tokens)


_Builder = Callable[[Walk, Any], Parts]
_KINDS: Final[tuple[tuple[Any, _Builder], ...]] = (
    (types.FunctionType, _function),
    ((type, types.ModuleType), _named),
    (_BUILTIN, _builtin),
    (types.MethodType, _method),
    (property, _property),
    (_WRAPPERS, _wrapper),
    (type(functools.lru_cache(len)), _cached),
    (Enum, enum_parts),
    (PurePath, _path),
    (OrderedDict, _ordered_of_a_class),
    ((set, frozenset), _set_of_a_class),
)
