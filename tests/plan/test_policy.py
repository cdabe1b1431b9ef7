"""Policies are checked when they are made."""

from __future__ import annotations

import msgspec
import pytest

from ramify.errors import ArgumentError
from ramify.plan.policy import DEFAULT, Policy, make_policy, parse_memory


def test_the_policy_of_nothing_is_shared() -> None:
    assert make_policy() is DEFAULT
    assert msgspec.json.encode(DEFAULT) == b"{}"


def test_a_policy_survives_json() -> None:
    policy = make_policy(
        retries=2, timeout=1.5, resources={"cores": 2, "memory": "1G", "gpu": 1}, tags=["a"], reuse="auto"
    )
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy
    assert policy.resources == {"cores": 2, "memory": 2**30, "gpu": 1}
    assert policy.tags == ("a",)


def test_words_of_outside_engines_pass_as_they_are() -> None:
    assert make_policy(resources={"mem": "32G", "time": "04:00:00"}).resources == {
        "mem": "32G",
        "time": "04:00:00",
    }


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"retries": -1}, "retries"),
        ({"retries": True}, "retries"),
        ({"retries": 1.5}, "retries"),
        ({"retries": 0.0}, "retries"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": -3}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": "1h"}, "timeout"),
        ({"reuse": "always"}, "reuse"),
        ({"executor": 3}, "executor"),
        ({"version": 1}, "version"),
        ({"tags": "gpu"}, "tags"),
        ({"tags": [1]}, "tag"),
        ({"resources": [("cores", 1)]}, "resources"),
        ({"resources": {"cores": "two"}}, "cores"),
        ({"resources": {"cores": -1}}, "cores"),
        ({"resources": {"memory": "lots"}}, "memory"),
        ({"resources": {"gpu": None}}, "gpu"),
        ({"resources": {1: 1}}, "name of a resource"),
    ],
)
def test_what_cannot_be_is_refused_by_name(given: dict, named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        make_policy(**given)


@pytest.mark.parametrize(
    ("amount", "size"), [("4G", 4 * 2**30), ("512 MB", 512 * 2**20), ("1.5GiB", 3 * 2**29), ("7", 7), (7, 7)]
)
def test_memory_is_bytes(amount: object, size: int) -> None:
    assert parse_memory(amount) == size


@pytest.mark.parametrize("amount", ["", "G", "-1G", "4 apples", -1, None, True, float("inf")])
def test_what_is_no_memory_is_refused(amount: object) -> None:
    with pytest.raises(ArgumentError):
        parse_memory(amount)
