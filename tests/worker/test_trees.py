"""Processes are found by the mark in their environment."""

import os
import subprocess
import sys

import pytest

from ramify.worker.guard import mark_of
from ramify.worker.trees import MARK, kill_all, marked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.mark.slow
def test_a_process_is_found_while_it_becomes_another_program():
    """The kernel shows no environment for a moment then: a look of hundreds met one."""
    mark = f"test_trees.{os.getpid()}"
    missed = 0
    for _ in range(300):
        child = subprocess.Popen(["bash", "-c", "exec sleep 300"], env={**os.environ, MARK: mark})
        try:
            for _ in range(4):
                missed += child.pid not in marked(mark)
                missed += mark.encode() not in mark_of(f"/proc/{child.pid}")
        finally:
            child.kill()
            child.wait()
    assert missed == 0


def test_a_process_without_environment_bears_no_mark():
    child = subprocess.Popen(["env", "-i", "sh", "-c", "echo ready; exec sleep 300"], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
        assert child.pid not in marked("")
    finally:
        kill_all([child.pid])
        child.communicate()
