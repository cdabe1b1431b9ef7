"""The commands that look, on live graphs that other processes ran."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.e2e

FLOW = """
import os
from ramify import DAG

def speak(word):
    print("saying", word)
    return word

def fail(word):
    raise ValueError(f"no {word}")

for name in os.environ["GRAPHS"].split():
    dag = DAG(name=name, namespace="team-" + name[0])
    first = dag.submit(speak, name, name="say/it")
    if name.endswith("!"):
        dag.submit(fail, first)
    dag.compute()
    try:
        dag.wait()
    except ValueError:
        pass
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    (tmp_path / "flow.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAMIFY_RECORD")
    monkeypatch.setenv("GRAPHS", "sales costs Sales!")
    done = subprocess.run([sys.executable, "flow.py"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("saying") == 3
    return tmp_path


def ramify(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ramify", *words],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def document(*words: str) -> Any:
    done = ramify(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def labels(*words: str) -> list[str]:
    return [run["label"] for run in document("ls", *words)["runs"]]


def test_ls_filters_and_pages(project: Path) -> None:
    assert labels() == ["Sales!", "costs", "sales"]
    assert labels("--search", "SALES") == ["Sales!", "sales"]
    assert labels("--namespace", "team-c") == ["costs"]
    assert labels("--created-by", "nobody") == []
    assert labels("--status", "failed") == ["Sales!"]
    assert labels("--since", "2000-01-01") == ["Sales!", "costs", "sales"]
    assert labels("--until", "2000-01-01T12:00") == []
    second = document("ls", "--per-page", "2", "--page", "2")
    assert [run["label"] for run in second["runs"]] == ["sales"]
    assert (second["page"], second["pages"], second["total"]) == (2, 2, 3)


def test_ls_says_where_to_go_on(project: Path) -> None:
    done = ramify("ls", "-n", "2")
    assert "page 1 of 2, 3 runs: --page 2 goes on" in done.stderr
    assert "costs" in done.stdout and "team-c" not in done.stdout
    assert "there is no page 3" in ramify("ls", "-n", "2", "--page", "3").stdout
    assert "no run fits" in ramify("ls", "--search", "nothing of that").stdout


def test_a_rebuilt_list_is_the_same(project: Path) -> None:
    before = document("ls")["runs"]
    assert document("ls", "--rebuild")["runs"] == before


def test_status_logs_show_and_why_of_a_live_graph(project: Path) -> None:
    told = document("status", "latest")
    assert (told["label"], told["status"], told["plan"], told["outputs"]) == ("Sales!", "FAILED", None, None)
    assert told["counts"]["failed"] == 1 and "no Sales!" in told["failed"][0]["failure"]["message"]
    assert "resume" not in ramify("status", "latest").stdout
    assert "ValueError: no Sales!" in ramify("status", "latest", "--failed").stdout
    assert ramify("logs", "latest", "say/it").stdout == "saying Sales!\n"
    shown = ramify("show", "latest", "say/it")
    assert shown.returncode != 0 and "were in memory" in shown.stderr
    assert "its value was in memory" in ramify("why", "say/it").stdout


def test_a_live_graph_is_not_resumed(project: Path) -> None:
    done = ramify("resume", "latest")
    assert done.returncode != 0 and "was in memory" in done.stderr and done.stdout == ""


def test_gc_keeps_the_newest_and_does_not_look_for_plans(project: Path) -> None:
    assert document("gc", "--keep", "5")["skipped"] == {}
    assert document("gc", "--keep", "1", "--yes")["removed"] == 2
    assert labels() == ["Sales!"]
