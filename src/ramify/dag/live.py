"""A graph that runs beside its owner: nodes are submitted, and are futures of their values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from ramify.core.table import FAILED
from ramify.dag.data_nodes import DataNodes
from ramify.dag.execution import by_name
from ramify.dag.expanding import Expanding
from ramify.dag.looking import Looking
from ramify.dag.node import Node
from ramify.dag.owner import GraphOwner
from ramify.dag.recorded import Recorded
from ramify.dag.status import Mode
from ramify.errors import ModeError, RunTimeout, StartedError

if TYPE_CHECKING:
    from uuid import UUID

    from ramify.dag.options import NodeOptions
    from ramify.dag.stages import Stages
    from ramify.dag.submitted import Submitted
    from ramify.plan.policy import Policy as JobPolicy
    from ramify.run.live import LiveRun

T = TypeVar("T")
Callback = Callable[[Any], object]


class Live(DataNodes, Expanding, Recorded, Looking):
    """What a DAG can do with nodes that are submitted to it."""

    max_workers: int | None
    name: str | None
    _submitted: Submitted | None
    _latest: str | None
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

        _extender: Any

        def _start_rules(self, graph: Submitted, run: LiveRun, **options: Any) -> None: ...

    _cancelled_early: bool
    _whole_attempts: int
    visualization: Any
    """The last picture that `visualize` made, or None."""

    def _init_live(self, done: Callback | None, update: Callback | None) -> None:
        self._submitted = None
        self._stages = None
        self._latest = None
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
        executor; `executor=` is the same), `local_mode` (and `mode=Mode.LOCAL`: as `submit_local`), `retry`,
        `timeout` (seconds), `deadline`, `resources`, `tags`, `download_results`. Where the function has a
        parameter of such a name, say `dag.options(timeout=5).submit(f, timeout=1)`.

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
        """As `submit`, in a thread of this process; the node has no `task_id`.

        In a graph of `Mode.BATCH`, and in `evaluate`, it runs where the other nodes do.
        """
        return self._made_local(self._submit(func, args, kwargs, None, "submit_local", on="threads"))

    def add_node(self, func_exec: Any, /, *args: Any, name: str | None = None, **kwargs: Any) -> Node[Any]:
        """The older name of `submit_local`; a `Node` is adopted, as by `add_node_obj`."""
        if isinstance(func_exec, Node):
            return self.add_node_obj(func_exec)
        kwargs.pop("local_mode", None)  # it is local whatever this says
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

    def _submit_call(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], verb: str
    ) -> Node[Any]:
        return self._submit(func, args, kwargs, None, verb)

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
        options, local = given, False
        if kwargs or on or given is not None:
            from ramify.dag.options import check_mode, merged, split

            kwargs, options = split(func, kwargs, given, verb)
            if options is not None:
                check_mode(options.mode, self.mode)
                local = options.is_local
                on = "threads" if local else on
            if on is not None and (options is None or options.on is None):
                options = merged(options, {"on": on})
        graph = self._graph()
        if expand is None:
            node = graph.add(func, args, kwargs, options)
        else:
            node = graph.add_stage(func, args, kwargs, options, expand)
        return self._made_local(node) if local else node

    def _graph(self) -> Submitted:
        graph = self._submitted
        if graph is None:
            from ramify.dag.submitted import Submitted

            graph = self._submitted = Submitted(self, self._drafts)  # type: ignore[arg-type]  # only a DAG is one
        if self._latest is not None:
            folder, self._latest = self._latest, None
            graph.keyed_only = not graph.nodes
            graph.run = by_name("remote", "run_of")(graph, GraphOwner(self, graph), folder)
        return graph

    def _evaluated(self, folder: str) -> None:
        """`evaluate` has run the graph; its journal tells how, when somebody asks."""
        graph = self._submitted
        if not os.path.exists(os.path.join(folder, "journal.jsonl")):  # it did not come as far as that
            return
        if graph is not None and (graph.keyed_only or not graph.nodes):
            self._submitted = None
        self._latest = folder

    # ---- running

    def compute(
        self,
        *,
        max_workers: int | None = None,
        on_failure: str = "continue",
        keep: str = "results",
        memory_limit: int | None = None,
        strict: bool = False,
        approve: Callable[[Any], Any] | None = None,
        max_growths: int | None = None,
    ) -> None:
        """Starts the graph, and returns at once; `wait` and the nodes' `result` wait.

        The values are kept in memory and the driver is in this process. Nodes run in `max_workers` threads,
        `min(32, cores + 4)` if not given, or processes. A failure stops only what depends on it;
        `on_failure="fail_fast"` stops everything. A value over 1 MB goes when the last node that uses it has
        ended and nobody holds its own node; `keep="all"` keeps them all. Beyond `memory_limit` bytes values
        are put away in a temporary folder. Rules that never fire are named in a warning; with `strict` they
        are failures. `approve` is asked before each growth by a rule and each first start of a node (see
        `Proposal`); after `max_growths` growths rules wait for `step`. In a graph of `Mode.BATCH` the values
        are outputs on disk.

        Raises `CycleError` before anything runs, `ModeError` for options that cannot be, and `StartedError`
        for a second start.
        """
        if on_failure not in ("continue", "fail_fast"):
            raise ModeError(f"on_failure={on_failure!r}: use 'continue' or 'fail_fast'", name="on_failure")
        if self._submitted is not None and self._submitted.keyed_only and self.done():
            self._submitted = self._recording = None
        graph = self._graph()
        with graph.lock:
            if graph.run is not None:
                raise StartedError(
                    "this graph was started already: use retry_all() to run again what failed, or make a "
                    "fresh DAG"
                )
            if self.mode is Mode.BATCH:
                options = {"max_workers": max_workers or self.max_workers, "on_failure": on_failure}
                graph.run = by_name("remote", "start_batch")(self, graph, GraphOwner(self, graph), options)
            else:
                how = {"keep": keep, "memory_limit": memory_limit}
                live = self._new_run(graph, max_workers, on_failure == "fail_fast", how)
                graph.start(live)
                self._start_rules(graph, live, strict=strict, approve=approve, max_growths=max_growths)
            run = self._running()
        if self._update_callbacks:
            run.hear(None)
        for number in {*graph.callbacks, *graph.futures}:
            run.hear(number)
        if self._cancelled_early:
            run.cancel("cancelled before the graph started")
        run.launch()

    def _new_run(
        self, graph: Submitted, max_workers: int | None, fail_fast: bool, how: dict[str, Any]
    ) -> LiveRun:
        from ramify.run.contract import Policy
        from ramify.run.live import LiveRun

        policy = Policy(fail_fast=fail_fast, workers=None, deadline=self.deadline, salt=str(self.id))
        if self.retry_strategy is not None:
            policy.set_retries(self.retry_strategy)
        workers = max_workers or self._worker_count()
        owner = GraphOwner(self, graph)
        recording = self._new_recording()
        return LiveRun(workers=workers, policy=policy, owner=owner, recording=recording, **how)

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
        if options.download_results is False and on == "processes":
            run.staying.add(number)
        if options.timeout is not None:
            run.policy.node_timeouts[number] = float(options.timeout)
        if options.retry is not None:
            run.policy.set_retries(options.retry, number)
        amounts = options.amounts()
        if amounts:
            run.demand(number, amounts, cap=options.resources is None)
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
        if policy.deadline is not None:
            run.policy.node_deadlines[number] = policy.deadline
        if policy.resources:
            run.demand(number, policy.resources)

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
        graph.run.retry_all()

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
        if self._submitted is None and self._latest is None:
            return None
        return self._graph().run

    @property
    def run_name(self) -> str | None:
        """The name of the latest run, by which `ramify status` and `ramify.connect` know it.

        None where nothing was written down of it, or not yet: a short graph of this process is at its end.
        """
        run: Any = self._run
        recording = getattr(run, "recording", None)
        found: str | None = getattr(run, "name", None) if recording is None else recording.name
        return found

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

    # ---- pictures, and leaving

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

    def frames(self, count: int | None = None, at: Iterable[float | str] | None = None) -> Any:
        """How the graph grew and what became of its nodes: a film of its latest run, until now.

        It has at most `count` frames (60 if not said), or those of the moments in `at`: seconds since the
        beginning, or shares such as "50%". A notebook plays it; `save` writes it as a page that plays it
        (`growth.html`), as a GIF (`growth.gif`, `ramify[gif]`), or into a folder of SVG files (`growth`).

        Raises `UnknownRunError` where no run was recorded, `ArgumentError` for what is no moment.

        >>> from ramify import DAG
        >>> dag = DAG(record=True)
        >>> _ = dag.map(abs, dag.submit(list, (-1, -2)), name="each")
        >>> dag.compute(); dag.wait()
        >>> dag.frames()[-1].states.count(dag.frames()[-1].states[0])
        4
        """
        return by_name("pictures", "film")(self, count, at)

    def _repr_html_(self) -> str:
        from ramify.show.html import fragment

        return str(fragment(by_name("pictures", "shapes_of")(self)))

    def __getstate__(self) -> dict[str, Any]:
        """A draft pickles with its nodes as jobs, one that has another driver as the folder of its run.

        Raises `TypeError` for a graph that runs in this process.
        """
        graph = self._submitted
        run = None if graph is None else graph.run
        state = dict(vars(self))
        if run is not None and not hasattr(run, "handle"):
            raise TypeError(
                "a graph that runs in this process cannot be pickled: pass the values of its nodes"
            )
        if run is not None:
            state["_latest"] = run.handle.folder
        elif graph is not None and graph.nodes:
            recipe = by_name("recipe", "recipe_of")(self)
            state |= {"_nodes": recipe._nodes, "_keys": recipe._keys}
        return {**state, **_UNPICKLED, "_update_callbacks": [], "_done_callbacks": []}

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


_UNPICKLED = {"_submitted": None, "_stages": None, "visualization": None}


class _WithOptions(DataNodes):
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

    def _submit_call(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], verb: str
    ) -> Node[Any]:
        return self._dag._submit(func, args, kwargs, self._options, verb)


def _make_pool(kind: Any, run: LiveRun, workers: int) -> Any:
    """A pool of processes, whose logs are those of the recording, if there is one."""
    folder = None if run.recording is None else run.recording.folder_of_logs()
    above, name = (run.scratch(), "calls") if folder is None else os.path.split(folder)
    return kind(run.call_of, run.made, above, name, workers)


def _check_callback(func: Any) -> None:
    if not callable(func):
        raise TypeError(f"{func!r} cannot be called: give a function of the DAG")
