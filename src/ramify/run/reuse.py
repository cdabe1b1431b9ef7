"""Which outputs of earlier runs stand: the rebuilder's questions, answered from what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from ramify.core.table import SUCCEEDED
from ramify.plan.definition import CodeNote
from ramify.plan.dependencies import Dependencies
from ramify.plan.graph import group_name
from ramify.rebuild.trace import Cause, Trace, code_change, own_change, trace_of, upstream_change
from ramify.stores.codes import read_parts, write_parts
from ramify.stores.folder import FolderStore
from ramify.stores.index import Row
from ramify.stores.known import KnownOutputs
from ramify.stores.traces import Elsewhere, Found

MODES: Final = ("off", "exists", "auto")


class Rebuilder:
    """Judges the outputs of one run.

    `modes` says by definition what may count: `"off"` nothing, `"exists"` any complete output, `"auto"` one
    whose keys say that it is what would be made now. `places` are where the nodes' outputs are (None: no
    work); `target` is what the run is of, for finding what the same job was made of before.
    """

    def __init__(
        self,
        dependencies: Dependencies,
        store: FolderStore,
        places: Sequence[str | None],
        modes: Sequence[str],
        elsewhere: Elsewhere,
        target: str = "",
    ) -> None:
        self.dependencies = dependencies
        self.store = store
        self.known = KnownOutputs(store)
        self.elsewhere = elsewhere
        self.target = target
        self.brought: dict[int, tuple[Found, Row]] = {}
        self._places = places
        self._modes = modes
        self._orphans: Elsewhere | None = None
        self._codes: dict[str, Mapping[str, str]] = {}

    def look_again(self) -> None:
        """Outputs have been put in place by somebody else."""
        self.known = KnownOutputs(self.store)
        self._orphans = None

    def place(self, node: int) -> str:
        """Where the node's output is, below the outputs."""
        place = self._places[node]
        assert place is not None, "only nodes with work have an output"
        return place

    def mode(self, node: int) -> str:
        """What may count for the node."""
        return self._modes[node]

    # ---- the two questions

    def early(self, node: int) -> str | None:
        """The digest of an output that stands whatever the parents do.

        Where the parents' outputs are known already it must fit those too: it may have been made of others,
        by a run that was cut short, or elsewhere, if a function does not give the same for the same.
        """
        if self._modes[node] == "exists":
            return self._existing(node)
        key = self.dependencies.early_key(node)
        if key is None:
            return None
        late = None if self.dependencies.engine.need[node] else self.dependencies.late_key(node)
        place = self.place(node)
        row = self.known.row(place)
        if row is not None and row.early == key and late in (None, row.late):
            return row.digest
        found = self.elsewhere.early(key, place) or self._moved().early(key, place)
        return self._bring(node, found) if found is not None and late in (None, found[1].late) else None

    def late(self, node: int) -> str | None:
        """The digest of an output that was made of what the parents have brought."""
        if self._modes[node] == "exists":
            return self._existing(node)
        key = self.dependencies.late_key(node)
        if key is None:
            return None
        place = self.place(node)
        row = self.known.row(place)
        if row is not None and row.late == key:
            self._refresh(node, row)
            return row.digest
        return self._bring(node, self.elsewhere.late(key, place) or self._moved().late(key, place))

    def _existing(self, node: int) -> str | None:
        return self.store.digest(self.place(node))

    def _bring(self, node: int, found: tuple[Found, Row] | None) -> str | None:
        """A hit elsewhere is to be brought here: who only judges leaves it where it is."""
        if found is None:
            return None
        self.brought[node] = found
        return found[1].digest

    def _refresh(self, node: int, row: Row) -> None:
        """What was verified has the early key of today: the next run need not look upstream."""
        early = self.dependencies.early_key(node)
        if early is not None and early != row.early:
            self.known.index.add(row._replace(early=early))

    def _moved(self) -> Elsewhere:
        """Outputs in this folder that no job of the plan has any more: of jobs that got another key."""
        if self._orphans is None:
            rows = self.known.at_start
            here = set(self._places) if rows else set()
            left = [row for row in rows if row.place not in here]
            self._orphans = Elsewhere.of_rows(self.known, left)
        return self._orphans

    # ---- why

    def certain(self, node: int) -> Cause | None:
        """Why the node runs whatever its parents bring; None where nothing says so."""
        if self._modes[node] == "exists":
            return None if self._existing(node) is not None else self.missing(node)
        inputs = self.dependencies.inputs(node)
        if not inputs.is_sound:
            return Cause("unsound", inputs.unsound[0] if inputs.unsound else "its code has no fingerprint")
        own = self.dependencies.own_key(node) or ""
        row = self.known.row(self.place(node))
        if row is not None and row.own == own:
            return None
        if self.elsewhere.may_have(own) or self._moved().may_have(own):
            return None
        return self._difference(node) or self.missing(node)

    def cause(self, node: int) -> Cause:
        """Why the node runs, its parents being known."""
        certain = self.certain(node)
        if certain is not None:
            return certain
        trace = self.trace(node)
        if trace is None:
            return self.missing(node)
        own = own_change(trace, self.dependencies.inputs(node))
        if own is not None:
            return self._told(own, node, trace)
        engine = self.dependencies.engine
        now = {engine.keys[p]: self.dependencies.digest(p) for p in engine.parents[node]}
        cause = upstream_change(trace, now)
        return replace(cause, subject=self._culprit(cause.subject)) if cause.subject else cause

    def _culprit(self, key: str) -> str:
        """The job that changed; of a group, the first that ran in this run, else the group by its name."""
        engine = self.dependencies.engine
        stack = [engine.number[key]]
        while stack:
            node = stack.pop()
            if self._places[node] is not None:
                return engine.keys[node]
            stack += [p for p in engine.parents[node][::-1] if engine.state[p] == SUCCEEDED]
        return group_name(key)

    def staleness(self, node: int) -> Cause | None:
        """What has changed about a job that has an earlier result, or that this one is lost or damaged.

        None where it has none, or where only its parents can tell.
        """
        trace = self.trace(node)
        if trace is None:
            return None
        is_here = self._modes[node] != "exists" and self.known.trace(self.place(node)) is not None
        if is_here and self.known.row(self.place(node)) is None:
            return Cause("damaged")
        return self._difference(node)

    def _difference(self, node: int) -> Cause | None:
        """What changed about the job itself since its output was made, here or in the latest run."""
        trace = self.trace(node)
        found = None if trace is None else own_change(trace, self.dependencies.inputs(node))
        return None if found is None or trace is None else self._told(found, node, trace)

    def _told(self, cause: Cause, node: int, trace: Trace) -> Cause:
        if cause.kind != "code":
            return cause
        old, new = self._parts(trace.code or ""), self.dependencies.note(node).parts
        return code_change(old, new) if old and old != new else cause

    def missing(self, node: int) -> Cause:
        """Why there is nothing to judge: no output, one that is damaged, or one without a trace."""
        record = self.store.holds(self.place(node))
        if record is None:
            return Cause("no output")
        return Cause("damaged" if trace_of(record) is not None else "no trace")

    def trace(self, node: int) -> Trace | None:
        """What the job's output was made of: the one that is there, else the newest of the same target."""
        trace = self.known.trace(self.place(node))
        if trace is None:
            found = self.elsewhere.last(self.target, self.place(node))
            trace = None if found is None else self.elsewhere.known(found.outputs).trace(found.place)
        return trace

    # ---- codes, for telling what of a code changed

    def _parts(self, digest: str) -> Mapping[str, str]:
        """The parts of a fingerprint that an earlier run of this target had; empty where nobody knows."""
        if digest not in self._codes:
            folders = [self.store.outputs]
            folders += [f.outputs for f in self.elsewhere.of_target(self.target)]
            self._codes[digest] = next(filter(None, (read_parts(f, digest) for f in folders)), {})
        return self._codes[digest]

    def keep_codes(self, notes: Mapping[str, CodeNote]) -> None:
        """Writes the fingerprints of this run beside its outputs, for the `why` of a later one."""
        for note in notes.values():
            if note.digest is not None:
                write_parts(self.store.outputs, note.digest, note.parts)
