"""Fingerprints of functions, as plans keep them: made when a plan is, and again when an older plan is run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from ramify.plan.definition import CodeNote
from ramify.plan.load import load_function
from ramify.plan.opened import Plan


def note_of(func: Callable[..., Any], version: str | None = None) -> CodeNote:
    """The fingerprint of a function; `version` stands for all but its name.

    >>> note_of(len, "3").parts, note_of(len, "3").digest == note_of(max, "3").digest
    ({'version': '3'}, False)
    """
    from ramify.values.fingerprint import fingerprint

    if version is not None:
        name = getattr(func, "__qualname__", type(func).__qualname__)
        named = f"{name} version {version}".encode("utf-8", "surrogatepass")
        return CodeNote(hashlib.sha256(named).hexdigest()[:32], {"version": version})
    found = fingerprint(func)
    return CodeNote(found.digest, found.parts, found.unsound, found.unfollowed)


def notes_of_today(plan: Plan) -> dict[str, CodeNote]:
    """The fingerprints of a plan's functions as they are now: their modules may have changed since.

    A function that cannot be loaded has none; its jobs run, and tell what is wrong.
    """
    found: dict[str, CodeNote] = {}
    for definition in plan.definitions.values():
        if not definition.code or definition.code in found:
            continue
        try:
            found[definition.code] = note_of(load_function(plan, definition), definition.policy.version)
        except Exception as error:  # told by the job's own attempt, with its traceback
            found[definition.code] = CodeNote(None, {}, (f"it cannot be loaded: {error}",))
    return found
