"""`ramify restart`: tasks of a pipeline again, from the step where they failed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from ramify.cli.cancel import tell_of
from ramify.cli.find import INSTANCE
from ramify.cli.output import json_option, put_lines, verbose_option
from ramify.cli.pipeline_options import instance_flag, key_flag, pipeline_flag, the_instance
from ramify.cli.resume import go_on_with_pipeline
from ramify.core.keys import encode_key
from ramify.dag.evaluate import refuse_if_running, run_folder_of
from ramify.errors import LockedError, RamifyError, RunOverError, UnknownKeyError, UnknownRunError
from ramify.files.lock import read_holder
from ramify.pipeline.flow import places_in
from ramify.pipeline.instance import Instance, TaskFolder
from ramify.pipeline.restarts import Restart, ask_restart, withdraw_restart
from ramify.pipeline.states import ENDS_BADLY, TaskState
from ramify.run.control import Retry, ask, asker
from ramify.run.handle import connect
from ramify.run.view import RunView


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY|GLOB]...")
@key_flag
@instance_flag
@pipeline_flag
@click.option("--signature", type=click.IntRange(1), metavar="N", help="Those that failed in this way.")
@click.option("--at-step", type=click.IntRange(0), metavar="N", help="Begin at this step, from 0.")
@click.option("--reset", is_flag=True, help="Begin anew, with no outputs.")
@click.option("--wait", is_flag=True, help="Until the run is over, also where another process drives it.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Tasks at a time [number of cores].")
@click.option("-q", "--quiet", is_flag=True, help="Print failures only.")
@verbose_option
@json_option
def restart(
    keys: tuple[str, ...],
    task_key: str | None,
    instance: str | None,
    signature: int | None,
    at_step: int | None,
    reset: bool,
    wait: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Restart tasks of a pipeline at the step where they failed, and run what follows from them.

    Other tasks that failed are left as they are. GLOB is of failed tasks; a task that is completed is
    restarted where its KEY is given, from its first step. `ramify status --failed` numbers the ways of
    failing. The pipeline is that of the instance's last run, unless -p says another.

    Of an instance that is being run, its driver restarts what failed, and this command returns at once, or
    with --wait when the run is over.

    Example: ramify restart -pid data/run1 --signature 2
    """
    if instance is None:
        raise click.UsageError(f"say which instance: -pid FOLDER, or {INSTANCE}; of a run: ramify retry")
    path = the_instance(instance).path
    words = (*keys, *([] if task_key is None else [task_key]))
    if bool(words) == (signature is not None):
        raise click.UsageError("say which tasks: KEY, a GLOB such as '*', or --signature N")
    chosen = _of_signature(path, signature) if signature is not None else _of_words(path, words)
    if at_step is not None and reset:
        raise click.UsageError("--at-step keeps the outputs of earlier steps, --reset removes them: say one")
    runs = run_folder_of(places_in(path)[0])
    holder = read_holder(runs)
    if holder is not None:
        _refuse_what_did_not_fail(path, chosen, holder)
        try:
            run = RunView(os.path.join(runs, str(holder["run"])))
            return _ask_driver(run, path, chosen, Restart(anew=reset, at_step=at_step), wait, as_json)
        except (RunOverError, UnknownRunError):  # just now; or it holds the folder for something else
            refuse_if_running(places_in(path)[0])
    return go_on_with_pipeline(path, flags, as_json=as_json, **wishes_of(path, chosen, at_step, reset))


def _ask_driver(run: RunView, path: str, chosen: list[str], how: Restart, wait: bool, as_json: bool) -> int:
    """Has the driver restart what failed. Raises `RunOverError` where it has just ended."""
    folders = [Instance(path).task(key) for key in chosen]
    handle = connect(run.folder)
    jobs = [job for job in map(encode_key, chosen) if job in run.engine.number]
    for job in jobs:
        if handle.state_of(job) == "RUNNING":  # its folder knows earlier than the journal that it failed
            handle.wait_for(job)
    told = ask_for_restarts(run, folders, how, jobs)
    tell_of(run, "restart", told, as_json, lambda _: _told(len(chosen)))
    if not wait:
        return 0
    handle.wait()
    return 0 if all(folder.state() == TaskState("completed") for folder in folders) else 1


def ask_for_restarts(
    run: RunView, folders: Sequence[TaskFolder], how: Restart, jobs: list[str] | None
) -> dict[str, Any] | None:
    """Asks the driver of a run to try these jobs again (all that failed, where None), and says how those of
    the tasks are to begin, whether they failed in this run or before it; see `ask`.
    """
    for folder in folders:
        ask_restart(folder, how)
    try:  # what the generator of this run has not yielded yet is restarted when it is
        return ask(run.folder, Retry(jobs=jobs, by=asker()))
    except RamifyError:
        for folder in folders:
            withdraw_restart(folder)
        raise


def _told(count: int) -> str:
    return f"{count} {'task is' if count == 1 else 'tasks are'} restarted by the driver of the run"


def _refuse_what_did_not_fail(path: str, chosen: list[str], holder: dict[str, Any]) -> None:
    states = {key: Instance(path).task(key).state() for key in chosen}
    others = [f"{key} ({s})" for key, s in states.items() if s is None or s.name not in ENDS_BADLY]
    if others:
        some = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        raise LockedError(
            f"{path} is being run by process {holder.get('pid')} on {holder.get('host')}, which restarts "
            f"only what failed, and {some} did not: wait for that run, or `ramify cancel` it",
            **{name: holder.get(name) for name in ("host", "pid", "since")},
        )


def _of_signature(path: str, number: int) -> list[str]:
    from ramify.cli.pipeline_failures import kinds_of

    kinds = kinds_of(path)
    if number > len(kinds):
        count = f"{len(kinds)} way{'' if len(kinds) == 1 else 's'} of failing" if kinds else "no failed task"
        raise UnknownKeyError(f"there is no signature {number}: {path} has {count}", key=str(number))
    return list(kinds[number - 1].keys)


def _of_words(path: str, words: tuple[str, ...]) -> list[str]:
    """The keys, and what of the globs has failed."""
    from ramify.pipeline.overview import check_instance, chosen_keys, states_of

    here = check_instance(path)
    found: dict[str, None] = {}
    for word in words:
        keys = chosen_keys(here, word)
        states = {} if keys == [word] else states_of(here, word)
        found.update(dict.fromkeys(key for key in keys if key == word or states[key].name in ENDS_BADLY))
    if not found:
        raise UnknownKeyError(f"nothing of {' '.join(words)} has failed in {path}", key=words[0])
    return list(found)


def wishes_of(path: str, chosen: list[str], at_step: int | None, reset: bool) -> dict[str, Any]:
    from ramify.cli.pipeline_run import only_these

    here = Instance(path)
    completed = [key for key in chosen if here.task(key).state() == TaskState("completed")]
    if completed and at_step is None:
        several = ", ".join(completed[:5]) + (", ..." if len(completed) > 5 else "")
        put_lines([f"ramify: {several} completed before: restarted from the first step"], err=True)
    return {
        "until": only_these(path, chosen),
        "only": chosen,
        "restart_failed": not reset,
        "reset_failed": reset,
        "at_step": {} if at_step is None else dict.fromkeys(chosen, at_step),
        "options": {"force": completed} if completed else {},
    }
