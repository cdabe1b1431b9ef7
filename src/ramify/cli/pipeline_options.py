"""The flags that all commands of pipelines share: which pipeline, which instance of it, which task."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from ramify.cli.find import INSTANCE, complete_target, refuse_empty
from ramify.errors import TargetError, UnknownRunError
from ramify.show.status import shortest

if TYPE_CHECKING:
    from ramify.cli.target import PipelineTarget
    from ramify.pipeline.instance import Instance

_Command = TypeVar("_Command", bound=Callable[..., Any])

GENERATOR: Final = "RAMIFY_PIPELINE_GENERATOR"
"""The variable that says which pipeline is meant."""


def instance_flag(command: _Command) -> _Command:
    """`-pid` and its longer names, passed on as `instance`."""
    return click.option(
        "-pid",
        "--pipeline-instance-dir",
        "--instance-dir",
        "--instance-directory",
        "instance",
        type=click.Path(file_okay=False),
        envvar=INSTANCE,
        callback=refuse_empty,
        help="Folder of the pipeline's instance.",
    )(command)


def pipeline_flag(command: _Command) -> _Command:
    """`-p` and its longer names, passed on as `pipeline`."""
    return click.option(
        "-p",
        "--pipeline",
        "--generator",
        "pipeline",
        metavar="TARGET",
        envvar=GENERATOR,
        shell_complete=complete_target,
        help="The pipeline, file.py:name or module:name.",
    )(command)


def key_flag(command: _Command) -> _Command:
    """`-k`, the older way to give a task's key, passed on as `task_key`."""
    return click.option("-k", "--task-key", "task_key", metavar="KEY", help="The task, as KEY.")(command)


def sleep_flag(command: _Command) -> _Command:
    """`--sleep-schedule`, checked and passed on as a tuple of seconds, or None."""
    return click.option(
        "--sleep-schedule",
        metavar="LIST",
        envvar="RAMIFY_SERVICE_SLEEP_SCHEDULE",
        callback=_seconds,
        help="Seconds between two looks at what lies outside, as 0,1,3,5,10.",
    )(command)


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        found = tuple(float(word) for word in value.split(","))
    except ValueError:
        found = ()
    if not found or not all(0 <= seconds < 1e7 for seconds in found):
        raise click.BadParameter(f"{value!r} is no list of seconds, as 0,1,3,5", ctx, param)
    return found


def the_key(words: tuple[str, ...], task_key: str | None) -> str:
    """The one key that was given, in either way."""
    given = [*words, *([] if task_key is None else [task_key])]
    if len(given) != 1:
        raise click.UsageError("say which task: KEY, once" if not given else f"one KEY, not {len(given)}")
    return given[0]


def the_instance(folder: str | None) -> Instance:
    """The instance that is there; a usage error where none was said."""
    from ramify.pipeline.overview import check_instance

    if folder is None:
        raise click.UsageError(f"say which instance: -pid FOLDER, or {INSTANCE}")
    return check_instance(folder)


def default_instance(target: PipelineTarget) -> str:
    """`./NAME` of a pipeline for which no folder was said; refused where something else is there."""
    if not target.name.isidentifier():
        raise click.UsageError("say which instance: -pid FOLDER")
    folder = os.path.abspath(target.name)
    if os.path.isdir(folder) and os.listdir(folder) and not os.path.isdir(os.path.join(folder, ".ramify")):
        raise click.UsageError(f"./{target.name} holds other things: say which instance, -pid FOLDER")
    return folder


def is_on_the_line(name: str) -> bool:
    """Whether the command line itself says this parameter, and not the environment."""
    from click.core import ParameterSource

    return click.get_current_context().get_parameter_source(name) == ParameterSource.COMMANDLINE


def refuse_flags(what: str, names: Iterable[str]) -> None:
    """A usage error for one of these flags that the command line has; `what` says why."""
    for param in click.get_current_context().command.params:
        if param.name in names and is_on_the_line(param.name):
            raise click.UsageError(f"{what}: {max(param.opts, key=len)} means nothing for it")


def pipeline_of(target: str | None, instance: str) -> tuple[str, PipelineTarget]:
    """The pipeline that was said, else the one that the latest run of the instance was of, and its target."""
    from ramify.cli.target import load_pipeline

    if target is not None:
        return target, load_pipeline(target)
    found = _latest_target(instance)
    if not found:
        raise TargetError(f"nothing says which pipeline {instance} is of: say it with -p TARGET")
    file, colon, name = found.partition(":")
    return (f"{shortest(file)}{colon}{name}" if os.path.isabs(file) else found), load_pipeline(found)


def _latest_target(instance: str) -> str:
    """As the latest run has it; where that was of a module, the folder that it was run in is searched too."""
    import sys

    from ramify.cli.find import find_run

    try:
        facts = find_run(instance).facts
    except UnknownRunError:
        return ""
    place, folder = str(facts.get("target", "")), facts.get("folder")
    if folder and not os.path.isabs(place.partition(":")[0]) and folder not in sys.path:
        sys.path.insert(0, str(folder))
    return place


def grouper_of(target: PipelineTarget | None, name: str | None = None) -> Callable[[str], str]:
    """From the key of a task to its group: by a grouper of the pipeline, or by how keys begin."""
    from ramify.pipeline.groups import group_by_prefix

    return group_by_prefix if target is None else target.pipeline.grouper(name)


def name_of_task(job_id: str) -> str:
    """The key of a task, from the id of its job; what is no task is called as everywhere."""
    from ramify.core.keys import decode_key
    from ramify.core.rule_keys import RULES, called

    return called(job_id) if job_id.startswith(RULES) else str(decode_key(job_id))


def group_of_keys(target: PipelineTarget | None, name: str | None = None) -> Callable[[str], str]:
    """From the id of a task's job to its group, as `grouper_of` has it."""
    from ramify.core.keys import decode_key

    grouper = grouper_of(target, name)
    return lambda job_id: grouper(str(decode_key(job_id)))
