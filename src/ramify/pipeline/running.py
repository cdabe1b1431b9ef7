"""One task, from its folder to its result: each step a process, and nothing believed that was not seen."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from time import strftime, time
from typing import Any, Final, NoReturn

import msgspec

from ramify.errors import ArgumentError, InfrastructureError, TaskFailed
from ramify.files.local import (
    make_folder,
    read_if_there,
    remove_file,
    remove_tree,
    write_atomic,
)
from ramify.pipeline.definition import TaskDefinition, TaskResult, Variable
from ramify.pipeline.environment import VARIABLE_KINDS, resolve_input, task_variables
from ramify.pipeline.instance import Instance
from ramify.pipeline.kept import Kept, encode, read_kept, write_kept
from ramify.pipeline.results import collect, tail_of
from ramify.pipeline.states import TaskState
from ramify.pipeline.step_process import AdoptedProcess, processes_of
from ramify.pipeline.steps import Step, StepContext, StepProblem, make_step
from ramify.pipeline.variables import check_value, from_text

OnState = Callable[[str, int | None], None]

VARIABLES: Final = "variables.json"
"""What the steps so far have exported or returned: a restart at a later step goes on from it."""

_CRASHES: Final = frozenset({128 + n for n in (4, 6, 7, 8, 9, 11, 15)})
"""Exit codes by which a shell says that a command of it was killed."""


def run_task(
    definition: TaskDefinition,
    instance: Instance,
    inputs: Mapping[str, Variable],
    *,
    code: str | None = None,
    holds: Mapping[str, str] | None = None,
    start_at: int | None = None,
    goes_on: bool = False,
    on_state: OnState | None = None,
    timeout: float | None = None,
) -> TaskResult:
    """Runs a task and gives what it came to. Any thread may call it; many may at once.

    `inputs` are the values of inputs that other tasks made, by name: paths may be relative to the instance's
    folder. `code` stands for what the steps do, and `holds` for what the files that are read hold, by the
    names of their inputs: another driver tells by them whether what it finds was the same task. With
    `start_at` the outputs so far are kept and the steps from that one (from 0) run; without, the output
    folder is emptied and all run. With `goes_on`, `start_at` is where an earlier driver left off: a step that
    has ended since is not run again. `on_state` hears of each state of the task, `("step-started", 0)`.
    `timeout` (seconds) is for all steps together; `conf.timeout` is what the caller may pass here.

    Raises `TaskFailed`, with its `kind`, when a step fails, is killed, takes too long or crashes, and when an
    output is missing or of another type. `RamifyKeyEncodingError` and
    `ArgumentError` come before anything is written.

    >>> from tempfile import TemporaryDirectory
    >>> from ramify.pipeline.definition import Call, Output
    >>> task = TaskDefinition("t1", (Call("bash", "export n=$((6 * 7))"),), (), (Output("n", "int"),))
    >>> with TemporaryDirectory() as folder:
    ...     run_task(task, Instance(folder), {}).variables
    {'n': 42}
    """
    attempt = Attempt(Kept(definition, dict(inputs), code, dict(holds or {})), instance, on_state)
    with instance.lock:
        if definition.key in instance.running:
            raise InfrastructureError(f"task {definition.key!r} is running already: wait for it, or kill it")
        instance.running[definition.key] = attempt
    timer = threading.Timer(timeout, attempt.stop, ("timed-out",)) if timeout else None
    try:
        if timer is not None:
            timer.daemon = True
            timer.start()
        return attempt.run(start_at, goes_on)
    finally:
        if timer is not None:
            timer.cancel()
        del instance.running[definition.key]
        attempt.close()


class Attempt:
    """One run of a task."""

    def __init__(self, kept: Kept, instance: Instance, on_state: OnState | None) -> None:
        self._kept, self._instance = kept, instance
        self._definition, self._inputs = kept.definition, kept.inputs
        self._folder = instance.task(kept.definition.key)
        self._own = task_variables(kept.definition, instance, kept.inputs)
        self._on_state = on_state
        self._state: TaskState | None = None
        self._variables: dict[str, Variable] = {}
        self._lock = threading.Lock()
        self._ending: str | None = None
        self._process: Any = None
        self._log = -1
        self._spare: str | None = None
        self._log_start = 0

    # ---- the whole

    def run(self, start_at: int | None, goes_on: bool = False) -> TaskResult:
        calls = self._definition.calls
        first = start_at or 0
        if first < 0 or (first and first >= len(calls)):
            raise ArgumentError(f"task {self._definition.key!r} has no step {first}: it has {len(calls)}")
        self._instance.prepare()
        adopted = self._prepare(start_at, believed=goes_on or start_at is None)
        if first or adopted is not None:
            self._variables = self._recall()
        if adopted is not None:
            first = adopted
        else:
            self._check_input_files(first)
        for step in range(first, len(calls)):
            self._run_step(step, step == adopted)
            if step + 1 < len(calls):
                self._enter(TaskState("step-completed", step))
        self._remove_scratch()
        return self._finish(len(calls) - 1)

    def stop(self, why: str) -> None:
        """Ends what runs, as `killed` or `timed-out`; no further step begins. Back when all is gone."""
        with self._lock:
            self._ending = self._ending or why
            process = self._process
        if process is not None:
            process.end()

    def close(self) -> None:
        """Closes the task's logs."""
        if self._spare is not None:
            self._instance.take_log(self._folder.log, self._spare)
        if self._log >= 0:
            os.close(self._log)

    def _prepare(self, start_at: int | None, believed: bool) -> int | None:
        """Makes the folders; the step that another driver left running, if one did."""
        folder, adopted = self._folder, None
        try:
            os.mkdir(folder.control)
        except FileExistsError:
            self._state = folder.state()
            remove_file(folder.kill_request)
            adopted = self._left_running(believed)
        try:
            os.mkdir(folder.output)
        except FileExistsError:
            if start_at is None and adopted is None:
                folder.clear_outputs()
        self._spare = self._instance.lend_log(folder.log)
        self._log = os.open(folder.own_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        if adopted is None:
            self._write_files()
        return adopted

    def _left_running(self, believed: bool) -> int | None:
        """The step that another driver began and did not see the end of, whether or not it still runs; one
        that has ended counts only if what it left is `believed`.

        One of a task that was another then is ended, and counts for nothing.
        """
        state = self._state
        if state is None or state.name != "step-started" or state.step is None:
            return None
        process = AdoptedProcess(processes_of(self._instance.path, self._definition.key))
        before = read_kept(self._folder.control)
        if before is None or not before.is_same(self._kept):
            process.end()
            return None
        if not process.pids:
            record = f"{self._folder.control}/step-{state.step}.record"
            if not believed or not os.path.exists(record):
                return None
        self._process = process
        return state.step

    def _write_files(self) -> None:
        write_kept(self._kept, self._instance)
        for output in self._definition.outputs:
            if output.kind == "file" and "/" in (output.pattern or ""):
                make_folder(os.path.dirname(f"{self._folder.output}/{output.pattern}"))

    def _check_input_files(self, step: int) -> None:
        """A file that is not there is told by its name, before a tool stumbles over it."""
        gone = []
        for each in self._definition.inputs:
            path = resolve_input(each, self._instance, self._inputs) if each.kind == "file" else None
            if path is not None and not os.path.exists(str(path)) and not self._is_of_a_container(str(path)):
                gone.append(f"{each.name}: there is no {path}")
        if gone:
            self._fail("failed", step, f"an input is missing: {'; '.join(gone)}")

    def _is_of_a_container(self, path: str) -> bool:
        """Whether the path may be one of an image."""
        contained = any(call.container or self._definition.conf.container for call in self._definition.calls)
        return contained and not path.startswith(f"{self._instance.path}/")

    def _finish(self, last: int) -> TaskResult:
        try:
            result = collect(self._definition, self._folder.output, self._variables)
        except ValueError as error:
            self._fail("failed", max(last, 0), str(error))
        self._enter(TaskState("completed"))
        return result

    # ---- one step

    def _run_step(self, step: int, adopted: bool) -> None:
        if not adopted:
            with self._lock:
                self._process = None
        self._log_start = 0 if adopted else _size(self._folder.log)
        self._enter(TaskState("step-started", step))
        try:
            made = make_step(self._context(step), self._definition.calls[step])
            status = self._wait_adopted(made) if adopted else self._perform(made)
        except StepProblem as problem:
            self._fail("failed", step, str(problem))
        self._judge(made, step, status)
        self._take(made, step)

    def _perform(self, made: Step) -> int | None:
        status, ways = None, made.processes()
        while True:
            with self._lock:  # whoever ends the task finds all that was started
                process = None if self._ending else next(ways, None)
                self._process = process
            if process is None:
                break
            if made.begin(process):
                status = process.wait()
                break
        made.after(bool(self._ending))
        return status

    def _wait_adopted(self, made: Step) -> int | None:
        self._process.wait()
        code = made.recorded_code()
        return None if code is None else code << 8

    def _judge(self, made: Step, step: int, status: int | None) -> None:
        if status != 0 and remove_file(self._folder.kill_request):
            self._ending = self._ending or "killed"
        if self._ending:
            words = {"killed": "was killed on request", "timed-out": "took longer than its timeout"}
            self._fail(self._ending, step, words.get(self._ending, self._ending))
        if status is None:
            self._fail("crashed", step, "its process has vanished without a word")
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            self._fail("crashed", step, f"its process was killed by {_signal_name(number)}", number=number)
        code = os.WEXITSTATUS(status)
        if code in _CRASHES and not made.is_python:
            number = code - 128
            self._fail("crashed", step, f"a command of it was killed by {_signal_name(number)}", code, number)
        if code:
            self._fail("failed", step, made.explain(code), code)

    def _take(self, made: Step, step: int) -> None:
        """What the step exported or returned."""
        if not made.names:
            return
        new: dict[str, Variable] = {}
        problems: list[str] = []
        values, hints = made.results()
        for output in self._definition.outputs:
            if output.name not in values:
                continue
            value = values[output.name]
            try:
                new[output.name] = (
                    from_text(output, str(value)) if made.is_text else check_value(output, value)
                )
            except ValueError as error:
                problems.append(str(error))
        last = step + 1 == len(self._definition.calls)
        problems += [] if not last else [hint for name, hint in hints.items() if name not in self._variables]
        if problems:
            self._fail("failed", step, "; ".join(problems))
        if new:
            self._variables.update(new)
            write_atomic(f"{self._folder.control}/{VARIABLES}", encode(self._variables))

    def _context(self, step: int) -> StepContext:
        return StepContext(
            self._definition, self._instance, self._folder, self._inputs, self._own, self._variables, step
        )

    def _recall(self) -> dict[str, Variable]:
        data = read_if_there(f"{self._folder.control}/{VARIABLES}")
        if data is None:
            return {}
        found = msgspec.convert(json.loads(data), dict[str, Variable])
        kinds = {output.name: output for output in self._definition.outputs if output.kind in VARIABLE_KINDS}
        return {name: check_value(kinds[name], value) for name, value in found.items() if name in kinds}

    def _remove_scratch(self) -> None:
        if os.path.isdir(self._folder.scratch):
            remove_tree(self._folder.scratch)

    # ---- telling

    def _enter(self, state: TaskState) -> None:
        self._folder.set_state(state, self._state)
        self._state = state
        self._note(f"{state} {self._log_start if state.name == 'step-started' else ''}")
        if self._on_state is not None:
            self._on_state(state.name, state.step)

    def _note(self, text: str) -> None:
        os.write(
            self._log,
            f"{strftime('%Y-%m-%dT%H:%M:%S')} {time():.6f} {text.strip()}\n".encode(errors="replace"),
        )

    def _fail(
        self, kind: str, step: int, words: str, exit_code: int | None = None, number: int | None = None
    ) -> NoReturn:
        self._note(f"{kind}: {words}")
        self._enter(TaskState(kind, step))
        tail = tail_of(self._folder.log, self._log_start)
        text = f"task {self._definition.key!r}, step {step}: {words}"
        if tail:
            text += f"\n{tail}"
        raise TaskFailed(
            f"{text}\n(its output: {self._folder.log})",
            task=self._definition.key,
            step=step,
            kind=kind,
            reason=words,
            exit_code=exit_code,
            signal=number,
            log=self._folder.log,
            tail=tail,
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
