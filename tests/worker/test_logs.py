"""Logs: named at the first byte, one per attempt, nothing where nothing was said."""

from __future__ import annotations

import gc
import io
import sys
import threading
import weakref
from pathlib import Path

import pytest

from ramify.worker import logs
from ramify.worker.logs import captured, claim, sweep


def test_threads_have_their_own_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a thread that another test abandoned may still be captured
    monkeypatch.setattr(logs, "_routes", 0)
    both = threading.Barrier(2)

    def speak(name: str) -> None:
        with captured(str(tmp_path / "logs" / name)):
            print(name, "one")
            both.wait()
            print(name, "two", file=sys.stderr)

    threads = [threading.Thread(target=speak, args=(name,)) for name in ("a", "b")]
    before = sys.stdout, sys.stderr
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "logs" / "a").read_text() == "a one\na two\n"
    assert (tmp_path / "logs" / "b").read_text() == "b one\nb two\n"
    assert (sys.stdout, sys.stderr) == before


def test_outside_of_a_capture_the_old_stream_is_used(tmp_path: Path, capsys: object) -> None:
    with captured(str(tmp_path / "a")):
        threading.Thread(target=print, args=("elsewhere",)).run()  # the same context: captured
        stranger = threading.Thread(target=print, args=("stranger",))
        stranger.start()
        stranger.join()
    assert (tmp_path / "a").read_text() == "elsewhere\n"
    assert capsys.readouterr().out == "stranger\n"  # type: ignore[attr-defined]  # pytest's fixture


def test_silence_makes_no_file(tmp_path: Path) -> None:
    with captured(str(tmp_path / "logs" / "a")):
        print("", end="")
    assert not (tmp_path / "logs").exists()


def test_spares_of_a_killed_run(tmp_path: Path) -> None:
    (tmp_path / ".slot-1").write_text("")
    (tmp_path / ".slot-2").write_text("unheard")
    (tmp_path / "a.log").write_text("kept")
    sweep(str(tmp_path))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "@unclaimed-2.log": "unheard",
        "a.log": "kept",
    }


def test_claiming_makes_the_folders(tmp_path: Path) -> None:
    (tmp_path / "spare").write_text("x")
    assert claim(str(tmp_path / "spare"), str(tmp_path / "g" / "h" / "a.log"))
    assert (tmp_path / "g" / "h" / "a.log").read_text() == "x"
    assert not claim(str(tmp_path / "spare"), str(tmp_path / "b.log"))


@pytest.mark.slow
def test_a_stream_that_another_thread_may_be_printing_to_is_not_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "_routes", 0)
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    seen = []
    for _ in range(3):
        with logs.echoing():
            seen.append(weakref.ref(sys.stdout))
    gc.collect()
    assert seen[0]() is not None and len({id(one()) for one in seen}) == 1
    assert sys.stdout is mine
    for _ in range(20):  # of many streams only the last few are kept
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        with logs.echoing():
            pass
    gc.collect()
    assert seen[0]() is None
