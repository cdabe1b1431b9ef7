"""Reading: a stored value, or a `LazyDict` for a folder of them.

A folder's children are those that its sidecar lists, in its order. Where there is no sidecar (it was removed,
or the run is still writing) they are what lies there, sorted by key.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from ramify.core.keys import Key, decode_key, encode_key
from ramify.errors import (
    ChecksumError,
    RamifyDeserializationError,
    RamifyKeyDecodingError,
    RamifyKeyEncodingError,
    UnknownKeyError,
)
from ramify.files.local import local_path
from ramify.values import sidecar
from ramify.values.codec import SIDECAR, ChecksumInfo, Encoders
from ramify.values.codecs.link import Link
from ramify.values.digest import digest_children
from ramify.values.listing import Listing, is_listed_folder, listing_of
from ramify.values.same import same_mapping
from ramify.values.sidecar import FOLDER, LINK, Record, digest_in
from ramify.values.stored import digest_of, find_payload, names_in, need_payload, read_link, read_plain

_MISSING: Final = object()


def open_value(stem: str, record: Record | None, encoders: Encoders = None, check: bool = True) -> Any:
    """The value stored at `stem`, read by its record, or by its suffix where there is no record.

    A folder comes back as a `LazyDict`. Raises `RamifyDeserializationError`, and `ChecksumError` for a
    payload whose bytes are not those that were written (unless `check` is False).
    """
    if record is None:
        record = need_payload(stem, encoders)
        check = False
    if record["encoding"] == FOLDER:
        if not os.path.isdir(stem):
            raise RamifyDeserializationError(
                f"the folder {stem!r} is missing, and its sidecar is there", path=stem
            )
        return LazyDict(stem, _encoders=encoders)
    if record["encoding"] == LINK:
        return _follow(stem, record, encoders)
    return read_plain(stem, record, encoders, check)


def deserialize(source: str | os.PathLike[str], encoders: Encoders = None) -> Any:
    """The value that `serialize` stored at `source`; a stored dict of legal keys comes back as a `LazyDict`.

    `source` is the target that `serialize` was given; the payload's own path does as well. Sidecars may be
    gone: the payload is then read by its suffix, and unchecked. Values are unpickled where a pickle is what
    was stored: read only what you trust.

    Raises `RamifyDeserializationError` where nothing is there or nothing can be made of it, and
    `ChecksumError` where the bytes are not those that were written.

    >>> import tempfile
    >>> from ramify.values import serialize
    >>> folder = tempfile.mkdtemp()
    >>> _ = serialize((1, {2: "b"}), folder + "/x")
    >>> deserialize(folder + "/x")
    (1, {2: 'b'})
    """
    stem = os.path.abspath(local_path(source))
    record = sidecar.read(stem)
    if record is None and os.path.isfile(stem):
        bare, suffix = os.path.splitext(stem)
        beside = sidecar.read(bare)
        if suffix and (beside is None or beside["suffix"] == suffix):
            return open_value(bare, beside, encoders)
    return open_value(stem, record, encoders)


Members = Mapping[str, Any]
"""Names of children in order, each with None or the members of that child."""


class LazyDict(Mapping[Key, Any]):
    """A stored dict whose values are read when they are asked for, each time anew.

    `lazy[key]` reads one value; `lazy["a/b"]` goes down a path of key names. A missing key is a `KeyError`.
    It compares and unpacks (`f(**lazy)`) like the dict of its values, pickles as its path, and is a path for
    `open` and `os`. With `checksum` (a digest, or what `serialize` returned) the folder is checked when it is
    first used.

    >>> import tempfile
    >>> from ramify.values import serialize
    >>> path = tempfile.mkdtemp() + "/scores"
    >>> _ = serialize({"m1": {"train": 10}, 2: [1, 2]}, path)
    >>> scores = LazyDict(path)
    >>> scores["m1"]["train"], scores["m1/train"], scores[2], list(scores), "m3" in scores
    (10, 10, [1, 2], ['m1', 2], False)
    >>> scores.to_dict()
    {'m1': {'train': 10}, 2: [1, 2]}
    """

    __slots__ = ("__serialized_path__", "_checksum", "_encoders", "_members")

    def __init__(
        self,
        serialized_path: str | os.PathLike[str],
        checksum: ChecksumInfo | str | None = None,
        *,
        members: Members | Iterable[str] | None = None,
        _encoders: Encoders = None,
    ) -> None:
        """`members` narrows it to these children, by name and in this order.

        As a mapping it says for each name None (a value, whatever it is) or the members of that folder: all
        that a group holds, whatever else lies there, and whether or not the folder is there at all.

        >>> LazyDict("/nowhere", members={"m1": {}}).to_dict()
        {'m1': {}}
        """
        self.__serialized_path__ = os.path.abspath(local_path(serialized_path))
        self._checksum = checksum.digest if isinstance(checksum, ChecksumInfo) else checksum
        self._encoders = _encoders
        self._members = None if members is None else _tree(members)

    def __getitem__(self, key: Any) -> Any:
        value = self._read(self._path_of(key))
        if value is _MISSING:
            raise UnknownKeyError(f"no {key!r} in {self!r}", key=key, near=())
        return value

    def __contains__(self, key: object) -> bool:
        path = self._path_of(key)
        if path is None:
            return False
        *above, name = path
        if not above:
            return self._has(name)
        folder = self._read(above)
        return folder._has(name) if isinstance(folder, LazyDict) else self._read(path) is not _MISSING

    def __iter__(self) -> Iterator[Key]:
        return map(decode_key, self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LazyDict) and other.__serialized_path__ == self.__serialized_path__:
            return self._members == other._members or same_mapping(self, other)
        return same_mapping(self, other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as a dict's: it is equal to dicts, which have none

    def __fspath__(self) -> str:
        return self.__serialized_path__

    def __repr__(self) -> str:
        try:
            names = list(self._names())
        except RamifyDeserializationError:
            return f"LazyDict(nothing at {self.__serialized_path__!r})"
        shown = ", ".join(repr(decode_key(name)) for name in names[:8])
        more = f", ... {len(names) - 8} more" if len(names) > 8 else ""
        return f"LazyDict({shown}{more})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (self.__serialized_path__, self._checksum, self._members)

    def _ipython_key_completions_(self) -> list[Key]:
        return list(self)

    def to_dict(self) -> dict[Key, Any]:
        """All values, read now; folders inside become dicts as well.

        >>> LazyDict("/dev/null/nothing").to_dict()
        Traceback (most recent call last):
        ramify.errors.RamifyDeserializationError: there is no stored dict at '/dev/null/nothing'
        """
        return {key: value.to_dict() if isinstance(value, LazyDict) else value for key, value in self.items()}

    def concat(
        self,
        names: list[str | None] | None = None,
        transform: Callable[[Any], Any] | None = None,
        select: Callable[[tuple[Key, ...]], bool] | None = None,
        max_workers: int | None = None,
    ) -> Any:
        """All leaves below, as one `pandas.DataFrame` whose index begins with the keys of each leaf's path.

        `names` are the names of these levels, one per level of nesting; None drops a level. `transform` is
        applied to each leaf: a frame, a series, or a scalar, which becomes one row with a column `value`.
        `select(path)` is asked at every depth, before anything below is read. `max_workers` threads read the
        leaves; without it they are read one after the other.

        Raises `ArgumentError` (a `ValueError`) for too few names, leaves at different depths, and when
        nothing is selected.
        """
        from ramify.values.concat import concat

        return concat(self, names, transform, select, max_workers)

    def _read(self, names: list[str] | None) -> Any:
        """The value down a path of names; `_MISSING` where a key of it is not there."""
        if names is None or not self._has(names[0]):
            return _MISSING
        stem = f"{self.__serialized_path__}/{names[0]}"
        try:
            value = self._open(stem, names[0])
        except RamifyDeserializationError as error:
            error.add_note(f"while reading {names[0]!r} of the LazyDict at {self.__serialized_path__!r}")
            raise
        for step, name in enumerate(names[1:], 1):
            if isinstance(value, LazyDict):
                return value._read(names[step:])
            value = value.get(decode_key(name), _MISSING) if isinstance(value, Mapping) else _MISSING
        return value

    def _open(self, stem: str, name: str) -> Any:
        inner = None if self._members is None else self._members[name]
        if inner is not None:
            return LazyDict(stem, members=inner, _encoders=self._encoders)
        if is_listed_folder(stem) and os.path.isdir(stem):
            return LazyDict(stem, _encoders=self._encoders)
        return open_value(stem, sidecar.read(stem), self._encoders)

    def _path_of(self, key: Any) -> list[str] | None:
        """The names that a key, or a text with slashes, stands for; None for what can be no key."""
        try:
            if isinstance(key, str) and "/" in key:
                return [_name_of_step(step) for step in key.split("/")]
            return [encode_key(key)]
        except RamifyKeyEncodingError:
            return None

    def _has(self, name: str) -> bool:
        if self._members is not None:
            return name in self._narrowed(self._members)
        listed = self._listed()
        if listed is not None:
            return name in listed
        stem = f"{self.__serialized_path__}/{name}"
        return os.path.exists(stem + SIDECAR) or find_payload(stem, self._encoders) is not None

    def _names(self) -> Collection[str]:
        if self._members is not None:
            return self._narrowed(self._members)
        listed = self._listed()
        if listed is not None:
            return listed
        if not os.path.isdir(self.__serialized_path__):
            path = self.__serialized_path__
            raise RamifyDeserializationError(f"there is no stored dict at {path!r}", path=path)
        return names_in(self.__serialized_path__)

    def _narrowed(self, members: dict[str, Any]) -> dict[str, Any]:
        if self._checksum is not None:
            self._check(None)
        return members

    def _listed(self) -> dict[str, None] | None:
        """The names that the folder's sidecar lists."""
        found = listing_of(self.__serialized_path__)
        if self._checksum is not None:
            self._check(found)
        return None if found is None else found.names

    def _check(self, listing: Listing | None) -> None:
        """Compares, once, with the digest that the maker of this object expects."""
        path = self.__serialized_path__
        if self._members is not None:
            found = _digest_of_members(path, self._members)
        elif listing is not None:
            found = listing.digest
        else:
            found = digest_children([(name, digest_of(f"{path}/{name}")) for name in names_in(path)])
        if found != self._checksum:
            raise ChecksumError(
                f"the folder {path!r} is not the one that was expected: its digest is {found[:12]}..., not "
                f"{self._checksum:.12}...",
                path=path,
                expected=self._checksum,
                found=found,
            )
        self._checksum = None


def _name_of_step(step: str) -> str:
    """The name that one step of `"a/b"` means: a name as it stands in an id, else the name of that text."""
    try:
        decode_key(step)
    except RamifyKeyDecodingError:
        return encode_key(step)
    return step


def _tree(members: Members | Iterable[str]) -> dict[str, Any]:
    if not isinstance(members, Mapping):
        return dict.fromkeys(members)
    return {name: None if inner is None else _tree(inner) for name, inner in members.items()}


def _digest_of_members(stem: str, members: Members | None) -> str:
    if members is None:
        return digest_of(stem)
    return digest_children([(name, _digest_of_members(f"{stem}/{name}", m)) for name, m in members.items()])


def _revive(path: str, checksum: str | None, members: dict[str, Any] | None) -> LazyDict:
    return LazyDict(path, checksum, members=members)


def link_of(value: LazyDict) -> Link:
    """How a `LazyDict` is stored: as a reference to its folder, with the digest of what it shows of it."""
    path, members = value.__serialized_path__, value._members
    return Link(path, _digest_of_members(path, members), members)


def _follow(stem: str, record: Record, encoders: Encoders) -> LazyDict:
    """What a reference refers to. Chains do not arise: what is referred to is always a folder itself."""
    link = read_link(stem, record)
    if digest_in(record) not in ("", link.digest):
        raise ChecksumError(
            f"the reference {stem!r} has changed since it was written: run the job again",
            path=stem,
            expected=digest_in(record),
            found=link.digest,
        )
    if not os.path.isdir(link.target) and link.members != {}:
        raise RamifyDeserializationError(f"{stem!r} refers to {link.target!r}, which is gone", path=stem)
    found = LazyDict(link.target, members=link.members, _encoders=encoders)
    digest = link_of(found).digest
    if digest != link.digest:
        raise ChecksumError(
            f"{link.target!r}, to which {stem!r} refers, holds another value by now: run the job again",
            path=stem,
            expected=link.digest,
            found=digest,
        )
    return found
