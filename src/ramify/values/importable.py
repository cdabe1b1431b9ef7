"""What another process can import: it has this one's `sys.path`, and never the user's `__main__`."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Final

NOWHERE: Final = ("__main__", "__mp_main__")

_SITES: Final = frozenset(("site-packages", "dist-packages"))

_found: dict[str, tuple[ModuleType, bool]] = {}
_astray: tuple[int, list[ModuleType]] = (0, [])


def is_importable(module: str) -> bool:
    """Whether another process with this `sys.path` gets the same module under this name."""
    if module in NOWHERE:
        return False
    loaded = sys.modules.get(module)
    if loaded is None:
        return False
    known = _found.get(module)
    if known is None or known[0] is not loaded:
        known = _found[module] = loaded, _is_found_again(module, loaded)
    return known[1]


def own_import_path() -> list[str]:
    """The folders of `sys.path` that another interpreter does not look into by itself, absolute."""
    return [folder for folder in _folders_of_path() if os.path.isdir(folder) and is_own_folder(folder)]


def is_own_folder(folder: str) -> bool:
    """Whether modules there are the user's own, and neither Python's nor installed."""
    standard = os.path.dirname(os.__file__)
    if folder == os.path.dirname(sys.executable) or f"{folder}{os.sep}".startswith(f"{standard}{os.sep}"):
        return False
    return _SITES.isdisjoint(folder.split(os.sep))


def _folders_of_path() -> list[str]:
    """The entries of `sys.path`, once each and absolute; in a folder that is gone, relative ones are none."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return list(dict.fromkeys(filter(os.path.isabs, sys.path)))
    return list(dict.fromkeys(os.path.normpath(os.path.join(here, entry)) for entry in sys.path))


def leads_to(module: str, qualname: str, function: Any) -> bool:
    """Whether another process gets this very object by its module and its qualified name."""
    if "<locals>" in qualname or not is_importable(module):
        return False
    found: Any = sys.modules[module]
    for step in qualname.split("."):
        found = getattr(found, step, None)
    # A bound method is a new object each time; only those of a class itself are the same without their self.
    if getattr(function, "__self__", None) is not None and isinstance(function.__self__, type):
        return bool(found == function and function.__self__ is _owner(module, qualname))
    return found is function


def modules_astray() -> list[ModuleType]:
    """The modules of Python code here that another process could not import; `__main__` is not among them.

    Such are made by hand, or loaded by their path. Looked for again when modules were added since.
    """
    global _astray
    count = len(sys.modules)
    if _astray[0] != count:
        folders = frozenset(_folders_of_path())
        found = [
            module
            for name, module in list(sys.modules.items())
            if isinstance(module, ModuleType)
            and "__builtins__" in vars(module)  # the code that ran in it was Python's
            and name == module.__name__
            and name not in NOWHERE
            and not _is_at_home(name, vars(module).get("__file__"), folders)
            and not is_importable(name)
        ]
        _astray = count, found
    return [module for module in _astray[1] if sys.modules.get(module.__name__) is module]


def _is_at_home(name: str, file: Any, folders: frozenset[str]) -> bool:
    """Whether the file is where a module of this name is looked for: a first look, which costs little."""
    if not isinstance(file, str):
        return False
    tail = os.sep + name.replace(".", os.sep)
    place = max(file.rfind(tail + "."), file.rfind(tail + os.sep))
    return place >= 0 and file[:place] in folders


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
