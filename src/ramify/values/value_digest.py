"""Digests of values: equal in every process, on every machine, for values of equal type and content.

Sets and dicts are free of order, arrays and tables of their layout in memory. `1`, `1.0`, `True` and `"1"`
differ, and so do `0.0` and `-0.0`; all NaNs are one. An object of the user's own class counts with the code
of its class. What has no stable digest is refused by the name of the culprit.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

from ramify.errors import UndigestableError
from ramify.values import fingerprint_origin
from ramify.values.canonical import ATOMS
from ramify.values.canonical_objects import register
from ramify.values.fingerprint_follow import Follower
from ramify.values.fingerprint_names import shown

T = TypeVar("T")


def digest_value(
    value: Any, label: str = "value", *, place: Callable[[Any], int | None] | None = None
) -> str:
    """The digest of a value: 64 hexadecimal digits.

    `place` is asked for each object in it that is made of others: where it gives a number, that number stands
    for the object, which is not looked into.

    Raises `UndigestableError`, whose `path` says where in the value the culprit sits, from `label` on.

    >>> digest_value({"a": 1, "b": {2, 3}}) == digest_value({"b": {3, 2}, "a": 1})
    True
    >>> digest_value([1]) == digest_value((1,)) or digest_value(1) == digest_value(True)
    False
    >>> import threading
    >>> try:
    ...     digest_value({"a": [threading.Lock()]}, "x")
    ... except UndigestableError as error:
    ...     error.path
    "x['a'][0]"
    """
    atom = ATOMS.get(type(value))
    if atom is not None:
        return sha256(b"value\0" + atom(value)).hexdigest()
    follower = Follower()
    follower.walk.place = place
    token = follower.token(value, label)
    follower.drain()
    for why in map(shown, follower.unsound):
        raise UndigestableError(why, path=why.partition(":")[0])
    hashed = sha256(b"value\0" + (token or b""))
    if follower.parts:
        parts = {**follower.parts, "python": fingerprint_origin.PYTHON}
        for part in sorted(follower.number(f"{name}\0{text}\0") for name, text in parts.items()):
            hashed.update(part.encode("utf-8", "surrogatepass"))
    return hashed.hexdigest()


def register_digest(cls: type[T], function: Callable[[T], Any]) -> None:
    """Objects of `cls`, and of its subclasses, are made of what `function(object)` returns.

    That may be any value with a digest. A class of your own can have a method `__digest__` instead. The code
    of the class does not count then.
    """
    register(cls, function)
