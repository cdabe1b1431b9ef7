"""Nodes that add to their graph when their inputs are there: maps, reductions, branches, loops."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ramify.dag.execution import by_name
from ramify.dag.signature import function_name
from ramify.errors import ArgumentError

if TYPE_CHECKING:
    from ramify.dag.node import Node


class Expanding:
    """What adds such nodes. Options are those of `submit`; `over` and `node` may be jobs of the DAG, too."""

    if TYPE_CHECKING:

        def submit(self, func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Node[Any]:
            """Adds a call."""

    def expand(self, node: Any, func: Callable[[Any], Any], **options: Any) -> Node[Any]:
        """Calls `func` with the value of a node; it returns what is to be added: a DAG, or jobs in lists,
        dicts and other containers.

        What it added stands below the key of the new node, whose value is the same, with values in place of
        jobs.

        >>> from ramify import DAG, Job
        >>> dag = DAG()
        >>> words = dag.submit(str.split, "to be or")
        >>> def length(word):
        ...     return len(word)
        >>> lengths = dag.expand(words, lambda words: {w: Job(length, {"word": w}) for w in words})
        >>> dag.compute(); lengths.result()
        {'to': 2, 'be': 2, 'or': 2}
        """
        return self._grown(func, options, "expand_with", func, node)

    def map(
        self,
        func: Callable[..., Any],
        *over: Any,
        how: str = "zip",
        batch_size: int | None = None,
        partitions: int | None = None,
        **kwargs: Any,
    ) -> Node[list[Any]]:
        """One call of `func` for every item of a node's list; its value is the list of what they return.

        Of several lists the items go together (`how="zip"`, of one length), or each with each
        (`"cartesian"`). With `batch_size`, or so many `partitions`, a call gets a list of items. Keywords
        that are no options are passed to every call. A function that returns an `Extend` makes a scope of
        nodes for every item.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> squares = dag.map(pow, dag.submit(range, 4), exp=2)
        >>> dag.compute(); squares.result()
        [0, 1, 4, 9]
        """
        if how not in ("zip", "cartesian"):
            raise ArgumentError(f"how={how!r}: use 'zip' or 'cartesian'", names=["how"])
        for name, number in (("batch_size", batch_size), ("partitions", partitions)):
            if number is not None and (type(number) is not int or number < 1):
                raise ArgumentError(f"{name}={number!r}: use 1 or more", names=[name])
        if batch_size is not None and partitions is not None:
            raise ArgumentError("give batch_size or partitions, not both", names=["batch_size"])
        if not over:
            raise ArgumentError("map() needs a list, or a node that comes to one", names=["over"])
        own, options = _split(func, kwargs)
        label = options.get("name") or f"map {function_name(func)}"
        return self._grown(
            func,
            {"name": label, **options},
            *("map_over", func, list(over), own, how, batch_size, partitions, label),
        )

    def zip(self, func: Callable[..., Any], *over: Any, **kwargs: Any) -> Node[list[Any]]:
        """As `map`, with the items of several lists together.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> sums = dag.zip(max, [1, 5], [4, 2])
        >>> dag.compute(); sums.result()
        [4, 5]
        """
        return self.map(func, *over, how="zip", **kwargs)

    def cartesian(self, func: Callable[..., Any], *over: Any, **kwargs: Any) -> Node[list[Any]]:
        """As `map`, with each item of one list and each of the others.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> powers = dag.cartesian(pow, [2, 3], [1, 2])
        >>> dag.compute(); powers.result()
        [2, 4, 3, 9]
        """
        return self.map(func, *over, how="cartesian", **kwargs)

    def reduce(
        self, func: Callable[[list[Any]], Any], over: Any, batch_size: int | None = None, **options: Any
    ) -> Node[Any]:
        """`func` of the list that a node comes to; with `batch_size` a tree of calls, each of so many values.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> total = dag.reduce(sum, dag.submit(range, 100), batch_size=10)
        >>> dag.compute(); total.result()
        4950
        """
        if batch_size is not None and (type(batch_size) is not int or batch_size < 2):
            raise ArgumentError(f"batch_size={batch_size!r}: use 2 or more", names=["batch_size"])
        label = options.pop("name", None) or f"reduce {function_name(func)}"
        return self._grown(func, {"name": label, **options}, "reduce_over", func, over, batch_size, label)

    def cases(
        self,
        node: Any,
        *cases: tuple[Callable[[Any], Any], Callable[[Any], Any]],
        otherwise: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> Node[Any]:
        """Pairs of a predicate and a function: the first predicate that holds for the node's value says which
        function is called with it, as a node. None, if none holds and there is no `otherwise`.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> root = dag.cases(dag.submit(int, "-4"), (lambda x: x >= 0, abs), otherwise=lambda x: "negative")
        >>> dag.compute(); root.result()
        'negative'
        """
        for case in cases:
            if not (isinstance(case, tuple) and len(case) == 2 and all(map(callable, case))):
                raise ArgumentError(
                    f"a case is a pair of functions, (predicate, function); {case!r:.60} is none",
                    names=["cases"],
                )
        return self._grown(None, {"name": "cases", **options}, "choose", list(cases), otherwise, node)

    def repeat(
        self,
        func: Callable[[Any], Any],
        start: Any,
        *,
        until: Callable[[Any], Any],
        max_times: int = 1000,
        **options: Any,
    ) -> Node[Any]:
        """Calls `func` with a value, then with what that returned, and so on, until `until(value)` holds.

        Every turn is a node. After `max_times` turns the node fails with `BoundReached`, which has the value.

        >>> from ramify import DAG
        >>> dag = DAG()
        >>> power = dag.repeat(lambda x: 2 * x, 1, until=lambda x: x > 100)
        >>> dag.compute(); power.result()
        128
        """
        if type(max_times) is not int or max_times < 1:
            raise ArgumentError(f"max_times={max_times!r}: use 1 or more", names=["max_times"])
        label = options.pop("name", None) or f"repeat {function_name(func)}"
        return self._grown(
            func, {"name": label, **options}, "repeat_until", func, until, max_times, 0, label, start
        )

    def _grown(
        self, func: Callable[..., Any] | None, options: dict[str, Any], what: str, *args: Any
    ) -> Node[Any]:
        if func is not None and not callable(func):
            raise ArgumentError(
                f"{func!r:.60} of type {type(func).__name__} cannot be called", names=["func"]
            )
        name = options.pop("name", None) or f"expand {function_name(func)}"
        may_add = options.pop("may_add", ())
        return self.submit(partial(by_name("extend", what)), *args, name=name, may_add=may_add, **options)


def _split(func: Callable[..., Any], kwargs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The keywords of the function, and the options."""
    from ramify.dag.options import RESERVED

    own = {name: value for name, value in kwargs.items() if name not in RESERVED}
    return own, {name: value for name, value in kwargs.items() if name in RESERVED}
