"""One driver per folder."""

import json
import os
import signal
import subprocess
import sys

import pytest

from ramify.errors import LockedError
from ramify.files.lock import FolderLock, read_holder

HOLD = """
import sys
from ramify.files.lock import FolderLock
lock = FolderLock(sys.argv[1], run="calm-otter")
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate(timeout=30)


def test_a_live_holder_is_named(other, tmp_path):
    with pytest.raises(LockedError, match="calm-otter") as caught:
        FolderLock(tmp_path).acquire()
    error = caught.value
    assert error.pid == other.pid and error.host == os.uname().nodename and isinstance(error.since, float)
    assert read_holder(tmp_path)["run"] == "calm-otter"
    assert read_holder(tmp_path)["pid"] == other.pid


def test_a_dead_holders_lock_is_taken_over(other, tmp_path):
    os.kill(other.pid, signal.SIGKILL)
    other.wait(timeout=30)
    assert read_holder(tmp_path) is None
    lock = FolderLock(tmp_path, run="new")
    lock.acquire()
    assert lock.taken_over["pid"] == other.pid and lock.taken_over["run"] == "calm-otter"
    assert read_holder(tmp_path)["run"] == "new"
    lock.release()


def test_this_process_can_be_the_holder(tmp_path):
    lock = FolderLock(tmp_path, run="mine")
    lock.acquire()
    for second in (lock, FolderLock(tmp_path)):
        with pytest.raises(LockedError) as caught:
            second.acquire()
        assert caught.value.pid == os.getpid()
    lock.release()
    lock.release()
    assert read_holder(tmp_path) is None
    with FolderLock(tmp_path) as again:
        assert again.taken_over is None
        assert read_holder(tmp_path)["pid"] == os.getpid()


def test_looking_makes_nothing_and_keeps_nobody_out(tmp_path):
    assert read_holder(tmp_path / "none") is None
    assert list(tmp_path.iterdir()) == []
    lock = FolderLock(tmp_path / "deep" / "folder")
    lock.acquire({"mode": "thread"})
    assert read_holder(tmp_path / "deep" / "folder")["mode"] == "thread"
    lock.release()
    for _ in range(100):
        read_holder(tmp_path / "deep" / "folder")
        lock.acquire()
        lock.release()


def test_a_text_of_nonsense_does_not_stand_in_the_way(tmp_path):
    (tmp_path / "lock").write_text("{")
    assert read_holder(tmp_path) is None
    with FolderLock(tmp_path) as lock:
        assert lock.taken_over == {}
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_child_that_was_forked_does_not_keep_the_lock(tmp_path):
    lock = FolderLock(tmp_path)
    lock.acquire()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    try:
        lock.release()
        with FolderLock(tmp_path):
            pass
    finally:
        os.close(write_end)
        os.close(read_end)
        os.waitpid(child, 0)
