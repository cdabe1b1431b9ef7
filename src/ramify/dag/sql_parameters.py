"""What a query is given: values that a driver takes, and the errors that tell of a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from ramify.dag.masked import without_secrets
from ramify.dag.sql_text import Parameters, first_line
from ramify.dag.tables import plain
from ramify.errors import ArgumentError, QueryError

_MOST: Final = 2000
"""How many characters of a database's own words an error has."""


def settled(parameters: Parameters | None, sql: str) -> Parameters:
    """The parameters as a tuple or a dict of plain values: NumPy's scalars are unknown to most drivers.

    >>> settled(None, "select 1"), settled({"a": 1}, "select :a")
    ((), {'a': 1})
    """
    if parameters is None:
        return ()
    if isinstance(parameters, Mapping):
        return {str(name): plain(value) for name, value in parameters.items()}
    flat = getattr(parameters, "ndim", None) == 1
    if flat or (isinstance(parameters, Sequence) and not isinstance(parameters, str | bytes)):
        return tuple(plain(value) for value in parameters)
    raise ArgumentError(
        f"parameters is a sequence for ? or a mapping for :name; it is a {type(parameters).__name__}: "
        f"{first_line(sql)}",
        names=["parameters"],
    )


def refuse(error: BaseException, sql: str, database: str, secrets: Sequence[str] = ()) -> NoReturn:
    """Raises a `QueryError` with what a database said; its cause is hidden where that tells a secret."""
    said = str(error).strip()
    told = without_secrets(said[:_MOST], secrets) or type(error).__name__
    line, place = first_line(sql), without_secrets(database, secrets)
    made = QueryError(f"{place}: {told}\nin the query: {line}", query=line, database=place)
    raise made from (error if told in (said[:_MOST], type(error).__name__) else None)
