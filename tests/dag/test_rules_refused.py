"""Slips of those who write rules, each of which is told where it was made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

from ramify import DAG, ArgumentError, Extend, GrowthError, Job, Rule, after, closed


async def waits(view: Any) -> None:
    view.submit(int, name="new")


def yields(view: Any) -> Iterator[Any]:
    yield view.submit(int, name="new")


async def streams(view: Any) -> AsyncIterator[Any]:
    yield view.submit(int, name="new")


@pytest.mark.parametrize("what", ["predicate", "body"])
@pytest.mark.parametrize("function", [waits, yields, streams, partial(waits)])
def test_a_function_that_does_nothing_when_it_is_called_is_no_part_of_a_rule(
    what: str, function: Any
) -> None:
    functions = {"predicate": lambda view: True, "body": lambda view: None, what: function}
    with pytest.raises(ArgumentError, match=rf"the {what} of a rule .*ordinary function"):
        Rule(**functions)


@pytest.mark.parametrize(
    "returned", [Job(int), DAG({"a": Job(int)}), Extend(DAG())], ids=lambda one: type(one).__name__
)
def test_a_body_that_only_returns_what_is_to_be_added_is_refused(returned: Any) -> None:
    dag = DAG()
    dag.add_rule(None, lambda view: returned, name="returns")
    dag.compute()
    with pytest.raises(GrowthError, match=r"the rule 'returns' returned .*is not added: say view"):
        dag.wait(30)


def test_a_body_may_return_what_it_has_added() -> None:
    dag = DAG()

    def body(view: Any) -> Job:
        view["job"] = job = Job(int)
        return job

    dag.add_rule(None, body)
    dag.compute()
    dag.wait(30)
    assert dag.nodes_by_name["job"].result() == 0


@pytest.mark.parametrize("made", [partial(after, 3), partial(after, "a", ""), partial(closed, None)])
def test_what_is_waited_for_is_named_by_texts(made: Any) -> None:
    with pytest.raises(ArgumentError, match="is given texts"):
        made()


def test_may_add_that_is_no_text_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"may_add must be a tag, a key or a glob of keys.*; it is 3"):
        Rule(None, print, may_add=3)  # type: ignore[arg-type]  # that is the slip


@pytest.mark.parametrize("own", [None, "a"])
def test_a_rule_that_is_added_with_a_declaration_has_that_one(own: str | None) -> None:
    dag = DAG()
    assert dag.add_rule(Rule(None, print, may_add=own), may_add=()).may_add == ()
