"""A job: one deferred call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ramify.dag.signature import check_arguments, function_name
from ramify.errors import ArgumentError
from ramify.plan.policy import Policy, Resource, Retries, Reuse, make_policy

if TYPE_CHECKING:
    from ramify.dag.grid import ParametrizedJob
    from ramify.plan.paths import Location


class Job:
    """One deferred call of `func` with named arguments.

    An argument is a plain value, a `LazyDict`, or a `Job`, `ParametrizedJob` or `DAG`, whose output the
    function then gets; jobs may also sit inside lists, dicts and other containers. `kwargs` is kept, not
    copied: what is changed in it counts until the plan is made.

    Policy: `retries` after the first attempt (a number, or a `RetryStrategy`), `timeout` in seconds per
    attempt, `resources` (`cores`, `memory` in bytes or as `"4G"`, named amounts), the name of an `executor`,
    `tags`, `version` (stands for the function's code), `reuse` (`"auto"`, `"off"`, `"exists"`). `files` and
    `environment` name the files, folders and variables that the function reads besides its arguments: their
    content counts for reuse. `may_add` names what the job may add to its graph (see `Extend`): tags, keys,
    globs of keys; a job that does not say so adds nothing.

    Raises `ArgumentError` (a `ValueError`) for arguments that do not fit the function, `NotCallableError` (a
    `TypeError`) for what is no function. A job is equal only to itself.

    >>> def add(x, y):
    ...     return x + y
    >>> Job(add, {"x": 1, "y": 2})
    Job(add, x=1, y=2)
    >>> Job(add, {"x": 1, "z": 2})
    Traceback (most recent call last):
        ...
    ramify.errors.ArgumentError: add() misses the argument 'y'
    """

    __slots__ = ("__weakref__", "_origin", "func", "kwargs", "policy")

    func: Callable[..., Any]
    kwargs: dict[str, Any]
    policy: Policy

    def __init__(
        self,
        func: Callable[..., Any],
        kwargs: dict[str, Any] | None = None,
        *,
        retries: Retries = 0,
        timeout: float | None = None,
        resources: Mapping[str, Resource] | None = None,
        executor: str | None = None,
        tags: Iterable[str] = (),
        version: str | None = None,
        reuse: Reuse | None = None,
        files: Iterable[str | os.PathLike[str]] = (),
        environment: Iterable[str] = (),
        may_add: str | Iterable[str] | None = None,
    ) -> None:
        self.func = func
        self.kwargs = {} if kwargs is None else check_kwargs(kwargs)
        check_arguments(func, self.kwargs)
        self.policy = make_policy(
            retries=retries,
            timeout=timeout,
            resources=resources,
            executor=executor,
            tags=tags,
            version=version,
            reuse=reuse,
            files=files,
            environment=environment,
            may_add=may_add,
        )
        self._origin: tuple[ParametrizedJob, tuple[str, ...]] | None = None

    @classmethod
    def _of_point(cls, grid: ParametrizedJob, names: tuple[str, ...], kwargs: dict[str, Any]) -> Job:
        """One point of a grid; it remembers which, so that as an argument it is the grid's own job."""
        job = cls.__new__(cls)
        job.func, job.kwargs, job.policy = grid.func, kwargs, grid.policy
        job._origin = (grid, names)
        return job

    def __repr__(self) -> str:
        return f"Job({function_name(self.func)}{briefly(self.kwargs)})"

    @staticmethod
    def rerun_snippet(*, dag_path: Location, job_id: str) -> str:
        """Python lines that call a job of a plan again."""
        from ramify.plan.load import rerun_snippet

        return rerun_snippet(dag_path, job_id)


def check_kwargs(kwargs: Any) -> dict[str, Any]:
    """The arguments, if they are a dict of names."""
    if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
        raise ArgumentError(
            f"kwargs must be a dict of argument names to values; it is {kwargs!r:.80}", names=[]
        )
    for name in kwargs:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ArgumentError(
                f"the argument name {name!r} cannot be written: {error}", names=[name]
            ) from error
    return kwargs


def briefly(kwargs: Mapping[str, Any]) -> str:
    """Arguments for a `repr`: a job in them by its class alone, a value up to 40 characters."""
    return "".join(f", {name}={_brief(value)}" for name, value in kwargs.items())


def _brief(value: Any) -> str:
    if isinstance(value, str | int | float | bool | None | list | tuple | dict):
        text = repr(value) if not isinstance(value, list | tuple | dict) or len(value) < 10 else "..."
        return text if len(text) <= 40 else text[:37] + "..."
    return f"<{type(value).__name__}>"
