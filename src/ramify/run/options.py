"""How a plan is to be executed: what a caller may say, checked before anything is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from msgspec import to_builtins

from ramify.errors import ArgumentError, ModeError
from ramify.files.lock import FolderLock
from ramify.models import RetryStrategy, plain_retries
from ramify.ports import Observer
from ramify.rebuild.trace import Cause
from ramify.run.approving import Approve, check_growing
from ramify.run.names import check_name
from ramify.settings import REUSES

if TYPE_CHECKING:
    from ramify.run.execute import Run

MODES: Final = ("subprocess", "thread", "process")
KEPT: Final = (
    "execution_mode",
    "max_workers",
    "on_failure",
    "retries",
    "timeout",
    "deadline",
    "limits",
    "durable",
    "strict",
    "until",
)
"""What a run that is resumed takes over where nothing else is said."""

ON_FAILURE: Final = ("fail_fast", "continue")


@dataclass(frozen=True)
class Options:
    """How a plan is to be executed; see `DAG.evaluate` for the meaning of each.

    `deadline` is how many seconds the run, or its going on, may take as a whole. `limits` are amounts of
    resources that win over the machine's. `durable` survives a power cut. `on_start` gets the `Run` before
    anything runs. `lock` is the run folder's, where the caller has it. `target` names what is run, for
    telling what a job was made of the last time. `just_compiled` says that the plan's fingerprints are of
    today; else they are made anew. `detached` has no job run in the driver's own thread, which is to hear
    requests. `only` are the jobs that going on is about. `on_built` is called before the first job, if any is
    to run. `on_stale` gets, before anything starts, the jobs with an earlier result that does not stand, and
    why; with `reuse="exists"` those whose result is kept all the same. `label` is what a person calls the
    graph, `namespace` whose list it is in (None: the setting's, else the login name). `on_failure` is
    `"fail_fast"` where nothing is said, `"continue"` for a plan with rules. With `strict` a rule that never
    fires is a failure. What fits a glob of `until` is planned and not started, nor what needs it.
    `approve` is asked before each growth by a rule and each first start of a job; after `max_growths` growths
    no rule fires any more.
    """

    executor: Any = None
    max_workers: int | None = None
    execution_mode: str = "subprocess"
    skip_completed: bool = False
    reuse: str | None = None
    force: Sequence[str] = ()
    reuse_from: Sequence[str] | None = None
    on_failure: str | None = None
    job_resources: Mapping[Any, Mapping[str, Any]] | None = None
    retries: int | str | RetryStrategy | Mapping[str, Any] | None = None
    timeout: float | None = None
    deadline: float | None = None
    name: str | None = None
    limits: Mapping[str, float | str] | None = None
    durable: bool = False
    observers: Sequence[Observer] = ()
    on_start: Callable[[Run], object] | None = None
    lock: FolderLock | None = None
    target: str = ""
    just_compiled: bool = False
    detached: bool = False
    only: Sequence[str] | None = None
    strict: bool = False
    until: Sequence[str] | None = None
    approve: Approve | None = None
    max_growths: int | None = None
    on_built: Callable[[], object] | None = None
    on_stale: Callable[[list[tuple[str, Cause]]], object] | None = None
    label: str | None = None
    namespace: str | None = None

    @property
    def what_counts(self) -> str:
        """What of earlier runs may count for jobs that say nothing themselves."""
        if self.reuse is not None:
            return self.reuse
        return "auto" if self.skip_completed or self.force or self.reuse_from is not None else "off"

    @property
    def is_reusing(self) -> bool:
        """Whether outputs that are there are no mistake."""
        return self.reuse is not None or self.what_counts != "off"

    def to_record(self) -> dict[str, Any]:
        """What another driver of the same run needs to know of them."""
        told = {name: getattr(self, name) for name in KEPT if getattr(self, name) is not None}
        if self.retries is not None:
            told["retries"] = to_builtins(plain_retries(self.retries))
        return told

    def check(self) -> None:
        """Raises `ModeError` for a value that is unknown, or that excludes another."""
        if self.execution_mode not in MODES:
            raise ModeError(_unknown("execution_mode", self.execution_mode, MODES))
        if self.on_failure is not None and self.on_failure not in ON_FAILURE:
            raise ModeError(_unknown("on_failure", self.on_failure, ON_FAILURE))
        if self.reuse is not None and self.reuse not in REUSES:
            raise ModeError(_unknown("reuse", self.reuse, REUSES))
        if isinstance(self.until, str):
            raise ModeError(f"until is a list of globs, as in until=[{self.until!r}]")
        if self.skip_completed and self.reuse not in (None, "auto"):
            raise ModeError(
                "skip_completed=True is reuse='auto' with the outputs of this folder alone; it excludes "
                f"{self.reuse!r}"
            )
        if self.executor is not None and self.max_workers is not None:
            raise ModeError("pass executor or max_workers, not both: an executor knows its own workers")
        if self.max_workers is not None and not _is_count(self.max_workers, 1):
            raise ModeError(f"max_workers must be a whole number, 1 or more; it is {self.max_workers!r}")
        _check_retries(self.retries)
        for name, seconds in (("timeout", self.timeout), ("deadline", self.deadline)):
            if seconds is not None and not (_is_number(seconds) and seconds > 0):
                raise ModeError(f"{name} must be a number of seconds above 0; it is {seconds!r}")
        if self.name is not None:
            check_name(self.name)
        check_growing(self.approve, self.max_growths)


def _check_retries(retries: Any) -> None:
    if retries is None:
        return
    try:
        checked = plain_retries(retries)
    except ArgumentError as error:
        raise ModeError(error.message, name="retries") from error
    if isinstance(checked, RetryStrategy) and not checked.is_text:
        raise ModeError(
            "the expression of this RetryStrategy is a function, which a run on disk cannot keep for whoever "
            "resumes it: write it as text",
            name="retries",
        )


def _unknown(option: str, value: object, known: Sequence[str]) -> str:
    return f"{option} {value!r} is unknown: use one of {', '.join(map(repr, known))}"


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
