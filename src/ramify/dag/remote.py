"""A graph whose run has another driver, a detached one or that of `evaluate`: its journal is followed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from ramify.core.graph import GATHER, KIND
from ramify.core.table import (
    BAD,
    BLOCKED,
    CANCELLED,
    FAILED,
    GOOD,
    IDLE,
    REST,
    RUNNING,
    SUCCEEDED,
)
from ramify.errors import InfrastructureError, ModeError, ParentFailed, StartedError
from ramify.plan.folder import read_plan
from ramify.run.callbacks import Act, CallbackThread
from ramify.run.ends import told_before
from ramify.run.handle import RunHandle, connect

if TYPE_CHECKING:
    from ramify.dag.draft import DAG
    from ramify.dag.submitted import Submitted

Result = TypeVar("Result")

_LOOK: Final = 0.01
"""Seconds between two looks at the journal for what was just asked for."""

_STATE: Final = {
    "NOT_STARTED": IDLE,
    "RUNNING": RUNNING,
    "COMPLETED": SUCCEEDED,
    "FAILED": FAILED,
    "PARENT_FAILED": BLOCKED,
    "CANCELLED": CANCELLED,
}


class RemoteRun:
    """What a live graph asks of its run, answered by the journal of one that is driven elsewhere.

    A thread follows the journal while the run goes on, and calls back.
    """

    def __init__(self, graph: Submitted, owner: Any, folder: str) -> None:
        self.graph = graph
        self.owner = owner
        self.handle: RunHandle = connect(folder)
        self.callbacks = CallbackThread()
        self.attempt_errors: dict[int, list[BaseException]] = {}
        self.broken: BaseException | None = None
        self.large = SimpleNamespace(entries={})
        self.driver = SimpleNamespace(first_failure=None, overdue=False, cancel_reason=None, outcomes={})
        self.given_up = threading.Event()
        self._errors: dict[int, BaseException] = {}
        self._heard: set[int] = set()
        self._hears_all = False
        self._change = threading.Condition()
        self._quiet = self._rest = False
        self._number = {key: n for n, key in enumerate(graph.keys)}
        self.engine = self._mirror()

    def _mirror(self) -> Any:
        """The graph of the run with the numbers of its nodes here; those that only the run has come last."""
        view = self.handle.view()
        for key in read_plan(view.plan).job_ids(hidden=False):
            if key not in self._number:
                self._number[key] = len(self.graph.keys)
                self.graph.keys.append(key)
                self.graph.nodes.append(None)
                self.graph.names[key] = self._number[key]
        engine = view.engine
        parents = [self._parents(engine, key) for key in self.graph.keys]
        children: list[list[int]] = [[] for _ in parents]
        for number, row in enumerate(parents):
            for parent in row:
                children[parent].append(number)
        return SimpleNamespace(
            keys=self.graph.keys, parents=parents, children=children, state=bytearray(len(parents))
        )

    def _parents(self, engine: Any, key: str) -> tuple[int, ...]:
        """Through the nodes that stand for groups."""
        found: dict[int, None] = {}
        walk = list(engine.parents[engine.number[key]])
        for node in walk:
            if engine.flags[node] & KIND == GATHER:
                walk.extend(engine.parents[node])
            elif engine.keys[node] in self._number:
                found[self._number[engine.keys[node]]] = None
        return tuple(found)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.handle.name

    # ---- following

    def launch(self) -> None:
        """Follows the run from now on."""
        self._quiet = self._rest = False
        self.driver.overdue = False
        threading.Thread(target=self._follow, name="ramify-follow", daemon=True).start()

    def catch_up(self) -> None:
        """Takes over how a run that is over has ended; nobody is called back."""
        self._changed(list(self.handle.nodes().items()))
        self._look_at_time()
        self._quiet = self._rest = True

    def _follow(self) -> None:
        try:
            self.handle.follow(self._changed)
            if self.handle.status == "LOST":
                raise InfrastructureError(
                    f"the driver of the run {self.handle.name} died: `ramify resume {self.handle.name}` goes "
                    "on with it"
                )
            self._look_at_time()
            self._keep_outcomes()
        except Exception as error:
            self.broken = error
        with self._change:
            self._quiet = True
            self._change.notify_all()
        self.callbacks.put(self.owner.rest)
        self.callbacks.flush()
        with self._change:
            self._rest = self._quiet
            self._change.notify_all()

    def _look_at_time(self) -> None:
        """A run that failed without a failed node was too late."""
        if self.handle.status == "FAILED" and FAILED not in self.engine.state:
            reasons = self.handle.view().engine.reasons
            why = next((text for text in reasons.values() if isinstance(text, str)), "the run was too late")
            self.driver.overdue, self.driver.cancel_reason = True, why

    def _keep_outcomes(self) -> None:
        """How nodes failed, for whoever decides whether the graph is tried again as a whole."""
        self.driver.outcomes = {}
        if self.handle.status == "FAILED":
            view = self.handle.view()
            for number, state in enumerate(self.engine.state):
                if state == FAILED:
                    self.driver.outcomes[number] = told_before(view.job(self.graph.keys[number]).failure)

    def _changed(self, changes: Iterable[tuple[str, str]]) -> None:
        with self._change:
            for key, status in changes:
                number = self._number.get(key)
                if number is not None:
                    before, self.engine.state[number] = self.engine.state[number], _STATE[status]
                    self._tell(number, before)
            self._change.notify_all()

    def _tell(self, number: int, before: int) -> None:
        now = self.engine.state[number]
        if self._hears_all and now != IDLE and before == IDLE:
            self.callbacks.put(self.owner.started(number))
        if REST[now] and not REST[before] and (self._hears_all or number in self._heard):
            self.callbacks.put(self.owner.ended(number))

    def hear(self, number: int | None) -> None:
        """Has the ends of a node told; of all nodes, and their starts too, where None."""
        self.hear_now(number)

    def hear_now(self, number: int | None) -> None:
        """As `hear`."""
        if number is None:
            self._hears_all = True
        else:
            self._heard.add(number)

    hear_later = hear_now

    def ask(self, act: Callable[[], Result]) -> Result:
        """Does it between two changes."""
        with self._change:
            return act()

    # ---- waiting

    @property
    def is_quiet(self) -> bool:
        """Whether the run is over."""
        return self._quiet

    @property
    def is_over(self) -> bool:
        """Whether the run is over, callbacks included."""
        return self._rest

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the run is over; whether it is. Ctrl-C ends the wait, not the run."""
        mine = self.callbacks.is_here()
        with self._change:
            return self._change.wait_for(lambda: self._quiet if mine else self._rest, timeout)

    def wait_for(self, number: int, timeout: float | None = None) -> bool:
        """Waits until a node is at rest; whether it is."""
        with self._change:
            return self._change.wait_for(lambda: REST[self.engine.state[number]] or self._quiet, timeout)

    # ---- what came of it

    def error(self, number: int) -> BaseException | None:
        """Why a node has no value."""
        if not BAD[self.engine.state[number]]:
            return None
        known = self._errors.get(number)
        if known is None:
            found = self.handle.exception(self.graph.keys[number])
            if isinstance(found, ParentFailed):
                found = self._with_node(found)
            assert found is not None, "what has no value says why"
            known = self._errors[number] = found
        return known

    def _with_node(self, error: ParentFailed) -> ParentFailed:
        first = self._number.get(getattr(error, "cause_id", None) or "")
        if first is not None:
            cause = self.error(first)
            error = error.with_facts(cause=cause, node=self.graph.handle(first))
            error.__cause__ = cause
        return error

    def value(self, number: int) -> Any:
        """The output of a node, read from where the run keeps it."""
        error = self.error(number)
        if error is not None:
            raise error
        return self.handle.result(self.graph.keys[number])

    def peek(self, number: int) -> Any:
        """The output of a good node."""
        return self.value(number) if GOOD[self.engine.state[number]] else None

    def described(self, number: int) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """A node that only the plan of the run knows."""
        return _elsewhere, (), {}

    # ---- asking for something

    def cancel(self, why: str = "cancelled", force: bool = False) -> None:
        """Starts nothing more; with `force`, stops what runs."""
        if self.handle.cancel(force):
            self.driver.cancel_reason = why

    def cancel_node(self, number: int, why: str, force: bool = False) -> bool:
        """Gives one node up."""
        key = self.graph.keys[number]
        if REST[self.engine.state[number]]:
            return False
        return self.handle.cancel(force, [key]) and self.handle.state_of(key) == "CANCELLED"

    def retry(self, numbers: Sequence[int]) -> bool:
        """Tries nodes again, with a new driver if need be."""
        bad = [n for n in numbers if BAD[self.engine.state[n]]]
        if not bad:
            return False
        was_over, self.driver.cancel_reason = self._quiet, None
        keys = [self.graph.keys[n] for n in bad]
        before = self._attempts(keys)
        if not self.handle.retry(keys):
            return False
        while self._attempts(keys) == before:  # its journal, not the driver's word, is what is followed
            self.given_up.wait(_LOOK)
        for number, state in enumerate(self.engine.state):
            if BAD[state]:
                self.engine.state[number] = IDLE
                self._errors.pop(number, None)
                self.owner.forgot(number)
        self.broken = None
        if was_over:
            self.launch()
        return True

    def retry_all(self) -> bool:
        """Retries all that ended badly; a run whose driver died goes on with a new one."""
        if self.broken is None:
            return self.retry([n for n, state in enumerate(self.engine.state) if BAD[state]])
        if not self.handle.retry():
            return False
        self.broken = self.driver.cancel_reason = None
        for number, state in enumerate(self.engine.state):
            if not GOOD[state]:
                self.engine.state[number] = IDLE
        self.launch()
        return True

    def _attempts(self, keys: Sequence[str]) -> list[tuple[bool, int]]:
        engine = self.handle.view().engine
        numbers = [engine.number[key] for key in keys]
        return [(bool(BAD[engine.state[n]]), engine.attempts[n]) for n in numbers]

    def grow(self, nodes: Sequence[Act]) -> NoReturn:
        """A plan cannot grow."""
        raise StartedError("a graph that was handed to another driver takes no more nodes: make a fresh DAG")


def run_of(graph: Submitted, owner: Any, folder: str) -> RemoteRun:
    """A run that is over."""
    run = RemoteRun(graph, owner, folder)
    run.catch_up()
    return run


def start_batch(dag: DAG, graph: Submitted, owner: Any, options: dict[str, Any]) -> RemoteRun:
    """Hands a graph to a detached driver, which outlives this process."""
    from ramify.dag.compile import compile_draft
    from ramify.plan.folder import write_plan
    from ramify.run.detached import launch
    from ramify.run.names import new_name
    from ramify.settings import project_home

    runs = os.path.join(project_home(), "@runs")
    name = new_name(os.listdir(runs) if os.path.isdir(runs) else ())
    plan_path = os.path.join(runs, name, "plan")
    write_plan(plan_path, compile_draft(dag, plan_path))
    options = {
        **options,
        "max_workers": options["max_workers"] or os.cpu_count() or 1,
        "retries": dag.retry_strategy,
        "execution_mode": "process" if dag.use_processes else "subprocess",
        "label": dag.name,
        "namespace": dag.namespace,
    }
    try:
        folder = launch(plan_path, options, name=name, deadline=dag.deadline)
    except ModeError as error:
        raise ModeError(f"the graph cannot be handed to a detached driver: {error}") from error
    return RemoteRun(graph, owner, folder)


def _elsewhere(*args: Any, **kwargs: Any) -> NoReturn:
    """Stands for the function of a job that only a plan knows."""
    raise StartedError("this job is run by another driver, from its plan")
