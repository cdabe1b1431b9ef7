"""The folder store: the layout on disk, group records, damage, and what a crash leaves."""

import json
import os
import signal
import subprocess
import sys

import pytest

from ramify.errors import StorageError
from ramify.stores.folder import FolderStore
from ramify.values import LazyDict, deserialize, serialize


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "outputs")


def add(store, job_id, value, attempt=None):
    attempt = attempt or f"2026-11-20-calm-otter.{job_id.replace('/', '-')}.1"
    record = store.put(attempt, value, job_id)
    store.adopt(job_id, attempt, record)
    return job_id, record["checksum"]["digest"]


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_layout(store, tmp_path):
    done = [add(store, "scores/m1/train", 1), add(store, "scores/m1/test", {"a": 2}), add(store, "x", b"x")]
    store.sweep()
    store.finish_folders(done)
    assert tree(tmp_path) == [
        "outputs",
        "outputs.ramify",
        "outputs/scores",
        "outputs/scores.ramify",
        "outputs/scores/m1",
        "outputs/scores/m1.ramify",
        "outputs/scores/m1/test",
        "outputs/scores/m1/test.ramify",
        "outputs/scores/m1/test/a.json",
        "outputs/scores/m1/test/a.ramify",
        "outputs/scores/m1/train.json",
        "outputs/scores/m1/train.ramify",
        "outputs/x.json",
        "outputs/x.ramify",
    ]
    assert deserialize(tmp_path / "outputs") == {"scores": {"m1": {"train": 1, "test": {"a": 2}}}, "x": b"x"}


def test_a_part_and_its_record(store, tmp_path):
    store.put("run.1.1", 5, "a", leave_record=True)
    parts = tmp_path / "outputs" / ".parts"
    assert tree(parts) == ["run.1.1.json", "run.1.1.ramify"]
    assert json.loads((parts / "run.1.1.ramify").read_text())["job_id"] == "a"
    assert store.listing() == {} and deserialize(tmp_path / "outputs") == {}


def test_the_root_digest_is_that_of_the_equal_dict(store, tmp_path):
    value = {"g": {"b": 1, "a": {"k": (1,)}, 10: 2}, "z": 5, "empty": {}}
    done = [
        add(store, "g/b", 1),
        add(store, "g/a", {"k": (1,)}),
        add(store, "g/10", 2),
        add(store, "z", 5),
    ]
    digest = store.finish_folders(done, empty=["empty"])
    assert digest == serialize(value, tmp_path / "v").digest
    assert deserialize(tmp_path / "outputs") == value
    assert list(deserialize(tmp_path / "outputs")["g"]) == ["b", "a", 10]
    assert LazyDict(tmp_path / "outputs", digest) == value


def test_one_group_can_be_finished_before_the_rest(store, tmp_path):
    done = [add(store, "g/sub/b", 1), add(store, "g/a", 2)]
    add(store, "other", 3)
    digest = store.finish_folders(done, under="g")
    assert digest == serialize({"sub": {"b": 1}, "a": 2}, tmp_path / "v").digest
    assert not (tmp_path / "outputs.ramify").exists()
    assert list(deserialize(tmp_path / "outputs" / "g")) == ["sub", "a"]
    with pytest.raises(ValueError, match="not below"):
        store.finish_folders([("h/x", "0")], under="g")


def test_what_is_not_named_is_no_member(store, tmp_path):
    kept = add(store, "g/1", "kept")
    add(store, "g/2", "gone from the graph")
    store.finish_folders([kept])
    assert deserialize(tmp_path / "outputs") == {"g": {1: "kept"}}
    assert store.get("g/2") == "gone from the graph"


def test_group_records_go_when_a_member_changes(store, tmp_path):
    done = [add(store, "g/a", 1), add(store, "g/b", 2)]
    store.finish_folders(done)
    add(store, "g/c", 3, "run.3.1")
    assert not (tmp_path / "outputs" / "g.ramify").exists()
    assert not (tmp_path / "outputs.ramify").exists()
    assert deserialize(tmp_path / "outputs") == {"g": {"a": 1, "b": 2, "c": 3}}
    store.finish_folders(done)
    FolderStore(store.outputs).remove("g/a")
    assert not (tmp_path / "outputs" / "g.ramify").exists()
    assert deserialize(tmp_path / "outputs") == {"g": {"b": 2, "c": 3}}


def test_a_job_becomes_a_group_and_a_group_a_job(store, tmp_path):
    add(store, "a", 1)
    store.finish_folders([add(store, "a/x", 2, "run.2.1")])
    assert deserialize(tmp_path / "outputs") == {"a": {"x": 2}}
    assert not (tmp_path / "outputs" / "a.json").exists()
    again = FolderStore(store.outputs)
    again.finish_folders([add(again, "a", 3, "run.3.1")])
    assert deserialize(tmp_path / "outputs") == {"a": 3}
    again.finish_folders([add(again, "a", {"y": 4}, "run.4.1")])
    assert deserialize(tmp_path / "outputs") == {"a": {"y": 4}}
    assert tree(tmp_path / "outputs" / "a") == ["y.json", "y.ramify"]


@pytest.mark.parametrize("damage", ["truncate", "empty", "no payload", "no sidecar"])
@pytest.mark.parametrize("value", [5, {"a": 1}])
def test_half_an_output_is_none(store, tmp_path, damage, value):
    add(store, "a", value)
    path, payload = (
        tmp_path / "outputs" / "a.ramify",
        tmp_path / "outputs" / ("a.json" if value == 5 else "a"),
    )
    if damage == "truncate":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "no sidecar":
        path.unlink()
    else:
        payload.rename(tmp_path / "away")
    assert store.holds("a") is None
    assert ("a" in store.listing()) == (damage == "truncate")
    if damage != "no sidecar":
        assert "a" not in store.listing(verify=True)
    add(store, "a", (1, 2), "run.9.1")
    assert store.get("a") == (1, 2)
    assert "a" in store.listing(verify=True)


def test_verify_finds_changed_bytes(store, tmp_path):
    add(store, "a", 1)
    add(store, "b", {"x": {"y": 1}})
    add(store, "c", 3)
    (tmp_path / "outputs" / "a.json").write_text("2")
    (tmp_path / "outputs" / "b" / "x" / "y.json").write_text("2")
    assert {job for job in store.listing(verify=True) if job in "abc"} == {"c"}
    assert {job for job in store.listing() if job in "abc"} == set("abc")


def test_remove_without_sidecars(store, tmp_path):
    add(store, "a", 1)
    add(store, "b", {"x": 1})
    for path in (tmp_path / "outputs").rglob("*.ramify"):
        path.unlink()
    assert store.remove("a") and store.remove("b")
    assert tree(tmp_path / "outputs") == [".parts"]


def test_remove_all_leaves_nothing(store, tmp_path):
    store.finish_folders([add(store, "g/a", 1)])
    (tmp_path / "plan").mkdir()
    store.remove_all()
    assert tree(tmp_path) == ["plan"]
    add(store, "g/a", 2)
    assert store.get("g/a") == 2


def test_references_are_relative_to_their_last_place(store, tmp_path):
    serialize({"k": 1}, tmp_path / "data" / "d")
    lazy = deserialize(tmp_path / "data" / "d")
    add(store, "g/m/direct", lazy)
    add(store, "g/m/inside", {"deep": {"x": lazy}})
    os.rename(tmp_path, str(tmp_path) + "-moved")
    moved = FolderStore(str(tmp_path) + "-moved/outputs")
    assert moved.get("g/m/direct") == {"k": 1}
    assert moved.get("g/m/inside") == {"deep": {"x": {"k": 1}}}
    os.rename(str(tmp_path) + "-moved", tmp_path)


def test_a_crash_at_any_call_of_adopt_is_mended_by_adopting_again(tmp_path, monkeypatch):
    class Crash(BaseException):
        pass

    for value in (5, {"b": 2}):
        for step in ("open", "rename", "unlink"):
            real = getattr(os, step)
            for at in range(1, 8):
                store = FolderStore(tmp_path / f"{type(value).__name__}-{step}-{at}")
                add(store, "g/a", {"old": 1}, "run.1.1")
                record = store.put("run.1.2", value, "g/a", leave_record=True)
                calls = [0]

                def crash(*args, calls=calls, at=at, real=real, **kwargs):
                    calls[0] += 1
                    if calls[0] == at:
                        raise Crash
                    return real(*args, **kwargs)

                monkeypatch.setattr(os, step, crash)
                try:
                    store.adopt("g/a", "run.1.2", record)
                except Crash:
                    pass
                monkeypatch.setattr(os, step, real)
                later = FolderStore(store.outputs)
                if later.holds("g/a") is not None:
                    assert later.get("g/a") in ({"old": 1}, value)
                for attempt, left in later.parts():
                    later.adopt(left["job_id"], attempt, left)
                assert later.get("g/a") == value
                assert later.parts() == []


def test_a_part_that_was_not_finished_is_no_part(store, tmp_path):
    store.put("run.1.1", 5, "a", leave_record=True)
    parts = tmp_path / "outputs" / ".parts"
    (parts / "run.2.1.ramify").write_bytes((parts / "run.1.1.ramify").read_bytes()[:20])
    (parts / ".run.3.1.ramify.5-1").write_text("{}")
    assert [attempt for attempt, _ in store.parts()] == ["run.1.1"]


def test_a_record_whose_part_is_gone_is_refused(store, tmp_path):
    record = store.put("run.1.1", 5, "a", leave_record=True)
    (tmp_path / "outputs" / ".parts" / "run.1.1.json").unlink()
    with pytest.raises(StorageError):
        store.adopt("a", "run.1.1", record)
    assert store.holds("a") is None and "a" not in store.listing()


WRITER = """
import sys
from ramify.stores.folder import FolderStore
store = FolderStore(sys.argv[1])
print("ready", flush=True)
for n in range(1, 100000):
    value = {"n": n, "twice": (n, n)} if n % 2 else [n, n]
    record = store.put(f"run.1.{n}", value, "g/a", leave_record=True)
    store.adopt("g/a", f"run.1.{n}", record)
    if n == 20:
        print("going", flush=True)
"""


@pytest.mark.parametrize("delay", range(4))
def test_a_killed_driver_leaves_an_output_whole_or_absent(tmp_path, delay):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "o")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    if delay:
        assert process.stdout.readline() == "going\n"
    for _ in range(delay * 1000):
        os.path.exists(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    store = FolderStore(tmp_path / "o")
    if store.holds("g/a"):
        check(store.get("g/a"))
    for attempt, record in store.parts():
        store.adopt(record["job_id"], attempt, record)
        check(store.get("g/a"))
    store.sweep()
    add(store, "g/a", "after")
    assert store.get("g/a") == "after"


def check(value):
    if isinstance(value, list):
        assert value[0] == value[1]
    else:
        assert value["twice"] == (value["n"],) * 2
