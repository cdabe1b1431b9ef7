"""`download_results=False`: values of worker processes that stay in files until somebody asks."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import pytest
import staying_values
from live_cases import GUARD
from staying_values import Loud, longer, size_of

from ramify import DAG, Extend, Job, Node, RamifyDeserializationError

LARGE = 2_000_000


@pytest.fixture(autouse=True)
def read_in() -> list[int]:
    staying_values.READ_IN.clear()
    return staying_values.READ_IN


def files_of(dag: DAG) -> list[Path]:
    run: Any = dag._run
    return sorted(Path(run.scratch()).glob("*.value"))


def test_a_value_stays_where_it_was_made_until_its_result_is_asked_for(read_in: list[int]) -> None:
    dag = DAG(use_processes=True, max_workers=2)
    first = dag.submit(Loud, 10, download_results=False)
    second = Node(longer, first, _download_results=False)
    sizes = dag.submit(lambda tree: [size_of(one) for one in tree["both"]], {"both": (first, second)})
    dag.compute()
    dag.wait(GUARD)
    assert sizes.result() == [10, 11] and read_in == []
    assert len(files_of(dag)) == 2
    assert size_of(second.result()) == 11 and read_in == [os.getpid()]
    assert size_of(first.future.result(GUARD)) == 10


def test_nodes_of_threads_and_stages_get_the_values_themselves(read_in: list[int]) -> None:
    dag = DAG(use_processes=True, max_workers=2)
    value = dag.submit(Loud, 10, download_results=False)
    here = dag.submit_local(lambda one: (size_of(one), os.getpid()), value)
    many = dag.submit(lambda: [Loud(1), Loud(2)], download_results=False)
    stage = dag.submit_udf_stage(longer, many, expand_node_output=many, download_results=False)
    dag.compute()
    dag.wait(GUARD)
    assert here.result() == (10, os.getpid()) and os.getpid() in read_in
    assert [size_of(one) for one in stage.result()] == [2, 3]


@pytest.mark.slow
def test_the_file_of_a_large_value_goes_when_nobody_needs_it() -> None:
    dag = DAG(use_processes=True, max_workers=1)
    node: Node[Any] = dag.submit(Loud, LARGE, download_results=False)
    for _ in range(3):
        node = dag.submit(longer, node, download_results=False)
    size = dag.submit(size_of, node)
    dag.compute()
    dag.wait(GUARD)
    assert size.result() == LARGE + 3
    assert [path.stat().st_size > LARGE for path in files_of(dag)] == [True]
    del node
    gc.collect()
    assert files_of(dag) == []


@pytest.mark.parametrize("limit", [None, 1_000_000])
def test_a_limit_of_memory_and_values_that_stay(limit: int | None) -> None:
    dag = DAG(use_processes=True, max_workers=1)
    values = [dag.submit(Loud, LARGE, download_results=False) for _ in range(3)]
    total = dag.submit(lambda all_: sum(map(size_of, all_)), values)
    dag.compute(memory_limit=limit)
    dag.wait(GUARD)
    assert total.result() == 3 * LARGE == sum(size_of(one.result()) for one in values)


def test_what_adds_to_the_graph_is_sent_all_the_same() -> None:
    def more(size: int) -> Extend:
        dag = DAG({n: Job(Loud, {"size": size + n}) for n in (1, 2)})
        return Extend(dag, [dag[1], dag[2]])

    dag = DAG(use_processes=True, max_workers=1)
    node = dag.submit(more, 10, may_add=(), download_results=False)
    after = dag.submit(lambda several: [size_of(one) for one in several], node)
    dag.compute()
    assert after.result(GUARD) == [11, 12] and [size_of(one) for one in node.result()] == [11, 12]


def test_a_file_that_is_gone_is_told_of() -> None:
    dag = DAG(use_processes=True, max_workers=1)
    node = dag.submit(Loud, 10, download_results=False)
    dag.compute()
    dag.wait(GUARD)
    files_of(dag)[0].unlink()
    with pytest.raises(RamifyDeserializationError):
        node.result()


def test_what_cannot_travel_leaves_no_file() -> None:
    dag = DAG(use_processes=True, max_workers=1)
    bad = dag.submit(lambda: (_ for _ in ()), download_results=False)
    dag.compute()
    with pytest.raises(TypeError, match="generator"):
        dag.wait(GUARD)
    assert isinstance(bad.error, TypeError) and files_of(dag) == []


@pytest.mark.slow
@pytest.mark.parametrize("where", [{"use_processes": False}, {"mode": "batch"}])
def test_elsewhere_it_changes_nothing(
    where: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ramify.toml").touch()
    monkeypatch.chdir(tmp_path)
    dag = DAG(**where)
    node = dag.submit(size_of, dag.submit(Loud, 10, download_results=False), download_results=False)
    dag.compute()
    assert node.result(2 * GUARD) == 10


def test_coroutines_run_in_processes_too() -> None:
    async def later(x: int) -> int:
        return x + 1

    dag = DAG(use_processes=True, max_workers=1)
    node = dag.submit(later, dag.submit(later, 1, download_results=False))
    dag.compute()
    assert node.result(GUARD) == 3
