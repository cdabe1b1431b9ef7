"""What a task takes: constants, files, and the outputs of other tasks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, NamedTuple

from ramify.pipeline.definition import Input
from ramify.pipeline.handles import FilesetHandle, Handle, VarHandle
from ramify.pipeline.names import check_variable, refusal, wrong_type
from ramify.pipeline.outputs import File, Fileset, Var
from ramify.pipeline.passing import Pass
from ramify.pipeline.place import Place
from ramify.pipeline.task import Task

_BIGGEST: Final = 2**63
_UNWRITABLE: Final = re.compile("[\ud800-\udfff]")
_CONSTANTS: Final = {int: "int", float: "float", str: "str"}


class Val(NamedTuple):
    """`dsl.val(value)`: a constant, or a variable that another task makes."""

    value: Any


class GlobExpression(NamedTuple):
    """Files of several tasks, as a pattern; `keys` are the tasks, `wait` the number of their wait."""

    pattern: str
    keys: tuple[str, ...]
    wait: int

    def __str__(self) -> str:
        return self.pattern


class Taken(NamedTuple):
    """The inputs of one clause: as data, the tasks to come after, and the waits that they were made from."""

    inputs: tuple[Input, ...]
    after: tuple[str, ...]
    waits: tuple[int, ...]


def make_inputs(
    positional: tuple[Any, ...], named: Mapping[str, Any], passing: Pass, key: str, place: Place
) -> Taken:
    """The inputs of one clause; what cannot be is refused by name."""
    after: list[str] = []
    waits: list[int] = []
    inputs: list[Input] = []
    for given in positional:
        if isinstance(given, Task) and not given.is_foreign:
            after.append(given.key)
        elif isinstance(given, Handle):
            inputs.append(_make_input(given.name, given, passing, key, place, after))
        else:
            raise wrong_type(key, place, f"inputs({given!r}): {_advice(given, 'NAME')}")
    for name, given in named.items():
        check_variable(name, key, place)
        if type(given) is GlobExpression:
            after.extend(given.keys)
            waits.append(given.wait)
            inputs.append(Input(name, "glob", given.pattern))
        else:
            inputs.append(_make_input(name, given, passing, key, place, after))
    return Taken(tuple(inputs), tuple(after), tuple(waits))


def _make_input(name: str, given: Any, passing: Pass, key: str, place: Place, after: list[str]) -> Input:
    kind = type(given)
    if kind in _CONSTANTS:
        return _constant(name, given, key, place)
    if kind is Val:
        return _value(name, given.value, passing, key, place)
    if isinstance(given, Handle):
        if isinstance(given, FilesetHandle) and not given.task.is_foreign:
            after.append(given.task.key)
        return given.as_input(name)
    if kind is File:
        return _file(name, given.path, passing, key, place)
    if isinstance(given, os.PathLike):
        return _file(name, given, passing, key, place)
    raise wrong_type(key, place, f"input {name!r} is {given!r}: {_advice(given, name)}")


def _constant(name: str, value: int | float | str, key: str, place: Place) -> Input:
    if isinstance(value, str):
        if "\0" in value or not (value.isascii() or _UNWRITABLE.search(value) is None):
            raise refusal(
                key, place, f"input {name!r}: {value!r} holds what no variable can: put it in a file"
            )
        return Input(name, "str", value)
    if isinstance(value, int):
        if not -_BIGGEST <= value < _BIGGEST:
            raise refusal(key, place, f"input {name!r} has more than 64 bits: pass it as text, str(...)")
        return Input(name, "int", value)
    if not isfinite(value):
        raise refusal(key, place, f"input {name!r} is {value!r}, which plans cannot hold: pass it as text")
    return Input(name, "float", value)


def _value(name: str, value: Any, passing: Pass, key: str, place: Place) -> Input:
    """Of a variable of another task its value, where the generator has waited for that task; else the
    reference. (The value whenever there is one would change the definition when that task is completed.)
    """
    if type(value) in _CONSTANTS:
        return _constant(name, value, key, place)
    if isinstance(value, VarHandle):
        if passing.is_waited_for(value.task.key) and not value.task.is_foreign:
            return _constant_of(name, value, key, place)
        return value.as_input(name)
    raise wrong_type(
        key, place, f"input {name!r}: dsl.val takes an int, a float, a str or a variable of a task"
    )


def _constant_of(name: str, handle: VarHandle, key: str, place: Place) -> Input:
    value = handle.fetch()
    return handle.as_input(name) if value is None else _constant(name, value, key, place)


def _file(name: str, path: Any, passing: Pass, key: str, place: Place) -> Input:
    if isinstance(path, Handle):
        return path.as_input(name)
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise wrong_type(key, place, f"input {name!r}: the path {path!r} is no text")
    if not os.path.isabs(text):
        text = os.path.normpath(text)
        if text.split("/")[0] == "..":
            raise refusal(
                key,
                place,
                f"input {name!r}: {text!r} leads out of the instance folder: give its absolute path",
            )
    elif text.startswith(f"{passing.instance_dir}/"):
        text = os.path.relpath(text, passing.instance_dir)  # an instance may be moved
        if text.split("/")[0] == "..":
            raise refusal(key, place, f"input {name!r}: {path!r} leads out of the instance folder by '..'")
    return Input(name, "file", text)


def _advice(given: Any, name: str) -> str:
    if isinstance(given, bool):
        return f"bash has no booleans; pass {name}={int(given)} or text"
    if hasattr(given, "unfinished"):
        return f"{given.unfinished}"
    if isinstance(given, Task):
        return (
            f"say which output, as in {name}=task.outputs.x; a task alone, without a name, is only waited for"
        )
    if isinstance(given, Var | Fileset):
        return "that declares an output; inputs are values, dsl.file(...) or outputs of tasks"
    if type(given).__module__ == "numpy":
        return "use its .item(), which is Python's own"
    if callable(given):
        return "call it: dsl.val(...) and dsl.file(...) take a value"
    return "inputs are int, float, str, dsl.file(...), paths, or outputs of other tasks"
