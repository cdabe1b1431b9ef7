"""Starting a process that runs one of the worker's mains: a new interpreter, never a copy of this one."""

from __future__ import annotations

import os
import sys
from time import time_ns
from typing import Final

from ramify.errors import InfrastructureError
from ramify.values.sources import import_current_sources
from ramify.worker.trees import MARK, mark_of
from ramify.worker.wire import Setup

SOCKET: Final = 3
"""The descriptor at which the new process finds its socket."""

ROOT: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder from which this package is imported."""


def spawn(module: str, sock: int, output: int, mark: str = "") -> int:
    """Starts `main(3)` of `ramify.worker.<module>` in a group of its own; the new process's id.

    Its descriptor 3 is a copy of `sock`, its 1 and 2 are `output`, its standard input is empty. The user's
    `__main__` plays no part in it, so it works from a script, standard input, a shell or a notebook alike.
    The mark is in its environment from the start, where other processes can read it, of its forks too.
    """
    if not sys.executable:
        raise InfrastructureError(
            "this Python does not know its own program (sys.executable is empty): use execution_mode='thread'"
        )
    where = f"import sys; sys.path.insert(0, {ROOT!r})"
    code = f"{where}; from ramify.worker.{module} import main; main({SOCKET})"
    # Away from 0-3 first: a descriptor that is copied onto itself would be closed on exec.
    own, out = _high(sock), _high(output)
    try:
        return os.posix_spawn(
            sys.executable,
            [sys.executable, *interpreter_flags(), "-c", code],
            {**os.environ, MARK: mark} if mark else os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out, 1),
                (os.POSIX_SPAWN_DUP2, out, 2),
                (os.POSIX_SPAWN_DUP2, own, SOCKET),
            ],
            setpgroup=0,
        )
    except OSError as error:
        raise InfrastructureError(f"no process could be started from {sys.executable}: {error}") from error
    finally:
        os.close(own)
        os.close(out)


def surroundings(
    plan: str = "", *, fork: bool = True, environ: dict[str, str] | None = None, mark: str = ""
) -> Setup:
    """This process's own directory, import path and arguments, for a process that is to act in its place.

    The mark goes into the environment of that process and of all that descend from it.
    """
    return Setup(
        cwd=os.getcwd(),
        path=[entry or os.getcwd() for entry in sys.path],
        argv=[str(argument) for argument in getattr(sys, "argv", [])],
        environ=environ,
        plan=plan,
        fork=fork,
        mark=mark or new_mark(plan),
    )


def new_mark(plan: str) -> str:
    """A mark for workers of this process that work for a plan; no other process makes the same."""
    return f"{mark_of(plan)}{os.getpid()}-{time_ns()}"


def settle(setup: Setup) -> None:
    """Takes the surroundings on."""
    if setup.environ is not None:
        os.environ.clear()
        os.environ.update(setup.environ)
    os.environ[MARK] = setup.mark
    os.chdir(setup.cwd)
    sys.path[:] = setup.path
    import_current_sources()
    sys.argv[:] = setup.argv


def _high(fd: int) -> int:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10)


def interpreter_flags() -> list[str]:
    """The interpreter's options that a child must have too to behave alike."""
    flags = ["-" + "O" * sys.flags.optimize] if sys.flags.optimize else []
    flags += ["-B"] * sys.flags.dont_write_bytecode + ["-s"] * sys.flags.no_user_site
    flags += ["-E"] * sys.flags.ignore_environment
    flags += [f"-W{option}" for option in sys.warnoptions]
    return flags + [f"-X{k}" if v is True else f"-X{k}={v}" for k, v in sys._xoptions.items()]
