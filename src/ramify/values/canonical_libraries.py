"""Canonical forms of arrays and tables: what they hold, however it is laid out in memory.

No library is imported: a value of one is there only where its library is. Memory order, chunks, slices of a
larger buffer and what lies under a missing value do not count; dtypes, shapes, labels and order do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from ramify.errors import UndigestableError
from ramify.values.canonical import Attr, Parts, Walk, bytes_token, compound, text_token
from ramify.values.canonical_reduced import reduced
from ramify.values.fingerprint_origin import file_of, origin_of

_PLAIN: Final = "biufcmMSUV"
"""Kinds of NumPy dtypes whose items are their bytes."""

_BLOCK: Final = 2**18
"""Items that are copied at once to bring them into C order."""


def library_parts(walk: Walk, value: Any) -> Parts | None:
    """The generator for an array or a table; None for all others."""
    kind = type(value)
    by_name = _LIBRARIES.get(kind.__module__.partition(".")[0])
    if by_name is None:
        return None
    for cls in kind.__mro__[:-1]:
        build = by_name.get(cls.__name__)
        if build is not None:
            return build(walk, value)
    return None


# ---- NumPy


def _array(walk: Walk, value: Any) -> Parts:
    """dtype, shape, and the items in C order."""
    dtype = value.dtype
    tokens = [text_token(dtype.str), (yield value.shape, Attr(".shape"))]
    if dtype.metadata:
        tokens.append((yield dict(dtype.metadata), Attr(".dtype.metadata")))
    if dtype.names is not None:
        for name in dtype.names:  # field by field: what lies between the fields is anything
            tokens += text_token(name), (yield value[name], Attr(f"[{name!r}]"))
    elif dtype.kind in _PLAIN and not dtype.hasobject:
        tokens.append(_raw(value))
    else:
        tokens.append((yield value.reshape(-1).tolist(), Attr("")))
    return compound(b"ndarray", tokens)


def _raw(value: Any) -> bytes:
    """The bytes of the items in C order; copied only where they lie otherwise, and then by blocks."""
    if value.size == 0 or value.dtype.itemsize == 0:
        return b"-"
    if value.flags.c_contiguous:
        return bytes_token(b"raw", value.reshape(-1).view("u1").data)
    from hashlib import sha256

    hashed = sha256(b"raw\0")
    step = max(1, _BLOCK * len(value) // value.size)
    for start in range(0, len(value), step):
        hashed.update(value[start : start + step].copy(order="C").reshape(-1).view("u1").data)
    return b"#" + hashed.digest()


def _plain_array(walk: Walk, value: Any) -> Parts:
    """An array, or one whose file is its memory; others (masked ones, matrices) say what they are made of."""
    if type(value).__name__ in ("ndarray", "memmap"):
        return _array(walk, value)
    return reduced(walk, value)


def _scalar(walk: Walk, value: Any) -> Parts:
    if value.dtype.names is not None or value.dtype.hasobject:
        return compound(b"scalar", (text_token(str(value.dtype.descr)), (yield value.item(), Attr(""))))
    return compound(b"scalar", (text_token(value.dtype.str), bytes_token(b"raw", value.tobytes())))


def _ufunc(walk: Walk, value: Any) -> Parts:
    """A ufunc is what a library calls by its name; one made by `frompyfunc` hides what it calls."""
    name: str = value.__name__
    numpy = sys.modules["numpy"]
    module = numpy if vars(numpy).get(name) is value else _library_of(value, name)
    walk.code.met(module)
    return compound(b"ufunc", (text_token(f"{module.__name__.partition('.')[0]}.{name}"),))
    yield  # a generator like the others, of no parts


def _library_of(value: Any, name: str) -> ModuleType:
    """The module in C that has it, else another of a library; whoever imported it has it too."""
    found = [
        module
        for module in list(sys.modules.values())
        if isinstance(module, ModuleType)
        and vars(module).get(name) is value
        and origin_of(module.__name__).kind != "own"
    ]
    if not found:
        raise UndigestableError("a ufunc that no library has by its name: what it calls cannot be seen")
    return min(found, key=lambda module: (str(file_of(module)).endswith(".py"), module.__name__))


# ---- pandas


def _frame(walk: Walk, value: Any) -> Parts:
    tokens = [(yield value.columns, Attr(".columns")), (yield value.index, Attr(".index"))]
    for number, name in enumerate(value.columns):
        tokens.append((yield value.iloc[:, number].array, name))
    if value.attrs:
        tokens.append((yield value.attrs, Attr(".attrs")))
    return compound(b"DataFrame", tokens)


def _series(walk: Walk, value: Any) -> Parts:
    tokens = [(yield value.name, Attr(".name")), (yield value.index, Attr(".index"))]
    tokens.append((yield value.array, Attr("")))
    if value.attrs:
        tokens.append((yield value.attrs, Attr(".attrs")))
    return compound(b"Series", tokens)


def _index(walk: Walk, value: Any) -> Parts:
    """Names and labels: a range is what it counts."""
    tokens = [(yield list(value.names), Attr(".names"))]
    if value.nlevels == 1:
        tokens.append((yield value.array, Attr("")))
    else:
        for level in range(value.nlevels):
            tokens.append((yield value.get_level_values(level).array, Attr(f" level {level}")))
    return compound(b"Index", tokens)


def _extension_array(walk: Walk, value: Any) -> Parts:
    """A column: its dtype, and its items by the shortest way that does not depend on the storage."""
    dtype = value.dtype
    tokens = [text_token(str(dtype)), b"%d;" % len(value)]
    stamps = getattr(value, "asi8", None)
    arrow = getattr(value, "__arrow_array__", None)
    if type(value).__name__ in ("NumpyExtensionArray", "PandasArray"):
        tokens.append((yield value.to_numpy(), Attr("")))
    elif type(value).__name__ == "Categorical":
        tokens.append((yield value.categories, Attr(".categories")))
        tokens.append((yield value.codes, Attr(".codes")))
        tokens.append(b"T" if value.ordered else b"F")
    elif stamps is not None:
        tokens.append((yield stamps, Attr("")))
    elif hasattr(dtype, "pyarrow_dtype") and arrow is not None:
        tokens.append((yield arrow(), Attr("")))
    elif getattr(dtype, "numpy_dtype", None) is not None:
        tokens.append((yield value.isna(), Attr("")))
        tokens.append((yield value.to_numpy(dtype=dtype.numpy_dtype, na_value=0), Attr("")))
    else:
        tokens.append((yield [*_with_one_missing(value)], Attr("")))
    return compound(b"column", tokens)


def _with_one_missing(value: Any) -> Any:
    """The items as objects, each missing one as None."""
    missing = value.isna()
    return (None if gone else item for item, gone in zip(value, missing.tolist(), strict=True))


# ---- Polars


def _polars_frame(walk: Walk, value: Any) -> Parts:
    tokens = [b"%d;" % value.height]
    for series in value.get_columns():
        tokens.append((yield series, series.name))
    return compound(b"polars.DataFrame", tokens)


def _polars_series(walk: Walk, value: Any) -> Parts:
    """Name, dtype, which items are missing, and the items; physical numbers where they say all."""
    dtype = value.dtype
    tokens = [text_token(value.name), text_token(str(dtype)), b"%d;" % len(value)]
    if dtype.is_numeric() and not dtype.is_decimal() and "128" not in str(dtype):
        numbers: Any = value
    elif dtype.is_temporal():
        numbers = value.to_physical()
    else:
        tokens.append((yield value.to_list(), Attr("")))
        return compound(b"polars.Series", tokens)
    missing = value.null_count() > 0
    tokens.append((yield value.is_null().to_numpy() if missing else None, Attr("")))
    tokens.append((yield (numbers.fill_null(0) if missing else numbers).to_numpy(), Attr("")))
    return compound(b"polars.Series", tokens)


def _polars_lazy(walk: Walk, value: Any) -> Parts:
    raise UndigestableError(
        "a polars.LazyFrame is a query, and what it would bring is not known: collect() it"
    )
    yield


# ---- Arrow


def _arrow_table(walk: Walk, value: Any) -> Parts:
    """Columns by name and type; the metadata of the schema does not count, as in `equals`."""
    tokens = [b"%d;" % value.num_rows]
    for name, column in zip(value.schema.names, value.columns, strict=True):
        tokens += text_token(name), (yield column, name)
    return compound(b"arrow table", tokens)


def _arrow_array(walk: Walk, value: Any) -> Parts:
    """Type, which items are missing, and the items, however they are chunked."""
    kind = str(value.type)
    tokens = [text_token(kind), b"%d;" % len(value)]
    if kind.startswith("dictionary"):
        tokens.append((yield _decoded(value), Attr("")))
        return compound(b"arrow", tokens)
    numbers = _numbers(value, kind)
    if numbers is None:
        tokens.append((yield value.to_pylist(), Attr("")))
        return compound(b"arrow", tokens)
    missing = value.null_count > 0
    tokens.append((yield _as_numpy(value.is_null()) if missing else None, Attr("")))
    tokens.append((yield _as_numpy(numbers.fill_null(0) if missing else numbers), Attr("")))
    return compound(b"arrow", tokens)


def _decoded(value: Any) -> Any:
    decode = getattr(value, "dictionary_decode", None)
    return decode() if decode is not None else value.cast(value.type.value_type)


def _numbers(value: Any, kind: str) -> Any | None:
    """The array, or its times as integers; None where NumPy has no such numbers."""
    word = kind.partition("[")[0]
    if word in _ARROW_NUMBERS:
        return value
    width = _ARROW_TIMES.get(word)
    return None if width is None else value.cast(width)


def _as_numpy(value: Any) -> Any:
    """A chunked array has one way to NumPy, a plain one another."""
    return value.to_numpy() if hasattr(value, "chunks") else value.to_numpy(zero_copy_only=False)


def _arrow_scalar(walk: Walk, value: Any) -> Parts:
    return compound(b"arrow scalar", (text_token(str(value.type)), (yield value.as_py(), Attr(""))))


_ARROW_NUMBERS: Final = frozenset(
    (*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float", "double", "halffloat")
)
_ARROW_TIMES: Final = {
    **dict.fromkeys(("timestamp", "duration", "time64", "date64"), "int64"),
    **dict.fromkeys(("time32", "date32"), "int32"),
}

_Builder = Callable[[Walk, Any], Parts]
_ARROW: Final[dict[str, _Builder]] = {
    "Table": _arrow_table,
    "RecordBatch": _arrow_table,
    "ChunkedArray": _arrow_array,
    "Array": _arrow_array,
    "Scalar": _arrow_scalar,
}
_LIBRARIES: Final[dict[str, dict[str, _Builder]]] = {
    "numpy": {"ndarray": _plain_array, "generic": _scalar, "ufunc": _ufunc},
    "pandas": {
        "DataFrame": _frame,
        "Series": _series,
        "Index": _index,
        "ExtensionArray": _extension_array,
    },
    "polars": {"DataFrame": _polars_frame, "Series": _polars_series, "LazyFrame": _polars_lazy},
    "pyarrow": _ARROW,
}
