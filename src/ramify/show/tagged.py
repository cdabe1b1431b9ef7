"""Stored JSON read for showing: the tags become plain words, and no class of the user's is imported."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_TAG: Final = "@"
_MARK: Final = "@ramify"


class Word:
    """A value that JSON does not have: what kind it is, and its text, which is shown without quotes.

    >>> Word("date", "date(2026-01-02)")
    date(2026-01-02)
    """

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text

    def __repr__(self) -> str:
        return self.text


def read_json(data: bytes) -> Any:
    """The document, tagged or plain, made of dicts, lists, tuples, text, numbers and `Word`.

    Raises `ValueError` for what is no JSON.

    >>> read_json(b'{"@ramify": "tagged", "value": {"@": "tuple", "items": [1, {"@": "path", "text": "a"}]}}')
    (1, path(a))
    """
    document = msgspec.json.decode(data)
    if isinstance(document, dict) and document.get(_MARK) == "tagged":
        return _plain(document.get("value"))
    return document


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    tag = node.get(_TAG)
    if tag is None:
        return {key: _plain(item) for key, item in node.items()}
    return _tagged(str(tag), node)


def _tagged(tag: str, node: dict[str, Any]) -> Any:
    if tag == "dict":
        return {_hashable(_plain(key)): _plain(item) for key, item in node["items"]}
    if tag == "tuple":
        return tuple(_plain(item) for item in node["items"])
    if "items" in node:
        return Word(tag, f"{tag}({', '.join(repr(_plain(item)) for item in node['items'])})")
    if tag == "dataclass":
        name = str(node["class"]).rpartition(":")[2]
        fields = ", ".join(f"{key}={_plain(item)!r}" for key, item in node["fields"].items())
        return Word(name, f"{name}({fields})")
    if tag == "enum":
        name = str(node["class"]).rpartition(":")[2]
        return Word(name, f"{name}.{node['name']}")
    if tag == "int":
        return int(node["hex"], 16)
    return Word(tag, _leaf(tag, node))


def _leaf(tag: str, node: dict[str, Any]) -> str:
    if "base64" in node:
        import base64

        return repr(base64.b64decode(node["base64"]))
    if tag == "float":
        return str(node["text"])
    told = node.get("text") or ", ".join(map(str, node.get("parts", []))) or node.get("hex", "")
    return f"{tag}({told})"


def _hashable(key: Any) -> Any:
    try:
        hash(key)
    except TypeError:
        return Word(type(key).__name__, repr(key))
    return key


def to_json(value: Any) -> Any:
    """The same for a JSON document: a tuple as a list, a `Word` as its text, other keys as text.

    >>> to_json({1: (Word("float", "inf"), "a")})
    {'1': ['inf', 'a']}
    """
    if isinstance(value, Word):
        return value.text
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key if isinstance(key, str) else repr(key): to_json(item) for key, item in value.items()}
    return value
