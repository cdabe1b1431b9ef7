"""What a task declares that it makes: variables, files and sets of files."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ramify.pipeline.definition import Output, ValueKind
from ramify.pipeline.names import check_variable, refusal, wrong_type
from ramify.pipeline.place import Place

SCRATCH: Final = "scratch"
"""The folder in a task's output folder that is not kept."""

_KINDS: Final[dict[object, ValueKind]] = {int: "int", float: "float", str: "str"}


class Var(NamedTuple):
    """`dsl.var(type, may_be_none)`: a variable that the task exports or returns."""

    type: Any = str
    may_be_none: bool = False


class File(NamedTuple):
    """`dsl.file(path)`: as an output below the task's output folder; as an input below the instance folder,
    or absolute.
    """

    path: Any


class Fileset(NamedTuple):
    """`dsl.fileset(glob)`: all files below the task's output folder that match, but those of `exclude`."""

    pattern: Any
    exclude: Any = ()


def make_outputs(declared: Mapping[str, Any], key: str, place: Place) -> tuple[Output, ...]:
    """The declarations as data; what cannot be is refused by name."""
    made = tuple([_make_output(name, said, key, place) for name, said in declared.items()])
    if len(made) > 1:
        check_collisions(made, key, place)
    return made


def _make_output(name: str, said: Any, key: str, place: Place) -> Output:
    check_variable(name, key, place)
    if type(said) is File:
        return Output(name, "file", _path_below(said.path, name, key, place))
    if type(said) is Fileset:
        exclude = (said.exclude,) if isinstance(said.exclude, str) else tuple(said.exclude or ())
        patterns = [_path_below(pattern, name, key, place) for pattern in (said.pattern, *exclude)]
        return Output(name, "fileset", patterns[0], tuple(patterns[1:]))
    if type(said) is Var:
        kind = _KINDS.get(said.type) if isinstance(said.type, type) else None
        if kind is None:
            raise wrong_type(
                key, place, f"output {name!r}: dsl.var takes int, float or str, not {said.type!r}"
            )
        return Output(name, kind, may_be_none=bool(said.may_be_none))
    kind = _KINDS.get(said) if isinstance(said, type) else None
    if kind is None:
        raise wrong_type(
            key,
            place,
            f"output {name!r} is {said!r}: declare int, float, str, dsl.var(...), dsl.file(...) or "
            "dsl.fileset(...)",
        )
    return Output(name, kind)


def _path_below(path: Any, name: str, key: str, place: Place) -> str:
    """The path without needless parts; it leads into no other folder."""
    if not isinstance(path, str | os.PathLike):
        raise wrong_type(key, place, f"output {name!r}: the path {path!r} is no text")
    text = os.fspath(path)
    if not isinstance(text, str) or not text or not text.isprintable():
        raise refusal(key, place, f"output {name!r}: the path {text!r} is empty or cannot be printed")
    if "/" not in text and text not in (".", ".."):
        plain = text
    else:
        plain = posixpath.normpath(text)
        if posixpath.isabs(text) or ".." in text.split("/") or plain == ".":
            raise refusal(
                key,
                place,
                f"output {name!r}: {text!r} must lead to a file below the task's own output folder",
            )
    if plain.split("/")[0] == SCRATCH:
        raise refusal(key, place, f"output {name!r}: {text!r} is in the scratch folder, which is not kept")
    return plain


def check_collisions(outputs: tuple[Output, ...], key: str, place: Place) -> None:
    """No two files are one, and none is a folder of another. A fileset may match declared files."""
    files: dict[str, str] = {}
    for output in outputs:
        if output.kind == "file":
            path = str(output.pattern)
            other = files.setdefault(path, output.name)
            if other is not output.name:
                raise refusal(key, place, f"outputs {other!r} and {output.name!r} are the same file {path!r}")
    for path, name in files.items():
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in files:
                raise refusal(
                    key, place, f"output {files[path]!r} is the file {path!r}, in which {name!r} would be"
                )
