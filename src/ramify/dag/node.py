"""A node of a live graph: one call, and the future of its value."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ramify.dag.execution import by_name
from ramify.dag.signature import function_name
from ramify.dag.status import Mode, Status, as_mode
from ramify.errors import GraphError, JobCancelled, NotCallableError, NotStartedError

if TYPE_CHECKING:
    from concurrent.futures import Future
    from uuid import UUID

    from ramify.dag.draft import DAG
    from ramify.dag.job import Job
    from ramify.dag.options import NodeOptions
    from ramify.dag.submitted import Submitted

T = TypeVar("T")


class Node(Generic[T]):
    """One call of `func` in a live graph. It may be waited for, awaited, cancelled and retried.

    Nodes are made by `DAG.submit` and its like; `Node(func, *args, **kwargs)` makes one that `add_node_obj`
    adopts, or that joins the graph of a node which uses it. Nodes among the arguments, also inside
    containers, are parents, and the function gets their values. The options of `submit` may be among the
    keywords. `_download_results` is `download_results` there.

    >>> from ramify import DAG
    >>> dag = DAG()
    >>> two = dag.submit(lambda: 2)
    >>> six = dag.submit(lambda x, y: x * y, two, 3, name="six")
    >>> dag.compute(); six.result()
    6
    """

    __slots__ = (
        "__weakref__",
        "_after",
        "_args",
        "_holds_drafts",
        "_kwargs",
        "_name",
        "_number",
        "_options",
        "_owner",
        "_parents",
        "_raw",
        "expand_node_output",
        "func",
        "local",
        "mode",
    )

    expand_node_output: Node[Any] | None

    def __init__(
        self,
        func: Callable[..., T],
        /,
        *args: Any,
        name: str | None = None,
        dag: DAG | None = None,
        mode: Mode | str = Mode.REALTIME,
        expand_node_output: Node[Any] | None = None,
        _download_results: bool | None = None,
        **kwargs: Any,
    ) -> None:
        if not callable(func):
            raise NotCallableError(f"{func!r:.80} of type {type(func).__name__} cannot be called")
        from ramify.dag.options import merged, split

        how = as_mode(mode)
        own, options = split(func, kwargs, None, "submit")
        said = {"on": "threads" if how is Mode.LOCAL else None, "download_results": _download_results}
        options = merged(options, {option: what for option, what in said.items() if what is not None})
        self._begin(func, args, own, options)
        self.mode, self.local = how, how is Mode.LOCAL
        self.expand_node_output = expand_node_output
        self._name = name
        if dag is not None:
            dag.add_node_obj(self)

    def _begin(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: NodeOptions | None,
    ) -> None:
        """A node in no graph."""
        self.func, self._args, self._kwargs, self._options = func, args, kwargs, options
        self._name = None if options is None else options.name
        self.mode, self.local = Mode.REALTIME, False
        self.expand_node_output = None
        self._owner: Submitted | None = None
        self._number = -1
        self._parents: Sequence[int] = ()
        self._after: list[int] = []
        self._raw = True
        self._holds_drafts = False

    # ---- what it is

    @property
    def name(self) -> str:
        """A label for people. It may be changed until the graph starts; what the node is known by stays."""
        owner = self._owner
        return self._name or (function_name(self.func) if owner is None else owner.name_of(self._number))

    @name.setter
    def name(self, name: str) -> None:
        if self._owner is None:
            self._name = name
        else:
            self._owner.rename(self, name)

    @property
    def key(self) -> str:
        """What the node is known by in its graph, in logs and on the command line."""
        return self._in_graph().key_of(self._number)

    @property
    def id(self) -> UUID:
        """The node's id: made of the graph's id and the key, so the same for the same graph resumed."""
        return self._in_graph().id_of(self._number)

    @property
    def dag(self) -> DAG | None:
        """The graph that it belongs to."""
        return None if self._owner is None else self._owner.dag

    @property
    def args(self) -> tuple[Any, ...]:
        """The positional arguments, nodes and all."""
        return self._args if self._raw else cast(tuple[Any, ...], self._in_graph().with_nodes(self._args))

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments, nodes and all."""
        return self._kwargs if self._raw else cast(dict[str, Any], self._in_graph().with_nodes(self._kwargs))

    @property
    def parents(self) -> dict[UUID, Node[Any]]:
        """The nodes that it waits for, by id."""
        return {} if self._owner is None else self._owner.parents_of(self)

    @property
    def children(self) -> dict[UUID, Node[Any]]:
        """The nodes that wait for it, by id."""
        return {} if self._owner is None else self._owner.children_of(self)

    def compute(self, **options: Any) -> T:
        """Its value: of a node that is in no graph yet, in a graph of its own with what it needs.

        `options` are those of that `DAG`. A graph that has not started is started.
        """
        from ramify.dag.execution import by_name

        if self._owner is None:
            dag = by_name("draft", "DAG")(**options)
            dag.add_node_obj(self)
        else:
            dag = self._owner.dag
        if self._in_graph().run is None:
            dag.compute()
        return self.result()

    def depends_on(self, node: Node[Any]) -> None:
        """Has this node start only when the other one is completed; its value is not passed.

        Raises `StartedError` (a `RuntimeError`) once the graph has started, `GraphError` (a `ValueError`) for
        an unfinished node of another graph.
        """
        owner = self._owner
        if owner is None:
            if node._owner is None:
                raise GraphError("neither node is in a graph yet: add one of them first, with add_node_obj")
            owner = node._owner
            owner.adopt(self)
        owner.depend(self, node)

    # ---- how it is

    @property
    def status(self) -> Status:
        """What has become of it."""
        return Status.NOT_STARTED if self._owner is None else self._owner.status_of(self._number)

    def done(self) -> bool:
        """Whether nothing more happens to it: completed, failed, cancelled, or a parent of it failed."""
        return self.status not in (Status.NOT_STARTED, Status.RUNNING)

    finished = done

    def running(self) -> bool:
        """Whether an attempt is under way."""
        return self.status is Status.RUNNING

    def cancelled(self) -> bool:
        """Whether it was given up on request."""
        return self.status is Status.CANCELLED

    @property
    def error(self) -> BaseException | None:
        """The exception that it ended with, or that of a parent, or None; does not wait."""
        return None if self._owner is None else self._owner.error_of(self._number)

    @property
    def errors(self) -> list[BaseException]:
        """The exception of every attempt that failed, the first one first."""
        return [] if self._owner is None else self._owner.errors_of(self._number)

    def task_id(self) -> UUID | None:
        """The id of its record in the logs; None for a node of `submit_local`, or before it was added."""
        return None if self.local or self._owner is None else self.id

    # ---- waiting

    def wait(self, timeout: float | None = None) -> None:
        """Waits until it is done, and raises nothing that it raised.

        Raises `RunTimeout` (a `TimeoutError`) after `timeout` seconds, `NotStartedError` where the graph was
        never started.
        """
        self._in_graph().wait_for(self._number, timeout)

    def result(self, timeout: float | None = None) -> T:
        """Its value, as soon as there is one. Raises what the function raised, `ParentFailed` or
        `JobCancelled` (both `CancelledError`s), and what `wait` raises."""
        owner = self._in_graph()
        owner.wait_for(self._number, timeout)
        return cast(T, owner.value_of(self._number))

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """The exception of the function, or None; cancellation and a parent's failure are raised."""
        self.wait(timeout)
        error = self.error
        if isinstance(error, JobCancelled) or self.status is Status.PARENT_FAILED:
            assert error is not None, "a node that was given up, or not reached, says why"
            raise error
        return error

    def __await__(self) -> Generator[Any, None, T]:
        from asyncio import wrap_future

        return wrap_future(self.future).__await__()

    @property
    def future(self) -> Future[T]:
        """A `concurrent.futures.Future` of the present attempts; `retry` puts a new one here."""
        return cast("Future[T]", self._in_graph().future_of(self))

    def add_done_callback(self, fn: Callable[[Node[T]], object]) -> None:
        """Has `fn(node)` called whenever the node is done, again after a retry; at once where it is done.

        It is called in the thread of callbacks; what it raises is a warning.
        """
        self._in_graph().call_back(self, fn)

    # ---- changing it

    def cancel(self, force: bool = False) -> bool:
        """Gives it up; True if that could be done. One that runs goes on, unless `force` stops it."""
        return self._in_graph().cancel_node(self._number, force)

    def retry(self) -> bool:
        """Runs it again, and what came of it; False unless it failed, was cancelled, or a parent failed."""
        return self._owner is not None and self._owner.retry([self._number])

    def as_job(self) -> Job:
        """The job that stands for the node in a plan."""
        return cast("Job", by_name("recipe", "job_of")(self._in_graph(), self._number))

    def _in_graph(self) -> Submitted:
        if self._owner is None:
            raise NotStartedError(
                f"the node {self.name!r} is in no graph: add it with dag.add_node_obj(node)"
            )
        return self._owner

    def __repr__(self) -> str:
        return f"<Node {self.name!r}: {self.status}>"

    def __reduce__(self) -> Any:
        raise TypeError(
            f"the node {self.name!r} is a future in this process and cannot be pickled: pass it as an "
            "argument of another node, or pass its result()"
        )

    def __del__(self) -> None:
        owner = getattr(self, "_owner", None)
        if owner is not None:
            owner.let_go(self._number)
