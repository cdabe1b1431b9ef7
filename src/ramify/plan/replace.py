"""Putting a folder that was built beside in the place of the one that is there."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

from ramify.files.local import storage_error
from ramify.plan.paths import PARTS, PLAN_FILE

_AT_FDCWD: Final = -100
_EXCHANGE: Final = 2


def put_in_place(beside: str, target: str) -> None:
    """Makes `beside` the plan at `target`: in one rename where nothing is there, else in one exchange.

    Where the old plan has its outputs and runs inside it, these stay: only the plan's own parts are
    replaced, `plan.json` taken first and put last, so that no half of a plan is ever read as one.
    """
    try:
        if not os.path.lexists(target) or not os.listdir(target):
            os.rename(beside, target)
        elif set(os.listdir(target)) <= set(PARTS):
            _swap(beside, target)
            shutil.rmtree(beside)
        else:
            _replace_parts(beside, target)
    except OSError as error:
        raise storage_error(error, target, "put the plan at") from error


def _swap(beside: str, target: str) -> None:
    if sys.platform == "linux" and _exchange(beside, target):
        return
    aside = f"{beside}.old"
    os.rename(target, aside)
    try:
        os.rename(beside, target)
    except OSError:
        os.rename(aside, target)
        raise
    os.rename(aside, beside)


def _exchange(one: str, other: str) -> bool:
    """`renameat2(2)` with RENAME_EXCHANGE; False where the C library or the file system has none."""
    import ctypes

    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    result: int = call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)
    return result == 0


def _replace_parts(beside: str, target: str) -> None:
    for name in (PLAN_FILE, *(p for p in PARTS if p != PLAN_FILE)):
        old = os.path.join(target, name)
        if os.path.isdir(old):
            shutil.rmtree(old)
        elif os.path.lexists(old):
            os.unlink(old)
    for name in (*(p for p in PARTS if p != PLAN_FILE), PLAN_FILE):
        new = os.path.join(beside, name)
        if os.path.lexists(new):
            os.rename(new, os.path.join(target, name))
    os.rmdir(beside)
