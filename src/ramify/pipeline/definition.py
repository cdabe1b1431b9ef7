"""What a task is, as data: made by the DSL, kept in a plan, run by a worker."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from ramify.pipeline.conf import TaskConf

CallKind = Literal["bash", "script", "python"]
ValueKind = Literal["int", "float", "str"]
InputKind = Literal["int", "float", "str", "file", "glob"]
OutputKind = Literal["int", "float", "str", "file", "fileset"]
Variable = int | float | str | None


class Call(msgspec.Struct, frozen=True, omit_defaults=True):
    """One step. `text` is the snippet (dedented), the path of a script (absolute, or below the code folder),
    or `module:qualname` of a function; one that no worker can import has its pickle as well.
    """

    kind: CallKind
    text: str
    container: str | None = None
    python_bin: str | None = None
    pickled: bytes | None = None
    sbatch_options: tuple[str, ...] = ()


class Input(msgspec.Struct, frozen=True, omit_defaults=True):
    """One input: a constant, or the output of another task.

    A `file` has its path as `value` (relative: below the instance folder), or is the output `output` of
    `task`; of a fileset it is the one at `value`, relative to that task's output folder. A `glob` has its
    text as `value` (relative: below the instance folder).
    """

    name: str
    kind: InputKind
    value: Variable = None
    task: str | None = None
    output: str | None = None


class Output(msgspec.Struct, frozen=True, omit_defaults=True):
    """One output: a variable, a file (`pattern`: its path below the output folder), or a fileset (a glob)."""

    name: str
    kind: OutputKind
    pattern: str | None = None
    exclude: tuple[str, ...] = ()
    may_be_none: bool = False


class TaskDefinition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One task. `after` are the keys of tasks that must be completed first, beside those of the inputs."""

    key: str
    calls: tuple[Call, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    after: tuple[str, ...] = ()
    conf: TaskConf = TaskConf()
    props: dict[str, Any] = {}


class TaskResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a completed task came to: its variables; its files and filesets, relative to its output folder."""

    variables: dict[str, Variable] = {}
    files: dict[str, str] = {}
    filesets: dict[str, list[str]] = {}
