"""The jobs of a plan as the driver needs them: orders, outputs, and what stands from earlier runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from ramify.core.engine import Engine
from ramify.core.graph import GATHER, GROW, REUSABLE, RULE, WORK, NewNode
from ramify.core.table import GOOD
from ramify.errors import RamifyWarning, StorageError
from ramify.plan.definition import CodeNote, Definition
from ramify.plan.dependencies import Declared, Dependencies
from ramify.plan.opened import Plan
from ramify.ports import Order, Outcome
from ramify.rebuild.trace import Cause, Trace, trace_of
from ramify.run.ends import use_of
from ramify.run.growing import Pass, undeclared
from ramify.run.reuse import Rebuilder
from ramify.stores.folder import FolderStore
from ramify.stores.index import Row
from ramify.stores.traces import Elsewhere, Found, TraceWriter
from ramify.values.declared import InputCache
from ramify.values.sidecar import Record, digest_in
from ramify.worker.attempt import EXTENSION

_PLAIN_CAUSES: Final = ("no output", "off")
"""Causes that are not written down: they are what is meant where nothing is said."""

Note = list[Any]
"""A record of the journal; see `Recorder`."""


class PlanWork:
    """The tables behind the numbers of a run on disk.

    `reuse` says what of earlier runs may count for jobs that say nothing themselves: `"off"`, `"exists"` or
    `"auto"`; `forced` whether a job is to run whatever is there; `elsewhere` whose results may count besides
    those of this folder. `target` names what the run is of.
    """

    def __init__(
        self,
        plan: Plan,
        store: FolderStore,
        run_name: str,
        *,
        reuse: str = "off",
        forced: Callable[[str], bool] | None = None,
        elsewhere: Elsewhere | None = None,
        target: str = "",
        cache: InputCache | None = None,
        declared: Declared | None = None,
    ) -> None:
        self.plan = plan
        self.store = store
        self.run_name = run_name
        self.engine = Engine()
        plan.begin_anew()
        self.definitions: list[Definition] = list(plan.definitions.values())
        self.traces: TraceWriter | None = None
        self._why: list[list[Any]] = []
        self._used: list[list[Any]] = []
        self._told: set[str] = set()
        self.passes: dict[int, Callable[[], Any]] = {}
        """What the next attempt of a node is in the thread of growth, of those that have one there."""
        self.extend: Callable[[int, int], Outcome] = self._no_growth
        self.to_start: Callable[[Iterable[int]], list[int]] = list
        """Those of nodes that may start, where not all may; see `Until`."""
        self.rules: dict[int, Definition] = {}
        """The definitions of rules, by node."""
        self.grown: list[tuple[int, list[int], dict[str, Any]]] = []
        """What the driver before this one had added: who added which nodes, and the facts of it."""
        self.is_written = False
        """Whether the journal has the graph already."""
        self.known_ids = {d.id for d in self.definitions}
        self._reuse = reuse
        self._points = [plan.points(d) for d in self.definitions]
        self._kinds: list[tuple[int, int]] = []
        self._places: list[str | None] = []
        self._modes: list[str] = []
        self._read_groups = [plan.groups_read_by(d) for d in self.definitions]
        self._sealed: set[str] = set()
        self._node_at: dict[str, int] | None = None
        self._forced = forced
        self._add_nodes([d.policy.reuse or reuse for d in self.definitions])
        self.dependencies = Dependencies(
            self.engine, plan, self.definitions, self._points, self._kinds, cache, declared
        )
        self.rebuilder = Rebuilder(
            self.dependencies,
            store,
            self._places,
            self._modes,
            elsewhere or Elsewhere(store.outputs),
            target,
        )

    def _add_nodes(self, modes: Sequence[str]) -> None:
        flags = [_flags(d, mode) for d, mode in zip(self.definitions, modes, strict=True)]
        stems = [f"{d.at or d.id}/" if d.at or d.id else "" for d in self.definitions]
        add, forced = self.engine.add, self._forced
        for key, kind, parents, number, point in self.plan.graph():
            if kind != "job":
                add(key, parents, GATHER if kind == "gather" else flags[number])
                self._without_output(number if kind == "rule" else -1)
                continue
            stays = forced is not None and forced(key)
            add(key, parents, flags[number] & ~REUSABLE if stays else flags[number])
            definition = self.definitions[number]
            at_point = stems[number] + self._points[number][point] if point >= 0 else ""
            self._places.append(at_point or definition.stored(None))
            self._modes.append(modes[number])
            self._kinds.append((number, point))

    def _without_output(self, rule: int = -1) -> None:
        """The tables' row of a gather, or of a rule by the number of its definition."""
        if rule >= 0:
            self.rules[len(self._kinds)] = self.definitions[rule]
        self._kinds.append((-1, -1))
        self._places.append(None)
        self._modes.append("off")

    # ---- growth

    @property
    def may_grow(self) -> bool:
        """Whether there is a rule, or a job that may add."""
        return bool(self.rules) or any(d.policy.may_add is not None for d in self.definitions)

    def take_growth(self, definitions: Sequence[Definition]) -> list[NewNode]:
        """Gives definitions that came rows in the tables; returns their nodes, in the order of the rows.

        A definition of an id that is there already is what the node's next attempt runs.
        """
        fresh = [d for d in definitions if d.id not in self.known_ids]
        self.known_ids.update(d.id for d in fresh)
        first = len(self.definitions)
        modes = [d.policy.reuse or self._reuse for d in fresh]
        self.definitions += fresh
        self._points += [self.plan.points(d) for d in fresh]
        self._read_groups += [self.plan.groups_read_by(d) for d in fresh]
        nodes: list[NewNode] = []
        for key, kind, parents, number, point in self.plan.more_nodes(fresh):
            if kind != "job":
                flags = GATHER if kind == "gather" else _flags(self.definitions[number], "off")
                self._without_output(number if kind == "rule" else -1)
            else:
                definition, mode = self.definitions[number], modes[number - first]
                flags = _flags(definition, mode)
                self._kinds.append((number, point))
                self._places.append(definition.stored(self._points[number][point] if point >= 0 else None))
                self._modes.append(mode)
            nodes.append((key, parents, flags, ""))
        self._node_at = None
        return nodes

    def keep_codes(self, notes: Mapping[str, CodeNote]) -> None:
        """Has later runs tell what of a code changed, as far as the disk lets it."""
        if self.traces is not None:
            try:
                self.rebuilder.keep_codes(notes)
            except (OSError, StorageError) as error:
                warnings.warn(f"later runs cannot tell what changed: {error}", RamifyWarning, stacklevel=2)

    def definition(self, node: int) -> Definition | None:
        """The definition of a node; None for one without work."""
        number = self._kinds[node][0]
        return self.definitions[number] if number >= 0 else None

    def kind(self, node: int) -> int:
        """The number of the node's definition; -1 for a node without work."""
        return self._kinds[node][0]

    def stored(self, node: int) -> str:
        """Where the node's output is, below the outputs."""
        return self.rebuilder.place(node)

    def token(self, node: int, attempt: int) -> str:
        """What an attempt's part is called."""
        return f"{self.run_name}.{node}.{attempt}"

    def order(self, node: int, attempt: int) -> Order:
        """One attempt of a job of the plan, or a pass of growth."""
        number, point = self._kinds[node]
        if number < 0 or node in self.passes:
            return Order(node, attempt, self.engine.keys[node], kind=-1)
        self.dependencies.inputs(node)  # what is declared is looked at before the job can change it
        if attempt == 1:
            self._say_why(node, self.cause(node))
        for folder in self._read_groups[number]:
            if folder not in self._sealed:
                self._seal(folder)
        job_id = self.engine.keys[node]
        group = None if point < 0 else self.definitions[number].id
        return Order(node, attempt, job_id, None, group, number)

    def _seal(self, folder: str) -> None:
        """Writes the records of a complete group before a job reads it: they say what is in it, in order."""
        self._sealed.add(folder)
        members, empty = self.plan.contents(folder)
        digests = self._digests_of(members)
        self.store.finish_folders([(m, digests[m]) for m in members], under=folder, empty=empty)

    def _digests_of(self, places: Sequence[str]) -> dict[str, str]:
        if self._node_at is None:
            self._node_at = {place: n for n, place in enumerate(self._places) if place is not None}
        return {place: self.engine.digests[self._node_at[place]] for place in places}

    def perform_pass(self, order: Order) -> Outcome:
        """A pass of growth, in this thread."""
        outcome: Outcome = self.passes[order.node]()
        return outcome

    def as_pass(self, node: int, attempt: int, outcome: Outcome) -> Outcome:
        """The outcome of an attempt that wants to add to the graph, for whoever drives."""
        return self.extend(node, attempt) if outcome.record and EXTENSION in outcome.record else outcome

    # ---- what an attempt brought

    def accept(self, node: int, attempt: int, outcome: Outcome) -> str | None:
        """Makes the attempt's part the output, with the trace of what it was made of."""
        if outcome.pid:
            self._used.append([node, attempt, *use_of(outcome)])
        place, trace = self.stored(node), self.dependencies.trace(node)
        record = outcome.record
        if record is None:  # a worker elsewhere has put the output in its place already
            record = self._annotated(place, trace, self.token(node, attempt))
        else:
            record = _traced(record, trace, self.token(node, attempt))
            self.store.adopt(place, self.token(node, attempt), record)
        if trace is not None and record is not None:
            self._note(self.rebuilder.known.made(place, trace, record))
        return outcome.digest

    def _annotated(self, place: str, trace: Trace | None, token: str) -> Record | None:
        record = self.store.holds(place)
        if record is not None:
            record = _traced(record, trace, token)
            self.store.annotate(place, record)
        return record

    def take_part(self, node: int, token: str, record: Record) -> str:
        """Makes the output of a part that a worker of a dead driver left whole; returns its digest."""
        place, trace = self.stored(node), self.dependencies.trace(node)
        record = _traced(record, trace, token)
        self.store.adopt(place, token, record)
        if trace is not None:
            self._note(self.rebuilder.known.made(place, trace, record))
        return digest_in(record)

    def made_by(self, node: int, token: str) -> str | None:
        """The digest of the output that is in place, if it is of this very attempt."""
        record = self.store.holds(self.stored(node))
        return digest_in(record) if record is not None and record.get("by") == token else None

    def has(self, node: int) -> bool:
        """Whether the output of a good node is still there and whole."""
        return self.rebuilder.known.is_whole(self.stored(node), self.engine.digests.get(node, ""))

    def _note(self, row: Row | None) -> None:
        if row is not None and self.traces is not None:
            self.traces.add(row)

    def drop(self, node: int, attempt: int) -> None:
        """Removes what the attempt left."""
        self.store.discard(self.token(node, attempt))

    def doubt(self, node: int) -> None:
        """An attempt could not load its inputs: the next run reads them before it believes in them."""
        places = [self._places[p] for p in self._above(node)]
        self.rebuilder.known.index.forget([place for place in places if place is not None])

    def _above(self, node: int) -> list[int]:
        """The nodes with work whose outputs a node reads."""
        found: list[int] = []
        stack = list(self.engine.parents[node])
        while stack:
            parent = stack.pop()
            if self._kinds[parent][0] < 0:
                stack += self.engine.parents[parent]
            else:
                found.append(parent)
        return found

    def flush(self) -> None:
        """Writes down what is known of the outputs, for later runs."""
        self.rebuilder.known.index.flush()
        if self.traces is not None:
            self.traces.flush()

    # ---- the rebuilder's questions

    def early(self, node: int) -> str | None:
        """The digest of an output that stands whatever the parents do; from elsewhere it is brought here."""
        return self._had(node, self.rebuilder.early(node))

    def late(self, node: int) -> str | None:
        """The digest of an output that was made of what the parents brought."""
        return self._had(node, self.rebuilder.late(node))

    def _had(self, node: int, digest: str | None) -> str | None:
        found = self.rebuilder.brought.pop(node, None)
        if digest is None or found is None:
            return digest
        try:
            self._bring(node, *found)
        except StorageError:  # it went, or cannot be had: then it is made here
            return None
        self._say_why(node, Cause("elsewhere", found[0].outputs))
        return digest

    def _bring(self, node: int, found: Found, row: Row) -> None:
        other = self.rebuilder.elsewhere.known(found.outputs)
        record = other.store.holds(found.place)
        trace = None if record is None else trace_of(record)
        if record is None or trace is None:
            raise StorageError(f"the output {found.place} of {found.outputs} is gone", path=found.outputs)
        early = self.dependencies.early_key(node)
        trace = replace(trace, early=early or row.early, own=self.dependencies.own_key(node) or "")
        place = self.stored(node)
        record = {**record, "trace": trace.to_record()}
        self.store.bring(place, self.token(node, 0), other.store.stem(found.place), record)
        self.rebuilder.known.made(place, trace, record)

    def cause(self, node: int) -> Cause:
        """Why a node runs, its parents being good."""
        if not self.engine.flags[node] & REUSABLE:
            return self.unasked(node)
        return self.rebuilder.cause(node)

    def stale(self) -> list[tuple[str, Cause]]:
        """The jobs with an earlier result that is not what would be made now, and why.

        To be asked when the early questions are answered: of what waits for its parents it is not known yet.
        """
        engine, found = self.engine, []
        for node, key in enumerate(engine.keys):
            if self._kinds[node][0] < 0 or not engine.flags[node] & REUSABLE:
                continue
            if GOOD[engine.state[node]] and self._modes[node] != "exists":
                continue
            cause = self.rebuilder.staleness(node)
            if cause is not None:
                found.append((key, cause))
        return found

    def _say_why(self, node: int, cause: Cause) -> None:
        if cause.kind not in _PLAIN_CAUSES:
            self._why.append([node, cause.kind, cause.subject, cause.old, cause.new])

    def notes(self) -> list[Note]:
        """What the journal is to say before the next rows: why jobs run, what was declared, the use."""
        found: list[Note] = []
        declared = self.dependencies.declared
        if len(declared) > len(self._told):
            found.append(["declared", {k: texts for k, texts in declared.items() if k not in self._told}])
            self._told.update(declared)
        if self._why:
            found.append(["why", self._why])
            self._why = []
        if self._used:
            found.append(["uses", self._used])
            self._used = []
        return found

    def unasked(self, node: int) -> Cause:
        """Why a node runs without a question: it is forced, or reuse is off for it."""
        forced = self._forced is not None and self._forced(self.engine.keys[node])
        return Cause("forced" if forced else "off")

    # ---- declaring outputs good

    def with_outputs(self) -> list[tuple[int, str]]:
        """The nodes with work, and their ids; the digests of all complete outputs are taken over."""
        for node, place in enumerate(self._places):
            record = None if place is None else self.store.holds(place)
            if record is not None:
                self.engine.digests[node] = digest_in(record)
        return [(n, key) for n, key in enumerate(self.engine.keys) if self._kinds[n][0] >= 0]

    def accept_as_is(self, node: int) -> tuple[Cause | None, str]:
        """Gives the output the trace that it would have if it were made now: what had changed, refusal."""
        place = self.stored(node)
        record = self.store.holds(place)
        if record is None:
            return None, "it has no output"
        inputs = self.dependencies.inputs(node)
        if not inputs.is_sound:
            return None, inputs.unsound[0] if inputs.unsound else "its code has no fingerprint"
        lacks = [p for p in self._above(node) if p not in self.engine.digests]
        if lacks:
            return None, f"{self.engine.keys[lacks[0]]}, which it needs, has no output"
        cause = self.rebuilder.staleness(node)
        if cause is not None and cause.kind == "damaged":
            return None, "its output is damaged"
        trace = self.dependencies.trace(node)
        assert trace is not None, "it is sound"
        record = _traced(record, trace, str(record.get("by", "")))
        self.store.annotate(place, record)
        self._note(self.rebuilder.known.made(place, trace, record))
        return cause, ""

    def _no_growth(self, node: int, attempt: int) -> Outcome:
        """Of a plan in which nothing may add."""
        return Pass("ok", settle=self._refuse_growth)

    def _refuse_growth(self, node: int, attempt: int) -> None:
        raise undeclared(self.engine.keys[node])

    def digests(self) -> dict[str, str]:
        """The digest of every output that is good, by where it is stored."""
        places = self._places
        found = {}
        for node, digest in self.engine.digests.items():
            place = places[node]
            if place is not None:
                found[place] = digest
        return found


def _flags(definition: Definition, mode: str) -> int:
    """What the engine is to know of the nodes of a definition."""
    if definition.kind == "rule":
        return GROW | RULE
    kind = WORK if definition.policy.may_add is None else GROW
    return kind if mode == "off" else kind | REUSABLE


def _traced(record: Record, trace: Trace | None, token: str) -> Record:
    """The record with which attempt made it, and of what."""
    made = {**record, "by": token}
    if trace is None:
        made.pop("trace", None)
    else:
        made["trace"] = trace.to_record()
    return made
