"""How long a command takes from its start to its end: `start.py N COMMAND...`, run N times."""

from __future__ import annotations

import subprocess
import sys

from measure import report

n, command = int(sys.argv[1]), sys.argv[2:]


def starts() -> None:
    for _ in range(n):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


starts()  # compiles what is not compiled, and brings the files into memory
report(n, starts)
