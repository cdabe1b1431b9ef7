"""What counts of a class: its methods, attributes, fields and bases; not how it was made from them."""

from __future__ import annotations

import functools
import re
import sys
import types
import typing
from enum import EnumMeta
from typing import TYPE_CHECKING, Any, Final

from ramify.values.canonical import text_token
from ramify.values.fingerprint_names import digest_of
from ramify.values.fingerprint_names import label as label_of
from ramify.values.fingerprint_origin import origin_of

if TYPE_CHECKING:
    from ramify.values.fingerprint_follow import Follower

_SKIPPED: Final = frozenset(
    (
        *("__module__", "__dict__", "__weakref__", "__doc__", "__qualname__", "__firstlineno__", "_abc_impl"),
        *("__static_attributes__", "__annotations__", "__annotate__", "__annotate_func__"),
        *("__annotations_cache__", "__dataclass_fields__", "__dataclass_params__", "__abstractmethods__"),
        *("__parameters__", "__orig_bases__", "__type_params__", "__classdictcell__", "__protocol_attrs__"),
        *(
            "__non_callable_proto_members__",
            "__attrs_own_setattr__",
            "__slotnames__",
            "__attrs_attrs__",
            "__attrs_props__",
        ),
    )
)
_OF_A_MEMBER: Final = frozenset(("_value_", "_name_", "__objclass__", "_sort_order_", "_inverted_"))
_SUNDER: Final = re.compile("_.*_$")
_FLAGS: Final = ("init", "repr", "hash", "compare", "kw_only")
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


def visit_class(follower: Follower, label: str, cls: type) -> None:
    """Makes the parts of a class: `class X` for what it consists of, and one for each thing that is in it."""
    bases = [follower.follow(base, label) for base in (type(cls), *cls.__bases__)]
    shape = [text_token(follower.number(f"({base}")) for base in bases]
    namespace = vars(cls)
    follower.classes.append((cls, cls.__bases__))
    follower.sizes.append((namespace, len(namespace)))
    registered = registered_with(cls)
    if registered is not None:
        follower.registered.append((cls, registered))
    for other in sorted(registered or (), key=label_of):
        shape.append(text_token(follower.number(f"registers {follower.follow(other, label)}")))
    for name in sorted(namespace):
        if name in _SKIPPED or name.startswith("__pydantic_") or _is_machinery(cls, name):
            continue
        follower.watched.append((namespace, name, namespace[name]))
        kind, ref = _attribute(follower, label, cls, name, namespace[name])
        if kind:
            told = "" if ref.endswith(f"{label}.{name}") else ref
            shape.append(text_token(follower.number(f"{name}:{kind}={told}")))
    for name, text in sorted(_annotations(cls).items()):
        shape.append(text_token(follower.number(f"{name}: {text}")))
    _fields(follower, label, cls)
    follower.parts[f"class {label}"] = digest_of(*shape)


def registered_with(cls: type) -> list[type] | None:
    """The classes that were registered with an abstract base class, None for another class.

    The rest of what such a class keeps is a cache.
    """
    if "_abc_impl" not in vars(cls):
        return None
    get_dump: Any = vars(sys.modules["_abc"])["_get_dump"]
    found = [reference() for reference in get_dump(cls)[0]]
    return sorted((other for other in found if other is not None), key=id)


def _attribute(follower: Follower, label: str, cls: type, name: str, value: Any) -> tuple[str, str]:
    """What kind of thing it is, and what to call what it leads to; an empty kind: it does not count."""
    if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType) or _is_made(cls, value):
        return "", ""
    if isinstance(value, property):
        held = [f for f in (value.fget, value.fset, value.fdel) if f is not None]
        return "property", " ".join(follower.follow(f, f"{label}.{name}") for f in held)
    if isinstance(value, staticmethod | classmethod):
        return type(value).__name__, follower.follow(value.__func__, f"{label}.{name}")
    if isinstance(value, functools.cached_property):
        return "cached_property", follower.follow(value.func, f"{label}.{name}")
    if isinstance(value, types.FunctionType):
        return "function", follower.follow(value, f"{label}.{name}")
    if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType):
        return "name", follower.follow(value, f"{label}.{name}")
    follower.value(f"class attribute {label}.{name}", value)
    return "value", ""


def _is_made(cls: type, value: Any) -> bool:
    """Methods that dataclasses, named tuples and attrs write: they follow from the fields."""
    value = getattr(value, "__func__", value)
    while isinstance(value, types.FunctionType) and "__wrapped__" in value.__dict__:
        value = value.__dict__["__wrapped__"]
    if not isinstance(value, types.FunctionType):
        return False
    if "_fields" in vars(cls):
        home = str(value.__globals__.get("__name__"))
        return home == "collections" or home.startswith("namedtuple_")
    if value.__code__.co_filename == "<string>":  # as is what a user gives to `python -c`
        return value.__code__.co_qualname.startswith("__create_fn__.")
    return value.__code__.co_filename.startswith("<attrs generated")


def _is_machinery(cls: type, name: str) -> bool:
    """What `Enum` and named tuples keep for themselves."""
    value = vars(cls)[name]
    if isinstance(cls, EnumMeta):
        functions = (types.FunctionType, property, classmethod, staticmethod)
        if name in ("__new__", "_generate_next_value_"):
            inner = getattr(value, "__func__", value)
            return origin_of(getattr(inner, "__module__", None)).kind != "own"
        return name in cls.__members__ or (
            _SUNDER.match(name) is not None and not isinstance(value, functions)
        )
    return type(value).__name__ in ("_tuplegetter", "_abc_data")


def _fields(follower: Follower, label: str, cls: type) -> None:
    """The fields of a dataclass or a named tuple, the members of an enumeration."""
    if isinstance(cls, EnumMeta):
        members: list[Any] = list(cls)
        named: dict[str, Any] = dict(cls.__members__)
        aliases = sorted((name, member.name) for name, member in named.items())
        boundary = getattr(vars(cls).get("_boundary_"), "name", None)
        told = [(m.name, m.value, _beside(follower, cls, m)) for m in members]
        follower.value(f"members of {label}", (told, aliases, boundary))
        return
    namespace = vars(cls)
    if "__dataclass_fields__" in namespace:
        fields = [_field(field) for field in namespace["__dataclass_fields__"].values()]
        follower.value(f"fields of {label}", (str(namespace.get("__dataclass_params__")), fields))
    for name in ("__attrs_attrs__", "__pydantic_fields__"):
        if name in namespace:
            follower.value(f"fields of {label}", namespace[name])


def _beside(follower: Follower, cls: type, member: Any) -> dict[str, Any]:
    """What a member of an enumeration holds beside its value."""
    held = getattr(member, "__dict__", {})
    follower.sizes.append((held, len(held)))
    follower.watched += [(held, name, item) for name, item in held.items()]
    own = {name: item for name, item in held.items() if name not in _OF_A_MEMBER}
    return {n: v for n, v in own.items() if type(getattr(cls, n, None)) is not functools.cached_property}


def _field(field: Any) -> tuple[Any, ...]:
    missing = sys.modules["dataclasses"].MISSING
    given = tuple(None if held is missing else (held,) for held in (field.default, field.default_factory))
    metadata = dict(field.metadata)
    return (field.name, _text(field.type), *given, *(getattr(field, flag) for flag in _FLAGS), metadata)


def _annotations(cls: type) -> dict[str, str]:
    """The annotations of a class as texts: dataclasses and the like are made from them."""
    if sys.version_info >= (3, 14):
        import annotationlib

        return annotationlib.get_annotations(cls, format=annotationlib.Format.STRING)
    found = vars(cls).get("__annotations__", {})
    return {name: _text(annotation) for name, annotation in found.items()}


def _text(annotation: Any) -> str:
    """An annotation as a text, in which classes have the names that they have in labels."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, list):
        return f"[{', '.join(map(_text, annotation))}]"
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return label_of(annotation)
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is not None and args and origin is not typing.Literal:
        return f"{_text(origin)}[{', '.join(map(_text, args))}]"
    home = f"{type(annotation).__module__}."
    return _ADDRESS.sub("", repr(annotation)).replace(home, f"{label_of(type(annotation))}:")
