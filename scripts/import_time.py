"""How long an interpreter takes to import Ramify, over a bare start: `scripts/import_time.py [PYTHON]`.

Prints milliseconds, the least of many starts. Nothing fails: a number on a busy machine is not a verdict.
"""

from __future__ import annotations

import subprocess
import sys
import time

STARTS = 15
WHAT = {
    "from ramify import DAG, Job": 60,
    "from ramify.cli import main": 100,
}
"""What is imported, and its budget in milliseconds."""


def least(python: str, code: str) -> float:
    """The shortest of `STARTS` starts of the interpreter with this code, in milliseconds."""
    times = []
    for _ in range(STARTS):
        begun = time.perf_counter()
        subprocess.run([python, "-c", code], check=True)
        times.append(time.perf_counter() - begun)
    return min(times) * 1000


def main(python: str) -> None:
    """Measures and prints one line for each import."""
    bare = least(python, "pass")
    for code, budget in WHAT.items():
        extra = least(python, code) - bare
        print(f"{code}: {extra:.0f} ms over a bare start of {bare:.0f} ms (budget {budget})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
