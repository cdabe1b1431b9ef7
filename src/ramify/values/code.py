"""How code travels: by reference where a worker can import it, else by value.

A worker has the driver's `sys.path`, and never imports the user's `__main__`. So a function goes by reference
if its module can be found on the import path again, as the same file, and its qualified name leads to that
very object. All others are pickled: lambdas, closures, `__main__`, partials, bound methods, callable objects.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

import msgspec

from ramify.errors import RamifyDeserializationError, UnpicklableError
from ramify.values.importable import NOWHERE, is_importable, leads_to
from ramify.values.pickling import dump_by_value, dump_value, find_unpicklable, load_value

__all__ = [
    "CodeRef",
    "describe_function",
    "dump_value",
    "find_unpicklable",
    "is_importable",
    "load_function",
    "load_value",
]


class CodeRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """A callable, so that another process can have it.

    By reference, `module` and `qualname` lead to it. By value, `pickled` holds it, and `source` is its text,
    for people, where it has one. `name` is what to call it in messages.
    """

    name: str
    module: str = ""
    qualname: str = ""
    pickled: bytes | None = None
    source: str | None = None


def describe_function(function: Callable[..., Any]) -> CodeRef:
    """How a callable travels. Raises `UnpicklableError` whose `path` names the object that cannot.

    >>> code = describe_function(max)
    >>> code.module, code.qualname, code.pickled
    ('builtins', 'max', None)
    >>> describe_function(lambda x: x + 1).pickled is None
    False
    """
    name = name_of(function)
    module, qualname = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if isinstance(module, str) and isinstance(qualname, str) and leads_to(module, qualname, function):
        return CodeRef(name, module, qualname)
    try:
        pickled = _dump_function(function)
    except Exception as error:
        culprit = find_unpicklable(function, name)
        raise UnpicklableError(
            f"{name} cannot travel to a worker: {culprit} cannot be pickled "
            f"({type(error).__name__}: {error}). Make that object inside the "
            "function, or pass what it is made from as an argument",
            path=culprit,
            function=name,
        ) from error
    return CodeRef(name, pickled=pickled, source=source_of(function))


def load_function(code: CodeRef) -> Any:
    """The callable. An `ImportError` of its module is raised as it is; `RamifyDeserializationError` for a
    name that is not in the module any more.

    >>> load_function(describe_function(max))(1, 2)
    2
    """
    if code.pickled is not None:
        return load_value(code.pickled)
    import importlib

    # Not from `sys.modules`: there it may be half imported, by another thread.
    module = importlib.import_module(code.module)
    found: Any = module
    for step in code.qualname.split("."):
        try:
            found = getattr(found, step)
        except AttributeError as error:
            where = getattr(module, "__file__", "built in")
            raise RamifyDeserializationError(
                f"{code.module} ({where}) has no {code.qualname!r} any more",
                path=code.module,
            ) from error
    return found


def name_of(function: Any) -> str:
    """What to call a callable: its qualified name, that of what it wraps, or its class's.

    >>> name_of(print), name_of(lambda: 0)
    ('print', '<lambda>')
    """
    for _ in range(100):
        name = getattr(function, "__qualname__", None)
        if isinstance(name, str):
            return name
        inner = getattr(function, "func", None)
        if inner is None:
            break
        function = inner
    return type(function).__qualname__


def source_of(function: Any) -> str | None:
    """The text of a callable as its author wrote it, where it can be had; for people, never to be run."""
    import inspect

    for _ in range(100):
        if not hasattr(function, "func"):
            break
        function = function.func
    if not isinstance(function, FunctionType | type) and not inspect.ismethod(function):
        function = type(function)
    code = getattr(inspect.unwrap(function), "__code__", None)
    return _text_of(function) if code is None else _text_of_code(code, code.co_filename)


@lru_cache(maxsize=256)
def _text_of_code(code: CodeType, file: str) -> str | None:
    """Finding it takes milliseconds, and a graph that grows sends the same again and again."""
    return _text_of(code)


def _text_of(thing: Any) -> str | None:
    import inspect

    try:
        return inspect.getsource(thing)
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def _dump_function(function: Any) -> bytes:
    modules = _modules_of(function)
    return dump_by_value(function, modules) if modules else dump_value(function)


def _modules_of(function: Any) -> list[ModuleType]:
    """The modules that the callable lives in and that no worker could import: they go by value."""
    owners = [function, getattr(function, "func", None), getattr(function, "__func__", None), type(function)]
    names = {getattr(owner, "__module__", None) for owner in owners if owner is not None}
    modules = [sys.modules[name] for name in sorted(filter(None, names)) if name in sys.modules]
    return [
        module for module in modules if module.__name__ not in NOWHERE and not is_importable(module.__name__)
    ]
