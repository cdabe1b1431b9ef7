"""A condition that a person writes as text: a few names, comparisons, `and`, `or`, `not`, `in`. Nothing else.

The text is parsed once, into functions of the facts; it is never handed to `eval`. What could do anything but
compare (a call, an attribute, an index, arithmetic) is refused with its place in the text.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from ramify.errors import ArgumentError

Facts = Mapping[str, Any]
"""What the names stand for."""

_LONGEST: Final = 2000
"""Most characters of a condition."""

_COMPARE: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
    ast.Is: lambda one, other: one is other,
    ast.IsNot: lambda one, other: one is not other,
}


class Condition:
    """A parsed condition; called with the facts, it says whether it holds.

    Two values that cannot be compared (`None < 3`, a number in a text) are neither less nor in each other:
    such a comparison does not hold. Raises `ArgumentError` for a text that is no condition; its `position`
    is the place of the first character that is wrong, from 0.

    >>> again = Condition("attempts < 3 and exit_code in (137, 143)", ["attempts", "exit_code"])
    >>> again({"attempts": 1, "exit_code": 137}), again({"attempts": 1, "exit_code": None})
    (True, False)
    >>> Condition("attempts < limit", ["attempts"])
    Traceback (most recent call last):
        ...
    ramify.errors.ArgumentError: 'attempts < limit', at position 11: no name 'limit' here; use attempts
    """

    def __init__(self, text: str, names: Sequence[str]) -> None:
        self.text = text
        self._names = tuple(names)
        self._lead = len(text) - len(text.lstrip())
        self._line = text.strip().replace("\n", " ").replace("\r", " ")
        if len(text) > _LONGEST:
            raise ArgumentError(f"a condition has at most {_LONGEST} characters; this one has {len(text)}")
        self._holds = self._made(self._parsed())

    def __call__(self, facts: Facts) -> bool:
        return bool(self._holds(facts))

    def _parsed(self) -> ast.expr:
        try:
            return ast.parse(self._line, mode="eval").body
        except SyntaxError as error:  # at the end of the text its offset is 0
            self._refuse(error.offset - 1 if error.offset else len(self._line), error.msg, error)
        except (ValueError, RecursionError, MemoryError) as error:
            self._refuse(0, str(error) or "it is nested too deeply", error)

    def _made(self, part: ast.expr) -> Callable[[Facts], Any]:
        """The function of a part. The nesting is limited by the parser, the length by `_LONGEST`."""
        match part:
            case ast.BoolOp(op=ast.And(), values=values):
                several = [self._made(value) for value in values]
                return lambda facts: all(one(facts) for one in several)
            case ast.BoolOp(values=values):
                several = [self._made(value) for value in values]
                return lambda facts: any(one(facts) for one in several)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self._made(operand)
                return lambda facts: not inner(facts)
            case ast.Compare():
                return self._comparison(part)
            case ast.Name(id=name) if name in self._names:
                return operator.itemgetter(name)
            case ast.Name(id=name):
                self._refuse_part(part, f"no name {name!r} here; use {', '.join(self._names)}")
        value = self._value(part)
        return lambda facts: value

    def _comparison(self, part: ast.Compare) -> Callable[[Facts], bool]:
        operands = [self._made(one) for one in (part.left, *part.comparators)]
        steps = [
            (_COMPARE[type(op)], operands[i], operands[i + 1]) for i, op in enumerate(part.ops)
        ]  # a < b < c is two steps
        return lambda facts: all(_compared(act, one(facts), other(facts)) for act, one, other in steps)

    def _value(self, part: ast.expr) -> Any:
        """A number, a text, None, True, False, or several of these in brackets."""
        match part:
            case ast.Constant(value=str() | int() | float() | None as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                return tuple(self._value(one) for one in parts)
        self._refuse_part(part, "only names, values, comparisons, and, or, not are known here")

    def _refuse_part(self, part: ast.expr, why: str) -> NoReturn:
        self._refuse(len(self._line.encode()[: part.col_offset].decode()), why)

    def _refuse(self, place: int, why: str, cause: BaseException | None = None) -> NoReturn:
        place += self._lead
        raise ArgumentError(
            f"{self.text!r}, at position {place}: {why}", names=["expression"], position=place
        ) from cause


def _compared(act: Callable[[Any, Any], Any], one: Any, other: Any) -> bool:
    try:
        return bool(act(one, other))
    except TypeError:  # of kinds that have no order
        return act is _COMPARE[ast.NotIn]
