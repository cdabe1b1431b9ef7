"""Looks at the tasks of an instance, under the names that users of DryPipe know."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from ramify.cli.output import json_option, paint, put_json, put_lines, verbose_option
from ramify.cli.pipeline_options import instance_flag, key_flag, the_instance, the_key
from ramify.show.text import duration, table, visible


@click.command("poll-task", hidden=True)
@click.argument("words", nargs=-1, metavar="KEY")
@key_flag
@instance_flag
@verbose_option
@json_option
def poll_task(
    words: tuple[str, ...], task_key: str | None, instance: str | None, as_json: bool, **_: Any
) -> int:
    """Print the state of one task.

    Example: ramify poll-task merge -pid data/run1
    """
    from ramify.cli.task import known_task, tell_state

    here = the_instance(instance)
    tell_state(here, known_task(here, the_key(words, task_key)), as_json)
    return 0


@click.command("list-states", hidden=True)
@click.argument("words", nargs=-1, metavar="[KEY|GLOB]")
@key_flag
@instance_flag
@verbose_option
@json_option
def list_states(
    words: tuple[str, ...], task_key: str | None, instance: str | None, as_json: bool, **_: Any
) -> int:
    """Print the state of every task, or of those that match.

    Example: ramify list-states 'chunk.*' -pid data/run1
    """
    from ramify.pipeline.overview import chosen_keys, states_of

    here = the_instance(instance)
    glob = the_key(words, task_key) if words or task_key else "*"
    keys = set(chosen_keys(here, glob)) if glob != "*" else None
    states = {key: str(s) for key, s in states_of(here).items() if keys is None or key in keys}
    if as_json:
        put_json({"instance": here.path, "states": states})
    else:
        put_lines([f"{visible(key)}/state.{state}" for key, state in states.items()])
    return 0


@click.command("dump-env", hidden=True)
@click.argument("words", nargs=-1, metavar="KEY")
@key_flag
@instance_flag
@verbose_option
@json_option
def dump_env(
    words: tuple[str, ...], task_key: str | None, instance: str | None, as_json: bool, **_: Any
) -> int:
    """Print the variables of a task, as lines that a shell reads back exactly.

    Example: eval "$(ramify dump-env merge -pid data/run1)"
    """
    from ramify.cli.task import known_task
    from ramify.pipeline.by_hand import task_now
    from ramify.pipeline.environment import as_exports, task_variables

    folder = known_task(the_instance(instance), the_key(words, task_key))
    kept, here, inputs = task_now(folder.control)
    variables = task_variables(kept.definition, here, inputs)
    if as_json:
        put_json({"instance": here.path, "key": folder.key, "variables": variables})
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(as_exports(variables).encode(errors="surrogateescape"))
    return 0


@click.command("report-execution-times", hidden=True)
@key_flag
@click.option("--filter", "glob", default="*", show_default=True, metavar="GLOB", help="Of these tasks.")
@instance_flag
@verbose_option
@json_option
def report_execution_times(
    task_key: str | None, glob: str, instance: str | None, as_json: bool, **_: Any
) -> int:
    """Print how long tasks took, and their steps, by the tasks' own logs.

    Example: ramify report-execution-times --filter 'chunk.*' -pid data/run1
    """
    from ramify.pipeline.overview import times_of

    here = the_instance(instance)
    found = times_of(here, glob if task_key is None else task_key)
    if as_json:
        told = [{"key": t.key, "state": t.state, "seconds": t.seconds, "steps": t.steps} for t in found]
        put_json({"instance": here.path, "tasks": told})
        return 0
    pen = paint()
    rows = [[pen.dim(title) for title in ("task", "state", "took", "steps")]]
    for one in found:
        took = "" if one.seconds is None else duration(one.seconds)
        rows.append([visible(one.key), one.state, took, ", ".join(map(duration, one.steps))])
    put_lines(table(rows, right=(2,)))
    done = [one.seconds for one in found if one.seconds is not None]
    if done:
        longest = duration(max(done))
        count = f"{len(done)} task{'' if len(done) == 1 else 's'}"
        put_lines(["", f"{count}, {duration(sum(done))} in all, {longest} the longest"])
    return 0


@click.command("call", hidden=True)
@click.argument("module_function", metavar="MODULE:FUNCTION")
@key_flag
@instance_flag
@verbose_option
@json_option
def call(module_function: str, task_key: str | None, instance: str | None, as_json: bool, **_: Any) -> int:
    """Call a function with the inputs of a task, in this process, and print what it returns.

    Its parameters are filled by name, from the variables of the task; without -k from those of this process.
    Nothing of the task is written down.

    Example: ramify call analysis:score -k scores.1 -pid data/run1
    """
    from ramify.cli.target import guarded, load_object

    function, _name = load_object(module_function)
    if not callable(function):
        raise click.UsageError(f"{module_function} is no function")
    values: dict[str, Any] = dict(os.environ)
    if task_key is not None:
        values |= _inputs_of(the_instance(instance), task_key)
    result = guarded(lambda: function(**_arguments(function, values)), f"calling {module_function}")
    if as_json:
        put_json({"result": result})
    else:
        put_lines([visible(repr(result))])
    return 0


def _inputs_of(here: Any, key: str) -> dict[str, Any]:
    """Its variables, as values where the task has typed ones; it is called where the task works."""
    from ramify.cli.task import known_task
    from ramify.pipeline.by_hand import task_now
    from ramify.pipeline.environment import VARIABLE_KINDS, resolve_input, task_variables

    kept, instance, inputs = task_now(known_task(here, key).control)
    values: dict[str, Any] = dict(task_variables(kept.definition, instance, inputs))
    os.environ.update(values)
    for one in kept.definition.inputs:
        if one.kind in VARIABLE_KINDS:
            values[one.name] = resolve_input(one, instance, inputs)
    return values


def _arguments(function: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Those of the values that the function has parameters for."""
    import inspect

    wanted = inspect.signature(function).parameters.values()
    plain = [p.name for p in wanted if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return {name: values[name] for name in plain if name in values}
