"""The benchmarks run, in small; what they measure is nobody's test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run_case(name: str, *arguments: str) -> dict[str, float]:
    command = [sys.executable, str(BENCHMARKS / "cases" / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    result: dict[str, float] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize("shape", ["independent", "chain", "tree", "join", "ladder"])
@pytest.mark.parametrize("engine", ["ramify-inline", "ramify-threads", "futures"])
def test_a_graph_in_memory(engine: str, shape: str) -> None:
    assert run_case("memory", engine, shape, "20")["n"] == 20


@pytest.mark.parametrize("mode", ["thread", "process", "subprocess"])
def test_the_bare_loop_leaves_what_evaluate_leaves(mode: str, tmp_path: Path) -> None:
    for engine in ("ramify", "bare"):
        assert run_case("disk", engine, mode, "9", str(tmp_path / engine), "2")["cpu"] > 0
    left = [files_below(tmp_path / engine / "outputs" / "grid") for engine in ("ramify", "bare")]
    points = {f"{x}/{y}" for x in range(3) for y in range(3)}
    assert {f"{point}.json" for point in points} <= left[0].keys() & left[1].keys()
    assert {f"{point}.ramify" for point in points} <= left[0].keys() & left[1].keys()
    assert all(left[0][f"{point}.json"] == left[1][f"{point}.json"] for point in points)


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("shape", "nodes"),
    [("fan", 30), ("waves", 51), ("chain", 30), ("levels-10", 23), ("levels-100", 102), ("waiting", 60)],
)
def test_a_graph_that_grows(shape: str, nodes: int, tmp_path: Path) -> None:
    assert run_case("growth", "ramify", shape, "30", str(tmp_path / "run"))["n"] == nodes


@pytest.mark.parametrize("engine", ["ramify", "ramify-chain", "futures"])
def test_many_nodes(engine: str) -> None:
    assert run_case("million", engine, "2000")["waiting"] >= 0


@pytest.mark.parametrize(
    ("engine", "shape"), [("ramify", "grid"), ("ramify", "chains"), ("ramify", "fifth"), ("bare", "grid")]
)
def test_a_second_process_makes_no_more_anew_than_it_must(engine: str, shape: str, tmp_path: Path) -> None:
    result = run_case("reuse", engine, shape, "20", str(tmp_path / "run"))
    assert result["n"] == 20
    assert result["process_cpu"] > result["cpu"]


def test_calls_in_a_pool_and_a_start() -> None:
    assert run_case("calls", "pool", "10")["n"] == 10
    assert run_case("start", "1", sys.executable, "-c", "pass")["wall"] > 0


def test_an_unknown_group_is_refused_with_those_that_are_there() -> None:
    command = [sys.executable, str(BENCHMARKS / "run.py"), "speed"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 2
    assert "memory, live, growth, grid, isolated, process, reuse, pipelines, million, start" in done.stderr


def test_the_table_shows_the_whole_process_and_the_budget() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(BENCHMARKS)!r})
from measurements import Group
from table import section
group = Group("g", "Title", "µs", "Ramify", "A note.")
group.add("work", "Ramify", "case", n=10, budget="25 µs")
group.add("work", "doit", "case", n=10)
results = [
    {{"n": 10, "cpu": 10e-6, "wall": 20e-6, "memory": 0, "process_cpu": 0.2, "process_wall": 0.3}},
    {{"error": "not done in 900 s"}},
]
print("\\n".join(section(group, results)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert "| CPU each | wall each | the process, CPU | wall | budget |" in done.stdout
    assert "| work | Ramify | 10 | 1.0 µs | 2.0 µs | 0.20 s | 0.30 s | 25 µs | 1.0 |" in done.stdout
    assert "| work | doit | 10 | not done in 900 s |  |  |  |  |  |" in done.stdout


def test_the_table_shows_ratios_and_what_failed() -> None:
    code = f"""
import sys; sys.path.insert(0, {str(BENCHMARKS)!r})
from measurements import Group
from table import document
group = Group("g", "Title", "µs", "Ramify", "A note.")
for who in ("Ramify", "Dask", "TidyRun"):
    group.add("work", who, "case", "N", n=10)
results = [
    {{"n": 10, "cpu": 10e-6, "wall": 20e-6, "memory": 0}},
    {{"n": 100, "cpu": 1000e-6, "wall": 1000e-6, "memory": 0}},
    {{"error": "not done in 900 s"}},
]
print(document([(group, results)], ["python", "benchmarks/run.py"], 3, {{"ramify": "0.1.0"}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert "| work | Ramify | 10 | 1.0 µs | 2.0 µs | 1.0 |" in done.stdout
    assert "| work | Dask | 100 | 10 µs | 10 µs | 10 |" in done.stdout
    assert "| work | TidyRun | 10 | not done in 900 s |  |  |" in done.stdout
