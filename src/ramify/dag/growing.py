"""What a DAG can do with rules: it grows while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ramify.core.graph import RULE
from ramify.core.rule_keys import called
from ramify.core.table import GOOD
from ramify.dag.execution import by_name
from ramify.dag.rules import PREFIX, Body, MayAdd, Predicate, Rule, as_rule, named_rules
from ramify.errors import StartedError, UnknownKeyError
from ramify.run.approving import Approver, check_growing

if TYPE_CHECKING:
    from ramify.dag.rule_book import RuleBook
    from ramify.dag.submitted import Submitted
    from ramify.run.live import LiveRun


class Growing:
    """The rules of a DAG: those of the draft, and those of the latest run."""

    _rules: list[Rule]
    _book: RuleBook | None
    if TYPE_CHECKING:

        @property
        def _run(self) -> LiveRun | None: ...

        def _graph(self) -> Submitted: ...

    def _init_growing(self) -> None:
        self._rules = []
        self._book = None
        self._extender: Any = None

    def add_rule(
        self, rule: Any, body: Body | None = None, *, name: str | None = None, may_add: MayAdd = None
    ) -> Rule:
        """Adds a rule, and returns it: `body` adds to the graph once `predicate` holds; see `Rule`.

        `add_rule(predicate, body)` makes a rule of two functions; any object with `applicable(view)` and
        `apply(view)` is a rule as well. A rule may be added while the graph runs.

        Raises `ArgumentError` for what is no rule, and `StartedError` when the run is over.

        >>> from ramify import DAG, after
        >>> dag = DAG()
        >>> _ = dag.submit(range, 3, name="source")
        >>> def square_each(view):
        ...     for n in view["source"].result:
        ...         view.submit(pow, n, 2, name=f"square/{n}")
        >>> _ = dag.add_rule(after("source"), square_each, may_add="square")
        >>> def add_up(view):
        ...     view.submit(sum, view.nodes("square"), name="total")
        >>> _ = dag.add_rule(lambda view: view.closed("square"), add_up, may_add="total")
        >>> dag.compute(); dag.wait(); dag.nodes_by_name["total"].result()
        5
        """
        added = as_rule(rule, body, name, may_add)
        run = self._run
        if run is None or (run.is_over and self._graph().keyed_only):
            self._rules.append(added)
            return added
        if run.is_over or not hasattr(run, "ask"):
            raise StartedError("the run of this graph is over, and no rule can be added: make a fresh DAG")
        self._rules.append(added)
        run.ask(lambda: self._enter_rule(run, added))
        return added

    def rule(
        self, predicate: Predicate | None = None, *, name: str | None = None, may_add: MayAdd = None
    ) -> Callable[[Body], Rule]:
        """Makes the function below it the body of a rule of this graph.

        >>> from ramify import DAG, after
        >>> dag = DAG()
        >>> _ = dag.submit(int, "4", name="a")
        >>> @dag.rule(after("a"))
        ... def show(view):
        ...     view.submit(print, view["a"])
        >>> dag.compute(); dag.wait()
        4
        """

        def decorate(body: Body) -> Rule:
            return self.add_rule(Rule(predicate, body, name, may_add))

        return decorate

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules that have not fired: of the draft, or of its latest run.

        Of a run on disk these are rules of the draft; those that were added by rules are in its record.
        """
        if self._book is not None:
            return tuple(self._book.open_rules())
        fired = self._fired_elsewhere()
        return tuple(rule for key, rule in named_rules(self._rules) if key not in fired)

    @property
    def applied_rules(self) -> Sequence[Rule]:
        """The rules of the latest run that have fired, in that order; of a run on disk as they were added."""
        if self._book is not None:
            return tuple(self._book.applied_rules())
        own = dict(named_rules(self._rules))
        return tuple(own[key] for key in self._fired_elsewhere() if key in own)

    def _fired_elsewhere(self) -> list[str]:
        """The keys of the rules that have fired in a run with another driver, as they were added."""
        view = self._view_elsewhere()
        if view is None:
            return []
        engine = view.engine
        return [
            engine.keys[n] for n in range(len(engine)) if engine.flags[n] & RULE and GOOD[engine.state[n]]
        ]

    def _view_elsewhere(self) -> Any:
        """What the journal of a run with another driver comes to; None where there is no such run."""
        handle = getattr(self._run, "handle", None)
        return None if handle is None else handle.view()

    def why(self, what: Any) -> str:
        """Why a rule has not fired, or a node has not run, in words: what it waits for, and who added it.

        `what` is a rule, its name, a node, or a key. Raises `UnknownKeyError` for anything else.
        """
        if self._book is not None:
            told = self._book.why(what)
            if told is not None:
                return told
        run = self._run
        elsewhere = self._view_elsewhere()
        engine: Any = run if run is None else run.engine if elsewhere is None else elsewhere.engine
        key = what if isinstance(what, str) else getattr(what, "key", None) or getattr(what, "name", None)
        number = None
        if engine is not None and key is not None:
            number = engine.number.get(key, engine.number.get(f"{PREFIX}{key}"))
        if number is None:
            raise UnknownKeyError(f"the run of this graph has no rule and no node {what!r:.80}", key=what)
        told = str(by_name("waiting_for", "why_node")(engine, number))
        adder = self._adder_of(number)
        return told if adder is None or f"{adder} added it" in told else f"{told}; {adder} added it"

    def _adder_of(self, node: int) -> str | None:
        """The rule or the job that added a node, in words; None for one that nobody did."""
        key = None if self._book is None else self._book.adder_of(node)
        if key is None and self._extender is not None:
            key = self._extender.adder_of(node)
        return None if key is None else called(key)

    # ---- inside

    def step(self, growths: int | None = 1) -> None:
        """Allows rules so many more growths, after `compute(max_growths=...)`; any number where None.

        Returns at once; `wait` waits until the graph is at rest again. Raises `StartedError` for a graph that
        was not started in this process, or whose rules wait for nothing.

        >>> from ramify import DAG, after
        >>> dag = DAG()
        >>> for n in range(3):
        ...     _ = dag.add_rule(None, lambda view, n=n: view.submit(int, name=f"n{n}"))
        >>> dag.compute(max_growths=1); dag.wait(); len(dag.nodes)
        1
        >>> dag.step(); dag.wait(); len(dag.nodes)
        2
        """
        book, run = self._book, self._run
        if book is None or run is None or book.growths_left is None:
            raise StartedError("step() goes on with a graph that was started with compute(max_growths=...)")
        run.go_on(partial(book.step, growths))

    def _start_rules(
        self,
        graph: Submitted,
        run: LiveRun,
        *,
        strict: bool,
        approve: Callable[[Any], Any] | None,
        max_growths: int | None,
    ) -> None:
        """Gives a run the rules of the draft; before it is launched."""
        self._book = None
        check_growing(approve, max_growths)
        if approve is not None:
            run.approve = Approver(approve)
        self._extender = by_name("live_extend", "LiveExtender")(graph, run)
        run.take_extensions(cast(type, by_name("extend", "Extend")), self._extender.settle)
        if self._rules:
            book = self._new_book(graph, run, strict=strict, approver=run.approve, max_growths=max_growths)
            for rule in self._rules:
                book.add_rule(rule)

    def _enter_rule(self, run: LiveRun, rule: Rule) -> None:
        book = self._book or self._new_book(self._graph(), run)
        node = book.add_rule(rule)
        run.want_added([node], "it was added to the run")

    def _new_book(self, graph: Submitted, run: LiveRun, **options: Any) -> RuleBook:
        ground = by_name("live_ground", "LiveGround")(graph, run)
        book: RuleBook = by_name("rule_book", "RuleBook")(ground, **options)
        self._book = book
        run.set_grower(book)
        held = run.large.is_held
        run.large.is_held = lambda node: book.has_open_rules or (held is not None and held(node))
        return book
