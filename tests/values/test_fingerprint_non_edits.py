"""What changes nothing that a function does changes nothing of its fingerprint.

The edits are in `edits/non_edits.txt`. The function gives the same before and after, so each row is what
it says.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from edited_projects import Edit, edited, see, tried


@pytest.mark.parametrize("edit", tried("non_edits"))
def test_what_changes_nothing_is_not_seen(folder: Path, edit: Edit) -> None:
    before, after = see(folder, edit.files), see(folder, edited(edit))
    assert before.result == after.result
    assert before.fingerprint.digest is not None, before.fingerprint.unsound
    assert before.fingerprint.digest == after.fingerprint.digest
