"""Submitted nodes as jobs, so that a plan can hold them."""

from __future__ import annotations

import enum
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ramify.core.keys import decode_key
from ramify.dag.draft import DAG
from ramify.dag.job import Job
from ramify.dag.node import Node
from ramify.dag.stages import as_list
from ramify.dag.warned import warn_user
from ramify.errors import StartedError
from ramify.plan.policy import Policy, make_policy
from ramify.values.substitution import replace

if TYPE_CHECKING:
    from ramify.dag.options import NodeOptions
    from ramify.dag.submitted import Submitted


class NodeJob(Job):
    """The job that stands for a submitted node; `after` are those that it waits for without their values."""

    __slots__ = ("after",)

    after: tuple[Job, ...]


def recipe_of(dag: DAG) -> DAG:
    """The graph with a job under the key of every submitted node; itself where there are none.

    Raises `StartedError` for a graph that has started.
    """
    graph = dag._submitted
    if graph is None or not graph.nodes or graph.keyed_only:
        return dag
    if graph.run is not None:
        raise StartedError(
            "this graph was started with compute(), and cannot be compiled: make a fresh DAG for evaluate()"
        )
    _tell_placed([graph._draft(number) for number in range(len(graph.keys))])
    recipe = DAG(dag.max_workers, name=dag.name)
    recipe._id = dag._id
    recipe._rules = list(dag._rules)
    recipe._nodes, recipe._keys = dict(dag._nodes), dict(dag._keys)
    for number, key in enumerate(graph.keys):
        recipe._nodes[key] = job_of(graph, number)
        recipe._keys[decode_key(key)] = key
    return recipe


def _tell_placed(nodes: list[Node[Any]]) -> None:
    """Where a node was to run counts in graphs that are computed."""
    options = ((node, node._options) for node in nodes)
    placed = [node.name for node, o in options if o is not None and (o.on is not None or o.is_local)]
    if placed:
        several = ", ".join(map(repr, placed[:5])) + (", ..." if len(placed) > 5 else "")
        warn_user(f"on= and local nodes count in compute(), and not here: {several} run as all other jobs do")


def job_of(graph: Submitted, number: int) -> Job:
    """The job that stands for a node: the same object each time."""
    known = graph.jobs.get(number)
    if known is None:
        known = graph.jobs[number] = _job(graph._draft(number))
        known.after = tuple(job_of(graph, parent) for parent in graph._draft(number)._after)
    return known


def _job(node: Node[Any]) -> NodeJob:
    options = node._options
    over = node.expand_node_output
    if over is None:
        func, kwargs = by_names(node.func, node.args, node.kwargs)
    else:
        tree = replace((node.args, node.kwargs), Node, lambda one: ELEMENT if one is over else one)
        limit = None if options is None else options.concurrency
        func = functools.partial(run_stage, node.func)
        kwargs = {"over": over, "args": tree[0], "kwargs": tree[1], "concurrency": limit, "name": over.name}
    job = NodeJob(func, replace(kwargs, Node, lambda one: one.as_job()))
    if options is not None:
        job.policy = policy_of(options)
    return job


def policy_of(options: NodeOptions) -> Policy:
    """What a plan keeps of the options of a node."""
    return make_policy(
        retries=0 if options.retry is None else options.retry,
        timeout=options.timeout,
        deadline=options.deadline,
        resources=options.amounts(),
        tags=options.tags,
        may_add=options.may_add,
    )


def by_names(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The call with names for its arguments, or, where they have none, one that passes them on.

    >>> by_names(pow, (2, 3), {})[1]
    {'base': 2, 'exp': 3}
    """
    if not args:
        return func, kwargs
    try:
        bound = inspect.signature(func).bind(*args, **kwargs)
        kinds = {p.kind for n, p in bound.signature.parameters.items() if n in bound.arguments}
    except (ValueError, TypeError):
        kinds = {inspect.Parameter.VAR_POSITIONAL}
    if kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}:
        return func, dict(bound.arguments)
    return functools.partial(pass_on, func), {"args": list(args), "kwargs": kwargs}


def pass_on(func: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Calls a function with arguments that have no names.

    >>> pass_on(max, [1, 5], {})
    5
    """
    return func(*args, **kwargs)


class Element(enum.Enum):
    """Stands for the element of a stage among its arguments."""

    ELEMENT = "element"


ELEMENT = Element.ELEMENT


def _given(item: Any, _: Element) -> Any:
    return item


def run_stage(
    func: Callable[..., Any],
    over: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    concurrency: int | None,
    name: str,
) -> list[Any]:
    """A stage as one job: a call for every element, side by side in threads, and their values in order.

    >>> run_stage(pow, [2, 3], (ELEMENT, 2), {}, None, "source")
    [4, 9]
    """
    from concurrent.futures import ThreadPoolExecutor

    items = as_list(over, name)
    calls = [replace((args, kwargs), Element, functools.partial(_given, item)) for item in items]
    if not calls:
        return []
    with ThreadPoolExecutor(concurrency or min(len(calls), 32)) as pool:
        return list(pool.map(lambda call: func(*call[0], **call[1]), calls))
