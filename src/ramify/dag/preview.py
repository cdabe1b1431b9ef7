"""What evaluating a draft would do, and why; nothing is executed, and nothing is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

from ramify.core.rule_keys import RULES
from ramify.dag.compile import compile_draft
from ramify.dag.draft import Entry
from ramify.dag.evaluate import as_texts, places
from ramify.errors import JobIdError
from ramify.plan.definition import CodeNote, Definition
from ramify.plan.folder import unwritten_plan
from ramify.plan.paths import Location
from ramify.rebuild.trace import MAYBE, RUN, VERDICTS, Cause
from ramify.run.assemble import elsewhere_of, fits, forced_by, input_cache
from ramify.run.judge import Judge, Verdict
from ramify.run.options import Options
from ramify.run.until import Until
from ramify.run.work import PlanWork
from ramify.settings import project_home
from ramify.stores.folder import FolderStore


class Preview(Sequence[Verdict]):
    """The verdict on every job, parents before children; printed, it is what `ramify plan` shows.

    `RUN` it will run, `MAYBE` it runs only if the new output of what it needs differs, `LOAD` its output
    stands and something that runs reads it, `REUSE` it stands, `SKIP` nothing wants it.
    """

    def __init__(
        self,
        verdicts: Iterable[Verdict],
        definitions: Sequence[Definition] = (),
        codes: Mapping[str, CodeNote] | None = None,
        may_grow: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._all = list(verdicts)
        self.may_grow = dict(may_grow or {"rules": [], "jobs": []})
        """The names of the rules, and the ids of the jobs that run or may run, that may add to the graph."""
        self.definitions = definitions
        self._codes = codes or {}
        self._by_id: dict[str, Verdict] | None = None

    @overload
    def __getitem__(self, which: int | str) -> Verdict: ...
    @overload
    def __getitem__(self, which: slice) -> Sequence[Verdict]: ...
    def __getitem__(self, which: int | str | slice) -> Verdict | Sequence[Verdict]:
        """A verdict by its number or by the id of its job."""
        if not isinstance(which, str):
            return self._all[which]
        if self._by_id is None:
            self._by_id = {v.job_id: v for v in self._all}
        if which not in self._by_id:
            from difflib import get_close_matches

            near = get_close_matches(which, self._by_id, 3)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {len(self)} jobs"
            raise JobIdError(f"no job {which!r}: {hint}", job_id=which, near=near)
        return self._by_id[which]

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def verdicts(self) -> list[Verdict]:
        """All verdicts."""
        return self._all

    def that_fit(self, text: str) -> list[Verdict]:
        """The verdicts on the jobs that a person means: an id, a group, a glob, or a part of one id."""
        globs = (text.rstrip("/"),)
        found = [v for v in self._all if fits(v.job_id, globs)]
        if found:
            return found
        parts = [v for v in self._all if text in v.job_id]
        return parts if len(parts) == 1 else [self[text]]

    def not_followed(self, job_id: str) -> tuple[str, ...]:
        """What of a job's code could not be followed, and is taken for unchanged: names that are computed,
        the environment, objects of C libraries without a version."""
        for definition in self.definitions:
            if job_id == definition.id or job_id.startswith(f"{definition.id}/"):
                note = self._codes.get(definition.code)
                return () if note is None else note.unfollowed
        return ()

    def counts(self) -> dict[str, int]:
        """How many jobs have each verdict."""
        found = Counter(v.verdict for v in self._all)
        return {name: found[name] for name in VERDICTS}

    def will_run(self) -> list[str]:
        """The ids of the jobs that run for certain."""
        return [v.job_id for v in self._all if v.verdict == RUN]

    def may_run(self) -> list[str]:
        """The ids of the jobs that run only if what they need comes out differently."""
        return [v.job_id for v in self._all if v.verdict == MAYBE]

    def to_dict(self) -> dict[str, Any]:
        """Everything in plain values, as `ramify plan --json` has it."""
        from ramify.show.verdicts import MayGrow, plan_document

        return plan_document(self._all, MayGrow(**self.may_grow))

    def __str__(self) -> str:
        from ramify.show.text import Paint
        from ramify.show.verdicts import MayGrow, plan_lines

        return "\n".join(plan_lines(self._all, Paint(False), may_grow=MayGrow(**self.may_grow)))

    __repr__ = __str__


def preview(
    draft: Entry,
    target: Location | None = None,
    dag_path: Any = None,
    output_path: Any = None,
    *,
    reuse: str = "auto",
    skip_completed: bool = False,
    force: str | Iterable[str] = (),
    reuse_from: Location | Iterable[Location] | None = None,
    jobs: Sequence[str] | None = None,
    until: Sequence[str] = (),
    of: str = "",
) -> Preview:
    """The verdicts for `evaluate` with these words; without a target, for a folder that is empty.

    `jobs` are globs of what is asked for (None: all), `until` of what is not to be started; `of` names the
    target, as `Options.target` does.
    """
    if target is None and dag_path is None and output_path is None:
        target = os.path.join(project_home(), "@nowhere")
    plan_path, outputs = places(target, dag_path, output_path)
    options = Options(
        reuse=None if skip_completed else reuse,
        skip_completed=skip_completed,
        force=as_texts(force),
        reuse_from=None if reuse_from is None else as_texts(reuse_from),
        target=of,
    )
    options.check()
    new = compile_draft(draft, os.path.abspath(plan_path))
    plan = unwritten_plan(plan_path, new, outputs)
    return judged(
        PlanWork(
            plan,
            FolderStore(plan.outputs),
            "plan",
            reuse=options.what_counts,
            forced=forced_by(options.force, plan),
            elsewhere=elsewhere_of(options, plan.outputs),
            target=options.target,
            cache=input_cache(),
        ),
        jobs,
        until,
    )


def judged(work: PlanWork, jobs: Sequence[str] | None = None, until: Sequence[str] = ()) -> Preview:
    """The verdicts on the jobs of a plan."""
    engine = work.engine
    asked = None if jobs is None else [n for n, key in enumerate(engine.keys) if fits(key, jobs)]
    holding = Until(until, engine)
    if until:
        free = holding.to_start(range(len(engine)))
        asked = free if asked is None else sorted({*asked} & {*free})
    verdicts = Judge(work).judge(asked)
    if holding.held:
        held = {engine.keys[node] for node in holding.held}
        verdicts = [replace(v, cause=Cause("held")) if v.job_id in held else v for v in verdicts]
    return Preview(verdicts, work.definitions, work.plan.codes, _may_grow(work, verdicts))


def _may_grow(work: PlanWork, verdicts: Sequence[Verdict]) -> dict[str, list[str]]:
    """What may add nodes that nobody knows yet: rules that are wanted, and jobs that run, or may."""
    number, wanted = work.engine.number, work.engine.wanted
    rules = [definition.id.removeprefix(RULES) for n, definition in work.rules.items() if wanted[n]]
    jobs = []
    for verdict in verdicts:
        if verdict.verdict in (RUN, MAYBE):
            definition = work.definition(number[verdict.job_id])
            if definition is not None and definition.policy.may_add is not None:
                jobs.append(verdict.job_id)
    return {"rules": rules, "jobs": jobs}
