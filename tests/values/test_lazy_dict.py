"""`LazyDict` is a dict that reads late."""

import os
import pickle
from collections.abc import Mapping

import pandas as pd
import pytest

from ramify.errors import ChecksumError, RamifyDeserializationError
from ramify.values import LazyDict, deserialize, serialize, sidecar

VALUE = {"m1": {"train": 0.1, "test": 0.2}, "m2": {"train": 0.3}}


@pytest.fixture
def lazy(tmp_path):
    serialize(VALUE, tmp_path / "v")
    return deserialize(tmp_path / "v")


def test_it_is_a_mapping_in_the_order_of_the_dict(lazy):
    assert isinstance(lazy, Mapping)
    assert list(lazy) == ["m1", "m2"] and len(lazy) == 2
    assert list(lazy["m1"].items()) == [("train", 0.1), ("test", 0.2)]


def test_paths(lazy):
    assert lazy["m1/train"] == 0.1
    assert "m1/train" in lazy and "m1/none" not in lazy and "no/ne" not in lazy
    with pytest.raises(KeyError):
        lazy["m1/train/deeper"]


def test_paths_are_names_as_in_ids(tmp_path):
    serialize({"g": {7: "int", "7": "text", "a.csv": "dot"}}, tmp_path / "v")
    lazy = deserialize(tmp_path / "v")
    assert [lazy[path] for path in ("g/7", 'g/"7"', "g/a.csv", 'g/"a.csv"')] == ["int", "text", "dot", "dot"]


@pytest.mark.parametrize("key", ["none", "", 5, 1.5, "a/", "/", ".hidden", None, (1, 2), [], "x" * 500])
def test_missing_keys_behave_as_in_a_dict(key, lazy):
    with pytest.raises(KeyError):
        lazy[key]
    assert key not in lazy
    assert lazy.get(key) is None and lazy.get(key, 5) == 5


def test_damage_is_no_missing_key(lazy, tmp_path):
    (tmp_path / "v" / "m1" / "train.json").write_text("9")
    with pytest.raises(ChecksumError) as caught:
        lazy["m1"].get("train")
    assert any("train" in note for note in caught.value.__notes__)


def test_equality_and_unpacking(lazy):
    assert lazy == VALUE and lazy == VALUE and lazy == lazy["m1"].__class__(lazy)
    assert lazy != {"m1": 1} and lazy != 5
    assert dict(**lazy["m1"]) == VALUE["m1"]
    assert lazy.to_dict() == VALUE and type(lazy.to_dict()["m1"]) is dict
    with pytest.raises(TypeError):
        hash(lazy)


def test_equality_of_frames(tmp_path):
    value = {"f": pd.DataFrame({"a": [1, None]})}
    serialize(value, tmp_path / "v")
    assert deserialize(tmp_path / "v") == value
    assert deserialize(tmp_path / "v") != {"f": pd.DataFrame({"a": [1, 2.0]})}


def test_keys_have_their_types(tmp_path):
    value = {10: "a", 2: "b", "2": "c", 2.5: "d", True: "e"}
    serialize(value, tmp_path / "v")
    lazy = deserialize(tmp_path / "v")
    assert list(map(type, lazy)) == [int, int, str, float, bool]
    assert lazy.to_dict() == value and list(lazy) == [10, 2, "2", 2.5, True]


def test_values_are_read_anew_each_time_and_the_list_of_keys_follows_the_folder(lazy, tmp_path):
    first = lazy["m1"]
    serialize({"m1": 5, "m3": 6}, tmp_path / "v")
    assert lazy.to_dict() == {"m1": 5, "m3": 6}
    with pytest.raises(RamifyDeserializationError):
        first.to_dict()


def test_a_relative_path_is_resolved_when_it_is_made(lazy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here = LazyDict("v")
    monkeypatch.chdir("/")
    assert here == VALUE
    assert os.fspath(here) == str(tmp_path / "v")


def test_it_pickles_as_its_path(lazy):
    copy = pickle.loads(pickle.dumps(lazy))
    assert type(copy) is LazyDict and copy == VALUE and os.fspath(copy) == os.fspath(lazy)
    assert len(pickle.dumps(lazy)) < 500
    slim = LazyDict(lazy, members=["m2"])
    assert list(pickle.loads(pickle.dumps(slim))) == ["m2"]


def test_the_checksum_is_compared_once_asked(tmp_path):
    info = serialize(VALUE, tmp_path / "v")
    assert LazyDict(tmp_path / "v", info) == VALUE
    assert LazyDict(tmp_path / "v", info.digest)["m2/train"] == 0.3
    with pytest.raises(ChecksumError):
        LazyDict(tmp_path / "v", "0" * 64)["m1"]
    (tmp_path / "v.ramify").unlink()
    assert LazyDict(tmp_path / "v", info) == VALUE
    with pytest.raises(ChecksumError):
        list(LazyDict(tmp_path / "v", "0" * 64))


def test_the_repr_reads_no_values(lazy, tmp_path):
    for payload in (tmp_path / "v").rglob("*.json"):
        payload.unlink()
    assert repr(lazy) == "LazyDict('m1', 'm2')"
    serialize(dict.fromkeys(range(20), 0), tmp_path / "w")
    assert repr(deserialize(tmp_path / "w")).endswith("7, ... 12 more)")
    assert lazy._ipython_key_completions_() == ["m1", "m2"]


def test_the_repr_of_what_is_gone_is_still_a_repr(tmp_path):
    assert repr(LazyDict(tmp_path / "none")) == f"LazyDict(nothing at {str(tmp_path / 'none')!r})"


def test_members_narrow_it(lazy):
    slim = LazyDict(lazy, members=["m2"])
    assert slim == {"m2": {"train": 0.3}} and "m1" not in slim and len(slim) == 1
    with pytest.raises(KeyError):
        slim["m1"]
    assert LazyDict("/nowhere", members=[]) == {}


def test_members_of_members(lazy):
    slim = LazyDict(lazy, members={"m1": {"test": None}, "m2": None, "empty": {}})
    assert slim.to_dict() == {"m1": {"test": 0.2}, "m2": {"train": 0.3}, "empty": {}}
    assert slim["m1/test"] == 0.2 and "m1/train" not in slim and list(slim) == ["m1", "m2", "empty"]
    copy = pickle.loads(pickle.dumps(slim))
    assert copy == slim and list(copy["m1"]) == ["test"]


def test_strays_in_the_folder_are_no_members(lazy, tmp_path):
    serialize(1, tmp_path / "v" / "stray")
    assert list(lazy) == ["m1", "m2"] and "stray" not in lazy


def test_concat_scalars(lazy):
    frame = lazy.concat(names=["model", "split"])
    assert frame.index.names == ["model", "split", None]
    assert frame["value"].tolist() == [0.1, 0.2, 0.3]
    assert frame.index.tolist() == [("m1", "train", 0), ("m1", "test", 0), ("m2", "train", 0)]


def test_concat_drops_levels_that_have_no_name(lazy):
    assert lazy.concat(names=["model", None]).index.names == ["model", None]
    assert lazy.concat(names=[None, None]).index.tolist() == [0, 0, 0]
    assert lazy.concat().index.nlevels == 3


def test_concat_selects_before_it_reads(lazy, tmp_path):
    asked = []

    def select(path):
        asked.append(path)
        return path != ("m2",) and path[-1] != "test"

    (tmp_path / "v" / "m1" / "test.json").unlink()
    frame = lazy.concat(names=["m", "s"], select=select, max_workers=2)
    assert frame["value"].tolist() == [0.1]
    assert set(asked) == {("m1",), ("m2",), ("m1", "train"), ("m1", "test")}


def test_concat_frames_series_and_transform(tmp_path):
    serialize({"a": pd.DataFrame({"x": [1, 2]}), "b": pd.DataFrame({"x": [3]})}, tmp_path / "v")
    lazy = deserialize(tmp_path / "v")
    assert lazy.concat(names=["k"])["x"].tolist() == [1, 2, 3]
    assert lazy.concat(["k"], transform=lambda f: f["x"].sum())["value"].tolist() == [3, 3]
    assert lazy.concat(["k"], transform=lambda f: f["x"])["x"].tolist() == [1, 2, 3]


def test_concat_says_what_is_wrong(lazy, tmp_path):
    with pytest.raises(ValueError, match="nothing was selected"):
        lazy.concat(select=lambda path: False)
    with pytest.raises(ValueError, match="names has 1 levels"):
        lazy.concat(names=["model"])
    serialize({"a": 1, "b": {"c": 2}}, tmp_path / "w")
    with pytest.raises(ValueError, match="different depths"):
        deserialize(tmp_path / "w").concat()


def test_concat_refuses_names_for_levels_that_are_not_there(lazy):
    with pytest.raises(ValueError, match="depth 2, and names has 3 levels"):
        lazy.concat(["model", "split", "more"])


def test_equality_of_arrays_of_two_shapes(tmp_path):
    numpy = pytest.importorskip("numpy")
    serialize({"a": numpy.zeros(2)}, tmp_path / "v")
    lazy = LazyDict(tmp_path / "v")
    assert lazy == {"a": numpy.zeros(2)}
    for other in (numpy.zeros(3), [0.0, 0.0], None, 0.0):
        assert lazy != {"a": other}


def test_a_look_down_a_path_reads_no_value(lazy, tmp_path):
    (tmp_path / "v" / "m1" / "train.json").write_text("damaged")
    assert (
        "m1/train" in lazy and "m1/none" not in lazy and "m1/train/x/y" not in LazyDict(tmp_path / "v" / "m2")
    )


def test_a_loop_over_a_group_parses_its_record_once(tmp_path, monkeypatch):
    serialize({"g": {n: n for n in range(50)}}, tmp_path / "v")
    lazy = LazyDict(tmp_path / "v")
    asked = []
    read = sidecar.read
    monkeypatch.setattr(sidecar, "read", lambda stem: asked.append(os.path.basename(stem)) or read(stem))
    assert [lazy["g"][n] for n in range(50)] == [lazy[f"g/{n}"] for n in range(50)] == list(range(50))
    assert asked.count("g") <= 2
    serialize({"g": {"new": 1}}, tmp_path / "v")
    assert lazy["g"].to_dict() == {"new": 1}


def test_the_checksum_of_a_narrowed_one_is_that_of_what_it_shows(tmp_path):
    serialize({"a": 1, "b": 2}, tmp_path / "v")
    digest = serialize({"a": 1}, tmp_path / "w")
    assert LazyDict(tmp_path / "v", digest, members=["a"]).to_dict() == {"a": 1}
    with pytest.raises(ChecksumError):
        list(LazyDict(tmp_path / "v", digest, members=["b"]))
