"""Functions whose calls are nodes: the graph is written as a program."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ramify.dag.draft import DAG
from ramify.dag.node import Node
from ramify.dag.options import NodeOptions, merged
from ramify.errors import NotCallableError

P = ParamSpec("P")
T = TypeVar("T")


class Task(Generic[P, T]):
    """A function whose call is a node that is in no graph yet.

    The nodes of a program join one graph when one of them is added to it, or computed.

    >>> @task
    ... def double(x):
    ...     return 2 * x
    >>> double(double(5)).compute(), double.func(5)
    (20, 10)
    """

    def __init__(self, func: Callable[P, T], options: NodeOptions | None = None) -> None:
        if not callable(func):
            raise NotCallableError(
                f"{func!r} of type {type(func).__name__} cannot be called: give a function"
            )
        self.func = func
        self._options = options
        functools.update_wrapper(self, func, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Node[T]:
        node: Node[T] = Node.__new__(Node)
        node._begin(self.func, args, kwargs, self._options)
        return node

    def options(self, **options: Any) -> Task[P, T]:
        """The same function, for calls with these options: those of `DAG.submit`."""
        return Task(self.func, merged(self._options, options))

    def __repr__(self) -> str:
        return f"<task {getattr(self.func, '__qualname__', self.func)}>"


@overload
def task(func: Callable[P, T], /) -> Task[P, T]: ...
@overload
def task(func: None = None, /, **options: Any) -> Callable[[Callable[P, T]], Task[P, T]]: ...
def task(func: Any = None, /, **options: Any) -> Any:
    """Makes a function a `Task`, as a decorator or as a call; options are those of `DAG.submit`.

    >>> slow = task(sum, timeout=5)
    >>> slow([1, task(abs)(-2)]).compute()
    3
    """
    given = merged(None, options) if options else None
    if func is None:
        return lambda inner: Task(inner, given)
    return Task(func, given)


delayed = task


def compute(*nodes: Node[Any], **options: Any) -> tuple[Any, ...]:
    """The values of nodes that are in no graph yet; `options` are those of the `DAG` that they join.

    >>> compute(task(abs)(-1), task(max)(1, 2))
    (1, 2)
    """
    dag = DAG(**options)
    for node in nodes:
        dag.add_node_obj(node)
    dag.compute()
    return tuple(node.result() for node in nodes)
