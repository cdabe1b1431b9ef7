"""The jobs of a plan as the driver needs them: orders, outputs, and what stands from earlier runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ramify.core.engine import Engine
from ramify.core.graph import GATHER, REUSABLE, WORK
from ramify.plan.definition import Definition
from ramify.plan.opened import Plan
from ramify.ports import Order, Outcome
from ramify.rebuild.trace import Cause
from ramify.run.reuse import Rebuilder
from ramify.stores.folder import FolderStore


class PlanWork:
    """The tables behind the numbers of a run on disk.

    `reuse` says what of earlier runs may count for jobs that say nothing themselves: `"off"`, `"exists"` or
    `"auto"`; `forced` whether a job is to run whatever is there.
    """

    def __init__(
        self,
        plan: Plan,
        store: FolderStore,
        run_name: str,
        *,
        reuse: str = "off",
        forced: Callable[[str], bool] | None = None,
    ) -> None:
        self.plan = plan
        self.store = store
        self.run_name = run_name
        self.engine = Engine()
        self.definitions: Sequence[Definition] = list(plan.definitions.values())
        self._points = [plan.points(d) for d in self.definitions]
        self._place: list[tuple[int, int]] = []
        self._read_groups = [plan.groups_read_by(d) for d in self.definitions]
        self._sealed: set[str] = set()
        self._node_at: dict[str, int] | None = None
        self._modes = [d.policy.reuse or reuse for d in self.definitions]
        self._forced = forced
        self._add_nodes()
        self.rebuilder = Rebuilder(
            self.engine, store, self.definitions, self._points, self._place, self._modes, plan.path
        )

    def _add_nodes(self) -> None:
        flags = [WORK if mode == "off" else REUSABLE for mode in self._modes]
        add, forced = self.engine.add, self._forced
        for key, kind, parents, definition, point in self.plan.graph():
            if kind != "job":
                add(key, parents, GATHER)
            elif forced is not None and forced(key):
                add(key, parents, WORK)
            else:
                add(key, parents, flags[definition])
            self._place.append((definition, point))

    def definition(self, node: int) -> Definition | None:
        """The definition of a node; None for one without work."""
        number = self._place[node][0]
        return self.definitions[number] if number >= 0 else None

    def kind(self, node: int) -> int:
        """The number of the node's definition; -1 for a node without work."""
        return self._place[node][0]

    def stored(self, node: int) -> str:
        """Where the node's output is, below the outputs."""
        number, point = self._place[node]
        definition = self.definitions[number]
        return definition.stored(None if point < 0 else self._points[number][point])

    def token(self, node: int, attempt: int) -> str:
        """What an attempt's part is called."""
        return f"{self.run_name}.{node}.{attempt}"

    def order(self, node: int, attempt: int) -> Order:
        """One attempt of a job of the plan."""
        number, point = self._place[node]
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
            self._node_at = {self.stored(n): n for n, (number, _) in enumerate(self._place) if number >= 0}
        return {place: self.engine.digests[self._node_at[place]] for place in places}

    def accept(self, node: int, attempt: int, outcome: Outcome) -> str | None:
        """Makes the attempt's part the output, with the trace of what it was made of."""
        record = outcome.record
        if record is None:  # a worker elsewhere has put the output in its place already
            return outcome.digest
        trace = self.rebuilder.new_trace(node)
        if trace is not None:
            record = {**record, "trace": trace.to_record()}
        self.store.adopt(self.stored(node), self.token(node, attempt), record)
        if trace is not None:
            self.rebuilder.made(node, trace, record)
        return outcome.digest

    def drop(self, node: int, attempt: int) -> None:
        """Removes what the attempt left."""
        self.store.discard(self.token(node, attempt))

    # ---- the rebuilder's questions

    def early(self, node: int) -> str | None:
        """The digest of an output that stands whatever the parents do."""
        return self.rebuilder.early(node)

    def late(self, node: int) -> str | None:
        """The digest of an output that was made of what the parents brought."""
        return self.rebuilder.late(node)

    def unasked(self, node: int) -> Cause:
        """Why a node runs without a question: it is forced, or reuse is off for it."""
        forced = self._forced is not None and self._forced(self.engine.keys[node])
        return Cause("forced" if forced else "off")

    def digests(self) -> dict[str, str]:
        """The digest of every output that is good, by where it is stored."""
        found = {}
        for node, digest in self.engine.digests.items():
            if self._place[node][0] >= 0:
                found[self.stored(node)] = digest
        return found
