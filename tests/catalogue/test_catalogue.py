"""The list of runs: what is written, found, left out, and made anew."""

from __future__ import annotations

import os
import sqlite3
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from ramify.catalogue import open_catalogue
from ramify.catalogue.filters import Filter
from ramify.catalogue.identity import run_uuid
from ramify.catalogue.sqlite import SqliteCatalogue
from ramify.errors import RamifyWarning, StorageError, UnknownRunError


def registered(home: Path, *names: str) -> SqliteCatalogue:
    catalogue = open_catalogue(str(home / ".ramify"))
    for number, name in enumerate(names):
        folder = home / "exp" / name
        folder.mkdir(parents=True)
        catalogue.began(
            name, str(folder), {"started": number + 1.0, "command": ["ramify", "run", f"{name}.py"]}
        )
    return catalogue


def test_reading_makes_nothing(tmp_path: Path) -> None:
    assert open_catalogue(str(tmp_path / ".ramify")).runs() == []
    assert open_catalogue(str(tmp_path / ".ramify")).names() == set()
    assert os.listdir(tmp_path) == []


def test_runs_are_listed_newest_first_with_their_ends(tmp_path: Path) -> None:
    catalogue = registered(tmp_path, "one", "two", "three")
    catalogue.ended("two", {"status": "FAILED"})
    runs = open_catalogue(str(tmp_path / ".ramify")).runs()
    assert [(r["name"], r["end"]) for r in runs] == [
        ("three", None),
        ("two", {"status": "FAILED"}),
        ("one", None),
    ]
    assert runs[0]["facts"]["started"] == 3.0


def test_the_end_is_found_by_name_by_another_object(tmp_path: Path) -> None:
    """The driver opens it anew at the end; of two runs of a name, the one that is not over is meant."""
    catalogue = registered(tmp_path, "one")
    catalogue.ended("one", {"status": "FAILED"})
    again = tmp_path / "other" / "one"
    again.mkdir(parents=True)
    catalogue.began("one", str(again), {"started": 5.0})
    open_catalogue(str(tmp_path / ".ramify")).ended("one", {"status": "COMPLETED"})
    assert [r["end"]["status"] for r in catalogue.runs()] == ["COMPLETED", "FAILED"]


def test_a_run_that_goes_on_keeps_what_was_known_of_it(tmp_path: Path) -> None:
    catalogue = open_catalogue(str(tmp_path / ".ramify"))
    folder = str(tmp_path / "one")
    os.mkdir(folder)
    identity = "6dfd4195-f8b6-4423-a9c0-196e6a516ab2"
    facts = {"id": identity, "label": "Sales", "namespace": "ops", "started": 5.0, "pid": 1}
    catalogue.began("one", folder, facts)
    catalogue.ended("one", {"status": "FAILED"})
    catalogue.began("one", folder, {"resumed": 9.0, "pid": 2})
    (run,) = catalogue.runs()
    assert (run["id"], run["label"], run["end"]) == (identity, "Sales", None)
    assert run["facts"] == {**facts, "resumed": 9.0, "pid": 2}
    entries, _ = catalogue.page(Filter(search="sales", namespace="ops"), lambda _: "RUNNING", 1, 10)
    assert [entry["name"] for entry in entries] == ["one"]


def test_limit_and_search(tmp_path: Path) -> None:
    catalogue = registered(tmp_path, "calm-otter", "bold-fox", "calm-crab")
    catalogue.ended("bold-fox", {"status": "FAILED"})
    assert [r["name"] for r in catalogue.runs(limit=1)] == ["calm-crab"]
    assert [r["name"] for r in catalogue.runs(search="CALM")] == ["calm-crab", "calm-otter"]
    assert [r["name"] for r in catalogue.runs(search="fox.py")] == ["bold-fox"]
    assert [r["name"] for r in catalogue.runs(search="failed")] == ["bold-fox"]
    assert [r["name"] for r in catalogue.runs(search="calm", limit=1)] == ["calm-crab"]
    assert catalogue.runs(search="100%") == []


def test_runs_whose_folder_is_gone_are_left_out_and_counted(tmp_path: Path) -> None:
    catalogue = registered(tmp_path, "one", "two")
    os.rmdir(tmp_path / "exp" / "two")
    assert [r["name"] for r in catalogue.runs()] == ["one"]
    assert catalogue.gone == 1


@pytest.mark.parametrize(
    ("text", "name"),
    [("latest", "bold-otter"), ("calm-fox", "calm-fox"), ("bold", "bold-otter"), ("ox", "calm-fox")],
)
def test_find(tmp_path: Path, text: str, name: str) -> None:
    assert registered(tmp_path, "calm-fox", "calm-foal", "bold-otter").find(text).endswith(f"/{name}")


def test_an_exact_name_wins_over_longer_ones(tmp_path: Path) -> None:
    assert registered(tmp_path, "a", "a-b").find("a").endswith("/a")


def test_what_fits_several_or_none_is_refused(tmp_path: Path) -> None:
    catalogue = registered(tmp_path, "calm-fox", "calm-foal")
    with pytest.raises(UnknownRunError, match="fits 2 runs: calm-foal, calm-fox") as several:
        catalogue.find("calm")
    assert several.value.fits == ["calm-foal", "calm-fox"]  # type: ignore[attr-defined]  # a fact
    with pytest.raises(UnknownRunError, match="ramify ls"):
        catalogue.find("otter")
    with pytest.raises(UnknownRunError, match="no runs here yet"):
        open_catalogue(str(tmp_path / "elsewhere")).find("latest")


def test_a_failure_to_write_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    catalogue = open_catalogue(str(tmp_path / "file" / ".ramify"))
    with pytest.warns(RamifyWarning, match="is not in the list"):
        catalogue.began("one", str(tmp_path), {})
    with pytest.warns(RamifyWarning, match="is not in the list"):
        catalogue.ended("one", {"status": "COMPLETED"})


def test_a_damaged_file_is_said_and_can_be_made_anew(tmp_path: Path) -> None:
    catalogue = registered(tmp_path, "one")
    Path(catalogue.path).write_bytes(b"no database, but long enough to be read as one" * 50)
    with pytest.raises(StorageError, match="--rebuild"):
        catalogue.runs()
    with pytest.warns(RamifyWarning):
        catalogue.began("two", str(tmp_path), {})
    folder = str(tmp_path / "exp" / "one")
    assert catalogue.rebuild([("one", folder, {"started": 1.0}, {"status": "COMPLETED"})]) == 1
    assert [(r["name"], r["end"]["status"]) for r in catalogue.runs()] == [("one", "COMPLETED")]


def test_facts_that_json_does_not_have_are_kept_as_text(tmp_path: Path) -> None:
    catalogue = registered(tmp_path)
    catalogue.began("one", str(tmp_path), {"started": 1.0, "executor": object})
    assert "object" in catalogue.runs()[0]["facts"]["executor"]


@pytest.mark.slow
def test_several_processes_write_at_once(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    context = get_context("spawn")
    writers = [context.Process(target=register_own, args=(str(tmp_path), n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert [w.exitcode for w in writers] == [0, 0, 0]
    assert len(open_catalogue(str(tmp_path)).names()) == 30


def register_own(home: str, number: int) -> None:
    import warnings

    warnings.simplefilter("error", RamifyWarning)
    catalogue = open_catalogue(home)
    for one in range(10):
        folder = os.path.join(home, "runs", f"{number}-{one}")
        os.mkdir(folder)
        catalogue.began(f"{number}-{one}", folder, {"started": time.time()})


# ---- pages, filters, and lists of earlier versions


def test_a_page_counts_what_fits_and_is_there(tmp_path: Path) -> None:
    catalogue = registered(tmp_path, "one", "two", "three", "gone")
    os.rmdir(tmp_path / "exp" / "gone")
    catalogue.ended("two", {"status": "FAILED", "ended": 9.0, "counts": {"failed": 1, "succeeded": 2}})
    asked: list[str] = []

    def status_of(folder: str) -> str:
        asked.append(os.path.basename(folder))
        return "LOST"

    found, total = catalogue.page(Filter(), status_of, page=2, per_page=2)
    assert ([run["name"] for run in found], total, catalogue.gone) == (["one"], 3, 1)
    found, total = catalogue.page(Filter(status="FAILED"), status_of)
    assert ([run["name"] for run in found], total) == (["two"], 1)
    assert set(asked) == {"one", "three"}  # of the other one the end is known


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Filter(search="ÄPFEL"), ["b"]),
        (Filter(search="50%_"), ["c"]),
        (Filter(search="x' OR 1=1 --"), []),
        (Filter(namespace="team"), ["a"]),
        (Filter(created_by="eve"), ["b"]),
        (Filter(since=2.0, until=2.0), ["b"]),
        (Filter(text="flow.py"), ["c"]),
    ],
)
def test_filters_are_values_and_never_sql(tmp_path: Path, wanted: Filter, names: list[str]) -> None:
    catalogue = open_catalogue(str(tmp_path / ".ramify"))
    told: dict[str, dict[str, object]] = {
        "a": {"namespace": "team"},
        "b": {"label": "äpfel und birnen", "created_by": "eve"},
        "c": {"label": "50%_off", "command": ["ramify", "run", "flow.py"]},
    }
    for number, (name, facts) in enumerate(told.items(), 1):
        (tmp_path / name).mkdir()
        catalogue.began(name, str(tmp_path / name), {"started": float(number), **facts})
    assert [run["name"] for run in catalogue.page(wanted, lambda _: "LOST")[0]] == names


def test_a_list_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / ".ramify" / "@catalogue"
    path.parent.mkdir()
    (tmp_path / "run").mkdir()
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE runs(folder TEXT PRIMARY KEY, name TEXT NOT NULL, started REAL NOT NULL, "
            "facts TEXT NOT NULL, ended TEXT) WITHOUT ROWID"
        )
        facts, end = '{"started": 3.0, "command": ["x"]}', '{"status": "FAILED", "counts": {"failed": 2}}'
        db.execute("INSERT INTO runs VALUES (?, 'old', 3.0, ?, ?)", (str(tmp_path / "run"), facts, end))
        db.execute("PRAGMA user_version=1")
    db.close()
    (run,) = open_catalogue(str(tmp_path / ".ramify")).runs()
    assert (run["name"], run["label"], run["kind"], run["status"]) == ("old", "old", "plan", "FAILED")
    assert run["id"] == str(run_uuid({"name": "old", "started": 3.0}))


def test_a_list_of_a_later_version_is_refused(tmp_path: Path) -> None:
    catalogue = registered(tmp_path, "one")
    with sqlite3.connect(catalogue.path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StorageError, match="version 99"):
        catalogue.runs()
    with pytest.warns(RamifyWarning, match="version 99"):
        catalogue.ended("one", {"status": "FAILED"})
