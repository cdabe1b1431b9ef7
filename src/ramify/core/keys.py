"""Keys: what may name a node, and how a key is written as a file name without loss.

A key is `str | int | float | bool | date | datetime | time`. Its name is the TOML literal of the value
(https://toml.io/en/v1.0.0), except that a string stays bare as long as the bare text can be nothing else.
An id is the names of a path of keys, joined by `/`: `scores/m1/train`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, Final

from ramify.errors import RamifyKeyDecodingError, RamifyKeyEncodingError

Key = str | int | float | bool | date | datetime | time
"""What may name a node."""

LONGEST: Final = 200
"""The most bytes of one name: file systems allow 255, suffixes and attempt marks need the rest."""

_INT = re.compile(r"[+-]?[0-9](?:_?[0-9])*")
_OTHER_INT = re.compile(r"0[xX][0-9A-Fa-f_]+|0[oO][0-7_]+|0[bB][01_]+")
_FLOAT = re.compile(r"[+-]?(?:inf|nan|[0-9][0-9_]*(?:\.[0-9_]+)?(?:[eE][+-]?[0-9_]+)?)")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = r"\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_TIME = re.compile(_CLOCK)
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]" + _CLOCK)
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9_-]*\Z")
_FORBIDDEN = re.compile(r"[/\\\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ -]*\Z")
_WORDS = frozenset({"true", "false", "inf", "nan"})


def encode_key(key: Key) -> str:
    """The name of a key: one path component, at most `LONGEST` bytes.

    Raises `RamifyKeyEncodingError` for a value of another type, an empty string, a string with a slash, a
    backslash or a control character, one that begins with `.` or `@`, one that is too long, and a date-time
    whose zone is not a fixed offset.

    >>> [encode_key(k) for k in ("m1", "7", 7, 0.5, True, "true", "a.csv", date(2026, 1, 2))]
    ['m1', '"7"', '7', '0.5', 'true', '"true"', '"a.csv"', '2026-01-02']
    """
    if type(key) is str:
        if len(key) <= 50 and _PLAIN.match(key) and key not in _WORDS and key[-1] != " ":
            return key
        return _encode_text(key)
    if isinstance(key, str):
        return _encode_text(str.__str__(key))
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return _encode_int(int(key))
    if isinstance(key, float):
        return float.__repr__(float(key))
    if isinstance(key, datetime):
        return _encode_moment(key, key.tzinfo)
    if isinstance(key, date):
        return date.isoformat(key)
    if isinstance(key, time):
        return _encode_moment(key, key.tzinfo)
    advice = "use a str, int, float, bool, date, datetime or time"
    if type(key).__module__ == "numpy":
        advice = "use its .item(), which is Python's own"
    raise RamifyKeyEncodingError(f"{key!r} of type {type(key).__name__} cannot be a key: {advice}", key=key)


def decode_key(name: str) -> Key:
    """The key that `encode_key` made this name of.

    Raises `RamifyKeyDecodingError` for a name that no key encodes to.

    >>> [decode_key(n) for n in ("m1", '"7"', "7", "0.5", "true")]
    ['m1', '7', 7, 0.5, True]
    """
    if _PLAIN.match(name) and name not in _WORDS and name[-1] != " ":
        return name
    if name.isdigit() and name.isascii() and (name[0] != "0" or name == "0"):
        return int(name)
    key = _parse(name)
    try:
        canonical = encode_key(key)
    except RamifyKeyEncodingError as error:
        raise RamifyKeyDecodingError(f"{name!r} is no key's name: {error}", name=name) from error
    if canonical != name:
        raise RamifyKeyDecodingError(f"{name!r} is no key's name; {canonical!r} would be", name=name)
    return key


def encode_path(keys: Iterable[Key]) -> str:
    """The id of a path of keys.

    >>> encode_path(["scores", 3, "train"])
    'scores/3/train'
    """
    return "/".join(map(encode_key, keys))


def decode_path(job_id: str) -> tuple[Key, ...]:
    """The path of keys that an id stands for.

    >>> decode_path("scores/3/train")
    ('scores', 3, 'train')
    """
    return tuple(map(decode_key, job_id.split("/")))


def sort_key(job_id: str) -> tuple[tuple[int, Any], ...]:
    """What to sort ids by: key by key, numbers and dates by value, text by code point.

    >>> sorted(["g/10", "g/2", "a"], key=sort_key)
    ['a', 'g/2', 'g/10']
    """
    return tuple(map(_rank, job_id.split("/")))


def _rank(name: str) -> tuple[int, Any]:
    if (_PLAIN.match(name) and name not in _WORDS) or name[:1] == "@":
        return 4, name
    key = decode_key(name)
    if isinstance(key, bool):
        return 0, (int(key), name)
    if isinstance(key, int | float):
        return 1, ((0, 0.0) if math.isnan(key) else (1, key), name)
    if isinstance(key, date):
        moment = key if isinstance(key, datetime) else datetime(key.year, key.month, key.day)
        since = moment.replace(tzinfo=None) - datetime.min
        return 2, (since - (moment.utcoffset() or timedelta()), name)
    if isinstance(key, time):
        return 3, (key.replace(tzinfo=None), name)
    return 4, key


def _encode_text(text: str) -> str:
    if not text:
        raise RamifyKeyEncodingError("an empty string cannot be a key: give the node a name", key=text)
    found = _FORBIDDEN.search(text)
    if found:
        raise RamifyKeyEncodingError(
            f"the key {text!r} holds {found.group()!r}: slashes, backslashes and control characters "
            "cannot be in a name; nest a DAG to get a path",
            key=text,
        )
    if text[0] in ".@":
        raise RamifyKeyEncodingError(
            f"the key {text!r} begins with {text[0]!r}: such names are Ramify's own; choose another", key=text
        )
    name = text if _bare(text) else '"' + text.replace('"', '\\"') + '"'
    if len(name.encode()) > LONGEST:
        raise RamifyKeyEncodingError(
            f"the key {text[:40]!r}... takes {len(name.encode())} bytes as a name; {LONGEST} is the most",
            key=text,
        )
    return name


def _encode_int(number: int) -> str:
    if abs(number) >= 10**LONGEST:
        raise RamifyKeyEncodingError(f"an integer of more than {LONGEST} digits cannot be a key", key=number)
    return int.__repr__(number)


def _bare(text: str) -> bool:
    """Whether the text as it is can be read as nothing but itself, and as no payload's file name."""
    if text[0] in "\"'" or text[0] == " " or text[-1] == " ":
        return False
    return not (_SUFFIX.search(text) or _literal(text))


def _literal(text: str) -> bool:
    if text in _WORDS:
        return True
    if text[0] not in "0123456789+-":
        return False
    patterns = (_INT, _OTHER_INT, _FLOAT, _DATE, _TIME, _DATETIME)
    return any(pattern.fullmatch(text) for pattern in patterns)


def _encode_moment(moment: datetime | time, zone: Any) -> str:
    if zone is not None and not isinstance(zone, timezone):
        raise RamifyKeyEncodingError(
            f"the key {moment!r} has the zone {zone!r}, which a name cannot hold without loss: "
            "convert it to a fixed offset, as in moment.astimezone(timezone.utc)",
            key=moment,
        )
    if moment.fold:
        raise RamifyKeyEncodingError(
            f"the key {moment!r} has fold=1, which a name cannot hold: use UTC", key=moment
        )
    base = datetime if isinstance(moment, datetime) else time
    name = base.isoformat(moment)  # type: ignore[arg-type]  # of either class, its own
    if type(moment) is not base and not _reads_as(name, base, moment):
        raise RamifyKeyEncodingError(
            f"the key {moment!r} of type {type(moment).__name__} is more than a {base.__name__}: "
            f"convert it, dropping what a {base.__name__} has no place for",
            key=moment,
        )
    return name


def _reads_as(name: str, base: Any, moment: datetime | time) -> bool:
    """Whether a name gives an equal value: a `pandas.Timestamp` may hold nanoseconds, or be no time."""
    try:
        return bool(base.fromisoformat(name) == moment)
    except ValueError:
        return False


def _parse(name: str) -> Key:
    if name in ("true", "false"):
        return name == "true"
    if name[:1] == '"':
        if len(name) < 2 or name[-1] != '"':
            raise RamifyKeyDecodingError(f"{name!r} opens a quote and does not close it", name=name)
        return name[1:-1].replace('\\"', '"')
    if not name or name[0] not in "0123456789+-in" or not _literal(name):
        return name
    for pattern, read in (
        (_INT, int),
        (_FLOAT, float),
        (_DATE, date.fromisoformat),
        (_TIME, time.fromisoformat),
        (_DATETIME, datetime.fromisoformat),
    ):
        if pattern.fullmatch(name):
            try:
                return read(name)
            except ValueError as error:
                raise RamifyKeyDecodingError(f"{name!r} is no key's name: {error}", name=name) from error
    raise RamifyKeyDecodingError(f"{name!r} is no key's name", name=name)
