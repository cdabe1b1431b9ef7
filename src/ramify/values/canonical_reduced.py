"""Canonical forms of objects of any class: what pickle would take of them."""

from __future__ import annotations

import copyreg
import functools
from typing import Any, Final

from ramify.errors import UndigestableError
from ramify.values.canonical import Attr, Parts, Walk, compound, text_token
from ramify.values.fingerprint_origin import origin_of

_PICKLERS: Final = frozenset(("copyreg", "builtins"))
"""Modules whose makers are part of how pickle works, and do nothing of their own."""


def type_name(value: Any) -> str:
    """The full name of a value's class, without `builtins.`."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def reduced(walk: Walk, value: Any) -> Parts:
    """An object, as pickle takes it: how it is made again, its state, its items. Dicts are free of order."""
    try:
        by_type = None if isinstance(value, BaseException) else _registered(type(value))
        taken = value.__reduce_ex__(4) if by_type is None else by_type(value)
    except Exception as error:
        raise UndigestableError(f"a {type_name(value)} has no stable digest ({error})") from error
    return _of_reduced(walk, value, taken)


def _registered(kind: type) -> Any:
    """What `copyreg` has for the class, if its own library, Python or the user put it there.

    Others do so too, once they are loaded: tblib, which Dask brings, for tracebacks and for all errors, which
    say themselves how they are pickled.
    """
    found = copyreg.dispatch_table.get(kind)
    if found is None:
        return None
    origin = origin_of(getattr(getattr(found, "func", found), "__module__", None))
    return found if origin.kind != "package" or origin == origin_of(kind.__module__) else None


def _of_reduced(walk: Walk, value: Any, taken: Any) -> Parts:
    if isinstance(taken, str):
        return compound(b"global", (text_token(f"{walk.code.name_of(type(value))} {taken}"),))
    function, args = taken[:2]
    state, items, entries = (*taken[2:5], None, None, None)[:3]
    tokens = [text_token(walk.code.name_of(function))]
    if getattr(function, "__module__", "") not in _PICKLERS:
        tokens.append((yield function, Attr(" its maker")))
    for number, arg in enumerate(args):
        tokens.append(
            (yield arg, Attr("") if arg is type(value) else Attr(f" argument {number} of its maker"))
        )
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):
        state = {**(state[0] or {}), **state[1]} if isinstance(state[0], dict | None) else state
    tokens.append((yield from _state(type(value), state)))
    tokens.append((yield None if items is None else list(items), Attr("")))
    tokens.append((yield None if entries is None else dict(entries), Attr("")))
    return compound(b"object", tokens)


def _state(kind: type, state: Any) -> Parts:
    """The attributes of an object, so that a path reads `x.name`; what `cached_property` left is none."""
    if type(state) is not dict:
        return (yield state, Attr(".__getstate__()"))
    tokens = []
    for name, held in state.items():
        if isinstance(name, str) and type(getattr(kind, name, None)) is functools.cached_property:
            continue
        left = yield name, Attr("")
        tokens.append(left + (yield held, Attr(f".{name}")))
    return compound(b"state", sorted(tokens)) if tokens else b"N"  # as if it had none at all
