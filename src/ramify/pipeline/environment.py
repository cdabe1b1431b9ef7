"""The variables of a task: what its steps find in their environment, also as text for a shell."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import Final

from ramify.errors import ArgumentError
from ramify.pipeline.definition import Input, TaskDefinition, Variable
from ramify.pipeline.instance import Instance, TaskFolder
from ramify.pipeline.variables import to_text

_REFERENCE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
VARIABLE_KINDS: Final = frozenset({"int", "float", "str"})


def task_variables(
    definition: TaskDefinition, instance: Instance, inputs: Mapping[str, Variable]
) -> dict[str, str]:
    """What Ramify sets for the task, in this order: its own variables, inputs, output files, `extra_env`.

    `ArgumentError` names a value that no variable can hold.
    """
    folder = instance.task(definition.key)
    own = {**instance.environ, **_own_variables(instance, folder)}
    for each in definition.inputs:
        text = to_text(each.name, resolve_input(each, instance, inputs))
        if text is not None:
            own[each.name] = text
    for output in definition.outputs:
        if output.kind not in VARIABLE_KINDS and output.pattern is not None:
            own[output.name] = f"{folder.output}/{output.pattern}"
    if definition.conf.extra_env:
        own.update(_expanded(definition.conf.extra_env, own))
    return own


def full_environment(
    definition: TaskDefinition, own: Mapping[str, str], environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """This process's environment with the task's variables. Output variables are not inherited: what a step
    exports is what it has set itself."""
    result = dict(os.environ if environ is None else environ)
    for output in definition.outputs:
        result.pop(output.name, None)
    for each in definition.inputs:
        result.pop(each.name, None)  # one whose value is None is unset
    result.update(own)
    return result


def resolve_input(each: Input, instance: Instance, inputs: Mapping[str, Variable]) -> Variable:
    """The value of an input: what the caller says, else the constant; paths and globs are made absolute."""
    value = inputs.get(each.name, each.value)
    if each.kind in VARIABLE_KINDS:
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ArgumentError(
            f"the input {each.name} must be a path; it is {value!r}: run the task that makes it first",
            names=[each.name],
        )
    return value if os.path.isabs(value) else f"{instance.path}/{value}"


def dump_env(
    definition: TaskDefinition, instance: Instance, inputs: Mapping[str, Variable] | None = None
) -> str:
    """The task's variables as `export NAME=value` lines that any POSIX shell reads back exactly.

    What `command_before_task` adds is not in it: that command is run for each step only.
    """
    return as_exports(task_variables(definition, instance, inputs or {}))


def as_exports(variables: Mapping[str, str]) -> str:
    """Lines for a shell.

    >>> print(as_exports({"x": "it's $1"}), end="")
    export x='it'"'"'s $1'
    """
    return "".join([f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()])


def _own_variables(instance: Instance, folder: TaskFolder) -> dict[str, str]:
    return {
        "__pipeline_instance_dir": instance.path,
        "__pipeline_instance_name": os.path.basename(instance.path),
        "__pipeline_code_dir": instance.code_folder,
        "__containers_dir": instance.containers_folder,
        "__task_key": folder.key,
        "__task_control_dir": folder.control,
        "__task_output_dir": folder.output,
        "__out_log": folder.log,
        "__scratch_dir": os.environ.get("SLURM_TMPDIR") or folder.scratch,
    }


def _expanded(extra: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """`$NAME` is another extra variable, else one of the task's, else one of this process's, else stays."""
    done: dict[str, str] = {}

    def value_of(name: str, under: tuple[str, ...]) -> str | None:
        if name in done:
            return done[name]
        if name not in extra or name in under:
            return own.get(name, os.environ.get(name))
        found = _REFERENCE.sub(lambda m: _or_itself(m, value_of(m[1] or m[2], (*under, name))), extra[name])
        done[name] = found
        return found

    for name in extra:
        if not _NAME.fullmatch(name) or not isinstance(extra[name], str) or "\0" in extra[name]:
            raise ArgumentError(f"extra_env: {name!r} is no variable, or its value is no text", names=[name])
        value_of(name, ())
    return done


def _or_itself(match: re.Match[str], value: str | None) -> str:
    return match[0] if value is None else value
