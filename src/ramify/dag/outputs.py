"""What a plan's outputs are, and how to be rid of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable

from ramify.core.keys import encode_key
from ramify.errors import PlanError, RamifyWarning
from ramify.files.local import remove_file, remove_tree
from ramify.files.lock import FolderLock
from ramify.plan.definition import HIDDEN
from ramify.plan.folder import read_plan
from ramify.plan.opened import Plan
from ramify.plan.paths import Location, PlanPaths
from ramify.stores.codes import CODES
from ramify.stores.folder import PARTS, FolderStore
from ramify.stores.index import NAME as INDEX
from ramify.stores.index import OutputIndex
from ramify.values.codec import SIDECAR


def clear_outputs(dag_path: Location | PlanPaths, job_ids: Iterable[str] | None = None) -> None:
    """See `Executable.clear_outputs`. Refused with `LockedError` while a run of the plan is under way."""
    plan = read_plan(dag_path)
    with FolderLock(plan.run_folder, run="clear_outputs"):
        store = FolderStore(plan.outputs)
        if job_ids is None:
            _clear_all(plan, store)
            return
        unknown: list[str] = []
        cleared: list[str] = []
        for given in [job_ids] if isinstance(job_ids, str) else job_ids:
            name = given if isinstance(given, str) else encode_key(given)
            for job_id in _jobs_of(plan, name, unknown):
                store.remove(plan.stored(job_id))
                cleared.append(plan.stored(job_id))
        OutputIndex(plan.outputs).forget(cleared)
    if unknown:
        warnings.warn(
            f"not in the plan {plan.path}, so not cleared: {', '.join(map(repr, unknown))}",
            RamifyWarning,
            stacklevel=3,
        )


def get_job_states(dag_path: Location | PlanPaths, output_path: Location | None = None) -> dict[str, str]:
    """Every job of a plan by its id: `pending`, `running`, `succeeded` or `failed`.

    A complete output is `succeeded`, whichever run made it; else the latest run of the plan tells. Raises
    `PlanError` where there is no plan.
    """
    plan = read_plan(dag_path)
    if output_path is not None:
        plan = Plan(plan.path, {**plan.manifest, "outputs": os.path.abspath(output_path)})
    ids = plan.job_ids()
    latest = _latest_states(plan)
    store = FolderStore(plan.outputs)
    present = store.listing()
    states: dict[str, str] = {}
    for job_id in ids:
        stored = plan.stored(job_id)
        told = latest.get(job_id, "pending")
        done = stored in present or (stored != job_id and store.holds(stored) is not None)
        states[job_id] = "succeeded" if done and told != "running" else told
    return states


def _jobs_of(plan: Plan, name: str, unknown: list[str]) -> list[str]:
    if plan.holds(name):
        return [name]
    try:
        return plan.below(name)
    except PlanError:
        unknown.append(name)
        return []


def _clear_all(plan: Plan, store: FolderStore) -> None:
    """Removes what was stored, this plan's or an earlier one's, and no other file."""
    stored = {plan.stored(job_id) for job_id in plan.job_ids()} | store.listing().keys()
    folders: set[str] = {""}
    for name in sorted(stored):
        store.remove(name)
        while name:
            name = name.rpartition("/")[0]
            folders.add(name)
    for private in (HIDDEN, PARTS, INDEX, CODES):
        remove_tree(os.path.join(plan.outputs, private))
    for folder in sorted(folders, key=lambda f: f.count("/") + bool(f), reverse=True):
        path = os.path.join(plan.outputs, folder) if folder else plan.outputs
        remove_file(path + SIDECAR)
        if folder and os.path.isdir(path) and not os.listdir(path):
            os.rmdir(path)


def _latest_states(plan: Plan) -> dict[str, str]:
    """What the latest run says of each job; of a run whose driver is dead, nothing is running."""
    from ramify.core.views import JOB_STATES
    from ramify.run.view import JOURNAL, RunView

    journals = [
        os.path.join(plan.run_folder, name, JOURNAL)
        for name in (os.listdir(plan.run_folder) if os.path.isdir(plan.run_folder) else ())
    ]
    present = [path for path in journals if os.path.exists(path)]
    if not present:
        return {}
    view = RunView(os.path.dirname(max(present, key=os.path.getmtime)))
    alive = view.status == "RUNNING"
    states: dict[str, str] = {}
    for job in view.jobs():
        state = JOB_STATES.get(job.status, "pending")
        if state == "succeeded" or (state == "running" and not alive):
            state = "pending"  # its output says whether it is there
        states[job.job_id] = state
    return states
