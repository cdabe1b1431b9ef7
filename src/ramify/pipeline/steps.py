"""What a step of a task needs to run, by its kind: a command or a request, an environment, its answer."""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from time import time_ns
from typing import Any, Final, NamedTuple

from ramify.errors import ArgumentError, RamifyError
from ramify.files.local import read_if_there, remove_file
from ramify.pipeline import python_child
from ramify.pipeline.bash_step import (
    RECORD,
    bash_command,
    find_program,
    python_command,
    read_record,
    shebang,
)
from ramify.pipeline.containers import Container, container_command, find_container, needed_paths
from ramify.pipeline.definition import Call, TaskDefinition, Variable
from ramify.pipeline.environment import VARIABLE_KINDS, full_environment, resolve_input
from ramify.pipeline.instance import Instance, TaskFolder
from ramify.pipeline.python_step import WarmStep, import_path, python_request
from ramify.pipeline.step_process import StepProcess, explain_start, step_mark
from ramify.pipeline.variables import to_text
from ramify.worker.trees import MARK

CHILD: Final = "python_child.py"
"""The name of the copy in an instance of what runs Python steps elsewhere than in a warm process."""

_MEANINGS: Final = {126: "a file was found that cannot be executed", 127: "a command was not found"}
_ENGINE_FAILED: Final = frozenset({125, 255})


class StepProblem(RamifyError, RuntimeError):
    """Why a step could not begin."""


class StepContext(NamedTuple):
    """What a step is a part of. `own` are the task's variables, `so_far` those of earlier steps."""

    definition: TaskDefinition
    instance: Instance
    folder: TaskFolder
    inputs: Mapping[str, Variable]
    own: Mapping[str, str]
    so_far: Mapping[str, Variable]
    step: int


class Step:
    """A step that is about to run. `names` are the outputs that it may set, `is_text` whether as text."""

    is_python = False
    is_text = True

    def __init__(self, context: StepContext, call: Call) -> None:
        self.context, self.call = context, call
        self.names = [each.name for each in context.definition.outputs if each.kind in VARIABLE_KINDS]
        self.record = f"{context.folder.control}/step-{context.step}.record"
        self.mark = step_mark(
            context.instance.path, context.instance.survives, context.step, context.definition.key
        )
        self.own = self._variables()
        self.environ = full_environment(context.definition, self.own, context.instance.surroundings)
        self.container = self._container()

    def processes(self) -> Iterator[Any]:
        """The ways to run it, to be tried in turn with `begin`."""
        if self.names or self.context.instance.survives:
            remove_file(self.record)
        yield from self._ways()

    def begin(self, process: Any) -> bool:
        """Whether this way has led to a running process."""
        return True

    def after(self, ended: bool) -> None:
        """What is to be done when the process has gone."""
        if ended and self.container is not None:
            self.container.remove()

    def results(self) -> tuple[Mapping[str, Any], dict[str, str]]:
        """The outputs that it set, and for some others a word on why they are not set."""
        record = read_record(self.record)
        hints = {
            name: f"{name} was set and not exported: write `export {name}`" for name in record.not_exported
        }
        return {name: record.exports[name] for name in self.names if name in record.exports}, hints

    def recorded_code(self) -> int | None:
        """The exit code that it has left itself, where nobody could see it."""
        return read_record(self.record).code

    def explain(self, code: int) -> str:
        """Words about an exit code that is not 0."""
        text = f"exit code {code}"
        if self.container is not None and code in _ENGINE_FAILED:
            text += f" of {self.container.engine}: the container {self.container.image} did not start"
        elif code in _MEANINGS:
            text += f" ({_MEANINGS[code]})"
        return text

    def _ways(self) -> Iterator[Any]:
        raise NotImplementedError

    def _spawn(self, argv: list[str]) -> StepProcess:
        """Starts it, in its container if it has one."""
        if self.container is not None:
            argv = self._contained(argv)
        try:
            if not os.path.isabs(argv[0]):
                argv = [find_program(argv[0], self.environ.get("PATH")), *argv[1:]]
            return StepProcess(argv, self.environ, self.context.folder.log, self.mark)
        except OSError as error:
            raise StepProblem(explain_start(error, argv, self.environ)) from error

    def _variables(self) -> dict[str, str]:
        own = dict(self.context.own)
        for name, value in self.context.so_far.items():
            text = to_text(name, value)
            if text is None:
                own.pop(name, None)
            else:
                own[name] = text
        own[RECORD] = self.record
        scratch = own["__scratch_dir"]
        if self.call.kind != "bash" or "__scratch_dir" in self.call.text:
            os.makedirs(scratch, exist_ok=True)
        return own

    def _container(self) -> Container | None:
        image = self.call.container or self.context.definition.conf.container
        if not image:
            return None
        name = f"ramify-{os.getpid()}-{time_ns()}-{self.context.step}"
        try:
            return find_container(image, self.context.instance.containers_folder, name, self.environ)
        except RamifyError as error:
            raise StepProblem(str(error)) from error

    def _contained(self, argv: list[str]) -> list[str]:
        where, conf = self.context.instance, self.context.definition.conf
        folders = {where.path: True, where.code_folder: False, self.own["__scratch_dir"]: True}
        files = [path for each in self.context.definition.inputs for path in self._outside(each)]
        binds = needed_paths(folders, files)
        assert self.container is not None
        try:
            return container_command(
                self.container, argv, binds, [*self.own, MARK], tuple(conf.apptainer_exec_args)
            )
        except ArgumentError as error:
            raise StepProblem(str(error)) from error

    def _outside(self, each: Any) -> list[str]:
        if each.kind == "file":
            return [str(resolve_input(each, self.context.instance, self.context.inputs))]
        if each.kind == "glob":
            pattern = str(resolve_input(each, self.context.instance, self.context.inputs))
            fixed = pattern.split("/")
            until = next((n for n, part in enumerate(fixed) if glob.has_magic(part)), len(fixed))
            return ["/".join(fixed[:until]) or "/"]
        return []


class BashStep(Step):
    """A snippet, or a script, of bash or of what its first line names."""

    def _ways(self) -> Iterator[Any]:
        context, conf = self.context, self.context.definition.conf
        try:
            argv = bash_command(
                self.call,
                context.definition.key,
                context.step,
                context.folder.control,
                strict=conf.strict,
                names=self.names,
                before=conf.command_before_task,
                record=context.instance.survives,
                code_folder=context.instance.code_folder,
            )
        except OSError as error:
            raise StepProblem(f"the script {self.call.text!r} cannot be read: {error.strerror}") from error
        except (ArgumentError, ValueError) as error:
            raise StepProblem(str(error)) from error
        yield self._spawn(argv)

    def explain(self, code: int) -> str:
        text = super().explain(code)
        for name in self._unquoted():
            text += f'; the path in ${name} holds blanks: write "${name}", in quotes'
        return text

    def _unquoted(self) -> list[str]:
        """Variables of paths with blanks that a snippet of bash reads without quotes."""
        if self.call.kind != "bash" or os.path.basename((shebang(self.call.text) or ["bash"])[0]) not in (
            "bash",
            "sh",
        ):
            return []
        definition = self.context.definition
        paths = [each.name for each in definition.inputs if each.kind == "file"]
        paths += [each.name for each in definition.outputs if each.kind == "file"]
        paths += ["__task_output_dir", "__pipeline_instance_dir", "__scratch_dir"]
        return [
            name
            for name in paths
            if re.search(r"\s", self.own.get(name, ""))
            and re.search(rf'(?<!["\w/])\$(?:{name}\b|\{{{name}\}})', self.call.text)
        ]


class PythonStep(Step):
    """A call of a function."""

    is_python = True
    is_text = False

    def begin(self, process: Any) -> bool:
        if not isinstance(process, WarmStep):
            return True
        return process.begin(
            {
                **self._request(),
                "log": self.context.folder.log,
                "cwd": self.context.folder.output,
                "environ": {**self.environ, MARK: self.mark},
            }
        )

    def results(self) -> tuple[Mapping[str, Any], dict[str, str]]:
        data = read_if_there(self.record)
        return (json.loads(data) if data else {}), {}

    def recorded_code(self) -> int | None:
        return 0 if os.path.exists(self.record) else None

    def explain(self, code: int) -> str:
        if code == python_child.UNUSABLE and self.container is None:
            return f"{self.call.text} cannot be called so, or did not return what it should"
        return super().explain(code)

    def processes(self) -> Iterator[Any]:
        remove_file(self.record)
        yield from self._ways()

    def _ways(self) -> Iterator[Any]:
        conf = self.context.definition.conf
        python = self.call.python_bin or conf.python_bin
        own = python is None or os.path.abspath(python) == os.path.abspath(sys.executable)
        if own and not conf.command_before_task and self.container is None:
            yield WarmStep(self.mark, self.context.instance.survives)
        yield self._spawn(self._alone(python, own))

    def _alone(self, python: str | None, own: bool) -> list[str]:
        """The command line of an interpreter of its own."""
        context = self.context
        path = f"{context.folder.control}/step-{context.step}.request"
        inside = self.container is not None
        request = {**self._request(), "path": import_path(own and not inside, context.instance.code_folder)}
        with open(path, "w", encoding="ascii") as file:
            json.dump(request, file)
        switches = list(context.definition.conf.python_interpreter_switches)
        program = python or ("python3" if inside else sys.executable)
        argv = [program, *switches, f"{context.instance.engine_folder}/{CHILD}", path]
        return python_command(
            argv, context.definition.key, context.step, context.definition.conf.command_before_task
        )

    def _request(self) -> dict[str, Any]:
        context = self.context
        arguments: dict[str, Any] = {name: text for name, text in self.own.items() if name.startswith("__")}
        globs: dict[str, tuple[str, str]] = {}
        for each in context.definition.inputs:
            value = resolve_input(each, context.instance, context.inputs)
            if each.kind == "glob":
                globs[each.name] = _rooted(str(value), context.instance.path)
            else:
                arguments[each.name] = value
        for output in context.definition.outputs:
            if output.kind not in VARIABLE_KINDS:
                arguments[output.name] = self.own[output.name]
        arguments.update(context.so_far)
        inputs = [each.name for each in context.definition.inputs]
        return python_request(
            self.call.text, self.call.pickled, arguments, globs, inputs, self.names, self.record
        )


def make_step(context: StepContext, call: Call) -> Step:
    """The step for a call."""
    return PythonStep(context, call) if call.kind == "python" else BashStep(context, call)


def _rooted(pattern: str, root: str) -> tuple[str, str]:
    """A glob as a folder that is taken as it is, and the pattern below it."""
    if pattern.startswith(root + "/"):
        return root, pattern[len(root) + 1 :]
    return "/", pattern.lstrip("/")
