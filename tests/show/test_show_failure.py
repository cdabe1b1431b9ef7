"""The failure block: what it says, what failed alike, and that foreign text cannot steer the terminal."""

from __future__ import annotations

from pathlib import Path

from written_runs import FAILURE, write_run

from ramify.run.view import RunView
from ramify.show.failure import failure_lines, tail
from ramify.show.text import Paint


def block(folder: str) -> str:
    return "\n".join(failure_lines(RunView(folder), Paint(False), "calm-otter"))


def test_everything_that_is_known_is_in_the_block(tmp_path: Path) -> None:
    log = "\n".join(f"line {i}" for i in range(50)) + "\n\x1b[31mred"
    text = block(write_run(tmp_path, fails={"g/2": FAILURE}, logs={"g/2": log}, end="FAILED"))
    assert text.startswith("✗ g/2 failed\n")
    for words in (
        "ValueError: no such column\\x1b[2J",
        'File "flow.py", line 7, in area',
        "on box",
        "process 77",
        "0.25 s",
        "logs/g/2.log (its last 20 lines)",
        "| line 49",
        "| \\x1b[31mred",
        "ramify logs calm-otter g/2",
    ):
        assert words in text
    assert "line 30\n" not in text
    assert "\x1b" not in text


def test_jobs_that_failed_alike_share_a_block(tmp_path: Path) -> None:
    jobs = [(f"g/{i}", ()) for i in range(30)] + [("other", ())]
    fails = {f"g/{i}": {**FAILURE, "message": f"no column {i}"} for i in range(30)}
    fails["other"] = {"type": "WorkerDied", "message": "killed", "signal": 9, "during": "died"}
    text = block(write_run(tmp_path, jobs=jobs, fails=fails, end="FAILED"))
    assert text.count("✗") == 2
    assert "✗ g/0 failed, and 29 more like it" in text
    assert "g/1, g/2, g/3, g/4, g/5, and 24 more" in text
    assert "signal 9 (SIGKILL)" in text
    assert "it printed nothing" in text


def test_only_some_kinds_are_shown_in_full(tmp_path: Path) -> None:
    jobs = [(f"j{i}", ()) for i in range(9)]
    fails = {f"j{i}": {"type": f"Error{i}", "message": "m"} for i in range(9)}
    text = block(write_run(tmp_path, jobs=jobs, fails=fails, end="FAILED"))
    assert text.count("✗") == 5
    assert "4 more jobs failed in other ways: ramify status calm-otter --failed" in text


def test_exit_codes_and_odd_facts(tmp_path: Path) -> None:
    died = {
        "type": "WorkerDied",
        "message": "the process exited with code 3",
        "exit_code": 3,
        "during": "died",
    }
    assert "exit code 3" in block(write_run(tmp_path, fails={"g/1": died}, end="FAILED"))
    assert "failure" in block(write_run(tmp_path / "b", fails={"g/1": {}}, end="FAILED"))


def test_a_run_without_failures_has_no_block(tmp_path: Path) -> None:
    assert block(write_run(tmp_path)) == ""


def test_tail_of_a_huge_file_reads_its_end_only(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\xff bad bytes\n" * 100_000 + b"last\n")
    lines, whole = tail(str(path), 3)
    assert lines == ["\\xff bad bytes", "\\xff bad bytes", "last"] and not whole
