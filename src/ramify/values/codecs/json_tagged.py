"""JSON with tags, for plain data that JSON alone would bend: tuples, sets, bytes, dates, dicts with any keys.

The top is `{"@ramify": "tagged", "value": ...}`. Inside, what JSON can hold stands as it is; anything else is
an object whose `"@"` names its kind. What kinds there are is in `tags`, where each has a line; here is the
walk. A value that holds one container twice is refused, since reading would make two of it.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, Final

from ramify.errors import RamifyDeserializationError
from ramify.values.codec import BytesCodec, GoToNextEncoderException
from ramify.values.codecs import tags
from ramify.values.codecs.json_plain import DEEPEST, MARK, SUFFIX, from_json, to_json

NAME: Final = "json-tagged"

_TAG: Final = "@"
_AGAIN: Final = 10_000  # times that tuples may be met again before the text is held to grow without end


class _Writer:
    """One walk over a value; knows which containers it has met."""

    def __init__(self) -> None:
        self.met: dict[int, Any] = {}  # by identity, and held so that no identity is given out twice
        self.again = 0
        self.depth = 0

    def write(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return value if _is_text(value) else tags.text(value)
        if kind is bool or value is None:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**64 else {_TAG: "int", "hex": hex(value)}
        if kind is float:
            return value if isfinite(value) else {_TAG: "float", "text": repr(value)}
        leaf = tags.LEAVES.get(kind) or tags.leaf_of(kind)
        return leaf(value) if leaf else self._write_inside(value, kind)

    def _write_inside(self, value: Any, kind: type) -> Any:
        self._meet(value, kind)
        self.depth += 1
        if self.depth > DEEPEST:
            raise GoToNextEncoderException("nested too deeply for JSON")
        written = self._container(value, kind)
        self.depth -= 1
        return written

    def _container(self, value: Any, kind: type) -> Any:
        if kind is list:
            return [self.write(item) for item in value]
        if kind is dict:
            return self._mapping(value)
        if kind is tuple:
            return {_TAG: "tuple", "items": [self.write(item) for item in value]}
        if kind is set or kind is frozenset:
            return {_TAG: kind.__name__, "items": sorted((self.write(item) for item in value), key=to_json)}
        name = tags.class_name(kind)
        fields = tags.fields_of(value, kind)
        return {_TAG: "dataclass", "class": name, "fields": {key: self.write(fields[key]) for key in fields}}

    def _mapping(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str and key != _TAG and _is_text(key) for key in value):
            return {key: self.write(item) for key, item in value.items()}
        return {_TAG: "dict", "items": [[self.write(key), self.write(item)] for key, item in value.items()]}

    def _meet(self, value: Any, kind: type) -> None:
        if id(value) not in self.met:
            self.met[id(value)] = value
            return
        self.again += 1
        if (kind is not tuple and kind is not frozenset) or self.again > _AGAIN:
            raise GoToNextEncoderException("one container stands in it twice")


def encode(value: Any) -> bytes:
    return to_json({MARK: "tagged", "value": _Writer().write(value)})


def decode(data: bytes) -> Any:
    """The value, of tagged or of plain JSON: the text itself says which."""
    document = from_json(data)
    if type(document) is not dict or MARK not in document:
        return document
    if document[MARK] != "tagged" or "value" not in document:
        raise RamifyDeserializationError(f"unknown mark {document[MARK]!r} in a JSON payload")
    return _read(document["value"])


def _read(node: Any) -> Any:
    if type(node) is list:
        return [_read(item) for item in node]
    if type(node) is not dict:
        return node
    tag = node.get(_TAG)
    if tag is None:
        return {key: _read(item) for key, item in node.items()}
    if tag == "dict":
        return {_read(key): _read(item) for key, item in node["items"]}
    if tag in tags.COLLECTIONS:
        return tags.COLLECTIONS[tag](map(_read, node["items"]))
    if tag == "dataclass":
        return tags.make_instance(node["class"], {key: _read(item) for key, item in node["fields"].items()})
    reader = tags.READERS.get(tag)
    if reader is None:
        raise RamifyDeserializationError(f"unknown tag {tag!r} in a JSON payload: a newer Ramify wrote it")
    return reader(node)


def _is_text(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


CODEC = BytesCodec(NAME, SUFFIX, encode, decode)
