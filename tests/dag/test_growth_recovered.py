"""A run that grows goes on from every point at which its driver may have been killed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, Extend, Job, LazyDict, after, closed, resume
from ramify.run.view import RunView


def numbers(count: int) -> list[int]:
    return list(range(count))


def square(n: int) -> int:
    return n * n


def add_up(parts: list[int]) -> int:
    return sum(parts)


def split(n: int) -> Extend:
    inner = DAG({k: Job(square, {"n": 10 * n + k}) for k in range(2)})
    return Extend(inner, [inner[k] for k in range(2)], then=add_up)


def scatter(view: Any) -> None:
    for n in view["numbers"].result:
        view[f"part/{n}"] = Job(split, {"n": n}, may_add=())
    view.add_rule(after("part/0"), late, name="late")


def late(view: Any) -> None:
    view.submit(square, 7, name="part/late")


def gather(view: Any) -> None:
    view.submit(add_up, view.nodes("part/*"), name="total")


def graph(count: int = 2) -> DAG:
    dag = DAG({"numbers": Job(numbers, {"count": count})})
    dag.add_rule(after("numbers"), scatter, name="scatter", may_add="part")
    dag.add_rule(closed("part"), gather, name="gather", may_add="total")
    return dag


def evaluated(folder: Path, **options: Any) -> Path:
    """The folder of a complete run."""
    graph().evaluate(folder, execution_mode="thread", **options)
    return next(path.parent for path in folder.glob("run/*/journal.jsonl"))


def cut(run: Path, lines: int, half: bool) -> None:
    """Has the journal end where a driver that was killed would have left it; its outputs are lost too."""
    written = (run / "journal.jsonl").read_text().splitlines(keepends=True)
    torn = written[lines][: len(written[lines]) // 2] if half else ""
    (run / "journal.jsonl").write_text("".join(written[:lines]) + torn)
    shutil.rmtree(run.parents[1] / "outputs")
    (run.parents[1] / "outputs").mkdir()


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True])
def test_a_run_goes_on_from_every_line_of_its_journal(half: bool, tmp_path: Path) -> None:
    run = evaluated(tmp_path / "whole")
    keys = sorted(RunView(run).engine.keys)
    total = LazyDict(tmp_path / "whole/outputs")["total"]
    count = len((run / "journal.jsonl").read_text().splitlines())
    for lines in range(2, count):
        folder = tmp_path / f"cut{lines}"
        shutil.copytree(tmp_path / "whole", folder)
        cut(folder / "run" / run.name, lines, half)
        resume(folder)
        view = RunView(folder / "run" / run.name)
        assert (lines, view.status, sorted(view.engine.keys)) == (lines, "COMPLETED", keys)
        assert LazyDict(folder / "outputs")["total"] == total
        shutil.rmtree(folder)


def simple() -> DAG:
    dag = DAG({"numbers": Job(numbers, {"count": 3})})
    dag.add_rule(after("numbers"), squares, name="squares", may_add="part")
    dag.add_rule(closed("part"), gather, name="gather", may_add="total")
    return dag


def squares(view: Any) -> None:
    for n in view["numbers"].result:
        view[f"part/{n}"] = Job(square, {"n": n})


def test_an_earlier_run_goes_on_with_what_it_had_added_itself(tmp_path: Path) -> None:
    exp = tmp_path / "exp"
    simple().evaluate(exp, execution_mode="thread", name="first")
    shutil.rmtree(exp / "outputs")
    simple().evaluate(exp, execution_mode="thread", name="second", max_growths=0)
    first = exp / "run/first"
    cut(first, len((first / "journal.jsonl").read_text().splitlines()) - 3, False)
    assert resume(exp, "first")["total"] == 5
    assert RunView(first).status == "COMPLETED"
    assert resume(exp, "second")["total"] == 5
