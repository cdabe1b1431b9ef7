"""`ramify gc`: tells what nothing names any more, then removes it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

import click

from ramify.catalogue import open_catalogue
from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.errors import LockedError, ModeError, PlanError, RamifyError
from ramify.files.local import remove_tree
from ramify.plan.folder import read_plan
from ramify.plan.opened import Plan
from ramify.run.garbage import Garbage, find_garbage, remove_garbage
from ramify.run.view import IN_MEMORY
from ramify.settings import RUNS, project_home
from ramify.show.status import shortest
from ramify.show.text import is_terminal, size, visible

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MOST: Final = 40


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(exists=True, file_okay=False))
@click.option("--keep", type=click.IntRange(1), default=10, show_default=True, help="Runs that stay.")
@click.option("--older-than", metavar="AGE", help="Only what was last changed so long ago: 12h, 30d, 8w.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@verbose_option
@json_option
def gc(folders: Sequence[str], keep: int, older_than: str | None, yes: bool, as_json: bool, **_: Any) -> int:
    """Tell what would go, and then remove it: what no plan and no run names any more.

    That is outputs of jobs that are gone, what dead runs left unfinished, and all runs but the newest of each
    of FOLDERS (of all folders that the project knows) and of .ramify/@runs. Nothing goes that a run which
    stays still names. Without a terminal, nothing is removed unless --yes is said.

    Example: ramify gc --keep 3 --older-than 30d
    """
    sweep = Sweep(folders, keep, _seconds(older_than))
    if as_json:
        gone = sweep.remove() if yes else []
        put_json({**sweep.document(), "removed": len(gone), "skipped": sweep.skipped})
        return 0
    put_lines(sweep.lines())
    if not sweep.found and not sweep.folders:
        return 0
    if not yes and not _agrees():
        put_lines(["nothing was removed: say --yes"])
        return 0
    gone = sweep.remove()
    lines = [f"skipped {shortest(path)}: {visible(why)}" for path, why in sweep.skipped.items()]
    put_lines([*lines, f"removed {len(gone)}, {size(sum(gone))}"])
    return 0


def _agrees() -> bool:
    return is_terminal(sys.stdin) and is_terminal(sys.stdout) and click.confirm("Remove all of this?")


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*", text)
    if found is None:
        raise ModeError(f"--older-than is {text!r}: write a number and s, m, h, d or w, as in 30d")
    return float(found[1]) * _UNITS[found[2]]


class Sweep:
    """What would go of the folders: things in them, and whole folders of runs that were given none."""

    def __init__(self, folders: Sequence[str], keep: int, older_than: float | None) -> None:
        self.home = project_home()
        self.skipped: dict[str, str] = {}
        self.found: list[tuple[Plan, list[Garbage]]] = []
        self.folders: list[tuple[str, int]] = []
        self._keep, self._older_than = keep, older_than
        self._without_plan: set[str] = set()
        known = [os.path.abspath(folder) for folder in folders] or self._known()
        own = os.path.join(self.home, RUNS)
        if not folders:
            self._find_folders([path for path in known if os.path.dirname(path) == own])
        doomed = {path for path, _ in self.folders}
        for path in known:
            if path not in doomed and path not in self._without_plan:
                self._look(path)

    def _known(self) -> list[str]:
        """The folders that the project's runs evaluated into, the newest first."""
        runs = open_catalogue(self.home).runs()
        self._without_plan = {_target(run) for run in runs if run["kind"] == IN_MEMORY}
        found = (_target(run) for run in runs)
        return [folder for folder in dict.fromkeys(found) if os.path.isdir(folder)]

    def _find_folders(self, own: list[str]) -> None:
        import time

        from ramify.files.lock import read_holder

        for path in own[self._keep :]:
            old = self._older_than is None or os.stat(path).st_mtime < time.time() - self._older_than
            if old and read_holder(os.path.join(path, "run")) is None:
                self.folders.append((path, _bytes_in(path)))

    def _look(self, path: str) -> None:
        try:
            plan = read_plan(path)
            garbage = find_garbage(plan, keep=self._keep, older_than=self._older_than)
        except PlanError as error:
            self.skipped[path] = str(error)
            return
        if garbage:
            self.found.append((plan, garbage))

    def lines(self) -> list[str]:
        """What would go, a line each, with sizes and reasons."""
        pen = paint()
        pieces = [(path, f"{self._keep} newer runs are kept", number) for path, number in self.folders]
        pieces += [(g.path, g.why, g.bytes) for _, garbage in self.found for g in garbage]
        lines = [
            f"{size(number):>9}  {visible(shortest(path))}  {pen.dim(why)}" for path, why, number in pieces
        ]
        if len(lines) > _MOST:
            lines[_MOST:] = [pen.dim(f"           ... and {len(lines) - _MOST} more")]
        total = size(sum(number for _, _, number in pieces))
        return [*lines, f"would go: {len(pieces)}, {total}" if pieces else "nothing to remove"]

    def remove(self) -> list[int]:
        """Removes what was found; the sizes of what went. A folder with a run under way is skipped."""
        gone: list[int] = []
        for plan, garbage in self.found:
            try:
                gone += [g.bytes for g in remove_garbage(plan, garbage)]
            except LockedError as error:
                self.skipped[plan.path] = str(error)
        for path, number in self.folders:
            remove_tree(path)
            gone.append(number)
        if gone:
            self._refresh()
        return gone

    def _refresh(self) -> None:
        """The project's lists, without what is gone."""
        from ramify.stores.traces import rebuild_traces

        try:
            runs = open_catalogue(self.home).runs()[::-1]
            places = {}
            for run in runs:
                if run["kind"] == IN_MEMORY:
                    continue
                outputs = os.path.join(run["folder"], str(run["facts"].get("outputs", "")))
                places[os.path.normpath(outputs)] = str(run["facts"].get("target", ""))
            rebuild_traces(self.home, places.items())
        except (OSError, RamifyError) as error:
            click.echo(f"ramify: the list of results is not up to date: {error}", err=True)

    def document(self) -> dict[str, Any]:
        """Everything as plain values."""
        found = [
            {"kind": g.kind, "path": g.path, "why": g.why, "bytes": g.bytes}
            for _, garbage in self.found
            for g in garbage
        ]
        whole = [{"kind": "folder", "path": p, "why": "old", "bytes": number} for p, number in self.folders]
        return {"garbage": [*whole, *found]}


def _target(run: dict[str, Any]) -> str:
    return os.path.dirname(os.path.dirname(str(run["folder"])))


def _bytes_in(path: str) -> int:
    return sum(os.lstat(os.path.join(a, name)).st_size for a, _, names in os.walk(path) for name in names)
