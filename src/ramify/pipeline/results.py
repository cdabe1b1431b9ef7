"""What a task has come to: its outputs, each there and of its type, or the words for what is wrong."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Mapping
from fnmatch import fnmatchcase

from ramify.pipeline.definition import Output, TaskDefinition, TaskResult, Variable
from ramify.pipeline.environment import VARIABLE_KINDS
from ramify.pipeline.variables import check_value


def collect(definition: TaskDefinition, output_folder: str, variables: Mapping[str, Variable]) -> TaskResult:
    """The outputs that were declared. `ValueError` names all that are missing."""
    problems: list[str] = []
    result = TaskResult({}, {}, {})
    for output in definition.outputs:
        if output.kind in VARIABLE_KINDS:
            try:
                result.variables[output.name] = _variable(output, variables)
            except ValueError as error:
                problems.append(str(error))
        elif output.kind == "file":
            pattern = output.pattern or ""
            wrong = _wrong_with(f"{output_folder}/{pattern}")
            if wrong is not None:
                problems.append(f"{output.name}: the file {pattern!r} {wrong} in {output_folder}")
            result.files[output.name] = pattern
        else:
            found = result.filesets[output.name] = find_files(output, output_folder)
            problems += [
                f"{output.name}: {path!r} is no name in UTF-8: rename it" for path in _unwritable(found)
            ]
    if problems:
        raise ValueError("; ".join(problems))
    return result


def find_files(output: Output, folder: str) -> list[str]:
    """The files of a fileset, relative to the folder and sorted; `**` is any number of folders."""
    found = glob.glob(output.pattern or "", root_dir=folder, recursive=True)
    return sorted(
        path
        for path in found
        if not any(fnmatchcase(path, no) or fnmatchcase(os.path.basename(path), no) for no in output.exclude)
        and os.path.isfile(f"{folder}/{path}")
    )


def _wrong_with(path: str) -> str | None:
    """Why a path is no file (nor folder) that a later task could read."""
    try:
        kind = os.stat(path).st_mode
    except OSError:
        return "is a link that leads nowhere" if os.path.islink(path) else "was not made"
    return "is a pipe or a socket" if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) else None


def _unwritable(paths: list[str]) -> list[str]:
    """The paths that no plan can hold: text with bytes that are none."""
    return [
        path for path in paths if not path.isascii() and any("\ud800" <= sign <= "\udfff" for sign in path)
    ]


def _variable(output: Output, variables: Mapping[str, Variable]) -> Variable:
    if output.name not in variables:
        if output.may_be_none:
            return None
        raise ValueError(
            f"{output.name} was not set: `export {output.name}=...` in a bash step, or return it "
            "in a dict of a Python step"
        )
    return check_value(output, variables[output.name])


def tail_of(path: str, start: int = 0, lines: int = 20, most: int = 8000) -> str:
    """The last lines of a log, from this byte on; empty where there is none."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - most))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.rstrip("\n").split("\n")[-lines:])
