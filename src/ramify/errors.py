"""Every exception that Ramify raises by name: one tree, below `RamifyError`.

Each class is also of the built-in type that a caller of the united systems would catch (`ValueError`,
`KeyError`, `TypeError`, `RuntimeError`, `TimeoutError`, `CancelledError`), carries its facts as attributes,
says what to do, and survives pickling.
"""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import Any, Self


class RamifyError(Exception):
    """The base of the tree. Keyword facts become attributes; the message is the only positional argument.

    >>> import pickle
    >>> error = JobIdError("no job 'b' in the plan", job_id="b")
    >>> copy = pickle.loads(pickle.dumps(error))
    >>> copy.job_id, str(copy)
    ('b', "no job 'b' in the plan")
    """

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self._facts = facts
        for name, value in facts.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (
            _rebuild,
            (type(self), self.message, self._facts),
            {"__notes__": getattr(self, "__notes__", [])},
        )

    def with_facts(self, **facts: Any) -> Self:
        """Adds facts that only a caller further up knows, and returns the same error."""
        self._facts.update(facts)
        for name, value in facts.items():
            setattr(self, name, value)
        return self


def _rebuild(cls: type[RamifyError], message: str, facts: dict[str, Any]) -> RamifyError:
    return cls(message, **facts)


# ---- keys and graphs


class RamifyKeyEncodingError(RamifyError, ValueError):
    """A key that cannot be a name: `key` holds it."""


class RamifyKeyDecodingError(RamifyError, ValueError):
    """A name that no key encodes to: `name` holds it."""


class GraphError(RamifyError, ValueError):
    """A graph that cannot be: a duplicate, a parent that is not there, an edge into the past."""


class CycleError(GraphError):
    """A cycle; `path` is the list of ids, the first again at the end."""


class DuplicateKeyError(GraphError):
    """Two unequal nodes under one key; `key` holds it."""


class UnknownKeyError(RamifyError, KeyError):
    """No such key; `key` holds it, `near` the closest known ones."""


class IllegalTransition(RamifyError, RuntimeError):
    """An event that the transition table forbids. Nothing was changed; `story` tells the node's past."""


# ---- drafts, arguments, plans


class ArgumentError(RamifyError, ValueError):
    """Arguments that do not fit the function; `function` and `names` hold the facts."""


class NotCallableError(RamifyError, TypeError):
    """What was given as a function cannot be called."""


class CallFormError(RamifyError, TypeError):
    """Arguments in none of the forms that a function takes; the message shows the forms."""


class DraftError(RamifyError, ValueError):
    """A DAG that cannot be compiled; `key` says where."""


class UnpicklableError(RamifyError, TypeError):
    """A value that cannot travel to a worker: `job_id`, `argument`, and `path` inside it."""


class ModeError(RamifyError, ValueError):
    """An option that is unknown, or that excludes another."""


class TargetError(RamifyError, ValueError):
    """`file.py:name` or `module:name` that leads to nothing runnable."""


class PlanError(RamifyError, ValueError):
    """A folder that is not a readable plan; `path` holds it."""


class PlanVersionError(PlanError):
    """A plan that another version wrote; `found` and `expected` hold the numbers."""


class JobIdError(PlanError):
    """A job id that is not in the plan; `job_id` holds it."""


class OutputsExistError(RamifyError, ValueError):
    """Outputs are already there; `job_ids` lists them."""


# ---- pipelines


class DeclarationError(RamifyError, ValueError):
    """A task of a pipeline that cannot be as it is declared; `key` and `where` (`file:line`) where known."""


class DeclarationTypeError(DeclarationError, TypeError):
    """A declaration with a value of a type that has no place there."""


class UnknownOutputError(DeclarationError, AttributeError):
    """An output that a task does not declare; `key` and `output` say which."""


class NotCompletedError(RamifyError, RuntimeError):
    """A result was asked for of a task that has none yet; `key` holds its key."""


class ReopenedError(RamifyError, RuntimeError):
    """A task was made from a wait that later matches reopened: `key`, `wait` and `new` hold the facts."""


# ---- storage


class UndigestableError(RamifyError, TypeError):
    """A value without a stable digest; `path` says where inside it the culprit sits."""

    path: str = ""


class RamifySerializationError(RamifyError, TypeError):
    """A value that no encoder could write; `path` inside the value, where known."""


class RamifyDeserializationError(RamifyError, ValueError):
    """A stored value that is missing, truncated, changed or unreadable; `path` holds where."""


class ChecksumError(RamifyDeserializationError):
    """The stored bytes are not those that were written; `expected` and `found` hold the digests."""


class StorageError(RamifyError, OSError):
    """The file system refused: full, read-only, no permission. `path` and `errno` hold the facts."""


class FileMissingError(StorageError, FileNotFoundError):
    """A file of the user's that should be there and is not; `path` holds it."""


class JournalError(RamifyError, ValueError):
    """A journal that cannot be folded; `path` and `line` say where."""


class LockedError(RamifyError, RuntimeError):
    """Another driver has the folder: `host`, `pid`, `since`."""


class UnknownRunError(RamifyError, KeyError):
    """No run of that name; `name` holds it."""


class RunOverError(RamifyError, RuntimeError):
    """Something was asked of a run that nobody drives any more; `folder` is the run's."""


class ControlError(RamifyError, RuntimeError):
    """The driver of a run refused what was asked of it; `request` holds that."""


class MissingError(RamifyError, KeyError):
    """Nothing is stored of a task: `task_id`, and `available`, the ids of those of which something is."""


# ---- running


class JobError(RamifyError, RuntimeError):
    """A job that did not end with a value; `job_id` and `attempt` where known."""


class WorkerDied(JobError):
    """The process of a job ended before its result: `exit_code` or `signal`, `log`."""


class TaskFailed(JobError):
    """A task of a pipeline that did not complete.

    `task` is its key, `step` the number of the step, `kind` one of `failed`, `killed`, `timed-out` and
    `crashed`, `reason` what went wrong; `exit_code` or `signal` where a process ended so, `log` the path of
    its output, `tail` the last lines of it.
    """


class RemoteError(JobError):
    """An exception that could not travel; `type_name` and `traceback_text` hold what it was."""


class JobTimeout(JobError, TimeoutError):
    """An attempt took longer than its `timeout` (seconds)."""


class RunTimeout(RamifyError, TimeoutError):
    """The wait ended before the run did, or the run took longer than its deadline."""


class ValueReleased(RamifyError, LookupError):
    """A value that was let go when nothing needed it any more: `key` says whose, the text how to keep it."""


class JobCancelled(RamifyError, CancelledError):
    """A job that was cancelled before it had a value."""


class ParentFailed(JobError, CancelledError):
    """A job that cannot run because a parent has no value.

    `cause_id` names the first failure; of a live node, `node` is the failed one and `cause` its exception.
    """


ParentFailedError = ParentFailed


class NotStartedError(RamifyError, RuntimeError):
    """A graph was waited for, or asked for results, before `compute()`."""


class StartedError(RamifyError, RuntimeError):
    """What is possible only before a graph starts, or while it runs: a second start, a new dependency."""


class GrowthError(GraphError):
    """A rule, or a job, tried to add to its graph what may not be added; nothing was. `rule` names it."""


class UnfiredRule(RamifyError, RuntimeError):
    """A rule did not fire until the end of a strict run; `waits_for` says what it waited for."""


class RuleDeadlock(RamifyError, RuntimeError):
    """Rules wait for each other, each until no other can add what it waits for; `rules` names them."""


class InfrastructureError(RamifyError, RuntimeError):
    """What Ramify itself needs was lost: a fork template, a pool, a connection."""


class MissingExtraError(RamifyError, ImportError):
    """Something optional that is not installed: `package`, and the `extra` of Ramify that brings it."""


class QueryError(RamifyError, RuntimeError):
    """A database refused a query or could not be reached: `query` is its first line, `database` its URL
    without passwords."""


class ArrayReadError(RamifyError, OSError):
    """An array that is not there or cannot be read; `uri` holds where, without passwords."""


class RamifyWarning(UserWarning):
    """Something was ignored, replaced or could not be recorded, and the run went on."""
