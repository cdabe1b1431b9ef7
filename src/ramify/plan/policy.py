"""How a job is to be run: retries, limits, resources, and what may be reused. Checked when it is made."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

import msgspec

from ramify.errors import ArgumentError
from ramify.models import RetryStrategy, plain_retries
from ramify.settings import REUSES

Reuse = str
"""`"auto"`, `"off"` or `"exists"`."""


_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(?:([KMGTP]?)(?:i?B)?|([KMGTP])i)\s*", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}

Resource = int | float | str
"""An amount: a number, or text that an outside engine understands."""

Retries = int | str | RetryStrategy | Mapping[str, Any]
"""What `ramify.models.as_strategy` takes."""


class Policy(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one job is run. Frozen; made by `make_policy`, which checks it.

    `retries`: attempts after the first, or when and how they are made. `timeout`: seconds per attempt,
    `deadline`: of all attempts together.
    `resources`: `cores` (a number), `memory` (bytes), and named amounts. `executor`: the name of a configured
    executor. `tags`: labels.
    `version`: stands for the code of the function. `reuse`: which old results may count. `files` and
    `environment`: what the function reads besides its arguments, as paths and as names of variables; in a
    grid `{parameter}` in a path stands for the point's own value.
    """

    retries: int | RetryStrategy = 0
    timeout: float | None = None
    resources: dict[str, int | float | str] = {}
    executor: str | None = None
    tags: tuple[str, ...] = ()
    version: str | None = None
    reuse: str | None = None
    files: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    deadline: float | None = None
    may_add: tuple[str, ...] | None = None
    priority: int = 0


DEFAULT: Final = Policy()


def make_policy(
    *,
    retries: Retries = 0,
    timeout: float | None = None,
    resources: Mapping[str, Resource] | None = None,
    executor: str | None = None,
    tags: Iterable[str] = (),
    version: str | None = None,
    reuse: Reuse | None = None,
    files: Iterable[str | os.PathLike[str]] = (),
    environment: Iterable[str] = (),
    deadline: float | None = None,
    may_add: str | Iterable[str] | None = None,
) -> Policy:
    """The policy of these values; `ArgumentError` names the first that cannot be.

    >>> make_policy(retries=2, resources={"cores": 2, "memory": "4G"}).resources["memory"]
    4294967296
    >>> make_policy(retries=-1)
    Traceback (most recent call last):
        ...
    ramify.errors.ArgumentError: retries must be a whole number, 0 or more, a RetryStrategy or a mapping; \
it is -1
    """
    said = resources or executor or tags or version or reuse or files or environment
    silent = timeout is None and deadline is None and may_add is None
    if type(retries) is int and silent and not (retries or said):
        return DEFAULT
    for name, seconds in (("timeout", timeout), ("deadline", deadline)):
        if seconds is not None and not (_is_number(seconds) and seconds > 0):
            _refuse(name, "a number of seconds above 0, or None", seconds)
    if reuse is not None and reuse not in REUSES:
        _refuse("reuse", "'auto', 'off', 'exists' or None", reuse)
    _check_text("executor", executor)
    _check_text("version", version)
    return Policy(
        retries=_written_retries(retries),
        timeout=None if timeout is None else float(timeout),
        resources=_resources(resources),
        executor=executor,
        tags=texts("tags", tags),
        version=version,
        reuse=reuse,
        files=texts("files", files),
        environment=texts("environment", environment),
        deadline=None if deadline is None else float(deadline),
        may_add=patterns(may_add),
    )


def parse_memory(amount: object) -> int:
    """Bytes of a number or of text such as `"4G"`, `"512 MB"`, `"2Gi"`, `"1.5GiB"` (powers of 1024).

    Raises `ArgumentError` for anything else.

    >>> parse_memory("1.5 KiB"), parse_memory("2Ki"), parse_memory(10)
    (1536, 2048, 10)
    """
    if isinstance(amount, str):
        match = _SIZE.fullmatch(amount)
        if match:
            return int(float(match[1]) * 1024 ** _POWERS[(match[2] or match[3] or "").upper()])
    elif _is_number(amount) and amount >= 0:  # type: ignore[operator]  # _is_number has looked
        return int(amount)  # type: ignore[call-overload,no-any-return]  # as above
    return _refuse("the resource 'memory'", "a number of bytes or text such as '4G'", amount)


def _written_retries(retries: Retries) -> int | RetryStrategy:
    """Retries that a plan can hold."""
    checked = plain_retries(retries)
    if isinstance(checked, RetryStrategy) and not checked.is_text:
        raise ArgumentError(
            "the expression of a job's RetryStrategy is kept in its plan: write it as text, such as "
            "\"type == 'OSError' and attempts < 3\"",
            names=["retries"],
        )
    return checked


def _resources(given: Mapping[str, Resource] | None) -> dict[str, Resource]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        _refuse("resources", "a mapping of names to amounts", given)
    checked: dict[str, Resource] = {}
    for name, amount in given.items():
        if not isinstance(name, str) or not name:
            _refuse("the name of a resource", "a text", name)
        if name == "memory":
            checked[name] = parse_memory(amount)
        elif name == "cores" and not (_is_number(amount) and float(amount) >= 0):
            _refuse("the resource 'cores'", "a number, 0 or more", amount)
        elif isinstance(amount, str) or (_is_number(amount) and amount >= 0):
            checked[name] = amount
        else:
            _refuse(f"the resource {name!r}", "a number, 0 or more, or text", amount)
    return checked


def texts(name: str, given: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    if isinstance(given, str | os.PathLike):
        _refuse(name, "a list or tuple of texts", given)
    texts = tuple(os.fspath(one) if isinstance(one, os.PathLike) else one for one in given)
    for text in texts:
        if not isinstance(text, str) or not text:
            _refuse(f"each of {name}", "a text", text)
    return texts


def patterns(may_add: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """What may be added, as texts; one text may stand alone.

    >>> patterns("pdf"), patterns(["b", "a", "b"]), patterns(None)
    (('pdf',), ('a', 'b'), None)
    """
    if may_add is None:
        return None
    given = (may_add,) if isinstance(may_add, str) else may_add
    if not isinstance(given, Iterable):
        _refuse("may_add", "a tag, a key or a glob of keys, or a list of them", given)
    return tuple(sorted(set(texts("may_add", given))))


def _check_text(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        _refuse(name, "a text or None", value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(name: str, wanted: str, value: object) -> NoReturn:
    raise ArgumentError(f"{name} must be {wanted}; it is {value!r}", names=[name])
