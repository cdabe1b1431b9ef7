"""How code travels: by reference where a worker can import it, else by value.

A worker has the driver's `sys.path`, and never imports the user's `__main__`. So a function goes by reference
if its module can be found on the import path again, as the same file, and its qualified name leads to that
very object. All others are pickled: lambdas, closures, `__main__`, partials, bound methods, callable objects.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any, Final

import msgspec

from ramify.errors import RamifyDeserializationError, UnpicklableError
from ramify.values.pickling import dump_by_value, dump_value, find_unpicklable, load_value

__all__ = ["CodeRef", "describe_function", "dump_value", "find_unpicklable", "load_function", "load_value"]

_NOWHERE: Final = ("__main__", "__mp_main__")
_pickling = threading.Lock()  # cloudpickle's list of modules that go by value is the process's own
_found: dict[str, tuple[ModuleType, bool]] = {}


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
    if isinstance(module, str) and isinstance(qualname, str) and _leads_to(module, qualname, function):
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
    module = sys.modules.get(code.module)
    if module is None:
        import importlib

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
    try:
        return inspect.getsource(function)
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def is_importable(module: str) -> bool:
    """Whether another process with this `sys.path` gets the same module under this name."""
    if module in _NOWHERE:
        return False
    loaded = sys.modules.get(module)
    if loaded is None:
        return False
    known = _found.get(module)
    if known is None or known[0] is not loaded:
        known = _found[module] = loaded, _is_found_again(module, loaded)
    return known[1]


def _leads_to(module: str, qualname: str, function: Any) -> bool:
    if "<locals>" in qualname or not is_importable(module):
        return False
    found: Any = sys.modules[module]
    for step in qualname.split("."):
        found = getattr(found, step, None)
    # A bound method is a new object each time; only those of a class itself are the same without their self.
    if getattr(function, "__self__", None) is not None and isinstance(function.__self__, type):
        return bool(found == function and function.__self__ is _owner(module, qualname))
    return found is function


def _owner(module: str, qualname: str) -> Any:
    owner: Any = sys.modules[module]
    for step in qualname.split(".")[:-1]:
        owner = getattr(owner, step, None)
    return owner


def _is_found_again(name: str, loaded: ModuleType) -> bool:
    """Asks the finders afresh: a module that is loaded under a name need not be found by it."""
    if name in sys.builtin_module_names:
        return True
    package, _, _ = name.rpartition(".")
    if package and not is_importable(package):
        return False
    path = getattr(sys.modules[package], "__path__", None) if package else None
    spec = _find_spec(name, path)
    if spec is None:
        return False
    origin = getattr(loaded, "__file__", None)
    return spec.origin in (None, "built-in", "frozen") or origin is None or spec.origin == origin


def _find_spec(name: str, path: Any) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path, None)
        if spec is not None:
            return spec
    return None


def _dump_function(function: Any) -> bytes:
    with _by_value(_modules_of(function)):
        return dump_by_value(function) if _modules_of(function) else dump_value(function)


def _modules_of(function: Any) -> list[ModuleType]:
    """The modules that the callable lives in and that no worker could import: they go by value."""
    owners = [function, getattr(function, "func", None), getattr(function, "__func__", None), type(function)]
    names = {getattr(owner, "__module__", None) for owner in owners if owner is not None}
    modules = [sys.modules[name] for name in sorted(filter(None, names)) if name in sys.modules]
    return [
        module for module in modules if module.__name__ not in _NOWHERE and not is_importable(module.__name__)
    ]


@contextmanager
def _by_value(modules: list[ModuleType]) -> Iterator[None]:
    if not modules:
        yield
        return
    import cloudpickle

    with _pickling:
        mine = [
            module for module in modules if module.__name__ not in cloudpickle.list_registry_pickle_by_value()
        ]
        for module in mine:
            cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for module in mine:
                cloudpickle.unregister_pickle_by_value(module)
