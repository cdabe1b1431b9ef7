"""What the body of a rule may do to a graph that runs: add to it, and nothing else.

What is added is gathered in a `Growth`, and added at once when the body has returned; until then the graph
is as it was, and a body that raises has added nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

from ramify.core.keys import decode_key, encode_key
from ramify.dag.draft import DAG
from ramify.dag.graph_view import GraphView, NodeView
from ramify.dag.grid import ParametrizedJob
from ramify.dag.job import Job
from ramify.dag.node import Node
from ramify.dag.order import cycle_error
from ramify.dag.rules import MayAdd, Rule, as_rule
from ramify.dag.signature import function_name
from ramify.errors import (
    ArgumentError,
    DraftError,
    DuplicateKeyError,
    GraphError,
    GrowthError,
    RamifyKeyDecodingError,
)
from ramify.plan.definition import join
from ramify.values.substitution import ATOMS, find

if TYPE_CHECKING:
    from ramify.dag.options import NodeOptions
    from ramify.dag.rule_book import RuleBook


class NewNode:
    """A node that a body adds; as an argument of another one it stands for its value, and is a parent."""

    __slots__ = ("after", "args", "func", "growth", "key", "kwargs", "name", "options")

    is_group = False

    def __init__(
        self,
        growth: Growth,
        name: str,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: NodeOptions | None,
    ) -> None:
        self.growth = growth
        self.name = name
        """What the node is called, and its key as a person writes it."""
        self.key = as_key(name)
        self.func = func
        self.args = args
        self.kwargs = kwargs
        self.options = options
        self.after: list[Any] = []

    def depends_on(self, *others: Any) -> NewNode:
        """Has the node wait for others, nodes or their keys, whose values it does not use.

        Raises `CycleError`.
        """
        self.growth.check_open()
        for one in others:
            other = self.growth.find(one) if isinstance(one, str) else one
            self.growth.check_reference(other, self)
            self.after.append(other)
        return self

    def tag(self, *tags: str) -> NewNode:
        """Gives the node tags."""
        self.growth.check_open()
        self.growth.add_tags(self, tags)
        return self

    def __repr__(self) -> str:
        return f"<new node {self.key!r}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"the new node {self.key!r} cannot be pickled")


class Placed:
    """A job, a grid or a nested DAG under a key; its jobs may be referred to, and tagged, by this object."""

    __slots__ = ("after", "entry", "key")

    @property
    def is_group(self) -> bool:
        """Whether it stands for many nodes, none of which has its key."""
        return not isinstance(self.entry, Job)

    def __init__(self, key: str, entry: Any, after: Any) -> None:
        self.key = key
        self.entry = entry
        self.after = after

    def jobs(self) -> Iterator[tuple[str, frozenset[str]]]:
        """The keys of the jobs, and their tags."""
        walk = [(self.key, self.entry)]
        while walk:
            key, entry = walk.pop()
            if isinstance(entry, DAG):
                walk += [(join(key, name), one) for name, one in entry._nodes.items()]
            elif isinstance(entry, ParametrizedJob):
                tags = frozenset(entry.policy.tags)
                yield from ((join(key, point), tags) for point in entry._points)
            else:
                yield key, frozenset(entry.policy.tags)

    def references(self) -> Iterator[Any]:
        """The nodes of graphs among the arguments, those of jobs that are arguments themselves included."""
        walk, seen = [self.entry], {id(self.entry)}
        while walk:
            entry = walk.pop()
            held = list(entry._nodes.values()) if isinstance(entry, DAG) else find(entry.kwargs, _HELD)
            for one in held:
                if isinstance(one, STANDS):
                    yield one
                elif id(one) not in seen:
                    seen.add(id(one))
                    walk.append(one)


class Growth:
    """What one body, or one job, adds."""

    def __init__(self, node: int, name: str) -> None:
        self.node = node
        self.name = name
        self.items: list[NewNode | Placed] = []
        self.keys: dict[str, NewNode | Placed] = {}
        self.rules: list[Rule] = []
        self.tags: dict[Any, set[str]] = {}
        self.ended = False
        """Whether the body has returned, and nothing can be added any more."""
        self._book: RuleBook | None = None

    def bind(self, book: RuleBook) -> None:
        """The book whose nodes may be referred to."""
        self._book = book

    def let_go(self) -> None:
        """Forgets what was added, which is in the graph now: it refers to this in turn."""
        self.items, self.keys, self.rules, self.tags = [], {}, [], {}

    def check_open(self) -> None:
        """Raises `GrowthError` once the body has ended."""
        if self.ended:
            raise GrowthError(
                f"the body of the rule {self.name!r} has ended, and its view adds nothing any more",
                rule=self.name,
            )

    def check_returned(self, value: Any) -> None:
        """Raises `GrowthError` for a body that returns what it surely meant to add, and adds nothing."""
        if self.items or self.rules or self.tags:
            return
        if isinstance(value, _NOT_ADDED) or getattr(value, "adds_to_graph", False):
            raise GrowthError(
                f"the body of the rule {self.name!r} returned {value!r:.60}, and what a body returns is not "
                "added: say view[key] = job, view.attach(dag) or view.submit(function)",
                rule=self.name,
            )

    def find(self, key: str) -> Any:
        """The node of a key, new or there. Raises `UnknownKeyError`."""
        assert self._book is not None, "a growth is of a book"
        own = self.keys.get(as_key(key))
        return GraphView(self._book, self.node)[key] if own is None else own

    def add(self, item: NewNode | Placed) -> None:
        """One more; its key is its own."""
        self.items.append(item)
        self.keys[item.key] = item

    def add_tags(self, one: Any, tags: Iterable[str]) -> None:
        """Tags for a node, new or there."""
        for tag in tags:
            if not isinstance(tag, str) or not tag or "/" in tag:
                raise ArgumentError(f"{tag!r:.60} is no tag: a text without a slash", names=["tags"])
        self.tags.setdefault(one, set()).update(tags)

    def number_of(self, one: Any) -> int:
        """The number of a node, once everything was added."""
        assert self._book is not None, "a growth is of a book"
        if isinstance(one, NodeView):
            return one._number
        return self._book.engine.number[one if isinstance(one, str) else one.key]

    def described(self) -> Iterator[tuple[str, frozenset[str]]]:
        """The keys and the tags of all that is new, and of what is there and gets tags."""
        own = {self.key_of(one): frozenset(tags) for one, tags in self.tags.items()}
        for item in self.items:
            jobs = _tags_of(item) if isinstance(item, NewNode) else item.jobs()
            for key, tags in jobs:
                yield key, tags | own.pop(key, frozenset())
        for key, tags in own.items():
            yield key, tags

    def key_of(self, one: Any) -> str:
        """The key of a node, new or there."""
        return one if isinstance(one, str) else str(one.key)

    def check_reference(self, other: Any, child: NewNode | None = None) -> None:
        """Raises `GraphError` for a node that cannot be waited for, `CycleError` where it waits itself."""
        if isinstance(other, NodeView):
            if other._view._book is not self._book:
                raise GraphError(f"{other!r} is of another graph: pass its result")
        elif isinstance(other, NewNode):
            if other.growth is not self:
                raise GraphError(f"{other!r} was added by another body: say view[{other.key!r}]")
            if child is not None:
                _check_cycle(child, other)
        elif isinstance(other, Node):
            assert self._book is not None, "a growth is of a book"
            self._book.ground.check_node(other)
        elif not isinstance(other, Job | ParametrizedJob):
            raise ArgumentError(f"{other!r:.60} is no node: give one of view[key]", names=["depends_on"])


_NOT_ADDED: Final = (Job, ParametrizedJob, DAG, CoroutineType, GeneratorType)
"""What a body that adds nothing does not return on purpose."""

STANDS: Final = (NodeView, NewNode, Node)
"""What stands for the value of a node among the arguments of a new one."""

_HELD: Final = (*STANDS, Job, ParametrizedJob, DAG)


class GrowthView(GraphView):
    """The graph of a run, to be looked at and added to; see `GraphView`.

    Edges go from nodes that are there to new ones: a node among the arguments of a new one is its parent.
    """

    def __init__(self, book: RuleBook, rule: int, growth: Growth) -> None:
        super().__init__(book, rule)
        self._growth = growth
        growth.bind(book)

    def submit(
        self,
        func: Callable[..., Any],
        /,
        *args: Any,
        depends_on: Iterable[Any] | Any = (),
        **kwargs: Any,
    ) -> NewNode:
        """Adds a call of `func`, as `DAG.submit` does; nodes among the arguments are its parents.

        `name` is its key, a path such as `"map/3"`; without one it is called after its function. `depends_on`
        are nodes, or their keys, that must have succeeded first, although their values are not used. Options
        are those of `DAG.submit` (`tags`, `retry`, `timeout`, `resources`, `on`, ...).

        Raises `DuplicateKeyError` for a key that is there, `GraphError` for a node of another graph.
        """
        return self._submit(func, args, kwargs, depends_on, None)

    def options(self, **options: Any) -> _WithOptions:
        """The same view, for new nodes with these options: `view.options(name="a").submit(f, name="b")`."""
        from ramify.dag.options import merged

        return _WithOptions(self, merged(None, options))

    def _submit(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        depends_on: Iterable[Any] | Any,
        options: NodeOptions | None,
    ) -> NewNode:
        self._growth.check_open()
        from ramify.dag.options import split

        if not callable(func):
            raise ArgumentError(f"{func!r} of type {type(func).__name__} cannot be called", names=["func"])
        if kwargs:
            kwargs, options = split(func, kwargs, options)
        name = None if options is None else options.name
        if name is None:
            name = self._free_name(function_name(func))
        node = NewNode(self._growth, str(name), func, args, kwargs, options)
        for value in (*args, *kwargs.values()):
            kind = type(value)
            if kind is NodeView or kind is NewNode:
                self._growth.check_reference(value)
            elif kind not in ATOMS:
                for one in find(value, STANDS):
                    self._growth.check_reference(one)
        self._check_free(node.key, node)
        self._growth.add(node)
        if options is not None and options.tags:
            self._growth.add_tags(node, options.tags)
        is_many = isinstance(depends_on, Iterable) and not isinstance(depends_on, str)
        after = depends_on if is_many else (depends_on,)
        return node.depends_on(*after)

    def __setitem__(self, key: Any, entry: Any) -> None:
        """Adds a job, a grid or a nested DAG under a key, which may be a path."""
        self._place(as_key(key), entry, None)

    def attach(self, dag: DAG, under: str = "") -> None:
        """Adds all that a DAG holds, with keys below `under`; rules of its own too.

        Where `under` is the key of a node, what nothing else in the DAG comes before waits for that node.
        """
        self._growth.check_open()
        if not isinstance(dag, DAG):
            raise DraftError(f"attach() adds a DAG; {dag!r:.60} is of type {type(dag).__name__}", key=under)
        above = as_key(under) if under else ""
        number = self._book.number_of(above) if above else None
        after = None if number is None else NodeView(self, number)
        if not above:
            for name, entry in dag._nodes.items():
                self._place(name, entry, after)
        elif dag._nodes:
            self._place(above, dag, after)
        for rule in dag._rules:
            self.add_rule(rule)

    def add_rule(
        self, rule: Any, body: Any = None, *, name: str | None = None, may_add: MayAdd = None
    ) -> Rule:
        """Adds a rule, as `DAG.add_rule` does; it may add what this one may, at most."""
        self._growth.check_open()
        added = as_rule(rule, body, name, may_add)
        self._growth.rules.append(added)
        return added

    def tag(self, node: Any, *tags: str) -> None:
        """Gives a node tags, a new one or one that is there."""
        self._growth.check_open()
        one = self[node] if isinstance(node, str) and node not in self._growth.keys else node
        self._growth.add_tags(one, tags)

    def __delitem__(self, key: Any) -> None:
        raise GrowthError(f"{key!r} cannot be removed: a graph only grows", rule=self._growth.name)

    # ---- inside

    def _place(self, key: str, entry: Any, after: Any) -> None:
        self._growth.check_open()
        if not isinstance(entry, Job | ParametrizedJob | DAG):
            raise DraftError(
                f"under {key!r} there must be a Job, a ParametrizedJob or a DAG; it is {entry!r:.80} of type "
                f"{type(entry).__name__}",
                key=key,
            )
        if isinstance(entry, DAG) and entry._submitted is not None and entry._submitted.nodes:
            raise DraftError(
                f"the DAG under {key!r} has submitted nodes: give it jobs, or submit to the view", key=key
            )
        placed = Placed(key, entry, after)
        for reference in placed.references():
            self._growth.check_reference(reference)
        for one, _ in placed.jobs():
            self._check_free(one, placed)
        self._growth.add(placed)

    def _check_free(self, key: str, item: NewNode | Placed) -> None:
        """Equal nodes under one key are one node; unequal ones are an error."""
        known = self._growth.keys.get(key)
        if known is not None:
            raise DuplicateKeyError(f"{key!r} is added twice by one body: give one another key", key=key)
        if key in self._book.engine.number and not self._book.ground.is_same(self._growth, key, item):
            raise DuplicateKeyError(
                f"the key {key!r} has another node: give the new one another key", key=key
            )

    def _free_name(self, wanted: str) -> str:
        taken, number, name = self._growth.keys, self._book.engine.number, wanted
        count = 0
        while (key := as_key(name)) in taken or key in number:
            count += 1
            name = f"{wanted} ({count})"
        return name


class _WithOptions:
    """The view of a body, and what is to be said of the nodes that are added through it."""

    def __init__(self, view: GrowthView, options: NodeOptions | None) -> None:
        self._view = view
        self._options = options

    def submit(
        self, func: Callable[..., Any], /, *args: Any, depends_on: Iterable[Any] | Any = (), **kwargs: Any
    ) -> NewNode:
        """As `GrowthView.submit`; every keyword that the function takes is passed on."""
        return self._view._submit(func, args, kwargs, depends_on, self._options)


def as_key(text: Any) -> str:
    """A key, or a path of keys, as a person writes it. Raises `RamifyKeyEncodingError`.

    >>> as_key("map/3"), as_key(3), as_key("a b/x")
    ('map/3', '3', 'a b/x')
    """
    if not isinstance(text, str):
        return encode_key(text)
    return "/".join(map(_as_part, text.split("/")))


def _as_part(text: str) -> str:
    """One part of a key: text that reads as another key, such as a number, is that key."""
    try:
        decode_key(text)
    except RamifyKeyDecodingError:
        return encode_key(text)
    return text


def _tags_of(node: NewNode) -> Iterable[tuple[str, frozenset[str]]]:
    return [(node.key, frozenset())]  # its own are among those of the growth


def _check_cycle(child: NewNode, parent: NewNode) -> None:
    """The new edge must not close a circle of nodes that wait for each other."""
    came_from: dict[int, NewNode] = {}
    stack: list[NewNode] = [parent]
    seen = {id(parent)}
    while stack:
        node = stack.pop()
        if node is child:
            path = [child.key]
            while node is not parent:
                node = came_from[id(node)]
                path.append(node.key)
            raise cycle_error([*path, child.key])
        for other in (*node.after, *find((node.args, node.kwargs), NewNode)):
            if isinstance(other, NewNode) and id(other) not in seen:
                seen.add(id(other))
                came_from[id(other)] = node
                stack.append(other)
