"""One task by hand, from what its folder says: run it, end it, look at it. The command behind each `task`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ramify.errors import PlanError, RamifyError, TaskFailed
from ramify.pipeline.definition import Call, TaskDefinition, Variable
from ramify.pipeline.environment import dump_env
from ramify.pipeline.instance import Instance
from ramify.pipeline.kept import Kept, read_task
from ramify.pipeline.step_process import end_tree, processes_of


def main(argv: Sequence[str] | None = None) -> int:
    """`by_hand FOLDER [run|kill|tail|ps|env]`: 0, or 1 when the task failed, 2 when it cannot be."""
    parser = argparse.ArgumentParser(prog="task", description="One task of a pipeline, by hand.")
    parser.add_argument("folder", help=argparse.SUPPRESS)
    parser.add_argument("verb", nargs="?", default="run", choices=["run", "kill", "tail", "ps", "env"])
    parser.add_argument("--at-step", type=int, help="begin at this step, counted from 0; outputs are kept")
    options = parser.parse_args(argv)
    folder = os.path.abspath(options.folder)
    try:
        if options.verb == "run":
            return _run(folder, options.at_step)
        return {"kill": _kill, "tail": _tail, "ps": _ps, "env": _env}[options.verb](folder)
    except TaskFailed as error:
        print(error, file=sys.stderr)
        return 1
    except RamifyError as error:
        print(f"task: {error}", file=sys.stderr)
        return 2


def _run(folder: str, at_step: int | None) -> int:
    """Runs it as a run would now, and notes what it came to: the next run need not do it again."""
    from ramify.pipeline.flow import forget_results
    from ramify.pipeline.opened import OpenInstance
    from ramify.pipeline.running import run_task

    before, instance, inputs = task_now(folder)
    sys.path[:0] = [entry for entry in instance.import_path if entry not in sys.path]
    here = OpenInstance(instance.path, instance=instance)
    definition = before.definition
    kept = here.kept(definition, inputs, code_of(definition, instance))
    forget_results(instance.path, [definition.key])
    result = run_task(
        definition,
        instance,
        kept.inputs,
        code=kept.code,
        holds=kept.holds,
        start_at=at_step,
        timeout=definition.conf.timeout,
    )
    here.put_by_hand(kept, result)
    return 0


def task_now(folder: str) -> tuple[Kept, Instance, dict[str, Variable]]:
    """A task, its instance, and what the tasks before have made of its inputs.

    `PlanError` where the folder holds no task, and for one that needs a task which is not completed.
    """
    from ramify.pipeline.opened import OpenInstance, value_of

    kept, instance = read_task(folder)
    here = OpenInstance(instance.path, instance=instance)
    inputs = dict(kept.inputs)
    for one in kept.definition.inputs:
        made = None if one.task is None else here.known(one.task)
        if made is not None:
            inputs[one.name] = value_of(one, made)
        elif one.task is not None and one.name not in inputs:
            raise PlanError(
                f"task {kept.definition.key!r} takes {one.name} from task {one.task!r}, which is not "
                "completed: run that one first",
                path=folder,
            )
    return kept, instance, inputs


def code_of(definition: TaskDefinition, instance: Instance) -> str | None:
    """What stands for the steps of a task, as the run of its pipeline reckons it; None: nothing does."""
    from ramify.pipeline.definition_fingerprint import definition_fingerprint

    try:
        functions = [_function_of(call) for call in definition.calls if call.kind == "python"]
        return definition_fingerprint(definition, instance.code_folder, functions).digest
    except Exception:  # the step itself runs into it, and tells it in its log
        return None


def _function_of(call: Call) -> Callable[..., Any]:
    from ramify.values.code import CodeRef, load_function

    module, _, qualname = call.text.partition(":")
    function: Callable[..., Any] = load_function(CodeRef(call.text, module, qualname, call.pickled))
    return function


def kill_task(instance: str, key: str) -> int:
    """Ends all processes of a task, whichever driver started them; how many there were."""
    root = os.path.abspath(instance)
    pids = processes_of(root, key)
    if pids:
        with open(Instance(root).task(key).kill_request, "w", encoding="ascii"):
            pass  # its driver tells by this file that nothing has crashed
        end_tree(pids, None)
    return len(pids)


def _kill(folder: str) -> int:
    found = kill_task(_instance_of(folder), os.path.basename(folder))
    print(f"{found} process{'' if found == 1 else 'es'} ended")
    return 0 if found else 1


def _tail(folder: str) -> int:
    logs = [f"{folder}/{name}" for name in ("out.log", "ramify.log")]
    os.execvp("tail", ["tail", "-n", "20", "-F", *logs])


def _ps(folder: str) -> int:
    pids = processes_of(_instance_of(folder), os.path.basename(folder))
    if not pids:
        print("no process of this task runs")
        return 1
    os.execvp("ps", ["ps", "-o", "pid,ppid,etime,pcpu,rss,args", "-p", ",".join(map(str, pids))])


def _env(folder: str) -> int:
    kept, instance, inputs = task_now(folder)
    sys.stdout.buffer.write(dump_env(kept.definition, instance, inputs).encode(errors="surrogateescape"))
    return 0


def _instance_of(folder: str) -> str:
    return os.path.dirname(os.path.dirname(folder))


if __name__ == "__main__":
    sys.exit(main())
