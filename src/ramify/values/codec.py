"""What a codec is: how values of one kind become the bytes of a payload and values again.

A codec either works on bytes (`BytesCodec`: the payload is small, or passes through memory anyway) or on a
path (`FileCodec`: a library writes and reads the file itself). Each may refuse a value that it could not give
back exactly, by raising `GoToNextEncoderException`; the chain then asks the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ramify.errors import ArgumentError, RamifyError

SUFFIX: Final = re.compile(r"\.[A-Za-z][A-Za-z0-9_-]*\Z")
"""What a payload's suffix looks like. The name of a key whose text ends so is quoted: the two never meet."""

SIDECAR: Final = ".ramify"
"""The suffix of the record that stands beside a payload."""


class ChecksumInfo(NamedTuple):
    """What was stored: the name of the algorithm and the digest, in hexadecimal.

    >>> ChecksumInfo("sha256", "9f86").algorithm
    'sha256'
    """

    algorithm: str
    digest: str


class GoToNextEncoderException(RamifyError):
    """Raised by an encoder that cannot give this value back exactly: the next one is tried.

    >>> str(GoToNextEncoderException("only square matrices"))
    'only square matrices'
    """


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """An encoder of your own; those given are asked before the shipped ones, in their order.

    `predicate(value)` says whether it wants the value. `serializer(value, path)` writes a file, or a folder,
    at exactly `path` (a `pathlib.Path`); what it returns is ignored, and it may raise
    `GoToNextEncoderException`. `deserializer(path)`, or `deserializer(path, checksum)`, reads it back.
    `suffix` is the end of the payload's name, `.NAME` if it is not given. `name` is recorded beside the
    payload: a reader must be given a spec of the same name.

    Raises `ArgumentError` (a `ValueError`) for a name or a suffix that cannot be.

    >>> EncoderSpec("torch", callable, print, print).suffix
    '.torch'
    """

    name: str
    predicate: Callable[[Any], bool]
    serializer: Callable[..., Any]
    deserializer: Callable[..., Any]
    suffix: str = ""

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise ArgumentError(
                "an EncoderSpec needs a name: it is recorded beside the payload", names=["name"]
            )
        if not self.suffix:
            object.__setattr__(self, "suffix", "." + (re.sub(r"[^A-Za-z0-9_]+", "-", self.name).strip("-")))
        if not SUFFIX.fullmatch(self.suffix) or self.suffix == SIDECAR:
            raise ArgumentError(
                f"the suffix {self.suffix!r} of the encoder {self.name!r} cannot be: "
                f"use a dot, a letter, then letters, digits, '_' or '-', and not {SIDECAR!r}",
                names=["suffix"],
            )


Encoders = Sequence[EncoderSpec] | None


@dataclass(frozen=True, slots=True)
class BytesCodec:
    """A codec whose payload is made and read in memory."""

    name: str
    suffix: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class FileCodec:
    """A codec whose library writes the file at a path and reads it there."""

    name: str
    suffix: str
    write: Callable[[Any, str], None]
    read: Callable[[str], Any]


Codec = BytesCodec | FileCodec
