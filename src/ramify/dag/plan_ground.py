"""A plan as the ground that rules and jobs grow on: what they add becomes definitions of the plan.

Definitions are written first; the journal's record of the growth commits them; then a new node may start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from uuid import NAMESPACE_URL, UUID, uuid5

from ramify.core.rule_keys import called
from ramify.core.table import BAD, REST
from ramify.dag.compile import Existing, compile_growth
from ramify.dag.extend import Extend, itself, then_with
from ramify.dag.graph_view import NodeView
from ramify.dag.growth_view import Growth, NewNode, Placed
from ramify.dag.job import Job
from ramify.dag.node import Node
from ramify.dag.recipe import NodeJob, by_names, policy_of
from ramify.errors import DuplicateKeyError, GraphError, GrowthError, JobError
from ramify.plan.definition import Definition
from ramify.plan.growth import write_growth
from ramify.run.ends import exception_of, told_before
from ramify.run.growing import Pass, undeclared
from ramify.values import deserialize
from ramify.values.substitution import find, replace
from ramify.worker.attempt import take_extension

if TYPE_CHECKING:
    from ramify.dag.rules import Rule
    from ramify.plan.folder import NewPlan
    from ramify.run.assemble import Settings
    from ramify.run.driver import Driver
    from ramify.run.work import PlanWork


class PlanGround:
    """What a `RuleBook` asks of a run of a plan; see `rule_book.Ground`. Also adds what jobs return."""

    def __init__(self, work: PlanWork, settings: Settings, place: int) -> None:
        self.work = work
        self.plan = work.plan
        self.engine = work.engine
        self.settings = settings
        self.driver: Driver | None = None
        self.place = place
        self.asks: Callable[[int], Any]
        self.added: dict[int, list[int]] = {}
        """What each job has added, by its number."""
        self._ids: dict[UUID, int] = {}
        self._known_scopes: set[str] = set()
        self._scoped = 0

    # ---- looking

    def name_of(self, node: int) -> str:
        """What a node is called: its key, as a person writes it."""
        return unquote(self.engine.keys[node])

    def named(self, name: str) -> int | None:
        """Nodes of plans have keys only; a text that needs quoting as a key is found all the same."""
        from ramify.dag.growth_view import as_key
        from ramify.dag.submitted import quoted
        from ramify.errors import RamifyKeyEncodingError

        number = self.engine.number
        try:
            found = number.get(as_key(name))
        except RamifyKeyEncodingError:
            found = None
        return number.get(quoted(name)) if found is None else found

    def id_of(self, node: int) -> UUID:
        """The id of a node: made of the run's folder and the key."""
        return uuid5(NAMESPACE_URL, f"{self.plan.outputs}#{self.engine.keys[node]}")

    def with_id(self, identity: UUID) -> int | None:
        """The number of the node of this id."""
        for node in range(len(self._ids), len(self.engine)):
            self._ids[self.id_of(node)] = node
        return self._ids.get(identity)

    def _definition(self, node: int) -> Definition:
        definition = self.work.definition(node)
        assert definition is not None, "only nodes with work are looked at"
        return definition

    def tags_of(self, node: int) -> Iterable[str]:
        """The tags that a node was made with."""
        return self._definition(node).policy.tags

    def may_add_of(self, node: int) -> tuple[str, ...] | None:
        """What an attempt of the node may add."""
        return self._definition(node).policy.may_add

    def value(self, node: int) -> Any:
        """The value of a good node, read from its output."""
        return deserialize(self.work.store.stem(self.work.stored(node)))

    def error(self, node: int) -> BaseException | None:
        """Why a node has none."""
        assert self.driver is not None, "it runs"
        outcome = self.driver.outcomes.get(node) or told_before(self.engine.reasons.get(node))
        return exception_of(outcome, job_id=self.engine.keys[node])

    def check_node(self, node: Node[Any]) -> None:
        """Raises `GraphError`: nodes of live graphs are not in plans."""
        raise GraphError(f"{node!r} is no node of this run: say view[{node.name!r}]")

    def is_same(self, growth: Growth, key: str, item: NewNode | Placed) -> bool:
        """Whether the node under `key` is written as the new one would be."""
        known = self.plan.definitions.get(key)
        if known is None or item.is_group:
            return False
        new = self._compiled([item]).definitions
        fresh = next((d for d in new if d.id == key), None)
        return fresh is not None and (fresh.function, fresh.args, fresh.policy) == (
            known.function,
            known.args,
            known.policy,
        )

    def nap(self, node: int, seconds: float) -> None:
        """Has a grow node woken after so long."""
        assert self.driver is not None, "it runs"
        self.driver.nap(node, seconds)

    @property
    def plan_path(self) -> str:
        """The folder of the plan."""
        return self.plan.path

    def forget_output(self, key: str) -> None:
        """Removes an output of an earlier run that is not good any more, before its job is added."""
        self.work.store.remove(key)
        self.work.rebuilder.look_again()

    # ---- rules

    def enter(self, key: str) -> int:
        """The grow node of a rule of the plan."""
        node = self.engine.number[key]
        self._pass_of(node, partial(self.asks, node))
        return node

    def _pass_of(self, node: int, one_pass: Callable[[], Any]) -> None:
        self.work.passes[node] = one_pass
        self.settings.queue.places[node] = self.place

    def add(
        self,
        node: int,
        attempt: int,
        growth: Growth,
        rules: Sequence[tuple[str, Rule]],
        facts: dict[str, Any],
    ) -> list[int]:
        """Adds what a rule brought, all or none; returns the numbers of the rules that it added."""
        items = [item for item in growth.items if item.is_group or item.key not in self.engine.number]
        self._grow(node, attempt, self._compiled(items, rules), facts)
        added = [self.engine.number[key] for key, _ in rules]
        for one in added:
            self._pass_of(one, partial(self.asks, one))
        return added

    def _compiled(self, items: Sequence[NewNode | Placed], rules: Sequence[tuple[str, Rule]] = ()) -> NewPlan:
        jobs: dict[int, Job] = {}
        placed: list[tuple[str, Any, Existing | None]] = []
        for item in items:
            if isinstance(item, Placed):
                after = None if item.after is None else self._existing(item.after)
                placed.append((item.key, self._with_references(item.entry, jobs), after))
            else:
                placed.append((item.key, self._job_of(item, jobs), None))
        return compile_growth(placed, rules, self.plan.path, apart=self._apart(items))

    def _apart(self, items: Sequence[NewNode | Placed]) -> dict[str, str]:
        """The new keys that cannot be outputs, and whose they are: a value is in their place or above it."""
        taken, scopes = self.engine.number, self._scopes()
        fresh = {id(i): [i.key] if isinstance(i, NewNode) else [k for k, _ in i.jobs()] for i in items}
        new = {key for keys in fresh.values() for key in keys}
        found: dict[str, str] = {}
        for item in items:
            for key in (item.key, *fresh[id(item)]):
                owner = next((above for above in scopes_of(key) if above in taken or above in new), None)
                if owner is not None or (key in new and key in scopes):
                    found.setdefault(item.key, owner or key)
        return found

    def _scopes(self) -> set[str]:
        """The keys of all scopes that nodes are in, so far."""
        keys = self.engine.keys
        for number in range(self._scoped, len(keys)):
            self._known_scopes.update(scopes_of(keys[number]))
        self._scoped = len(keys)
        return self._known_scopes

    def _job_of(self, item: NewNode, jobs: dict[int, Job]) -> Job:
        """The job that a new node is; those among its arguments were made before it."""
        known = jobs.get(id(item))
        if known is None:
            stand = partial(self._stand, jobs=jobs)
            args, kwargs = replace((item.args, item.kwargs), (NodeView, NewNode), stand)
            func, named = by_names(item.func, args, kwargs)
            known = jobs[id(item)] = NodeJob(func, named)
            known.after = tuple(stand(one) if not isinstance(one, Job) else one for one in item.after)
            if item.options is not None:
                known.policy = policy_of(item.options)
        return known

    def _stand(self, one: Any, jobs: dict[int, Job]) -> Job:
        return self._existing(one) if isinstance(one, NodeView) else self._job_of(one, jobs)

    def _with_references(self, entry: Any, jobs: dict[int, Job]) -> Any:
        """A job, a grid or a DAG with what stands for nodes replaced among the arguments."""
        if isinstance(getattr(entry, "kwargs", None), dict) and find(entry.kwargs, (NodeView, NewNode)):
            stand = partial(self._stand, jobs=jobs)
            entry.kwargs.update(replace(dict(entry.kwargs), (NodeView, NewNode), stand))
        for inner in getattr(entry, "_nodes", {}).values():
            self._with_references(inner, jobs)
        return entry

    def _existing(self, node: NodeView) -> Existing:
        number = node._number
        return Existing.of(self.engine.keys[number], self.work.stored(number))

    # ---- growing

    def _grow(self, node: int, attempt: int, new: NewPlan, facts: dict[str, Any]) -> list[int]:
        """Writes definitions, adds their nodes, writes that down, and wants them; by whoever drives."""
        engine, base = self.engine, len(self.engine)
        fresh = [d for d in new.definitions if d.id not in self.work.known_ids]
        for definition in fresh:
            if definition.id in engine.number:
                raise DuplicateKeyError(f"{definition.id!r} has another node", key=definition.id)
        self.settings.check(fresh)
        undo = write_growth(self.plan, new)
        try:
            rows = self.work.take_growth(new.definitions)
            self.work.keep_codes(new.codes)
            engine.grew(node, attempt, rows, time.time(), {**facts, "definitions": [d.id for d in fresh]})
        except BaseException:
            undo()
            raise
        self.settings.apply(range(base, len(engine)))
        free = self.work.to_start(range(base, len(engine)))
        engine.want(free, f"{called(engine.keys[node])} added it", time.time())
        return list(range(base, len(engine)))

    # ---- jobs that add

    def extension(self, node: int, attempt: int) -> Pass:
        """The pass that an attempt comes to which returned an `Extend`."""
        return Pass("ok", settle=self._settle)

    def _settle(self, node: int, attempt: int) -> None:
        extend: Extend = take_extension(self.plan.outputs, self.work.token(node, attempt))
        key = self.engine.keys[node]
        definition = self._definition(node)
        may_add = definition.policy.may_add
        if may_add is None:
            raise undeclared(key)
        for job_key, tags in Placed(key, extend.dag, None).jobs():
            strange = [tag for tag in tags if tag not in may_add]
            if strange:
                raise GrowthError(
                    f"{key!r} adds {job_key!r} with the tag {strange[0]!r}, and does not say so: nothing was "
                    f"added. Say may_add={[strange[0]]!r}",
                    rule=key,
                )
        then = itself if extend.then is None else partial(then_with, extend.then)
        new = compile_growth([(key, extend.dag, None)], (), self.plan.path, key, (key, then, extend.value))
        last = next(d for d in new.definitions if d.id == key)
        new.definitions[new.definitions.index(last)] = Definition(
            id=key,
            kind="job",
            function=last.function,
            args=last.args,
            dependencies=definition.dependencies,
            policy=definition.policy,
            hidden=definition.hidden,
            at=definition.at,
            code=definition.code,
        )
        added = self._grow(node, attempt, new, {"job": key})
        below = [n for n in self._below(key) if n not in self.added.get(node, ())]
        self.added.setdefault(node, []).extend(dict.fromkeys([*added, *below]))
        self._pass_of(node, partial(self._look_at_added, node))
        assert self.driver is not None, "it runs"
        self.driver.policy.spent[node] = attempt
        self._sleep(node, attempt)

    def _below(self, key: str) -> list[int]:
        """Nodes below a key that are there: what a pass that is repeated adds again."""
        prefix = f"{key}/"
        return [n for n, other in enumerate(self.engine.keys) if other.startswith(prefix)]

    def _sleep(self, node: int, attempt: int) -> None:
        state = self.engine.state
        open_ones = [n for n in self.added[node] if not REST[state[n]]]
        self.engine.slept(node, attempt, open_ones, time.time())
        if not open_ones:
            self.engine.woken(node, "what it added is there", time.time())

    def _look_at_added(self, node: int) -> Pass:
        """A job that has added looks whether all of that is there; then its next attempt makes its value."""
        engine = self.engine
        bad = next((n for n in self.added[node] if BAD[engine.state[n]]), None)
        if bad is not None:
            error = self.error(bad)
            key, other = engine.keys[node], engine.keys[bad]
            raise JobError(
                f"{key!r} has no value: {other!r}, which it added, has none ({error})",
                job_id=key,
                cause_id=other,
            )
        return Pass("ok", settle=self._after_look)

    def _after_look(self, node: int, attempt: int) -> None:
        assert self.driver is not None, "it runs"
        self.driver.policy.spent[node] = attempt
        if all(REST[self.engine.state[n]] for n in self.added[node]):
            del self.work.passes[node]
            del self.settings.queue.places[node]
        self._sleep(node, attempt)

    def take_up(self, node: int, added: Sequence[int]) -> None:
        """A job had added these before the driver died: it goes on from there."""
        self.added.setdefault(node, []).extend(n for n in added if n not in self.added.get(node, ()))
        self._pass_of(node, partial(self._look_at_added, node))


def scopes_of(key: str) -> Iterator[str]:
    """The keys of the scopes that a key is in, the innermost first.

    >>> list(scopes_of("map/3/stage1"))
    ['map/3', 'map']
    """
    place = key.rfind("/")
    while place > 0:
        yield key[:place]
        place = key.rfind("/", 0, place)
