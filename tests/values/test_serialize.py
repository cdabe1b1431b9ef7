"""`serialize` and `deserialize`: layout, replacement, damage, encoders of one's own, errors."""

import errno
import json
import os
import threading

import pytest

from ramify.errors import (
    ArgumentError,
    ChecksumError,
    RamifyDeserializationError,
    RamifySerializationError,
    StorageError,
)
from ramify.values import (
    ChecksumInfo,
    EncoderSpec,
    GoToNextEncoderException,
    LazyDict,
    deserialize,
    folder_record,
    serialize,
    sidecar,
)
from ramify.values.payload import read_payload, write_payload


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_payload_and_sidecar_stand_beside_each_other(tmp_path):
    info = serialize(5, tmp_path / "v")
    assert names(tmp_path) == ["v.json", "v.ramify"]
    assert (tmp_path / "v.json").read_text() == "5"
    record = json.loads((tmp_path / "v.ramify").read_text())
    assert record == {
        "version": 1,
        "encoding": "json",
        "suffix": ".json",
        "checksum": {"algorithm": "sha256", "digest": info.digest},
    }
    assert info == ChecksumInfo("sha256", info.digest)


def test_text_paths_relative_paths_and_missing_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    serialize((1, 2), "a/b/v")
    assert deserialize("a/b/v") == (1, 2)
    assert deserialize("a/b/v.json") == (1, 2)


def test_a_target_with_a_dot_in_its_name(tmp_path):
    serialize(1, tmp_path / "v1.2")
    serialize(2, tmp_path / "v1")
    assert (deserialize(tmp_path / "v1.2"), deserialize(tmp_path / "v1")) == (1, 2)


def test_dicts_are_folders(tmp_path):
    serialize({"m": {"train": 1, 7: (1,)}, "7": None, "a.csv": 0}, tmp_path / "v")
    assert names(tmp_path / "v") == [
        '"7".json',
        '"7".ramify',
        '"a.csv".json',
        '"a.csv".ramify',
        "m",
        "m.ramify",
    ]
    assert names(tmp_path / "v" / "m") == ["7.json", "7.ramify", "train.json", "train.ramify"]


def test_the_folders_digest_is_made_of_names_and_digests(tmp_path):
    digest = serialize({"b": 1, "a": {"x": 2}}, tmp_path / "v").digest
    b, x = (serialize(value, tmp_path / name).digest for name, value in (("p", 1), ("q", 2)))
    a = folder_record([("x", x)])["checksum"]["digest"]
    assert folder_record([("a", a), ("b", b)])["checksum"]["digest"] == digest
    assert serialize({"a": {"x": 2}, "b": 1}, tmp_path / "w").digest == digest
    assert serialize({"a": {"x": 3}, "b": 1}, tmp_path / "w").digest != digest


@pytest.mark.parametrize("first", [1, {"a": 1, "b": {"c": 2}}, (1, 2), b"x" * 100_000, print])
@pytest.mark.parametrize("second", [2, {"z": 1}, (3,), len])
def test_a_new_value_replaces_one_of_any_kind(first, second, tmp_path):
    serialize(first, tmp_path / "v")
    serialize(second, tmp_path / "v")
    assert deserialize(tmp_path / "v") == second
    assert len(names(tmp_path)) == 2


def test_a_stray_payload_of_the_same_name_gives_way(tmp_path):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "old.json").write_text("1")
    serialize({"a": 1}, tmp_path / "v")
    assert deserialize(tmp_path / "v") == {"a": 1}
    assert names(tmp_path / "v") == ["a.json", "a.ramify"]


def test_nothing_is_left_and_the_old_value_stays_when_a_value_cannot_be_stored(tmp_path):
    serialize("old", tmp_path / "v")
    with pytest.raises(RamifySerializationError):
        serialize({"a": 1, "b": {"c": threading.Lock()}}, tmp_path / "v")
    assert deserialize(tmp_path / "v") == "old"
    assert names(tmp_path) == ["v.json", "v.ramify"]


@pytest.mark.parametrize("step", ["open", "rename", "replace", "write"])
def test_a_crash_at_any_call_leaves_a_value_whole_or_absent(step, tmp_path, monkeypatch):
    class Crash(BaseException):
        pass

    real, calls = getattr(os, step), [0]
    for at in range(1, 12):
        folder = tmp_path / str(at)
        serialize({"a": 1}, folder / "v")
        calls[0] = 0

        def crash(*args, at=at, **kwargs):
            calls[0] += 1
            if calls[0] >= at:
                raise Crash
            return real(*args, **kwargs)

        monkeypatch.setattr(os, step, crash)
        try:
            serialize({"b": 2, "c": (1,)}, folder / "v")
        except Crash:
            pass
        monkeypatch.setattr(os, step, real)
        record = sidecar.read(str(folder / "v"))
        if record is not None and sidecar.payload_exists(str(folder / "v"), record):
            assert deserialize(folder / "v") in ({"a": 1}, {"b": 2, "c": (1,)})
        serialize(3, folder / "v")
        assert deserialize(folder / "v") == 3


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="the disk is full") as caught:
        write_payload(1, str(tmp_path / "v"))
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC and caught.value.path == str(tmp_path / "v.json")
    assert names(tmp_path) == []


def test_a_file_where_a_folder_should_be_is_a_storage_error(tmp_path):
    (tmp_path / "f").write_text("")
    with pytest.raises(StorageError):
        serialize(1, tmp_path / "f" / "v")


@pytest.mark.parametrize("value", [5, "text", (1, 2), b"x", print, [1.5]])
def test_changed_bytes_are_found_on_reading(value, tmp_path):
    serialize(value, tmp_path / "v")
    (payload,) = [path for path in tmp_path.iterdir() if path.suffix != ".ramify"]
    data = bytearray(payload.read_bytes())
    data[-1] ^= 1
    payload.write_bytes(data)
    with pytest.raises(ChecksumError) as caught:
        deserialize(tmp_path / "v")
    assert caught.value.path == str(payload) and caught.value.expected != caught.value.found


def test_a_changed_table_is_found_on_reading(tmp_path):
    import numpy as np

    serialize(np.arange(5), tmp_path / "v")
    with open(tmp_path / "v.npy", "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x7f")
    with pytest.raises(ChecksumError):
        deserialize(tmp_path / "v")


@pytest.mark.parametrize("length", [0, 1, 30, 60])
def test_a_truncated_sidecar_is_told(length, tmp_path):
    serialize(5, tmp_path / "v")
    path = tmp_path / "v.ramify"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RamifyDeserializationError, match="sidecar"):
        deserialize(tmp_path / "v")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{}",
        '{"version": 2, "encoding": "json", "suffix":".json", "checksum": CHECK}',
        '{"version": 1, "encoding": "json", "suffix":"/../x", "checksum": CHECK}',
        '{"version": 1, "encoding": "json", "suffix":".json", "checksum": {"algorithm":"md5","digest":""}}',
        '{"version": 1, "encoding": 5, "suffix": ".json"}',
        '{"version": 1, "encoding": "json", "suffix":".json", "checksum": 1}',
    ],
)
def test_a_sidecar_of_nonsense_is_told(text, tmp_path):
    serialize(5, tmp_path / "v")
    (tmp_path / "v.ramify").write_text(text.replace("CHECK", '{"algorithm": "sha256", "digest": ""}'))
    with pytest.raises(RamifyDeserializationError, match="sidecar"):
        deserialize(tmp_path / "v")


def test_fields_of_a_sidecar_that_are_not_known_are_ignored(tmp_path):
    serialize(5, tmp_path / "v")
    path = tmp_path / "v.ramify"
    path.write_text(json.dumps({**json.loads(path.read_text()), "written_by": {"run": "x"}}))
    assert deserialize(tmp_path / "v") == 5


def test_a_missing_payload_and_a_missing_value(tmp_path):
    serialize(5, tmp_path / "v")
    (tmp_path / "v.json").unlink()
    with pytest.raises(RamifyDeserializationError, match="missing"):
        deserialize(tmp_path / "v")
    with pytest.raises(RamifyDeserializationError, match="nothing is stored"):
        deserialize(tmp_path / "w")
    with pytest.raises(RamifyDeserializationError):
        deserialize(tmp_path / "no" / "w")
    serialize({"a": 1}, tmp_path / "d")
    (tmp_path / "d" / "a.json").unlink()
    with pytest.raises(RamifyDeserializationError, match="missing"):
        deserialize(tmp_path / "d")["a"]


def test_all_sidecars_gone(tmp_path):
    value = {"b": {"x": (1,), 10: 1, 9: 2}, "a": b"x"}
    serialize(value, tmp_path / "v")
    for path in list(tmp_path.rglob("*.ramify")):
        path.unlink()
    (tmp_path / "v" / ".hidden").write_text("")
    back = deserialize(tmp_path / "v")
    assert back == value
    assert list(back) == ["a", "b"] and list(back["b"]) == [9, 10, "x"]


def test_two_payloads_and_no_sidecar_is_told(tmp_path):
    serialize(5, tmp_path / "v")
    (tmp_path / "v.ramify").unlink()
    (tmp_path / "v.npy").write_bytes(b"")
    with pytest.raises(RamifyDeserializationError, match=r"v\.json and v\.npy"):
        deserialize(tmp_path / "v")


class Matrix:
    def __init__(self, rows):
        self.rows = rows


def write_matrix(value, path):
    if len(value.rows) > 2:
        raise GoToNextEncoderException("too large")
    path.write_text("\n".join(" ".join(map(str, row)) for row in value.rows))


def read_matrix(path):
    return Matrix([list(map(int, line.split())) for line in path.read_text().split("\n")])


MATRIX = EncoderSpec("matrix", lambda value: isinstance(value, Matrix), write_matrix, read_matrix)


def test_an_encoder_of_ones_own(tmp_path):
    info = serialize({"m": Matrix([[1, 2], [3, 4]]), "n": 1}, tmp_path / "v", encoders=[MATRIX])
    assert (tmp_path / "v" / "m.matrix").read_text() == "1 2\n3 4"
    back = deserialize(tmp_path / "v", encoders=[MATRIX])
    assert back["m"].rows == [[1, 2], [3, 4]] and back["n"] == 1
    assert info.digest == serialize({"m": Matrix([[1, 2], [3, 4]]), "n": 1}, tmp_path / "w", [MATRIX]).digest
    with pytest.raises(RamifyDeserializationError, match=r"'matrix'.*EncoderSpec"):
        deserialize(tmp_path / "v")["m"]
    (tmp_path / "v" / "m.matrix").write_text("1 2\n3 5")
    with pytest.raises(ChecksumError):
        back["m"]


def test_it_is_read_without_sidecars_too(tmp_path):
    serialize(Matrix([[1]]), tmp_path / "v", encoders=[MATRIX])
    (tmp_path / "v.ramify").unlink()
    assert deserialize(tmp_path / "v", encoders=[MATRIX]).rows == [[1]]
    with pytest.raises(RamifyDeserializationError, match="EncoderSpec"):
        deserialize(tmp_path / "v")


def test_it_may_pass_a_value_on_or_fail(tmp_path):
    serialize(Matrix([[1], [2], [3]]), tmp_path / "v", encoders=[MATRIX])
    assert names(tmp_path) == ["v.pickle", "v.ramify"]

    def fail(value, path):
        path.write_text("half")
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        serialize(1, tmp_path / "w", encoders=[EncoderSpec("f", lambda v: True, fail, read_matrix)])
    nothing = EncoderSpec("n", lambda v: True, lambda v, p: None, read_matrix)
    with pytest.raises(RamifySerializationError, match="wrote nothing"):
        serialize(1, tmp_path / "w", encoders=[nothing])
    assert names(tmp_path) == ["v.pickle", "v.ramify"]


def test_it_may_beat_the_shipped_ones_write_folders_and_ask_for_the_checksum(tmp_path):
    def write(value, path):
        path.mkdir()
        (path / "a").write_text(str(value))

    seen = []

    def read(path, checksum):
        seen.append(checksum)
        return int((path / "a").read_text())

    spec = EncoderSpec("whole", lambda value: type(value) is int, write, read, suffix=".dir")
    info = serialize(5, tmp_path / "v", encoders=[spec])
    assert (tmp_path / "v.dir" / "a").exists()
    assert deserialize(tmp_path / "v", encoders=[spec]) == 5
    assert seen == [info]
    serialize(6, tmp_path / "v", encoders=[spec])
    assert deserialize(tmp_path / "v", encoders=[spec]) == 6
    (tmp_path / "v.dir" / "a").write_text("7")
    with pytest.raises(ChecksumError):
        deserialize(tmp_path / "v", encoders=[spec])


@pytest.mark.parametrize("suffix", ["x", ".", ".1", ".a/b", ".ramify", ".a.b"])
def test_a_suffix_that_cannot_be(suffix):
    with pytest.raises(ArgumentError, match="suffix"):
        EncoderSpec("x", bool, print, print, suffix=suffix)
    with pytest.raises(ValueError):
        EncoderSpec("", bool, print, print)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (threading.Lock(), ""),
        ([1, threading.Lock()], "[1]"),
        ({"a": {"b": [{"k": threading.Lock()}]}}, "['a']['b'][0]['k']"),
        ((lambda lock: lambda: lock)(threading.Lock()), "closure variable 'lock'"),
    ],
)
def test_the_object_that_cannot_be_stored_is_named(value, path, tmp_path):
    with pytest.raises(RamifySerializationError) as caught:
        serialize(value, tmp_path / "v")
    assert caught.value.path.startswith(path)
    assert path in str(caught.value) and "lock" in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert names(tmp_path) == []


def test_reading_a_digest_never_unpickles(tmp_path):
    from ramify.values.stored import digest_of, verify

    class Bomb:
        def __reduce__(self):
            return exec, ("raise SystemExit('unpickled')",)

    info = serialize({"a": Bomb(), "b": 1}, tmp_path / "v")
    assert digest_of(str(tmp_path / "v")) == info.digest
    verify(str(tmp_path / "v"))
    assert list(deserialize(tmp_path / "v")) == ["a", "b"]
    for path in list(tmp_path.rglob("*.ramify")):
        path.unlink()
    assert digest_of(str(tmp_path / "v")) == info.digest


def test_a_payload_that_cannot_be_decoded_is_told(tmp_path):
    record = write_payload(5, str(tmp_path / "v"))
    (tmp_path / "v.json").write_text("{")
    with pytest.raises(RamifyDeserializationError, match="cannot be read"):
        read_payload(str(tmp_path / "v"), record, check=False)


def test_a_lazy_dict_is_stored_as_a_reference(tmp_path):
    info = serialize({"a": 1}, tmp_path / "data" / "d")
    lazy = deserialize(tmp_path / "data" / "d")
    linked = serialize({"x": lazy, "y": 2}, tmp_path / "out" / "v")
    assert names(tmp_path / "out" / "v") == ["x.link", "x.ramify", "y.json", "y.ramify"]
    assert json.loads((tmp_path / "out" / "v" / "x.link").read_text())["target"] == "../../data/d"
    assert serialize({"x": {"a": 1}, "y": 2}, tmp_path / "w") == linked
    assert serialize(lazy, tmp_path / "out" / "direct") == info
    os.rename(tmp_path / "out", tmp_path / "moved")
    assert deserialize(tmp_path / "moved" / "direct") == {"a": 1}
    whole = tmp_path.parent / (tmp_path.name + "-moved")
    os.rename(tmp_path, whole)
    assert deserialize(whole / "moved" / "v") == {"x": {"a": 1}, "y": 2}
    (whole / "moved" / "direct.ramify").unlink()
    assert deserialize(whole / "moved" / "direct") == {"a": 1}
    serialize({"a": 2}, whole / "data" / "d")
    with pytest.raises(ChecksumError, match="another value"):
        deserialize(whole / "moved" / "v")["x"]
    os.rename(whole / "data", whole / "gone")
    with pytest.raises(RamifyDeserializationError, match="gone"):
        deserialize(whole / "moved" / "v")["x"]


def test_a_reference_to_itself_is_refused(tmp_path):
    serialize({"a": {"b": 1}}, tmp_path / "d")
    lazy = deserialize(tmp_path / "d")
    for target in ("d", "d/a/c"):
        with pytest.raises(RamifySerializationError, match="refer to itself"):
            serialize(lazy, tmp_path / target)
    with pytest.raises(RamifySerializationError, match="refer to itself"):
        serialize(lazy["a"], tmp_path / "d")
    assert deserialize(tmp_path / "d") == {"a": {"b": 1}}


def test_a_narrowed_lazy_dict_keeps_its_members(tmp_path):
    serialize({"a": 1, "b": 2, "c": 3}, tmp_path / "d")
    slim = LazyDict(tmp_path / "d", members=["c", "a"])
    assert serialize(slim, tmp_path / "v") == serialize({"a": 1, "c": 3}, tmp_path / "w")
    assert deserialize(tmp_path / "v").to_dict() == {"c": 3, "a": 1}
    serialize({"g": {"a": 1, "b": 2}, "h": {}}, tmp_path / "d")
    slim = LazyDict(tmp_path / "d", members={"g": {"b": None}, "none": {}})
    assert serialize(slim, tmp_path / "v") == serialize({"g": {"b": 2}, "none": {}}, tmp_path / "w")
    assert deserialize(tmp_path / "v").to_dict() == {"g": {"b": 2}, "none": {}}
    serialize({"g": {"b": 3}}, tmp_path / "d")
    with pytest.raises(ChecksumError, match="another value"):
        deserialize(tmp_path / "v")


def change_json(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_reference_that_was_changed_leads_nowhere(tmp_path):
    serialize({"a": 1}, tmp_path / "d")
    secret = serialize({"key": "x"}, tmp_path / "secret" / "d")
    serialize(LazyDict(tmp_path / "d"), tmp_path / "out" / "v")
    link = tmp_path / "out" / "v.link"
    change_json(link, target="../secret/d")
    with pytest.raises(ChecksumError, match="another value"):
        deserialize(tmp_path / "out" / "v")
    change_json(link, target="../secret/d", digest=secret.digest)
    with pytest.raises(ChecksumError, match="has changed"):
        deserialize(tmp_path / "out" / "v")
    (tmp_path / "secret" / "d.ramify").unlink()
    change_json(
        link,
        target="../secret/d",
        digest=json.loads((tmp_path / "d.ramify").read_text())["checksum"]["digest"],
    )
    with pytest.raises(ChecksumError, match="another value"):
        deserialize(tmp_path / "out" / "v")


@pytest.mark.parametrize(
    "members", [5, {"../secret": None}, {"a": 1}, {"a": {"..": None}}, {"": None}, ["a"]]
)
def test_members_of_a_reference_that_cannot_be(members, tmp_path):
    serialize({"a": {"b": 1}}, tmp_path / "d")
    serialize(LazyDict(tmp_path / "d", members=["a"]), tmp_path / "v")
    change_json(tmp_path / "v.link", members=members)
    with pytest.raises(RamifyDeserializationError, match="no reference"):
        deserialize(tmp_path / "v")


@pytest.mark.parametrize("order", [5, None, [1], [["a"]], ["../secret"], ["a/b"], [".parts"], [""], {"a": 1}])
def test_names_of_a_folder_that_cannot_be(order, tmp_path):
    serialize({"a": {"b": 1}}, tmp_path / "d")
    change_json(tmp_path / "d.ramify", order=order)
    for read in (lambda: deserialize(tmp_path / "d"), lambda: list(LazyDict(tmp_path / "d"))):
        with pytest.raises(RamifyDeserializationError, match="no children"):
            read()


@pytest.mark.parametrize("name", ["d.ramify", "v.link"])
def test_bytes_that_are_no_text_are_told(name, tmp_path):
    serialize({"a": 1}, tmp_path / "d")
    serialize(LazyDict(tmp_path / "d"), tmp_path / "v")
    path = tmp_path / name
    path.write_bytes(path.read_bytes().replace(b'":"', b'":"\xff', 1))
    with pytest.raises(RamifyDeserializationError):
        deserialize(tmp_path / path.stem)
