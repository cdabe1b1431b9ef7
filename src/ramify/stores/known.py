"""What is known of the outputs in a folder: which are there and whole, and what they were made of."""

from __future__ import annotations

from ramify.errors import RamifyDeserializationError, StorageError
from ramify.rebuild.trace import Trace, trace_of
from ramify.stores.folder import FolderStore
from ramify.stores.index import OutputIndex, Row, signature
from ramify.values.codec import SIDECAR
from ramify.values.sidecar import Record, digest_in
from ramify.values.stored import verify


class KnownOutputs:
    """The outputs below one folder, by their place in it.

    What the index knows is believed as long as a payload's size, time and inode are as they were; everything
    else is read and compared with its digest.
    """

    def __init__(self, store: FolderStore) -> None:
        self.store = store
        self.index = OutputIndex(store.outputs)
        self.at_start = list(self.index.rows.values())
        self._absent: set[str] = set()

    def row(self, place: str) -> Row | None:
        """What is known of an output that is there and whole; None where there is none."""
        row = self.index.rows.get(place)
        if row is not None and self._signature(place, row.suffix) == row.signature:
            return row
        return self._read(place)

    def _read(self, place: str) -> Row | None:
        record = self._record(place)
        trace = None if record is None else trace_of(record)
        if record is None or trace is None:
            return None
        row = self._row(place, record, trace)
        if row is None or not self._is_whole(place):
            return None
        self.index.add(row)
        return row

    def _row(self, place: str, record: Record, trace: Trace) -> Row | None:
        suffix = str(record["suffix"])
        found = self._signature(place, suffix)
        if found is None:
            return None
        return Row(place, trace.own, trace.early, trace.late, digest_in(record), suffix, found)

    def _is_whole(self, place: str) -> bool:
        try:
            verify(self.store.stem(place))
        except (RamifyDeserializationError, StorageError):
            return False
        return True

    def _signature(self, place: str, suffix: str) -> str | None:
        """Of the payload and of its sidecar: without either there is no output."""
        stem = f"{self.store.outputs}/{place}"
        payload, record = signature(stem + suffix), signature(stem + SIDECAR)
        return None if payload is None or record is None else f"{payload} {record}"

    def is_whole(self, place: str, digest: str) -> bool:
        """Whether the output with this digest is there, as the index knows it, or as it reads."""
        row = self.row(place)
        if row is not None:
            return row.digest == digest
        record = self.store.holds(place)
        return record is not None and digest_in(record) == digest and self._is_whole(place)

    def made(self, place: str, trace: Trace, record: Record) -> Row | None:
        """Notes an output that has just been put in its place."""
        self._absent.discard(place)
        row = self._row(place, record, trace)
        if row is not None:
            self.index.add(row)
        return row

    def _record(self, place: str) -> Record | None:
        """The record of an output; that there is none is remembered until one is `made`."""
        if place in self._absent:
            return None
        record = self.store.holds(place)
        if record is None:
            self._absent.add(place)
        return record

    def trace(self, place: str) -> Trace | None:
        """What an output that is there was made of; None where there is none, or nothing says so."""
        record = self._record(place)
        return None if record is None else trace_of(record)

    def rows(self) -> list[Row]:
        """Every output that has a trace, as the index has it, else as the sidecars say; unchecked."""
        if self.at_start:
            return self.at_start
        found = []
        for place in self.store.listing():
            record = self.store.holds(place)
            trace = None if record is None else trace_of(record)
            row = None if record is None or trace is None else self._row(place, record, trace)
            if row is not None:
                found.append(row)
        return found
