"""The fingerprint of a function: what its result depends on, besides its arguments.

That is its code, what it holds (closure, defaults), the functions, classes and constants of the user's own
modules that it reaches, the versions of the distributions that it uses, and the version of Python. Comments,
docstrings, formatting, line numbers, annotations of functions and names of files do not count; annotations of
functions inside functions do, for they are computed there, and so may line breaks inside a `match` pattern.

What it cannot follow is named in `unfollowed`. Two things are not seen at all: a value (no function or class)
that is put into a module of a library, and what an object leaves out of what pickle would take of it.
"""

from __future__ import annotations

import functools
import types
import weakref
from dataclasses import dataclass, field
from typing import Any, Final

from ramify.errors import UndigestableError
from ramify.values import fingerprint_origin
from ramify.values.fingerprint_class import registered_with
from ramify.values.fingerprint_follow import Follower
from ramify.values.fingerprint_names import MISSING, digest_of, held_in, label, shown

_BIGGEST_CACHE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`digest` stands for all of it; None: there is no sound one, and `unsound` says why.

    `parts` are named for a reader (`code of flow.count`, `constant helpers.FACTOR`, `closure value scale`,
    `package numpy`), the function's own first; a part is a digest, a version, the name of other code, or `=`
    and a number. `unfollowed` names what could not be followed and is taken for unchanged.
    """

    digest: str | None
    parts: dict[str, str] = field(default_factory=dict)
    unsound: tuple[str, ...] = ()
    unfollowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    function: weakref.ref[types.FunctionType]
    python: str
    result: Fingerprint
    follower: Follower


_cache: dict[int, _Known] = {}


def forget_fingerprints() -> None:
    """Drops all that is known, of distributions too: the next fingerprints are made afresh."""
    _cache.clear()
    fingerprint_origin.forget_origins()


def fingerprint(func: Any, *, version: str | None = None) -> Fingerprint:
    """The fingerprint of a callable: a function, a class, a partial, a bound method, a callable object.

    With `version` that text alone stands for the code. Nothing is run or imported; what has not changed since
    the last call is not looked at again.

    >>> one = fingerprint(lambda x: x + 1)
    >>> one.digest == fingerprint(lambda x: x + 1).digest, one.digest == fingerprint(lambda x: x + 2).digest
    (True, False)
    >>> fingerprint(len, version="3").parts
    {'version': '3'}
    """
    if version is not None:
        return Fingerprint(
            digest_of(b"version", version.encode("utf-8", "surrogatepass")), {"version": version}
        )
    known = _cache.get(id(func))
    if known is not None and known.function() is func and _still_holds(known):
        return known.result
    follower = Follower()
    root = _follow_root(follower, func)
    follower.drain()
    result = _result(follower, root)
    if follower.steady and type(func) is types.FunctionType:
        _remember(func, result, follower)
    return result


def _follow_root(follower: Follower, func: Any) -> str:
    """Follows the callable; returns what to call it."""
    if isinstance(func, functools.partial):
        root = _follow_root(follower, func.func)
        for number, held in enumerate(func.args):
            follower.held(f"argument {number}", held)
        for name, held in sorted(func.keywords.items()):
            follower.held(f"argument {name}", held)
        return f"partial of {root}"
    if isinstance(func, types.MethodType):
        root = follower.follow(func.__func__, label(func.__func__))
        follower.held("self", func.__self__)
        return f"method {root}"
    if isinstance(func, type | types.FunctionType | types.ModuleType) or not _has_state(func):
        return follower.follow(func, label(func))
    follower.follow(type(func), label(type(func)))
    follower.value("self", func)
    return f"object of {label(type(func))}"


def _has_state(func: Any) -> bool:
    """Whether it is an object of a class with `__call__`, and no function in another form."""
    if isinstance(func, types.BuiltinFunctionType):
        return not isinstance(func.__self__, types.ModuleType | None)
    return not hasattr(func, "__wrapped__") and not hasattr(func, "__objclass__")


def _result(follower: Follower, root: str) -> Fingerprint:
    parts = {**follower.parts, "python": fingerprint_origin.PYTHON}
    unsound = tuple(map(shown, follower.unsound))
    numbered = sorted(follower.number(f"{name}\0{text}") for name, text in parts.items())
    tokens = [text.encode("utf-8", "surrogatepass") for text in (follower.number(root), *numbered)]
    told = {shown(name): shown(text) for name, text in parts.items()}
    return Fingerprint(
        None if unsound else digest_of(*tokens), told, unsound, tuple(map(shown, follower.unfollowed))
    )


def _remember(func: types.FunctionType, result: Fingerprint, follower: Follower) -> None:
    if len(_cache) >= _BIGGEST_CACHE:
        _cache.clear()
    _cache[id(func)] = _Known(weakref.ref(func), fingerprint_origin.PYTHON, result, follower)


def _still_holds(known: _Known) -> bool:
    """Whether every name leads where it led, and every value that can change is what it was."""
    seen = known.follower
    if known.python != fingerprint_origin.PYTHON:
        return False
    for namespace, name, value in seen.watched:
        if namespace.get(name, MISSING) is not value:
            return False
    for function, code, defaults, keywords, size in seen.functions:
        if (
            function.__code__ is not code
            or function.__defaults__ is not defaults
            or function.__kwdefaults__ is not keywords
            or len(function.__dict__) != size
        ):
            return False
    for cell, value in seen.cells:
        if held_in(cell) is not value:
            return False
    if any(len(namespace) != size for namespace, size in seen.sizes):
        return False
    if any(cls.__bases__ is not bases for cls, bases in seen.classes):
        return False
    if any(registered_with(cls) != registered for cls, registered in seen.registered):
        return False
    return not seen.mutable or _same_values(seen)


def _same_values(seen: Follower) -> bool:
    fresh = Follower()
    try:
        return all(fresh.walk.token(value) == token for value, token in seen.mutable)
    except UndigestableError:
        return False
