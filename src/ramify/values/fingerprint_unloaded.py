"""Modules as they are on disk: found and read, and not run."""

from __future__ import annotations

import os
import sys
from typing import Any, Final, NamedTuple

from ramify.values.fingerprint_origin import OWN, Origin, origin_of
from ramify.values.fingerprint_outline import Outline, outline_of

_BIGGEST_CACHE: Final = 10_000

Stamp = tuple[int, int, int, int]
_outlines: dict[str, tuple[Stamp, Outline | None]] = {}


class Found(NamedTuple):
    """Whose the module is, and its outline, if it is the user's own and written in Python."""

    origin: Origin
    outline: Outline | None
    file: str | None = None
    package: str = ""
    is_package: bool = False


def find_module(name: str) -> Found | None:
    """Looks for a module as an import would; None where an import would fail, or run what has no file.

    >>> find_module("no_such_module") is None, find_module("this").origin.kind
    (True, 'python')
    """
    spec = _spec_of_loaded(name) or _spec_on_path(name)
    if spec is None:
        return None
    path = spec.submodule_search_locations
    file = spec.origin if spec.has_location else None
    origin = origin_of(name, file or next(iter(path or ()), None))
    package = name if path is not None else name.rpartition(".")[0]
    outline = _outline(name, file, spec) if origin == OWN and file is not None else None
    return Found(origin, outline, file, package, path is not None)


def _spec_of_loaded(name: str) -> Any:
    """What the module was loaded by, if that was the import system and under this name."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec if spec is not None and spec.name == name else None


def _spec_on_path(name: str) -> Any:
    path: Any = None
    spec: Any = None
    steps = name.split(".")
    for depth in range(1, len(steps) + 1):
        spec = _spec_of(".".join(steps[:depth]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
        if path is None and depth < len(steps):
            return None
    return spec


def _spec_of(name: str, path: Any) -> Any:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path, None)
        if spec is not None:
            return spec
    return None


def _outline(name: str, file: str, spec: Any) -> Outline | None:
    """The outline of what is in the file now, taken again when the file was touched; None for other code."""
    try:
        found = os.stat(file)
        stamp = found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
    except OSError:  # it is in an archive, or gone
        stamp = None
    known = _outlines.get(file)
    if known is not None and known[0] == stamp:
        return known[1]
    try:
        source = _source(name, file, spec)
        outline = None if source is None else outline_of(source, file)
    except (SyntaxError, ValueError, OSError, ImportError):  # its import will fail; the file counts as it is
        outline = None
    if stamp is not None:
        if len(_outlines) >= _BIGGEST_CACHE:
            _outlines.clear()
        _outlines[file] = stamp, outline
    return outline


def _source(name: str, file: str, spec: Any) -> str | bytes | None:
    if os.path.isfile(file):
        if not file.endswith(".py"):
            return None
        with open(file, "rb") as opened:
            return opened.read()
    get_source = getattr(spec.loader, "get_source", None)
    source: str | None = None if get_source is None else get_source(name)
    return source
