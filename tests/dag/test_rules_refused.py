"""Slips of those who write rules, each of which is told where it was made."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ramify import (
    DAG,
    ArgumentError,
    Extend,
    GrowthError,
    Job,
    Proposal,
    RamifyWarning,
    Rule,
    UnpicklableError,
    after,
    closed,
)


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


def test_a_producer_that_was_given_up_is_told_why_it_comes_too_late() -> None:
    tries = iter([0, 1])
    dag = DAG()
    dag.submit(lambda: 1 // next(tries), name="source")
    dag.add_rule(
        after("source"), lambda view: view.submit(int, name="part/0"), name="producer", may_add="part"
    )
    dag.add_rule(closed("part"), lambda view: None, name="merge", may_add=())
    with pytest.raises(ZeroDivisionError), pytest.warns(RamifyWarning, match="'merge' waits no longer"):
        dag.compute()
        dag.wait(30)
    dag.retry_all()
    with pytest.raises(
        GrowthError, match=r"'merge' has acted on closed\('part'\).*could not fire then.*run the graph"
    ):
        dag.wait(30)


def test_a_growth_that_is_put_off_is_told_of_as_such() -> None:
    asked = threading.Event()

    def put_off(proposal: Proposal) -> bool:
        asked.set()
        return False

    dag = DAG()
    dag.add_rule(None, lambda view: view.submit(int, name="new"), name="adds")
    dag.compute(approve=put_off)
    assert asked.wait(30)
    while not dag.why("adds").endswith("it was put off, and is asked about again"):
        asked.clear()
        assert asked.wait(30)
    dag.cancel()


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[2J"])
def test_a_name_that_cannot_be_told_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match="the name of a rule"):
        DAG().add_rule(None, print, name=name)


def test_a_rule_that_cannot_travel_is_called_a_rule(tmp_path: Path) -> None:
    lock = threading.Lock()
    dag = DAG({"a": Job(int)})
    dag.add_rule(after("a"), lambda view: lock.acquire(), name="takes")
    with pytest.raises(UnpicklableError, match=r"^rule 'takes': .*closure variable 'lock'"):
        dag.evaluate(tmp_path / "exp")
