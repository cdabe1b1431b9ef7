"""The command line of a bash step, and what it has exported.

One process runs a step: a shell with the snippet as its command, so that neither a file nor another process
is needed. What comes before the snippet stands in its first line, so the shell's messages name the right
lines. Exported outputs are written by a trap when the shell ends, `NAME=VALUE` and a NUL each: values are
exact, and `exit 0` in a snippet keeps them.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from ramify.errors import ArgumentError
from ramify.files.local import write_new
from ramify.pipeline.definition import Call

RECORD: Final = "__step_record"
"""The variable with the path at which a step leaves what it exported."""

LONGEST: Final = 100_000
"""Bytes of a snippet that go as an argument; Linux takes 131072."""

_BASH: Final = frozenset({"bash"})
_SH: Final = frozenset({"sh", "dash", "ash"})

_CD: Final = 'cd -- "$__task_output_dir" || exit 1; '
_BEFORE: Final = (
    'eval "$1" || { echo "ramify: command_before_task failed with exit code $?" >&2; exit 1; }; shift; '
)
# A trap of the user's for EXIT is kept, and comes after ours.
_TRAP: Final = (
    '__ramify_left=; trap() { builtin trap "$@" || return; [ "$BASH_SUBSHELL" = 0 ] || return 0; '
    "local t; t=$(builtin trap -p EXIT); case $t in *\"-- '__ramify_end' EXIT\"*) return 0;; esac; "
    'if [ -n "$t" ]; then eval "set -- $t"; __ramify_left=$3; else __ramify_left=; fi; '
    "builtin trap __ramify_end EXIT; }; "
    "__ramify_status() { return $1; }; "
    "__ramify_end() { __ramify_code=$?; { set +eux; } 2>/dev/null; "
    "{ printf '?=%s\\0' \"$__ramify_code\"; EXPORTS"
    "printf '\\0'; } >| \"$__step_record\"; "
    'if [ -n "$__ramify_left" ]; then __ramify_status $__ramify_code; eval "$__ramify_left"; fi; }; '
    "builtin trap __ramify_end EXIT; "
)
_SH_TRAP: Final = (
    "__ramify_end() { __ramify_code=$?; { set +eux; } 2>/dev/null; "
    "{ printf '?=%s\\0' \"$__ramify_code\"; EXPORTS"
    "printf '\\0'; } >| \"$__step_record\"; }; trap __ramify_end EXIT; "
)
_EXPORT: Final = (
    "case $(( BASH_VERSINFO[0] < 5 )) in 1) __ramify_a=$(declare -p NAME 2>/dev/null); "
    "__ramify_a=${__ramify_a#declare -}; __ramify_a=${__ramify_a%% *};; *) __ramify_a=${NAME@a};; esac; "
    "case $__ramify_a in *x*) printf 'NAME=%s\\0' \"$NAME\";; "
    "*) [ -n \"${NAME+set}\" ] && printf 'NAME\\0';; esac; "
)
_SH_EXPORT: Final = 'if [ -n "${NAME+set}" ]; then printf \'NAME=%s\\0\' "$NAME"; fi; '


class Record(NamedTuple):
    """What a step left: its exit code (None: it did not come to its end), exports, and what was only set."""

    code: int | None
    exports: dict[str, str]
    not_exported: frozenset[str]


def bash_command(
    call: Call,
    key: str,
    step: int,
    control: str,
    *,
    strict: bool,
    names: Sequence[str],
    before: str | None,
    record: bool,
    code_folder: str,
) -> list[str]:
    """The arguments of the process of a step. `names` are the output variables that it may export.

    `FileNotFoundError` for a script that is not there, `ArgumentError` for one outside the code folder.
    """
    text, path = call.text, None
    if call.kind == "script":
        path = script_path(call.text, code_folder)
        with open(path, "rb") as file:
            text = file.read(256).decode(errors="replace")
    interpreter = shebang(text)
    program = os.path.basename(interpreter[0]) if interpreter else "bash"
    arguments = interpreter[1:]
    if program not in _BASH | _SH:
        path = path or _written(call.text, control, step)
        return _foreign(interpreter, path, key, step, before, record)
    posix = program in _SH
    body = '. "$0"\n' if path else call.text
    if len(body.encode()) > LONGEST:
        path, body = _written(call.text, control, step), '. "$0"\n'
    start = _opening(posix, strict, names, before, record)
    shell = interpreter[0] if interpreter and os.path.isabs(interpreter[0]) else program
    rest = [before] if before else []
    return [shell, *arguments, "-c", start + body, path or f"{key}/step-{step}", *rest]


def python_command(argv: Sequence[str], key: str, step: int, before: str | None) -> list[str]:
    """A shell that becomes the process of a Python step, once its surroundings are made."""
    rest = [before] if before else []
    start = (_BEFORE if before else "") + _CD
    return ["bash", "-c", start + 'exec "$@"', f"{key}/step-{step}", *rest, *argv]


def script_path(text: str, code_folder: str) -> str:
    """Where a script is: an absolute path, or one below the code folder.

    >>> script_path("bin/a.sh", "/code")
    '/code/bin/a.sh'
    """
    path = os.path.normpath(os.path.join(code_folder, text))
    if not os.path.isabs(text) and not path.startswith(code_folder.rstrip("/") + "/"):
        raise ArgumentError(f"the script {text!r} is outside the code folder: give its absolute path")
    return path


def shebang(text: str) -> list[str]:
    """The interpreter that the first line names, with its arguments; `env` is looked through.

    >>> shebang("#!/usr/bin/env python3\\nprint(1)"), shebang("#!/bin/bash -x"), shebang("echo")
    (['python3'], ['/bin/bash', '-x'], [])
    """
    first = text.lstrip("\n").partition("\n")[0].strip()
    words = shlex.split(first[2:]) if first.startswith("#!") else []
    if words and os.path.basename(words[0]) == "env":
        words = words[1:]
        if words and words[0] == "-S":
            words = words[1:]
    return words


def read_record(path: str) -> Record:
    """What a step left at this path; a record without its end counts as none.

    >>> read_record("/nowhere")
    Record(code=None, exports={}, not_exported=frozenset())
    """
    nothing = Record(None, {}, frozenset())
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return nothing
    if not data.endswith(b"\0\0"):
        return nothing
    exports: dict[str, str] = {}
    only_set = set()
    for entry in data[:-2].split(b"\0"):
        name, equals, value = os.fsdecode(entry).partition("=")
        if equals:
            exports[name] = value
        elif name:
            only_set.add(name)
    code = exports.pop("?", None)
    return Record(None if code is None else int(code), exports, frozenset(only_set))


@lru_cache(maxsize=64)
def find_program(name: str, path: str | None) -> str:
    """Where a program is; `FileNotFoundError` where it is not."""
    found = shutil.which(name, path=path)
    if found is None:
        raise FileNotFoundError(f"{name} is not on the PATH: install it, or give its absolute path")
    return found


@lru_cache(maxsize=256)
def _opening_of(posix: bool, strict: bool, names: tuple[str, ...], before: bool, record: bool) -> str:
    trap, export = (_SH_TRAP, _SH_EXPORT) if posix else (_TRAP, _EXPORT)
    start = trap.replace("EXPORTS", "".join(export.replace("NAME", name) for name in names)) if record else ""
    options = "set -e" + ("u" if strict else "") + ("; " if posix else "o pipefail; ")
    return start + (_BEFORE if before else "") + _CD + options


def _opening(posix: bool, strict: bool, names: Sequence[str], before: str | None, record: bool) -> str:
    return _opening_of(posix, strict, tuple(names), before is not None, record or bool(names))


def _foreign(
    interpreter: Sequence[str], path: str, key: str, step: int, before: str | None, record: bool
) -> list[str]:
    """Another interpreter; with `record` the shell stays, to tell how it ended."""
    start = _opening_of(False, False, (), before is not None, record) if record else ""
    if not record:
        start = (_BEFORE if before else "") + _CD
    rest = [before] if before else []
    command = start + ('"$@"' if record else 'exec "$@"')
    return ["bash", "-c", command, f"{key}/step-{step}", *rest, *interpreter, path]


def _written(text: str, control: str, step: int) -> str:
    path = f"{control}/step-{step}"
    if os.path.lexists(path):
        os.unlink(path)
    write_new(path, text.encode(errors="surrogateescape"))
    return path
