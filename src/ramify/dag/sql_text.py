"""The text of a query: where its parameters stand, and what of it an error may show. No database is asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ramify.dag.masked import without_secrets
from ramify.errors import ArgumentError

Parameters = Sequence[Any] | Mapping[str, Any]

_QUOTED: Final = r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | --[^\n]*"""
_DOLLARS: Final = r"\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$"
_SIGNS: Final = r"""
    :: | (?P<mark>\?) | (?<!\w)(?P<number>\$\d+) | (?<![\w:\])'"`])(?P<name>[:$][A-Za-z_]\w*)
    | (?P<variable>@[A-Za-z_]\w*)
"""
_ENDS: Final = re.compile(r"/\*|\*/")


class Dialect(NamedTuple):
    """How a database quotes: backslashes inside quotes, `#` comments, `$$ text $$`, comments in comments."""

    backslash: bool = False
    hash_comments: bool = False
    dollars: bool = False
    nested: bool = False


def dialect_of(name: str) -> Dialect:
    """The quoting of a database by the name that its URL begins with: `postgresql`, `sqlite`, ...

    >>> dialect_of("mariadb").backslash, dialect_of("sqlite").backslash
    (True, False)
    """
    if name in ("mysql", "mariadb"):
        return Dialect(backslash=True, hash_comments=True)
    like_postgres = name in ("postgresql", "duckdb", "cockroachdb", "redshift")
    return Dialect(dollars=like_postgres, nested=like_postgres)


class Sign(NamedTuple):
    """One sign of a query that may be a parameter: `kind` is mark, number, name or variable."""

    kind: str
    text: str
    start: int
    end: int


def signs(sql: str, dialect: Dialect) -> Iterator[Sign]:
    """What may stand for a value, outside quotes and comments.

    >>> [sign.text for sign in signs("select '?', a::int, :a -- ?", Dialect())]
    [':a']
    """
    pattern, at = _pattern(dialect), 0
    while (found := pattern.search(sql, at)) is not None:
        kind = found.lastgroup
        if kind == "comment":
            at = _comment_end(sql, found.start(), dialect.nested)
            continue
        if kind in ("mark", "number", "name", "variable"):
            yield Sign(kind, found.group(), found.start(), found.end())
        at = found.end()


def _pattern(dialect: Dialect) -> re.Pattern[str]:
    parts = [r"(?P<comment>/\*)"]
    if dialect.backslash:
        parts.append(r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" """)
    if dialect.hash_comments:
        parts.append(r"\#[^\n]*")
    if dialect.dollars:
        parts += [_DOLLARS, r"\b[eE]'(?:[^'\\]|\\.|'')*'"]
    return re.compile("|".join([*parts, _QUOTED, _SIGNS]), re.VERBOSE | re.DOTALL)


def _comment_end(sql: str, start: int, nested: bool) -> int:
    depth, at = 0, start
    while (found := _ENDS.search(sql, at)) is not None:
        opens, at = found.group() == "/*", found.end()
        if not opens:
            depth -= 1
        elif nested or not depth:
            depth += 1
        if not depth:
            return at
    return len(sql)


def replace(sql: str, found: Sequence[tuple[Sign, str]], escape: Callable[[str], str] = str) -> str:
    """The query with these signs replaced, and `escape` applied to all the text between them."""
    pieces, at = [], 0
    for sign, new in found:
        pieces += [escape(sql[at : sign.start]), new]
        at = sign.end
    return "".join([*pieces, escape(sql[at:])])


def bind(sql: str, parameters: Parameters, dialect: Dialect) -> list[tuple[Sign, Any]]:
    """Which sign stands for which value: `?` and `$1` for a sequence's, `:name` and `$name` for a mapping's.

    Raises `ArgumentError` where they do not fit each other.

    >>> [(sign.text, value) for sign, value in bind("select 2 * ?", [136], Dialect())]
    [('?', 136)]
    """
    if isinstance(parameters, Mapping):
        return _bind_names(sql, parameters, list(signs(sql, dialect)))
    return _bind_places(sql, parameters, list(signs(sql, dialect)))


def _bind_names(sql: str, parameters: Mapping[str, Any], found: list[Sign]) -> list[tuple[Sign, Any]]:
    named = [sign for sign in found if sign.kind == "name"]
    asked = {sign.text[1:] for sign in named}
    if missing := sorted(asked - set(parameters)):
        raise _misfit(sql, f"parameters has no {', '.join(missing)}", missing)
    if unused := sorted(set(parameters) - asked):
        raise _misfit(sql, f"nothing in the query stands for {', '.join(unused)}", unused)
    return [(sign, parameters[sign.text[1:]]) for sign in named]


def _bind_places(sql: str, parameters: Sequence[Any], found: list[Sign]) -> list[tuple[Sign, Any]]:
    marks = [sign for sign in found if sign.kind == "mark"]
    numbers = [sign for sign in found if sign.kind == "number"]
    if numbers and not marks:
        asked = {int(sign.text[1:]) for sign in numbers}
        if asked != set(range(1, len(parameters) + 1)):
            given = f"parameters has {len(parameters)}"
            raise _misfit(sql, f"the query asks for {', '.join(f'${n}' for n in sorted(asked))}, {given}")
        return [(sign, parameters[int(sign.text[1:]) - 1]) for sign in numbers]
    if len(marks) != len(parameters):
        hint = "; where ? is an operator, name the parameters: :name" if len(marks) > len(parameters) else ""
        raise _misfit(
            sql, f"{len(marks)} ? stand in the query, and parameters has {len(parameters)} values{hint}"
        )
    return list(zip(marks, parameters, strict=True))


def _misfit(sql: str, what: str, names: Sequence[str] = ("parameters",)) -> ArgumentError:
    return ArgumentError(f"{what}: {first_line(sql)}", names=list(names))


# ---- MariaDB's variables, for DuckDB

_SET: Final = re.compile(r"\s*SET\s+@(?P<name>[A-Za-z_]\w*)\s*:?=\s*(?P<value>.+?)\s*;?\s*", re.I | re.S)
_SETS: Final = re.compile(r"\s*SET\s+(?:\w+\s+)?@", re.IGNORECASE)


def with_variables(statements: Sequence[str], dialect: Dialect) -> list[str]:
    """The statements with MariaDB's `SET @A = 1` as DuckDB's `SET VARIABLE A = 1`, and `@A` as its value.

    Statements without such variables are left alone. Raises `ArgumentError` for a form that is more than one
    simple assignment.

    >>> with_variables(["SET @A = 2", "select @A, '@A', @B"], dialect_of("duckdb"))
    ['SET VARIABLE A = 2', "select getvariable('A'), '@A', @B"]
    """
    known: set[str] = set()
    return [_with_variables(statement, known, dialect) for statement in statements]


def _with_variables(statement: str, known: set[str], dialect: Dialect) -> str:
    if _SETS.match(statement) is None:
        return _read_variables(statement, known, dialect)
    found = _SET.fullmatch(statement)
    rest = "" if found is None else found["value"]
    signs_of_more = [s for s in signs(rest, dialect) if s.kind == "variable" and s.text[1:] not in known]
    if found is None or ";" in rest or signs_of_more:
        raise ArgumentError(
            f"DuckDB has no variables of this form; write SET VARIABLE name = value and "
            f"getvariable('name'), one per statement: {first_line(statement)}",
            names=["init_commands"],
        )
    value = _read_variables(rest, known, dialect)
    known.add(found["name"])
    return f"SET VARIABLE {found['name']} = {value}"


def _read_variables(statement: str, known: set[str], dialect: Dialect) -> str:
    if not known:
        return statement
    found = [s for s in signs(statement, dialect) if s.kind == "variable" and s.text[1:] in known]
    return replace(statement, [(sign, f"getvariable('{sign.text[1:]}')") for sign in found])


def first_line(sql: str, width: int = 100) -> str:
    """The first line of a query that says something, for an error.

    >>> first_line("\\n  select 1\\n  from t")
    'select 1 ...'
    """
    lines = [line.strip() for line in sql.strip().splitlines() if line.strip()]
    if not lines:
        return "(an empty query)"
    first = without_secrets(lines[0])
    cut = first if len(first) <= width else first[: width - 4].rstrip()
    return cut if cut == first and len(lines) == 1 else f"{cut} ..."
