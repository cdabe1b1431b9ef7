"""Whose code a module is: the user's own, an installed distribution's, or Python's.

A distribution owns the files that its RECORD lists. What an editable install leads to is listed in none, so
it is the user's own, and is followed.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

PYTHON: Final = ".".join(map(str, sys.version_info[:2]))
"""The version that bytecode and the standard library are of."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose a module is: `kind` is "own", "package" (with its `name` and `version`) or "python"."""

    kind: str
    name: str = ""
    version: str = ""


OWN: Final = Origin("own")
PYTHONS: Final = Origin("python")

_known: dict[tuple[str, str | None], Origin] = {}
_loaded: dict[str, tuple[Any, Origin]] = {}
_folders: dict[str, dict[str, str]] = {}
_STANDARD: Final = os.path.dirname(os.path.realpath(os.__file__)) + os.sep
_SITES: Final = ("site-packages", "dist-packages")


def forget_origins() -> None:
    """Looks at what is installed afresh the next time."""
    _known.clear()
    _loaded.clear()
    _folders.clear()


def origin_of(module: str | None, file: str | None = None) -> Origin:
    """Whose the module of this name is; `file` where the module is not loaded.

    >>> origin_of("json").kind, origin_of("__main__").kind, origin_of("msgspec").name
    ('python', 'own', 'msgspec')
    """
    if module is None or module in ("__main__", "__mp_main__"):
        return OWN
    if file is None:
        loaded = sys.modules.get(module)
        known = _loaded.get(module)
        if known is not None and known[0] is loaded:
            return known[1]
        found = _known_or_looked(module, file_of(loaded))
        _loaded[module] = loaded, found
        return found
    return _known_or_looked(module, file)


def _known_or_looked(module: str, file: str | None) -> Origin:
    found = _known.get((module, file))
    if found is None:
        found = _known[module, file] = _look(module, file)
    return found


def file_of(module: Any) -> str | None:
    """Where a module was loaded from: its file, or the first folder of a namespace package."""
    file = getattr(module, "__file__", None)
    if file is None:
        file = next(iter(getattr(module, "__path__", None) or ()), None)
    return file if isinstance(file, str) else None


def _look(module: str, file: str | None) -> Origin:
    top = module.partition(".")[0]
    if top == "ramify":
        from ramify._version import __version__

        return Origin("package", "ramify", __version__)
    if file is None:
        return PYTHONS if top in sys.stdlib_module_names or top in sys.builtin_module_names else OWN
    file = os.path.realpath(file)
    root = _root_of(file)
    if file.startswith(_STANDARD) and os.path.basename(root) not in _SITES:
        return PYTHONS
    owner = _owner(root, os.path.relpath(file, root).replace(os.sep, "/"), top) if root else None
    return owner or OWN


def _root_of(file: str) -> str:
    """The folder of the import path that the file lies below: the longest."""
    roots = {os.path.realpath(entry) for entry in sys.path if entry}
    below = [root for root in roots if file.startswith(root + os.sep)]
    return max(below, key=len, default="")


def _owner(root: str, path: str, top: str) -> Origin | None:
    """The distribution of a file; the one of the same name is asked first."""
    found = _folders.get(root)
    if found is None:
        found = _folders[root] = _distributions(root)
    for name in sorted(found, key=lambda name: (_normal(name) != _normal(top), name)):
        info = os.path.join(root, found[name])
        if _lists(info, path, _normal(name) == _normal(top)):
            return Origin("package", name, _version_of(info))
    return None


def _distributions(root: str) -> dict[str, str]:
    """The `*.dist-info` and `*.egg-info` of a folder, by the distribution's name."""
    try:
        names = sorted(os.listdir(root))
    except OSError:  # a zip on the import path, or a folder that went away
        return {}
    found = {}
    for entry in names:
        if entry.endswith((".dist-info", ".egg-info")):
            found[entry.rpartition(".")[0].partition("-")[0]] = entry
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _lists(info: str, path: str, same_name: bool) -> bool:
    """Whether the distribution has the file. Without a list, the name must do."""
    record = _read(os.path.join(info, "RECORD"))
    if record is None:
        return same_name and os.path.basename(os.path.dirname(info)) in _SITES
    lines = "\n" + record
    return f"\n{path}," in lines or f"\n{path}/" in lines or f'\n"{path}",' in lines


def _version_of(info: str) -> str:
    """The version. One that was built from a folder or a repository says little: its files count as well."""
    stem = os.path.basename(info).rpartition(".")[0]
    version = stem.split("-")[1] if "-" in stem else ""
    if os.path.exists(os.path.join(info, "direct_url.json")):
        record = _read(os.path.join(info, "RECORD")) or ""
        version += "+" + sha256(record.encode()).hexdigest()[:12]
    return version


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
