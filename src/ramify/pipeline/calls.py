"""The steps of a task: bash snippets, scripts of the code folder, and marked functions."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from functools import lru_cache
from types import FunctionType
from typing import Any, Final
from weakref import WeakKeyDictionary

from ramify.errors import FileMissingError, UnpicklableError
from ramify.pipeline.definition import Call
from ramify.pipeline.marked import python_call_of
from ramify.pipeline.names import refusal, wrong_type
from ramify.pipeline.place import Place

CODE_DIR: Final = "$__pipeline_code_dir/"

_functions: WeakKeyDictionary[FunctionType, Call] = WeakKeyDictionary()


class Scripts:
    """The scripts of one code folder, each looked for once in a pass of the generator.

    With `absolute` their paths are written in full: those of a sub-pipeline with a code folder of its own.
    """

    __slots__ = ("_found", "absolute", "folder")

    def __init__(self, folder: str, absolute: bool = False) -> None:
        self.folder = folder
        self.absolute = absolute
        self._found: dict[str, bool] = {}

    def has(self, path: str) -> bool:
        """Whether there is a file at this path, below the folder if it is relative."""
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = os.path.isfile(os.path.join(self.folder, path))
        return found

    def written(self, path: str) -> str:
        """The path as a definition has it."""
        return os.path.join(self.folder, path) if self.absolute else path


def make_call(
    what: Any,
    scripts: Scripts,
    key: str,
    place: Place,
    container: str | None = None,
    python_bin: str | None = None,
    sbatch_options: str | Iterable[str] = (),
) -> Call:
    """One step, as data."""
    for name, value in (("container", container), ("python_bin", python_bin)):
        if value is not None and (not isinstance(value, str) or not value):
            raise wrong_type(key, place, f"{name} of a step must be a text; it is {value!r}")
    options = (sbatch_options,) if isinstance(sbatch_options, str) else tuple(sbatch_options)
    if isinstance(what, str):
        path = _script_path(what, scripts)
        if path is not None:
            _check_script(path, scripts, key, place)
            return Call("script", scripts.written(path), container, python_bin, None, options)
        text = snippet(what)
        if not text.strip() or "\0" in text:
            raise refusal(key, place, "a snippet of bash is empty or holds NUL")
        return Call("bash", text, container, python_bin, None, options)
    if python_call_of(what) is None:
        raise wrong_type(key, place, _no_step(what))
    call = _call_of_function(what, key, place)
    return Call(call.kind, call.text, container, python_bin, call.pickled, options)


@lru_cache(maxsize=4096)
def snippet(text: str) -> str:
    """A snippet as it is run: without the indentation that all its lines share, and blank lines around it.

    Lines keep all else, so that here-documents say what they say.

    >>> snippet('''
    ...     #!/usr/bin/env bash
    ...     cat <<END
    ...       two blanks
    ...     END
    ... ''')
    '#!/usr/bin/env bash\\ncat <<END\\n  two blanks\\nEND\\n'
    """
    lines = text.split("\n")
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in lines if line.strip()]
    shared = _length_in_common(min(indents, default=""), max(indents, default=""))
    lines = [line[shared:] if line[:shared].isspace() else line for line in lines]
    while lines and not lines[0].strip():
        del lines[0]
    while lines and not lines[-1].strip():
        del lines[-1]
    return "\n".join(lines) + "\n"


def _length_in_common(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _script_path(text: str, scripts: Scripts) -> str | None:
    """The path of a script, where the text is one: a single line that ends with `.sh`.

    One with blanks in it may be a command as well (`bash run.sh`): it is a script where there is that file.
    """
    path = text.strip()
    if not path.endswith(".sh") or "\n" in path:
        return None
    path = path.removeprefix(CODE_DIR)
    if any(map(str.isspace, path)) and not scripts.has(path):
        return None
    return posixpath.normpath(path)


def _check_script(path: str, scripts: Scripts, key: str, place: Place) -> None:
    if not os.path.isabs(path) and path.split("/")[0] == "..":
        raise refusal(key, place, f"the script {path!r} is outside the code folder: give its absolute path")
    if not scripts.has(path):
        full = os.path.join(scripts.folder, path)
        where = "" if path == full else f" in the code folder {scripts.folder}"
        raise FileMissingError(
            f"{place}: task {key!r}: there is no script {path!r}{where}: put it there, or give "
            "create_pipeline(pipeline_code_dir=...)",
            path=full,
            key=key,
        )


def _no_step(what: Any) -> str:
    if isinstance(what, FunctionType):
        return f"calls({what.__qualname__}): put @python_call() above that function"
    if isinstance(what, os.PathLike):
        return f"calls({what!r}): give the path as text that ends with '.sh'"
    return f"calls({what!r}): a step is text (bash, or the path of a '.sh' file) or a @python_call() function"


def _call_of_function(function: FunctionType, key: str, place: Place) -> Call:
    """Made once for each function object: a pickle is of the function as it was at its first use."""
    known = _functions.get(function)
    if known is None:
        from ramify.values.code import describe_function

        try:
            code = describe_function(function)
        except UnpicklableError as error:
            error.add_note(f"{place}: task {key!r} calls it")
            raise
        name = f"{code.module or function.__module__}:{code.qualname or function.__qualname__}"
        known = _functions[function] = Call("python", name, pickled=code.pickled)
    return known
