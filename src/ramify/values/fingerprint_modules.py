"""What the names in code lead to, down through modules that are loaded."""

from __future__ import annotations

import builtins
import importlib
import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ramify.values.fingerprint_names import (
    MISSING,
    digest_of,
    home_of,
    is_one_of,
    is_surroundings,
    label,
    module_label,
    told_in,
)
from ramify.values.fingerprint_origin import PYTHONS, file_of, origin_of
from ramify.values.fingerprint_unloaded import find_module

if TYPE_CHECKING:
    from ramify.values.fingerprint_follow import Follower

DYNAMIC: Final = (eval, exec, compile, __import__, globals, importlib.import_module)
"""What reaches code by a name that is known when it runs."""

IMPORTER: Final = "importlib.import_module"
"""What a reference to it reads."""

_OF_A_MODULE: Final = frozenset(("__file__", "__name__", "__doc__", "__spec__", "__package__", "__path__"))
"""Where a module is and how it was started: a moved project, and a script that was imported, are the same."""


def resolve(follower: Follower, namespace: Mapping[str, Any], chain: tuple[str, ...], where: str) -> str:
    """Follows `helpers.clean`, and returns what to call what is there; empty for what is Python's."""
    name = chain[0]
    if name in _OF_A_MODULE:
        if name != "__name__":  # every class body reads it
            follower.unfollowed[f"{name}{told_in(where)}"] = None
        return ""
    value = namespace.get(name, MISSING)
    follower.watched.append((namespace, name, value))
    if value is MISSING:
        value = vars(builtins).get(name, MISSING)
        follower.watched.append((vars(builtins), name, value))
        if value is MISSING:
            follower.unfollowed[f"{name}{told_in(where)}, which is not there yet"] = None
            return "nothing"
        if not _is_patched(value):
            say_if_open(follower, value, name, where)
            return ""
    return down(follower, value, chain[1:], f"{module_label(namespace.get('__name__'))}.{name}", where)


def down(follower: Follower, value: Any, steps: tuple[str, ...], name: str, where: str) -> str:
    """Follows the attributes of modules; those of a class or an object count whole."""
    for depth, step in enumerate(steps):
        if not isinstance(value, types.ModuleType) or step == "__dict__":
            break
        inner = vars(value).get(step, MISSING)
        name = f"{module_label(value.__name__)}.{step}"
        follower.watched.append((vars(value), step, inner))
        if origin_of(value.__name__, file_of(value)).kind != "own":
            return _down_a_library(follower, value, steps[depth:], where)
        if "__getattr__" in vars(value) and _is_submodule(value, step):
            # It is loaded when it is asked for: it must count the same before and after.
            return follower.late.reach(f"{value.__name__}.{step}", steps[depth + 1 :], where)
        if inner is MISSING and "__getattr__" in vars(value):
            inner = vars(value)["__getattr__"]
        if inner is MISSING:
            return follower.late.reach(f"{value.__name__}.{step}", (), where)
        value = inner
    if say_if_open(follower, value, label(value), where):
        return name
    return follower.follow(value, name, where)


def _down_a_library(follower: Follower, value: Any, steps: tuple[str, ...], where: str) -> str:
    """The names say what it is; whether a part of a library is loaded yet depends on what ran before.

    What somebody put there is followed.
    """
    told = ".".join((value.__name__, *steps))
    for depth, step in enumerate(steps, 1):
        follower.note(origin_of(value.__name__, file_of(value)))
        inner = vars(value).get(step, MISSING)
        follower.watched.append((vars(value), step, inner))
        if inner is MISSING:
            found = find_module(f"{value.__name__}.{step}")
            follower.note(found.origin if found is not None else PYTHONS)
            return told
        if _is_patched(inner):
            return follower.follow(inner, f"{value.__name__}.{step}", where)
        if not isinstance(inner, types.ModuleType):
            say_if_open(follower, inner, f"{value.__name__}.{step}", where)
            return told
        if origin_of(inner.__name__, file_of(inner)).kind == "own":
            return down(follower, inner, steps[depth:], module_label(inner.__name__), where)
        value = inner
    follower.note(origin_of(value.__name__, file_of(value)))
    return told


def _is_submodule(package: types.ModuleType, name: str) -> bool:
    """Whether the name is that of a file or a folder of the package, and nothing else there."""
    held = vars(package).get(name, MISSING)
    full = f"{package.__name__}.{name}"
    if held is not MISSING and getattr(held, "__name__", None) != full:
        return False
    return "__path__" in vars(package) and find_module(full) is not None


def _is_patched(value: Any) -> bool:
    """Whether somebody's own function or class stands in a module that is not theirs."""
    if isinstance(value, types.FunctionType):
        return origin_of(home_of(value)).kind == "own"
    return isinstance(value, type) and origin_of(value.__module__).kind == "own"


def say_if_open(follower: Follower, value: Any, name: str, where: str) -> bool:
    """Names what leads out of what can be followed: `eval`, the environment, the table of modules."""
    if is_one_of(value, DYNAMIC):
        follower.unfollowed[f"{name}(){told_in(where)}"] = None
    elif is_surroundings(value):
        follower.unfollowed[f"{name}{told_in(where)}"] = None
        return True
    return False


def follow_module(follower: Follower, module: types.ModuleType) -> str:
    """A module that is used as a value: all that is in it may be reached."""
    origin = origin_of(module.__name__, file_of(module))
    follower.note(origin)
    name = module_label(module.__name__)
    if origin.kind == "own" and follower.is_new(module, name):
        follower.steady = False
        follower.later(lambda: _visit_module(follower, name, module))
    return f"module {name}"


def _visit_module(follower: Follower, name: str, module: types.ModuleType) -> None:
    refs = []
    for held_name, held in sorted(vars(module).items()):
        if not held_name.startswith("__") or held_name == "__getattr__":
            refs.append(follower.ref(f"{held_name}={follower.follow(held, f'{name}.{held_name}', name)}"))
    follower.parts[f"module {name}"] = digest_of(*refs)
