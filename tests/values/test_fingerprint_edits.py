"""Edits that change what a function does: its fingerprint changes, or says that it cannot see the edit.

The edits are in `edits/*.txt`. That each matters is proved by running the function. The fingerprint is asked
for before and after it ran, which loads what is imported late, and is the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from edited_projects import Edit, edited, see, tried

SEEN = ("imports", "late_imports", "decorators", "classes", "values", "functions")


@pytest.mark.slow
@pytest.mark.parametrize("edit", [edit for table in SEEN for edit in tried(table)])
def test_an_edit_is_seen(folder: Path, edit: Edit) -> None:
    before, after = see(folder, edit.files), see(folder, edited(edit))
    assert before.result != after.result, "this edit is none"
    if edit.said:
        named = (*before.fingerprint.unfollowed, *before.fingerprint.unsound)
        assert any(why.startswith(edit.said) for why in named), before.fingerprint
        return
    assert before.fingerprint.digest is not None, before.fingerprint.unsound
    assert before.fingerprint.digest != after.fingerprint.digest, before.fingerprint


@pytest.mark.parametrize("edit", tried("not_seen"))
def test_what_is_not_seen_is_what_the_module_says(folder: Path, edit: Edit) -> None:
    before, after = see(folder, edit.files), see(folder, edited(edit))
    assert before.result != after.result and before.fingerprint == after.fingerprint
