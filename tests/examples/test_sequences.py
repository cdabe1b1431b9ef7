"""The example of real sequences runs, and runs again no more than it must."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ramify.pipeline.flow import read_result, run_pipeline

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sequences"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The pipeline, where its user has copied it."""
    code = tmp_path / "code"
    shutil.copytree(EXAMPLE, code)
    (code / "pipeline.py").rename(code / "sequences_pipeline.py")  # a name of its own in this process
    monkeypatch.syspath_prepend(str(code))
    return importlib.import_module("sequences_pipeline")


@pytest.fixture
def lemur(tmp_path: Path) -> Path:
    """An instance folder, with a blank in its path, and the data in it."""
    if importlib.util.find_spec("screed") is None:
        pytest.skip("the package screed, which ships the sequences, is not installed")
    folder = tmp_path / "grey lemur"
    subprocess.run([sys.executable, str(EXAMPLE / "get_data.py"), str(folder)], check=True, timeout=30)
    return folder


def executed(folder: Path, since: dict[str, int]) -> set[str]:
    """The keys of the tasks that ran since then, and what is so now, in `since`."""
    logs = {path.parent.name: path.stat().st_size for path in folder.glob(".ramify/*/ramify.log")}
    new = {key for key, size in logs.items() if since.get(key) != size}
    since.clear()
    since.update(logs)
    return new


def test_real_sequences_are_split_measured_merged_and_reported(example: ModuleType, lemur: Path) -> None:
    run_pipeline(example.sequences(), lemur, jobs=2)
    report = (lemur / "output/report/report.md").read_text().splitlines()
    assert report[0] == "# 22 transcripts, 125 reads"
    rows = [line.split("\t") for line in (lemur / "output/merge/sequences.tsv").read_text().splitlines()]
    by_hand = dict(example.read_fasta(str(lemur / "transcripts.fa")))
    assert {name: int(letters) for name, letters, _, _ in rows[1:]} == {n: len(s) for n, s in by_hand.items()}
    for name, letters, gc, orf in rows[1:]:
        count = by_hand[name].count("G") + by_hand[name].count("C")
        assert float(gc) == pytest.approx(count / int(letters), abs=1e-4)
        assert int(orf) == example.longest_orf(by_hand[name])
    qualities = [
        line
        for number, line in enumerate((lemur / "reads.fastq").read_text().splitlines())
        if number % 4 == 3
    ]
    mean = sum(ord(sign) - 33 for line in qualities for sign in line) / sum(map(len, qualities))
    assert read_result(lemur, "reads").variables["mean_quality"] == pytest.approx(mean, abs=1e-3)


def test_another_sequence_runs_its_chunk_alone(example: ModuleType, lemur: Path) -> None:
    seen: dict[str, int] = {}
    run_pipeline(example.sequences(), lemur, jobs=2)
    assert len(executed(lemur, seen)) == 12  # split, reads, four chunks twice, merge, report
    run_pipeline(example.sequences(), lemur, jobs=2)
    assert executed(lemur, seen) == set()
    with open(lemur / "transcripts.fa", "a") as file:
        file.write(">another\nATGAAATTTTAG\n")
    run_pipeline(example.sequences(), lemur, jobs=2)
    assert executed(lemur, seen) == {"split", "composition.3", "orfs.3", "merge", "report"}
    assert (lemur / "output/report/report.md").read_text().startswith("# 23 transcripts")
