"""What commands say of wrong words about pipelines, and that `retry`, `resume` and `clean` know instances."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli_calls import Call
from pipeline_project import FLOW, states, tree_hash

TWO = """
from ramify.pipeline import create_pipeline

def flow(dsl):
    yield dsl.task("a").calls("true")()

one = create_pipeline(flow)
two = create_pipeline(flow)
"""


@pytest.fixture
def failed(call: Call, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The instance `i`, of which one task has failed and could go on since."""
    (project / "flow.py").write_text(FLOW)
    monkeypatch.setenv("BAD", "1")
    assert call("run", "flow.py:pipeline", "-pid", "i").code == 1
    return project / "i"


def test_of_several_pipelines_one_is_to_be_said(call: Call, project: Path) -> None:
    (project / "two.py").write_text(TWO)
    said = call("run", "two.py", "-pid", "i")
    assert said.code == 3 and "2 pipelines: say which, two.py:one or two.py:two" in said.err
    assert "it has one, two" in call("run", "two.py:three", "-pid", "i").err
    (project / "two.py").write_text(TWO + "pipeline = two\n")
    assert call("run", "two.py", "-pid", "i").code == 0


@pytest.mark.parametrize(
    "words", [("run", "flow.py:flow"), ("status",), ("list-states",), ("prepare", "flow.py:flow")]
)
def test_an_empty_instance_is_refused(call: Call, failed: Path, words: tuple[str, ...]) -> None:
    said = call(*words, "-pid", "")
    assert said.code == 2 and "it is empty" in said.err
    assert not (failed.parent / "flow").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("status",), ("logs",), ("why", "one"), ("graph",), ("cancel",), ("resume",), ("retry",), ("clean",),
        ("list-states",), ("poll-task", "one"), ("task", "one"), ("restart", "one"), ("dump-env", "one"),
        ("report-execution-times",),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_instance_is_wrong_usage(
    call: Call, project: Path, words: tuple[str, ...]
) -> None:
    (project / "other" / ".ramify").mkdir(parents=True)  # as a project has it
    for folder, told in (("nowhere", "is no folder"), ("other", "is no instance of a pipeline")):
        said = call(*words, "-pid", folder)
        assert said.code == 2 and told in said.err and folder in said.err
    assert not (project / "nowhere").exists()


def test_what_was_prepared_and_not_run_says_so(call: Call, project: Path) -> None:
    (project / "flow.py").write_text(FLOW)
    assert call("prepare", "flow.py:flow", "-pid", "i").code == 0
    said = call("status", "-pid", "i")
    assert said.code == 2 and "i was prepared, and has not been run: ramify list-states -pid i" in said.err


@pytest.mark.parametrize("words", [("--filter", "zz*"), ("-k", "nothing")])
def test_times_of_no_task_are_an_error(call: Call, failed: Path, words: tuple[str, ...]) -> None:
    said = call("report-execution-times", "-pid", "i", *words)
    assert said.code == 2 and words[1] in said.err


def test_a_step_that_is_not_there_is_refused_before_anything_is_touched(call: Call, failed: Path) -> None:
    before = tree_hash(failed)
    said = call("restart", "one", "--at-step", "1", "-pid", "i")
    assert said.code == 2 and "task 'one' has no step 1: its last one is 0" in said.err
    assert tree_hash(failed) == before


@pytest.mark.parametrize("words", [("retry", "-pid", "i"), ("retry", "i", "part.1"), ("resume", "-pid", "i")])
def test_failed_tasks_go_on(call: Call, failed: Path, words: tuple[str, ...]) -> None:
    (failed / "mended").touch()
    said = call(*words)
    assert said.code == 0, said.err
    assert set(states(failed).values()) == {"completed"} and len(states(failed)) == 6
    assert "nothing of it failed" in call("retry", "-pid", "i").out


def test_what_means_nothing_for_a_pipeline_is_refused(call: Call, failed: Path) -> None:
    for words in (("resume", "--mode", "thread"), ("retry", "--timeout", "3")):
        said = call(*words, "-pid", "i")
        assert said.code == 2 and f"{words[1]} means nothing" in said.err


def test_clean_knows_an_instance_by_its_flag(
    call: Call, failed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "would remove 1 of 5 tasks" in call("clean", "-pid", "i", "one").out
    assert call("clean", "-pid", "i", "part.*", "--yes").code == 0
    assert list(states(failed)) == ["one"]
    monkeypatch.setenv("RAMIFY_PIPELINE_INSTANCE_DIR", str(failed))
    assert call("clean", "--yes").code == 2  # nobody said which
    assert list(states(failed)) == ["one"]


def test_columns_stand_below_each_other_whatever_the_keys_are(call: Call, project: Path) -> None:
    (project / "wide.py").write_text(
        "def flow(dsl):\n    for key in ('ab', '日本語', 'é'):\n        yield dsl.task(key).calls('true')()\n"
    )
    assert call("run", "wide.py:flow", "-pid", "i").code == 0
    told = call("plan", "wide.py:flow", "-pid", "i").out.splitlines()[:3]
    assert [line.split("  nothing")[0] for line in told] == [
        "REUSE  ab    ",
        "REUSE  日本語",
        "REUSE  é     ",
    ]
