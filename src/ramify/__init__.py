"""Ramify runs directed acyclic graphs of work, and keeps what came of them.

    from ramify import DAG, Job

    dag = DAG()
    dag["a"] = Job(func, {"x": 3})
    outputs = dag.evaluate("exp")

Names are imported when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ramify._version import __version__ as __version__

if TYPE_CHECKING:
    from ramify.core.keys import Key as Key
    from ramify.core.keys import decode_key as decode_key
    from ramify.core.keys import encode_key as encode_key
    from ramify.dag.accept import accept as accept
    from ramify.dag.arrays import ArrayList as ArrayList
    from ramify.dag.delayed import compute as compute
    from ramify.dag.delayed import delayed as delayed
    from ramify.dag.delayed import task as task
    from ramify.dag.draft import DAG as DAG
    from ramify.dag.evaluate import execute_plan as execute_plan
    from ramify.dag.extend import BoundReached as BoundReached
    from ramify.dag.extend import Extend as Extend
    from ramify.dag.grid import ParametrizedJob as ParametrizedJob
    from ramify.dag.job import Job as Job
    from ramify.dag.logs import list_logs as list_logs
    from ramify.dag.logs import server_logs as server_logs
    from ramify.dag.node import Node as Node
    from ramify.dag.outputs import get_job_states as get_job_states
    from ramify.dag.preview import Preview as Preview
    from ramify.dag.resume import resume as resume
    from ramify.dag.rules import Rule as Rule
    from ramify.dag.rules import after as after
    from ramify.dag.rules import closed as closed
    from ramify.dag.rules import rule as rule
    from ramify.dag.status import Mode as Mode
    from ramify.dag.status import Status as Status
    from ramify.errors import ArgumentError as ArgumentError
    from ramify.errors import CallFormError as CallFormError
    from ramify.errors import ChecksumError as ChecksumError
    from ramify.errors import ControlError as ControlError
    from ramify.errors import CycleError as CycleError
    from ramify.errors import DraftError as DraftError
    from ramify.errors import DuplicateKeyError as DuplicateKeyError
    from ramify.errors import GraphError as GraphError
    from ramify.errors import GrowthError as GrowthError
    from ramify.errors import InfrastructureError as InfrastructureError
    from ramify.errors import JobCancelled as JobCancelled
    from ramify.errors import JobError as JobError
    from ramify.errors import JobIdError as JobIdError
    from ramify.errors import JobTimeout as JobTimeout
    from ramify.errors import JournalError as JournalError
    from ramify.errors import LockedError as LockedError
    from ramify.errors import MissingError as MissingError
    from ramify.errors import ModeError as ModeError
    from ramify.errors import NotCallableError as NotCallableError
    from ramify.errors import NotStartedError as NotStartedError
    from ramify.errors import OutputsExistError as OutputsExistError
    from ramify.errors import ParentFailed as ParentFailed
    from ramify.errors import ParentFailedError as ParentFailedError
    from ramify.errors import PlanError as PlanError
    from ramify.errors import PlanVersionError as PlanVersionError
    from ramify.errors import RamifyDeserializationError as RamifyDeserializationError
    from ramify.errors import RamifyError as RamifyError
    from ramify.errors import RamifyKeyDecodingError as RamifyKeyDecodingError
    from ramify.errors import RamifyKeyEncodingError as RamifyKeyEncodingError
    from ramify.errors import RamifySerializationError as RamifySerializationError
    from ramify.errors import RamifyWarning as RamifyWarning
    from ramify.errors import RemoteError as RemoteError
    from ramify.errors import RuleDeadlock as RuleDeadlock
    from ramify.errors import RunOverError as RunOverError
    from ramify.errors import RunTimeout as RunTimeout
    from ramify.errors import StartedError as StartedError
    from ramify.errors import StorageError as StorageError
    from ramify.errors import TargetError as TargetError
    from ramify.errors import UnfiredRule as UnfiredRule
    from ramify.errors import UnknownKeyError as UnknownKeyError
    from ramify.errors import UnknownRunError as UnknownRunError
    from ramify.errors import UnpicklableError as UnpicklableError
    from ramify.errors import ValueReleased as ValueReleased
    from ramify.errors import WorkerDied as WorkerDied
    from ramify.executors.celery import CeleryExecutor as CeleryExecutor
    from ramify.executors.dask import DaskExecutor as DaskExecutor
    from ramify.executors.ipyparallel import IPyParallelExecutor as IPyParallelExecutor
    from ramify.models import Backoff as Backoff
    from ramify.models import RetryPolicy as RetryPolicy
    from ramify.models import RetryStrategy as RetryStrategy
    from ramify.plan.load import load_callable as load_callable
    from ramify.plan.load import load_inputs_and_callable as load_inputs_and_callable
    from ramify.plan.load import load_job_definition as load_job_definition
    from ramify.plan.load import load_job_inputs as load_job_inputs
    from ramify.plan.load import rerun_snippet as rerun_snippet
    from ramify.plan.paths import PlanPaths as PlanPaths
    from ramify.run.approving import Proposal as Proposal
    from ramify.run.failure import DAGExecutionError as DAGExecutionError
    from ramify.run.handle import RunHandle as RunHandle
    from ramify.run.handle import connect as connect
    from ramify.values import ChecksumInfo as ChecksumInfo
    from ramify.values import EncoderSpec as EncoderSpec
    from ramify.values import GoToNextEncoderException as GoToNextEncoderException
    from ramify.values import LazyDict as LazyDict
    from ramify.values import deserialize as deserialize
    from ramify.values import serialize as serialize
    from ramify.worker.command import batch_entrypoint as batch_entrypoint
    from ramify.worker.command import run_materialized_job as run_materialized_job

_HOMES = {
    "ramify.core.keys": "Key decode_key encode_key",
    "ramify.dag.arrays": "ArrayList",
    "ramify.dag.delayed": "compute delayed task",
    "ramify.dag.draft": "DAG",
    "ramify.dag.evaluate": "execute_plan",
    "ramify.dag.extend": "BoundReached Extend",
    "ramify.dag.grid": "ParametrizedJob",
    "ramify.dag.job": "Job",
    "ramify.dag.logs": "list_logs server_logs",
    "ramify.dag.node": "Node",
    "ramify.dag.rules": "Rule after closed rule",
    "ramify.dag.status": "Mode Status",
    "ramify.dag.accept": "accept",
    "ramify.dag.outputs": "get_job_states",
    "ramify.dag.preview": "Preview",
    "ramify.dag.resume": "resume",
    "ramify.errors": (
        "ArgumentError CallFormError ChecksumError ControlError CycleError DraftError DuplicateKeyError "
        "GraphError GrowthError InfrastructureError JobCancelled JobError JobIdError JobTimeout JournalError "
        "LockedError MissingError ModeError NotCallableError NotStartedError OutputsExistError ParentFailed "
        "ParentFailedError PlanError PlanVersionError RamifyDeserializationError RamifyError "
        "RamifyKeyDecodingError RamifyKeyEncodingError RamifySerializationError RamifyWarning RemoteError "
        "RuleDeadlock RunOverError RunTimeout StartedError StorageError TargetError UnfiredRule "
        "UnknownKeyError UnknownRunError UnpicklableError ValueReleased WorkerDied"
    ),
    "ramify.executors.celery": "CeleryExecutor",
    "ramify.executors.dask": "DaskExecutor",
    "ramify.executors.ipyparallel": "IPyParallelExecutor",
    "ramify.models": "Backoff RetryPolicy RetryStrategy",
    "ramify.plan.load": (
        "load_callable load_inputs_and_callable load_job_definition load_job_inputs rerun_snippet"
    ),
    "ramify.plan.paths": "PlanPaths",
    "ramify.run.approving": "Proposal",
    "ramify.run.failure": "DAGExecutionError",
    "ramify.run.handle": "RunHandle connect",
    "ramify.values": "ChecksumInfo EncoderSpec GoToNextEncoderException LazyDict deserialize serialize",
    "ramify.worker.command": "batch_entrypoint run_materialized_job",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [*_HOME_OF, "__version__"]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
