"""Functions that a task may call: marked with `@python_call()`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, NamedTuple, TypeVar, overload
from weakref import WeakKeyDictionary

from ramify.errors import DeclarationTypeError

F = TypeVar("F", bound=Callable[..., Any])


class PythonCall(NamedTuple):
    """What was said of a function: `tests`, arguments to try it with."""

    tests: tuple[Any, ...] = ()


# Not an attribute of the function: its fingerprint would change with the mark, and with the tests.
_marked: WeakKeyDictionary[FunctionType, PythonCall] = WeakKeyDictionary()


@overload
def python_call(function: F, *, tests: Iterable[Any] = ()) -> F: ...


@overload
def python_call(function: None = None, *, tests: Iterable[Any] = ()) -> Callable[[F], F]: ...


def python_call(function: Any = None, *, tests: Iterable[Any] = ()) -> Any:
    """Marks a function as one that tasks may call; the function stays as it is.

    Its parameters are filled by name, from the task's inputs, its output files and what earlier steps
    returned. It returns a dict of the task's output variables, or None.

    >>> @python_call()
    ... def double(x):
    ...     return {"y": 2 * x}
    >>> double(2), python_call_of(double)
    ({'y': 4}, PythonCall(tests=()))
    """
    said = PythonCall(tuple(tests))

    def mark(marked: F) -> F:
        if not isinstance(marked, FunctionType):
            raise DeclarationTypeError(
                f"python_call() marks functions; {marked!r} is of type {type(marked).__name__}: "
                "write a function that calls it"
            )
        _marked[marked] = said
        return marked

    return mark if function is None else mark(function)


def python_call_of(function: object) -> PythonCall | None:
    """What was said of a function with `python_call`, None where nothing was."""
    return _marked.get(function) if isinstance(function, FunctionType) else None
