"""Outputs in a folder: a payload and a sidecar per job id, and parts of attempts until they are adopted.

    outputs/scores/m1/train.json      the payload of the job `scores/m1/train`
    outputs/scores/m1/train.ramify    its record
    outputs/scores.ramify             the record of a group, written when its members are complete
    outputs/.parts/TOKEN.json         a part: what the attempt TOKEN wrote
    outputs/.parts/TOKEN.ramify       the part's record, by which a later driver can adopt it

A worker writes parts only; the one driver of the folder does everything else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ramify.errors import DraftError, RamifyDeserializationError, StorageError
from ramify.files.local import (
    link_tree,
    make_folder,
    read_if_there,
    remove_file,
    remove_tree,
    retire,
    told_as_storage_error,
    write_atomic,
)
from ramify.values import sidecar
from ramify.values.codec import SIDECAR, SUFFIX, Encoders
from ramify.values.payload import read_payload, write_payload
from ramify.values.place import clear, place
from ramify.values.sidecar import FOLDER, Record, digest_in, folder_record
from ramify.values.stored import verify

PARTS: Final = ".parts"


class FolderStore:
    """The outputs below one folder, which is made when something is put there.

    >>> import tempfile
    >>> store = FolderStore(tempfile.mkdtemp() + "/outputs")
    >>> record = store.put("run.1.1", {"a": 1}, job_id="scores/m1")
    >>> store.adopt("scores/m1", "run.1.1", record)
    >>> store.get("scores/m1").to_dict(), store.listing()
    ({'a': 1}, {'scores/m1': '', 'scores/m1/a': '.json'})
    """

    def __init__(self, outputs: str | os.PathLike[str], encoders: Encoders = None) -> None:
        self.outputs = os.path.abspath(os.fspath(outputs))
        self.encoders = encoders
        self._parts = os.path.join(self.outputs, PARTS)
        self._open: set[str] = set()  # folders that are there, and whose records are not

    def put(self, attempt: str, value: Any, job_id: str | None = None, leave_record: bool = False) -> Record:
        """Writes a value as the part of an attempt, as a worker does, and returns its record."""
        if not os.path.isdir(self._parts):
            make_folder(self._parts)
        stem = self._part(attempt)
        home = None if job_id is None else self.stem(job_id)
        record = write_payload(value, stem, self.encoders, home)
        if leave_record:
            write_atomic(stem + SIDECAR, sidecar.encode({**record, "job_id": job_id}))
        return record

    def get(self, job_id: str) -> Any:
        """The value of a complete output. Raises `RamifyDeserializationError` where there is none."""
        record = self.holds(job_id)
        if record is None:
            raise RamifyDeserializationError(
                f"the job {job_id!r} has no complete output", path=self.stem(job_id)
            )
        return read_payload(self.stem(job_id), record, self.encoders)

    def stem(self, job_id: str) -> str:
        """Where the output of a job lies, without the payload's suffix."""
        return f"{self.outputs}/{job_id}"

    def adopt(self, job_id: str, attempt: str, record: Record) -> None:
        """Makes an attempt's part the job's output; what was there goes. To adopt it again changes nothing.

        Raises `StorageError` where there is no such part, and leaves an older output as it was.
        """
        folder = job_id.rpartition("/")[0]
        if folder not in self._open:
            self._open_folder(folder)
        if "job_id" in record:
            record = {key: item for key, item in record.items() if key != "job_id"}
        part = self._part(attempt)
        try:
            place(part, self.stem(job_id), record, self._parts)
        except StorageError:
            if self.holds(job_id) != record:
                raise
        try:
            os.unlink(part + SIDECAR)
        except FileNotFoundError:
            pass

    def bring(self, job_id: str, attempt: str, stem: str, record: Record) -> None:
        """Makes a payload of another folder this job's output: by hard links, else by a copy.

        Raises `StorageError` where it is not there, or has links inside that would lead elsewhere from here.
        """
        make_folder(self._parts)
        suffix = record["suffix"]
        try:
            link_tree(stem + suffix, self._part(attempt) + suffix)
            self.adopt(job_id, attempt, record)
        except BaseException:
            self.discard(attempt)
            raise

    def annotate(self, job_id: str, record: Record) -> None:
        """Writes the record of a complete output anew; the payload stays as it is."""
        write_atomic(self.stem(job_id) + SIDECAR, sidecar.encode(record))

    def discard(self, attempt: str) -> None:
        """Forgets the part of an attempt, if there is one, whatever it had come to."""
        try:
            entries = os.listdir(self._parts)
        except FileNotFoundError:
            return
        for entry in entries:
            if entry == attempt or (entry.startswith(attempt) and SUFFIX.fullmatch(entry[len(attempt) :])):
                remove_tree(os.path.join(self._parts, entry))

    def holds(self, job_id: str) -> Record | None:
        """The record of a complete output; None where there is none, or only a half of one."""
        stem = self.stem(job_id)
        try:
            record = sidecar.read(stem)
        except RamifyDeserializationError:
            return None
        return record if record is not None and sidecar.payload_exists(stem, record) else None

    def digest(self, job_id: str) -> str | None:
        """The digest of a complete output; None where there is none."""
        record = self.holds(job_id)
        return None if record is None else digest_in(record)

    def listing(self, verify: bool = False) -> dict[str, str]:
        """The ids of complete outputs, each with its payload's suffix; groups and children are among them.

        Sidecars are not opened, an empty one does not count. With `verify` they are, and all payloads are
        read and compared with their digests: what differs is left out.
        """
        found = dict(self._scan())
        if not verify:
            return found
        return {job_id: suffix for job_id, suffix in found.items() if _is_sound(self.stem(job_id))}

    def remove(self, job_id: str) -> bool:
        """Removes an output, complete or not; returns whether there was one. Its groups' records go too."""
        folder = job_id.rpartition("/")[0]
        if folder not in self._open:
            self._drop_records(folder)
        return clear(self.stem(job_id), self._trash())

    def remove_all(self) -> None:
        """Removes all outputs, parts and records."""
        self._open.clear()
        remove_file(self.outputs + SIDECAR)
        if os.path.lexists(self.outputs):
            retire(self.outputs, os.path.dirname(self.outputs))

    def parts(self) -> list[tuple[str, Record]]:
        """The parts that workers left with a record: attempt and record, which has the `job_id`.

        One whose record is cut short is left out: it was never finished.
        """
        found = []
        for entry in sorted(_list(self._parts)):
            attempt = entry.removesuffix(SIDECAR)
            if attempt == entry or entry.startswith("."):
                continue
            data = read_if_there(os.path.join(self._parts, entry))
            try:
                record = sidecar.parse(data or b"", entry)
            except RamifyDeserializationError:
                continue
            found.append((attempt, record))
        return found

    def sweep(self) -> None:
        """Removes all parts, and the folder they are in, even while an abandoned worker adds to it."""
        retire(self._parts, self.outputs)

    def finish_folders(
        self,
        outputs: Iterable[tuple[str, str]],
        under: str = "",
        empty: Iterable[str] | Mapping[str, int] = (),
    ) -> str:
        """Writes the records of all groups at and below `under` (everything, for ""), and returns its digest.

        `outputs` are the `(job id, digest)` of the members, in the order that the groups' dicts shall have;
        `empty` are ids of groups without members; a mapping says how many outputs come before each. No
        payload is read. A member that is not named is not part of its group. Records of groups that hold
        nothing any more are removed when a folder is opened.
        """
        tree = _tree(outputs, empty, under)
        digests: dict[str, str] = {}
        for group in sorted(tree, key=_depth, reverse=True):
            children = [(name, digest or digests[_join(group, name)]) for name, digest in tree[group].items()]
            record = folder_record(children)
            folder = self._group_stem(group)
            make_folder(folder)
            text = sidecar.encode(record)
            if read_if_there(folder + SIDECAR) != text:
                write_atomic(folder + SIDECAR, text)
            self._open.discard(group)
            digests[group] = digest_in(record)
        return digests[under]

    def _part(self, attempt: str) -> str:
        return f"{self._parts}/{attempt}"

    def _group_stem(self, group: str) -> str:
        return f"{self.outputs}/{group}" if group else self.outputs

    def _trash(self) -> str:
        return self._parts if os.path.isdir(self._parts) else self.outputs

    def _open_folder(self, folder: str) -> None:
        make_folder(self._group_stem(folder))
        self._drop_records(folder)

    def _drop_records(self, folder: str) -> None:
        """Removes the records of a folder and of those above: what is in it changes.

        Where a job of this id was before and is a group now, its payload goes as well.
        """
        while folder not in self._open:
            stem = self._group_stem(folder)
            try:
                record = sidecar.read(stem)
            except RamifyDeserializationError:
                record = None
            if record is not None and record["encoding"] != FOLDER:
                clear(stem, self._trash())
            remove_file(stem + SIDECAR)
            if os.path.isdir(stem):
                self._open.add(folder)
            if not folder:
                return
            folder = folder.rpartition("/")[0]

    def _scan(self) -> Iterator[tuple[str, str]]:
        waiting = [""]
        linked: set[tuple[int, int]] = set()  # folders behind links: one of them may lead back up
        while waiting:
            group = waiting.pop()
            stem = self._group_stem(group)
            if group and os.path.islink(stem) and not _is_new(stem, linked):
                continue
            sealed, payloads = _entries(stem)
            for name, suffix in payloads:
                job_id = _join(group, name)
                if not suffix:
                    waiting.append(job_id)
                if name in sealed:
                    yield job_id, suffix


def _entries(folder: str) -> tuple[set[str], list[tuple[str, str]]]:
    """The names that have a sidecar with something in it, and the payloads as `(name, suffix)`."""
    sealed: set[str] = set()
    payloads: list[tuple[str, str]] = []
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return sealed, payloads
    with told_as_storage_error(folder, "list"), entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if name.endswith(SIDECAR):
                if entry.stat().st_size:
                    sealed.add(name[: -len(SIDECAR)])
            elif entry.is_dir():
                payloads.append((name, ""))
            else:
                stem, dot, suffix = name.rpartition(".")
                payloads.append((stem, dot + suffix))
    return sealed, payloads


def _is_new(folder: str, met: set[tuple[int, int]]) -> bool:
    """Whether this folder was not met yet."""
    found = os.stat(folder)
    mark = found.st_dev, found.st_ino
    new = mark not in met
    met.add(mark)
    return new


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except FileNotFoundError:
        return []


def _is_sound(stem: str) -> bool:
    try:
        verify(stem)
    except (RamifyDeserializationError, StorageError):
        return False
    return True


def _tree(
    outputs: Iterable[tuple[str, str]], empty: Iterable[str] | Mapping[str, int], under: str
) -> dict[str, dict[str, str]]:
    """Per group, its children in order: a name and a digest, or "" for a group whose digest comes later."""
    tree: dict[str, dict[str, str]] = {under: {}}
    before = empty if isinstance(empty, Mapping) else dict.fromkeys(empty, 0)
    waiting = sorted(before, key=before.__getitem__)[::-1]  # the next one last
    for number, (job_id, digest) in enumerate(outputs):
        while waiting and before[waiting[-1]] <= number:
            _insert(tree, waiting.pop(), under)
        group, _, name = job_id.rpartition("/")
        if group not in tree:
            _insert(tree, group, under)
        tree[group][name] = digest
    for group in reversed(waiting):
        _insert(tree, group, under)
    return tree


def _insert(tree: dict[str, dict[str, str]], group: str, under: str) -> None:
    """Makes the groups from `under` down to `group`, each a child of the one above."""
    missing = []
    while group not in tree:
        if under and not group.startswith(under + "/"):
            raise DraftError(f"{group!r} is not below the group {under!r}", key=group)
        missing.append(group)
        group = group.rpartition("/")[0]
    for group in reversed(missing):
        above, _, name = group.rpartition("/")
        tree[group] = {}
        tree[above].setdefault(name, "")


def _depth(group: str) -> int:
    return group.count("/") + 1 if group else 0


def _join(group: str, name: str) -> str:
    return f"{group}/{name}" if group else name
