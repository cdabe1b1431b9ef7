"""`status`, `logs`, `ls` and `show` on runs written by hand: nothing here starts a driver."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_calls import Call, register
from written_runs import FAILURE, T0, write_run

from ramify.files.lock import FolderLock
from ramify.values import serialize


@pytest.fixture
def failed(project: Path) -> str:
    folder = write_run(
        project / "exp",
        fails={"g/2": FAILURE},
        logs={"g/1": "fine\n", "g/2": "about to fail\n"},
        end="FAILED",
    )
    register(folder)
    return folder


# ---- which run


@pytest.mark.parametrize(
    "word", [None, "latest", "calm-otter", "otter", "exp", "exp/run", "exp/run/calm-otter"]
)
def test_a_run_is_found_by_name_part_and_folder(call: Call, failed: str, word: str | None) -> None:
    said = call("status", *([word] if word else []), "--json")
    assert (said.code, said.document["name"], said.document["folder"]) == (0, "calm-otter", failed)


def test_the_newest_run_of_a_folder_is_meant(call: Call, project: Path) -> None:
    first = write_run(project / "exp", name="one")
    second = write_run(project / "exp", name="two")
    os.utime(os.path.join(first, "journal.jsonl"), (T0, T0))
    os.utime(os.path.join(second, "journal.jsonl"), (T0 + 5, T0 + 5))
    assert call("status", "exp", "--json").document["name"] == "two"


@pytest.mark.parametrize("verb", ["status", "logs", "show"])
def test_an_unknown_run_is_usage(call: Call, failed: str, verb: str) -> None:
    said = call(verb, "nope")
    assert said.code == 2 and said.out == ""
    assert said.err.startswith("ramify: no run 'nope' here: `ramify ls` lists them")
    (error,) = call(verb, "nope", "--json").document.values()
    assert (error["type"], error["exit_code"]) == ("UnknownRunError", 2)


def test_no_runs_at_all(call: Call) -> None:
    assert "no runs here yet" in call("status").err
    assert call("ls").out.startswith("no runs yet")
    assert call("ls", "--json").document["runs"] == []
    assert not os.path.exists(".ramify")


def test_a_run_whose_journal_is_gone_says_so(call: Call, failed: str) -> None:
    (Path(failed) / "journal.jsonl").unlink()
    said = call("logs", "calm-otter")
    assert said.code == 2 and "it has no journal.jsonl" in said.err


def test_a_part_of_a_name_that_several_runs_have(call: Call, failed: str, project: Path) -> None:
    register(write_run(project / "other", name="calm-crab"))
    said = call("show", "calm")
    assert said.code == 2 and "fits 2 runs: calm-" in said.err


def test_a_folder_without_a_run_says_so(call: Call, project: Path) -> None:
    (project / "empty").mkdir()
    assert "no run in empty" in call("status", "empty").err


# ---- status


def test_status_document(call: Call, failed: str) -> None:
    told = call("status", "--json", "--jobs").document
    assert told["status"] == "FAILED" and told["seconds"] == 2.0
    some = {"total": 3, "done": 1, "failed": 1, "blocked": 1}
    assert told["counts"] == some | dict.fromkeys(("reused", "running", "waiting", "cancelled"), 0)
    assert told["groups"]["g"]["total"] == 2
    assert [job["job_id"] for job in told["failed"]] == ["g/2"]
    assert [(j["job_id"], j["state"], j["blocked_by"]) for j in told["jobs"]] == [
        ("g/1", "succeeded", None),
        ("g/2", "failed", None),
        ("last", "blocked", "g/2"),
    ]


def test_status_for_people(call: Call, failed: str) -> None:
    out = call("status").out
    assert "calm-otter  FAILED  1/3 jobs done, 1 failed, 1 blocked" in out
    assert ["g", "1/2", "50%", "1", "failed"] in [line.split() for line in out.splitlines()]
    assert "✗  g/2  ValueError: no such column\\x1b[2J" in out
    assert "rest  ramify resume calm-otter" in out
    assert "ramify status calm-otter --failed" in out
    assert "\x1b" not in out


def test_failed_shows_the_block(call: Call, failed: str) -> None:
    out = call("status", "--failed").out
    assert "✗ g/2 failed" in out and "about to fail" in out and "ramify logs calm-otter g/2" in out


def test_a_run_that_is_under_way_is_seen_from_outside(call: Call, project: Path) -> None:
    folder = write_run(project / "exp", running=["g/2"], end=None)
    with FolderLock(os.path.dirname(folder), run="calm-otter"):
        told = call("status", "exp", "--json").document
        out = call("status", "exp").out
    assert told["status"] == "RUNNING" and told["counts"]["running"] == 1 and told["counts"]["waiting"] == 1
    assert "running now" in out and "g/2  for" in out


def test_a_lost_run_says_how_to_go_on(call: Call, project: Path) -> None:
    write_run(project / "exp", running=["g/2"], end=None)
    out = call("status", "exp").out
    assert "LOST" in out and "ended without a word" in out
    assert "ramify resume exp/run/calm-otter" in out


def test_a_damaged_journal_is_infrastructure(call: Call, failed: str) -> None:
    path = Path(failed) / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'["graph"', b'["graph'))
    said = call("status")
    assert said.code == 4 and "is damaged" in said.err and "Traceback" not in said.err
    assert "Traceback" in call("status", "-v").err


# ---- logs


def test_logs_without_a_job_begin_with_what_failed(call: Call, failed: str) -> None:
    assert call("logs").out == ("==> g/2 (failed) <==\nabout to fail\n==> g/1 (succeeded) <==\nfine\n")


@pytest.mark.parametrize("words", [["latest", "g/1"], ["g/1"], ["calm-otter", "/1"], ["exp", "g/1"]])
def test_logs_of_one_job_are_plain(call: Call, failed: str, words: list[str]) -> None:
    assert call("logs", *words).out == "fine\n"


def test_logs_by_group_and_pattern(call: Call, failed: str) -> None:
    assert call("logs", "latest", "g").out == call("logs", "latest", "g/*").out
    assert call("logs", "latest", "g/2", "g/1").out.startswith("==> g/2")
    said = call("logs", "latest", "h*")
    assert said.code == 2 and "no job of calm-otter fits 'h*'" in said.err


def test_logs_as_json(call: Call, failed: str) -> None:
    told = call("logs", "latest", "g/2", "--json").document
    assert told["logs"][0]["text"] == "about to fail\n" and told["logs"][0]["attempt"] == 1


def test_a_silent_job_and_a_missing_attempt_are_said(call: Call, project: Path) -> None:
    write_run(project / "exp")
    assert "g/1 printed nothing (it is succeeded)" in call("logs", "exp", "g/1").err
    said = call("logs", "exp", "g/1", "--attempt", "3")
    assert said.code == 2 and "g/1 had 1 attempts, not 3" in said.err


def test_follow_prints_everything_and_ends_with_the_run(call: Call, failed: str) -> None:
    assert call("logs", "latest", "g/1", "-f").out == "fine\n"
    assert sorted(call("logs", "latest", "-f").out.splitlines()) == ["g/1 | fine", "g/2 | about to fail"]
    assert call("logs", "-f", "--json").code == 2


def test_attempts_are_told_apart_by_their_names(failed: str) -> None:
    from ramify.cli.logs import Follower
    from ramify.run.view import RunView

    follower = Follower(RunView(failed), ["g/1", "a.2"], None)
    assert follower._job_of("g/1.log") == "g/1"
    assert follower._job_of("g/1.try3.log") == "g/1"
    assert follower._job_of("a.2.log") == "a.2"
    assert follower._job_of("a.2.try2.log") == "a.2"
    assert follower._job_of("g/10.log") is None
    assert Follower(RunView(failed), ["g/1"], 3)._job_of("g/1.log") is None


# ---- ls


def test_ls_lists_what_was_registered(call: Call, failed: str, project: Path) -> None:
    register(write_run(project / "other", name="bold-fox", started=T0 + 100))
    register(write_run(project / "third", name="shy-crab", started=T0 + 50, running=["g/1"], end=None))
    told = call("ls", "--json").document["runs"]
    assert [(r["name"], r["status"], r["done"], r["jobs"], r["failed"]) for r in told] == [
        ("bold-fox", "COMPLETED", 3, 3, 0),
        ("shy-crab", "LOST", 1, 3, 0),
        ("calm-otter", "FAILED", 1, 2, 1),
    ]
    out = call("ls").out.splitlines()
    assert out[1].split()[:3] == ["bold-fox", "COMPLETED", "3/3"] and out[1].endswith("other")
    assert [r["name"] for r in call("ls", "-n", "1", "--json").document["runs"]] == ["bold-fox"]
    assert [r["name"] for r in call("ls", "--search", "otter", "--json").document["runs"]] == ["calm-otter"]


def test_ls_says_what_it_leaves_out(call: Call, failed: str) -> None:
    import shutil

    shutil.rmtree(failed)
    said = call("ls")
    assert "1 run is left out: its folder is gone" in said.err
    assert call("ls", "--json").document["gone"] == 1


def test_the_list_is_made_anew_from_journals(call: Call, failed: str, project: Path) -> None:
    write_run(project / ".ramify" / "@runs" / "own", name="own")
    write_run(project / "elsewhere", name="far")
    (project / ".ramify" / "@catalogue").write_bytes(b"broken" * 100)
    said = call("ls")
    assert said.code == 4 and "--rebuild" in said.err
    told = call("ls", "--rebuild", "exp", "elsewhere", "--json").document["runs"]
    assert {r["name"] for r in told} == {"own", "far", "calm-otter"}
    assert call("ls", "exp").code == 2


# ---- show


@pytest.fixture
def outputs(project: Path) -> Path:
    register(write_run(project / "exp", fails={"g/2": FAILURE}, end="FAILED"))
    serialize({"1": {"deep": [1, 2]}}, project / "exp" / "outputs" / "g")
    serialize("text\n<svg/>\n", project / "exp" / "outputs" / "other")
    return project / "exp" / "outputs"


def test_show_everything(call: Call, outputs: Path) -> None:
    out = call("show").out
    assert out.startswith("calm-otter  dict of 2") and "'deep': [1, 2]" in out


def test_show_by_key_below_a_job_and_as_json(call: Call, outputs: Path) -> None:
    assert call("show", "latest", "other").out.endswith("text\n<svg/>\n")
    told = call("show", "latest", "other", "--json").document
    assert (told["key"], told["value"], told["encoding"]) == ("other", "text\n<svg/>\n", "json")


def test_show_raw(call: Call, outputs: Path) -> None:
    assert call("show", "latest", "other", "--raw").out == "text\n<svg/>\n"
    assert call("show", "latest", "g", "--raw").code == 2


def test_show_says_why_there_is_no_output(call: Call, outputs: Path) -> None:
    said = call("show", "latest", "g/2")
    assert said.code == 2
    assert "g/2 has no output: it failed: ramify logs calm-otter g/2" in said.err
    assert "g/2 failed, and it needs that" in call("show", "latest", "last").err
    assert "no job 'zz'" in call("show", "latest", "zz").err
    assert call("show", "latest", "../../secret").code == 2
    assert call("show", "latest", "a", "b").code == 2


def test_json_is_one_document_even_for_errors(call: Call, outputs: Path) -> None:
    for words in (["show", "latest", "zz"], ["status", "nope"], ["logs", "--nope"]):
        json.loads(call(*words, "--json").out)


# ---- runs in a bad state


@pytest.mark.parametrize(
    "lines",
    [
        '["rows","s",[0],[1.0],[null]]',
        "[]",
        '["run",5]',
        '["graph",["a"],[[7]],"00"]',
        '["rows","s"]',
        '["new kind"]',
    ],
)
def test_a_journal_that_makes_no_sense_is_an_error_that_says_where(
    call: Call, project: Path, lines: str
) -> None:
    folder = project / "exp" / "run" / "r"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text(f'["ramify-journal",1]\n{lines}\n')
    said = call("status", "exp")
    assert said.code == 4
    assert f"line 2 of {folder}/journal.jsonl" in said.err
    assert "Traceback" not in said.err


def test_what_a_lost_driver_had_running_is_not_called_running(call: Call, project: Path) -> None:
    register(write_run(project / "exp", running=["g/2"], end=None))
    assert "1 lost" in call("status").out
    assert "was running when its driver ended" in call("logs", "latest", "g/2").err
    assert "was running when its driver ended" in call("show", "latest", "g/2").err
