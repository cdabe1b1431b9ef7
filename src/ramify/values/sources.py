"""The user's own modules, compiled from their sources as they are.

Python keeps a module's bytecode, and takes it for the source's as long as the source's size and the second of
its last change are the same (PEP 3147, `importlib`). An edit within one second is not seen, such as of one
digit by a program. Whoever decides what has changed must not work with the code from before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import cache_from_source
from typing import TYPE_CHECKING, Any

from ramify.values.importable import is_own_folder

if TYPE_CHECKING:
    from importlib.abc import PathEntryFinder


class CurrentSourceLoader(SourceFileLoader):
    """Loads a module as Python does, and takes no bytecode that was written before the source was."""

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """Removes such bytecode; where that is not allowed, the `OSError` has the source compiled."""
        try:
            cached = cache_from_source(path)
            written = os.stat(cached).st_mtime_ns
        except (OSError, NotImplementedError):  # there is none
            return super().path_stats(path)
        if written <= os.stat(path).st_mtime_ns:
            if sys.dont_write_bytecode:
                raise OSError(f"{cached} is out of date, and nothing is to be written")
            os.unlink(cached)
        return super().path_stats(path)


def _find_in(folder: str) -> PathEntryFinder:
    if not is_own_folder(folder):
        raise ImportError("the bytecode of what is installed may count", path=folder)
    return _finder(folder)


_finder = FileFinder.path_hook(
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (CurrentSourceLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def import_current_sources() -> None:
    """Has every further import of this process, but of what is installed, load by `CurrentSourceLoader`."""
    if _find_in in sys.path_hooks:
        return
    sys.path_hooks.insert(0, _find_in)
    for folder in [folder for folder in sys.path_importer_cache if is_own_folder(folder)]:
        del sys.path_importer_cache[folder]
