"""Graphs that grow, whose driver is killed again and again: they end in the same graph."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

FLOW = """
import sys, time
from ramify import DAG, Job, after, closed, resume

def work(n):
    time.sleep(0.002)
    with open("ran", "a") as file:
        file.write(f"{n}\\n")
    return n

def total(parts):
    return sum(parts)

def wave(k):
    def body(view):
        with open("fired", "a") as file:
            file.write(f"{k}\\n")
        for n in range(40 * k, 40 * k + 40):
            view.submit(work, n, name=f"n/{n}", tags=["part"])
        if k < 4:
            view.add_rule(after(f"n/{40 * k + 20}"), wave(k + 1), name=f"wave {k + 1}", may_add=["part", "n"])
    return body

def merge(k):
    return lambda view: view.submit(total, view.nodes("part"), name=f"total{k}")

dag = DAG({"first": Job(work, {"n": -1})})
dag.add_rule(after("first"), wave(0), name="wave 0", may_add=["part", "n"])
for k in range(5):
    dag.add_rule(closed("part"), merge(k), name=f"merge {k}", may_add=f"total{k}")

if __name__ == "__main__":
    if sys.argv[1] == "go":
        dag.evaluate("exp", execution_mode=sys.argv[2], max_workers=2)
    else:
        outputs = resume("exp")
        print(*(outputs[f"total{k}"] for k in range(5)))
"""


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "flow.py", *words]
    return subprocess.Popen(command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def kill_when(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    """Kills the driver when so many jobs have run; one that was quicker than that has ended."""
    ends = time.monotonic() + 30
    while len(lines_of(folder / "ran")) < count and process.poll() is None:
        assert time.monotonic() < ends, "the jobs did not come"
        time.sleep(0.001)
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["thread", "process"])
@pytest.mark.parametrize("counts", [(1, 30), (22, 23, 24), (41, 120), (83,), (199, 201)])
def test_a_killed_run_ends_in_the_same_graph(mode: str, counts: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(FLOW)
    kill_when(start(tmp_path, "go", mode), tmp_path, counts[0])
    for count in counts[1:]:
        kill_when(start(tmp_path, "on"), tmp_path, count)
    last = start(tmp_path, "on")
    out, err = last.communicate(timeout=60)
    assert last.returncode == 0, err
    assert out.split() == ["19900"] * 5
    ran = lines_of(tmp_path / "ran")
    assert len(set(ran)) == 201
    assert len(ran) - 201 <= 2 * len(counts), "only what was under way is done again"
    folder = tmp_path / "exp/outputs"
    assert sorted(int(p.stem) for p in (folder / "n").glob("*.json")) == list(range(200))
