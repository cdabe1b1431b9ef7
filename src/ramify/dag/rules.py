"""Rules: a predicate on a graph that runs, and a body that adds to it once the predicate holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from typing import TYPE_CHECKING, Any, Final

from ramify.core.rule_keys import RULES
from ramify.dag.signature import function_name
from ramify.errors import ArgumentError
from ramify.plan.policy import patterns

if TYPE_CHECKING:
    from ramify.dag.graph_view import GraphView
    from ramify.dag.growth_view import GrowthView

Predicate = Callable[["GraphView"], object]
Body = Callable[["GrowthView"], object]
MayAdd = str | Iterable[str] | None

_DOES_NOTHING: Final = CO_ASYNC_GENERATOR | CO_COROUTINE | CO_GENERATOR
"""Of the code of a function: a call does not run it."""


class Rule:
    """`body(view)` adds to the graph, once, as soon as `predicate(view)` is true.

    The predicate gets a `GraphView`, to look at the graph. It is asked again only when something that it
    looked at has changed, so what it says must follow from the graph alone. The body gets a `GrowthView`,
    which can add nodes and rules as well; all of what it adds is added at once, or nothing. What repeats is a
    rule that adds another one.

    `may_add` names what the body may add, tags, keys or globs of keys, for those who wait until nothing like
    it can come any more (`view.closed`): a body that adds anything else is refused. A rule that says nothing
    may add anything. Rules that a body adds may add what their parent may, at most.

    A predicate of None always holds. Raises `ArgumentError` for what cannot be called, and for functions that
    do nothing when they are called: `async` ones and generators.

    >>> from ramify import DAG, Rule
    >>> def list_files():
    ...     return ["a.txt", "b.txt"]
    >>> def process_files(view):
    ...     parts = [view.submit(len, name, name=f"process/{name}") for name in view["list_files"].result]
    ...     view.submit(sum, parts, name="total")
    >>> dag = DAG()
    >>> _ = dag.submit(list_files)
    >>> _ = dag.add_rule(Rule(lambda view: view["list_files"].succeeded, process_files))
    >>> dag.compute(); dag.wait()
    >>> dag.nodes_by_name["total"].result()
    10
    """

    __slots__ = ("body", "may_add", "name", "predicate")

    def __init__(
        self, predicate: Predicate | None, body: Body, name: str | None = None, may_add: MayAdd = None
    ) -> None:
        if predicate is not None:
            _check_function("predicate", predicate)
        _check_function("body", body)
        self.predicate = predicate
        self.body = body
        self.name = function_name(body).rpartition("<locals>.")[2] if name is None else _checked_name(name)
        self.may_add = patterns(may_add)

    @property
    def func(self) -> Body:
        """The body, by the name that wrappers of functions have for it: its text is kept with a plan."""
        return self.body

    def applicable(self, view: GraphView) -> object:
        """Whether the predicate holds."""
        return True if self.predicate is None else self.predicate(view)

    def apply(self, view: GrowthView) -> object:
        """Calls the body."""
        return self.body(view)

    def __repr__(self) -> str:
        limited = "" if self.may_add is None else f", may_add={set(self.may_add) or '{}'}"
        return f"Rule({self.name!r}{limited})"

    def __getstate__(self) -> tuple[Any, ...]:
        return self.predicate, self.body, self.name, self.may_add

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.predicate, self.body, self.name, self.may_add = state


def _checked_name(name: object) -> str:
    text = str(name)
    if not text.strip() or not text.isprintable():
        raise ArgumentError(
            f"the name of a rule is told in lines of text: {text!r:.60} is empty, or has characters that "
            "cannot be printed",
            names=["name"],
        )
    return text


def _check_function(what: str, function: Any) -> None:
    if not callable(function):
        raise ArgumentError(
            f"the {what} of a rule is called with a view of the graph: {function!r:.60} of type "
            f"{type(function).__name__} cannot be called",
            names=[what],
        )
    called = function
    while isinstance(called, partial):
        called = called.func
    flags = getattr(getattr(called, "__code__", None), "co_flags", 0)
    if flags & _DOES_NOTHING:
        kind = "a generator" if flags & CO_GENERATOR else "async"
        raise ArgumentError(
            f"the {what} of a rule is called with a view of the graph: {function_name(called)}() is {kind}, "
            "and a call of it does nothing. Make it an ordinary function; what takes long belongs into a job",
            names=[what],
        )


def rule(
    predicate: Predicate | None = None, *, name: str | None = None, may_add: MayAdd = None
) -> Callable[[Body], Rule]:
    """Makes the function below it the body of a rule.

    >>> from ramify import DAG, rule
    >>> @rule(lambda view: view.succeeded("a"), may_add="doubled")
    ... def double(view):
    ...     view.submit(lambda a: 2 * a, view["a"], name="doubled")
    >>> dag = DAG()
    >>> _ = dag.submit(int, "4", name="a"), dag.add_rule(double)
    >>> dag.compute(); dag.wait(); dag.nodes_by_name["doubled"].result()
    8
    """

    def decorate(body: Body) -> Rule:
        return Rule(predicate, body, name, may_add)

    return decorate


def as_rule(given: Any, body: Any = None, name: str | None = None, may_add: MayAdd = None) -> Rule:
    """A rule of what a person gives: a rule, any object with `applicable` and `apply`, or two functions.

    Raises `ArgumentError` for anything else.
    """
    if body is not None or given is None:
        return Rule(given, body, name, may_add)
    if isinstance(given, Rule):
        if name is None and may_add is None:
            return given
        own = given.may_add if may_add is None else may_add
        return Rule(given.predicate, given.body, name or given.name, own)
    if callable(getattr(given, "applicable", None)) and callable(getattr(given, "apply", None)):
        if body is None and name is None and getattr(given, "is_perpetual", False):
            return given  # type: ignore[no-any-return]  # a rule by its methods, of our own
        own = getattr(given, "may_add", None) if may_add is None else may_add
        label = name or getattr(given, "name", None) or type(given).__name__
        return Rule(given.applicable, given.apply, label, own)
    raise ArgumentError(
        f"{given!r:.60} of type {type(given).__name__} is no rule: give a Rule, a predicate and a body, or "
        "an object with applicable(view) and apply(view)",
        names=["rule"],
    )


PREFIX: Final = RULES
"""The keys of rules begin with it; no key of a node does."""


def named_rules(rules: Iterable[Rule]) -> list[tuple[str, Rule]]:
    """Rules with keys of their own: a second `merge` is `merge (1)`."""
    taken: dict[str, int] = {}
    named = []
    for one in rules:
        count = taken.get(one.name, 0)
        while (name := one.name if not count else f"{one.name} ({count})") in taken:
            count += 1
        taken[one.name] = count + 1
        taken.setdefault(name, 1)
        named.append((PREFIX + name, one))
    return named


def _check_texts(what: str, given: Iterable[Any]) -> None:
    for one in given:
        if not isinstance(one, str) or not one:
            raise ArgumentError(
                f"{what}() is given texts, keys, tags or globs of keys: {one!r:.60} of type "
                f"{type(one).__name__} is none",
                names=[what],
            )


class after:  # noqa: N801  # it reads as a function, and is a class so that a plan can hold it
    """A predicate: nodes of these keys (globs too) are there, and all of them have succeeded.

    With `settled=True` it is enough that they are at rest, however they ended.

    >>> from ramify import DAG, Rule, after
    >>> dag = DAG()
    >>> _ = dag.submit(int, "4", name="a")
    >>> _ = dag.add_rule(after("a"), lambda view: view.submit(print, view["a"]))
    >>> dag.compute(); dag.wait()
    4
    """

    def __init__(self, *keys: str, settled: bool = False) -> None:
        if not keys:
            raise ArgumentError("after() names the keys that are waited for", names=["keys"])
        _check_texts("after", keys)
        self.keys = keys
        self.settled = settled

    def __call__(self, view: GraphView) -> bool:
        """Whether the nodes are there and ended."""
        ended = view.settled if self.settled else view.succeeded
        return all(view.count(key) > 0 for key in self.keys) and ended(*self.keys)

    def __repr__(self) -> str:
        return f"after({', '.join(map(repr, self.keys))}{', settled=True' if self.settled else ''})"


class closed:  # noqa: N801  # as above
    """A predicate: no node that a tag, key or glob means can be added any more; see `GraphView.closed`."""

    def __init__(self, *patterns: str) -> None:
        if not patterns:
            raise ArgumentError("closed() names what is waited for", names=["patterns"])
        _check_texts("closed", patterns)
        self.patterns = patterns

    def __call__(self, view: GraphView) -> bool:
        """Whether nothing can be added any more."""
        return all(view.closed(pattern) for pattern in self.patterns)

    def __repr__(self) -> str:
        return f"closed({', '.join(map(repr, self.patterns))})"
