"""The same work again when nothing has changed: `reuse.py ENGINE SHAPE N FOLDER`.

Two processes, one after the other, do the same work in the same folder. The second is measured: its call,
from the inside (`cpu`, `wall`), and all of it, from its start to its end (`process_cpu`, `process_wall`).
What it makes anew is counted, and must be what the shape says: nothing, or with `fifth` a fifth.

Shapes: `grid`, of independent calls; `chains`, of a hundred calls each; `fifth`, five grids of which each
reads a constant of its own, and one constant is changed between the two.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from engines_again import ENGINES, LENGTH
from measure import cpu_seconds, report

MODULE = "constants_of_five.py"
FIVE = "".join(
    f"C{i} = {i + 1}\n\n\ndef times_{i}(x: int) -> int:\n    return C{i} * x\n\n\n" for i in range(5)
)
"""Five functions and what each reads, as a user's module."""

Facts = dict[str, Any]


def measure(engine: str, shape: str, n: int, folder: str) -> Facts:
    """The cost of the second process, after the first."""
    project = Path(f"{folder}.project")
    project.mkdir(parents=True)
    (project / "ramify.toml").touch()  # a project of its own, so that it knows of no other runs
    module = project / MODULE
    module.write_text(FIVE)
    command = [sys.executable, os.path.abspath(__file__), engine, shape, str(n), folder, str(project)]
    first = in_process(command, project)
    before = made(folder)
    check("at first", first.get("ran", len(before)), n)
    if shape == "fifth":
        module.write_text(re.sub(r"^C2 = 3$", "C2 = 33", FIVE, flags=re.M))
    cpu, began = cpu_seconds(), perf_counter()
    facts = in_process(command, project)
    facts |= {"process_cpu": cpu_seconds() - cpu, "process_wall": perf_counter() - began}
    check("again", facts.get("ran", len(made(folder) - before)), n // 5 if shape == "fifth" else 0)
    return facts


def check(when: str, count: int, wanted: int) -> None:
    """Refuses what would measure something else."""
    if count != wanted:
        sys.exit(f"no measurement: {count} were made {when}, not {wanted}")


def in_process(command: list[str], project: Path) -> Facts:
    """Runs the case in a process of its own, and returns what it printed last."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=project)
    if done.returncode:
        sys.exit(f"the measured process ended with {done.returncode}: what it said is above")
    facts: Facts = json.loads(done.stdout.splitlines()[-1])
    return facts


def made(folder: str) -> set[tuple[str, int, int]]:
    """The files of the results that are there: made anew, a file has another number or another time."""
    found = set()
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # those are the engine's own
        for name in names:
            if name == "output.pkl" or ("/outputs/" in f"{above}/" and name.endswith(".json")):
                path = os.path.join(above, name)
                status = os.stat(path)
                found.add((path, status.st_ino, status.st_mtime_ns))
    return found


if __name__ == "__main__":  # its functions may be looked for in this file
    engine, shape, n, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), os.path.abspath(sys.argv[4])
    n -= n % {"grid": 1, "chains": min(LENGTH, n), "fifth": 5}[shape]
    if len(sys.argv) == 5:
        print(json.dumps(measure(engine, shape, n, folder)))
    else:
        sys.path.insert(0, sys.argv[5])
        call: Callable[[], Facts | None] = ENGINES[engine](shape, n, folder)
        report(n, call)
