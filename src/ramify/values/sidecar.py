"""The record beside a payload: which encoder wrote it, under which suffix, with which digest.

`{"version":1,"encoding":"json","suffix":".json","checksum":{"algorithm":"sha256","digest":"..."}}`, and for a
folder `"order"`, the names of its children as the dict had them. Fields that are not known are ignored.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from ramify.errors import RamifyDeserializationError
from ramify.files.local import read_if_there
from ramify.values.codec import SIDECAR, SUFFIX
from ramify.values.digest import ALGORITHM, digest_children

Record = dict[str, Any]

VERSION: Final = 1
FOLDER: Final = "dict-folder"
LINK: Final = "symlink"

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def make_record(encoding: str, suffix: str, digest: str) -> Record:
    """The record of a payload."""
    return {
        "version": VERSION,
        "encoding": encoding,
        "suffix": suffix,
        "checksum": {"algorithm": ALGORITHM, "digest": digest},
    }


def folder_record(children: Iterable[tuple[str, str]], order: Iterable[str] | None = None) -> Record:
    """The record of a folder, of its children's `(name, digest)`; no payload is read.

    `order` is the order of the names, that of `children` if it is not given.

    >>> folder_record([("b", "02"), ("a", "01")])["order"]
    ['b', 'a']
    """
    pairs = list(children)
    record = make_record(FOLDER, "", digest_children(pairs))
    record["order"] = list(order) if order is not None else [name for name, _ in pairs]
    return record


def digest_in(record: Record) -> str:
    """The digest that a record holds."""
    digest: str = record["checksum"]["digest"]
    return digest


def parse(data: bytes, path: str) -> Record:
    """The record in these bytes; raises `RamifyDeserializationError` where they hold none."""
    try:
        record = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _unreadable(path, f"it is cut short or is no JSON ({error})") from error
    fault = _fault(record)
    if fault:
        raise _unreadable(path, fault)
    return record  # type: ignore[no-any-return]  # _fault has seen that it is a dict


def read(stem: str) -> Record | None:
    """The record beside the payload at `stem`; None where there is none.

    Raises `RamifyDeserializationError` for one that is truncated or not understood.
    """
    path = stem + SIDECAR
    data = read_if_there(path)
    return None if data is None else parse(data, path)


def payload_exists(stem: str, record: Record) -> bool:
    """Whether the payload that the record describes is there: a folder for an empty suffix, else a file."""
    path = stem + record["suffix"]
    return os.path.isdir(path) if record["encoding"] == FOLDER else os.path.exists(path)


def _fault(record: Any) -> str:
    if not isinstance(record, dict):
        return "it is no object"
    if record.get("version") != VERSION:
        return f"it has the version {record.get('version')!r}, and this Ramify reads version {VERSION}"
    checksum, suffix = record.get("checksum"), record.get("suffix")
    if not isinstance(record.get("encoding"), str) or not isinstance(suffix, str):
        return "it names no encoding or no suffix"
    if suffix and not SUFFIX.fullmatch(suffix):
        return f"it names the suffix {suffix!r}, which cannot be"
    if not isinstance(checksum, dict) or not isinstance(checksum.get("digest"), str):
        return "it holds no checksum"
    if checksum.get("algorithm") != ALGORITHM:
        return f"it has a checksum by {checksum.get('algorithm')!r}, and this Ramify knows {ALGORITHM}"
    if record["encoding"] == FOLDER and "order" in record and not _are_names(record["order"]):
        return "it lists names that no children can have"
    return ""


def _are_names(order: Any) -> bool:
    """Whether these may be names in a folder: text that leads nowhere else."""
    if type(order) is not list or not set(map(type, order)) <= {str}:
        return False
    return "/" not in "".join(order) and not any(name[:1] in (".", "") for name in order)


def _unreadable(path: str, why: str) -> RamifyDeserializationError:
    return RamifyDeserializationError(
        f"the sidecar {path!r} cannot be read: {why}. Run the job again, or remove the sidecar to read the "
        "payload unchecked",
        path=path,
    )
