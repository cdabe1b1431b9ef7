"""The nodes of a live graph, by number: first as a draft, then as nodes of its run.

Numbers are those of the run's engine. A draft may have edges from later nodes to earlier ones (`depends_on`);
when it starts the nodes are put in an order, and get new numbers only where they have to.

A node that is not completed is kept here. Of a completed one only its number is: a handle that nobody holds
goes, its large value with it, and another one is made when somebody asks.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ramify.core.keys import encode_key
from ramify.core.table import FAILED, REST
from ramify.dag.execution import by_name
from ramify.dag.node import Node
from ramify.dag.order import cycle_error, parents_first
from ramify.dag.signature import function_name
from ramify.dag.status import STATUS_OF, Mode, Status
from ramify.dag.warned import warn_user
from ramify.errors import (
    GraphError,
    JobError,
    NotCallableError,
    NotStartedError,
    ParentFailed,
    RamifyKeyEncodingError,
    RunTimeout,
    StartedError,
    ValueReleased,
)
from ramify.values.substitution import ATOMS, find, parts, replace

if TYPE_CHECKING:
    from concurrent.futures import Future
    from uuid import UUID

    from ramify.dag.draft import DAG
    from ramify.dag.futures import NodeFuture
    from ramify.dag.keyed import Draft
    from ramify.dag.options import NodeOptions
    from ramify.dag.recipe import NodeJob
    from ramify.run.live import LiveRun


_LONGEST: Final = 150
"""Bytes of a long name that are kept in its key."""


class Submitted:
    """The nodes that were submitted to `dag`, in order, and their run once there is one."""

    def __init__(self, dag: DAG, drafts: tuple[type, ...]) -> None:
        self.dag = dag
        self.stands: tuple[type, ...] = (Node, *drafts)
        """What stands for a value that is not there yet."""
        self._run: LiveRun | None = None
        self.keyed_only = False
        """Whether the graph is a recipe, which may be run again."""
        self.keys: list[str] = []
        self.nodes: list[Node[Any] | weakref.ref[Node[Any]] | None] = []
        self.hidden: set[int] = set()
        """Nodes that belong to another one: the elements of a stage."""
        self.names: dict[str, int] = {}
        self.labels: dict[int, str] = {}
        self.given_up: dict[int, str] = {}
        self.jobs: dict[int, NodeJob] = {}
        """The jobs that stand for nodes in a plan."""
        self.tags: dict[int, tuple[str, ...]] = {}
        self.may_add: dict[int, tuple[str, ...]] = {}
        self.callbacks: dict[int, list[Callable[[Node[Any]], object]]] = {}
        self.futures: dict[int, NodeFuture] = {}
        self.lock = threading.RLock()
        from ramify.run.memory import Ref

        self._ref = Ref
        self._counts: dict[str, int] = {}
        self._taken: set[str] = set()
        self._numbers: dict[UUID, int] = {}

    @property
    def run(self) -> LiveRun | None:
        """The run, once there is one; of a graph that `evaluate` has run it is made when it is asked for."""
        if self._run is None and self.dag._latest is not None:
            self.dag._graph()
        return self._run

    @run.setter
    def run(self, run: LiveRun) -> None:
        self._run = run

    # ---- adding

    def add(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: NodeOptions | None,
    ) -> Node[Any]:
        """Makes a node and adds it."""
        if not callable(func):
            raise NotCallableError(
                f"{func!r:.80} of type {type(func).__name__} cannot be called: pass a function"
            )
        node: Node[Any] = Node.__new__(Node)
        node._begin(func, args, kwargs, options)
        node.mode = self.dag.mode
        self.adopt(node)
        return node

    def add_stage(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: NodeOptions | None,
        over: Node[Any],
    ) -> Node[Any]:
        """Makes a stage over `over` and adds it."""
        if over._owner is None:
            self.adopt(over)
        if over._owner is not self:
            raise GraphError(f"{over.name!r} is expanded, and is a node of another graph")
        node: Node[Any] = Node.__new__(Node)
        node._begin(func, args, kwargs, options)
        node.mode, node.expand_node_output = self.dag.mode, over
        self.adopt(node)
        return node

    def adopt(self, node: Node[Any]) -> None:
        """Takes in a node that is in no graph, and those among its arguments that are in none either.

        Raises `CycleError` for nodes that are arguments of each other.
        """
        if node._owner is not None:
            if node._owner is not self:
                raise GraphError(f"the node {node.name!r} is in another graph already")
            return
        with self.lock:
            self._check_open()
            waiting = [node]
            met: set[int] = {id(node)}
            while waiting:
                last = waiting[-1]
                strays = [] if last._owner is not None else self._strays(last)
                if not strays:
                    waiting.pop()
                    if last._owner is None:
                        self._adopt(last)
                    continue
                again = next((one for one in strays if id(one) in met and one in waiting), None)
                if again is not None:
                    raise cycle_error([again.name, last.name, again.name])
                met.update(map(id, strays))
                waiting += strays

    def _strays(self, node: Node[Any]) -> list[Node[Any]]:
        """The nodes among its arguments that are in no graph."""
        for value in (*node._args, *node._kwargs.values()) if node._kwargs else node._args:
            kind = type(value)
            if kind not in ATOMS and (kind is not Node or value._owner is None):
                break
        else:
            return []
        return [one for one in find((node._args, node._kwargs), Node) if one._owner is None]

    def _adopt(self, node: Node[Any]) -> None:
        if node.mode is Mode.BATCH and self.dag.mode is not Mode.BATCH:
            from ramify.dag.options import check_mode

            check_mode(node.mode, self.dag.mode)
        self._resolve(node)
        run = self.run
        if run is None:
            self._enter(node, len(self.nodes))
        else:
            run.grow([partial(self._enter_running, run, node)])

    def _check_open(self) -> None:
        if self.run is not None and self.run.is_over:
            raise StartedError(
                "the run of this graph is over, and nothing can be added to it: make a fresh DAG, where "
                "nodes of this one may be arguments"
            )

    def _enter(self, node: Node[Any], number: int) -> None:
        key = self._new_key(node)
        node._owner, node._number = self, number
        self.nodes.append(node)
        self.keys.append(key)
        if node.local:
            self.dag._locals.add(key)

    def _enter_running(self, run: LiveRun, node: Node[Any]) -> int:
        number = len(run.engine)
        self._enter(node, number)
        self.hand_over(run, node)
        return number

    def _new_key(self, node: Node[Any]) -> str:
        """A key and a name of its own: a second `score` is `score (1)`."""
        wanted = node._name or function_name(node.func)
        count = self._counts.get(wanted, 0)
        name = wanted if not count else f"{wanted} ({count})"
        while name in self.names or name in self.dag._nodes:
            count += 1
            name = f"{wanted} ({count})"
        self._counts[wanted] = count + 1
        if node._name is not None and name != wanted:
            warn_user(f"there is a node {wanted!r} already: this one is called {name!r}")
        key = self._encoded(name)
        if key != name:
            self.labels[len(self.nodes)] = name
        self._taken.add(key)
        self.names[name] = len(self.nodes)
        node._name = None
        return key

    def _encoded(self, name: str) -> str:
        key = quoted(name)
        while key in self._taken:
            key += "_"
        return key

    def _resolve(self, node: Node[Any]) -> None:
        """Replaces nodes among the arguments by what stands for their values, and notes the parents."""
        top: list[int] = []
        deep = False
        for value in (*node._args, *node._kwargs.values()) if node._kwargs else node._args:
            kind = type(value)
            if kind is Node:
                top.append(1)
            elif kind not in ATOMS and (isinstance(value, self.stands) or self._holds(value)):
                deep = True
        if not top and not deep:
            node._raw = False
            return
        parents: dict[int, None] = {}
        if not deep and not node._kwargs:
            node._args = tuple([self._put(parents, a) if type(a) is Node else a for a in node._args])
            node._parents = list(parents)
            node._raw = False
            return
        put = partial(self._put, parents)
        if deep:
            node._args, node._kwargs = replace((node._args, node._kwargs), self.stands, put)
            node._holds_drafts = bool(find((node._args, node._kwargs), self.stands))
        else:
            node._args = tuple(put(a) if type(a) is Node else a for a in node._args)
            node._kwargs = {k: put(a) if type(a) is Node else a for k, a in node._kwargs.items()}
        node._parents = list(parents)
        node._raw = False

    def _put(self, parents: dict[int, None], value: Any) -> Any:
        if type(value) is not Node:
            return value  # a job: it gets its number when the graph starts
        if value._owner is not self:
            return _finished(value)
        number = value._number
        parents[number] = None
        return self._ref(number)

    def _holds(self, value: Any) -> bool:
        return parts(value) is not None and bool(find(value, self.stands))

    def depend(self, child: Node[Any], parent: Node[Any]) -> None:
        """An edge without a value."""
        if parent._owner is None:
            self.adopt(parent)
        if parent._owner is not self:
            _finished(parent)
            return
        with self.lock:
            if self.run is not None:
                raise StartedError(
                    f"{child.name!r} cannot depend on {parent.name!r}: the graph has started. Say it before "
                    "compute(), or pass the node as an argument of a new one"
                )
            child._after.append(parent._number)

    def rename(self, node: Node[Any], name: str) -> None:
        """Another label; what the node is known by stays."""
        with self.lock:
            if self.run is not None:
                raise StartedError(f"{node.name!r} cannot be renamed: its graph has started")
            if self.names.get(name, node._number) != node._number:
                raise GraphError(f"there is a node {name!r} already: choose another name")
            self.names = {n: i for n, i in self.names.items() if i != node._number}
            self.names[name] = node._number
            self.labels[node._number] = name
            node._name = name

    # ---- the start

    def start(self, run: LiveRun) -> None:
        """Hands the draft over to the run. Raises `CycleError`; nothing was handed over then."""
        make_draft = by_name("keyed", "Draft")
        with self.lock:
            nodes = [self._draft(number) for number in range(len(self.nodes))]
            self.keyed_only = not nodes
            if not self.dag._nodes and not any(node._holds_drafts or node._after for node in nodes):
                self.run = run
                for node in nodes:
                    self.hand_over(run, node)
                self._give_up_early(run)
                return
            drafts: list[Draft] = [
                make_draft(self.keys[n], o.func, o._args, o._kwargs, o._parents, o._after, o)
                for n, o in enumerate(nodes)
            ]
            by_name("keyed", "Keyed")(self, drafts).add_all()
            needs = {n: [*draft.parents, *draft.after] for n, draft in enumerate(drafts)}
            order: Sequence[int] = range(len(drafts))
            if any(parent >= n for n, parents in needs.items() for parent in parents):
                order = parents_first(needs, lambda n: self.labels.get(n) or drafts[n].key)
            self._take_on(drafts, order)
            self.run = run
            for number, old in enumerate(order):
                self._hand_over(run, number, drafts[old])
            self._give_up_early(run)

    def _give_up_early(self, run: LiveRun) -> None:
        for number, why in self.given_up.items():
            run.cancel_node(number, why)

    def _draft(self, number: int) -> Node[Any]:
        node = self.nodes[number]
        assert isinstance(node, Node), "a draft is kept whole"
        return node

    def _take_on(self, drafts: list[Draft], order: Sequence[int]) -> None:
        """The numbers are those of the order from now on; keyed jobs have numbers and names too."""
        submitted = len(self.nodes)
        keyed = enumerate(drafts[submitted:], submitted)
        self.names.update((draft.key, n) for n, draft in keyed if not draft.hidden)
        if any(number != old for number, old in enumerate(order)):
            self._renumber(drafts, {old: number for number, old in enumerate(order)})
        self.nodes = [drafts[old].node for old in order]
        self.keys = [drafts[old].key for old in order]
        self.hidden = {number for number, old in enumerate(order) if drafts[old].hidden}
        self._taken.update(self.keys)
        self._numbers.clear()

    def _renumber(self, drafts: list[Draft], new: Mapping[int, int]) -> None:
        from ramify.run.memory import Ref

        for draft in drafts:
            if draft.parents:
                tree = (draft.args, draft.kwargs)
                draft.args, draft.kwargs = replace(tree, Ref, lambda ref: Ref(new[int(ref)]))
            draft.parents = [new[p] for p in draft.parents]
            draft.after = [new[p] for p in draft.after]
        self.names = {name: new[old] for name, old in self.names.items()}
        for table in (self.labels, self.given_up, self.callbacks, self.futures):
            renumbered = {new[old]: what for old, what in table.items()}
            table.clear()
            table.update(renumbered)  # type: ignore[arg-type]  # each table keeps its own values

    def _hand_over(self, run: LiveRun, number: int, draft: Draft) -> None:
        node = draft.node
        if node is not None:
            node._number, node._args, node._kwargs = number, draft.args, draft.kwargs
            node._parents, node._after = draft.parents, list(draft.after)
            self.hand_over(run, node)
            return
        top = {int(a) for a in draft.kwargs.values() if isinstance(a, int) and type(a) is not int}
        nested = [parent for parent in draft.parents if parent not in top]
        grows = draft.policy.may_add is not None
        run.add(draft.key, draft.func, (), draft.kwargs, draft.after, nested=nested, grows=grows)
        self.dag._apply_policy(run, number, draft.policy)
        self._note(number, draft.policy.tags, draft.policy.may_add)

    def take_grown(self, run: LiveRun, draft: Draft) -> None:
        """Adds a node that came while the graph runs; by whoever drives."""
        number, name, node = len(run.engine), draft.key, draft.node
        if node is not None:
            node._owner = self
            if node._name is not None:
                name = self.labels[number] = node._name
                node._name = None
        self.nodes.append(node)
        self.keys.append(draft.key)
        self._taken.add(draft.key)
        if draft.hidden:
            self.hidden.add(number)
        else:
            self.names.setdefault(name, number)
        self._hand_over(run, number, draft)

    def hand_over(self, run: LiveRun, node: Node[Any]) -> None:
        """Adds a node to the run, under the number that it has."""
        if node.expand_node_output is not None:
            self.dag._stages_of(run).add(node)
            return
        nested: list[int] = []
        if node._parents:
            from ramify.run.memory import Ref

            top = {int(a) for a in (*node._args, *node._kwargs.values()) if type(a) is Ref}
            nested = [parent for parent in node._parents if parent not in top]
        number = run.add(
            *(self.keys[node._number], node.func, node._args, node._kwargs, node._after),
            nested=nested,
            grows=node._options is not None and node._options.may_add is not None,
        )
        assert number == node._number, "nodes are handed over in the order of their numbers"
        if node._options is not None or self.dag.use_processes:
            self.dag._place(run, number, node._options)
        if node._options is not None:
            self._note(number, node._options.tags, node._options.may_add)

    def _note(self, number: int, tags: tuple[str, ...], may_add: tuple[str, ...] | None) -> None:
        """What rules ask about a node, of those that say anything."""
        if tags:
            self.tags[number] = tags
        if may_add is not None:
            self.may_add[number] = may_add

    # ---- what the run asks, and tells

    def handle(self, number: int) -> Node[Any]:
        """The node of this number; made again where nobody held it."""
        kept = self.nodes[number]
        node = kept() if isinstance(kept, weakref.ref) else kept
        if node is None:
            run = self.run
            assert run is not None, "only completed nodes are not kept"
            node = Node.__new__(Node)
            node._begin(*run.described(number), None)
            node._raw = False
            node._owner, node._number, node._name = self, number, self.labels.get(number)
            node.local = self.keys[number] in self.dag._locals
            node.mode = Mode.LOCAL if node.local else self.dag.mode
            self.nodes[number] = weakref.ref(node)
        return node

    def completed(self, number: int) -> None:
        """Its value is there: from now on whoever holds the node decides how long a large one stays."""
        node = self.nodes[number]
        if isinstance(node, Node):
            self.nodes[number] = weakref.ref(node)
            if node.expand_node_output is not None and self.run is not None:
                self.dag._stages_of(self.run).completed(number)

    def is_held(self, number: int) -> bool:
        """Whether somebody has the node."""
        node = self.nodes[number]
        return node is not None and (not isinstance(node, weakref.ref) or node() is not None)

    def let_go(self, number: int) -> None:
        """A handle is going; may be called in the middle of anything."""
        run = self._run  # not `run`, which may make one: the interpreter may be shutting down
        if run is not None and number in run.large.entries and isinstance(self.nodes[number], weakref.ref):
            self.nodes[number] = None  # the reference to it is alive until it is gone
            run.large.release(number)

    def ended(self, number: int) -> Callable[[], None]:
        """A node came to rest; what is to be called then, in the thread of callbacks."""
        future = self.futures.get(number)
        outcome = None if future is None else self._outcome(number)
        functions = list(self.callbacks.get(number, ()))

        def tell() -> None:
            from ramify.run.callbacks import guarded

            if future is not None and outcome is not None:
                future.settle(*outcome)
            for function in functions:
                guarded(partial(function, self.handle(number)))

        return tell

    def _outcome(self, number: int) -> tuple[BaseException | None, Any]:
        assert self.run is not None, "it was started"
        error = self.run.error(number)
        return error, None if error is not None else self.run.peek(number)

    def forgot(self, number: int) -> None:
        """A node is back at the start: what was made of its old outcome is another story."""
        self.futures.pop(number, None)

    # ---- looking

    def key_of(self, number: int) -> str:
        """What a node is known by."""
        return self.keys[number]

    def name_of(self, number: int) -> str:
        """What a node is called."""
        return self.labels.get(number) or self.keys[number]

    def id_of(self, number: int) -> UUID:
        """The node's id, made of the graph's id and the key."""
        from uuid import uuid5

        return uuid5(self.dag.id, self.keys[number])

    def with_nodes(self, tree: Any) -> Any:
        """Arguments with the nodes in them."""
        from ramify.run.memory import Ref

        return replace(tree, Ref, lambda ref: self.handle(int(ref)))

    def parent_numbers(self, number: int) -> Iterable[int]:
        """The numbers of the nodes that one waits for."""
        if self.run is not None:
            return self.run.engine.parents[number]
        node = self._draft(number)
        return dict.fromkeys((*node._parents, *node._after))

    def parents_of(self, node: Node[Any]) -> dict[UUID, Node[Any]]:
        return {self.id_of(n): self.handle(n) for n in self.parent_numbers(node._number)}

    def children_of(self, node: Node[Any]) -> dict[UUID, Node[Any]]:
        if self.run is not None:
            found: Iterable[int] = [n for n in self.run.engine.children[node._number] if n not in self.hidden]
        else:
            found = [n for n in range(len(self.nodes)) if node._number in self.parent_numbers(n)]
        return {self.id_of(n): self.handle(n) for n in found}

    def visible(self) -> Iterable[int]:
        """The numbers of all nodes that people see."""
        count = len(self.nodes)
        return range(count) if not self.hidden else [n for n in range(count) if n not in self.hidden]

    def number_of(self, identity: UUID) -> int:
        """The number of a node by its id; KeyError where there is none."""
        if len(self._numbers) != len(self.nodes):
            self._numbers = {self.id_of(n): n for n in range(len(self.nodes))}
        return self._numbers[identity]

    def status_of(self, number: int) -> Status:
        """What has become of a node."""
        run = self.run
        if run is None or number >= len(run.engine.state):
            return Status.CANCELLED if number in self.given_up else Status.NOT_STARTED
        state = run.engine.state[number]
        if state == FAILED and isinstance(run.error(number), ParentFailed):
            return Status.PARENT_FAILED
        return STATUS_OF[state]

    def error_of(self, number: int) -> BaseException | None:
        return None if self.run is None else self.run.error(number)

    def errors_of(self, number: int) -> list[BaseException]:
        return [] if self.run is None else list(self.run.attempt_errors.get(number, ()))

    # ---- waiting, cancelling, again

    def wait_for(self, number: int, timeout: float | None) -> None:
        """Until a node is at rest."""
        if timeout is not None and not isinstance(timeout, int | float):
            raise TypeError(f"timeout is {timeout!r} of type {type(timeout).__name__}: use seconds")
        run = self.run
        if run is None:
            raise NotStartedError("this graph was never started: call compute() first")
        if not run.wait_for(number, timeout):
            raise RunTimeout(f"{self.name_of(number)!r} is not done after {timeout:g} s")
        if not REST[run.engine.state[number]]:
            if run.broken is not None:
                raise run.broken
            raise JobError(f"{self.name_of(number)!r} did not run", job_id=self.keys[number])

    def value_of(self, number: int) -> Any:
        assert self.run is not None, "it was waited for"
        try:
            return self.run.value(number)
        except ValueReleased as error:
            raise ValueReleased(
                f"the value of {self.name_of(number)!r} was let go when the last node that uses it had "
                'ended: keep the node in a variable until then, or start the graph with compute(keep="all")',
                key=self.keys[number],
            ) from error

    def future_of(self, node: Node[Any]) -> Future[Any]:
        """The future of the present attempts; the same object until a retry."""
        from ramify.dag.futures import NodeFuture

        number = node._number
        with self.lock:
            known = self.futures.get(number)
            if known is not None:
                return known
            future = self.futures[number] = NodeFuture(self, number)
        if self.run is not None:
            self.run.ask(partial(self._follow, number, future))
        return future

    def _follow(self, number: int, future: NodeFuture) -> None:
        """Called by whoever drives: settled at once, or when the node comes to rest."""
        assert self.run is not None, "only a run is driven"
        if REST[self.run.engine.state[number]]:
            outcome = self._outcome(number)
            self.run.callbacks.put(lambda: future.settle(*outcome))
        else:
            self.run.hear_now(number)

    def call_back(self, node: Node[Any], function: Callable[[Node[Any]], object]) -> None:
        """Has a function called whenever the node is done."""
        if not callable(function):
            raise TypeError(f"{function!r} cannot be called: give a function of the node")
        run, number = self.run, node._number
        if run is None:
            self.callbacks.setdefault(number, []).append(function)
            return
        if run.ask(partial(self._call_back, number, function)):
            from ramify.run.callbacks import guarded

            guarded(partial(function, node))

    def _call_back(self, number: int, function: Callable[[Node[Any]], object]) -> bool:
        assert self.run is not None, "only a run is driven"
        self.callbacks.setdefault(number, []).append(function)
        if REST[self.run.engine.state[number]]:
            self.run.hear_later(number)
            return True
        self.run.hear_now(number)
        return False

    def cancel_node(self, number: int, force: bool) -> bool:
        """Gives one node up."""
        with self.lock:
            if self.run is None:
                self.given_up[number] = "cancelled before the graph started"
                return True
        return self.run.cancel_node(number, "cancelled on request", force)

    def retry(self, numbers: list[int]) -> bool:
        """Puts nodes back to the start."""
        with self.lock:
            if self.run is None:
                taken_back = [self.given_up.pop(number, None) for number in numbers]
                return any(why is not None for why in taken_back)
        return self.run.retry(numbers)


def _finished(node: Node[Any]) -> Any:
    """The value of a node of another graph, which must be there."""
    if node.status is not Status.COMPLETED:
        raise GraphError(
            f"the node {node.name!r} is of another graph and not completed ({node.status}): wait for it "
            "first, or submit it to this graph"
        )
    return node.result()


def quoted(name: str) -> str:
    """Any text as a key: what cannot be in one is written as in a URL.

    >>> quoted("north/south: 3")
    'north%2Fsouth: 3'
    """
    try:
        return encode_key(name)
    except RamifyKeyEncodingError:
        from urllib.parse import quote

        key = quote(name, safe=" :;,=+()[]<>!'")
        if len(key) > _LONGEST:
            from hashlib import sha256

            key = f"{key[:_LONGEST]}~{sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}"
        return encode_key(key)
