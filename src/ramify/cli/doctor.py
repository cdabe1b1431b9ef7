"""`ramify doctor`: whether this machine, this folder and this Python have what a run needs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, Final

import click
import msgspec

from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.errors import RamifyError
from ramify.settings import project_home, read_settings
from ramify.show.text import size, table

_EXTRAS: Final = ("numpy", "pandas", "pyarrow", "h5py", "tables", "polars")
_OWN: Final = ("click", "rich", "cloudpickle", "msgspec", "psutil")
_FILES: Final = 256
_ROOM: Final = 100_000_000


class Check(msgspec.Struct):
    """One thing that was looked at. `level` is ok, note (worth knowing) or bad (a run would fail)."""

    name: str
    level: str
    told: str
    advice: str = ""


@click.command()
@verbose_option
@json_option
def doctor(as_json: bool, **_: Any) -> int:
    """Check whether this machine has what a run needs: 0 where all is well, else 4.

    Example: ramify doctor
    """
    checks = list(_checks())
    bad = [check for check in checks if check.level == "bad"]
    code = 4 if bad else 0
    if as_json:
        put_json({"ok": not bad, "exit_code": code, "checks": [msgspec.structs.asdict(c) for c in checks]})
        return code
    pen = paint()
    marks = {"ok": pen.green("✓"), "note": pen.yellow("!"), "bad": pen.red("✗")}
    put_lines(table([[marks[c.level], c.name, c.told] for c in checks]))
    advice = [f"{marks[c.level]} {c.name}: {c.advice}" for c in checks if c.advice]
    put_lines(["", *advice] if advice else [])
    return code


def _checks() -> Iterator[Check]:
    from ramify._version import __version__

    yield Check("ramify", "ok", f"{__version__}, {os.path.dirname(os.path.dirname(__file__))}")
    yield _python()
    yield _packages()
    yield _extras()
    yield _platform()
    yield Check("cores", "ok", _cores())
    yield _guarded("memory", _memory)
    yield _guarded("open files", _limits)
    yield _guarded("disk", _disk)
    yield _guarded("locks", _locks)
    yield _guarded("settings", _settings)
    yield _guarded("project", _project)


def _guarded(name: str, look: Callable[[], Check]) -> Check:
    """A look that fails is itself what is reported."""
    try:
        return look()
    except (OSError, RamifyError) as error:
        return Check(name, "bad", str(error))


def _python() -> Check:
    told = f"{platform.python_version()}, {sys.executable}"
    fine = sys.version_info >= (3, 11)
    return Check("python", "ok" if fine else "bad", told, "" if fine else "Ramify needs Python 3.11 or later")


def _packages() -> Check:
    versions = {name: _version(name) for name in _OWN}
    missing = [name for name, version in versions.items() if version is None]
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    advice = f"pip install {' '.join(missing)}" if missing else ""
    return Check("packages", "bad" if missing else "ok", told, advice)


def _extras() -> Check:
    versions = {name: _version(name) for name in _EXTRAS}
    there = [f"{name} {version}" for name, version in versions.items() if version]
    missing = [name for name, version in versions.items() if version is None]
    told = ", ".join(there) or "none"
    return Check("optional", "ok", told + (f"; not installed: {', '.join(missing)}" if missing else ""))


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _platform() -> Check:
    told = f"{platform.system()} {platform.release()}, {platform.machine()}"
    if not hasattr(os, "fork"):
        return Check("platform", "bad", told, "Ramify runs on Linux, macOS and WSL")
    if sys.platform == "linux":
        return Check("platform", "ok", f"{told}; jobs are forked from a warm template")
    return Check("platform", "ok", f"{told}; jobs are spawned")


def _cores() -> str:
    count = os.cpu_count() or 1
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    return f"{usable}" if usable == count else f"{usable} of {count} may be used by this process"


def _memory() -> Check:
    import psutil

    memory = psutil.virtual_memory()
    told = f"{size(memory.available)} of {size(memory.total)} free"
    low = memory.available < 0.05 * memory.total
    return Check("memory", "note" if low else "ok", told, "less than 5 % is free" if low else "")


def _limits() -> Check:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 0 <= soft < _FILES
    advice = f"raise the limit: ulimit -n {min(4096, hard) if hard > 0 else 4096}" if few else ""
    return Check("open files", "note" if few else "ok", f"at most {soft}", advice)


def _disk() -> Check:
    usage = shutil.disk_usage(os.getcwd())
    low = usage.free < _ROOM
    advice = "make room before a run: outputs go to this disk" if low else ""
    return Check("disk", "bad" if low else "ok", f"{size(usage.free)} free in {os.getcwd()}", advice)


def _locks() -> Check:
    """Takes a lock in the current folder and asks who has it, as two processes would."""
    from ramify.files.lock import FolderLock, read_holder

    try:
        with tempfile.TemporaryDirectory(prefix=".ramify-doctor-", dir=os.getcwd()) as folder:
            with FolderLock(folder, run="doctor"):
                holder = read_holder(folder)
            after = read_holder(folder)
    except OSError as error:
        advice = "runs need a folder that can be written: cd elsewhere, or use -o"
        return Check("locks", "note", f"this folder cannot be written ({error.strerror})", advice)
    if holder is None or after is not None:
        advice = "this file system does not lock files: choose a folder on another one, or two runs may mix"
        return Check("locks", "bad", "a lock that was taken is not seen", advice)
    return Check("locks", "ok", "file locks work in this folder")


def _settings() -> Check:
    settings = read_settings()
    default = msgspec.structs.asdict(type(settings)())
    changed = {k: v for k, v in msgspec.structs.asdict(settings).items() if v != default[k]}
    return Check("settings", "ok", ", ".join(f"{k}={v}" for k, v in changed.items()) or "defaults")


def _project() -> Check:
    from ramify.catalogue import open_catalogue

    home = project_home()
    catalogue = open_catalogue(home)
    try:
        count = len(catalogue.names())
    except RamifyError as error:
        return Check("project", "note", home, str(error))
    return Check(
        "project",
        "ok",
        f"{home}, {count} runs in its list" + ("" if os.path.isdir(home) else " (not made yet)"),
    )
