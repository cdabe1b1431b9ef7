"""One task by hand, from what its folder says: run it, end it, look at it. The command behind each `task`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

import msgspec

from ramify.errors import PlanError, RamifyError, TaskFailed
from ramify.files.local import read_bytes
from ramify.pipeline.definition import TaskDefinition, Variable
from ramify.pipeline.environment import dump_env
from ramify.pipeline.instance import CONTROL, Instance
from ramify.pipeline.step_process import end_tree, processes_of


class Kept(msgspec.Struct):
    """What `task-conf.json` holds."""

    definition: TaskDefinition
    inputs: dict[str, Variable]
    settings: dict[str, object]


def read_task(folder: str) -> tuple[Kept, Instance]:
    """A task and its instance, from the task's folder. `PlanError` where that holds none."""
    path = f"{folder}/task-conf.json"
    try:
        kept = msgspec.convert(json.loads(read_bytes(path)), Kept)
        settings = msgspec.convert(kept.settings, Settings)
    except (ValueError, OSError) as error:
        raise PlanError(
            f"{path} is not the description of a task ({error}): run the pipeline", path=path
        ) from error
    if os.path.basename(os.path.dirname(folder)) != CONTROL:
        raise PlanError(f"{folder} is not the folder of a task: it is in no {CONTROL}", path=folder)
    root = os.path.dirname(os.path.dirname(folder))
    instance = Instance(
        root,
        code_folder=settings.code_folder,
        containers_folder=settings.containers_folder,
        environ=settings.environ,
    )
    return kept, instance


class Settings(msgspec.Struct):
    """What of an instance a task depends on."""

    code_folder: str
    containers_folder: str
    environ: dict[str, str]


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
    from ramify.pipeline.running import run_task

    kept, instance = read_task(folder)
    run_task(kept.definition, instance, kept.inputs, start_at=at_step, timeout=kept.definition.conf.timeout)
    return 0


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
    kept, instance = read_task(folder)
    sys.stdout.buffer.write(dump_env(kept.definition, instance, kept.inputs).encode(errors="surrogateescape"))
    return 0


def _instance_of(folder: str) -> str:
    return os.path.dirname(os.path.dirname(folder))


if __name__ == "__main__":
    sys.exit(main())
