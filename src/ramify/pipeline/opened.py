"""An instance that this process runs: its tasks as they were declared, and how each is to be begun.

The engine's side of a task is a job of a plan in `.ramify/@run`, whose value is the task's result. What does
not belong into the plan, because it must not count for reuse or cannot be written down, is here.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from glob import glob
from typing import TYPE_CHECKING

import msgspec

from ramify.errors import LockedError
from ramify.files.local import read_if_there, remove_file, write_atomic
from ramify.pipeline.definition import Input, TaskDefinition, TaskResult, Variable
from ramify.pipeline.environment import VARIABLE_KINDS, resolve_input
from ramify.pipeline.instance import OUTPUT, Instance
from ramify.pipeline.kept import Kept, encode
from ramify.pipeline.restarts import Restarts
from ramify.values.declared import InputCache, digest_input, input_digest_or_absent
from ramify.values.digest import digest_children

if TYPE_CHECKING:
    from ramify.pipeline.pipeline import Pipeline


class Stored(msgspec.Struct, omit_defaults=True):
    """The value of a task's job: its result, and what its files hold, by their paths in the output folder."""

    variables: dict[str, Variable] = {}
    files: dict[str, str] = {}
    filesets: dict[str, list[str]] = {}
    digests: dict[str, str] = {}

    def result(self) -> TaskResult:
        """The result as the generator sees it."""
        return TaskResult(self.variables, self.files, self.filesets)


class ByHand(msgspec.Struct):
    """A task that a person ran by hand, to its end: what it was, and what it came to."""

    kept: Kept
    stored: Stored


class OpenInstance:
    """One instance, and what a run of it knows."""

    def __init__(
        self,
        path: str,
        pipeline: Pipeline | None = None,
        restarts: Restarts | None = None,
        instance: Instance | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.restarts = restarts or Restarts()
        self.definitions: dict[str, TaskDefinition] = {}
        self.codes: dict[str, str | None] = {}
        """For each task that was added to the graph what stands for its steps; None: nothing does."""
        self.begun: set[str] = set()
        """The tasks that this run has begun."""
        self.passes: object = None
        """The passes of the generator, once there are any."""
        self.cache = InputCache(os.path.join(path, ".ramify", "@run", "digests"))
        if instance is not None:
            self.instance = instance
        elif pipeline is None:
            self.instance = Instance(path, survives=True)
        else:
            self.instance = Instance(
                path,
                code_folder=pipeline.code_dir,
                containers_folder=pipeline.containers_dir,
                environ=dict(pipeline.env_vars),
                survives=True,
            )

    @property
    def path(self) -> str:
        """The folder of the instance."""
        return self.instance.path

    def stored(self, key: str) -> Stored | None:
        """What a task came to in an earlier run, or None."""
        data = read_if_there(os.path.join(self.instance.engine_folder, "outputs", f"{stored_name(key)}.json"))
        if data is None:
            return None
        try:
            return as_stored(msgspec.json.decode(data, type=str))
        except (ValueError, msgspec.MsgspecError):
            return None

    def known(self, key: str) -> Stored | None:
        """What a task came to in an earlier run, or by hand since."""
        done = self.by_hand(key)
        return self.stored(key) if done is None else done.stored

    def by_hand(self, key: str) -> ByHand | None:
        """What a person ran by hand since the last run."""
        data = read_if_there(self._by_hand_file(key))
        try:
            return None if data is None else msgspec.convert(json.loads(data), ByHand)
        except (ValueError, msgspec.MsgspecError):  # of another version
            return None

    def put_by_hand(self, kept: Kept, result: TaskResult) -> None:
        """Notes that a task was completed by hand: the next run takes it from there."""
        key = kept.definition.key
        done = ByHand(msgspec.structs.replace(kept, settings=None), self.to_store(key, result))
        write_atomic(self._by_hand_file(key), encode(done))

    def take_by_hand(self, kept: Kept) -> Stored | None:
        """What the very same task came to by hand, once; None where it is another by now, or damaged."""
        key = kept.definition.key
        done = self.by_hand(key)
        if done is None:
            return None
        self.forget_by_hand(key)
        if kept.code is None or not done.kept.is_same(kept) or self.damage(key, done.stored) is not None:
            return None
        return done.stored

    def forget_by_hand(self, key: str) -> None:
        """The next run does the task itself."""
        remove_file(self._by_hand_file(key))

    def _by_hand_file(self, key: str) -> str:
        return f"{self.instance.task(key).control}/by-hand.json"

    def kept(self, definition: TaskDefinition, inputs: Mapping[str, Variable], code: str | None) -> Kept:
        """A task as it would be begun now."""
        return Kept(definition, dict(inputs), code, self._holds(definition, inputs))

    def _holds(self, definition: TaskDefinition, inputs: Mapping[str, Variable]) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in definition.inputs:
            if one.kind in VARIABLE_KINDS:
                continue
            path = str(resolve_input(one, self.instance, inputs))
            if one.kind == "file":
                found[one.name] = input_digest_or_absent(path, self.cache)
            else:
                paths = sorted(glob(path, recursive=True))
                found[one.name] = digest_children([(p, input_digest_or_absent(p, self.cache)) for p in paths])
        return found

    def to_store(self, key: str, result: TaskResult) -> Stored:
        """A result, with what its files hold."""
        return Stored(result.variables, result.files, result.filesets, self._digests(key, result))

    def _digests(self, key: str, result: TaskResult) -> dict[str, str]:
        folder = self.instance.task(key).output
        paths = [*result.files.values(), *(path for paths in result.filesets.values() for path in paths)]
        return {path: digest_input(os.path.join(folder, path), self.cache) for path in dict.fromkeys(paths)}

    def damage(self, key: str, stored: Stored) -> str | None:
        """What of a task's files is not as it was made, or None."""
        folder = self.instance.task(key).output
        for path, digest in stored.digests.items():
            whole = os.path.join(folder, path)
            if not os.path.exists(whole):
                return f"its output {path} is gone"
            if digest_input(whole, self.cache) != digest:
                return f"its output {path} was changed"
        return None


def value_of(one: Input, result: Stored) -> Variable:
    """The value of an input that another task made: of a file its path, below the instance."""
    if one.kind != "file":
        return result.variables[str(one.output)]
    name = one.value if one.value is not None else result.files[str(one.output)]
    return os.path.join(OUTPUT, str(one.task), str(name))


def stored_name(key: str) -> str:
    """The name under which the engine keeps the result of a task."""
    from ramify.core.keys import encode_key

    return encode_key(key)


_open: dict[str, OpenInstance] = {}
_lock = threading.Lock()


def opened(path: str) -> OpenInstance:
    """The instance in a folder, as this process runs it; as it describes itself, where it does not."""
    with _lock:
        known = _open.get(path)
        if known is None:
            known = _open[path] = OpenInstance(path)
        return known


def open_instance(path: str, pipeline: Pipeline, restarts: Restarts) -> OpenInstance:
    """Has the tasks of an instance be those of this pipeline, until `close_instance`.

    `LockedError` where this process runs the instance already; another process is kept out by the run's lock.
    """
    whole = os.path.abspath(path)
    with _lock:
        known = _open.get(whole)
        if known is not None and known.pipeline is not None:
            raise LockedError(
                f"the instance {whole!r} is in use by this process, {os.getpid()}: wait for that run, or "
                "cancel it",
                folder=whole,
                host=os.uname().nodename,
                pid=os.getpid(),
                since=None,
            )
        made = _open[whole] = OpenInstance(whole, pipeline, restarts)
        return made


def close_instance(path: str) -> None:
    """What only this process needed goes."""
    with _lock:
        known = _open.pop(os.path.abspath(path), None)
    if known is not None:
        known.instance.close()


def as_value(stored: Stored) -> str:
    """The value of a task's job, as JSON that holds every float: msgspec's would have null for inf and nan.

    >>> as_value(Stored({"x": float("inf")}))
    '{"variables":{"x":Infinity}}'
    """
    return json.dumps(msgspec.to_builtins(stored), ensure_ascii=False, separators=(",", ":"))


def as_stored(value: str) -> Stored:
    """The value of a task's job, as it comes from its output."""
    return msgspec.convert(json.loads(value), Stored)
