"""Names of code that are the same however a program was started, and objects that are known by name alone."""

from __future__ import annotations

import functools
import os
import re
import sys
import types
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from ramify.values.fingerprint_code import Import
from ramify.values.fingerprint_origin import origin_of

_MAINS: Final = ("__main__", "__mp_main__")

_MARKED: Final = re.compile("\x01(.*?)\x02", re.DOTALL)

_HEAP_TYPE: Final = 1 << 9
"""Of a class's flags the one of what is not written in C, or might as well not be."""

MISSING: Final = object()
"""What stands for a name that leads to nothing."""


def digest_of(*tokens: bytes) -> str:
    """The digest of a part: 32 hexadecimal digits."""
    return sha256(b"".join(b"%d:%s" % (len(token), token) for token in tokens)).hexdigest()[:32]


def module_name(name: object) -> str:
    """What to call a module: a script is named for its file, as if it had been imported.

    >>> module_name("flow:train"), module_name("pkg.flow")
    ('train', 'pkg.flow')
    """
    if not isinstance(name, str):
        return "?"
    if name not in _MAINS:
        return name.rpartition(":")[2]  # a target that is loaded from its path is `flow:NAME`
    main = sys.modules.get(name)
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if spec is not None:
        return str(spec.name)
    return os.path.splitext(os.path.basename(file))[0] if file else "__main__"


def function_name(function: types.FunctionType) -> str:
    """Module and qualified name of where the function was written, whatever it wraps."""
    return f"{module_name(function.__globals__.get('__name__'))}.{function.__code__.co_qualname}"


def object_name(value: Any) -> str:
    """The full name of a function, a class, a module, a C function."""
    if isinstance(value, types.FunctionType):
        return function_name(value)
    if isinstance(value, types.ModuleType):
        return module_name(value.__name__)
    qualname = getattr(value, "__qualname__", getattr(value, "__name__", type(value).__qualname__))
    holder = getattr(value, "__objclass__", None)
    module = getattr(value if holder is None else holder, "__module__", None)
    if module == "builtins":
        return str(qualname)
    return f"{module_name(module)}.{qualname}"


def module_label(name: object) -> str:
    """As `module_name`, marked where the module is the user's own: it may be renamed, and nothing changes."""
    told = module_name(name)
    return f"\x01{told}\x02" if isinstance(name, str) and origin_of(name).kind == "own" else told


def label(value: Any) -> str:
    """As `object_name`, with the module marked where it is the user's own."""
    if isinstance(value, types.FunctionType):
        return f"{module_label(value.__globals__.get('__name__'))}.{value.__code__.co_qualname}"
    name = object_name(value)
    home = getattr(value, "__module__", None)
    told = module_name(home)
    if isinstance(home, str) and name.startswith(f"{told}.") and origin_of(home).kind == "own":
        return f"\x01{told}\x02{name[len(told) :]}"
    return name


def shown(text: str) -> str:
    """A label as a person reads it.

    >>> shown("code of \x01flow\x02.count")
    'code of flow.count'
    """
    return text.replace("\x01", "").replace("\x02", "")


class Numbers:
    """Gives modules of the user's own numbers in the place of their names, in the order in which they come.

    >>> number = Numbers()
    >>> number("code of \x01flow\x02.count"), number("\x01other\x02.f"), number("\x01flow\x02.g")
    ('code of 0.count', '1.f', '0.g')
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def __call__(self, text: str) -> str:
        return _MARKED.sub(self._number, text) if "\x01" in text else text

    def _number(self, found: re.Match[str]) -> str:
        return str(self._known.setdefault(found[1], len(self._known)))


def is_by_name(function: types.FunctionType) -> bool:
    """Whether the function is not the user's own, and its name leads to it: then the version says all."""
    module = function.__globals__.get("__name__")
    if not isinstance(module, str) or origin_of(module).kind == "own":
        return False
    found: Any = sys.modules.get(module)
    for step in function.__code__.co_qualname.split("."):
        found = getattr(found, step, None)
    return getattr(found, "__func__", found) is function or getattr(found, "__wrapped__", None) is function


def home_of(function: types.FunctionType) -> str | None:
    """The name of the module whose globals a function has."""
    name = function.__globals__.get("__name__")
    return name if isinstance(name, str) else None


def held_in(cell: types.CellType) -> Any:
    """What a closure's cell holds; `MISSING` for an empty one."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def is_one_of(value: Any, objects: tuple[Any, ...]) -> bool:
    """Whether it is one of these, by identity: an array would compare item by item."""
    for held in objects:  # noqa: SIM110  # a generator takes three times as long, and this is asked of all
        if value is held:
            return True
    return False


def absolute_name(wanted: Import, namespace: Mapping[str, Any]) -> str:
    """The full name of the module that an import is of; `namespace` is that of the importing module."""
    if not wanted.level:
        return wanted.module
    package = namespace.get("__package__") or str(namespace.get("__name__", "")).rpartition(".")[0]
    base = ".".join(package.split(".")[: len(package.split(".")) - wanted.level + 1])
    return f"{base}.{wanted.module}" if wanted.module else base


def wrapped_by(value: Any) -> Any:
    """The function that an object of a library stands for, as `lru_cache` and compilers make them."""
    if origin_of(type(value).__module__).kind == "own" or isinstance(value, functools.partial):
        return None
    wrapped = getattr(value, "__wrapped__", None)
    return wrapped if callable(wrapped) and callable(value) else None


def is_surroundings(value: Any) -> bool:
    """The environment, the standard streams and the table of modules, which are not the program's own."""
    around = (os.environ, os.getenv, sys.modules, sys.argv, sys.stdin, sys.stdout, sys.stderr)
    return value is not None and is_one_of(value, around)


def is_made_elsewhere(cls: type) -> bool:
    """Whether a class was made at run time and says that it is of a module that does not have it.

    `make_dataclass` leaves it with `types` in some versions, `exec` in a bare namespace with `builtins`.
    """
    if cls.__module__ not in ("types", "builtins") or not cls.__flags__ & _HEAP_TYPE:
        return False
    return vars(sys.modules[cls.__module__]).get(cls.__name__) is not cls


def told_in(where: str) -> str:
    """` in X`, or nothing where there is no X."""
    return f" in {where}" if where else ""
