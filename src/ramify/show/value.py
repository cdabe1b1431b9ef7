"""A stored value as a person wants to see it: a tree, the head of a table, a text; never more than a screen.

Nothing is unpickled unless the person asks for it in so many words: what would have to be is described.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ramify.core.keys import decode_key
from ramify.errors import RamifyDeserializationError
from ramify.files.local import read_bytes
from ramify.show.tagged import Word, read_json, to_json
from ramify.show.text import Paint, one_line, size, visible
from ramify.values import sidecar
from ramify.values.codec import SIDECAR
from ramify.values.lazy import open_value
from ramify.values.sidecar import FOLDER, LINK, Record
from ramify.values.stored import names_in, need_payload, read_link, verify

LINES: Final = 60
"""The most lines of one value."""
_CHILDREN: Final = 20
_DEEP: Final = 4
_SMALL: Final = 4096
_ROWS: Final = 10
_JSON: Final = ("json", "json-tagged")
_PLAIN: Final = ("numpy", "arrow", "dataframe-parquet", "series-parquet", "polars")
"""Encodings whose reading runs no code that the value brings along."""
_NAMES: Final = {
    "numpy": "NumPy array",
    "arrow": "Arrow table",
    "dataframe-parquet": "DataFrame",
    "series-parquet": "Series",
    "polars": "Polars frame",
    "pandas-hdf5": "pandas object (HDF5)",
    "pickle": "pickled object",
}


class Shown(msgspec.Struct):
    """What is known of a stored value. `value` is there where JSON can hold it; `lines` are for people."""

    path: str
    encoding: str
    size: int
    summary: str
    lines: list[str]
    value: Any = msgspec.UNSET
    raw: str | None = None


def show_value(stem: str, paint: Paint, unpickle: bool = False) -> Shown:
    """Looks at the value stored at `stem`.

    Raises `RamifyDeserializationError` where nothing is stored there or it cannot be read, `ChecksumError`
    where it has changed.
    """
    record = sidecar.read(stem) or need_payload(stem)
    encoding = record["encoding"]
    shown = Shown(stem + record["suffix"], encoding, stored_size(stem, record), "", [])
    if encoding in (FOLDER, LINK):
        folder = stem if encoding == FOLDER else read_link(stem, record).target
        names = _names(folder)
        shown.summary = f"dict of {len(names)}"
        shown.lines = list(_tree(folder, paint, "", 0))[: LINES * 2]
    elif encoding in _JSON:
        _show_json(shown, stem)
    elif encoding in _PLAIN or unpickle:
        _show_object(shown, open_value(stem, record))
    else:
        _describe(shown, record)
    return shown


def document(shown: Shown) -> dict[str, Any]:
    """What `ramify show --json` says of a value; `value` is left out where JSON cannot hold it."""
    told: dict[str, Any] = {
        "path": shown.path,
        "encoding": shown.encoding,
        "bytes": shown.size,
        "summary": shown.summary,
        "lines": shown.lines,
    }
    if shown.value is not msgspec.UNSET:
        told["value"] = shown.value
    return told


def stored_size(stem: str, record: Record) -> int:
    """Bytes of the payload; of a folder, of all files in it."""
    path = stem + record["suffix"]
    if record["encoding"] != FOLDER:
        return os.path.getsize(path) if os.path.exists(path) else 0
    total = 0
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        total += sum(os.path.getsize(os.path.join(folder, n)) for n in files if is_payload(n))
    return total


def is_payload(name: str) -> bool:
    """Whether a file of a folder is a payload: sidecars and what begins with a dot are not."""
    return not name.startswith(".") and not name.endswith(SIDECAR)


# ---- one kind after the other


def _show_json(shown: Shown, stem: str) -> None:
    if sidecar.read(stem) is not None:
        verify(stem)
    value = _parse(shown.path)
    shown.value = to_json(value)
    shown.summary = _type_of(value)
    shown.raw = value if isinstance(value, str) else None
    shown.lines = _lines_of(value)


def _parse(path: str) -> Any:
    try:
        return read_json(read_bytes(path))
    except (ValueError, KeyError, TypeError) as error:
        raise RamifyDeserializationError(
            f"{path!r} holds no value that can be shown: {error}", path=path
        ) from error


def _type_of(value: Any) -> str:
    if isinstance(value, Word):
        return visible(value.kind)
    name = "None" if value is None else type(value).__name__
    return f"{name} of {len(value)}" if isinstance(value, list | tuple | dict | str) else name


def _lines_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return _cut(visible(value).splitlines() or ["(an empty text)"])
    from pprint import pformat

    return _cut(visible(pformat(value, width=100, compact=True, sort_dicts=False)).splitlines())


def _cut(lines: list[str]) -> list[str]:
    lines = [line if len(line) <= 400 else line[:397] + "..." for line in lines]
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], f"... {len(lines) - LINES + 1} more lines"]


def _describe(shown: Shown, record: Record) -> None:
    """What can be said of a value that is not loaded."""
    name = record.get("type") or _NAMES.get(shown.encoding, f"written by the encoder {shown.encoding!r}")
    shown.summary = visible(str(name))
    shown.lines = [
        f"{shown.summary}, {size(shown.size)}: reading it runs code that is stored in it.",
        "If you trust who made it: add --unpickle",
    ]


def _show_object(shown: Shown, value: Any) -> None:
    """A value in memory, by what it is: tables and arrays by their heads, anything else by its repr."""
    package = type(value).__module__.partition(".")[0]
    name = type(value).__name__
    shape = getattr(value, "shape", None)
    if package == "pandas" and isinstance(shape, tuple):
        shown.summary, text = _pandas(value, name)
    elif package == "numpy" and isinstance(shape, tuple):
        shown.summary, text = f"{name} {shape}, {value.dtype}", str(value)
    elif package == "pyarrow" and isinstance(shape, tuple):
        shown.summary = f"{name}, {shape[0]} rows × {shape[1]} columns"
        text = str(value.schema) + "\n" + "\n".join(map(str, value.slice(0, _ROWS).to_pylist()))
    elif package == "polars":
        shown.summary, text = f"{name} {shape}", str(value)
    else:
        shown.summary, text = f"{type(value).__module__}.{name}", "\n".join(_lines_of(value))
    shown.lines = _cut(visible(text).splitlines())


def _pandas(value: Any, name: str) -> tuple[str, str]:
    head = value.head(_ROWS)
    rows = f"{len(value)} rows"
    more = f"\n... {len(value) - _ROWS} more rows" if len(value) > _ROWS else ""
    if hasattr(value, "columns"):
        told = ", ".join(f"{column}: {kind}" for column, kind in value.dtypes.items())
        text = head.to_string(max_cols=12, max_colwidth=40)
        return f"{name}, {rows} × {len(value.columns)} columns ({one_line(told, 120)})", text + more
    return f"{name}, {rows}, {value.dtype}", str(head.to_string()) + more


# ---- trees


def _names(folder: str) -> list[str]:
    record = sidecar.read(folder)
    listed = record.get("order") if record else None
    return listed if isinstance(listed, list) else names_in(folder)


def _tree(folder: str, paint: Paint, indent: str, depth: int) -> Iterator[str]:
    names = _names(folder)
    for name in names[:_CHILDREN]:
        stem = f"{folder}/{name}"
        label = f"{indent}{paint.bold(_key(name))}"
        if not os.path.isdir(stem):
            yield f"{label}: {_brief(stem)}"
            continue
        inside = _names(stem)
        yield f"{label}: {paint.dim(f'dict of {len(inside)}')}"
        if depth + 1 < _DEEP:
            yield from _tree(stem, paint, indent + "  ", depth + 1)
    if len(names) > _CHILDREN:
        yield f"{indent}{paint.dim(f'... {len(names) - _CHILDREN} more')}"


def _key(name: str) -> str:
    return visible(repr(decode_key(name)))


def _brief(stem: str) -> str:
    """One line for a value in a tree; only small ones are read."""
    try:
        record = sidecar.read(stem) or need_payload(stem)
    except RamifyDeserializationError:
        return "not there yet"
    length = stored_size(stem, record)
    if record["encoding"] in _JSON and length <= _SMALL:
        value = _parse(stem + record["suffix"])
        return one_line(repr(value), 90)
    name = _NAMES.get(record["encoding"], record["encoding"])
    return f"{'JSON' if record['encoding'] in _JSON else name}, {size(length)}"
