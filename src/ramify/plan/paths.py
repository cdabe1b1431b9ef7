"""Where a plan, its outputs and its runs are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ramify.errors import PlanError
from ramify.files.local import local_path

PLAN_FILE: Final = "plan.json"
DEFINITIONS: Final = "definitions.jsonl"
FOLDERS: Final = "folders.json"
CODES: Final = "codes.json"
CALLABLES: Final = "callables"
GROWN: Final = "grown.jsonl"
"""Definitions that were added while the latest run went on; the last of an id counts."""
GROWN_NOTES: Final = "grown-notes.jsonl"
"""A line for every growth: the fingerprints and the folders that came with it."""
INPUTS: Final = "inputs"
PARTS: Final = (PLAN_FILE, DEFINITIONS, FOLDERS, CODES, CALLABLES, INPUTS, GROWN, GROWN_NOTES)
"""What a plan folder holds of the plan itself."""

_JOINER: Final = ":::"

Location = str | os.PathLike[str]


@dataclass(frozen=True)
class PlanPaths:
    """The three places of a plan: its definitions, its inputs, and its outputs.

    Definitions and inputs are kept in one folder, the plan's; outputs may be anywhere.

    >>> paths = PlanPaths.from_root("exp/plan")
    >>> paths.to_runner_string(), paths.root.as_posix()
    ('exp/plan', 'exp/plan')
    """

    definitions: Path
    inputs: Path
    outputs: Path

    @classmethod
    def from_root(cls, root: Location) -> PlanPaths:
        """The places of a plan folder, each in its usual place."""
        base = Path(root)
        return cls(base / DEFINITIONS, base / INPUTS, Path(os.path.normpath(base / default_outputs(base))))

    @property
    def root(self) -> Path:
        """The plan folder; `PlanError` where definitions and inputs are not in one."""
        if self.definitions.parent != self.inputs.parent:
            raise PlanError(
                f"the definitions ({self.definitions}) and the inputs ({self.inputs}) of a plan are kept in "
                "one folder: give them the same parent",
                path=str(self.definitions),
            )
        return self.definitions.parent

    def to_runner_string(self) -> str:
        """The root alone where everything is in its usual place, else the three places in one text."""
        root = self.definitions.parent
        if PlanPaths.from_root(root) == self:
            return str(root)
        return _JOINER.join(map(str, (self.definitions, self.inputs, self.outputs)))

    @classmethod
    def from_runner_string(cls, text: str) -> PlanPaths:
        """The places that `to_runner_string` wrote.

        >>> text = PlanPaths(Path("p/definitions"), Path("p/inputs"), Path("o")).to_runner_string()
        >>> PlanPaths.from_runner_string(text).outputs
        PosixPath('o')
        """
        parts = text.split(_JOINER)
        if len(parts) == 1:
            return cls.from_root(text)
        if len(parts) != 3:
            raise PlanError(f"{text!r} is neither one path nor three, joined by {_JOINER!r}", path=text)
        return cls(Path(parts[0]), Path(parts[1]), Path(parts[2]))


def default_outputs(plan: Location) -> str:
    """Where the outputs of a plan go unless it is told, relative to it.

    >>> default_outputs("exp/plan"), default_outputs("exp-plan")
    ('../outputs', 'outputs')
    """
    return _default(plan, "outputs")


def default_run(plan: Location) -> str:
    """Where the runs of a plan go, relative to it."""
    return _default(plan, "run")


def _default(plan: Location, name: str) -> str:
    return f"../{name}" if os.path.basename(os.path.abspath(plan)) == "plan" else name


def relative_to_plan(plan: str, target: Location) -> str:
    """`target` as it is seen from the plan; absolute where they share nothing but the root."""
    absolute = os.path.abspath(local_path(target))
    plan = os.path.abspath(plan)
    try:
        shared = os.path.commonpath([plan, absolute])
    except ValueError:  # another drive
        return absolute
    return os.path.relpath(absolute, plan) if os.path.dirname(shared) != shared else absolute


def file_below(folder: str, plan: str, text: str) -> str:
    """What a trace calls a declared file, `file PATH` with the path as seen from the plan, as it is seen from
    `folder`, where it lies there.

    >>> file_below("/data/i", "/data/i/.ramify/@run/plan", "file ../../../in.tsv")
    'file in.tsv'
    >>> file_below("/data/i", "/data/i/.ramify/@run/plan", "file ../../../../in.tsv")
    'file /data/in.tsv'
    """
    word, blank, path = text.partition(" ")
    if word != "file" or not blank:
        return text
    whole = os.path.normpath(os.path.join(plan, path))
    return f"file {os.path.relpath(whole, folder) if _is_below(whole, folder) else whole}"


def check_apart(plan: Location, outputs: Location) -> None:
    """Raises `PlanError` where the outputs would be in one place with the plan: to clear them would clear it.

    >>> check_apart("exp/plan", "exp/outputs")
    >>> check_apart("exp/plan", "exp")
    Traceback (most recent call last):
        ...
    ramify.errors.PlanError: the outputs cannot be in 'exp', where 'exp/plan' is the plan: choose another
    """
    inside, above = os.path.realpath(plan), os.path.realpath(outputs)
    parts = tuple(os.path.join(inside, name) for name in PARTS)
    if _is_below(inside, above) or any(_is_below(above, part) for part in parts):
        raise PlanError(
            f"the outputs cannot be in {os.fspath(outputs)!r}, where {os.fspath(plan)!r} is the plan: choose "
            "another",
            path=os.fspath(outputs),
        )


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def is_plan(folder: Location) -> bool:
    """Whether a plan is in this very folder."""
    return os.path.isfile(os.path.join(folder, PLAN_FILE))


def find_plan(location: Location | PlanPaths) -> str:
    """The absolute path of the plan at `location`, or of the one in its folder `plan`.

    Raises `PlanError` where neither is one.
    """
    given = os.path.abspath(plan_root(location))
    for folder in (given, os.path.join(given, "plan")):
        if is_plan(folder):
            return folder
    if not os.path.isdir(given):
        why = "there is no such folder"
    else:
        why = f"neither it nor its folder 'plan' holds a {PLAN_FILE}"
    raise PlanError(f"no plan at {given}: {why}; make one with dag.materialize({given!r})", path=given)


def plan_root(location: Location | PlanPaths) -> str:
    """The plan folder that a path or a `PlanPaths` names."""
    return local_path(location.root if isinstance(location, PlanPaths) else location)


def check_manifest(path: str, manifest: Any, expected: int) -> Mapping[str, Any]:
    """The manifest, if it is one of this version; else `PlanError` or `PlanVersionError`."""
    from ramify.errors import PlanVersionError

    if not isinstance(manifest, dict) or manifest.get("kind") != "ramify-plan":
        raise PlanError(f"{path} is not the manifest of a Ramify plan", path=path)
    lacks = [name for name in ("outputs", "run") if not isinstance(manifest.get(name), str)]
    found = manifest.get("version")
    if found != expected:
        raise PlanVersionError(
            f"the plan {os.path.dirname(path)} has format {found!r} and this Ramify reads format {expected}: "
            "make it again with dag.materialize",
            path=path,
            found=found,
            expected=expected,
        )
    entries = manifest.get("import_path", [])
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise PlanError(f"{path}: import_path is no list of folders: make the plan again", path=path)
    if lacks:
        raise PlanError(
            f"{path} does not say where the {lacks[0]} folder is: make the plan again with dag.materialize",
            path=path,
        )
    return manifest
