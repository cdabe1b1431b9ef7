"""Modules that are not loaded: found and compiled, and not run."""

from __future__ import annotations

import sys
import types
from typing import Any, NamedTuple

from ramify.values.fingerprint_origin import OWN, Origin, origin_of


class Found(NamedTuple):
    """Whose the module is, and its code, if it is the user's own and written in Python."""

    origin: Origin
    code: types.CodeType | None
    file: str | None = None
    package: str = ""


def find_module(name: str) -> Found | None:
    """Looks for a module as an import would; None where an import would fail.

    >>> find_module("no_such_module") is None, find_module("this").origin.kind
    (True, 'python')
    """
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
    file = spec.origin if spec.has_location else None
    origin = origin_of(name, file or next(iter(path or ()), None))
    package = name if path is not None else name.rpartition(".")[0]
    code = spec.loader.get_code(name) if origin == OWN and hasattr(spec.loader, "get_code") else None
    return Found(origin, code, file, package)


def _spec_of(name: str, path: Any) -> Any:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path, None)
        if spec is not None:
            return spec
    return None
