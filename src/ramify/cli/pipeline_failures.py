"""What failed in an instance, by kind: what was wrong, how often, where, and what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from ramify.show.text import Paint, one_line, several, visible

if TYPE_CHECKING:
    from ramify.run.view import RunView
    from ramify.show.triage import Kind

_BLOCKS: Final = 6
_TAIL: Final = 8


def kinds_of(instance: str) -> list[Kind]:
    """The failures of an instance by their signatures."""
    from ramify.pipeline.overview import check_instance, failed_tasks
    from ramify.show.triage import by_signature

    return by_signature(failed_tasks(check_instance(instance)))


def failure_blocks(view: RunView, instance: str, pen: Paint, most: int = _BLOCKS) -> list[str]:
    """A block for each kind of failure, at most so many, numbered; empty where none failed.

    What the generator raised comes first: it is none of a task. What a cancelled or interrupted run itself
    has ended is no failure.
    """
    from ramify.show.failure import failure_lines

    kinds = kinds_of(instance)
    if view.status == "CANCELLED":
        kinds = [kind for kind in kinds if not _was_ended(instance, kind)]
    lines = failure_lines(view, pen, instance, beginning="@rules/")
    for kind in kinds[:most]:
        lines += [*_block(instance, kind, pen), ""]
    if len(kinds) > most:
        more = sum(len(kind.keys) for kind in kinds[most:])
        command = command_on(instance, "status", "--failed")
        lines += [f"{more} more failed in {len(kinds) - most} other ways: {pen.cyan(command)}", ""]
    return lines


def _was_ended(instance: str, kind: Kind) -> bool:
    from ramify.pipeline.instance import Instance

    state = Instance(instance).task(kind.keys[0]).state()
    return state is not None and state.name == "killed"


def _block(instance: str, kind: Kind, pen: Paint) -> list[str]:
    from ramify.pipeline.instance import Instance
    from ramify.pipeline.overview import failure_text, last_output
    from ramify.show.status import shortest

    folder = Instance(instance).task(kind.keys[0])
    state = folder.state()
    count = len(kind.keys)
    head = pen.red(pen.bold(f"✗ {kind.number}  {visible(kind.keys[0])}"))
    head += f" and {count - 1} more failed alike" if count > 1 else " failed"
    told = one_line(failure_text(folder, state), 300) if state is not None else kind.text
    lines = [head, f"  {pen.dim('error ')} {told}"]
    if count > 1:
        lines.append(f"  {pen.dim('alike ')} {several(list(kind.keys[1:]))}")
    printed = last_output(folder, _TAIL)
    where = f"{visible(shortest(folder.log))}, its end:" if printed else "the step printed nothing"
    lines.append(f"  {pen.dim('log   ')} {where}")
    lines += [f"  {pen.dim('|')} {one_line(line, 400)}" for line in printed]
    again = command_on(instance, "restart", "--signature", str(kind.number))
    return [*lines, f"  {pen.dim('next  ')} {pen.cyan(again)}"]


def command_on(instance: str, verb: str, *words: str) -> str:
    """A command about this instance, to be pasted."""
    from ramify.show.status import shortest

    return shlex.join(["ramify", verb, "-pid", shortest(instance), *words])
