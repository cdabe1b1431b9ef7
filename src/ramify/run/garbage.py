"""What nothing names any more: outputs of jobs that are gone, parts of dead runs, old runs.

What the plan names, or any run that stays, is never garbage. First it is found, and told; then it is removed,
piece by piece and under the folder's lock, so that a removal that is cut short leaves everything whole.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ramify.errors import PlanError
from ramify.files.local import remove_file, remove_tree
from ramify.files.lock import FolderLock, read_holder
from ramify.plan.definition import HIDDEN
from ramify.plan.growth import read_growth
from ramify.plan.opened import Plan
from ramify.run.recover import kept_plan
from ramify.run.view import JOURNAL, runs_in
from ramify.stores.codes import CODES
from ramify.stores.folder import PARTS, FolderStore
from ramify.stores.index import OutputIndex
from ramify.values.codec import SIDECAR

OUTPUT: Final = "output"
PART: Final = "part"
RUN: Final = "run"
CODE: Final = "code"


@dataclass(frozen=True, slots=True)
class Garbage:
    """One thing that would go. `kind` is `output`, `part`, `run` or `code`; `bytes` its size; for an output
    `place` is where it is below the outputs."""

    kind: str
    path: str
    why: str
    bytes: int
    place: str = ""


def find_garbage(plan: Plan, *, keep: int = 10, older_than: float | None = None) -> list[Garbage]:
    """What would go of one folder: runs but the newest `keep`, and what only they had named.

    With `older_than`, seconds, only what was last changed so long ago. The latest run stays, and one that is
    under way.
    """
    runs = runs_in(plan.run_folder)
    holder = read_holder(plan.run_folder)
    active = None if holder is None else os.path.join(plan.run_folder, str(holder.get("run")))
    doomed = [folder for folder in runs[max(keep, 1) :] if folder != active and _is_old(folder, older_than)]
    found = [Garbage(RUN, f, f"{keep} newer runs are kept", _size(f)) for f in doomed]
    if holder is None:
        found += _parts(plan)
    named = _named(plan, [folder for folder in runs if folder not in doomed])
    if named is not None:
        found += [g for g in _outputs(plan, named) if _is_old(g.path, older_than)]
        found += _codes(plan, [folder for folder in runs if folder not in doomed])
    return found


def remove_garbage(plan: Plan, garbage: Iterable[Garbage]) -> list[Garbage]:
    """Removes what was found, and returns it; `LockedError` where a run is under way."""
    store = FolderStore(plan.outputs)
    gone = []
    with FolderLock(plan.run_folder, run="gc"):
        chosen = list(garbage)
        OutputIndex(plan.outputs).forget([g.place for g in chosen if g.kind == OUTPUT])
        for piece in chosen:
            if piece.kind == OUTPUT:
                store.remove(piece.place)
                _remove_empty(plan.outputs, os.path.dirname(piece.path))
            elif piece.kind == CODE:
                remove_file(piece.path)
            else:
                remove_tree(piece.path)
            gone.append(piece)
    return gone


def _remove_empty(outputs: str, folder: str) -> None:
    """Folders of groups that hold nothing any more, from the inside out."""
    while folder.startswith(f"{outputs}/") and not os.listdir(folder):
        remove_file(folder + SIDECAR)
        os.rmdir(folder)
        folder = os.path.dirname(folder)


# ---- what is named


def _named(plan: Plan, runs: Iterable[str]) -> set[str] | None:
    """The places of all outputs that the plan or these runs name; None where one of them cannot say."""
    try:
        named = _places(plan)
        for folder in runs:
            named |= _places(kept_plan(folder, plan.outputs))
    except PlanError:
        return None
    return named


def _places(plan: Plan) -> set[str]:
    found: set[str] = set()
    for definition in plan.definitions.values():
        if definition.kind == "job":
            found.add(definition.stored(None))
        else:
            base = definition.stored(None)
            found.update(f"{base}/{point}" if base else point for point in plan.points(definition))
    return found


# ---- what is there


def _outputs(plan: Plan, named: set[str]) -> list[Garbage]:
    """Outputs that are not named, are no part of a named one, and hold none; the topmost of each."""
    groups = {above for place in named for above in _above(place)}
    store = FolderStore(plan.outputs)
    stray = [
        place
        for place in (*store.listing(), *_hidden(plan.outputs))
        if place not in named and place not in groups and not any(above in named for above in _above(place))
    ]
    known = set(stray)
    found = []
    for place in sorted(stray):
        if any(above in known for above in _above(place)):
            continue
        record = store.holds(place)
        path = store.stem(place) + (str(record["suffix"]) if record is not None else "")
        found.append(Garbage(OUTPUT, path, "no plan and no run names it", _size(path), place))
    return found


def _hidden(outputs: str) -> list[str]:
    """The places of outputs of jobs that are only arguments."""
    found = []
    for above, folders, names in os.walk(os.path.join(outputs, HIDDEN)):
        inside = os.path.relpath(above, outputs)
        found += [f"{inside}/{n.removesuffix(SIDECAR)}" for n in names if n.endswith(SIDECAR)]
        folders.sort()
    return found


def _above(place: str) -> list[str]:
    parts = place.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _parts(plan: Plan) -> list[Garbage]:
    folder = os.path.join(plan.outputs, PARTS)
    if not os.path.isdir(folder):
        return []
    return [Garbage(PART, folder, "what a run that died had not finished", _size(folder))]


def _codes(plan: Plan, runs: Iterable[str]) -> list[Garbage]:
    folder = os.path.join(plan.outputs, CODES)
    if not os.path.isdir(folder):
        return []
    used = _used_codes(plan)
    for run in runs:
        used |= _used_codes(kept_plan(run, plan.outputs))
    found = []
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if name.removesuffix(".json") not in used:
            found.append(Garbage(CODE, path, "no run that is kept used this code", _size(path)))
    return found


def _used_codes(plan: Plan) -> set[str | None]:
    """The digests of the code of what the plan was made with, and of what was added while it ran."""
    grown = [note for growth in read_growth(plan.path)[1] for note in growth.codes.values()]
    return {note.digest for note in (*plan.codes.values(), *grown)}


def _is_old(path: str, older_than: float | None) -> bool:
    if older_than is None:
        return True
    journal = os.path.join(path, JOURNAL)
    try:
        return os.stat(journal if os.path.exists(journal) else path).st_mtime < time.time() - older_than
    except FileNotFoundError:  # a group without members has a sidecar alone
        return True


def _size(path: str) -> int:
    """Bytes of a file, or of all files in a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path) if os.path.exists(path) else 0
    return sum(os.lstat(os.path.join(above, n)).st_size for above, _, names in os.walk(path) for n in names)
