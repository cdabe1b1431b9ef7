"""Which outputs of earlier runs stand: the rebuilder's questions, answered from what is there."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Final

from ramify.core.columns import Columns
from ramify.core.graph import GATHER, KIND
from ramify.errors import RamifyDeserializationError, StorageError
from ramify.plan.definition import Definition
from ramify.plan.shape import Shape, shape_of
from ramify.rebuild.keys import Inputs, early_key, gathered, late_key
from ramify.rebuild.trace import MOST_PARENTS, Cause, Trace, trace_of
from ramify.stores.folder import FolderStore
from ramify.stores.index import OutputIndex, Row, signature
from ramify.values.stored import digest_of, verify

MODES: Final = ("off", "exists", "auto")


class Rebuilder:
    """Judges the outputs of one run.

    `kinds` gives each node's definition and point (-1, -1 for a node without work); paths of outputs from
    elsewhere are relative to `plan_path`. `modes` says by definition what may count: `"off"` nothing,
    `"exists"` any complete output, `"auto"` one whose keys say that it is what would be made now.
    """

    def __init__(
        self,
        engine: Columns,
        store: FolderStore,
        definitions: Sequence[Definition],
        points: Sequence[Sequence[str]],
        kinds: Sequence[tuple[int, int]],
        modes: Sequence[str],
        plan_path: str,
    ) -> None:
        self.engine = engine
        self.store = store
        self.index = OutputIndex(store.outputs)
        self.shapes: list[Shape] = [shape_of(d) for d in definitions]
        self._definitions = definitions
        self._points = points
        self._kinds = kinds
        self._modes = modes
        self._plan_path = plan_path
        self._bases: dict[int, bytes | None] = {}
        self._early: list[str | None] | None = None
        self._gathers: dict[int, str] = {}
        self._records: dict[str, dict[str, Any] | None] = {}

    def _base(self, number: int) -> bytes | None:
        """A definition's part of its keys; None where it is not sound. Read when first asked for."""
        if number not in self._bases:
            shape = self.shapes[number]
            self._bases[number] = self._with_stored(shape) if shape.inputs.is_sound else None
        return self._bases[number]

    def _with_stored(self, shape: Shape) -> bytes | None:
        """The base of a shape with the digests of what comes from elsewhere; None where one is missing."""
        if not shape.stored:
            return shape.base
        hashed = blake2b(shape.base, digest_size=20)
        for path in shape.stored:
            try:
                hashed.update(digest_of(os.path.join(self._plan_path, path)).encode())
            except (RamifyDeserializationError, StorageError):
                return None
        return hashed.digest()

    # ---- the two questions

    def early(self, node: int) -> str | None:
        """The digest of an output that stands whatever the parents do."""
        number = self._kinds[node][0]
        if self._modes[number] == "exists":
            return self._existing(node)
        key = self.early_keys()[node]
        row = None if key is None else self.row(node)
        return row[3] if row is not None and row[1] == key else None

    def late(self, node: int) -> str | None:
        """The digest of an output that was made of what the parents have brought."""
        number = self._kinds[node][0]
        if self._modes[number] == "exists":
            return self._existing(node)
        key = self.late_key(node)
        row = None if key is None else self.row(node)
        return row[3] if row is not None and row[2] == key else None

    def _existing(self, node: int) -> str | None:
        record = self.store.holds(self.place(node))
        return None if record is None else str(record["checksum"]["digest"])

    def mode(self, node: int) -> str:
        """What may count for the node."""
        return self._modes[self._kinds[node][0]]

    # ---- keys

    def inputs(self, node: int) -> Inputs:
        """What the node depends on, as the plan says."""
        return self.shapes[self._kinds[node][0]].inputs

    def place(self, node: int) -> str:
        """Where the node's output is, below the outputs."""
        number, point = self._kinds[node]
        definition = self._definitions[number]
        return definition.stored(None if point < 0 else self._points[number][point])

    def early_keys(self) -> list[str | None]:
        """The early key of every node, parents before children."""
        if self._early is None:
            keys: list[str | None] = []
            for node, parents in enumerate(self.engine.parents):
                number, point = self._kinds[node]
                if number < 0:
                    keys.append(self._gather(node, [keys[p] for p in parents]))
                    continue
                base = self._base(number)
                if base is None:
                    keys.append(None)
                else:
                    text = None if point < 0 else self._points[number][point]
                    keys.append(early_key(base, text, [keys[p] for p in parents]))
            self._early = keys
        return self._early

    def late_key(self, node: int) -> str | None:
        """The late key, of the digests that the parents have now."""
        number, point = self._kinds[node]
        base = self._base(number)
        if base is None:
            return None
        text = None if point < 0 else self._points[number][point]
        return late_key(base, text, [self.digest(p) for p in self.engine.parents[node]])

    def digest(self, node: int) -> str:
        """The digest of what a good node has to give: its output's, or that of a whole group."""
        if self.engine.flags[node] & KIND != GATHER:
            return self.engine.digests[node]
        known = self._gathers.get(node)
        if known is None:
            digests = [self.digest(p) for p in self.engine.parents[node]]
            known = self._gathers[node] = self._gather(node, digests) or ""
        return known

    def _gather(self, node: int, members: Iterable[str | None]) -> str | None:
        """The key of a group: of what its members are called in it, and of their keys."""
        keys = self.engine.keys
        above = len(keys[node]) - len("@gather/")
        named = []
        for parent, key in zip(self.engine.parents[node], members, strict=True):
            if key is None:
                return None
            named.append(f"{keys[parent][above:]}={key}")
        return gathered(named)

    # ---- what is there

    def row(self, node: int) -> Row | None:
        """What is known of an output that is there and whole; None where there is none."""
        place = self.place(node)
        row = self.index.rows.get(place)
        if row is not None and signature(f"{self.store.outputs}/{place}{row[4]}") == row[5]:
            return row
        return self._read(place)

    def _read(self, place: str) -> Row | None:
        """Reads and compares the payload, and notes what was found."""
        record = self.store.holds(place)
        if record is None:
            return None
        trace = trace_of(record)
        if trace is None:
            return None
        stem = self.store.stem(place)
        before = signature(stem + record["suffix"])
        try:
            verify(stem)
        except (RamifyDeserializationError, StorageError):
            return None
        if before is None:
            return None
        digest = str(record["checksum"]["digest"])
        row = (place, trace.early, trace.late, digest, str(record["suffix"]), before)
        self.index.add(row)
        return row

    def missing(self, node: int) -> Cause:
        """Why there is no row: no output, one that is damaged, or one without a trace."""
        record = self.store.holds(self.place(node))
        if record is None:
            return Cause("no output")
        return Cause("damaged" if trace_of(record) is not None else "no trace")

    def changed_code(self, node: int, trace: Trace) -> str:
        """The parts of the code that differ from those that the output was made with."""
        return ""

    def trace(self, node: int) -> Trace | None:
        """What an output that is there was made of."""
        record = self.store.holds(self.place(node))
        return None if record is None else trace_of(record)

    # ---- what was made now

    def new_trace(self, node: int) -> Trace | None:
        """The trace of an output that is being made: its parents are good."""
        number = self._kinds[node][0]
        late = self.late_key(node)
        if late is None:
            return None
        inputs = self.shapes[number].inputs
        parents = self.engine.parents[node]
        names = {self.engine.keys[p]: self.digest(p) for p in parents} if len(parents) <= MOST_PARENTS else {}
        return Trace(inputs.code, inputs.args, late, self.early_keys()[node], names)

    def made(self, node: int, trace: Trace, record: dict[str, Any]) -> None:
        """Notes an output that has just been put in its place."""
        place, suffix = self.place(node), str(record["suffix"])
        found = signature(f"{self.store.outputs}/{place}{suffix}")
        if found is not None:
            digest = str(record["checksum"]["digest"])
            self.index.add((place, trace.early, trace.late, digest, suffix, found))
