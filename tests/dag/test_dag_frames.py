"""`DAG.frames`: how a graph that is computed here grew, while it runs and after."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, after
from ramify.errors import UnknownRunError


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ramify.toml").touch()
    monkeypatch.chdir(tmp_path)


def grown(dag: DAG, hold: threading.Event | None = None) -> DAG:
    dag.submit(int, "3", name="a")

    def grow(view: Any) -> None:
        for i in range(view["a"].result):
            view.submit(hold.wait if hold else abs, 30 if hold else -i, name=f"m{i}")

    dag.add_rule(after("a"), grow)
    dag.compute()
    return dag


def test_frames_of_a_graph_that_is_over() -> None:
    dag = grown(DAG(name="mine", record=True))
    dag.wait(30)
    film = dag.frames()
    assert film[0].grew == "+ 1 node: a"
    assert [one.grew for one in film[1:] if one.grew] == ["+ 3 nodes by rule grow: m0, m1, m2"]
    assert film.states(-1) == dict.fromkeys(["a", "m0", "m1", "m2"], "Completed")
    assert film.states(0).keys() == {"a"}
    assert len(dag.frames(count=2)) == 2
    assert dag.frames(at=["100%"]).states(0) == film.states(-1)
    assert "mine" in film.html


def test_frames_while_it_runs() -> None:
    hold = threading.Event()
    dag = DAG(3, record=True)
    started = threading.Semaphore(0)
    dag.add_update_callback(lambda _: started.release())
    try:
        grown(dag, hold)
        while "m2" not in dag.nodes_by_name:
            assert started.acquire(timeout=30)
        while dag.frames().states(-1).get("m2") != "Running":
            assert started.acquire(timeout=30)
        assert dag.frames().states(-1)["a"] == "Completed"
    finally:
        hold.set()
        dag.wait(30)
    assert set(dag.frames().states(-1).values()) == {"Completed"}


def test_a_graph_that_was_not_recorded_has_none() -> None:
    dag = grown(DAG(record=False))
    dag.wait(30)
    with pytest.raises(UnknownRunError, match="record"):
        dag.frames()
