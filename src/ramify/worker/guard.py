"""A process that ends all steps of a driver when that is gone, however it went. Needs nothing but Python.

Called as `python -I -S guard.py TOKEN DRIVER`, with the read end of a pipe as standard input whose write end
the driver has. Steps bear the token in their environment.
"""

from __future__ import annotations

import os
import select
import signal
import sys

MARK = b"RAMIFY_WORKERS_OF="
ENV_END = 48
"""The field `env_end` of those that follow the name in `/proc/PID/stat`, see proc(5)."""
ROUNDS = 100
"""How often it looks again for what was started meanwhile; a fork bomb is not worth more."""


def main(token: str, driver: int) -> None:
    """Waits for the driver's end, then kills what bears the token, until nothing does."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    wait_for(driver)
    needle = f".{token}:".encode()
    for _ in range(ROUNDS):
        found = bearing(needle)
        if not found:
            return
        for pid in found:
            kill(pid)


def wait_for(driver: int) -> None:
    """Until the pipe ends, or the driver does: a copy of it made by `fork` may hold the pipe open."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    try:
        fd = os.pidfd_open(driver)
    except (AttributeError, OSError):
        fd = -1
    if os.getppid() != driver:
        return
    if fd >= 0:
        poll.register(fd, select.POLLIN)
    poll.poll()


def bearing(needle: bytes) -> list[int]:
    """The processes whose mark holds the needle."""
    if not os.path.isdir("/proc/self"):
        import subprocess

        command = ["ps", "-axwwE", "-o", "pid=,command="]
        lines = subprocess.run(command, capture_output=True, check=False).stdout.splitlines()
        return [int(line.split()[0]) for line in lines if MARK in line and needle in line.partition(MARK)[2]]
    own = os.getpid()
    return [
        int(name)
        for name in os.listdir("/proc")
        if name.isdigit() and int(name) != own and needle in mark_of(f"/proc/{name}")
    ]


def mark_of(folder: str) -> bytes:
    """The mark of a living process, empty where it has none."""
    entries = environ_of(folder).split(b"\0")
    return next((entry for entry in entries if entry.startswith(MARK)), b"")


def environ_of(folder: str) -> bytes:
    """The environment of the process with this folder in `/proc`, empty where there is none to be read.

    Of a process that is just becoming another program, and has none meanwhile, it is that of the next one.
    """
    try:
        while not (found := contents(f"{folder}/environ")):
            fields = contents(f"{folder}/stat").rpartition(b")")[2].split()
            if fields[ENV_END] != b"0":  # it has one
                return contents(f"{folder}/environ")
            os.sched_yield()
    except OSError:
        return b""  # it ended meanwhile, is somebody else's, or is the kernel's
    return found


def contents(path: str) -> bytes:
    """What a file holds."""
    with open(path, "rb") as file:
        return file.read()


def kill(pid: int) -> None:
    """Ends one process at once; what is gone already is fine."""
    try:
        os.kill(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
