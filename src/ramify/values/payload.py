"""Writing a payload, and reading one back: what workers and stores use, below `serialize`.

A payload stands at `stem + suffix`, or as a folder at `stem`. `write_payload` returns the record that belongs
beside it and leaves that to the caller: whoever puts the payload in its place writes the record first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from ramify.core.keys import encode_key
from ramify.errors import RamifyKeyEncodingError, RamifySerializationError
from ramify.files.local import remove_tree, storage_error, told_as_storage_error, write_new
from ramify.values import sidecar
from ramify.values.codec import (
    SIDECAR,
    BytesCodec,
    Encoders,
    EncoderSpec,
    FileCodec,
    GoToNextEncoderException,
)
from ramify.values.codecs import candidates, json_plain, link
from ramify.values.digest import digest_any, digest_bytes, digest_file
from ramify.values.lazy import LazyDict, link_of, open_value
from ramify.values.pickling import type_name
from ramify.values.sidecar import LINK, Record, digest_in, folder_record, make_record

_LONGEST_PATH: Final = 3500
"""Deeper dicts go into one file: the system's limit is 4096 bytes for a path."""

_DEEPEST: Final = 100
"""Dicts nested more deeply go into one file as well."""

_KEY_TYPES: Final = frozenset({"str", "int", "float", "bool", "date", "datetime", "time"})


def write_payload(value: Any, stem: str, encoders: Encoders = None, home: str | None = None) -> Record:
    """Writes the payload of a value at `stem` with its suffix, and returns its record.

    `home` is the stem at which it will lie in the end, if that is another: references are relative to it, and
    absolute without it. Children of a folder get their records; the root's is the caller's to write.

    On any error nothing is left at the stem. Raises `RamifySerializationError`, with the `path` inside the
    value to the object that nobody can store, and `StorageError`.
    """
    if encoders is None and type(value) in (str, int):
        try:
            return _put(stem, json_plain.CODEC, json_plain.encode(value))
        except GoToNextEncoderException:
            pass
    for spec in encoders or ():
        if spec.predicate(value):
            record = _try_custom(spec, value, stem)
            if record is not None:
                return record
    if type(value) is LazyDict:
        found = link_of(value)
        write_new(stem + link.SUFFIX, link.encode(found, home))
        return make_record(LINK, link.SUFFIX, found.digest)
    if type(value) is dict:
        names = _folder_names(value, stem)
        if names is not None:
            return _write_folder(value, names, stem, encoders, home)
    return _write_by_chain(value, stem)


def read_payload(stem: str, record: Record, encoders: Encoders = None, check: bool = True) -> Any:
    """The value of the payload at `stem`, whose digest is checked against the record.

    Raises `RamifyDeserializationError`, `ChecksumError`.
    """
    return open_value(stem, record, encoders, check)


def _put(stem: str, codec: BytesCodec, data: bytes) -> Record:
    write_new(stem + codec.suffix, data)
    return make_record(codec.name, codec.suffix, digest_bytes(data))


def _write_by_chain(value: Any, stem: str) -> Record:
    for codec in candidates(value):
        try:
            if isinstance(codec, BytesCodec):
                return _put(stem, codec, codec.encode(value))
            return _write_file(codec, value, stem)
        except (GoToNextEncoderException, RecursionError):
            continue
    raise RamifySerializationError(
        f"no encoder can store the {type_name(value)}: it is nested too deeply",
        path="",
        type_name=type_name(value),
    )


def _write_file(codec: FileCodec, value: Any, stem: str) -> Record:
    path = stem + codec.suffix
    try:
        with told_as_storage_error(path, "write"):
            codec.write(value, path)
        return make_record(codec.name, codec.suffix, digest_file(path))
    except BaseException:
        remove_tree(path)
        raise


def _try_custom(spec: EncoderSpec, value: Any, stem: str) -> Record | None:
    path = stem + spec.suffix
    try:
        spec.serializer(value, Path(path))
        if not os.path.exists(path):
            raise RamifySerializationError(
                f"the encoder {spec.name!r} returned and wrote nothing at {path!r}: "
                "its serializer must write exactly there",
                path="",
            )
        return make_record(spec.name, spec.suffix, digest_any(path))
    except GoToNextEncoderException:
        remove_tree(path)
        return None
    except BaseException:
        remove_tree(path)
        raise


def _write_folder(
    value: dict[Any, Any], names: list[str], stem: str, encoders: Encoders, home: str | None
) -> Record:
    """Writes a dict as a folder. An object that cannot be stored is named by its path."""
    digests: list[tuple[str, str]] = []
    try:
        _make_new_folder(stem)
        for name, (key, child) in zip(names, value.items(), strict=True):
            inner = f"{stem}/{name}"
            try:
                record = write_payload(child, inner, encoders, home and f"{home}/{name}")
            except RamifySerializationError as error:
                raise _located(error, key) from error
            write_new(inner + SIDECAR, sidecar.encode(record))
            digests.append((name, digest_in(record)))
    except BaseException:
        remove_tree(stem)
        raise
    return folder_record(digests)


def _located(error: RamifySerializationError, key: Any) -> RamifySerializationError:
    path = f"[{key!r}]{getattr(error, 'path', '')}"
    reason = getattr(error, "reason", error.message)
    return RamifySerializationError(
        f"at {path}: {reason}", path=path, reason=reason, type_name=getattr(error, "type_name", "")
    )


def _make_new_folder(path: str) -> None:
    try:
        os.mkdir(path)
    except FileExistsError:  # what a killed attempt of the same name left
        remove_tree(path)
        _make_new_folder(path)
    except OSError as error:
        raise storage_error(error, path, "make the folder") from error


def _folder_names(value: dict[Any, Any], stem: str) -> list[str] | None:
    """The names of the children, if each key comes back as it is and no two names are the same."""
    if len(stem) > _LONGEST_PATH or not all(map(_is_exact_key, value)) or _is_bottomless(value):
        return None
    try:
        names = [encode_key(key) for key in value]
    except RamifyKeyEncodingError:
        return None
    return names if len(set(names)) == len(names) and _told_apart(names) else None


def _is_exact_key(key: Any) -> bool:
    """Sub-classes of the key types would come back as their base."""
    kind = type(key)
    return kind.__name__ in _KEY_TYPES and kind.__module__ in ("builtins", "datetime")


def _told_apart(names: list[str]) -> bool:
    """Whether a file system that holds `a` and `A` to be one name, as those of macOS do, keeps them apart."""
    return (os.name == "posix" and os.uname().sysname != "Darwin") or len(
        {n.casefold() for n in names}
    ) == len(names)


def _is_bottomless(value: dict[Any, Any]) -> bool:
    """Whether a dict is below itself, or deeper than folders should be, by a way of dicts alone."""
    done: set[int] = set()
    stack = [(value, iter(value.values()))]
    while stack:
        for child in stack[-1][1]:
            if type(child) is dict and id(child) not in done:
                stack.append((child, iter(child.values())))
                break
        else:
            done.add(id(stack.pop()[0]))
        if len(stack) > _DEEPEST:
            return True
    return False
