"""The canonical form of a value: equal values, of equal types, have equal tokens in every process.

A token is a few bytes that end themselves: the value, if it is short, else a SHA-256 over the tokens of what
it is made of. Sets, and the items of dicts, are sorted by their tokens. An object inside itself is written as
how many levels up it stands. What is shared is digested once and counts as if it were not shared.

The walk has its own stack, so depth costs nothing: a compound is a generator that yields its parts, each with
how to get at it, is sent their tokens, and returns its own.
"""

from __future__ import annotations

import struct
import types
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from enum import Enum
from hashlib import sha256
from math import isnan
from pathlib import PurePath
from typing import Any, Final

from ramify.errors import UndigestableError

Parts = Generator[tuple[Any, object], bytes, bytes]
"""A compound on its way: yields `(part, step)`, is sent the part's token, returns its own token."""

_MOST_REVISITS: Final = 100_000
_SHORT: Final = 256
_FEW: Final = 32
_PLAIN: Final[dict[type, bytes]] = {list: b"list", tuple: b"tuple", dict: b"dict"}
_NAN: Final = b"n;"


class Attr(str):
    """A step of a path that is no index: `.name`, or words."""

    __slots__ = ()


def compound(kind: bytes, tokens: Iterable[bytes]) -> bytes:
    """The token of what is made of `tokens`, in this order.

    >>> compound(b"list", [b"a", b"b"]) == compound(b"list", [b"b", b"a"])
    False
    """
    return b"#" + sha256(b"%s\0%s" % (kind, b"".join(tokens))).digest()


def text_token(text: str) -> bytes:
    """The token of a text."""
    return _bytes_of(b"s", text.encode("utf-8", "surrogatepass"))


def bytes_token(kind: bytes, data: bytes | bytearray | memoryview) -> bytes:
    """The token of a buffer of bytes of any size, which is not copied."""
    hashed = sha256(kind + b"\0")
    hashed.update(data)
    return b"#" + hashed.digest()


def _bytes_of(kind: bytes, data: bytes) -> bytes:
    return b"%s%d:%s" % (kind, len(data), data) if len(data) <= _SHORT else bytes_token(b"long " + kind, data)


def _float(value: float) -> bytes:
    # 0.0 and -0.0 are equal, and a function can tell them apart; NaNs are unequal, and it cannot.
    return _NAN if isnan(value) else b"f" + struct.pack("<d", value)


def _complex(value: complex) -> bytes:
    return b"c" + _float(value.real) + _float(value.imag)


ATOMS: Final[dict[type, Callable[[Any], bytes]]] = {
    type(None): lambda value: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: lambda value: b"i%x;" % value if -(2**63) < value < 2**63 else _bytes_of(b"I", b"%x" % value),
    float: _float,
    complex: _complex,
    str: text_token,
    bytes: lambda value: _bytes_of(b"b", value),
    bytearray: lambda value: _bytes_of(b"B", bytes(value)),
    type(...): lambda value: b"E",
    type(NotImplemented): lambda value: b"O",
}
"""Types whose values are made of nothing else, with their tokens."""


class Code:
    """What a walk asks about code in a value. The base knows names alone; who follows code overrides it."""

    def token_of_code(self, code: types.CodeType) -> bytes:
        """The token of what a function does."""
        raise NotImplementedError

    def met(self, value: Any) -> None:
        """A function, class or module stands in the value: what it reaches counts too."""
        raise NotImplementedError

    def name_of(self, value: Any) -> str:
        """The full name of a function, class or module, the same however the program was started."""
        raise NotImplementedError

    def is_by_name(self, value: Any) -> bool:
        """Whether a function's name says all: a library's, or the interpreter's own."""
        raise NotImplementedError


class Walk:
    """Digests values; one walk may be used for many, and each object is then digested once.

    The walk keeps alive what it has remembered: drop it when the values may change.
    """

    def __init__(self, code: Code, others: Callable[[Walk, Any], Parts]) -> None:
        """`others` begins what is no plain container."""
        self.code = code
        self.place: Callable[[Any], int | None] | None = None
        self._others = others
        self._known: dict[int, tuple[Any, bytes]] = {}
        self._open: set[int] = set()
        self._revisits = 0

    def token(self, value: Any, label: str = "value") -> bytes:
        """The token of a value. Raises `UndigestableError` that names the culprit, from `label` on."""
        atom = ATOMS.get(type(value))
        return _Stack(self, label).run(value) if atom is None else atom(value)

    def recall(self, value: Any) -> bytes | None:
        """The token of an object that was digested already."""
        known = self._known.get(id(value))
        return None if known is None else known[1]

    def remember(self, value: Any, token: bytes) -> None:
        """Keeps the token of an object, and the object, so that its id is nobody else's."""
        self._known[id(value)] = value, token

    def begin(self, value: Any) -> Parts:
        """The generator for a compound; where `place` gives it a number, that alone stands for it."""
        number = None if self.place is None else self.place(value)
        if number is not None:
            return _placed(number)
        build = _BUILDERS.get(type(value))
        return self._others(self, value) if build is None else build(self, value)

    def count_revisit(self, value: Any) -> None:
        """Cycles that cross each other are walked by every way through; there is an end to that."""
        if id(value) in self._open:
            self._revisits += 1
            if self._revisits > _MOST_REVISITS:
                raise UndigestableError("it holds objects that refer to each other in too many ways")

    def stays_open(self, value: Any) -> None:
        """The token of this object depends on what stands above it."""
        self._open.add(id(value))


class _Frame:
    __slots__ = ("holds_compounds", "lowest", "parts", "step", "value")

    def __init__(self, value: Any, step: object, parts: Parts, depth: int) -> None:
        self.value = value
        self.step = step
        self.parts = parts
        self.lowest = depth
        self.holds_compounds = False


class _Stack:
    """One value on its way."""

    def __init__(self, walk: Walk, label: str) -> None:
        self.walk = walk
        self.label = label
        self.frames: list[_Frame] = []
        self.place: dict[int, int] = {}
        self.entering: object = None

    def run(self, root: Any) -> bytes:
        try:
            token = self._enter(root, None)
            while self.frames:
                token = self._advance(token)
        except UndigestableError as error:
            if error.path:
                raise
            raise self._blame(error.message, error) from error
        except Exception as error:
            raise self._blame(f"{type(error).__name__}: {error}", error) from error
        assert token is not None
        return token

    def _advance(self, sent: bytes | None) -> bytes | None:
        """Goes on with the topmost compound until it ends, or a part of it is a compound itself."""
        frame = self.frames[-1]
        try:
            part, step = frame.parts.send(sent)  # type: ignore[arg-type]  # None starts a generator
            while True:
                atom = ATOMS.get(type(part))
                token = self._enter(part, step) if atom is None else atom(part)
                if token is None:
                    return None
                part, step = frame.parts.send(token)
        except StopIteration as end:
            return self._leave(frame, end.value)

    def _enter(self, value: Any, step: object) -> bytes | None:
        """The token of a known object; None: it is on the stack now."""
        known = self.walk.recall(value)
        above = self.place.get(id(value))
        depth = len(self.frames)
        if self.frames:
            self.frames[-1].holds_compounds = True
        if known is not None:
            return known
        if above is not None:
            self.frames[-1].lowest = min(self.frames[-1].lowest, above)
            return b"^%d;" % (depth - above)
        self.walk.count_revisit(value)
        self.entering = step
        self.frames.append(_Frame(value, step, self.walk.begin(value), depth))
        self.entering = None
        self.place[id(value)] = depth
        return None

    def _leave(self, frame: _Frame, token: bytes) -> bytes:
        self.frames.pop()
        del self.place[id(frame.value)]
        depth = len(self.frames)
        if frame.lowest < depth:
            self.walk.stays_open(frame.value)
            self.frames[-1].lowest = min(self.frames[-1].lowest, frame.lowest)
        elif frame.holds_compounds or not isinstance(frame.value, list | tuple | dict):
            self.walk.remember(frame.value, token)
        return token

    def _blame(self, why: str, error: Exception) -> UndigestableError:
        steps = [frame.step for frame in self.frames[1:]]
        steps.append(self.entering)  # a part that could not begin is not on the stack yet
        path = self.label + "".join(
            step if isinstance(step, Attr) else f"[{step!r:.60}]" for step in steps if step is not None
        )
        return UndigestableError(f"{path}: {why}", path=path)


def _placed(number: int) -> Parts:
    return compound(b"place", (b"%d" % number,))
    yield  # a generator like the others, of no parts


def _short(walk: Walk, value: Any, depth: int = 2) -> bytes | None:
    """The token of a short list, tuple or dict of atoms and of other such ones, or None."""
    kind = _PLAIN.get(type(value))
    if kind is None or len(value) > _FEW or walk.place is not None:
        return None
    tokens: list[bytes] = []
    for item in value:
        atom = ATOMS.get(type(item))
        token = atom(item) if atom is not None else _short(walk, item, depth - 1) if depth else None
        if token is None:
            return None
        tokens.append(token)
    if kind != b"dict":
        return compound(kind, tokens)
    for number, item in enumerate(value.values()):
        atom = ATOMS.get(type(item))
        token = atom(item) if atom is not None else _short(walk, item, depth - 1) if depth else None
        if token is None:
            return None
        tokens[number] += token
    return compound(kind, sorted(tokens))


def _items(walk: Walk, items: Iterable[Any]) -> Generator[tuple[Any, object], bytes, list[bytes]]:
    tokens: list[bytes] = []
    for number, item in enumerate(items):
        atom = ATOMS.get(type(item))
        token = _short(walk, item) if atom is None else atom(item)
        tokens.append((yield item, number) if token is None else token)
    return tokens


def pairs(walk: Walk, mapping: Any) -> Generator[tuple[Any, object], bytes, list[bytes]]:
    """The items of a mapping, one token for each, in its order."""
    tokens: list[bytes] = []
    for key, item in mapping.items():
        named = ATOMS.get(type(key))
        left = (yield key, Attr(f" (key {key!r:.60})")) if named is None else named(key)
        atom = ATOMS.get(type(item))
        token = _short(walk, item) if atom is None else atom(item)
        tokens.append(left + ((yield item, key) if token is None else token))
    return tokens


def sequence(walk: Walk, value: Iterable[Any], kind: bytes) -> Parts:
    """Items whose order counts."""
    return compound(kind, (yield from _items(walk, value)))


def unordered(walk: Walk, value: Iterable[Any], kind: bytes) -> Parts:
    """Items whose order does not count."""
    return compound(kind, sorted((yield from _items(walk, value))))


def _dict(walk: Walk, value: Any) -> Parts:
    return compound(b"dict", sorted((yield from pairs(walk, value))))


def _ordered_dict(walk: Walk, value: Any) -> Parts:
    return compound(b"OrderedDict", (yield from pairs(walk, value)))


def _slices(walk: Walk, value: Any) -> Parts:
    return (yield from sequence(walk, (value.start, value.stop, value.step), type(value).__name__.encode()))


_BUILDERS: Final[dict[type, Callable[[Walk, Any], Parts]]] = {
    list: lambda walk, value: sequence(walk, value, b"list"),
    tuple: lambda walk, value: sequence(walk, value, b"tuple"),
    dict: _dict,
    set: lambda walk, value: unordered(walk, value, b"set"),
    frozenset: lambda walk, value: unordered(walk, value, b"frozenset"),
    OrderedDict: _ordered_dict,
    types.MappingProxyType: lambda walk, value: sequence(walk, (dict(value),), b"mappingproxy"),
    range: _slices,
    slice: _slices,
}


def enum_parts(walk: Walk, value: Enum) -> Parts:
    """A member: its class, its name, its value."""
    cls = yield type(value), Attr(".__class__")
    return compound(b"enum", (cls, text_token(str(value.name)), (yield value.value, Attr(".value"))))


def path_parts(walk: Walk, value: PurePath) -> Parts:
    """A path: its text. What it leads to is not looked at."""
    return compound(b"path", (text_token(str(value)),))
    yield  # a generator like the others, of no parts
