"""A grid: one function over many points, sliced parameter by parameter."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ramify.core.keys import Key, decode_key, encode_key
from ramify.dag.execution import Executable
from ramify.dag.job import Job, check_kwargs
from ramify.dag.signature import check_arguments, function_name
from ramify.errors import ArgumentError, RamifyKeyEncodingError, UnknownKeyError
from ramify.plan.policy import Policy, Resource, Retries, Reuse, make_policy


class ParametrizedJob(Executable, Mapping[Key, "Job | ParametrizedJob"]):
    """`func` called once for every tuple of `parameter_values`, with the same `kwargs` each time.

    `parameter_values` is the list of points, not a product of columns; each value is a key (`str`, `int`,
    `float`, `bool`, `date`, `datetime`, `time`). `grid[key]` fixes the first parameter: a smaller grid while
    parameters remain, else a `Job`. Iteration and `len` are over the distinct first values. A slice used as
    an argument stands for the grid's own jobs, if the grid is in the DAG. Policy as in `Job`; in
    `files` the name of a parameter in braces, as in `"raw/{model}.csv"`, is the point's own value.

    Raises `ArgumentError` (a `ValueError`) for names and values that do not fit, `RamifyKeyEncodingError` for
    a value that is no key.

    >>> def score(model, split, prefix=""):
    ...     return f"{prefix}{model}:{split}"
    >>> points = [("m1", "train"), ("m1", "test")]
    >>> grid = ParametrizedJob(score, ["model", "split"], points, {"prefix": "run="})
    >>> list(grid), grid["m1"]["train"]
    (['m1'], Job(score, prefix='run=', model='m1', split='train'))
    """

    func: Callable[..., Any]
    kwargs: dict[str, Any]
    parameter_names: tuple[str, ...]
    policy: Policy

    def __init__(
        self,
        func: Callable[..., Any],
        parameter_names: Sequence[str],
        parameter_values: Iterable[Sequence[Key]],
        kwargs: dict[str, Any] | None = None,
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
    ) -> None:
        self.func = func
        self.parameter_names = _names(parameter_names)
        self.kwargs = {} if kwargs is None else check_kwargs(kwargs)
        both = [name for name in self.parameter_names if name in self.kwargs]
        if both:
            raise ArgumentError(f"{both[0]!r} is a parameter and is in kwargs as well: keep one", names=both)
        check_arguments(func, [*self.kwargs, *self.parameter_names])
        self.policy = make_policy(
            retries=retries,
            timeout=timeout,
            resources=resources,
            executor=executor,
            tags=tags,
            version=version,
            reuse=reuse,
            files=files,
            environment=environment,
        )
        self._points = _points(self.parameter_names, parameter_values)
        self._root: ParametrizedJob = self
        self._bound: tuple[str, ...] = ()
        self._index: dict[str, list[str]] | None = None

    @property
    def parameter_values(self) -> list[tuple[Key, ...]]:
        """The points, one tuple of keys each."""
        return [tuple(map(decode_key, point.split("/"))) for point in self._points]

    def __getitem__(self, key: Key) -> Job | ParametrizedJob:
        name = self._name(key)
        rest = None if name is None else self._by_first().get(name)
        if name is None or rest is None:
            raise self._unknown(key)
        bound = (*self._bound, name)
        kwargs = {**self.kwargs, self.parameter_names[0]: decode_key(name)}
        if len(self.parameter_names) == 1:
            job = Job._of_point(self._root, bound, kwargs)
            return job
        piece = ParametrizedJob.__new__(ParametrizedJob)
        piece.func, piece.kwargs, piece.policy = self.func, kwargs, self.policy
        piece.parameter_names = self.parameter_names[1:]
        piece._points, piece._root, piece._bound, piece._index = rest, self._root, bound, None
        return piece

    def __iter__(self) -> Iterator[Key]:
        return map(decode_key, self._by_first())

    def __len__(self) -> int:
        return len(self._by_first())

    def __contains__(self, key: object) -> bool:
        name = self._name(key)
        return name is not None and name in self._by_first()

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        points = "1 point" if len(self._points) == 1 else f"{len(self._points)} points"
        return f"ParametrizedJob({function_name(self.func)}, {', '.join(self.parameter_names)}: {points})"

    def _by_first(self) -> dict[str, list[str]]:
        """The rests of the points, by the name of the first value; made once, at the first look."""
        if self._index is None:
            index: dict[str, list[str]] = {}
            for point in self._points:
                first, _, rest = point.partition("/")
                index.setdefault(first, []).append(rest)
            self._index = index
        return self._index

    @staticmethod
    def _name(key: Any) -> str | None:
        try:
            return encode_key(key)
        except RamifyKeyEncodingError:
            return None

    def _unknown(self, key: object) -> UnknownKeyError:
        known = [repr(decode_key(name)) for name in list(self._by_first())[:5]]
        return UnknownKeyError(
            f"no {self.parameter_names[0]} {key!r} in this grid; it has {', '.join(known) or 'no points'}"
            + (", ..." if len(self) > 5 else ""),
            key=key,
            near=known,
        )


def _names(given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise ArgumentError(f"parameter_names must be a list of names; {given!r} is one text", names=[given])
    names = tuple(given)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ArgumentError(f"parameter_names must be one or more names; they are {list(names)!r}", names=[])
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"the parameter {twice[0]!r} is named twice", names=twice)
    return names


def _points(names: tuple[str, ...], values: Iterable[Sequence[Key]]) -> list[str]:
    """The points as ids; every value becomes its name, so `1`, `1.0` and `True` stay apart."""
    arity = len(names)
    rows: list[Sequence[Key]] = []
    for value in values:
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != arity:
            raise ArgumentError(
                f"each point must be a tuple of {arity}, one value for each of {', '.join(names)}; "
                f"number {len(rows)} is {value!r}" + (f": write ({value!r},)" if arity == 1 else ""),
                names=list(names),
            )
        rows.append(value)
    columns = [_column(name, column) for name, column in zip(names, zip(*rows, strict=True), strict=False)]
    points = columns[0] if len(columns) == 1 else list(map("/".join, zip(*columns, strict=True)))
    if len(set(points)) != len(points):
        from collections import Counter

        twice = Counter(points).most_common(1)[0][0]
        raise ArgumentError(f"the point {twice} is there twice: every point is one job", names=list(names))
    return points


def _column(parameter: str, values: Sequence[Key]) -> list[str]:
    """The names of one parameter's values, point by point.

    Refuses values that are equal and of different types: a dict would merge them.
    """
    kinds = set(map(type, values))
    if kinds == {int}:
        encode_key(max(values, key=abs))  # type: ignore[arg-type]  # all are int; this one may be too long
        return list(map(repr, values))
    names = list(map(encode_key, values))
    if kinds == {str}:
        return names
    seen: dict[Key, str] = {}
    for name in dict.fromkeys(names):
        other = seen.setdefault(decode_key(name), name)
        if other != name:
            raise ArgumentError(
                f"the values {other} and {name} of {parameter!r} are equal and of different types: "
                "no dict could hold both; write them alike",
                names=[parameter],
            )
    return names
