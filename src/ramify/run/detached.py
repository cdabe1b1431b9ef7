"""A driver in a process of its own, which outlives whoever started it.

`launch` writes what is to be done into the run's folder, starts the process, and hears from it through a pipe
when it has the lock and its first record is written, or why it cannot be. The process has no terminal and no
standard input; a hang-up does not reach it. Its own words go to `driver.log` beside the journal.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from ramify.core.columns import Columns
from ramify.errors import InfrastructureError, ModeError, RamifyError
from ramify.files.local import make_folder, storage_error
from ramify.plan.folder import read_plan
from ramify.run.names import check_name, new_name
from ramify.run.options import KEPT, Options
from ramify.run.view import JOURNAL, RunView
from ramify.worker.launch import ROOT, interpreter_flags
from ramify.worker.trees import MARK

LAUNCH: Final = "launch.json"
"""What the driver of a run was told, in the run's folder; only its owner can read it."""

DRIVER_LOG: Final = "driver.log"
"""What the driver said, in the run's folder."""

TRAVELLING: Final = (
    *KEPT,
    "skip_completed",
    "reuse",
    "force",
    "reuse_from",
    "job_resources",
    "target",
    "only",
    "label",
    "namespace",
)
"""The options that can be told to another process."""

_LAST_WORDS: Final = 2000
"""Characters of the driver's log that an error quotes."""


def launch(
    plan_path: str,
    options: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    deadline: float | None = None,
) -> str:
    """Starts a driver that executes a plan and outlives this process; returns the folder of its run.

    `options` are those of `DAG.evaluate` that can be written down (all but `executor` and what reports
    progress here); `deadline` is in seconds. When this returns the driver has the lock, and its journal has
    begun: `ramify.connect(folder)` follows it. Raises what the driver could not begin for, as `execute` does,
    and `InfrastructureError`, with its last words, where it ended without saying why.
    """
    told = _told(options or {}, deadline)
    plan = read_plan(plan_path)
    make_folder(plan.run_folder)
    name = _new_folder(plan.run_folder, name)
    folder = os.path.join(plan.run_folder, name)
    try:
        return _start(folder, {"plan": plan.path, "name": name, "resume": False, "options": told})
    except BaseException:
        _clear(folder)
        raise


def relaunch(
    run_folder: str, options: Mapping[str, Any] | None = None, *, only: Sequence[str] | None = None
) -> str:
    """Has a new driver go on with a run, in a process of its own; returns the run's folder.

    The options of the run hold where `options` say nothing. `only` are the ids of the jobs to try again
    (None: all that have no output). Raises as `ramify.resume` and `launch` do.
    """
    view = RunView(run_folder)
    kept = {**(view.facts.get("options") or {}), "target": str(view.facts.get("target", ""))}
    told = _told({**kept, **(options or {}), "only": None if only is None else list(only)}, None)
    name = os.path.basename(view.folder)
    return _start(view.folder, {"plan": view.plan, "name": name, "resume": True, "options": told})


# ---- the process that starts one


def _told(options: Mapping[str, Any], deadline: float | None) -> dict[str, Any]:
    """The options as another process gets them; `ModeError` for one that cannot be told or cannot be."""
    said = {name: value for name, value in options.items() if value is not None}
    if deadline is not None:
        said["deadline"] = deadline
    strange = sorted(set(said) - set(TRAVELLING))
    if strange:
        raise ModeError(
            f"{strange[0]} cannot be told to a driver in another process: leave it out, or run here",
            name=strange[0],
        )
    checked = Options(**said)
    checked.check()
    said.update({name: value for name, value in checked.to_record().items() if name in said})
    try:
        same = json.loads(json.dumps(said))
    except (TypeError, ValueError) as error:
        raise ModeError(f"the options of another process must be plain values: {error}") from error
    if set(same.get("job_resources", ())) != set(said.get("job_resources", ())):
        raise ModeError("for a driver in another process the keys of job_resources must be texts")
    return said


def _new_folder(run_folder: str, name: str | None) -> str:
    """Makes the folder of a new run; returns its name."""
    if name is not None:
        check_name(name)
    while True:
        chosen = name or new_name(os.listdir(run_folder))
        try:
            os.mkdir(os.path.join(run_folder, chosen))
        except FileExistsError:
            if name is not None:
                raise ModeError(
                    f"there is a run {name!r} in {run_folder} already: choose another name", name=name
                ) from None
        except OSError as error:
            raise storage_error(error, os.path.join(run_folder, chosen), "make the folder") from error
        else:
            return chosen


def _clear(folder: str) -> None:
    """Nothing began: what was made for it goes, unless a driver came to its journal after all."""
    if os.path.exists(os.path.join(folder, JOURNAL)):
        return
    for name in os.listdir(folder):
        if name in (LAUNCH, DRIVER_LOG):
            os.unlink(os.path.join(folder, name))
    try:
        os.rmdir(folder)
    except OSError:  # something else is in it, which is not ours to remove
        return


def _start(folder: str, told: dict[str, Any]) -> str:
    """Starts the process, and waits for its word."""
    if not sys.executable:
        raise InfrastructureError("this Python does not know its own program (sys.executable is empty)")
    told["path"] = [entry or os.getcwd() for entry in sys.path]
    told["argv"] = [str(argument) for argument in getattr(sys, "argv", [])]
    _write_for_the_owner(os.path.join(folder, LAUNCH), json.dumps(told).encode())
    hear, say = os.pipe()
    log = os.path.join(folder, DRIVER_LOG)
    try:
        with open(log, "ab") as output:
            process = subprocess.Popen(
                _command(folder, say),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={name: value for name, value in os.environ.items() if name != MARK},
                pass_fds=(say,),
                start_new_session=True,
            )
    except BaseException:
        os.close(hear)
        raise
    finally:
        os.close(say)
    with open(hear, "rb") as words:
        word = words.read()
    process.wait()  # it has forked the driver and gone, so nobody here has a child to look after
    if word == b"ready\n":
        return folder
    raise _refusal(word, log)


def _write_for_the_owner(path: str, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        raise storage_error(error, path, "write") from error


def _command(folder: str, say: int) -> list[str]:
    where = f"import sys; sys.path.insert(0, {ROOT!r})"
    code = f"{where}; from ramify.run.detached import main; main()"
    return [sys.executable, *interpreter_flags(), "-P", "-c", code, folder, str(say)]


def _refusal(word: bytes, log: str) -> Exception:
    """What the driver could not begin for."""
    from ramify import errors

    try:
        told = json.loads(word)
    except ValueError:
        with open(log, encoding="utf-8", errors="replace") as file:
            last = file.read()[-_LAST_WORDS:].strip()
        return InfrastructureError(
            f"the driver ended before its run began{': ' if last else ''}{last}", log=log, last_words=last
        )
    kind = getattr(errors, told["type"], None)
    if isinstance(kind, type) and issubclass(kind, RamifyError):
        return kind(told["message"], **told["facts"])
    return InfrastructureError(
        f"the driver could not begin: {told['type']}: {told['message']}", type_name=told["type"]
    )


# ---- the process that drives


class _Word:
    """Tells through the pipe, once, that the run has begun or why it has not; an observer of the run."""

    def __init__(self, say: int) -> None:
        os.set_inheritable(say, False)
        self._say: int | None = say

    def begin(self, engine: Columns, facts: dict[str, Any]) -> None:
        self._put(b"ready\n")

    def saw(self, changes: object) -> None:
        """Nothing to tell."""

    def ended(self) -> None:
        """Nothing to tell."""

    def refuse(self, error: BaseException) -> None:
        facts = getattr(error, "_facts", {})
        told = {
            "type": type(error).__name__,
            "message": getattr(error, "message", None) or str(error),
            "facts": json.loads(json.dumps(facts, default=str)),
        }
        self._put(json.dumps(told).encode())

    def _put(self, word: bytes) -> None:
        say, self._say = self._say, None
        if say is None:
            return
        try:
            os.write(say, word)
        except BrokenPipeError:  # who started it is gone: it goes on all the same
            pass
        finally:
            os.close(say)


def main() -> NoReturn:
    """The driver's process: `FOLDER DESCRIPTOR`. The process that was started leaves; its child drives."""
    folder, say = sys.argv[1], int(sys.argv[2])
    if os.fork():  # at once, before anything could have started a thread
        os._exit(0)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    word = _Word(say)
    code = 1
    try:
        _drive(folder, word)
        code = 0
    except SystemExit as error:
        word.refuse(error)
        code = error.code if isinstance(error.code, int) else 1
    except BaseException as error:
        word.refuse(error)
        traceback.print_exc()
    sys.exit(code)


def _drive(folder: str, word: _Word) -> None:
    from ramify.run.execute import execute, resume
    from ramify.values.sources import import_current_sources

    with open(os.path.join(folder, LAUNCH), encoding="utf-8") as file:
        told = json.load(file)
    sys.path[:] = told["path"]
    sys.argv[:] = told["argv"]
    import_current_sources()
    options = {**told["options"], "observers": [word], "detached": True}
    if told["resume"]:
        resume(told["plan"], told["name"], **options)
    else:
        execute(told["plan"], name=told["name"], **options)
