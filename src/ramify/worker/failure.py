"""How an exception travels: described so that nobody must unpickle it to read it, revived where it can be."""

from __future__ import annotations

import builtins
import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ramify.errors import RemoteError
from ramify.ports import Failure
from ramify.values.size import LARGE, is_small, size_of

if TYPE_CHECKING:
    from types import FrameType

MESSAGE_LIMIT: Final = 20_000
"""Most characters of a message."""

TRACEBACK_LIMIT: Final = 200_000
"""Most characters of a traceback."""

PICKLE_LIMIT: Final = 8_000_000
"""Most bytes of a pickled exception: a larger one is told as text."""

_HOME: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_SUITES: Final = os.path.join(_HOME, "testing") + os.sep
_BETWEEN: Final = (os.sep + "asyncio" + os.sep, os.sep + "importlib" + os.sep, "<frozen ")


class KeptFailure(Failure, dict=True):
    """A failure in this very process: `exception`, no field and so never sent, is the object."""


def describe(error: BaseException, *, during: str = "call", keep: bool = False) -> Failure:
    """The failure that tells `error`; never raises itself.

    `keep=True` is for a failure that stays in this process: the exception object is kept instead of pickled.

    >>> try:
    ...     1 / 0
    ... except ZeroDivisionError as error:
    ...     failure = describe(error)
    >>> failure.type_name, failure.message, revive(failure)
    ('ZeroDivisionError', 'division by zero', ZeroDivisionError('division by zero'))
    """
    name = _type_name(type(error))
    message = capped(_text_of(error), MESSAGE_LIMIT)
    users, full = _tracebacks(error, f"{name}: {message}")
    if not keep:
        return Failure(name, message, users, full, pickled=_pickled(error), during=during)
    kept = KeptFailure(name, message, users, full, during=during)
    vars(kept)["exception"] = error
    return kept


def revive(failure: Failure) -> BaseException:
    """The exception that was described: the object itself, else a copy with the worker's traceback as a note.

    Where it could not travel, a `RemoteError` with `type_name` and `traceback_text`. Unpickles: only the
    driver of the failure's own run and its client may call this.
    """
    kept = vars(failure).get("exception") if isinstance(failure, KeptFailure) else None
    if isinstance(kept, BaseException):
        return kept
    error = _unpickled(failure)
    if error is None:
        error = remote_class(failure.type_name)(
            f"{failure.type_name}: {failure.message}",
            type_name=failure.type_name,
            traceback_text=failure.full_traceback or failure.traceback,
        )
    if failure.traceback:
        error.add_note("The traceback in the worker:\n" + failure.traceback.rstrip("\n"))
    return error


@lru_cache(maxsize=256)
def remote_class(type_name: str) -> type[RemoteError]:
    """`RemoteError`, for a built-in exception one that is of that type as well: `except KeyError` holds.

    >>> issubclass(remote_class("KeyError"), KeyError), remote_class("helpers.Odd") is RemoteError
    (True, True)
    """
    kind = getattr(builtins, type_name, None)
    if not isinstance(kind, type) or not issubclass(kind, Exception) or issubclass(RemoteError, kind):
        return RemoteError
    try:
        found = type(
            "RemoteError", (RemoteError, kind), {"__module__": __name__, "__reduce__": _reduce_remote}
        )
        str(found("text", type_name=type_name, traceback_text=""))
    except TypeError:  # it wants other arguments, or another layout
        return RemoteError
    return found


def _reduce_remote(error: RemoteError) -> tuple[Any, ...]:
    return _remote, (getattr(error, "type_name", ""), str(error), getattr(error, "traceback_text", ""))


def _remote(type_name: str, message: str, traceback_text: str) -> RemoteError:
    return remote_class(type_name)(message, type_name=type_name, traceback_text=traceback_text)


def lighten(error: BaseException) -> None:
    """Empties the frames of an exception that stays in this process, if a variable in them is large.

    Otherwise whoever keeps the exception keeps all that the call had. The frames stay, with their lines; a
    debugger finds no variables in them.
    """
    frames = _frames(error)
    users = [frame for frame in frames if not _is_ours(frame.f_code.co_filename)]
    if any(_is_large(value) for frame in users for value in frame.f_locals.values()):
        for frame in frames:
            try:
                frame.clear()
            except RuntimeError:  # it still runs: one of ours
                continue
            _ = frame.f_locals  # before Python 3.13 what this was when last asked for stays until asked again


def _frames(error: BaseException) -> list[FrameType]:
    """Every frame that an exception, or one that is linked to it, leads to."""
    frames: list[FrameType] = []
    queue: list[BaseException | None] = [error]
    seen: set[int] = set()
    while queue:
        one = queue.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        step = one.__traceback__
        while step is not None:
            frames.append(step.tb_frame)
            step = step.tb_next
        queue += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            queue += one.exceptions
    return frames


def _is_large(value: Any) -> bool:
    return not is_small(value) and size_of(value) > LARGE


def rebuild(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """An exception from its parts, without calling `__init__`, whose parameters may be other ones."""
    try:
        error = cls.__new__(cls, *args)
    except TypeError:  # a __new__ of its own, with other parameters
        error = BaseException.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


def capped(text: str, limit: int) -> str:
    """The text, its middle left out where it is longer than `limit`, and always encodable as UTF-8.

    >>> capped("a" * 60 + "z" * 60, 30)
    'aaaaaaaaaaaaaaaaaaaa\\n... 90 characters left out ...\\nzzzzzzzzzz'
    """
    if len(text) > limit:
        head, tail = limit * 2 // 3, limit - limit * 2 // 3
        text = f"{text[:head]}\n... {len(text) - limit} characters left out ...\n{text[-tail:]}"
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _type_name(cls: type[BaseException]) -> str:
    module = getattr(cls, "__module__", None)
    return cls.__qualname__ if module in (None, "builtins") else f"{module}.{cls.__qualname__}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:
        return f"<its text cannot be made: {type(second).__name__}>"


def _tracebacks(error: BaseException, last_resort: str) -> tuple[str, str]:
    """The text from the user's own frame on, and the text with every frame."""
    import traceback

    try:
        told = traceback.TracebackException(type(error), error, error.__traceback__, compact=True)
        full = "".join(told.format())
        _cut(told)
        users = "".join(told.format())
    except Exception as second:  # a hostile __notes__, __cause__ or source file must not hide the failure
        users = full = f"{last_resort}\n(its traceback cannot be made: {type(second).__name__})\n"
    return capped(users, TRACEBACK_LIMIT), capped(full, TRACEBACK_LIMIT)


def _cut(told: Any) -> None:
    """Takes Ramify's own frames off the start of the traceback, and of each that is linked to it."""
    queue, seen = [told], set()
    while queue:
        one = queue.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        ours = 0
        while ours < len(one.stack) and _is_ours(one.stack[ours].filename):
            ours += 1
        del one.stack[:ours]
        queue += [one.__cause__, one.__context__, *(one.exceptions or ())]


def _is_ours(filename: str) -> bool:
    ours = filename.startswith(_HOME) and not filename.startswith(_SUITES)
    return ours or any(part in filename for part in _BETWEEN)


class _Parts:
    """Pickles as the exception that `rebuild` makes of the parts."""

    def __init__(self, error: BaseException) -> None:
        self._parts = type(error), error.args, dict(error.__dict__)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, self._parts


def _pickled(error: BaseException) -> bytes | None:
    """The exception as bytes that were seen to load as the same exception, or None."""
    for subject in (error, _Parts(error)):
        data = _trial(subject, error)
        if data is not None:
            return data
    return None


def _trial(subject: object, error: BaseException) -> bytes | None:
    from ramify.values.code import dump_value, load_value

    try:
        data = dump_value(subject)
        if len(data) > PICKLE_LIMIT:
            return None
        copy = load_value(data)
        return data if type(copy) is type(error) and _text_of(copy) == _text_of(error) else None
    except Exception:  # any code of the user's may run in there; what cannot travel is told as text
        return None


def _unpickled(failure: Failure) -> BaseException | None:
    if failure.pickled is None:
        return None
    from ramify.values.code import load_value

    try:
        error = load_value(failure.pickled)
    except Exception as problem:
        print(f"ramify: {failure.type_name} could not be loaded here: {problem}", file=sys.stderr)
        return None
    return error if isinstance(error, BaseException) else None
