"""How an argument is written down: as text where text is exact, else as a file; jobs in it as references."""

from __future__ import annotations

import math
import types
from collections import deque
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, Final

import msgspec

from ramify.core.keys import encode_key
from ramify.dag.draft import DAG
from ramify.dag.grid import ParametrizedJob
from ramify.dag.job import Job
from ramify.dag.node import Node
from ramify.errors import RamifyKeyEncodingError, UndigestableError
from ramify.plan.definition import Spec
from ramify.plan.folder import Literal, NewPlan, unpicklable
from ramify.plan.paths import INPUTS
from ramify.values import LazyDict

_REFERENCES: Final = (Job, ParametrizedJob, DAG, LazyDict, Node)
_ATOMS: Final = frozenset({str, int, float, bool, type(None), bytes, complex})
_OPAQUE: Final = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType, types.MethodType)
_LIBRARIES: Final = frozenset(
    (
        *("numpy", "pandas", "pyarrow", "polars", "h5py", "scipy", "sklearn", "torch", "tensorflow", "jax"),
        *("xarray", "dask"),
    )
)
"""Whose objects are never looked into: they are large, and hold no jobs."""

_LONGEST_TEXT: Final = 4096
"""Bytes of an argument that is written into its definition; what is longer gets a file."""
_MOST_ITEMS: Final = 200
_DEEPEST: Final = 20
"""Levels of containers that are written item by item; what is below is pickled."""

Refer = Callable[[Any, str], Spec]
"""Gives the reference to a job, a grid or a DAG; the text says where in the arguments it stands."""


class Arguments:
    """Turns arguments into what a definition says of them, and collects the files that they need."""

    def __init__(self, new: NewPlan, stored: Callable[[LazyDict], Spec]) -> None:
        self._new = new
        self._stored = stored
        self._written: dict[int, Spec] = {}
        self._taken: set[str] = set()

    def spec(self, value: Any, job_id: str, name: str, number: int, refer: Refer) -> Spec:
        """How this argument, the `number`th, is written; `refer` is asked for every job in it.

        Raises `UnpicklableError` where it holds jobs and cannot be pickled.
        """
        return _One(self, job_id, name, refer).spec(value, _part(name, str(number)))

    def _file(self, value: Any, job_id: str, name: str, part: str) -> Spec:
        known = self._written.get(id(value))
        if known is None:
            stem = self.stem(job_id, part)
            boxed = isinstance(value, dict)  # a stored dict would come back as a LazyDict
            self._new.literals.append(Literal(stem, value, boxed, job_id, name))
            known = {"file": stem, "boxed": True} if boxed else {"file": stem}
            self._written[id(value)] = known = {**known, **_digested(value, name)}
        return known

    def stem(self, job_id: str, part: str) -> str:
        """A place in the plan that no other argument has: `a/arg/x` is a part of the argument `arg` of the
        job `a`, and a hidden job of its argument `x`."""
        wanted = stem = "/".join(filter(None, (INPUTS, job_id, part)))
        count = 0
        while stem in self._taken:
            count += 1
            stem = f"{wanted}@{count}"
        self._taken.add(stem)
        return stem


class _One:
    """One argument on its way into the plan."""

    def __init__(self, shared: Arguments, job_id: str, name: str, refer: Refer) -> None:
        self.shared = shared
        self.job_id = job_id
        self.name = name
        self.refer = refer
        self.depth = 0

    def spec(self, value: Any, part: str) -> Spec:
        if _is_exact(value, [_MOST_ITEMS], set()) and _is_short(value):
            return {"value": value}
        if type(value) is Job:
            return self.refer(value, part)
        if type(value) is Node:
            return self.refer(value.as_job(), part)
        if isinstance(value, LazyDict):
            return self.shared._stored(value)
        if isinstance(value, _REFERENCES):
            return self.refer(value, part)
        holds = _holds_references(value)
        if self._is_tree(value, holds):
            self.depth += 1
            tree = self._tree(value, part)
            self.depth -= 1
            return tree
        if holds:
            return self._holding(value, part)
        return self.shared._file(value, self.job_id, self.name, part)

    def _is_tree(self, value: Any, holds: bool) -> bool:
        """Whether it is written item by item. Each level looks at all that is below: there are not many."""
        if type(value) not in _BUILDERS or self.depth >= _DEEPEST:
            return False
        return (holds or _is_small(value)) and not _stands_twice(value)

    def _tree(self, value: Any, part: str) -> Spec:
        kind = type(value).__name__
        if type(value) is dict:
            pairs = enumerate(value.items())
            return {
                "dict": [
                    [self.spec(key, f"{part}/@keys/{n}"), self.spec(item, f"{part}/{_part(key, str(n))}")]
                    for n, (key, item) in pairs
                ]
            }
        return {kind: [self.spec(item, f"{part}/{n}") for n, item in enumerate(value)]}

    def _holding(self, value: Any, part: str) -> Spec:
        from ramify.plan.holding import dump_holding

        held: list[Spec] = []
        numbers: dict[int, int] = {}
        kept: list[Any] = []  # what is known by its id() must not go away

        def place(inner: Any) -> int | None:
            if not isinstance(inner, _REFERENCES):
                return None
            if id(inner) not in numbers:
                kept.append(inner)
                numbers[id(inner)] = len(held)
                held.append(self.spec(inner, f"{part}/{len(held)}"))
            return numbers[id(inner)]

        try:
            data = dump_holding(value, place)
        except Exception as error:
            raise unpicklable(self.job_id, self.name, value, error) from error
        place_of_it = f"{self.shared.stem(self.job_id, part)}.pickle"
        self.shared._new.files[place_of_it] = data
        return {"pickle": place_of_it, "holds": held, **_digested(value, self.name, place)}


def _digested(value: Any, name: str, place: Callable[[Any], int | None] | None = None) -> Spec:
    """The digest of an argument that is kept in a file; or why it has none, and its job always runs."""
    from ramify.values.value_digest import digest_value

    try:
        return {"digest": digest_value(value, name, place=place)}
    except UndigestableError as error:
        return {"unsound": str(error)}


_BUILDERS: Final = frozenset({list, tuple, set, frozenset, dict})
_CHANGEABLE: Final = frozenset({list, set, dict})


def _part(key: Any, otherwise: str) -> str:
    """A key as a part of an id; where it cannot be one, its number."""
    try:
        return encode_key(key)
    except RamifyKeyEncodingError:
        return f"@{otherwise}"


def _is_exact(value: Any, budget: list[int], met: set[int]) -> bool:
    """Whether JSON gives exactly this value back; False when there are more items than the budget.

    `met` are the containers so far: of one that stands in two places JSON would make two.
    """
    kind: type = type(value)
    if kind is str:
        return len(value) <= _LONGEST_TEXT
    if kind is int:
        return bool(-(2**63) <= value < 2**64)
    if kind is float:
        return math.isfinite(value)
    if kind is bool or value is None:
        return True
    if kind is not list and kind is not dict:
        return False
    budget[0] -= len(value)
    if budget[0] < 0 or id(value) in met:
        return False
    met.add(id(value))
    if kind is dict:
        if not all(type(key) is str for key in value):
            return False
        value = value.values()
    return all(_is_exact(item, budget, met) for item in value)


def _is_short(value: Any) -> bool:
    try:
        return len(msgspec.json.encode(value)) <= _LONGEST_TEXT
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _is_small(value: Any) -> bool:
    """Whether a container is short and of plain parts throughout, so that a line can hold it."""
    left = _MOST_ITEMS
    stack = [value]
    while stack:
        item = stack.pop()
        if type(item) not in _BUILDERS:
            if not (_is_exact(item, [0], set()) and _is_short(item)):
                return False
            continue
        left -= len(item)
        if left < 0:
            return False
        stack += item
        if type(item) is dict:
            stack += item.values()
    return True


def _stands_twice(value: Any) -> bool:
    """Whether a container that can be changed stands in it more than once: it must stay one object."""
    stack = [value]
    met: set[int] = set()
    while stack:
        item = stack.pop()
        if type(item) not in _BUILDERS:
            continue
        if type(item) in _CHANGEABLE:
            if id(item) in met:
                return True
            met.add(id(item))
        stack += item.values() if type(item) is dict else item
    return False


def _holds_references(value: Any) -> bool:
    """Whether a job, a grid, a DAG or a LazyDict is somewhere inside."""
    stack = [value]
    seen: set[int] = set()
    while stack:
        item = stack.pop()
        if type(item) in _ATOMS:
            continue
        if isinstance(item, _REFERENCES):
            return True
        if id(item) not in seen:
            seen.add(id(item))
            stack += _inside(item)
    return False


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple | set | frozenset | deque):
        yield from value
    elif isinstance(value, dict):
        yield from value
        yield from value.values()
    if isinstance(value, _OPAQUE) or type(value).__module__.partition(".")[0] in _LIBRARIES:
        return
    if isinstance(value, partial):
        yield from (value.func, value.args, value.keywords)
    yield from getattr(value, "__dict__", {}).values()
    for slot in _slots_of(type(value)):  # type: ignore[arg-type]  # a class can be hashed
        try:
            yield slot.__get__(value)
        except AttributeError:  # nothing is in it
            continue


@lru_cache(maxsize=256)
def _slots_of(kind: type) -> list[types.MemberDescriptorType]:
    return [s for base in kind.__mro__ for s in vars(base).values() if type(s) is types.MemberDescriptorType]
