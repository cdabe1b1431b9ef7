"""Jobs that add to their graph: what they return, and what is made of the values when those are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, Final

from ramify.dag.draft import DAG
from ramify.dag.grid import ParametrizedJob
from ramify.dag.job import Job
from ramify.dag.node import Node
from ramify.dag.recipe import recipe_of
from ramify.dag.signature import function_name
from ramify.errors import ArgumentError, JobError
from ramify.values.substitution import find, replace

_JOBS: Final = (Job, ParametrizedJob, DAG)


class Extend:
    """Returned by a job, it adds a DAG to the graph, below the job's own key.

    The job's value is `value` with the values of the DAG's jobs in place of the jobs, at any depth of
    containers; without it, a dict of all that the DAG holds. It is there when they are, and they alone decide
    whether the job succeeds. With `then`, the job's value is what `then` returns for that, which may be
    another `Extend`. Nodes that were submitted to the DAG are jobs of it as well. The job must say `may_add`:
    what it may add beside what stands below its own key (`may_add=()`: nothing).

    >>> from ramify import DAG, Extend, Job
    >>> def length(word):
    ...     return len(word)
    >>> def split(text):
    ...     dag = DAG({n: Job(length, {"word": word}) for n, word in enumerate(text.split())})
    ...     return Extend(dag, value=[dag[n] for n in dag], then=sum)
    >>> dag = DAG()
    >>> letters = dag.submit(split, "to be or", may_add=())
    >>> dag.compute(); letters.result()
    6
    """

    __slots__ = ("dag", "then", "value")

    adds_to_graph = True

    def __init__(self, dag: DAG, value: Any = None, then: Callable[[Any], Any] | None = None) -> None:
        if not isinstance(dag, DAG):
            raise ArgumentError(
                f"Extend() adds a DAG; it got {dag!r:.60} of type {type(dag).__name__}", names=["dag"]
            )
        if then is not None and not callable(then):
            raise ArgumentError(f"then={then!r:.60} cannot be called", names=["then"])
        if dag._rules:
            raise ArgumentError(
                f"Extend() adds jobs, and its DAG has the rule {dag._rules[0].name!r}: add that to the graph "
                "that runs",
                names=["dag"],
            )
        self.dag = recipe_of(dag)
        self.value = self.dag if value is None else _as_jobs(value, dag, self.dag)
        self.then = then

    def __repr__(self) -> str:
        return f"Extend({self.dag!r})"

    def __getstate__(self) -> tuple[Any, ...]:
        return self.dag, self.value, self.then

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.dag, self.value, self.then = state


def _as_jobs(value: Any, dag: DAG, recipe: DAG) -> Any:
    """The value with jobs in place of the submitted nodes of its DAG."""
    if recipe is dag:
        return value

    def put(one: Any) -> Any:
        if one is dag:
            return recipe
        return one.as_job() if isinstance(one, Node) and one._owner is dag._submitted else one

    return replace(value, (DAG, Node), put)


class BoundReached(JobError):
    """A loop was not done within its bound; `value` is what it had come to."""


def as_extend(result: Any) -> Any:
    """What a function that expands something returned, as an `Extend`; a value without jobs is itself.

    >>> as_extend([Job(int), Job(str)]).value, as_extend([1, 2])
    ([Job(int), Job(str)], [1, 2])
    """
    if isinstance(result, DAG):
        return Extend(result)
    draft = None if isinstance(result, Extend) else _draft_of(result)
    if draft is not None:
        return Extend(draft, result)
    if isinstance(result, Extend) or not find(result, _JOBS):
        return result
    dag = DAG()
    for number, one in enumerate(find(result, _JOBS)):
        dag[number] = one
    return Extend(dag, result)


def _draft_of(result: Any) -> DAG | None:
    """The one graph that has not started whose nodes are in a result."""
    owners = {id(node._owner): node._owner for node in find(result, Node) if node._owner is not None}
    drafts = [owner.dag for owner in owners.values() if owner.run is None]
    return drafts[0] if len(drafts) == 1 else None


def expand_with(func: Callable[[Any], Any], value: Any) -> Any:
    """Calls a function that says what the value of a node expands to."""
    return as_extend(func(value))


def then_with(then: Callable[[Any], Any], value: Any) -> Any:
    """What a job that has expanded goes on with."""
    return as_extend(then(value))


def itself(value: Any) -> Any:
    """The value."""
    return value


def map_over(
    func: Callable[..., Any],
    values: Sequence[Any],
    kwargs: dict[str, Any],
    how: str,
    batch_size: int | None,
    partitions: int | None,
    label: str,
) -> Any:
    """A job for every item, or for every batch of items, and the list of their values."""
    from ramify.dag.recipe import by_names

    lists = [_items(value, label) for value in values]
    items = _combined(lists, how, label)
    if batch_size is not None or partitions is not None:
        size = batch_size or -(-len(items) // (partitions or 1)) or 1
        whole = [item[0] if len(lists) == 1 else item for item in items]
        items = [(whole[start : start + size],) for start in range(0, len(whole), size)]
    if not items:
        return []
    dag = DAG()
    jobs = []
    for number, item in enumerate(items):
        called, named = by_names(func, item, kwargs)
        dag[number] = job = Job(called, named, may_add=())
        jobs.append(job)
    return Extend(dag, jobs)


def _items(value: Any, label: str) -> Sequence[Any]:
    """The items of a list, or of anything that is finite and no text or mapping."""
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | Mapping):
        return list(value)
    from ramify.dag.stages import as_list

    return as_list(value, label)


def _combined(lists: Sequence[Sequence[Any]], how: str, label: str) -> list[tuple[Any, ...]]:
    if how == "cartesian":
        return list(product(*lists))
    if len({len(one) for one in lists}) > 1:
        lengths = ", ".join(str(len(one)) for one in lists)
        raise ArgumentError(f"{label!r} zips lists of different lengths: {lengths}", names=["over"])
    return list(zip(*lists, strict=True))


def reduce_over(func: Callable[[list[Any]], Any], items: Any, batch_size: int | None, label: str) -> Any:
    """`func` of a list; with a batch size a tree of calls, each of so many values at most."""
    from ramify.dag.recipe import by_names

    level: list[Any] = list(_items(items, label))
    if batch_size is None or len(level) <= batch_size:
        return func(level)
    dag = DAG()
    depth = 0
    while len(level) > 1:
        batches = [level[start : start + batch_size] for start in range(0, len(level), batch_size)]
        level = []
        for number, batch in enumerate(batches):
            called, named = by_names(func, (batch,), {})
            dag[f"level{depth}-{number}"] = job = Job(called, named)
            level.append(job)
        depth += 1
    return Extend(dag, level[0])


def choose(
    cases: Sequence[tuple[Callable[[Any], Any], Callable[[Any], Any]]],
    otherwise: Callable[[Any], Any] | None,
    value: Any,
) -> Any:
    """The first function whose predicate holds, as a job; None where there is none."""
    from ramify.dag.recipe import by_names

    for predicate, func in [*cases, *([] if otherwise is None else [(_always, otherwise)])]:
        if predicate(value):
            called, named = by_names(func, (value,), {})
            job = Job(called, named, may_add=())
            label = function_name(func).rpartition(".")[2]
            return Extend(DAG({label if label.isidentifier() else "case": job}), job)
    return None


def _always(_: Any) -> bool:
    return True


def repeat_until(
    func: Callable[[Any], Any], until: Callable[[Any], Any], bound: int, done: int, label: str, value: Any
) -> Any:
    """One more turn of a loop, as a job; the value once the predicate holds."""
    from ramify.dag.recipe import by_names

    if done and until(value):
        return value
    if done >= bound:
        raise BoundReached(
            f"{label!r} was repeated {bound} times, and its condition does not hold: raise max_times, or "
            "look at what it has come to",
            value=value,
        )
    called, named = by_names(func, (value,), {})
    job = Job(called, named, may_add=())
    return Extend(DAG({done: job}), job, then=partial(repeat_until, func, until, bound, done + 1, label))
