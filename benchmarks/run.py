"""Measures Ramify beside others and prints a table: `python benchmarks/run.py [--quick] [--write] [NAME...]`.

NAMES are groups: memory, live, growth, grid, isolated, process, reuse, pipelines, million, start; all if none
is given. `--quick` takes a tenth of the sizes, once. `--write` puts the tables into docs/benchmarks.md: all,
or those of the named groups in place of those there. Environments of others are made in `.envs` once.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from environments import ROOT, prepare, python_of, say, versions
from measurements import FOLDER, GROUPS, Group, Row
from table import document, measured_alone, section, with_section

CASES = Path(__file__).resolve().parent / "cases"
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""Modules are compiled once, as they are for users, and not in every process that is measured."""
PAGE = ROOT / "docs" / "benchmarks.md"
PATIENCE = 15.0
"""Seconds after which a measurement is not made again."""


def main() -> None:
    """Reads the command, measures, and prints or writes the table."""
    options = read_command()
    groups = [GROUPS[name]() for name in options.names or GROUPS]
    names = sorted({row.environment for group in groups for row in group.rows})
    for name in names:
        prepare(name)
    scratch = ROOT / ".benchmarks"
    scratch.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=scratch))
    times = 1 if options.quick else 3
    try:
        measured = [
            (group, [best(row, times, options.quick, folder) for row in group.rows]) for group in groups
        ]
    finally:
        shutil.rmtree(folder)  # not earlier: where thousands of files were just deleted, new ones cost more
    found = {package: version for name in names for package, version in versions(name).items()}
    command = ["python", "benchmarks/run.py", *(["--quick"] if options.quick else []), *options.names]
    if options.write and options.names:
        write_groups(measured, command, found)
    else:
        publish(document(measured, command, times, found), options.write)


def read_command() -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"groups: {', '.join(GROUPS)}")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, once")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    if unknown := set(options.names) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}: there are {', '.join(GROUPS)}")
    return options


def best(row: Row, times: int, quick: bool, folder: Path) -> dict[str, Any]:
    """The best of several measurements by CPU time, or what went wrong; a long one is made once."""
    n = max(row.n // 10, 5) if quick else row.n
    say(f"{row.work}: {row.who}")
    results: list[dict[str, Any]] = []
    until = time.monotonic() + PATIENCE
    while len(results) < times and (not results or time.monotonic() < until):
        results.append(measure(row, n, Path(tempfile.mkdtemp(dir=folder))))
    good = [result for result in results if "error" not in result]
    return min(good, key=lambda result: result["cpu"]) if good else results[0]


def measure(row: Row, n: int, folder: Path) -> dict[str, Any]:
    """One measurement in a process of its own, in the row's environment."""
    python = python_of(row.environment)
    words = {"N": str(n), FOLDER: str(folder / "run"), "PYTHON": python, "RAMIFY": python[:-6] + "ramify"}
    command = [python, str(CASES / f"{row.case}.py"), *(words.get(word, word) for word in row.arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=row.limit, env=ENVIRONMENT)
    except subprocess.TimeoutExpired:
        return {"error": f"not done in {row.limit:.0f} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        say(f"  failed: {last}")
        return {"error": f"failed: {last.split(':')[0]}"}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def write_groups(
    measured: list[tuple[Group, list[dict[str, Any]]]], command: list[str], found: dict[str, str]
) -> None:
    """Puts the tables of some groups into the page, each with the command that made it."""
    text = PAGE.read_text(encoding="utf-8")
    titles = [make().title for make in GROUPS.values()]
    for group, results in measured:
        note = f"{group.note}\n\n{measured_alone(command, found)}"
        table = "\n".join(section(dataclasses.replace(group, note=note), results))
        text = with_section(text, group.title, table, titles)
    PAGE.write_text(text, encoding="utf-8")
    say(f"wrote {PAGE.relative_to(ROOT)}")


def publish(text: str, write: bool) -> None:
    """Prints the table, or writes it where the documentation has it."""
    if not write:
        print(text)
        return
    PAGE.write_text(text, encoding="utf-8")
    say(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
