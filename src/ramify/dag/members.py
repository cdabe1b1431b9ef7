"""Which id every node of a draft has, and which node is the same work as another."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ramify.dag.draft import DAG, Entry
from ramify.dag.grid import ParametrizedJob
from ramify.dag.job import Job
from ramify.dag.order import cycle_error
from ramify.errors import DraftError, RamifyWarning
from ramify.plan.definition import join

Identity = tuple[int, tuple[str, ...]]
"""An object, and the keys of a slice of it: `grid["m1"]` is the same work however often it is sliced."""


def identity(node: Entry) -> Identity:
    """What makes two nodes the same work."""
    if type(node) is Job:  # most are, and a look at an abstract class costs a microsecond
        return (id(node._origin[0]), node._origin[1]) if node._origin else (id(node), ())
    if isinstance(node, ParametrizedJob):
        return id(node._root), node._bound
    origin = node._origin if isinstance(node, Job) else None
    return (id(origin[0]), origin[1]) if origin else (id(node), ())


@dataclass(slots=True)
class Member:
    """A job or a grid with its id. `needs` are the places of what it waits for, in the order of definitions
    (or, below zero, of scopes). `owner` is the outermost one that it is an argument of."""

    id: str
    at: str
    node: Job | ParametrizedJob
    owner: str | None
    needs: dict[int, None] = field(default_factory=dict)

    @property
    def hidden(self) -> bool:
        """Whether it is only an argument, and no output."""
        return self.owner is not None


@dataclass(slots=True)
class Scope:
    """A DAG under an id; `holds` are the places of what is directly in it."""

    id: str
    at: str
    holds: list[int] = field(default_factory=list)


class Home(NamedTuple):
    """Where a node's work is done: its id, where its output is stored, its place."""

    id: str
    at: str
    place: int


class Members:
    """All nodes by id, in the order of the draft; grows while hidden nodes are met."""

    def __init__(self) -> None:
        self.members: list[Member] = []
        self.scopes: list[Scope] = []
        self.folders: dict[str, list[str]] = {}
        self.ids: set[str] = set()
        self._homes: dict[Identity, Home] = {}

    def add(self, node: Entry, above: str, at: str = "", owner: str | None = None) -> Home:
        """Gives `node`, and all in it, ids at and below `above`; returns where it is at home.

        With an owner they are hidden: arguments, or arguments of arguments, of that job.

        Raises `CycleError` for a DAG that contains itself.
        """
        first = len(self.members)
        place = self._add(node, above, at, owner)
        # A whole grid takes precedence over its slices, whichever was drafted first.
        slices: list[tuple[int, int, Identity]] = []
        for number in range(first, len(self.members)):
            who = identity(self.members[number].node)
            if who[1]:
                slices.append((len(who[1]), number, who))
            elif who not in self._homes:
                self._homes[who] = self._home_of(number)
        for _, number, who in sorted(slices):
            if self.home(self.members[number].node) is None:
                self._homes[who] = self._home_of(number)
        return self.home(node) or Home(above, at, place)

    def _home_of(self, number: int) -> Home:
        member = self.members[number]
        return Home(member.id, member.at, number)

    def home(self, node: Entry) -> Home | None:
        """Where the work of this node is done, as far as it is known: itself, or what it is a slice of."""
        anchor, bound = identity(node)
        for length in range(len(bound) + 1):
            home = self._homes.get((anchor, bound[:length]))
            if home is not None:
                if length == len(bound):
                    return home
                rest = "/".join(bound[length:])
                return Home(_below(home.id, rest), home.at and _below(home.at, rest), home.place)
        return None

    def _add(self, node: Entry, above: str, at: str, owner: str | None) -> int:
        if not isinstance(node, DAG):
            return self._member(node, above, at, owner)
        top = self._scope(node, above, at)
        open_dags: dict[int, str] = {id(node): above}
        stack: list[tuple[DAG, int, Iterator[tuple[str, Any]]]] = [(node, top, iter(node._nodes.items()))]
        while stack:
            dag, place, items = stack[-1]
            for name, child in items:
                scope = self.scopes[~place]
                child_id, child_at = join(scope.id, name), scope.at and join(scope.at, name)
                if not isinstance(child, DAG):
                    scope.holds.append(self._member(child, child_id, child_at, owner))
                    continue
                if id(child) in open_dags:
                    raise cycle_error([open_dags[id(child)] or "the DAG", child_id, "the same DAG again"])
                _check_nested(child, child_id)
                inner = self._scope(child, child_id, child_at)
                scope.holds.append(inner)
                open_dags[id(child)] = child_id
                stack.append((child, inner, iter(child._nodes.items())))
                break
            else:
                stack.pop()
                del open_dags[id(dag)]
        return top

    def _scope(self, dag: DAG, above: str, at: str) -> int:
        place = ~len(self.scopes)
        self.scopes.append(Scope(above, at))
        self.folders[at or above] = list(dag._nodes)
        self._homes.setdefault(identity(dag), Home(above, at, place))
        return place

    def _member(self, node: Any, job_id: str, at: str, owner: str | None) -> int:
        self.members.append(Member(job_id, at, node, owner))
        self.ids.add(job_id)
        return len(self.members) - 1


def _below(above: str, rest: str) -> str:
    return join(above, rest) if rest else above


def _check_nested(dag: DAG, dag_id: str) -> None:
    """Says what counts for the outermost DAG alone. Raises `DraftError` for what would be lost."""
    if dag._rules:
        raise DraftError(
            f"the nested DAG {dag_id!r} has the rule {dag._rules[0].name!r}, and a rule acts on the whole "
            "graph: add it to the outermost DAG",
            key=dag_id,
        )
    if dag._submitted is not None and not dag._submitted.keyed_only and dag._submitted.nodes:
        raise DraftError(
            f"the nested DAG {dag_id!r} has submitted nodes, which only the outermost DAG can have: give it "
            "jobs",
            key=dag_id,
        )
    if dag.max_workers is not None:
        warnings.warn(
            f"the nested DAG {dag_id!r} was made with max_workers={dag.max_workers}; that of the outermost "
            "DAG counts",
            RamifyWarning,
            stacklevel=2,
        )
