"""One job of any plan, in this process: `run_materialized_job`, and the command `ramify worker`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ramify.errors import ArgumentError, PlanError
from ramify.worker.attempt import perform
from ramify.worker.failure import revive

if TYPE_CHECKING:
    from ramify.plan.opened import Plan
    from ramify.stores.folder import FolderStore

USAGE = """usage: ramify worker [PLAN KEY]

Runs one job of a plan in this process and puts its output in place. Without arguments the environment says
which: RAMIFY_PLAN_DIR and RAMIFY_JOB_ID; or, for a member of an array, RAMIFY_JOB_IDS_JSON and the index in
AWS_BATCH_JOB_ARRAY_INDEX or SLURM_ARRAY_TASK_ID, counted from 0.
"""

_INDICES = ("AWS_BATCH_JOB_ARRAY_INDEX", "SLURM_ARRAY_TASK_ID")


def run_materialized_job(plan_dir: str | os.PathLike[str], job_id: str) -> None:
    """Runs one job of a plan in this process and puts its output in place of any it had.

    What it depends on must have run. Raises what the job raises; a `JobIdError` for an id that is not in the
    plan and a `PlanError` for a folder that holds none, before anything runs.
    """
    from ramify.plan.folder import read_plan

    plan = read_plan(os.fspath(plan_dir))
    _run(plan, job_id)


def _run(plan: Plan, job_id: str) -> None:
    from ramify.stores.folder import FolderStore

    definition, point = plan.locate(job_id)
    store = FolderStore(plan.outputs)
    token = _token()
    outcome = perform(plan, job_id, token, leave_record=False)
    if outcome.error is not None:
        store.discard(token)
        raise revive(outcome.error)
    store.adopt(definition.stored(point), token, _traced(plan, job_id, store, {**(outcome.record or {})}))


def _traced(plan: Plan, job_id: str, store: FolderStore, record: dict[str, Any]) -> dict[str, Any]:
    """The record with what the output was made of, so that a run of the plan may let it stand."""
    from ramify.plan.codes import note_of
    from ramify.plan.dependencies import standing_alone
    from ramify.plan.load import load_function

    definition, _ = plan.locate(job_id)
    note = note_of(load_function(plan, definition), definition.policy.version)
    plan.replace_codes({definition.code: note})
    dependencies = standing_alone(plan, store.digest)
    trace = dependencies.trace(dependencies.engine.number[job_id])
    return record if trace is None else {**record, "trace": trace.to_record()}


def _token() -> str:
    """Unique among all processes that may write to the same outputs."""
    from secrets import token_hex

    return f"alone.{os.getpid()}.{token_hex(6)}"


def worker_main(argv: Sequence[str]) -> int:
    """`ramify worker`: 0 if the job succeeded, 1 if it failed, 2 if no such job could be found."""
    if any(word in ("-h", "--help") for word in argv):
        print(USAGE, end="")
        return 0
    try:
        plan_dir, job_id = _from_arguments(argv) if argv else from_environment(os.environ)
        from ramify.plan.folder import read_plan

        plan = read_plan(plan_dir)
        plan.locate(job_id)
    except (ArgumentError, PlanError) as error:
        print(f"ramify worker: {error}", file=sys.stderr)
        return 2
    return _attempt(plan, job_id)


def batch_entrypoint() -> NoReturn:
    """The entry point of a container: the environment says which job; exits as `ramify worker` does."""
    sys.exit(worker_main([]))


def from_environment(environ: Mapping[str, str]) -> tuple[str, str]:
    """The plan and the job id that the environment names; an array index goes before a single id.

    Raises `ArgumentError` naming the variable that is missing or wrong.

    >>> from_environment({"RAMIFY_PLAN_DIR": "p", "RAMIFY_JOB_ID": "a", "RAMIFY_JOB_IDS_JSON": '["a", "b"]',
    ...                   "AWS_BATCH_JOB_ARRAY_INDEX": "1"})
    ('p', 'b')
    """
    plan_dir = environ.get("RAMIFY_PLAN_DIR")
    if not plan_dir:
        raise ArgumentError("RAMIFY_PLAN_DIR is not set: set it to the plan's folder, or give PLAN and KEY")
    ids, index = environ.get("RAMIFY_JOB_IDS_JSON"), _index(environ)
    if ids and index is not None:
        return plan_dir, _member(ids, *index)
    job_id = environ.get("RAMIFY_JOB_ID")
    if ids and not job_id:
        raise ArgumentError(f"RAMIFY_JOB_IDS_JSON is set, but neither of {' and '.join(_INDICES)} says which")
    if not job_id:
        raise ArgumentError("RAMIFY_JOB_ID is not set: set it to the job's id, or give PLAN and KEY")
    return plan_dir, job_id


def _from_arguments(argv: Sequence[str]) -> tuple[str, str]:
    if len(argv) != 2:
        raise ArgumentError(f"expected PLAN and KEY, or nothing; got {len(argv)} arguments\n{USAGE}")
    return argv[0], argv[1]


def _index(environ: Mapping[str, str]) -> tuple[str, str] | None:
    for name in _INDICES:
        if environ.get(name):
            return name, environ[name]
    return None


def _member(ids: str, name: str, index: str) -> str:
    import msgspec

    try:
        members = msgspec.json.decode(ids.encode(), type=list[str])
    except msgspec.MsgspecError as error:
        raise ArgumentError(f"RAMIFY_JOB_IDS_JSON is no JSON list of ids: {error}") from error
    if not index.isdecimal() or int(index) >= len(members):
        last = len(members) - 1
        raise ArgumentError(f"{name} is {index!r}; RAMIFY_JOB_IDS_JSON has the members 0 to {last}")
    return members[int(index)]


def _attempt(plan: Plan, job_id: str) -> int:
    try:
        _run(plan, job_id)
    except BaseException as error:  # SystemExit of a job is that job's failure, not this command's wish
        if isinstance(error, KeyboardInterrupt):
            raise
        from ramify.worker.failure import describe

        print(describe(error, keep=True).traceback, file=sys.stderr, end="")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(worker_main(sys.argv[1:]))
