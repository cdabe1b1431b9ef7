"""Whether arguments fit a function, known before anything runs. A signature is read once per function."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Callable, Collection
from typing import Any, Final, NamedTuple

from ramify.errors import ArgumentError, NotCallableError

_KEYWORDS: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class _Shape(NamedTuple):
    """The names that a function takes by keyword; `allowed` is None where it takes any."""

    required: frozenset[str]
    allowed: frozenset[str] | None


_shapes: weakref.WeakKeyDictionary[Callable[..., Any], _Shape | None] = weakref.WeakKeyDictionary()


def check_arguments(func: Callable[..., Any], names: Collection[str]) -> None:
    """Raises what a call with these keyword arguments would, as far as the signature tells.

    `NotCallableError` for what cannot be called, `ArgumentError` for missing and unknown names and for
    required positional-only parameters. A function without a signature is not checked.

    >>> check_arguments(lambda x, y: 0, ["x"])
    Traceback (most recent call last):
        ...
    ramify.errors.ArgumentError: <lambda>() misses the argument 'y'
    """
    try:
        shape = _shapes[func]
    except KeyError:
        shape = _shapes[func] = _read(func)
    except TypeError:  # no weak reference, or not hashable
        shape = _read(func)
    if shape is None:
        return
    given = set(names)
    if not shape.required <= given:
        raise _misfit(func, "misses", shape.required - given)
    if shape.allowed is not None and not given <= shape.allowed:
        raise _misfit(func, "does not take", given - shape.allowed)


def function_name(func: Any) -> str:
    """What people call a function; work that is no function says it as its `ramify_name`."""
    named = getattr(type(func), "ramify_name", None)
    if isinstance(named, str):
        return named
    inner = getattr(func, "func", func)  # a partial has the name of what it wraps
    return getattr(inner, "__qualname__", None) or type(func).__qualname__


def _read(func: Callable[..., Any]) -> _Shape | None:
    if not callable(func):
        raise NotCallableError(f"{func!r} of type {type(func).__name__} cannot be called: pass a function")
    try:
        parameters = inspect.signature(func).parameters.values()
    except (ValueError, TypeError):  # some builtins have none
        return None
    fixed = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.default is p.empty]
    if fixed:
        raise ArgumentError(
            f"{function_name(func)}() takes {_listed(fixed)} by position only, and a job passes by "
            "name: wrap it in a function with named parameters",
            function=function_name(func),
            names=fixed,
        )
    named = [p for p in parameters if p.kind in _KEYWORDS]
    return _Shape(
        frozenset(p.name for p in named if p.default is p.empty),
        None if any(p.kind is p.VAR_KEYWORD for p in parameters) else frozenset(p.name for p in named),
    )


def _misfit(func: Callable[..., Any], verb: str, names: Collection[str]) -> ArgumentError:
    ordered = sorted(names)
    noun = "argument" if len(ordered) == 1 else "arguments"
    return ArgumentError(
        f"{function_name(func)}() {verb} the {noun} {_listed(ordered)}",
        function=function_name(func),
        names=ordered,
    )


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, names))
