"""The suite that every store passes, a third party's too.

Make a class from `StoreContract` in a test module, with a fixture `store` that gives a fresh store:

    class TestMine(StoreContract):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)
"""

from __future__ import annotations

from typing import Any

import pytest

from ramify.errors import RamifyDeserializationError, StorageError


class StoreContract:
    """What is asked of a store: complete or absent, adopted once, late parts replace nothing."""

    def test_an_output_is_absent_until_it_is_adopted(self, store: Any) -> None:
        record = store.put("run.1.1", 5)
        assert store.holds("a") is None
        store.adopt("a", "run.1.1", record)
        assert store.holds("a") == record
        assert store.get("a") == 5

    def test_the_record_says_what_is_stored(self, store: Any) -> None:
        record = store.put("run.1.1", [1, 2])
        assert record["version"] == 1
        assert isinstance(record["encoding"], str)
        assert isinstance(record["suffix"], str)
        assert isinstance(record["checksum"]["digest"], str)

    def test_nested_ids_and_ids_with_quotes(self, store: Any) -> None:
        ids = ["scores/m1/train", "scores/m1/test", 'scores/"7"/7', '"a.csv"', "2026-01-02", "0.5"]
        for number, job_id in enumerate(ids):
            store.adopt(job_id, f"run.{number}.1", store.put(f"run.{number}.1", number))
        assert [store.get(job_id) for job_id in ids] == list(range(len(ids)))
        assert set(ids) <= set(store.listing())

    def test_a_new_output_replaces_the_old_one_of_another_kind(self, store: Any) -> None:
        for number, value in enumerate([1, {"a": 1}, (1, 2), {"b": {"c": 2}}, b"bytes", 2]):
            store.adopt("x/y", f"run.{number}.1", store.put(f"run.{number}.1", value))
            assert store.get("x/y") == value

    def test_to_adopt_again_changes_nothing(self, store: Any) -> None:
        record = store.put("run.1.1", {"a": 1})
        store.adopt("a", "run.1.1", record)
        store.adopt("a", "run.1.1", record)
        assert store.get("a") == {"a": 1}

    def test_to_adopt_a_part_that_is_not_there_is_an_error_and_keeps_the_old_output(self, store: Any) -> None:
        record = store.put("run.1.1", 1)
        with pytest.raises(StorageError):
            store.adopt("a", "run.9.9", record)
        assert store.holds("a") is None
        store.adopt("a", "run.1.1", record)
        other = {**record, "checksum": {"algorithm": "sha256", "digest": "0" * 64}}
        with pytest.raises(StorageError):
            store.adopt("a", "run.9.9", other)
        assert store.get("a") == 1

    def test_a_late_attempt_replaces_nothing(self, store: Any) -> None:
        late = store.put("run.1.1", "late")
        store.adopt("a", "run.1.2", store.put("run.1.2", "good"))
        store.discard("run.1.1")
        assert store.get("a") == "good"
        with pytest.raises(StorageError):
            store.adopt("a", "run.1.1", late)
        assert store.get("a") == "good"

    def test_a_discarded_part_takes_no_other_with_it(self, store: Any) -> None:
        for attempt in ("run.1.1", "run.1.10", "run.1"):
            store.put(attempt, attempt)
        store.discard("run.1.1")
        store.discard("run.7.7")
        for job_id, attempt in (("a", "run.1.10"), ("b", "run.1")):
            store.adopt(job_id, attempt, store.put(attempt, attempt))
            assert store.get(job_id) == attempt

    def test_parts_left_with_a_record_are_found_and_adopted_later(self, store: Any) -> None:
        store.put("run.1.1", {"a": 1}, job_id="x/a", leave_record=True)
        store.put("run.2.1", 2)
        ((attempt, record),) = store.parts()
        assert (attempt, record["job_id"]) == ("run.1.1", "x/a")
        store.adopt(record["job_id"], attempt, record)
        assert store.parts() == []
        assert store.get("x/a") == {"a": 1}
        assert "job_id" not in store.holds("x/a")

    def test_sweep_removes_parts_and_no_outputs(self, store: Any) -> None:
        store.adopt("a", "run.1.1", store.put("run.1.1", 1))
        store.put("run.2.1", 2, job_id="b", leave_record=True)
        store.sweep()
        assert store.parts() == []
        assert store.get("a") == 1
        store.sweep()

    def test_remove(self, store: Any) -> None:
        for number, job_id in enumerate(("g/a", "g/b", "c")):
            store.adopt(job_id, f"run.{number}.1", store.put(f"run.{number}.1", {"v": number}))
        assert store.remove("g/a") is True
        assert store.remove("g/a") is False
        assert store.remove("never") is False
        assert store.holds("g/a") is None
        with pytest.raises(RamifyDeserializationError):
            store.get("g/a")
        assert store.get("g/b") == {"v": 1}
        store.adopt("g/a", "run.5.1", store.put("run.5.1", 5))
        assert store.get("g/a") == 5
        store.remove_all()
        assert store.listing() == {}
        assert store.holds("c") is None

    def test_listing_of_nothing(self, store: Any) -> None:
        assert store.listing() == {}
        assert store.parts() == []
        store.discard("run.1.1")
        store.remove_all()

    def test_listing_verified_holds_what_is_sound(self, store: Any) -> None:
        store.adopt("a", "run.1.1", store.put("run.1.1", {"x": (1, 2)}))
        assert "a" in store.listing(verify=True)
