"""The second fingerprint of a function: never another than one that is made afresh.

The changes are in `edits/in_memory.txt`: each is made in the module of the function while it is loaded, and
is taken back where it can be.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from edited_projects import Edit, load, tried, write

from ramify.values.fingerprint import fingerprint, forget_fingerprints


@pytest.mark.parametrize("edit", tried("in_memory"))
def test_a_change_in_memory_is_noticed(folder: Path, edit: Edit) -> None:
    write(folder, edit.files)
    function = load(folder)
    namespace = function.__globals__
    first = fingerprint(function)
    exec(edit.old, namespace)
    again = fingerprint(function)
    forget_fingerprints()
    assert again.digest is not None and again == fingerprint(function)
    assert (again.digest != first.digest) == (edit.where == "changes")
    if edit.new:
        exec(edit.new, namespace)
        assert fingerprint(function) == first
