"""What a predicate sees of a graph that runs: everything, and it can change nothing.

A view remembers what was looked at, and how it was: that is what the rule waits for when it says no.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ramify.core.keys import Key, encode_key, sort_key
from ramify.core.table import BAD, FAILED, GOOD, REST
from ramify.dag.status import STATUS_OF, Status
from ramify.errors import GraphError, JobError, UnknownKeyError

if TYPE_CHECKING:
    from ramify.dag.rule_book import RuleBook

Read = tuple[str, Any]


def _position(key: str) -> tuple[tuple[int, Any], ...]:
    """What a node is sorted by; a name with slashes that is one key is sorted as the path that it reads as.

    >>> sorted(["part%2F10", "part%2F2"], key=_position)
    ['part%2F2', 'part%2F10']
    """
    return sort_key(key.replace("%2F", "/"))


class NodeView:
    """One node, as a rule sees it; as an argument of a new node it stands for the value, and is a parent."""

    __slots__ = ("_number", "_view")

    def __init__(self, view: GraphView, number: int) -> None:
        self._view = view
        self._number = number

    # ---- what never changes

    @property
    def key(self) -> str:
        """What the node is known by."""
        return self._view._book.engine.keys[self._number]

    @property
    def name(self) -> str:
        """What the node is called."""
        return self._view._book.ground.name_of(self._number)

    @property
    def id(self) -> UUID:
        """The node's id."""
        return self._view._book.ground.id_of(self._number)

    @property
    def parents(self) -> list[NodeView]:
        """The nodes that it waits for."""
        return [NodeView(self._view, n) for n in self._view._book.parents_of(self._number)]

    # ---- what may change

    @property
    def tags(self) -> frozenset[str]:
        """Its tags."""
        self._view._reads["all", None] = self._view._book.version
        return self._view._book.tags_of(self._number)

    @property
    def status(self) -> Status:
        """What has become of it. A rule is not asked again because a node starts, only when it ends."""
        return STATUS_OF[self._view._look(self._number)]

    @property
    def settled(self) -> bool:
        """Whether it is at rest: it has a value, or will have none unless it is retried."""
        return bool(REST[self._view._look(self._number)])

    done = settled

    def ready(self) -> bool:
        """As `settled`, by its older name."""
        return self.settled

    @property
    def succeeded(self) -> bool:
        """Whether it has a value."""
        return bool(GOOD[self._view._look(self._number)])

    def successful(self) -> bool:
        """As `succeeded`, by its older name."""
        return self.succeeded

    @property
    def failed(self) -> bool:
        """Whether it failed itself."""
        return self._view._look(self._number) == FAILED

    @property
    def result(self) -> Any:
        """The value. Raises the node's own exception, and `JobError` for a node that is not at rest."""
        state = self._view._look(self._number)
        if GOOD[state]:
            return self._view._book.ground.value(self._number)
        error = self.error
        if error is not None:
            raise error
        raise JobError(
            f"{self.key!r} has no value yet: the predicate is to look whether it has succeeded",
            job_id=self.key,
        )

    @property
    def error(self) -> BaseException | None:
        """Why it has no value; None where it has one, or is not at rest."""
        if not BAD[self._view._look(self._number)]:
            return None
        return self._view._book.ground.error(self._number)

    @property
    def children(self) -> list[NodeView]:
        """The nodes that wait for it, so far."""
        self._view._reads["all", None] = self._view._book.version
        return [NodeView(self._view, n) for n in self._view._book.children_of(self._number)]

    def depends_on(self, other: Any) -> None:
        """Refused: a node that is there gets no new parents, as it may have run already."""
        raise GraphError(
            f"{self.key!r} is there already, and cannot wait for {other!r:.60}: edges go from nodes that are "
            "there to new ones"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NodeView) and self._key_in_book() == other._key_in_book()

    def __hash__(self) -> int:
        return hash(self._key_in_book())

    def _key_in_book(self) -> tuple[int, int]:
        return id(self._view._book), self._number

    def __repr__(self) -> str:
        return f"<node {self.key!r}: {STATUS_OF[self._view._book.engine.state[self._number]]}>"

    def __reduce__(self) -> Any:
        raise TypeError(f"the view of the node {self.key!r} cannot be pickled: pass its result")


class GraphView:
    """The graph of a run, to be looked at.

    Where nodes are named by a text, it is a key, a tag, the key of a scope (all below it), or a glob of keys:
    `*` is any text within one part of a key, `**` any text at all.
    """

    def __init__(self, book: RuleBook, rule: int) -> None:
        self._book = book
        self._rule = rule
        self._reads: dict[Read, Any] = {}

    # ---- nodes

    def __getitem__(self, key: Key | UUID) -> NodeView:
        """The node of a key, or of an id. Raises `UnknownKeyError` where it is not there yet."""
        found = self.get(key)
        if found is None:
            raise UnknownKeyError(
                f"there is no node {str(key)!r} yet: the predicate is to look whether {str(key)!r} in view",
                key=str(key),
            )
        return found

    def get(self, key: Key | UUID) -> NodeView | None:
        """As `view[key]`; None where it is not there yet.

        Raises `RamifyKeyEncodingError` for what cannot be a key.
        """
        if not isinstance(key, str | UUID):
            key = encode_key(key)
        text = str(key)
        number = self._book.number_of(key)
        if number is None:
            self._reads["key", text] = 0
            return None
        return NodeView(self, number)

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None  # type: ignore[arg-type]  # anything may be asked for

    def by_name(self, name: str) -> NodeView | None:
        """The node that is called so, or None."""
        number = self._book.ground.named(name)
        if number is None:
            self._reads["all", None] = self._book.version
            return None
        return NodeView(self, number)

    def nodes(self, *which: str, status: Status | str | None = None) -> list[NodeView]:
        """The nodes that these texts mean (all, where there are none), ordered by key, numbers by value."""
        numbers = self._numbers(which)
        if status is not None:
            wanted = Status(status)
            numbers = [n for n in numbers if STATUS_OF[self._look(n)] is wanted]
        keys = self._book.engine.keys
        return [NodeView(self, n) for n in sorted(numbers, key=lambda n: _position(keys[n]))]

    def results(self, *which: str) -> list[Any]:
        """The values of these nodes, ordered by key. Raises the exception of one that has none."""
        return [node.result for node in self.nodes(*which)]

    def count(self, *which: str, status: Status | str | None = None) -> int:
        """How many of these nodes there are, in this status if one is given."""
        numbers = self._numbers(which)
        if status is None:
            return len(numbers)
        wanted = Status(status)
        return sum(1 for n in numbers if STATUS_OF[self._look(n)] is wanted)

    def counts(self) -> dict[Status, int]:
        """How many nodes there are in each status. A rule that looks here is asked at every change."""
        found = dict.fromkeys(Status, 0)
        for number in self._numbers(()):
            found[STATUS_OF[self._look(number)]] += 1
        return found

    def edges(self) -> list[tuple[str, str]]:
        """All edges, as pairs of keys: parent, child."""
        keys = self._book.engine.keys
        return [(keys[p], keys[n]) for n in self._numbers(()) for p in self._book.parents_of(n)]

    # ---- questions for predicates

    def settled(self, *which: str) -> bool:
        """Whether all of these nodes are at rest, those that are there by now."""
        return self._all(which, REST)

    def succeeded(self, *which: str) -> bool:
        """Whether all of these nodes have values, those that are there by now.

        Where there is none: of a glob, and of what somebody `may_add`, that is so once none can come any more
        (`closed`); a plain key that is not there has not succeeded.
        """
        return self._all(which, GOOD)

    def closed(self, which: str) -> bool:
        """Whether no node that this means can be added any more, so that those that are there are all.

        It holds when no unfinished node, and no open rule that can still fire, may add such a node, or add
        one that may. The rule that asks does not count. Rules and jobs say by `may_add` what they may add; a
        rule that says nothing may add anything, a job nothing. Of what the program itself adds from outside
        it knows nothing. A rule that can never fire any more does not count either; that is found out when
        nothing else is left to run, and is said in a warning.
        """
        holds = self._book.is_closed(which, self._rule)
        self._reads["closed", which] = holds
        return holds

    @property
    def open_rules(self) -> list[str]:
        """The names of the rules that have not fired."""
        self._reads["rules", None] = self._book.rule_version
        return self._book.open_names()

    @property
    def applied_rules(self) -> list[str]:
        """The names of the rules that have fired, in that order."""
        self._reads["rules", None] = self._book.rule_version
        return list(self._book.applied_names())

    # ---- inside

    def _numbers(self, which: Sequence[str]) -> list[int]:
        book = self._book
        if not which:
            self._reads["all", None] = book.version
            return book.all_numbers()
        found: dict[int, None] = {}
        for pattern in which:
            members = book.members(pattern)
            self._reads["glob", pattern] = len(members)
            found.update(dict.fromkeys(members))
        return list(found)

    def _look(self, number: int) -> int:
        state = self._book.engine.state[number]
        self._reads["node", number] = state
        return state

    def _all(self, which: Sequence[str], wanted: bytes) -> bool:
        """Waits for the last of those that are not at rest: they are not looked at one by one."""
        book, state = self._book, self._book.engine.state
        for pattern in which:
            if not book.members(pattern):
                self._reads["glob", pattern] = 0
                if not (book.is_declared(pattern) and self.closed(pattern)):
                    return False
        numbers = self._numbers(which)
        open_ones = tuple(n for n in numbers if not REST[state[n]])
        if open_ones:
            self._reads["rest", open_ones] = None
            return False
        self._reads.update({("node", n): state[n] for n in numbers if BAD[state[n]]})
        return all(wanted[state[n]] for n in numbers)
