"""The kinds of tagged JSON: how each value outside JSON's own types is an object there, and back.

Only exact types: a sub-class would come back as its base. Dataclass instances and enum members stand as the
name of their class and what they hold; reading imports the class, and refuses one that is neither.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import enum
import importlib
import sys
from collections.abc import Callable
from typing import Any, Final

from ramify.errors import RamifyDeserializationError
from ramify.values.codec import GoToNextEncoderException
from ramify.values.importable import is_importable

_TAG: Final = "@"

COLLECTIONS: Final[dict[str, Callable[[Any], Any]]] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def text(value: str) -> dict[str, Any]:
    """Text with lone surrogates, which no UTF-8 holds."""
    return {_TAG: "str", "utf-16": _to_base64(value.encode("utf-16-le", "surrogatepass"))}


def leaf_of(kind: type) -> Callable[[Any], Any] | None:
    """How to write a value of this type, if it is one that holds no other values.

    Types of modules that few programs load are known by name: whoever has such a value has the module.
    """
    if issubclass(kind, enum.Enum):
        return _enum
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in _BY_NAME:
        return _BY_NAME[name]
    if (
        kind.__module__ == "numpy"
        and "numpy" in sys.modules
        and issubclass(kind, sys.modules["numpy"].generic)
    ):
        return _numpy_scalar
    if kind.__module__.partition(".")[0] == "pathlib" and kind.__name__ in _PATHS:
        return lambda value: {_TAG: "path", "class": kind.__name__, "text": str(value)}
    return None


def class_name(kind: type) -> str:
    """`module:Qualname` of a class that another process can import; else the next encoder's turn."""
    name = f"{kind.__module__}:{kind.__qualname__}"
    if not is_importable(kind.__module__) or _import_class(name) is not kind:
        raise GoToNextEncoderException(f"the class {name} cannot be imported elsewhere")
    return name


def fields_of(value: Any, kind: type) -> dict[str, Any]:
    """What a dataclass instance holds, if its fields are all it holds and it pickles as others do."""
    if not dataclasses.is_dataclass(kind) or not _is_simple(kind):
        raise GoToNextEncoderException(f"{kind.__qualname__} is no type that JSON could hold")
    names = [field.name for field in dataclasses.fields(kind)]
    held = getattr(value, "__dict__", {})
    if not held.keys() <= set(names) or not all(hasattr(value, name) for name in names):
        raise GoToNextEncoderException("it holds more, or less, than its fields")
    return {name: getattr(value, name) for name in names}


def make_instance(name: str, fields: dict[str, Any]) -> Any:
    """An instance with these fields; neither `__init__` nor `__post_init__` is called, as with pickle."""
    kind = _import_class(name)
    if not isinstance(kind, type) or not dataclasses.is_dataclass(kind):
        raise RamifyDeserializationError(f"a value of the dataclass {name} cannot be read: it is not there")
    known = {field.name for field in dataclasses.fields(kind)}
    if not fields.keys() <= known:
        gone = ", ".join(sorted(fields.keys() - known))
        raise RamifyDeserializationError(
            f"the dataclass {name} has lost the fields {gone} since this was stored"
        )
    made = object.__new__(kind)
    for key, item in fields.items():
        object.__setattr__(made, key, item)
    return made


def _is_simple(kind: type) -> bool:
    """Whether an instance is its fields: no base with content of its own, no pickling of its own."""
    return all(getattr(kind, name) is getattr(object, name) for name in _UNTOUCHED) and all(
        _is_generated(vars(base).get(name)) for base in kind.__mro__[:-1] for name in _STATE
    )


def _is_generated(method: Any) -> bool:
    """Whether a method is none, or one that `dataclass(frozen=True, slots=True)` made."""
    return method is None or method.__module__ == "dataclasses"


def _import_class(name: str) -> Any:
    module, _, path = name.partition(":")
    try:
        found: Any = sys.modules.get(module) or importlib.import_module(module)
        for step in path.split("."):
            found = getattr(found, step)
    except (ImportError, AttributeError, ValueError):
        return None
    return found


def _to_base64(data: bytes | bytearray) -> str:
    return base64.b64encode(data).decode()


def _enum(value: enum.Enum) -> Any:
    kind = type(value)
    if value._name_ not in kind.__members__ or kind.__members__[value._name_] is not value:
        raise GoToNextEncoderException("a combination of flags has no name")
    return {_TAG: "enum", "class": class_name(kind), "name": value._name_}


def _read_enum(node: dict[str, Any]) -> Any:
    kind = _import_class(node["class"])
    if not isinstance(kind, type) or not issubclass(kind, enum.Enum) or node["name"] not in kind.__members__:
        raise RamifyDeserializationError(f"{node['class']}.{node['name']} is not there any more")
    return kind.__members__[node["name"]]


def _moment(value: dt.datetime | dt.time) -> Any:
    zone = value.tzinfo
    if zone is None:
        return {_TAG: type(value).__name__, "text": value.isoformat(), **({"fold": 1} if value.fold else {})}
    # A zone that is more than an offset (a ZoneInfo, one with a name) is not in the text.
    named = type(zone) is not dt.timezone or zone.tzname(None) != dt.timezone(zone.utcoffset(None)).tzname(
        None
    )
    if named or value.fold:
        raise GoToNextEncoderException("the time zone is more than a fixed offset")
    return {_TAG: type(value).__name__, "text": value.isoformat()}


def _numpy_scalar(value: Any) -> Any:
    dtype = value.dtype
    if dtype.kind not in "biufcmM" or dtype.itemsize > 16 or dtype.name in ("longdouble", "float128"):
        raise GoToNextEncoderException("no NumPy number")
    return {_TAG: "numpy", "dtype": dtype.str, "bytes": value.tobytes().hex(), "text": str(value)}


def _read_numpy(node: dict[str, Any]) -> Any:
    numpy = importlib.import_module("numpy")
    return numpy.frombuffer(bytes.fromhex(node["bytes"]), dtype=node["dtype"])[0]


def _imported(module: str, name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda node: getattr(importlib.import_module(module), name)(node["text"])


def _read_path(node: dict[str, Any]) -> Any:
    if node["class"] not in _PATHS:
        raise RamifyDeserializationError(f"{node['class']!r} is no kind of path")
    return getattr(importlib.import_module("pathlib"), node["class"])(node["text"])


_UNTOUCHED: Final = ("__new__", "__reduce__", "__reduce_ex__", "__getattribute__")
_STATE: Final = ("__getstate__", "__setstate__", "__getattr__")

_PATHS: Final = frozenset({"PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"})

_BY_NAME: Final[dict[str, Callable[[Any], Any]]] = {
    "decimal.Decimal": lambda value: {_TAG: "decimal", "text": str(value)},
    "fractions.Fraction": lambda value: {_TAG: "fraction", "text": str(value)},
    "uuid.UUID": lambda value: {_TAG: "uuid", "text": str(value)},
}

LEAVES: Final[dict[type, Callable[[Any], Any]]] = {
    bytes: lambda value: {_TAG: "bytes", "base64": _to_base64(value)},
    bytearray: lambda value: {_TAG: "bytearray", "base64": _to_base64(value)},
    complex: lambda value: {_TAG: "complex", "parts": [repr(value.real), repr(value.imag)]},
    range: lambda value: {_TAG: "range", "parts": [str(value.start), str(value.stop), str(value.step)]},
    dt.date: lambda value: {_TAG: "date", "text": value.isoformat()},
    dt.datetime: _moment,
    dt.time: _moment,
    dt.timedelta: lambda value: {_TAG: "timedelta", "parts": [value.days, value.seconds, value.microseconds]},
}

READERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "str": lambda node: base64.b64decode(node["utf-16"]).decode("utf-16-le", "surrogatepass"),
    "int": lambda node: int(node["hex"], 16),
    "float": lambda node: float(node["text"]),
    "bytes": lambda node: base64.b64decode(node["base64"]),
    "bytearray": lambda node: bytearray(base64.b64decode(node["base64"])),
    "complex": lambda node: complex(*map(float, node["parts"])),
    "range": lambda node: range(*map(int, node["parts"])),
    "date": lambda node: dt.date.fromisoformat(node["text"]),
    "datetime": lambda node: dt.datetime.fromisoformat(node["text"]).replace(fold=node.get("fold", 0)),
    "time": lambda node: dt.time.fromisoformat(node["text"]).replace(fold=node.get("fold", 0)),
    "timedelta": lambda node: dt.timedelta(*node["parts"]),
    "decimal": _imported("decimal", "Decimal"),
    "fraction": _imported("fractions", "Fraction"),
    "uuid": _imported("uuid", "UUID"),
    "path": _read_path,
    "enum": _read_enum,
    "numpy": _read_numpy,
}
