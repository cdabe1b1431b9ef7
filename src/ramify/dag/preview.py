"""What evaluating a draft would do, and why; nothing is executed, and nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from ramify.dag.compile import compile_draft
from ramify.dag.draft import Node
from ramify.plan.folder import unwritten_plan
from ramify.plan.paths import Location
from ramify.run.judge import Judge, Verdict
from ramify.run.work import PlanWork
from ramify.stores.folder import FolderStore


def preview(
    draft: Node,
    target: Location,
    *,
    reuse: str = "auto",
    force: Sequence[str] = (),
    jobs: Sequence[str] | None = None,
) -> list[Verdict]:
    """The verdict on every job, parents before children, for `evaluate(target)` with these words.

    `force` are globs of ids that run whatever is there; `jobs` the globs of what is asked for (None: all).
    """
    folder = os.path.abspath(os.fspath(target))
    plan_path = os.path.join(folder, "plan")
    new = compile_draft(draft, plan_path)
    plan = unwritten_plan(plan_path, new, os.path.join(folder, "outputs"))
    work = PlanWork(plan, FolderStore(plan.outputs), "plan", reuse=reuse, forced=matcher(force))
    asked = None if jobs is None else [n for n, key in enumerate(work.engine.keys) if fits(key, jobs)]
    return Judge(work).judge(asked)


def fits(job_id: str, globs: Sequence[str]) -> bool:
    """Whether an id is one of these, lies below one, or matches it as a glob.

    >>> fits("scores/m1/train", ["scores"]), fits("scores/m1/train", ["*/train"]), fits("a", ["b"])
    (True, True, False)
    """
    return any(job_id == g or job_id.startswith(f"{g}/") or fnmatchcase(job_id, g) for g in globs)


def matcher(globs: Sequence[str]) -> Callable[[str], bool] | None:
    """A test for ids, or None where there are no globs."""
    return (lambda job_id: fits(job_id, globs)) if globs else None
