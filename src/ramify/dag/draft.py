"""The DAG as it is being written: a mapping of keys to jobs, grids and nested DAGs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ramify.core.keys import Key, decode_key, encode_key
from ramify.dag.execution import Executable
from ramify.dag.grid import ParametrizedJob
from ramify.dag.growing import Growing
from ramify.dag.job import Job
from ramify.dag.live import Callback, Live
from ramify.dag.status import Mode, as_mode
from ramify.errors import ArgumentError, CallFormError, DraftError, RamifyKeyEncodingError, UnknownKeyError

if TYPE_CHECKING:
    from uuid import UUID

Entry = Job | ParametrizedJob | Any
"""What may stand under a key: a job, a grid, a nested DAG."""


class DAG(Executable, Live, Growing, Mapping[Key, Entry]):
    """A mapping of keys to jobs, grids and nested DAGs, which can be evaluated to disk.

    A key is a `str`, `int`, `float`, `bool`, `date`, `datetime` or `time`; `1`, `1.0` and `True` are
    different keys. The order of the entries does not matter to a run. It is a recipe: each `evaluate` is a
    new run. Nothing can be deleted; an entry may be replaced. A DAG is always true, and equal only to itself
    and to copies of it.

    `DAG(nodes)` takes a mapping; `DAG(4)` the number of workers that `evaluate` uses if it is told nothing.
    `name` is a label for people.

    Raises `RamifyKeyEncodingError` for an illegal key and `DraftError` (a `ValueError`) for a value that is
    none of these, at the assignment.

    >>> def square(x):
    ...     return x * x
    >>> dag = DAG()
    >>> dag["a"] = Job(square, {"x": 3})
    >>> dag["b"] = Job(square, {"x": dag["a"]})
    >>> list(dag), len(dag), "a" in dag, bool(DAG())
    (['a', 'b'], 2, True, True)
    """

    def __init__(
        self,
        max_workers: int | Mapping[Key, Entry] | None = None,
        use_processes: bool = False,
        done_callback: Callback | None = None,
        update_callback: Callback | None = None,
        namespace: str | None = None,
        name: str | None = None,
        mode: Mode | str = Mode.REALTIME,
        retry_strategy: Any = None,
        workflow_retry_strategy: Any = None,
        deadline: float | None = None,
        *,
        nodes: Mapping[Key, Entry] | None = None,
        rules: Iterable[Any] = (),
        record: bool | None = None,
    ) -> None:
        if isinstance(max_workers, Mapping):
            if nodes is not None:
                raise ArgumentError("nodes are given twice: DAG(nodes) or DAG(nodes=nodes)", names=["nodes"])
            max_workers, nodes = None, max_workers
        self.max_workers = _workers(max_workers)
        self.use_processes = bool(use_processes)
        self.name = name
        self.mode = as_mode(mode)
        self.namespace = namespace
        self.retry_strategy = _strategy(retry_strategy)
        self.workflow_retry_strategy = _strategy(workflow_retry_strategy)
        self.deadline = _seconds(deadline)
        self.record = record
        self._init_live(done_callback, update_callback)
        self._init_growing()
        for rule in rules:
            self.add_rule(rule)
        self._id = os.urandom(16)
        self._nodes: dict[str, Entry] = {}
        self._keys: dict[Key, str] = {}
        for key, node in (nodes or {}).items():
            self[key] = node

    @property
    def id(self) -> UUID:
        """What this DAG is equal by; a pickled copy has the same."""
        from uuid import UUID

        return UUID(bytes=self._id, version=4)

    # ---- the mapping

    def __getitem__(self, key: Key) -> Entry:
        try:
            return self._nodes[encode_key(key)]
        except (KeyError, RamifyKeyEncodingError):
            raise self._unknown(key) from None

    def __setitem__(self, key: Key, node: Entry) -> None:
        name = encode_key(key)
        if not isinstance(node, Job | ParametrizedJob | DAG):
            raise DraftError(
                f"under {key!r} there must be a Job, a ParametrizedJob or a DAG; it is {node!r:.80} "
                f"of type {type(node).__name__}",
                key=name,
            )
        other = name if name in self._nodes else self._keys.setdefault(decode_key(name), name)
        if other != name:
            raise DraftError(
                f"the key {key!r} equals the key {other} that is there and is of another type: "
                "no dict could hold both results; choose another",
                key=name,
            )
        self._nodes[name] = node

    def __iter__(self) -> Iterator[Key]:
        return iter(list(self._keys))

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, key: object) -> bool:
        try:
            return encode_key(key) in self._nodes  # type: ignore[arg-type]  # it refuses other types itself
        except RamifyKeyEncodingError:
            return False

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DAG) and other._id == self._id

    def __hash__(self) -> int:
        return hash(self._id)

    def __repr__(self) -> str:
        keys = list(self._nodes)
        shown = ", ".join(keys[:5]) + (", ..." if len(keys) > 5 else "")
        return f"DAG({self.name + ': ' if self.name else ''}{shown})"

    def _ipython_key_completions_(self) -> list[Key]:
        return list(self._keys)

    def _unknown(self, key: object) -> UnknownKeyError:
        from difflib import get_close_matches

        near = get_close_matches(str(key), list(self._nodes), 3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {self!r}"
        return UnknownKeyError(f"no key {key!r} in this DAG: {hint}", key=key, near=near)


DAG._drafts = (Job, ParametrizedJob, DAG)


def _strategy(given: Any) -> Any:
    if given is None:
        return None
    from ramify.models import as_strategy

    return as_strategy(given)


def _seconds(deadline: Any) -> float | None:
    if deadline is None:
        return None
    if isinstance(deadline, int | float) and not isinstance(deadline, bool) and deadline > 0:
        return float(deadline)
    raise ArgumentError(f"deadline={deadline!r}: use seconds above 0", names=["deadline"])


def _workers(number: Any) -> int | None:
    if number is None or (isinstance(number, int) and not isinstance(number, bool) and number > 0):
        return number
    raise CallFormError(
        f"DAG() takes the number of workers, as in DAG(4), or the nodes, as in DAG({{'a': job}}); it got "
        f"{number!r:.80}",
        names=["max_workers"],
    )
