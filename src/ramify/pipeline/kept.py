"""What a task was when it was last begun, or prepared: `task-conf.json` in its folder."""

from __future__ import annotations

import json
import os
from typing import Any, Final

import msgspec

from ramify.errors import PlanError
from ramify.files.local import read_bytes, storage_error
from ramify.pipeline.definition import TaskDefinition, Variable
from ramify.pipeline.instance import CONTROL, ENGINE, Instance, TaskFolder
from ramify.pipeline.task_script import SHARED

CONF: Final = "task-conf.json"


class Settings(msgspec.Struct):
    """What of an instance a task depends on; `import_path` are folders where its functions are found."""

    code_folder: str
    containers_folder: str
    environ: dict[str, str]
    import_path: list[str] = []


class Kept(msgspec.Struct):
    """A task as it is begun. `inputs` are what other tasks made of it, by name; `code` stands for its steps,
    and `holds` for the contents of the files that it reads, by the names of its inputs.
    """

    definition: TaskDefinition
    inputs: dict[str, Variable]
    code: str | None = None
    holds: dict[str, str] = {}
    settings: Settings | None = None

    def is_same(self, other: Kept) -> bool:
        """Whether both do the same work on the same things, wherever."""
        ours, theirs = (msgspec.structs.replace(each.definition, props={}) for each in (self, other))
        rest = self.inputs == other.inputs and self.code == other.code and self.holds == other.holds
        return ours == theirs and rest


def write_kept(kept: Kept, instance: Instance) -> None:
    """Describes the task in its folder, which is there, with the scripts by which a person runs it."""
    folder = instance.task(kept.definition.key)
    for name in SHARED:
        _link(instance, folder, name)
    settings = Settings(
        instance.code_folder, instance.containers_folder, instance.environ, instance.import_path
    )
    _write(f"{folder.control}/{CONF}", encode(msgspec.structs.replace(kept, settings=settings)))


def read_kept(control: str) -> Kept | None:
    """The task in a folder; None where there is none, or what is there cannot be read."""
    try:
        return msgspec.convert(json.loads(read_bytes(f"{control}/{CONF}")), Kept)
    except (ValueError, OSError):
        return None


def read_task(folder: str) -> tuple[Kept, Instance]:
    """A task and its instance, from the task's folder. `PlanError` where that holds none."""
    path = f"{folder}/{CONF}"
    try:
        kept = msgspec.convert(json.loads(read_bytes(path)), Kept)
    except (ValueError, OSError) as error:
        raise PlanError(
            f"{path} is not the description of a task ({error}): run the pipeline", path=path
        ) from error
    if os.path.basename(os.path.dirname(folder)) != CONTROL or kept.settings is None:
        raise PlanError(f"{folder} is not the folder of a task: it is in no {CONTROL}", path=folder)
    instance = Instance(
        os.path.dirname(os.path.dirname(folder)),
        code_folder=kept.settings.code_folder,
        containers_folder=kept.settings.containers_folder,
        environ=kept.settings.environ,
        import_path=kept.settings.import_path,
    )
    return kept, instance


def encode(value: Any) -> bytes:
    """JSON that holds every float and every int; what it cannot hold is written as its representation."""
    return json.dumps(msgspec.to_builtins(value, enc_hook=repr)).encode()


def _link(instance: Instance, folder: TaskFolder, name: str) -> None:
    """A script that all tasks share, under the task's own folder."""
    try:
        os.link(f"{instance.engine_folder}/{name}", f"{folder.control}/{name}")
    except FileExistsError:
        pass  # an earlier attempt's
    except OSError:  # too many links, or a file system without them
        os.symlink(f"../{ENGINE}/{name}", f"{folder.control}/{name}")


def _write(path: str, data: bytes) -> None:
    """A file that nobody reads while it is written."""
    try:
        with open(path, "wb", buffering=0) as file:
            file.write(data)
    except OSError as error:
        raise storage_error(error, path, "write") from error
