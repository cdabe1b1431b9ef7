"""Declares outputs that are there good under the present code: a person knows better than a digest."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from ramify.dag.compile import compile_draft
from ramify.dag.draft import Entry
from ramify.dag.evaluate import as_texts, places, run_folder_of
from ramify.errors import ModeError
from ramify.files.lock import FolderLock
from ramify.plan.folder import unwritten_plan
from ramify.plan.paths import Location
from ramify.rebuild.trace import Cause
from ramify.run.assemble import forced_by, input_cache
from ramify.run.work import PlanWork
from ramify.stores.folder import FolderStore


class Accepted(NamedTuple):
    """One job that was named: `cause` is what had changed; `refusal` says why it could not be accepted."""

    job_id: str
    cause: Cause | None
    refusal: str = ""


def accept(
    draft: Entry,
    target: Location,
    jobs: str | Iterable[str],
    dag_path: Any = None,
    output_path: Any = None,
) -> list[Accepted]:
    """Has the outputs of these jobs (globs of ids) count as made by the present code, arguments and parents.

    Nothing is run; only records are written. A job without a complete output, without a sound fingerprint, or
    whose parents lack an output, is refused and said. Raises `LockedError` while a run is under way, and
    `ModeError` for a glob that fits no job.
    """
    plan_path, outputs = places(target, dag_path, output_path)
    plan = unwritten_plan(plan_path, compile_draft(draft, os.path.abspath(plan_path)), outputs)
    fits = forced_by(as_texts(jobs), plan, "accept")
    if fits is None:
        raise ModeError("say which jobs: accept(draft, target, 'scores/*')", name="accept")
    if not os.path.isdir(plan.outputs):
        raise ModeError(f"there are no outputs in {plan.outputs}", name="accept")
    with FolderLock(run_folder_of(plan.path), run="accept"):
        work = PlanWork(plan, FolderStore(plan.outputs), "accept", reuse="auto", cache=input_cache())
        found = [Accepted(key, *work.accept_as_is(n)) for n, key in work.with_outputs() if fits(key)]
        work.flush()
    return found
