"""Plan folders: written beside and put in place whole, read back, pointed at other outputs."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ramify._version import __version__
from ramify.errors import PlanError, RamifySerializationError, UnpicklableError
from ramify.files.letter_case import refuse_same_but_for_case
from ramify.files.local import (
    link_file,
    make_folder,
    read_bytes,
    temporary_name,
    write_atomic,
    write_new,
)
from ramify.plan.definition import CodeNote, Definition
from ramify.plan.opened import Plan
from ramify.plan.paths import (
    CALLABLES,
    CODES,
    DEFINITIONS,
    FOLDERS,
    INPUTS,
    PARTS,
    PLAN_FILE,
    Location,
    PlanPaths,
    check_apart,
    check_manifest,
    default_outputs,
    default_run,
    find_plan,
    is_plan,
    relative_to_plan,
)
from ramify.plan.replace import put_in_place
from ramify.values.importable import own_import_path

__all__ = ["Literal", "NewPlan", "Plan", "read_plan", "rewrite_outputs", "unpicklable", "write_plan"]

VERSION: Final = 1
"""The format of plans that this code writes and reads."""


@dataclass(frozen=True, slots=True)
class Literal:
    """An argument that is written as a file: `stem` is below the plan folder; `boxed` puts it in a list."""

    stem: str
    value: Any
    boxed: bool
    job_id: str
    argument: str


@dataclass(slots=True)
class NewPlan:
    """What is to be written: definitions (parents first), functions that travel by value (pickle and source,
    by digest), arguments as values and as ready bytes, the names in each folder of the outputs, and the
    fingerprints of the functions."""

    definitions: list[Definition]
    callables: dict[str, tuple[bytes, str | None]] = field(default_factory=dict)
    literals: list[Literal] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[str, CodeNote] = field(default_factory=dict)

    def count_jobs(self) -> int:
        """The number of jobs, points of grids among them."""
        return sum(
            1 if d.kind == "job" else len(msgspec.json.decode(d.points, type=list[str]))
            for d in self.definitions
            if d.kind != "rule"
        )


def write_plan(
    path: Location,
    new: NewPlan,
    *,
    outputs: Location | None = None,
    run: Location | None = None,
    under: str | None = None,
    told_gone: Callable[[list[str]], None] | None = None,
) -> Plan:
    """Writes a plan folder at `path` and opens it.

    It is built beside and put in place at the end: on any error there is what was there before. A plan that
    is there is replaced whole, its outputs are not touched, and `told_gone` gets the ids of the jobs that it
    had and the new one has not. With `under`, an id, only what is at and below that id is replaced.

    Raises `PlanError` where the folder holds something else, `UnpicklableError` for an argument that cannot
    be written, `RamifyKeyEncodingError` for ids that are one name where the outputs go, `StorageError` where
    the disk refuses.
    """
    target = os.path.abspath(path)
    _check_target(target)
    if outputs is not None:
        check_apart(path, outputs)
    old = _earlier(target, must=under is not None)
    if under is not None and old is not None:
        _merge(old, new, under)
    manifest = _manifest(target, new, outputs, run, old if under is not None else None)
    ids = (each.id for each in new.definitions)
    refuse_same_but_for_case(ids, Plan(target, manifest).outputs, "the jobs")
    real = os.path.realpath(target)  # a link to the plan's folder stays one
    beside = _beside(real)
    try:
        _write_parts(beside, new, manifest)
        if under is not None and old is not None:
            _keep_files(old, beside)
        gone = [] if old is None else _gone(old, new)
        put_in_place(beside, real)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)  # what is left of it is in nobody's way
        raise
    if gone and told_gone:
        told_gone(gone)
    return Plan(target, manifest)


def unwritten_plan(path: Location, new: NewPlan, outputs: Location | None = None) -> Plan:
    """The plan that `write_plan` would write at `path`, for looking at: nothing is on disk."""
    target = os.path.abspath(path)
    plan = Plan(target, _manifest(target, new, outputs, None, None))
    plan._bytes = msgspec.json.Encoder().encode_lines(new.definitions)
    plan._codes = new.codes
    return plan


def read_plan(location: Location | PlanPaths) -> Plan:
    """Opens the plan at `location`, or the one in its folder `plan`; definitions are parsed when needed.

    Raises `PlanError` where there is none, `PlanVersionError` for a plan of another format.
    """
    path = find_plan(location)
    manifest_path = os.path.join(path, PLAN_FILE)
    try:
        manifest = msgspec.json.decode(read_bytes(manifest_path))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PlanError(
            f"{manifest_path} cannot be read ({error}): make the plan again with dag.materialize",
            path=manifest_path,
        ) from error
    return Plan(path, check_manifest(manifest_path, manifest, VERSION))


def rewrite_outputs(plan: Plan, outputs: Location) -> Plan:
    """The plan with its outputs elsewhere, written down in the plan."""
    check_apart(plan.path, outputs)
    manifest = {**plan.manifest, "outputs": relative_to_plan(plan.path, outputs)}
    if manifest != plan.manifest:
        write_atomic(os.path.join(plan.path, PLAN_FILE), _pretty(manifest))
    return Plan(plan.path, manifest)


# ---- inside


def _check_target(target: str) -> None:
    if not os.path.lexists(target) or is_plan(target):
        return
    if not os.path.isdir(target):
        raise PlanError(f"{target} is a file: choose another path for the plan", path=target)
    strange = sorted(set(os.listdir(target)) - {*PARTS, "outputs", "run"})
    if strange:
        raise PlanError(
            f"{target} holds other things ({', '.join(strange[:3])}) and no plan: it is not replaced; "
            "choose a folder of its own for the plan",
            path=target,
        )


def _earlier(target: str, must: bool) -> Plan | None:
    """The plan that is there. One that cannot be read is replaced like any other, unless a part must stay."""
    if not is_plan(target):
        return None
    try:
        return read_plan(target)
    except PlanError:
        if must:
            raise
        return None


def _manifest(
    target: str, new: NewPlan, outputs: Location | None, run: Location | None, kept: Plan | None
) -> dict[str, Any]:
    from datetime import UTC, datetime

    places = kept.manifest if kept else {"outputs": default_outputs(target), "run": default_run(target)}
    return {
        "kind": "ramify-plan",
        "version": VERSION,
        "ramify_version": __version__,
        "python": platform.python_version(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "outputs": places["outputs"] if outputs is None else relative_to_plan(target, outputs),
        "run": places["run"] if run is None else relative_to_plan(target, run),
        "import_path": list(dict.fromkeys([*own_import_path(), *places.get("import_path", ())])),
        "counts": {
            "definitions": len(new.definitions),
            "jobs": new.count_jobs(),
            "hidden": sum(d.hidden for d in new.definitions),
        },
    }


def _beside(target: str) -> str:
    make_folder(os.path.dirname(target))
    beside = f"{temporary_name(target)}.new"
    shutil.rmtree(beside, ignore_errors=True)  # of an earlier process with this number
    make_folder(beside)
    return beside


def _write_parts(folder: str, new: NewPlan, manifest: Mapping[str, Any]) -> None:
    write_literals(folder, new)
    _write(folder, DEFINITIONS, msgspec.json.Encoder().encode_lines(new.definitions))
    _write(folder, FOLDERS, msgspec.json.encode(new.folders))
    _write(folder, CODES, msgspec.json.encode(new.codes))
    _write(folder, PLAN_FILE, _pretty(manifest))


def write_literals(folder: str, new: NewPlan) -> None:
    """Writes the functions and the arguments of definitions; what is there already stays."""
    for digest, (data, source) in new.callables.items():
        if not os.path.exists(os.path.join(folder, CALLABLES, f"{digest}.pickle")):
            _write(folder, f"{CALLABLES}/{digest}.pickle", data)
            if source is not None:
                _write(folder, f"{CALLABLES}/{digest}.py", source.encode("utf-8", "backslashreplace"))
    for name, data in new.files.items():
        _write(folder, name, data)
    for literal in new.literals:
        _write_literal(folder, literal)


def _write(folder: str, name: str, data: bytes) -> None:
    path = os.path.join(folder, name)
    make_folder(os.path.dirname(path))
    write_new(path, data)


def _write_literal(folder: str, literal: Literal) -> None:
    from ramify.values import serialize

    stem = os.path.join(folder, literal.stem)
    make_folder(os.path.dirname(stem))
    try:
        serialize([literal.value] if literal.boxed else literal.value, stem)
    except RamifySerializationError as error:
        raise unpicklable(literal.job_id, literal.argument, literal.value, error) from error


def unpicklable(job_id: str, argument: str, value: Any, error: BaseException) -> UnpicklableError:
    """The error that names a job, its argument, and the object in it that cannot travel."""
    from ramify.values.pickling import find_unpicklable

    while error.__cause__ is not None:  # what pickle itself said
        error = error.__cause__
    where, why = find_unpicklable(value, argument), f"{type(error).__name__}: {error}"
    if isinstance(error, RecursionError):
        where, why = argument, "it is nested too deeply"
    return UnpicklableError(
        f"job {job_id!r}, argument {argument!r}: {where} cannot be pickled, so no worker could get it "
        f"({why}); make it inside the job, or pass what it is made from",
        job_id=job_id,
        argument=argument,
        path=where,
    )


def _pretty(manifest: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def _merge(old: Plan, new: NewPlan, under: str) -> None:
    """Puts what the old plan has elsewhere than under an id before the new definitions."""
    start = f"{under}/"
    for definition in old.drafted().values():
        if under.startswith(f"{definition.id}/"):
            raise PlanError(
                f"the prefix {under!r} is below the {definition.kind} {definition.id!r} of the plan "
                f"{old.path}, so their outputs would be in one folder: choose another prefix",
                path=old.path,
            )
    kept = [d for i, d in old.drafted().items() if i != under and not i.startswith(start)]
    new.definitions[:0] = kept
    new.codes = {**old.codes, **new.codes}
    for folder, names in old.drafted_folders().items():
        if folder != under and not folder.startswith(start):
            new.folders[folder] = list(dict.fromkeys([*names, *new.folders.get(folder, ())]))


def _keep_files(old: Plan, folder: str) -> None:
    for part in (CALLABLES, INPUTS):
        source = os.path.join(old.path, part)
        for above, _, names in os.walk(source):
            inside = os.path.relpath(above, old.path)
            for name in names:
                target = os.path.join(folder, inside, name)
                if not os.path.lexists(target):
                    make_folder(os.path.dirname(target))
                    link_file(os.path.join(above, name), target)


def _gone(old: Plan, new: NewPlan) -> list[str]:
    """The jobs of the old plan that the new one has not."""
    try:
        if old.has_same_text(msgspec.json.Encoder().encode_lines(new.definitions)):
            return []
        before = list(old.drafted().values())  # what was added to it comes again, or not
    except PlanError:  # unreadable: it is being replaced for that very reason, perhaps
        return []
    now = {d.id: d for d in new.definitions}
    gone: list[str] = []
    for definition in before:
        if definition.hidden:
            continue
        same = now.get(definition.id)
        if same is None or same.kind != definition.kind:
            gone += _ids(old, definition)
        elif same.points != definition.points:
            known = set(msgspec.json.decode(same.points, type=list[str]))
            gone += [definition.job_id(p) for p in old.points(definition) if p not in known]
    return gone


def _ids(plan: Plan, definition: Definition) -> Iterable[str]:
    if definition.kind == "job":
        return [definition.id]
    return [definition.job_id(p) for p in plan.points(definition)]
