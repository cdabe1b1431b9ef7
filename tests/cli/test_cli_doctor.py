"""`doctor` and `worker`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_calls import Call

from ramify import DAG, Job


def test_all_is_well_here(call: Call) -> None:
    said = call("doctor")
    assert said.code == 0 and "✓  locks" in said.out
    told = call("doctor", "--json").document
    assert told["ok"] and {"python", "locks", "project", "packages"} <= {c["name"] for c in told["checks"]}


def test_nothing_is_left_behind(call: Call, project: Path) -> None:
    call("doctor")
    assert [p.name for p in project.iterdir()] == ["ramify.toml"]


def test_wrong_settings_are_found(call: Call, project: Path) -> None:
    (project / "ramify.toml").write_text("jobs = 'x'")
    said = call("doctor", "--json")
    assert said.code == 4
    (bad,) = [c for c in said.document["checks"] if c["level"] == "bad"]
    assert bad["name"] == "settings" and "ramify.toml" in bad["told"]


def test_a_damaged_list_of_runs_is_a_note(call: Call, project: Path) -> None:
    (project / ".ramify").mkdir()
    (project / ".ramify" / "@catalogue").write_bytes(b"x" * 5000)
    said = call("doctor", "--json")
    assert said.code == 0
    assert [c["level"] for c in said.document["checks"] if c["name"] == "project"] == ["note"]


def ten() -> int:
    print("a word")
    return 10


def fails() -> None:
    raise ValueError("no")


@pytest.fixture
def plan(project: Path) -> str:
    return str(DAG(nodes={"a": Job(ten, {}), "b": Job(fails, {})}).materialize(project / "exp" / "plan"))


def test_worker_runs_one_job(call: Call, plan: str, project: Path) -> None:
    said = call("worker", plan, "a")
    assert (said.code, said.out) == (0, "a word\n")
    assert (project / "exp" / "outputs" / "a.json").read_text() == "10"


def test_worker_fails_with_the_job(call: Call, plan: str) -> None:
    said = call("worker", plan, "b")
    assert said.code == 1 and "ValueError: no" in said.err


@pytest.mark.parametrize("words", [["nope"], ["a", "b", "c"], []])
def test_worker_without_a_job_is_usage(call: Call, plan: str, words: list[str]) -> None:
    assert call("worker", *words).code == 2
    assert call("worker", plan, "zz").code == 2


def test_worker_document_is_alone_on_its_stream(call: Call, plan: str) -> None:
    said = call("worker", plan, "a", "--json")
    assert said.document["succeeded"] and "a word" in said.err
