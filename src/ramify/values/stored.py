"""What lies on disk at a stem: which payload, which children, with which digest; and plain payloads read.

A stem is a path without a payload's suffix: `outputs/scores/m1` for `outputs/scores/m1.json` and its sidecar
`outputs/scores/m1.ramify`. Nothing here unpickles, `read_plain` apart.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ramify.core.keys import decode_key, sort_key
from ramify.errors import (
    ChecksumError,
    RamifyDeserializationError,
    RamifyError,
    RamifyKeyDecodingError,
    StorageError,
)
from ramify.files.local import read_bytes, told_as_storage_error
from ramify.values import codecs, sidecar
from ramify.values.codec import SIDECAR, SUFFIX, BytesCodec, ChecksumInfo, Encoders, EncoderSpec
from ramify.values.codecs import link
from ramify.values.digest import digest_any, digest_bytes, digest_children, digest_file
from ramify.values.sidecar import FOLDER, LINK, Record, digest_in, make_record

_FOOTER: Final = 65536


def find_payload(stem: str, encoders: Encoders = None) -> Record | None:
    """A record, without a digest, for the payload at a stem that has no sidecar; None where there is none.

    Raises `RamifyDeserializationError` where there are several, or one that no encoder reads.
    """
    found = [suffix for suffix in codecs.SUFFIXES if os.path.isfile(stem + suffix)]
    if os.path.isdir(stem):
        found.insert(0, "")
    if not found:
        found = list(_suffixes_beside(stem))
    if len(found) > 1:
        names = " and ".join(os.path.basename(stem + suffix) for suffix in found)
        raise RamifyDeserializationError(
            f"{names} stand in {os.path.dirname(stem)!r}, and no sidecar says which of them is the value: "
            "remove what is old",
            path=stem,
        )
    return _record_of_suffix(stem, found[0], encoders) if found else None


def need_payload(stem: str, encoders: Encoders = None) -> Record:
    """As `find_payload`; raises `RamifyDeserializationError` where nothing is stored."""
    record = find_payload(stem, encoders)
    if record is None:
        raise RamifyDeserializationError(f"nothing is stored at {stem!r}", path=stem)
    return record


def read_plain(stem: str, record: Record, encoders: Encoders = None, check: bool = True) -> Any:
    """The value of a payload that is neither a folder nor a reference; its digest is checked first."""
    path = stem + record["suffix"]
    spec = _spec_of(record["encoding"], encoders)
    try:
        if spec is not None:
            return _read_custom(spec, path, record, check)
        codec = codecs.codec_of(record["encoding"])
        if isinstance(codec, BytesCodec):
            data = read_bytes(path)
            if check:
                _compare(path, digest_bytes(data), record)
            return codec.decode(data)
        if check:
            _compare(path, digest_file(path), record)
        return codec.read(path)
    except Exception as error:
        raise _told(error, path, record) from error


def read_link(stem: str, record: Record) -> link.Link:
    """What a reference refers to; its target is an absolute stem."""
    path = stem + record["suffix"]
    try:
        return link.decode(read_bytes(path), path)
    except StorageError as error:
        raise _told(error, path, record) from error


def names_in(folder: str) -> list[str]:
    """The names of the children of a folder that has no sidecar, sorted by key."""
    with told_as_storage_error(folder, "list"), os.scandir(folder) as entries:
        names = {_stem_of(entry.name, entry.is_dir()) for entry in entries}
    return sorted(filter(_is_key, names), key=sort_key)


def digest_of(stem: str) -> str:
    """The digest of what is stored at a stem: as recorded, else of the payload itself."""
    record = sidecar.read(stem)
    return digest_in(record) if record is not None else digest_of_payload(stem, need_payload(stem))


def digest_of_payload(stem: str, record: Record) -> str:
    """The digest of a payload as it is now; of a folder, from what is recorded for its children."""
    if record["encoding"] == FOLDER:
        names = record.get("order")
        children = names_in(stem) if names is None else names
        return digest_children([(name, digest_of(f"{stem}/{name}")) for name in children])
    if record["encoding"] == LINK:
        return read_link(stem, record).digest
    return digest_any(stem + record["suffix"])


def verify(stem: str) -> None:
    """Checks all payloads below a stem against their records, and each folder against its children.

    Raises `ChecksumError` for the first that differs, `RamifyDeserializationError` for one that is not there.
    """
    waiting = [stem]
    while waiting:
        stem = waiting.pop()
        record = sidecar.read(stem) or need_payload(stem)
        path = stem + record["suffix"]
        if not os.path.exists(path):
            raise RamifyDeserializationError(
                f"the payload {path!r} is missing, and its sidecar is there", path=path
            )
        if digest_in(record):
            _compare(path, digest_of_payload(stem, record), record)
        if record["encoding"] == FOLDER:
            waiting += [f"{stem}/{name}" for name in record.get("order") or names_in(stem)]


def _suffixes_beside(stem: str) -> Iterator[str]:
    """Suffixes that encoders of the user's gave to a payload at this stem."""
    folder, name = os.path.split(stem)
    try:
        entries = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        suffix = entry[len(name) :]
        if entry.startswith(name) and SUFFIX.fullmatch(suffix) and suffix != SIDECAR:
            yield suffix


def _record_of_suffix(stem: str, suffix: str, encoders: Encoders) -> Record:
    path = stem + suffix
    if not suffix:
        return make_record(FOLDER, "", "")
    if suffix == link.SUFFIX:
        return make_record(LINK, suffix, "")
    for spec in encoders or ():
        if spec.suffix == suffix:
            return make_record(spec.name, suffix, "")
    name = codecs.reader_of_suffix(suffix, lambda: _footer_of(path))
    if name is None:
        raise RamifyDeserializationError(
            f"no encoder reads {path!r}: pass the EncoderSpec that wrote it in encoders=[...]", path=path
        )
    return make_record(name, suffix, "")


def _footer_of(path: str) -> bytes:
    with told_as_storage_error(path, "read"), open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _FOOTER))
        return file.read()


def _stem_of(name: str, is_folder: bool) -> str:
    """The name of the child that an entry of a folder belongs to; empty for sidecars and hidden ones."""
    if is_folder or name.startswith("."):
        return "" if name.startswith(".") else name
    stem, dot, suffix = name.rpartition(".")
    return stem if SUFFIX.fullmatch(dot + suffix) and dot + suffix != SIDECAR else ""


def _is_key(name: str) -> bool:
    try:
        decode_key(name)
    except RamifyKeyDecodingError:
        return False
    return True


def _spec_of(name: str, encoders: Encoders) -> EncoderSpec | None:
    return next((spec for spec in encoders or () if spec.name == name), None)


def _read_custom(spec: EncoderSpec, path: str, record: Record, check: bool) -> Any:
    if check:
        _compare(path, digest_any(path), record)
    elif not os.path.exists(path):
        raise FileNotFoundError(path)
    if _takes_checksum(spec.deserializer):
        return spec.deserializer(
            Path(path), ChecksumInfo(**record["checksum"]) if digest_in(record) else None
        )
    return spec.deserializer(Path(path))


def _takes_checksum(function: Callable[..., Any]) -> bool:
    """Whether a second positional argument is asked for (one with a default is the function's own)."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return False
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in places and p.default is p.empty for p in parameters) >= 2


def _compare(path: str, found: str, record: Record) -> None:
    expected = digest_in(record)
    if found != expected:
        raise ChecksumError(
            f"{path!r} has changed since it was written: its digest is {found[:12]}..., and "
            f"{expected[:12]}... was recorded. Run the job again, or remove the sidecar to read it unchecked",
            path=path,
            expected=expected,
            found=found,
        )


def _told(error: Exception, path: str, record: Record) -> Exception:
    """The error of our tree for what went wrong while a payload was read."""
    if (isinstance(error, StorageError) and not os.path.exists(path)) or isinstance(error, FileNotFoundError):
        return RamifyDeserializationError(f"the payload {path!r} is missing", path=path)
    if isinstance(error, RamifyError):
        return error
    why = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError):
        why += "; install that module to read it"
    return RamifyDeserializationError(
        f"{path!r}, written by the encoder {record['encoding']!r}, cannot be read: {why}", path=path
    )
