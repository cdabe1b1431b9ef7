"""Files: whole or not at all, and errors that say what to do."""

import errno
import os

import pytest

from ramify.errors import StorageError
from ramify.files import local


def test_write_and_read(tmp_path):
    path = str(tmp_path / "a")
    local.write_new(path, b"one")
    local.write_new(path, b"two")
    assert local.read_bytes(path) == b"two"
    assert local.write_exclusive(path, b"three") is False
    assert local.read_if_there(path) == b"two"
    assert local.read_if_there(path + "x") is None
    assert local.read_if_there(path + "/x") is None
    assert local.remove_file(path) is True
    assert local.remove_file(path) is False
    assert local.write_exclusive(path, b"three") is True


def test_large_files_and_short_writes(tmp_path, monkeypatch):
    data = os.urandom(300_000)
    path = str(tmp_path / "a")
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, buffer: real(fd, memoryview(buffer)[:70_000]))
    local.write_new(path, data)
    assert local.read_bytes(path) == data


@pytest.mark.parametrize("durable", [False, True])
def test_write_atomic_replaces_in_one_step(tmp_path, durable):
    path = str(tmp_path / "a")
    local.write_atomic(path, b"one", durable)
    with open(path, "rb") as before:
        local.write_atomic(path, b"two", durable)
        assert before.read() == b"one"
    assert local.read_bytes(path) == b"two"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("call", ["write", "replace"])
def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch, call):
    path = str(tmp_path / "a")
    local.write_new(path, b"old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(StorageError, match="free some space") as caught:
        local.write_atomic(path, b"new")
    monkeypatch.undo()
    assert caught.value.errno == errno.ENOSPC and isinstance(caught.value, OSError)
    assert os.listdir(tmp_path) == ["a"] and local.read_bytes(path) == b"old"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
        (errno.EDQUOT, "quota"),
        (errno.ENAMETOOLONG, "shorter"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_each_error_says_what_to_do(tmp_path, monkeypatch, number, advice):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    for call in (
        lambda: local.write_new("x", b""),
        lambda: local.write_exclusive("x", b""),
        lambda: local.read_bytes("x"),
        lambda: local.read_if_there("x"),
    ):
        with pytest.raises(StorageError, match=advice) as caught:
            call()
        assert caught.value.path == "x" and caught.value.errno == number


def test_names_are_as_the_umask_gives(tmp_path):
    old = os.umask(0o027)
    try:
        local.write_new(str(tmp_path / "a"), b"")
        local.write_atomic(str(tmp_path / "b"), b"")
    finally:
        os.umask(old)
    assert {os.stat(tmp_path / name).st_mode & 0o777 for name in "ab"} == {0o640}


def test_removing_trees(tmp_path):
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "keep").mkdir()
    (tmp_path / "keep" / "f").write_text("")
    (tmp_path / "d" / "link").symlink_to(tmp_path / "keep")
    local.remove_tree(str(tmp_path / "d"))
    local.remove_tree(str(tmp_path / "d"))
    assert sorted(os.listdir(tmp_path)) == ["keep"] and os.listdir(tmp_path / "keep") == ["f"]
    local.retire(str(tmp_path / "keep"), str(tmp_path))
    local.retire(str(tmp_path / "keep"), str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_make_folder_and_rename(tmp_path):
    local.make_folder(str(tmp_path / "a" / "b"))
    local.make_folder(str(tmp_path / "a" / "b"))
    (tmp_path / "f").write_text("")
    with pytest.raises(StorageError):
        local.make_folder(str(tmp_path / "f" / "g"))
    with pytest.raises(StorageError):
        local.rename(str(tmp_path / "none"), str(tmp_path / "x"))


def test_a_url_is_no_path():
    for url in ("s3://bucket/exp", "file:///tmp/x", "s3:/bucket"):
        with pytest.raises(ValueError, match="is a URL"):
            local.local_path(url)
    for path in ("C:/x", "a:b/c", "/s3://x", "a b/c://d", ""):
        assert local.local_path(path) == path
