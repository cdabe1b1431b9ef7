"""Outputs in memory, for runs that leave nothing on disk: the same contract, and no copies.

A value is kept as it is, so a job that changes its argument changes what others get; digests are empty.
"""

from __future__ import annotations

from typing import Any, Final

from ramify.errors import RamifyDeserializationError, StorageError

Record = dict[str, Any]

_ENCODING: Final = "memory"


class MemoryStore:
    """The outputs of one run, in a dict.

    >>> store = MemoryStore()
    >>> store.adopt("a", "run.1.1", store.put("run.1.1", 5))
    >>> store.get("a"), store.listing()
    (5, {'a': ''})
    """

    def __init__(self) -> None:
        self._parts: dict[str, tuple[Any, Record, bool]] = {}
        self._outputs: dict[str, tuple[Any, Record, str]] = {}

    def put(self, attempt: str, value: Any, job_id: str | None = None, leave_record: bool = False) -> Record:
        """Keeps a value as the part of an attempt, and returns its record."""
        record = {
            "version": 1,
            "encoding": _ENCODING,
            "suffix": "",
            "checksum": {"algorithm": "sha256", "digest": ""},
        }
        self._parts[attempt] = value, ({**record, "job_id": job_id} if leave_record else record), leave_record
        return record

    def get(self, job_id: str) -> Any:
        """The value of an output. Raises `RamifyDeserializationError` where there is none."""
        if job_id not in self._outputs:
            raise RamifyDeserializationError(f"the job {job_id!r} has no complete output", path=job_id)
        return self._outputs[job_id][0]

    def adopt(self, job_id: str, attempt: str, record: Record) -> None:
        """Makes an attempt's part the job's output; `StorageError` where there is no such part."""
        record = {key: item for key, item in record.items() if key != "job_id"}
        part = self._parts.pop(attempt, None)
        if part is not None:
            self._outputs[job_id] = part[0], record, attempt
        elif job_id not in self._outputs or self._outputs[job_id][2] != attempt:
            raise StorageError(
                f"there is no part of the attempt {attempt!r} to adopt", path=attempt, errno=None
            )

    def discard(self, attempt: str) -> None:
        """Forgets the part of an attempt, if there is one."""
        self._parts.pop(attempt, None)

    def holds(self, job_id: str) -> Record | None:
        """The record of an output; None where there is none."""
        output = self._outputs.get(job_id)
        return None if output is None else output[1]

    def listing(self, verify: bool = False) -> dict[str, str]:
        """The ids of all outputs."""
        return dict.fromkeys(self._outputs, "")

    def remove(self, job_id: str) -> bool:
        """Removes an output; returns whether there was one."""
        return self._outputs.pop(job_id, None) is not None

    def remove_all(self) -> None:
        """Removes all outputs and parts."""
        self._outputs.clear()
        self._parts.clear()

    def parts(self) -> list[tuple[str, Record]]:
        """The parts that were left with a record."""
        return [(attempt, record) for attempt, (_, record, left) in sorted(self._parts.items()) if left]

    def sweep(self) -> None:
        """Forgets all parts."""
        self._parts.clear()
