"""Pickles that another process can load, and who is to blame when there is none.

Plain pickle goes first: it is fast, and what it names a worker can import. What lives in the user's
`__main__`, or in no module at all, goes by value with cloudpickle.
"""

from __future__ import annotations

import io
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from threading import RLock
from typing import Any, Final

from ramify.values.importable import leads_to, modules_astray

_DEEPEST: Final = 50
_Cached: Final = type(lru_cache(len))
_registering: Final = RLock()  # cloudpickle's list of modules that go by value is the process's own


def load_value(data: bytes) -> Any:
    """The value of a pickle. This runs what is in it: only for what this user's own runs have written."""
    import pickle

    return pickle.loads(data)


def dump_value(value: Any) -> bytes:
    """The bytes that `load_value` turns into the value again, in another process too.

    Raises what pickle raises; `find_unpicklable` then says why.

    >>> load_value(dump_value([1, (2, 3)]))
    [1, (2, 3)]
    """
    import pickle

    try:
        data = pickle.dumps(value, protocol=5)
    except Exception:
        return dump_by_value(value)
    # A reference into __main__ would be looked up in the worker's own, and one into a module that was loaded
    # by its path nowhere. A false hit costs a slower pickle.
    astray = b"__main__" in data or any(m.__name__.encode() in data for m in modules_astray())
    return dump_by_value(value) if astray else data


def dump_by_value(value: Any, modules: Iterable[types.ModuleType] = ()) -> bytes:
    """A pickle in which what cannot be imported is written out whole; identity inside it is kept.

    What lives in `modules` is written out as well.
    """
    buffer = io.BytesIO()
    with by_value(modules):
        value_pickler()(buffer, protocol=5).dump(value)
    return buffer.getvalue()


@cache
def value_pickler() -> Any:
    """The class of picklers that write what cannot be imported by value: cloudpickle's, and caches too."""
    import cloudpickle

    class ValuePickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
        def reducer_override(self, value: Any) -> Any:
            if type(value) is _Cached and not leads_to(value.__module__, value.__qualname__, value):
                return _make_cached, (value.__wrapped__, value.cache_parameters())
            return super().reducer_override(value)

    return ValuePickler


@contextmanager
def by_value(modules: Iterable[types.ModuleType] = ()) -> Iterator[None]:
    """Has cloudpickle write out what lives in these modules, and in those that no worker could import."""
    wanted = {module.__name__: module for module in (*modules, *modules_astray())}
    if not wanted:
        yield
        return
    import cloudpickle

    with _registering:
        mine = [wanted[name] for name in wanted.keys() - cloudpickle.list_registry_pickle_by_value()]
        for module in mine:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in mine:
                cloudpickle.unregister_pickle_by_value(module)


def _make_cached(function: Any, parameters: dict[str, Any]) -> Any:
    """A function of `functools.lru_cache` anew, with nothing in its cache."""
    return lru_cache(**parameters)(function)


def find_unpicklable(value: Any, label: str = "value") -> str:
    """Where inside `value` the object sits that cannot be pickled, and of what type it is.

    >>> import threading
    >>> find_unpicklable({"a": [1, threading.Lock()]}, "argument x")
    "argument x['a'][1] (a _thread.lock)"
    """
    path, owners = label, ""
    seen = {id(value)}
    for _ in range(_DEEPEST):
        for step, child in _children(value):
            if id(child) not in seen and _fails(child):
                seen.add(id(child))
                if step[0] in "[.":
                    path += step
                else:
                    path, owners = step, f" of {path}{owners}"
                value = child
                break
        else:
            break
    return f"{path}{owners} (a {type_name(value)})"


def type_name(value: Any) -> str:
    """The full name of a value's class, without `builtins.`."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _fails(value: Any) -> bool:
    try:
        dump_value(value)
    except Exception:
        return True
    return False


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """What a pickle of `value` would hold, and how to say it: `[...]` and `.name` follow, words lead."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield f"[{key!r}]", child
            yield f"[...] key {key!r}", key
    elif isinstance(value, list | tuple):
        for number, child in enumerate(value):
            yield f"[{number}]", child
    elif isinstance(value, set | frozenset):
        for child in value:
            yield "[...]", child
    elif isinstance(value, types.FunctionType):
        yield from _parts_of_function(value)
        return
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
        yield ".__func__", value.__func__
    yield from _attributes(value)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    import functools

    if isinstance(value, functools.partial):
        yield ".func", value.func
        yield ".args", value.args
        yield ".keywords", value.keywords
    if isinstance(value, type):
        for name, child in list(vars(value).items()):
            if not name.startswith("__"):
                yield f".{name}", child
        return
    for name, child in list(getattr(value, "__dict__", {}).items()):
        yield f".{name}", child
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, name):
                yield f".{name}", getattr(value, name)


def _parts_of_function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"closure variable {name!r}", cell.cell_contents
        except ValueError:  # a cell that is not filled yet
            continue
    code = function.__code__
    defaults = function.__defaults__ or ()
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    for name, default in zip(names, defaults, strict=True):
        yield f"default of parameter {name!r}", default
    for name, default in (function.__kwdefaults__ or {}).items():
        yield f"default of parameter {name!r}", default
    for name in _global_names(code):
        if name in function.__globals__:
            yield f"global variable {name!r}", function.__globals__[name]
    for name, child in vars(function).items():
        yield f"attribute {name!r}", child


def _global_names(code: types.CodeType) -> list[str]:
    names = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += _global_names(constant)
    return names
