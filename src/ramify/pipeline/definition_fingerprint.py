"""What of a task's declaration counts for reuse."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from ramify.pipeline.definition import Call, Input, Output, TaskDefinition
from ramify.values.digest import digest_file


class DefinitionFingerprint(msgspec.Struct, frozen=True):
    """`digest` stands for all of it; None: there is no sound one, and `unsound` says why. `parts` are named
    for a reader (`step 0`, `input x`, `output f`, `container`, `code of flow.count`), so that what changed
    can be told. The results of other tasks, and what input files hold, are not in it.
    """

    digest: str | None
    parts: dict[str, str]
    unsound: tuple[str, ...] = ()
    unfollowed: tuple[str, ...] = ()


def definition_fingerprint(
    definition: TaskDefinition, code_dir: str, functions: Sequence[Callable[..., Any]] = ()
) -> DefinitionFingerprint:
    """The fingerprint of a definition: its steps as they are written, what its scripts hold, the code of its
    `functions` (those of its Python steps, in order), its constants, what it takes and makes, and what it
    runs in. Not its label, its props, or how it is submitted.

    `version` of its configuration stands for the code of the steps. `StorageError` where a script is gone.

    >>> one = TaskDefinition("a", (Call("bash", "echo 1\\n"),))
    >>> definition_fingerprint(one, "/code").parts
    {'step 0': 'bash: echo 1'}
    """
    parts: dict[str, str] = {}
    unsound: list[str] = []
    unfollowed: list[str] = []
    version = definition.conf.version
    if version is not None:
        parts["version"] = version
    left = iter(functions)
    for number, call in enumerate(definition.calls):
        if version is None and call.kind == "python":
            _add_function(next(left, None), number, call, parts, unsound, unfollowed)
        elif version is None:
            parts[f"step {number}"] = _text_of(call, code_dir)
        parts.update(_surroundings(call, f" of step {number}"))
    parts.update(_inputs_and_outputs(definition))
    parts.update(_of_conf(definition))
    digest = None if unsound else _digest(parts)
    return DefinitionFingerprint(digest, parts, tuple(unsound), tuple(unfollowed))


def _add_function(
    function: Callable[..., Any] | None,
    number: int,
    call: Call,
    parts: dict[str, str],
    unsound: list[str],
    unfollowed: list[str],
) -> None:
    from ramify.values.fingerprint import fingerprint

    if function is None:
        unsound.append(f"the function {call.text} of step {number} is not at hand")
        return
    found = fingerprint(function)
    parts[f"step {number}"] = f"python: {found.digest}"
    parts.update(found.parts)
    unsound.extend(found.unsound)
    unfollowed.extend(found.unfollowed)


def _text_of(call: Call, code_dir: str) -> str:
    if call.kind == "script":
        # Of an absolute path the name alone: a project may be moved.
        name = os.path.basename(call.text) if os.path.isabs(call.text) else call.text
        return f"script {name}: {digest_file(os.path.join(code_dir, call.text))}"
    return f"bash: {call.text.rstrip()}"


def _surroundings(call: Call, of: str) -> Iterator[tuple[str, str]]:
    if call.container is not None:
        yield f"container{of}", call.container
    if call.python_bin is not None:
        yield f"python_bin{of}", call.python_bin


def _inputs_and_outputs(definition: TaskDefinition) -> Iterator[tuple[str, str]]:
    for one in definition.inputs:
        yield f"input {one.name}", _told_input(one)
    for made in definition.outputs:
        yield f"output {made.name}", _told_output(made)


def _told_input(one: Input) -> str:
    value = f"{one.kind} {one.value!r}" if one.value is not None else one.kind
    return value if one.task is None else f"{value} of {one.output} of {one.task}"


def _told_output(made: Output) -> str:
    words = [made.kind, made.pattern or "", *(f"but {pattern}" for pattern in made.exclude)]
    return " ".join([word for word in words if word] + (["or none"] if made.may_be_none else []))


def _of_conf(definition: TaskDefinition) -> Iterator[tuple[str, str]]:
    conf = definition.conf
    if conf.container is not None:
        yield "container", conf.container
    if conf.python_bin is not None:
        yield "python_bin", conf.python_bin
    if conf.command_before_task is not None:
        yield "command_before_task", conf.command_before_task
    if conf.strict:
        yield "strict", "true"
    for name, value in sorted((conf.extra_env or {}).items()):
        if not name.startswith("__"):  # folders, which may be moved
            # Its digest: a value may be a password, and parts are shown and kept.
            yield f"extra_env {name}", hashlib.sha256(value.encode()).hexdigest()[:16]


def _digest(parts: dict[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(parts.items()))).hexdigest()[:32]
