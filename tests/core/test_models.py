"""When another attempt is made, and after which wait."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import ramify
from ramify import ArgumentError
from ramify.models import Backoff, RetryPolicy, RetryStrategy, as_strategy, plain_retries
from ramify.ports import Failure, Outcome

RAISED = Outcome("error", error=Failure("ValueError", "no"))
SLOW = Outcome("stopped", error=Failure("JobTimeout", "the attempt took longer", during="timeout"))
DIED = Outcome("died", signal=9, error=Failure("WorkerDied", "killed", during="died"))
LOST = Outcome("lost", error=Failure("ramify.errors.InfrastructureError", "the pool is closed"))
UNREADABLE = Outcome("error", error=Failure("OSError", "gone", during="load"))
REFUSED = Outcome("error", error=Failure("ConnectionRefusedError", "[Errno 111] refused"))
NETWORK = Outcome("error", error=Failure("requests.exceptions.ConnectTimeout", "late"))
THROTTLED = Outcome("error", error=Failure("botocore.exceptions.ClientError", "(SlowDown) reduce"))
MISSING = Outcome("error", error=Failure("botocore.exceptions.ClientError", "(NoSuchKey) no"))
ALL = [RAISED, SLOW, DIED, LOST, UNREADABLE, REFUSED, NETWORK, THROTTLED, MISSING]


@pytest.mark.parametrize(
    ("policy", "meant"),
    [
        ("Always", ALL),
        ("OnFailure", [RAISED, SLOW, REFUSED, NETWORK, THROTTLED, MISSING]),
        ("OnError", [DIED, LOST, UNREADABLE]),
        ("OnTransientError", [DIED, LOST, UNREADABLE, REFUSED, NETWORK, THROTTLED]),
    ],
)
def test_which_ends_a_policy_means(policy: str, meant: list[Outcome]) -> None:
    strategy = RetryStrategy(1, policy)
    assert [o for o in ALL if strategy.again(1, o) is not None] == meant


@pytest.mark.parametrize(
    "text", ["onerror", "ONERROR", "OnError", "on_error", "on-error", RetryPolicy.ON_ERROR]
)
def test_a_policy_in_any_case(text: Any) -> None:
    assert RetryStrategy(1, text).retry_policy is RetryPolicy.ON_ERROR


def test_waits_grow_up_to_a_cap_and_never_overflow() -> None:
    backoff = Backoff("250ms", 2, "1s")
    assert [backoff.wait(n) for n in (1, 2, 3, 4)] == [0.25, 0.5, 1.0, 1.0]
    assert Backoff(1, 10.0).wait(100_000) == 366 * 86400


def test_jitter_is_a_part_of_the_wait_and_always_the_same_for_one_attempt() -> None:
    backoff = Backoff(8, jitter=True)
    waits = [backoff.wait(1, f"run\n{node}") for node in range(200)]
    assert all(0 <= wait <= 8 for wait in waits) and len(set(waits)) == 200
    assert min(waits) < 1 and max(waits) > 7
    assert waits == [backoff.wait(1, f"run\n{node}") for node in range(200)]
    assert backoff.wait(2, "run\n0") != waits[0]


def test_without_a_limit_it_waits_longer_and_longer() -> None:
    strategy = RetryStrategy()
    assert [strategy.again(n, RAISED) for n in (1, 2, 3, 100)] == [1.0, 2.0, 4.0, 60.0]
    assert RetryStrategy(3).again(3, RAISED) == 0.0
    assert RetryStrategy(3).again(4, RAISED) is None
    assert RetryStrategy(0).again(1, RAISED) is None


def test_an_expression_has_to_hold_as_well() -> None:
    text = RetryStrategy(9, RetryPolicy.ALWAYS, None, "signal == 9 or type == 'ValueError' and attempts < 2")
    assert text.again(5, DIED) == 0.0
    assert text.again(1, RAISED) == 0.0
    assert text.again(2, RAISED) is None
    seen: list[tuple[int, str]] = []
    function = RetryStrategy(9, expression=lambda n, failure: seen.append((n, failure.type_name)))
    assert function.again(3, RAISED) is None
    assert seen == [(3, "ValueError")]
    assert text.is_text and not function.is_text


@pytest.mark.parametrize(
    "make",
    [
        lambda: RetryStrategy(-3),
        lambda: RetryStrategy(True),
        lambda: RetryStrategy(1.0),  # type: ignore[arg-type]  # the slip that is tested
        lambda: RetryStrategy(1, "Bogus"),
        lambda: RetryStrategy(1, backoff="5s"),  # type: ignore[arg-type]  # the slip that is tested
        lambda: RetryStrategy(1, backoff={"wait": 3}),  # type: ignore[arg-type]  # the slip that is tested
        lambda: RetryStrategy(1, expression=3),
        lambda: RetryStrategy(1, expression="x y"),
        lambda: Backoff("soon"),
        lambda: Backoff("5 parsecs"),
        lambda: Backoff("1 2"),
        lambda: Backoff(""),
        lambda: Backoff(-1),
        lambda: Backoff(float("nan")),
        lambda: Backoff("5s", 0.5),
        lambda: Backoff("5s", 2, "never"),
        lambda: Backoff("5s", jitter=1),  # type: ignore[arg-type]  # the slip that is tested
        lambda: as_strategy(-1),
        lambda: as_strategy(None),  # type: ignore[arg-type]  # the slip that is tested
        lambda: as_strategy({"limits": 3}),
        lambda: as_strategy("limit=3;backoff=5s"),
        lambda: as_strategy("factor=2"),
        lambda: as_strategy("limit=x"),
        lambda: as_strategy("backoff=5s,factor=x"),
        lambda: as_strategy("{"),
        lambda: as_strategy("[1]"),
    ],
)
def test_what_cannot_be_is_refused_when_it_is_made(make: Any) -> None:
    with pytest.raises(ArgumentError, match=r"must be|at position"):
        make()


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        (2, RetryStrategy(2)),
        ("2", RetryStrategy(2)),
        ({"limit": 1, "retry_policy": "onerror"}, RetryStrategy(1, RetryPolicy.ON_ERROR)),
        ("limit=3,policy=OnError", RetryStrategy(3, RetryPolicy.ON_ERROR)),
        (" backoff=1m , factor=1.5, max=1h,jitter", RetryStrategy(backoff=Backoff("1m", 1.5, "1h", True))),
        ('{"limit": 1, "expression": "attempts < 2"}', RetryStrategy(1, expression="attempts < 2")),
        ("limit=1,if=exit_code == 3", RetryStrategy(1, expression="exit_code == 3")),
    ],
)
def test_the_same_strategy_in_other_words(told: Any, meant: RetryStrategy) -> None:
    assert as_strategy(told) == meant


def test_it_travels_as_data_and_is_checked_when_it_is_read() -> None:
    strategy = RetryStrategy(3, RetryPolicy.ON_ERROR, Backoff("5s", 2, "1m", True), "attempts < 2")
    data = msgspec.json.encode(strategy)
    assert msgspec.json.decode(data, type=int | RetryStrategy) == strategy
    assert as_strategy(msgspec.to_builtins(strategy)) == strategy
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"limit": -3}', type=RetryStrategy)


def test_it_is_frozen_and_public() -> None:
    assert ramify.RetryStrategy is RetryStrategy and ramify.Backoff is Backoff
    with pytest.raises(AttributeError):
        RetryStrategy(3).limit = 4  # type: ignore[misc]  # that is the test
    assert plain_retries(3) == 3 and plain_retries("3") == RetryStrategy(3)
