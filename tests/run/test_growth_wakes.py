"""What growth readies for the thread that waits is taken at once, and not when that looks again by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, Job, Rule, after
from ramify.run import driver
from ramify.values.code import source_of


def increment(x: int) -> int:
    return x + 1


def link(number: int, length: int) -> Rule:
    def body(view: Any) -> None:
        view.submit(increment, view[f"n{number}"], name=f"n{number + 1}")
        if number + 1 < length:
            view.add_rule(link(number + 1, length))

    return Rule(after(f"n{number}"), body, name=f"link {number}")


@pytest.mark.timeout(30)
def test_the_waiting_thread_is_woken_by_growth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pause in ("TICK", "LONGEST", "ATTENTIVE"):
        monkeypatch.setattr(driver, pause, 3600.0)
    dag = DAG({"n0": Job(int)})
    dag.add_rule(link(0, 5))
    outputs = dag.evaluate(tmp_path / "run", execution_mode="thread")
    assert outputs["n5"] == 5


def test_the_text_of_a_rule_is_that_of_its_body() -> None:
    text = source_of(link(0, 1))
    assert text is not None and text.lstrip().startswith("def body(view: Any)")


def made(number: int) -> tuple[Any, Any]:
    return lambda: number, lambda: (number, "other")


def test_functions_of_one_text_share_it_and_others_do_not() -> None:
    first, other = map(source_of, made(1))
    assert first is not None and source_of(made(2)[0]) is first
    assert source_of(link) != source_of(made) and '"other"' in (other or "")
