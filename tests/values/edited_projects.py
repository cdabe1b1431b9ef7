"""Small projects as texts, loaded afresh in this process: what the tables of edits are tried on."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import shutil
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ramify.values.fingerprint import Fingerprint, fingerprint, forget_fingerprints

TABLES = Path(__file__).parent / "edits"


class Edit(NamedTuple):
    """`old` becomes `new` in the file `where`; without `old`, the file is made anew.

    The function is `run` of `flow.py`, and takes one number. `said` is what the fingerprint says that it does
    not follow, where it cannot see the edit.
    """

    name: str
    files: Mapping[str, str]
    where: str
    old: str
    new: str
    since: tuple[int, int] = (3, 11)
    said: str = ""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a project is: on the import path, and forgotten afterwards."""
    folder = tmp_path / "project"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a file that is written twice in a second is stale
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)  # it may be patched
    yield folder
    unload(folder)


class Seen(NamedTuple):
    fingerprint: Fingerprint
    result: str


def tried(table: str) -> list[Any]:
    """The edits of a table that this version of Python can run, as parameters of a test."""
    return [pytest.param(edit, id=edit.name) for edit in edits_of(table) if sys.version_info >= edit.since]


def edits_of(table: str) -> Iterator[Edit]:
    """The edits in `edits/TABLE.txt`, each of which begins with `=== its name`.

    A file of the project begins with `#: its/path.py`; the edit, which is last, with `--- its/path.py`, and
    the new text with `+++`, after which new files may come. Lines that begin with `since:` and
    `said:` come right after the name.
    """
    text = (TABLES / f"{table}.txt").read_text()
    for part in f"\n{text}".split("\n=== ")[1:]:
        project, _, edit = part.partition("\n--- ")
        head, *files = project.split("\n#: ")
        name, *told = head.splitlines()
        options = dict(line.split(": ", 1) for line in told if line)
        where, _, texts = edit.partition("\n")
        old, new = texts.split("+++\n")
        since = tuple(map(int, options.get("since", "3.11").split(".")))
        change = where, old.rstrip("\n"), new.rstrip("\n")
        yield Edit(name, dict(map(_file_of, files)), *change, since, options.get("said", ""))


def _file_of(text: str) -> tuple[str, str]:
    path, _, body = text.partition("\n")
    return path, body.rstrip("\n") + "\n"


def edited(edit: Edit) -> dict[str, str]:
    """The files after the edit."""
    new, *more = edit.new.replace("<CR>", "\r").split("\n#: ")
    files = {**edit.files, **dict(map(_file_of, more))}
    assert edit.old in files.get(edit.where, ""), f"{edit.name}: the old text is not there"
    files[edit.where] = files[edit.where].replace(edit.old, new) if edit.old else new
    return files


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Makes `folder` the project, and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())


def unload(folder: Path) -> None:
    """Forgets the modules of the project, and what is known of them."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", None) or ()), "")
        if str(file).startswith(f"{folder}/"):
            del sys.modules[name]
    importlib.invalidate_caches()
    forget_fingerprints()


def load(folder: Path, name: str = "run") -> Callable[[Any], Any]:
    """The function of the project, loaded afresh."""
    unload(folder)
    found: Callable[[Any], Any] = getattr(importlib.import_module("flow"), name)
    return found


def see(folder: Path, files: Mapping[str, str]) -> Seen:
    """The fingerprint, and what the function gives for 3; that it ran must make no difference."""
    write(folder, files)
    function = load(folder)
    before = fingerprint(function)
    result = told(function)
    forget_fingerprints()
    again = fingerprint(function)
    assert again == before, "it is another after a call, which loads what is imported late"
    return Seen(before, result)


def told(function: Callable[[Any], Any]) -> str:
    """What the function does with 3, as a text."""
    try:
        result = function(3)
        if inspect.isgenerator(result):
            result = list(result)
        return repr(asyncio.run(result) if inspect.iscoroutine(result) else result)
    except Exception as error:
        return repr(error)


def digests(folder: Path, *, as_script: bool = False) -> dict[str, str | None]:
    """The digests of the functions of all tables, each project of which is in `folder` for a while."""
    sys.path.insert(0, str(folder))
    found = {}
    for table in sorted(file.stem for file in TABLES.glob("*.txt")):
        for edit in edits_of(table):
            if sys.version_info >= edit.since:
                write(folder, edit.files)
                function = _load_as_script(folder) if as_script else load(folder)
                found[f"{table}: {edit.name}"] = fingerprint(function).digest
                unload(folder)
    sys.path.remove(str(folder))
    return found


def _load_as_script(folder: Path) -> Any:
    """What `python flow.py` makes of it."""
    unload(folder)
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    module.__file__ = str(folder / "flow.py")
    code = compile((folder / "flow.py").read_bytes(), module.__file__, "exec", dont_inherit=True)
    exec(code, vars(module))
    return vars(module)["run"]
