"""Values on disk: `serialize`, `deserialize`, `LazyDict`, and how code travels (`ramify.values.code`)."""

from ramify.values.codec import ChecksumInfo, EncoderSpec, GoToNextEncoderException
from ramify.values.lazy import LazyDict, deserialize
from ramify.values.sidecar import folder_record
from ramify.values.writing import serialize

__all__ = [
    "ChecksumInfo",
    "EncoderSpec",
    "GoToNextEncoderException",
    "LazyDict",
    "deserialize",
    "folder_record",
    "serialize",
]
