"""The folder of one execution of a pipeline: where the things of each task are.

INSTANCE/.ramify/KEY/   task task-env.sh task-conf.json state.NAME[.STEP] out.log ramify.log
INSTANCE/.ramify/@run/  what belongs to the engine, and the script that each `task` is a link to
INSTANCE/output/KEY/    what the task makes
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Sequence
from typing import Any, Final

from ramify.errors import RamifyKeyEncodingError
from ramify.files.local import make_folder, remove_file, remove_tree, storage_error
from ramify.pipeline.states import PREFIX, TaskState, parse_state
from ramify.values.importable import own_import_path

CONTROL: Final = ".ramify"
ENGINE: Final = "@run"
OUTPUT: Final = "output"

_SAFE_KEY = re.compile(r"(?![.@])[^/\0]{1,255}")


class TaskFolder:
    """The paths of one task. Nothing is made or read by this.

    >>> TaskFolder("/data/i1", "t1").output
    '/data/i1/output/t1'
    """

    __slots__ = ("control", "key", "log", "output", "own_log")

    def __init__(self, instance: str, key: str) -> None:
        if not isinstance(key, str) or not _SAFE_KEY.fullmatch(key) or key != key.strip():
            raise RamifyKeyEncodingError(
                f"the key {key!r} of a task cannot name a folder: it may hold no '/', "
                "not begin with '.' or '@', and have no blank at an end",
                key=key,
            )
        self.key = key
        self.control = f"{instance}/{CONTROL}/{key}"
        self.output = f"{instance}/{OUTPUT}/{key}"
        self.log = f"{self.control}/out.log"
        self.own_log = f"{self.control}/ramify.log"

    @property
    def kill_request(self) -> str:
        """The file by which another process says that it ends the task on request."""
        return f"{self.control}/kill-requested"

    @property
    def interrupted(self) -> str:
        """The file that says that the task was ended because its run was, and not for its own sake."""
        return f"{self.control}/interrupted"

    @property
    def scratch(self) -> str:
        """Where `$__scratch_dir` is, outside of Slurm."""
        return f"{self.output}/scratch"

    def state(self) -> TaskState | None:
        """What the name of the state file says; None where there is none."""
        found = self._state_file()
        return parse_state(found.removeprefix(PREFIX)) if found else None

    def set_state(self, state: TaskState, before: TaskState | None) -> None:
        """Renames the state file, or makes one where there was none."""
        new = f"{self.control}/{PREFIX}{state}"
        try:
            if before is None:
                self._make(new)
            elif before != state:
                os.rename(f"{self.control}/{PREFIX}{before}", new)
        except OSError as error:
            raise storage_error(error, new, "write") from error

    def put_state(self, state: TaskState) -> None:
        """Sets the state, whatever it was."""
        make_folder(self.control)
        self.set_state(state, self.state())

    def reset(self) -> None:
        """Removes what the task made and what was told of it: it stands as if it had never run."""
        remove_tree(self.output)
        remove_tree(self.control)

    def clear_outputs(self) -> None:
        """Empties the output folder, and removes what earlier steps exported."""
        remove_tree(self.output)
        make_folder(self.output)
        remove_file(f"{self.control}/variables.json")

    def _make(self, path: str) -> None:
        """A second name of the task's own log: an inode takes most of the time that a short task takes."""
        try:
            os.link(self.own_log, path)
        except OSError:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))

    def _state_file(self) -> str | None:
        try:
            names = os.listdir(self.control)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return next((name for name in sorted(names) if name.startswith(PREFIX)), None)


class Instance:
    """One execution of a pipeline, in a folder, on this machine.

    `code_folder` is `$__pipeline_code_dir`, by default the current one; `containers_folder` is
    `$__containers_dir`, by default `containers` in it; `environ` are variables that every task gets;
    `import_path` are folders in which a task that is run by hand looks for its functions, by default those of
    this process. With `survives`, tasks outlive this process: whoever runs the same task again waits for what
    still runs. Otherwise they are all ended when this process ends, however it does.

    >>> Instance("/data/i1").task("t1").control
    '/data/i1/.ramify/t1'
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        code_folder: str | os.PathLike[str] | None = None,
        containers_folder: str | os.PathLike[str] | None = None,
        environ: dict[str, str] | None = None,
        import_path: Sequence[str] | None = None,
        survives: bool = False,
    ) -> None:
        self.path = os.path.abspath(path)
        self.code_folder = os.path.abspath(code_folder or ".")
        self.containers_folder = os.path.abspath(containers_folder or f"{self.code_folder}/containers")
        self.environ = dict(environ or {})
        self.import_path = own_import_path() if import_path is None else list(import_path)
        self.surroundings = dict(os.environ)
        """The environment of this process when the instance was opened: what every step inherits."""
        self.survives = survives
        self.running: dict[str, Any] = {}
        self.lock = threading.Lock()
        self._prepared = False
        self._spares: list[str] = []
        self._spare_count = 0

    @property
    def engine_folder(self) -> str:
        """What is the engine's own: no task's key begins with its sign."""
        return f"{self.path}/{CONTROL}/{ENGINE}"

    def task(self, key: str) -> TaskFolder:
        """The folder of a task; `RamifyKeyEncodingError` for a key that would lead elsewhere."""
        return TaskFolder(self.path, key)

    def prepare(self) -> None:
        """Makes what all tasks share, once."""
        if self._prepared:
            return
        with self.lock:
            if not self._prepared:
                from ramify.pipeline.task_script import write_shared_files

                make_folder(self.engine_folder)
                make_folder(f"{self.path}/{OUTPUT}")
                write_shared_files(self)
                self._sweep()
                self._prepared = True

    def lend_log(self, path: str) -> str | None:
        """Makes an empty file at this path, for a log; its other name, to be given to `take_log`.

        A file that stayed empty is used again: a log appears with its first byte, and most tasks write none.
        """
        with self.lock:
            self._spare_count += 1
            spare = self._spares.pop() if self._spares else f"{self.engine_folder}/{self._new_spare()}"
        try:
            os.close(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
            os.link(spare, path)
        except OSError:
            return None  # it is there already, or nothing can be linked here: whoever writes makes it
        return spare

    def take_log(self, path: str, spare: str) -> None:
        """Takes the file back if it is still empty, else leaves it where it is."""
        if os.stat(spare).st_size == 0:
            os.unlink(path)
            with self.lock:
                self._spares.append(spare)
        else:
            os.unlink(spare)

    def close(self) -> None:
        """Removes what only this process needed; the instance may be used again."""
        with self.lock:
            spares, self._spares = self._spares, []
        for spare in spares:
            remove_file(spare)

    def _sweep(self) -> None:
        """Removes the spare logs of processes that are no more."""
        for name in os.listdir(self.engine_folder):
            if name.startswith("spare.") and not _is_alive(int(name.split(".")[1])):
                remove_file(f"{self.engine_folder}/{name}")

    def _new_spare(self) -> str:
        return f"spare.{os.getpid()}.{id(self):x}.{self._spare_count}"

    def kill(self, key: str) -> bool:
        """Ends all processes of a task that this process runs, TERM first; whether there was one.

        The thread that runs the task hears of it as `TaskFailed` of the kind `killed`.
        """
        with self.lock:
            attempt = self.running.get(key)
        if attempt is None:
            return False
        attempt.stop("killed")
        return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is somebody else's
    return True
