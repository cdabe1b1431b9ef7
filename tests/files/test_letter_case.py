"""Names that differ in the case of letters only, where a file system ignores that."""

import os
from pathlib import Path

import pytest

from ramify import DAG, DAGExecutionError, Job
from ramify.errors import RamifyKeyEncodingError
from ramify.files import letter_case
from ramify.files.letter_case import folded, ignores_case
from ramify.pipeline.flow import run_pipeline


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all file systems were such."""
    monkeypatch.setattr(letter_case, "ignores_case", lambda path: True)
    monkeypatch.setattr("ramify.pipeline.passing.ignores_case", lambda path: True)


def test_it_is_found_out_by_the_other_name_of_what_is_there(tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.touch()
    assert not ignores_case(str(one)) and not ignores_case(str(tmp_path / "none/at/all"))
    (tmp_path / "ONE").touch()
    assert not ignores_case(str(one))
    os.replace(one, tmp_path / "kept")
    os.link(tmp_path / "ONE", one)
    assert ignores_case(str(one)) and ignores_case(str(one / "below"))
    assert not ignores_case("/")


def test_composed_and_decomposed_letters_are_one() -> None:
    assert folded("\u00c9") == folded("e\u0301") == folded("\u00e9") != folded("e")


@pytest.mark.usefixtures("blind")
def test_jobs_that_would_share_a_file_are_refused(tmp_path: Path) -> None:
    dag = DAG({"a": Job(int), "b": Job(int), "A": Job(int)})
    with pytest.raises(RamifyKeyEncodingError, match="the jobs 'a' and 'A' would share their files"):
        dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert not (tmp_path / "exp/outputs").exists() and not (tmp_path / "exp/plan").exists()
    DAG({"a": Job(int), "b": Job(int)}).evaluate(tmp_path / "exp", execution_mode="thread")


@pytest.mark.usefixtures("blind")
def test_tasks_that_would_share_a_folder_are_refused(tmp_path: Path) -> None:
    def flow(dsl):
        yield dsl.task("sample.x").calls("true")()
        yield dsl.task("sample.X").calls("true")()

    with pytest.raises(DAGExecutionError, match=r"'sample\.X' would share their files") as caught:
        run_pipeline(flow, tmp_path / "i")
    assert isinstance(caught.value.cause, RamifyKeyEncodingError)
    assert not (tmp_path / "i/.ramify/sample.x").exists()


def test_elsewhere_they_are_two(tmp_path: Path) -> None:
    if ignores_case(str(tmp_path)):
        pytest.skip("platform: this file system ignores the case of letters")
    result = DAG({"a": Job(int), "A": Job(str)}).evaluate(tmp_path / "exp", execution_mode="thread")
    assert result.to_dict() == {"a": 0, "A": ""}
