"""JSON, for values that JSON gives back exactly: the types themselves, and no sub-class of them.

Text, 64-bit integers, finite floats, booleans, None, lists, and dicts with text keys; no container twice in
one value, since JSON would make two of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, Final

import msgspec

from ramify.values.codec import BytesCodec, GoToNextEncoderException

MARK: Final = "@ramify"
"""The key of the top object by which a reader tells tagged JSON from plain, with no sidecar at hand."""

NAME: Final = "json"
SUFFIX: Final = ".json"

DEEPEST: Final = 100
"""The most levels of nesting: beyond, a reader might run out of stack where the writer did not."""

_LEAVES: Final = frozenset({str, int, float, bool, type(None)})
_KINDS: Final = _LEAVES | {list, dict}
_LEAST: Final = -(2**63)
_MOST: Final = 2**64

to_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode
from_json: Callable[[bytes], Any] = msgspec.json.Decoder().decode


def encode(value: Any) -> bytes:
    kind = type(value)
    if not ((kind is int and _LEAST <= value < _MOST) or kind is str) and not is_plain(value):
        raise GoToNextEncoderException("JSON would not give this value back exactly")
    try:
        return to_json(value)
    except UnicodeEncodeError as error:
        raise GoToNextEncoderException("the text holds a lone surrogate") from error


def is_plain(value: Any) -> bool:
    """Whether JSON gives the value back exactly (lone surrogates aside, which the encoder finds)."""
    if type(value) is dict and MARK in value:
        return False
    level: list[Any] = [value]
    seen: set[int] = set()
    for _ in range(DEEPEST):
        kinds = set(map(type, level))
        if not kinds <= _KINDS or not _numbers_fit(level, kinds):
            return False
        if kinds <= _LEAVES:
            return True
        inner = [item for item in level if type(item) is list or type(item) is dict]
        before = len(seen)
        seen.update(map(id, inner))
        if len(seen) - before < len(inner) or not _keys_fit(inner):
            return False
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]
    return False


def _numbers_fit(level: Iterable[Any], kinds: set[type]) -> bool:
    if int in kinds and not all(_LEAST <= item < _MOST for item in level if type(item) is int):
        return False
    return float not in kinds or all(isfinite(item) for item in level if type(item) is float)


def _keys_fit(containers: Iterable[Any]) -> bool:
    return all(set(map(type, item)) <= {str} for item in containers if type(item) is dict)


CODEC = BytesCodec(NAME, SUFFIX, encode, from_json)
