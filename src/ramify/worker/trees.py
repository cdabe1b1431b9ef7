"""Ending whole process trees: a group, and the descendants that left it for a group of their own."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from typing import Final

from ramify.worker.guard import contents, environ_of

MARK: Final = "RAMIFY_WORKERS_OF"
"""The environment variable that says which run's workers a process descends from."""


def kill_trees(roots: Iterable[int]) -> None:
    """Kills each process, its group and all its descendants, at once; what is gone already is fine.

    Each root should lead a group of its own and be this process's unreaped child, so that its number cannot
    mean another process by now. All are halted first: what is halted starts nothing while others are sought.
    """
    tops = list(roots)
    if not tops:
        return
    for pid in tops:
        _signal(pid, signal.SIGSTOP)
    others = descendants(tops)
    for pid in tops:
        _signal(pid, signal.SIGKILL)
    kill_all(others)


def descendants(roots: Iterable[int]) -> list[int]:
    """Children, their children and so on, of all the roots together, without the roots."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found: list[int] = list(roots)
    start = len(found)
    for pid in found:  # grows while it is walked
        found += children.get(pid, ())
    return found[start:]


def mark_of(plan: str) -> str:
    """How the marks of all workers of one plan begin, whichever driver started them."""
    from hashlib import blake2b

    return blake2b(os.fsencode(os.path.realpath(plan)), digest_size=8).hexdigest() + "."


def marked(mark: str) -> list[int]:
    """The processes whose environment bears this mark, or one that begins so: all that descend from a
    template, their parents dead or alive, except those that were started with an environment of their own."""
    entry = f"{MARK}={mark}".encode()
    if not sys.platform.startswith("linux"):
        return _marked_elsewhere(mark)
    return [
        int(name)
        for name in os.listdir("/proc")
        if name.isdigit() and _bears(entry, environ_of(f"/proc/{name}"))
    ]


def _bears(entry: bytes, environ: bytes) -> bool:
    return environ.startswith(entry) or b"\0" + entry in environ


def kill_all(pids: Iterable[int]) -> None:
    """Kills each process by itself; what is gone already, or somebody else's, is left alone."""
    for pid in pids:
        _kill(pid, signal.SIGKILL)


def _marked_elsewhere(mark: str) -> list[int]:
    import psutil

    found = psutil.process_iter(["environ"])
    return [p.pid for p in found if (p.info["environ"] or {}).get(MARK, "").startswith(mark)]


def _read(path: str) -> bytes:
    try:
        return contents(path)
    except OSError:
        return b""  # it ended meanwhile, or is somebody else's


def _parents() -> list[tuple[int, int]]:
    """(process, its parent), for every process of this machine that may be looked at."""
    if not sys.platform.startswith("linux"):
        import psutil

        return [(process.pid, process.ppid()) for process in psutil.process_iter(["ppid"])]
    pairs = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            parent = _parent(name)
            if parent:
                pairs.append((int(name), parent))
    return pairs


def _parent(pid: str) -> int:
    stat = _read(f"/proc/{pid}/stat")
    return int(stat[stat.rindex(b")") + 2 :].split(None, 2)[1]) if stat else 0


def _signal(pid: int, number: int) -> None:
    """To the group, and to the process itself, which may not lead its group yet."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        _kill(pid, number)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
