"""`ramify restart`: tasks of a pipeline again, from the step where they failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ramify.cli.find import INSTANCE
from ramify.cli.output import json_option, put_lines, verbose_option
from ramify.cli.pipeline_options import instance_flag, key_flag, pipeline_flag, the_instance
from ramify.cli.resume import go_on_with_pipeline
from ramify.errors import UnknownKeyError
from ramify.pipeline.states import ENDS_BADLY

if TYPE_CHECKING:
    from ramify.pipeline.instance import TaskFolder


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY|GLOB]...")
@key_flag
@instance_flag
@pipeline_flag
@click.option("--signature", type=click.IntRange(1), metavar="N", help="Those that failed in this way.")
@click.option("--at-step", type=click.IntRange(0), metavar="N", help="Begin at this step, from 0.")
@click.option("--reset", is_flag=True, help="Begin anew, with no outputs.")
@click.option("--wait", is_flag=True, hidden=True)
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
    as_json: bool,
    **flags: Any,
) -> int:
    """Restart tasks of a pipeline at the step where they failed, and run what follows from them.

    Other tasks that failed are left as they are. GLOB is of failed tasks; a task that is completed is
    restarted where its KEY is given, from its first step. `ramify status --failed` numbers the ways of
    failing. The pipeline is that of the instance's last run, unless -p says another.

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
    return go_on_with_pipeline(path, flags, as_json=as_json, **wishes_of(path, chosen, at_step, reset))


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
    from ramify.pipeline.instance import Instance
    from ramify.pipeline.states import TaskState

    here = Instance(path)
    completed = [key for key in chosen if here.task(key).state() == TaskState("completed")]
    if at_step is not None:
        for key in completed:  # its result goes before it is run: what cannot be must not cost it
            _check_step(here.task(key), at_step)
    elif completed:
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


def _check_step(folder: TaskFolder, at_step: int) -> None:
    from ramify.pipeline.kept import read_kept

    kept = read_kept(folder.control)
    steps = at_step + 1 if kept is None else len(kept.definition.calls)
    if at_step >= steps:
        raise click.UsageError(f"task {folder.key!r} has no step {at_step}: it has {steps}, counted from 0")
