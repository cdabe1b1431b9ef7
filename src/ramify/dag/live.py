"""A graph that runs beside its owner: nodes are submitted, and are futures of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from ramify.core.table import BAD, CANCELLED, FAILED
from ramify.dag.execution import by_name
from ramify.dag.node import Node
from ramify.dag.recorded import Recorded
from ramify.dag.status import STATUS_OF, Mode, Status
from ramify.errors import NotStartedError, RunTimeout, StartedError

if TYPE_CHECKING:
    from uuid import UUID

    from ramify.dag.options import NodeOptions
    from ramify.dag.stages import Stages
    from ramify.dag.submitted import Submitted
    from ramify.plan.policy import Policy as JobPolicy
    from ramify.run.live import LiveRun

T = TypeVar("T")
Callback = Callable[[Any], object]


class Live(Recorded):
    """What a DAG can do with nodes that are submitted to it."""

    max_workers: int | None
    name: str | None
    _submitted: Submitted | None
    _stages: Stages | None
    _update_callbacks: list[Callback]
    _done_callbacks: list[Callback]
    use_processes: bool
    mode: Mode
    deadline: float | None
    retry_strategy: Any
    workflow_retry_strategy: Any
    _drafts: ClassVar[tuple[type, ...]]
    if TYPE_CHECKING:

        @property
        def id(self) -> UUID:
            """What the graph is known by."""

    _cancelled_early: bool
    _whole_attempts: int
    visualization: Any
    """The last picture that `visualize` made, or None."""

    def _init_live(self, done: Callback | None, update: Callback | None) -> None:
        self._submitted = None
        self._stages = None
        self._cancelled_early = False
        self._whole_attempts = 0
        self.visualization = None
        self._init_record()
        self._done_callbacks = []
        self._update_callbacks = []
        if done is not None:
            self.add_done_callback(done)
        if update is not None:
            self.add_update_callback(update)

    # ---- adding

    def submit(self, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> Node[T]:
        """Adds a call of `func` and returns its node, the future of its value.

        Nodes among the arguments are parents, at any depth of lists, tuples, dicts, sets and dataclasses; the
        function gets their values. While the graph runs, the node starts as soon as its parents are
        completed. Options are keywords that are not passed on: `name`, `on` (`"threads"`, `"processes"` or an
        executor; `executor=` is the same), `retry`, `timeout` (seconds), `resources`, `tags`. Where the
        function has a parameter of such a name, say `dag.options(timeout=5).submit(f, timeout=1)`.

        Raises `ArgumentError`, `ModeError`, `GraphError` for an unfinished node of another graph, and
        `StartedError` (a `RuntimeError`) when the run is over.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> parts = [dag.submit(pow, n, 2) for n in range(4)]
        >>> total = dag.submit(sum, parts)
        >>> dag.compute(); total.result(), total.name
        (14, 'sum')
        """
        return self._submit(func, args, kwargs, None, "submit")

    submit_udf = submit

    def submit_local(self, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> Node[T]:
        """As `submit`, in a thread of this process; the node has no `task_id`."""
        return self._made_local(self._submit(func, args, kwargs, None, "submit_local", on="threads"))

    def add_node(self, func_exec: Any, /, *args: Any, name: str | None = None, **kwargs: Any) -> Node[Any]:
        """The older name of `submit_local`; a `Node` is adopted, as by `add_node_obj`."""
        if isinstance(func_exec, Node):
            return self.add_node_obj(func_exec)
        kwargs.pop("local_mode", None)
        return self.submit_local(func_exec, *args, **({"name": name} if name else {}), **kwargs)

    def add_node_obj(self, node: Node[T]) -> Node[T]:
        """Adopts a node that was made by itself, and returns it."""
        if not isinstance(node, Node):
            raise TypeError(f"{node!r:.60} of type {type(node).__name__} is no Node: use submit(func, ...)")
        self._graph().adopt(node)
        return self._made_local(node) if node.local else node

    def submit_udf_stage(
        self,
        func: Callable[..., Any],
        /,
        *args: Any,
        expand_node_output: Node[Any] | None = None,
        **kwargs: Any,
    ) -> Node[list[Any]]:
        """One call of `func` for every element of the list that `expand_node_output` comes to.

        Where that node stands among the arguments, a call gets its element; other nodes are passed whole. The
        value of the stage is the list of the calls' values, in order. A stage may expand a stage: element
        by element, no call waits for all of the first. `concurrency` is how many run at a time.

        What is expanded is a list, a tuple, an array of one dimension, or text that is a JSON list; anything
        else fails the stage, by name.
        """
        if expand_node_output is None:
            return self._submit(func, args, kwargs, None, "submit_udf_stage")
        return self._submit(func, args, kwargs, None, "submit_udf_stage", expand=expand_node_output)

    def options(self, **options: Any) -> _WithOptions:
        """The same graph, for nodes with these options: `dag.options(timeout=5).submit(f, timeout=1)`."""
        from ramify.dag.options import merged

        return _WithOptions(self, merged(None, options))

    def _submit(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        given: NodeOptions | None,
        verb: str,
        on: str | None = None,
        expand: Node[Any] | None = None,
    ) -> Node[Any]:
        options = given
        if kwargs or on:
            from ramify.dag.options import NodeOptions, merged, split

            kwargs, options = split(func, kwargs, given, verb)
            if options is not None and options.local_mode:
                on = on or "threads"
            if on is not None and (options is None or options.on is None):
                options = merged(options or NodeOptions(), {"on": on})
        graph = self._graph()
        if expand is None:
            return graph.add(func, args, kwargs, options)
        return graph.add_stage(func, args, kwargs, options, expand)

    def _graph(self) -> Submitted:
        if self._submitted is None:
            from ramify.dag.submitted import Submitted

            self._submitted = Submitted(self, self._drafts)  # type: ignore[arg-type]  # only a DAG is one
        return self._submitted

    # ---- running

    def compute(self) -> None:
        """Starts the graph, and returns at once; `wait` and the nodes' `result` wait.

        The values are kept in memory and the driver is in this process. Nodes run in `max_workers` threads,
        `min(32, cores + 4)` if not given, or processes. A failure stops only what depends on it.

        Raises `CycleError` before anything runs, and `StartedError` for a second start.
        """
        graph = self._graph()
        with graph.lock:
            if graph.run is not None:
                raise StartedError(
                    "this graph was started already: use retry_all() to run again what failed, or make a "
                    "fresh DAG"
                )
            run = self._new_run(graph)
            graph.start(run)
        if self._update_callbacks:
            run.hear(None)
        for number in {*graph.callbacks, *graph.futures}:
            run.hear(number)
        if self._cancelled_early:
            run.cancel("cancelled before the graph started")
        run.launch()

    def _new_run(self, graph: Submitted) -> LiveRun:
        from ramify.run.contract import Policy
        from ramify.run.live import LiveRun

        policy = Policy(fail_fast=False, workers=None, deadline=self.deadline, salt=str(self.id))
        if self.retry_strategy is not None:
            policy.set_retries(self.retry_strategy)
        return LiveRun(
            workers=self._worker_count(),
            policy=policy,
            owner=_Owner(self, graph),
            recording=self._new_recording(),
        )

    def _worker_count(self) -> int:
        return self.max_workers or min(32, (os.cpu_count() or 1) + 4)

    def _stages_of(self, run: LiveRun) -> Stages:
        if self._stages is None:
            from ramify.dag.stages import Stages

            self._stages = Stages(self._graph(), run)
        return self._stages

    def _place(self, run: LiveRun, number: int, options: NodeOptions | None) -> None:
        """What the options of a node mean to its run."""
        on = (options.on if options is not None else None) or (
            "processes" if self.use_processes else "threads"
        )
        if on != "threads":
            place = self._place_number(run, on)
            run.queue.places[number] = place
        if options is None:
            return
        if options.timeout is not None:
            run.policy.node_timeouts[number] = float(options.timeout)
        if options.retry is not None:
            run.policy.set_retries(options.retry, number)
        if options.deadline is not None:
            run.policy.node_deadlines[number] = float(options.deadline)

    def _apply_policy(self, run: LiveRun, number: int, policy: JobPolicy) -> None:
        """What the policy of a keyed job means to the run."""
        if self.use_processes:
            self._place(run, number, None)
        if policy.retries:
            run.policy.set_retries(policy.retries, number)
        if policy.timeout is not None:
            run.policy.node_timeouts[number] = policy.timeout

    def _place_number(self, run: LiveRun, on: Any) -> int:
        from ramify.executors.calls import CallExecutor, FutureCallExecutor

        if on == "processes":
            make = partial(_make_pool, CallExecutor, run, self._worker_count())
            return run.place("processes", make)
        return run.place(id(on), lambda: FutureCallExecutor(on, run.call_of, run.made))

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the graph is at rest and its callbacks have been called.

        Then raises the first failure's own exception; a graph that was cancelled is no failure. Raises
        `RunTimeout` (a `TimeoutError`) after `timeout` seconds, and `NotStartedError` (a `RuntimeError`)
        before `compute()`. Ctrl-C stops everything.
        """
        if timeout is not None and (not isinstance(timeout, int | float) or isinstance(timeout, bool)):
            raise TypeError(f"timeout is {timeout!r} of type {type(timeout).__name__}: use seconds")
        run = self._running()
        if not run.wait(timeout):
            raise RunTimeout(f"the graph is not done after {timeout:g} s")
        if run.broken is not None:
            raise run.broken
        if run.driver.overdue:
            raise RunTimeout(str(run.driver.cancel_reason))
        first = run.driver.first_failure
        if first is None or run.engine.state[first] != FAILED:
            first = run.engine.state.find(FAILED)
        if first >= 0:
            run.value(first)

    def done(self) -> bool:
        """Whether the graph was started and is at rest."""
        run = self._run
        return run is not None and run.is_over

    def cancel(self, force: bool = False) -> None:
        """Starts nothing more; what runs goes on to its end. With `force` it is stopped, where that can be.

        Before `compute()` it marks the graph, which then ends at once.
        """
        graph = self._graph()
        with graph.lock:
            if graph.run is None:
                self._cancelled_early = True
                return
        graph.run.cancel("the graph was cancelled", force)

    def retry_all(self) -> None:
        """Runs again every node that failed or was cancelled, and what came of them."""
        graph = self._graph()
        if graph.run is None:
            self._cancelled_early = False
            graph.given_up.clear()
            return
        graph.run.given_up.clear()
        graph.run.retry([n for n, state in enumerate(graph.run.engine.state) if BAD[state]])

    def _try_again_as_a_whole(self) -> bool:
        """Whether `workflow_retry_strategy` has what failed run again now."""
        run, strategy = self._run, self.workflow_retry_strategy
        if run is None or strategy is None or run.driver.cancel_reason is not None:
            return False
        outcomes = run.driver.outcomes
        failed = [n for n, state in enumerate(run.engine.state) if state == FAILED and n in outcomes]
        if not failed:
            return False
        self._whole_attempts += 1
        pause = strategy.again(self._whole_attempts, outcomes[failed[0]], str(self.id))
        if pause is None or (pause > 0 and run.given_up.wait(pause)):
            return False
        self.retry_all()
        return True

    @property
    def _run(self) -> LiveRun | None:
        return None if self._submitted is None else self._submitted.run

    def _running(self) -> LiveRun:
        run = self._run
        if run is None:
            raise NotStartedError("this graph was never started: call compute() first")
        return run

    # ---- callbacks

    def add_update_callback(self, func: Callback) -> None:
        """Has `func(dag)` called whenever a node starts and whenever one is done, in a thread of its own."""
        _check_callback(func)
        self._update_callbacks.append(func)
        run = self._run
        if run is not None:
            run.hear(None)

    def add_done_callback(self, func: Callback) -> None:
        """Has `func(dag)` called once when the graph is at rest, again after a retry; at once where it is."""
        _check_callback(func)
        self._done_callbacks.append(func)
        if self.done():
            from ramify.run.callbacks import guarded

            guarded(partial(func, self))

    # ---- looking

    @property
    def status(self) -> Status:
        """How the latest run is: `FAILED` as soon as a node failed, although others still run."""
        run = self._run
        if run is None:
            return Status.CANCELLED if self._cancelled_early else Status.NOT_STARTED
        state = run.engine.state
        if run.broken is not None or FAILED in state or run.driver.overdue:
            return Status.FAILED
        if not run.is_quiet:
            return Status.RUNNING
        return Status.CANCELLED if CANCELLED in state or self._cancelled_early else Status.COMPLETED

    @property
    def nodes(self) -> Mapping[UUID, Node[Any]]:
        """All nodes by id: a live view, read-only."""
        from ramify.dag.views import NodesById

        return NodesById(self._graph())

    @property
    def nodes_by_name(self) -> Mapping[str, Node[Any]]:
        """All nodes by name: a live view, read-only."""
        from ramify.dag.views import NodesByName

        return NodesByName(self._graph())

    def _with_status(self, *wanted: Status) -> dict[UUID, Node[Any]]:
        graph = self._graph()
        return {graph.id_of(n): graph.handle(n) for n in graph.visible() if graph.status_of(n) in wanted}

    @property
    def running_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes of which an attempt is under way, by id."""
        return self._with_status(Status.RUNNING)

    @property
    def completed_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that have a value, by id."""
        return self._with_status(Status.COMPLETED)

    @property
    def failed_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that failed themselves, by id."""
        return self._with_status(Status.FAILED)

    @property
    def cancelled_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that were given up, by id."""
        return self._with_status(Status.CANCELLED)

    @property
    def not_started_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that did not start: those that wait, and those of which a parent failed; by id."""
        return self._with_status(Status.NOT_STARTED, Status.PARENT_FAILED)

    @property
    def parent_failed_nodes(self) -> dict[UUID, Node[Any]]:
        """Nodes that cannot run because a parent has no value, by id."""
        return self._with_status(Status.PARENT_FAILED)

    def stats(self) -> dict[str, int | float]:
        """How many nodes there are, and how many in each status; those with a failed parent did not start.

        >>> from ramify import DAG
        >>> dag = DAG(); dag.stats()["percent_complete"], dag.stats()["total_count"]
        (0.0, 0)
        """
        graph = self._graph()
        counts = self._counts(graph)
        total = len(graph.nodes) - len(graph.hidden)
        completed = counts.get(Status.COMPLETED, 0)
        return {
            "percent_complete": 100.0 * completed / total if total else 0.0,
            "running": counts.get(Status.RUNNING, 0),
            "failed": counts.get(Status.FAILED, 0),
            "completed": completed,
            "cancelled": counts.get(Status.CANCELLED, 0),
            "not_started": counts.get(Status.NOT_STARTED, 0) + counts.get(Status.PARENT_FAILED, 0),
            "total_count": total,
        }

    def _counts(self, graph: Submitted) -> dict[Status, int]:
        counts: dict[Status, int] = {}
        if graph.run is not None and not graph.hidden:
            state = graph.run.engine.state
            for number, status in enumerate(STATUS_OF):
                counts[status] = counts.get(status, 0) + state.count(number)
            return counts
        for number in graph.visible():
            status = graph.status_of(number)
            counts[status] = counts.get(status, 0) + 1
        return counts

    def end_nodes(self) -> list[Node[Any]]:
        """The nodes that no other node waits for."""
        graph = self._graph()
        used = {parent for n in graph.visible() for parent in graph.parent_numbers(n)}
        return [graph.handle(n) for n in graph.visible() if n not in used]

    find_end_nodes = end_nodes

    def end_results(self) -> dict[UUID, Any]:
        """The values of the end nodes by id; waits, and raises the first failure among them."""
        self._running()
        return {node.id: node.result() for node in self.end_nodes()}

    def end_results_by_name(self) -> dict[str, Any]:
        """The values of the end nodes by name; waits, and raises the first failure among them."""
        self._running()
        return {node.name: node.result() for node in self.end_nodes()}

    def node_details(self) -> dict[str, dict[str, str]]:
        """Name and status of every node, by the text of its id."""
        graph = self._graph()
        return {
            str(graph.id_of(n)): {"name": graph.name_of(n), "status": str(graph.status_of(n))}
            for n in graph.visible()
        }

    get_tiledb_plot_node_details = node_details

    def visualize(self, notebook: bool = True, auto_update: bool = True, force_plotly: bool = False) -> Any:
        """A picture of the graph; it is kept as `visualization` too.

        In a notebook it is a live widget where `ramify[notebook]` is installed, else a picture that a
        notebook shows (`save("graph.svg")` and `save("graph.html")` write it anywhere). `force_plotly` gives
        a Plotly figure (`ramify[plotly]`). With `auto_update` it changes while the graph runs.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> _ = dag.submit(abs, dag.submit(int, "-5"))
        >>> dag.visualize(notebook=False)
        <Picture of 2 nodes: 2 Not Started>
        """
        self.visualization = by_name("pictures", "visualize")(self, notebook, auto_update, force_plotly)
        return self.visualization

    def _repr_html_(self) -> str:
        from ramify.show.html import fragment

        return str(fragment(by_name("pictures", "shapes_of")(self)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        run = self._run
        if run is None:
            return
        if kind is not None:
            self.cancel(force=True)
        else:
            self.wait()


class _WithOptions:
    """A graph, and what is to be said of the nodes that are submitted through it."""

    def __init__(self, dag: Live, options: NodeOptions | None) -> None:
        self._dag = dag
        self._options = options

    def submit(self, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> Node[T]:
        """As `DAG.submit`; every keyword that the function takes is passed on."""
        return self._dag._submit(func, args, kwargs, self._options, "submit")

    submit_udf = submit

    def submit_local(self, func: Callable[..., T], /, *args: Any, **kwargs: Any) -> Node[T]:
        """As `DAG.submit_local`."""
        node = self._dag._submit(func, args, kwargs, self._options, "submit_local", on="threads")
        return self._dag._made_local(node)

    def submit_udf_stage(
        self,
        func: Callable[..., Any],
        /,
        *args: Any,
        expand_node_output: Node[Any] | None = None,
        **kwargs: Any,
    ) -> Node[list[Any]]:
        """As `DAG.submit_udf_stage`."""
        return self._dag._submit(
            func, args, kwargs, self._options, "submit_udf_stage", expand=expand_node_output
        )


class _Owner:
    """What the run asks and tells: the graph, and the callbacks of the DAG."""

    def __init__(self, dag: Live, graph: Submitted) -> None:
        self.handle = graph.handle
        self.completed = graph.completed
        self.is_held = graph.is_held
        self.forgot = graph.forgot
        self._dag = dag
        self._graph = graph

    def started(self, node: int) -> Callable[[], None]:
        """A node started: what is to be called."""
        return self._update

    def ended(self, node: int) -> Callable[[], None]:
        """A node came to rest: what is to be called."""
        tell = self._graph.ended(node)

        def act() -> None:
            tell()
            self._update()

        return act

    def rest(self) -> None:
        """The run is at rest; what failed is tried again, if the graph has a strategy for it as a whole."""
        if not self._dag._try_again_as_a_whole():
            self._call(self._dag._done_callbacks)

    def retried(self, nodes: list[int]) -> list[int]:
        """What is to be retried with these."""
        stages = self._dag._stages
        return nodes if stages is None else stages.to_retry(nodes)

    def _update(self) -> None:
        self._call(self._dag._update_callbacks)

    def _call(self, functions: list[Callback]) -> None:
        from ramify.run.callbacks import guarded

        for function in list(functions):
            guarded(partial(function, self._dag))


def _make_pool(kind: Any, run: LiveRun, workers: int) -> Any:
    """A pool of processes, whose logs are those of the recording, if there is one."""
    folder = None if run.recording is None else run.recording.folder_of_logs()
    above, name = (run.scratch(), "calls") if folder is None else os.path.split(folder)
    return kind(run.call_of, run.made, above, name, workers)


def _check_callback(func: Any) -> None:
    if not callable(func):
        raise TypeError(f"{func!r} cannot be called: give a function of the DAG")
