"""`ramify run` of a pipeline: what is stale said first, its groups live, what failed told by kind."""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from glob import escape
from typing import TYPE_CHECKING, Any

from ramify.cli.ending import Ending, shortened
from ramify.cli.output import paint, put_json, put_lines
from ramify.cli.pipeline_options import group_of_keys, grouper_of, name_of_task
from ramify.cli.pipeline_wishes import Wishes
from ramify.cli.reusing import target_name
from ramify.cli.target import guarded
from ramify.errors import ModeError
from ramify.show.text import visible

if TYPE_CHECKING:
    from ramify.cli.plan import Place
    from ramify.cli.target import PipelineTarget
    from ramify.dag.preview import Preview
    from ramify.show.groups import Counts


class PipelineRun:
    """One call that runs a pipeline. `said` is the target as it was given."""

    def __init__(
        self,
        said: str,
        target: PipelineTarget,
        instance: str,
        wishes: Wishes,
        *,
        quiet: bool = False,
        as_json: bool = False,
        verbose: bool = False,
    ) -> None:
        self.said = said
        self.target = target
        self.instance = os.path.abspath(instance)
        self.wishes = wishes
        self.verbose = verbose
        self.group_of = group_of_keys(target)
        self.ending = PipelineEnding(self, quiet=quiet or as_json, as_json=as_json)

    def carry_out(self) -> int:
        """Runs it, tells how it ended, returns the exit code; nothing has run when this raises."""
        from ramify.dag.evaluate import refuse_if_running
        from ramify.pipeline.flow import places_in

        refuse_if_running(places_in(self.instance)[0])
        with redirect_stdout(sys.stderr if self.ending.as_json else sys.stdout):
            guarded(self._say_stale, f"the generator of {self.said}")
        return self.ending.of(self._rounds)

    def _rounds(self) -> None:
        """Runs it, and after each pause again if the generator yields more then; more work starts the pauses
        anew. What `--until` holds back would be more for ever.
        """
        self._run()
        sleeps = () if self.wishes.until else self.wishes.sleeps
        at = 0
        while at < len(sleeps):
            threading.Event().wait(sleeps[at])
            at += 1
            if self.count_left():
                self._run()
                at = 0

    def _run(self) -> None:
        from ramify.pipeline.flow import run_pipeline
        from ramify.show.progress import make_progress

        wishes = self.wishes
        observers = make_progress(not self.ending.quiet, group_of=self.group_of, name_of=name_of_task)
        if self.verbose and not self.ending.quiet:
            from ramify.cli.pipeline_lines import TaskLines

            observers.append(TaskLines())
        run_pipeline(
            self.target.pipeline,
            self.instance,
            jobs=wishes.jobs,
            until=wishes.until,
            restart_failed=wishes.restart_failed,
            reset_failed=wishes.reset_failed,
            only=wishes.only,
            at_step=wishes.at_step,
            keep_stale=wishes.keep_stale,
            on_told=lambda line: self.ending.say([f"  {paint().yellow('note')}  {visible(line)}"]),
            observers=observers,
            on_start=self._announce,
            target=target_name(self.said),
            **{name: value for name, value in wishes.options.items() if name != "force"},
        )

    def _announce(self, run: Any) -> None:
        self.ending.folder = run.folder

    def _force(self, found: Preview) -> None:
        """What is to be done again whatever it came to loses its result: a run begins without any task."""
        from ramify.pipeline.flow import forget_results

        forced = [v.job_id for v in found if v.cause.kind == "forced"]
        forget_results(self.instance, forced)

    def _say_stale(self) -> None:
        """The first line, and then what is run again, and why; or what is kept all the same."""
        from ramify.pipeline.flow import plan_pipeline
        from ramify.rebuild.trace import MAYBE, RUN
        from ramify.show.verdicts import stale_lines

        ending = self.ending
        name = ending.bold(os.path.basename(self.instance))
        ending.say([f"{name}  {ending.short(self.said)} → {ending.short(self.instance)}"])
        if self.wishes.at_step:
            self._check_steps()
        found = plan_pipeline(self.target.pipeline, self.instance, force=self.wishes.options.get("force", ()))
        self._force(found)
        had = _completed(self.instance, [v.job_id for v in found])
        for verdict, what in ((RUN, "runs again"), (MAYBE, "may run again")):
            stale = [(v.job_id, v.cause) for v in found if v.verdict == verdict and v.job_id in had]
            if self.wishes.keep_stale:
                ending.kept_stale += stale
            else:
                ending.say(stale_lines(stale, paint(), what, grouper_of(self.target)))

    def _check_steps(self) -> None:
        """A step that a task has not is refused before anything is touched."""
        from ramify.pipeline.flow import sweep_of

        made, _ = sweep_of(self.target.pipeline, self.instance)
        for key, step in self.wishes.at_step.items():
            task = made.definitions.get(key)
            if task is not None and step >= len(task.calls):
                last = len(task.calls) - 1
                raise ModeError(f"task {key!r} has no step {step}: its last one is {last}", name="at_step")

    def count_left(self) -> int:
        """How many tasks the generator yields that are not completed."""
        from ramify.pipeline.flow import sweep_of

        made, _ = sweep_of(self.target.pipeline, self.instance)
        return len(made.definitions) - len(_completed(self.instance, made.definitions))


class PipelineEnding(Ending):
    """The end of a run of a pipeline."""

    def __init__(self, run: PipelineRun, *, quiet: bool, as_json: bool) -> None:
        super().__init__("", quiet=quiet, as_json=as_json)
        self.run = run
        self.group_of = run.group_of

    def document(self, view: Any) -> dict[str, Any]:
        """As of every run, and the kinds of failures."""
        from ramify.cli.pipeline_failures import kinds_of
        from ramify.show.status import status_document
        from ramify.show.triage import triage_document

        kinds = triage_document(kinds_of(self.run.instance)) if view.status == "FAILED" else []
        told = status_document(view, group_of=self.group_of)
        return {**told, "instance": self.run.instance, "signatures": kinds}

    def failures(self, view: Any, handle: str) -> list[str]:
        """Failures by kind, with the end of one log of each."""
        from ramify.cli.pipeline_failures import failure_blocks

        return failure_blocks(view, self.run.instance, paint(err=True))

    def held_back(self, whole: Counts, code: int) -> list[str]:
        """As of every run; such tasks are not in its graph yet."""
        left = self.run.count_left() if code == 0 and self.run.wishes.until else 0
        return [f"{left} held back by --until"] if left else []

    def outputs(self, view: Any) -> str:
        """Where tasks put their files."""
        return os.path.join(self.run.instance, "output")

    def look_command(self, handle: str) -> str:
        """The states of all tasks."""
        return shlex.join(["ramify", "status", "-pid", shortened(self.run.instance)])

    def resume_command(self, handle: str) -> str:
        """The same pipeline again; what failed goes on at its step. After a restart: all that failed."""
        from ramify.cli.pipeline_failures import kinds_of

        instance = shortened(self.run.instance)
        has_failed = bool(kinds_of(self.run.instance))
        if has_failed and self.run.wishes.only is not None:
            return shlex.join(["ramify", "restart", "-pid", instance, "*"])
        words = ["ramify", "run", self.run.said, "-pid", instance]
        jobs = self.run.wishes.jobs
        words += ["-j", str(jobs)] if jobs else []
        words += [word for glob in self.run.wishes.until for word in ("--until", glob)]
        return shlex.join([*words, *(["--restart-failed"] if has_failed else [])])


def _completed(instance: str, keys: Iterable[str]) -> set[str]:
    """Those of these tasks that are completed."""
    from ramify.pipeline.instance import Instance
    from ramify.pipeline.states import TaskState

    here = Instance(instance)
    done = TaskState("completed")
    return {key for key in keys if here.task(key).state() == done}


def show_pipeline_plan(
    target: PipelineTarget, place: Place, *, force: Sequence[str] = (), as_json: bool = False
) -> None:
    """What a run would do with each task, and why; nothing is run, nothing is written."""
    from ramify.pipeline.flow import plan_pipeline
    from ramify.show.verdicts import MayGrow, plan_lines, tree_lines

    instance = str(place.instance)
    with redirect_stdout(sys.stderr if as_json else sys.stdout):
        found = guarded(
            lambda: plan_pipeline(target.pipeline, instance, force=force),
            f"the generator {target.pipeline.name}",
        )
    held = _held(found, place.until)
    if as_json:
        put_json({**found.to_dict(), "instance": os.path.abspath(instance), "held": held})
        return
    pen = paint()
    shown = [v for v in found if v.job_id not in set(held)]
    grow = MayGrow(**found.may_grow)
    if place.tree:
        lines = tree_lines(found.verdicts, found.definitions, pen, grow)
    else:
        lines = plan_lines(shown, pen, every=place.every, may_grow=grow, group_of=grouper_of(target))
    if held:
        lines.append(f"{len(held)} held back by --until")
    if not place.restarts and any(v.cause.kind == "failed" for v in shown):
        lines.append("what failed before and is as it was fails at once: --restart-failed has it go on")
    put_lines(lines)


def _held(found: Preview, until: Sequence[str]) -> list[str]:
    """The tasks that `--until` keeps from starting."""
    from fnmatch import fnmatchcase

    held: dict[str, None] = {}
    for definition in found.definitions if until else ():
        key = definition.id
        if any(fnmatchcase(key, glob) for glob in until) or any(d in held for d in definition.dependencies):
            held[key] = None
    return list(held)


def only_these(instance: str, keys: Iterable[str]) -> list[str]:
    """Globs for `until` that hold back what failed and is none of these tasks."""
    from ramify.pipeline.overview import check_instance, failed_tasks

    chosen = set(keys)
    return [escape(key) for key, _ in failed_tasks(check_instance(instance)) if key not in chosen]
