"""Arrow tables and record batches as Arrow IPC files, with their schema and metadata as they are."""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from ramify.values.codec import FileCodec, GoToNextEncoderException

_BATCH: Final = b"ramify.batch"


def write(value: Any, path: str) -> None:
    if type(value) is not pa.Table and type(value) is not pa.RecordBatch:
        raise GoToNextEncoderException("no Arrow table")
    schema = value.schema
    if type(value) is pa.RecordBatch:
        schema = schema.with_metadata(
            {**(schema.metadata or {}), _BATCH: b"1" if schema.metadata is None else b"2"}
        )
        value = value.replace_schema_metadata(schema.metadata)
    try:
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write(value)
    except pa.ArrowInvalid as error:
        raise GoToNextEncoderException(f"Arrow IPC refuses the table: {error}") from error


def read(path: str) -> Any:
    with pa.OSFile(path, "rb") as source, pa.ipc.open_file(source) as reader:
        metadata = dict(reader.schema.metadata or {})
        mark = metadata.pop(_BATCH, None)
        if mark is None:
            return reader.read_all()
        return reader.get_batch(0).replace_schema_metadata(None if mark == b"1" else metadata)


CODEC = FileCodec("arrow", ".arrow", write, read)
