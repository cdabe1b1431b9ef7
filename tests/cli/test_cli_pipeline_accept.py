"""`ramify accept` on the tasks of a pipeline: what they made counts for what is declared now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli_calls import Call
from pipeline_project import FLOW, states

from ramify.files.lock import FolderLock


@pytest.fixture
def changed(call: Call, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance that is completed, and whose flow says something else since."""
    monkeypatch.setenv("BAD", "none")
    (project / "flow.py").write_text(FLOW)
    assert call("run", "flow.py:pipeline", "-pid", "i").code == 0
    (project / "flow.py").write_text(
        FLOW.replace("export n=20", "export  n=20").replace("$((n + i))", "$((i + n))")
    )
    return project


def test_what_is_accepted_is_not_run_again(call: Call, changed: Path) -> None:
    said = call("accept", "flow.py:pipeline", "one", "part.[0-2]", "-pid", "i")
    assert said.code == 0, said.err
    assert [line.split()[:2] for line in said.out.splitlines()] == [
        ["accepted", "one"], ["accepted", "part.0"], ["accepted", "part.1"], ["accepted", "part.2"],
    ]  # fmt: skip
    plan = call("plan", "flow.py:pipeline", "-pid", "i", "--json").document
    assert [job["job_id"] for job in plan["jobs"] if job["verdict"] == "RUN"] == ["part.3"]
    again = call("accept", "flow.py:pipeline", "one", "-pid", "i", "--json").document
    assert again["folder"] == str(changed / "i")
    assert again["jobs"] == [{"job_id": "one", "cause": None, "refusal": ""}]


@pytest.mark.slow
def test_the_pipeline_may_be_said_by_its_flag(
    call: Call, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("plan", "-p", "flow.py:pipeline", "-pid", "i", "--json").document["counts"]["RUN"] == 5
    assert call("accept", "-p", "flow.py:pipeline", "one", "part.*", "-pid", "i").code == 0
    monkeypatch.setenv("RAMIFY_PIPELINE_GENERATOR", "flow.py:pipeline")
    assert call("plan", "-pid", "i", "--json").document["counts"]["RUN"] == 0
    assert call("accept", "flow.py:pipeline", "one", "-pid", "i").code == 0  # the first word is the target
    alone = call("accept", "one", "-pid", "i")
    assert alone.code == 2 and "TARGET GLOB..." in alone.err


def test_what_has_no_good_output_is_refused(call: Call, changed: Path) -> None:
    (changed / "i/output/part.1/f.txt").write_text("mine")
    assert call("clean", "i", "part.3", "--yes").code == 0
    said = call("accept", "flow.py:pipeline", "part.*", "-pid", "i")
    assert said.code == 1
    told = {line.split()[1]: line for line in said.out.splitlines()}
    assert told["part.0"].startswith("accepted") and told["part.2"].startswith("accepted")
    assert told["part.1"].startswith("refused") and "f.txt" in told["part.1"]


def test_a_task_that_is_not_declared_any_more_is_refused(call: Call, changed: Path) -> None:
    (changed / "flow.py").write_text(FLOW.replace("range(4)", "range(3)"))
    said = call("accept", "flow.py:pipeline", "part.3", "-pid", "i")
    assert said.code == 1 and "it is not declared" in said.out


def test_wrong_words_are_said(call: Call, changed: Path) -> None:
    nothing = call("accept", "flow.py:pipeline", "nix*", "-pid", "i")
    assert nothing.code == 2 and "'nix*'" in nothing.err
    output = call("accept", "flow.py:pipeline", "one", "-o", "i")
    assert output.code == 2 and "--output means nothing" in output.err
    assert call("accept", "flow.py:pipeline", "one", "-pid", "elsewhere").code == 2
    assert not os.path.exists("elsewhere")


def test_while_it_is_run_nothing_is_accepted(call: Call, changed: Path) -> None:
    with FolderLock(str(changed / "i/.ramify/@run/run"), run="mine"):
        said = call("accept", "flow.py:pipeline", "one", "-pid", "i")
    assert said.code == 5
    assert states(changed / "i")["one"] == "completed"
    assert call("accept", "flow.py:pipeline", "one", "-pid", "i").code == 0


def test_a_file_is_called_as_in_the_instance(call: Call, project: Path) -> None:
    (project / "i").mkdir()
    (project / "i/in.tsv").write_text("1")
    (project / "flow.py").write_text(
        "def flow(dsl):\n    yield dsl.task('a').inputs(f=dsl.file('in.tsv')).calls('cat \"$f\"')()\n"
    )
    assert call("run", "flow.py:flow", "-pid", "i").code == 0
    (project / "i/in.tsv").write_text("2")
    for words in (("plan", "flow.py:flow"), ("why", "a", "flow.py:flow"), ("accept", "flow.py:flow", "a")):
        assert "  file in.tsv changed" in call(*words, "-pid", "i").out
