"""What a person may say of attempts after the first: how many, after which ends, and how long to wait.

    RetryStrategy(limit=5, retry_policy="OnError", backoff=Backoff("5s", 2, "1m", jitter=True))

The same object is `retries=` of a job, of a call such as `DAG.evaluate`, and, as text, of `ramify run`.
"""

from __future__ import annotations

import errno
import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NoReturn, Self, TypeAlias

import msgspec

from ramify.core.condition import Condition
from ramify.errors import ArgumentError
from ramify.ports import Failure, Outcome

__all__ = ["Backoff", "RetryPolicy", "RetryStrategy", "as_strategy", "kind_of"]

_UNITS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PIECE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d|)\s*")
_NAMES: Final = ("attempts", "exit_code", "signal", "type", "message", "during")
"""What a condition may speak of."""

_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_TRANSIENT_ERRNOS: Final = {
    getattr(errno, f"E{name}")
    for name in (
        ("INTR", "AGAIN", "BUSY", "PIPE", "NETDOWN", "NETUNREACH", "NETRESET", "CONNABORTED", "CONNRESET")
        + ("TIMEDOUT", "CONNREFUSED", "HOSTDOWN", "HOSTUNREACH", "STALE")
    )
}
_TRANSIENT: Final = frozenset(
    """
    BlockingIOError BrokenPipeError ConnectionAbortedError ConnectionError ConnectionRefusedError
    ConnectionResetError InterruptedError TimeoutError timeout gaierror herror IncompleteRead
    RemoteDisconnected ServerDisconnectedError ClientConnectorError ClientOSError ServerTimeoutError
    ConnectTimeout ReadTimeout Timeout ChunkedEncodingError ConnectError ReadError WriteError PoolTimeout
    ConnectTimeoutError ReadTimeoutError EndpointConnectionError ConnectionClosedError HTTPClientError
    NewConnectionError MaxRetryError ProtocolError ThrottlingException ThrottledException SlowDown
    RequestLimitExceeded TooManyRequestsException ServiceUnavailable
    """.split()  # noqa: SIM905  # forty quoted names would be harder to read
)
"""Last parts of the names of exceptions that are likely to pass."""

_SPEAKING: Final = frozenset(
    ["ClientError", "HTTPError", "HTTPStatusError", "ClientResponseError", "URLError"]
)
_THROTTLED: Final = re.compile(
    r"Throttl|SlowDown|RequestLimitExceeded|TooManyRequests|Too Many Requests|ServiceUnavailable|"
    r"Service Unavailable|Bad Gateway|Gateway Time|timed out|Connection re(?:set|fused)|"
    r"\b(?:429|502|503|504)\b",
    re.IGNORECASE,
)


class RetryPolicy(StrEnum):
    """After which ends another attempt is made.

    - `ALWAYS`: any end without a value;
    - `ON_FAILURE`: the call raised, took longer than its timeout, or a step exited with another code than 0;
    - `ON_ERROR`: what surrounds the call failed: the worker died or was lost, the executor refused, inputs
      could not be loaded or the output not be stored;
    - `ON_TRANSIENT_ERROR`: as `ON_ERROR`, and a call that raised what is likely to pass: a broken connection,
      a time-out of the network, a service that asks to slow down.

    >>> RetryPolicy("onerror") is RetryPolicy.ON_ERROR
    True
    """

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    ON_ERROR = "OnError"
    ON_TRANSIENT_ERROR = "OnTransientError"

    @classmethod
    def _missing_(cls, value: object) -> RetryPolicy | None:
        """Any case, and with `_`, `-` or blanks between the words."""
        plain = re.sub(r"[\s_-]", "", str(value)).casefold()
        return next((one for one in cls if one.value.casefold() == plain), None)


class Backoff(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How long to wait before each further attempt: `duration * factor ** (n - 1)` before the n-th of them.

    `duration` and `max_duration`, the longest of the waits, are seconds or text such as `"5s"`, `"2m"`,
    `"1h 30m"`, `"250ms"`. Without a `factor` all waits are alike. With `jitter` a wait is a part of that
    time, from nothing to all of it, so that jobs that failed together do not come back together.

    Raises `ArgumentError` for what is no duration, and for a factor below 1.

    >>> [Backoff("5s", 2, "15s").wait(n) for n in (1, 2, 3)]
    [5.0, 10.0, 15.0]
    """

    duration: str | int | float
    factor: float | None = None
    max_duration: str | int | float | None = None
    jitter: bool = False

    def __post_init__(self) -> None:
        seconds_of("duration", self.duration)
        if self.max_duration is not None:
            seconds_of("max_duration", self.max_duration)
        if self.factor is not None and not (_is_number(self.factor) and self.factor >= 1):
            _refuse("factor", "a number, 1 or more, or None", self.factor)
        if not isinstance(self.jitter, bool):
            _refuse("jitter", "True or False", self.jitter)

    def wait(self, n: int, of: str = "") -> float:
        """Seconds before the n-th attempt after the first; `of` names whose, for the jitter."""
        most = math.inf if self.max_duration is None else seconds_of("max_duration", self.max_duration)
        try:
            seconds = seconds_of("duration", self.duration) * float(self.factor or 1) ** (n - 1)
        except OverflowError:
            seconds = _LONGEST_WAIT
        seconds = min(seconds, most, _LONGEST_WAIT)
        return seconds * _share(f"{of}\n{n}") if self.jitter else seconds


_LONGEST_WAIT: Final = 366 * 86400.0
"""Seconds that a wait takes at most: what is longer can only be a slip."""

Expression: TypeAlias = str | Callable[[int, Failure], object] | None


class RetryStrategy(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How often, after which ends and after what waits a job is tried again.

    `limit` is the number of attempts after the first; None tries until it succeeds (or until a deadline), and
    then waits 1 s, 2 s, 4 s, ... up to a minute where `backoff` says nothing. `retry_policy` is a
    `RetryPolicy` or its text, in any case.

    `expression` has to hold as well. It is text with the names `attempts` (made so far), `exit_code`,
    `signal`, `type` (of the exception, as `"ValueError"` or `"module.Error"`), `message` and `during`
    (`"call"`, `"timeout"`, `"died"`, `"load"`, `"store"`), with comparisons, `in`, `and`, `or` and `not`; or
    a function `(attempts, failure) -> bool`, where nothing of the run is written to disk.

    Raises `ArgumentError` for any of them that cannot be.

    >>> strategy = RetryStrategy(2, "onfailure", Backoff("5s", 2), "'busy' in message")
    >>> failed = Outcome("error", error=Failure("OSError", "the disk is busy"))
    >>> [strategy.again(attempt, failed) for attempt in (1, 2, 3)]
    [5.0, 10.0, None]
    >>> RetryStrategy(retry_policy="Sometimes")
    Traceback (most recent call last):
        ...
    ramify.errors.ArgumentError: retry_policy must be one of 'Always', 'OnFailure', 'OnError', \
'OnTransientError'; it is 'Sometimes'
    """

    limit: int | None = None
    retry_policy: str = RetryPolicy.ALWAYS
    backoff: Backoff | None = None
    expression: Any = None

    def __post_init__(self) -> None:
        if self.limit is not None and not _is_count(self.limit):
            _refuse("limit", "a whole number, 0 or more, or None", self.limit)
        set_ = msgspec.structs.force_setattr
        set_(self, "retry_policy", _policy(self.retry_policy))
        set_(self, "backoff", _backoff(self.backoff))
        if isinstance(self.expression, str):
            Condition(self.expression, _NAMES)
        elif self.expression is not None and not callable(self.expression):
            _refuse("expression", "text, a function or None", self.expression)

    # ---- what follows from it

    def delay(self, attempt: int, of: str = "") -> float:
        """Seconds between the end of this attempt (from 1) and the next; `of` names whose, for the jitter."""
        backoff = self.backoff or (_PATIENT if self.limit is None else None)
        return 0.0 if backoff is None else backoff.wait(attempt, of)

    def again(self, attempt: int, outcome: Outcome, of: str = "") -> float | None:
        """Seconds to wait before another attempt follows this one, or None where none does.

        What `expression`, where it is a function, raises is passed on.
        """
        if self.limit is not None and attempt > self.limit:
            return None
        failure = outcome.error or Failure("WorkerDied", "", during="died")
        if not (self._is_meant(outcome, failure) and self._holds(attempt, outcome, failure)):
            return None
        return self.delay(attempt, of)

    def _is_meant(self, outcome: Outcome, failure: Failure) -> bool:
        kind = kind_of(outcome, failure)
        if self.retry_policy is RetryPolicy.ALWAYS:
            return True
        if self.retry_policy is RetryPolicy.ON_FAILURE:
            return kind == "failure"
        transient = self.retry_policy is RetryPolicy.ON_TRANSIENT_ERROR and is_transient(failure)
        return kind == "error" or transient

    def _holds(self, attempt: int, outcome: Outcome, failure: Failure) -> bool:
        if self.expression is None:
            return True
        if callable(self.expression):
            return bool(self.expression(attempt, failure))
        facts = {
            "attempts": attempt,
            "exit_code": outcome.exit_code,
            "signal": outcome.signal,
            "type": failure.type_name,
            "message": failure.message,
            "during": failure.during,
        }
        return Condition(self.expression, _NAMES)(facts)

    # ---- as data

    @property
    def is_text(self) -> bool:
        """Whether it can be written down: its expression is no function."""
        return not callable(self.expression)

    @classmethod
    def from_mapping(cls, told: Mapping[str, Any]) -> Self:
        """The strategy of a mapping such as `{"limit": 3, "backoff": {"duration": "5s"}}`."""
        unknown = sorted(set(map(str, told)) - set(cls.__struct_fields__))
        if unknown:
            known = ", ".join(cls.__struct_fields__)
            _refuse("a retry strategy", f"made of {known}", unknown[0])
        return cls(**told)


def as_strategy(retries: int | str | RetryStrategy | Mapping[str, Any]) -> RetryStrategy:
    """The strategy that a number of retries, a mapping or a text means.

    The text is a number, JSON, or words such as `limit=3,policy=OnError,backoff=5s,factor=2,max=1m,jitter`.
    Raises `ArgumentError` for anything else.

    >>> as_strategy(2) == RetryStrategy(limit=2)
    True
    >>> as_strategy("limit=3,backoff=5s,factor=2") == RetryStrategy(3, backoff=Backoff("5s", 2.0))
    True
    """
    if isinstance(retries, RetryStrategy):
        return retries
    if isinstance(retries, Mapping):
        return RetryStrategy.from_mapping(retries)
    if isinstance(retries, str):
        return _from_text(retries)
    if _is_count(retries):
        return RetryStrategy(limit=retries)
    _refuse("retries", "a whole number, 0 or more, a RetryStrategy or a mapping", retries)


def plain_retries(retries: int | str | RetryStrategy | Mapping[str, Any]) -> int | RetryStrategy:
    """The number where it is one, else the strategy; raises as `as_strategy` does."""
    return as_strategy(retries).limit or 0 if _is_count(retries) else as_strategy(retries)


def kind_of(outcome: Outcome, failure: Failure) -> str:
    """`"failure"` where the call itself came to a bad end, `"error"` where what surrounds it did."""
    its_own = outcome.kind == "error" and failure.during not in ("load", "store", "died")
    return "failure" if its_own or failure.during == "timeout" else "error"


def is_transient(failure: Failure) -> bool:
    """Whether what the call raised is likely to pass; judged by the exception's name and text."""
    if failure.during in ("timeout", "deadline"):
        return False
    name = failure.type_name.rpartition(".")[2]
    if name in _TRANSIENT:
        return True
    if name in _SPEAKING and _THROTTLED.search(failure.message):
        return True
    number = _ERRNO.search(failure.message)
    return number is not None and int(number[1]) in _TRANSIENT_ERRNOS


def seconds_of(name: str, duration: object) -> float:
    """Seconds of a number, or of text such as `"1h 30m"`; `name` is what the error calls it.

    >>> seconds_of("duration", "1m30s"), seconds_of("duration", 2)
    (90.0, 2.0)
    """
    if isinstance(duration, str):
        pieces = _PIECE.findall(duration)
        whole = re.fullmatch(f"\\s*(?:{_PIECE.pattern})+", duration)
        if whole and (len(pieces) == 1 or all(unit for _, unit in pieces)):
            return sum(float(amount) * _UNITS[unit] for amount, unit in pieces)
    elif _is_number(duration) and duration >= 0:  # type: ignore[operator]  # _is_number has looked
        return float(duration)  # type: ignore[arg-type]  # as above
    _refuse(name, "seconds, or text such as '5s', '2m', '1h 30m'", duration)


# ---- inside

_WORDS: Final = {
    "limit": "limit",
    "policy": "retry_policy",
    "retry_policy": "retry_policy",
    "if": "expression",
    "expression": "expression",
    "backoff": "duration",
    "duration": "duration",
    "factor": "factor",
    "max": "max_duration",
    "max_duration": "max_duration",
    "jitter": "jitter",
}


def _from_text(text: str) -> RetryStrategy:
    text = text.strip()
    if text.isdecimal():
        return RetryStrategy(limit=int(text))
    if text.startswith("{"):
        try:
            return RetryStrategy.from_mapping(msgspec.json.decode(text, type=dict[str, Any]))
        except msgspec.DecodeError as error:
            _refuse("retries", f"JSON ({error})", text)
    told: dict[str, Any] = {}
    for word in text.split(","):
        name, _, value = word.partition("=")
        known = _WORDS.get(name.strip())
        if known is None or not (value.strip() or known == "jitter"):
            _refuse("retries", "a number, or words such as limit=3,policy=OnError,backoff=5s,factor=2", text)
        told[known] = value.strip() or "true"
    return _from_words(told)


def _from_words(told: dict[str, str]) -> RetryStrategy:
    own: dict[str, Any] = {n: told[n] for n in ("retry_policy", "expression") if n in told}
    if "limit" in told:
        own["limit"] = int(told["limit"]) if told["limit"].isdecimal() else told["limit"]
    waits: dict[str, Any] = {n: told[n] for n in ("duration", "max_duration") if n in told}
    if "factor" in told:
        waits["factor"] = _number(told["factor"])
    if "jitter" in told:
        waits["jitter"] = {"true": True, "false": False}.get(told["jitter"].lower(), told["jitter"])
    if waits and "duration" not in waits:
        _refuse("retries", "a strategy with backoff= where it has factor=, max= or jitter", sorted(waits))
    return RetryStrategy(**own, backoff=Backoff(**waits) if waits else None)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _policy(given: Any) -> RetryPolicy:
    try:
        return RetryPolicy(given)
    except ValueError:
        _refuse("retry_policy", f"one of {', '.join(repr(one.value) for one in RetryPolicy)}", given)


def _backoff(given: object) -> Backoff | None:
    if given is None or isinstance(given, Backoff):
        return given
    if isinstance(given, Mapping):
        unknown = sorted(set(map(str, given)) - set(Backoff.__struct_fields__))
        if not unknown and "duration" in given:
            return Backoff(**given)
    _refuse("backoff", f"a Backoff, made of {', '.join(Backoff.__struct_fields__)}", given)


def _share(text: str) -> float:
    """A part from 0 to 1 that this text always has."""
    from hashlib import sha256

    return int.from_bytes(sha256(text.encode()).digest()[:7]) / 2**56


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(name: str, wanted: str, value: object) -> NoReturn:
    raise ArgumentError(f"{name} must be {wanted}; it is {value!r}", names=[name])


_PATIENT: Final = Backoff(1, 2, 60)
"""How a strategy without limit waits that says nothing of it: an endless loop must not be a busy one."""
