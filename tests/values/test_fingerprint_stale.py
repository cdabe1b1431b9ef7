"""Files that were changed after their module was imported: what would run is not what is in them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from edited_projects import load, write

from ramify.values.fingerprint import fingerprint

HELPERS = """
LIMIT = 1

class Model:
    def fit(self, x): return x + LIMIT

def clean(x): return Model().fit(x)
"""
FLOW = """
def run(x):
    import helpers
    return helpers.clean(x)
"""
EDITS = {"constant": ("= 1", "= 2"), "method": ("x + L", "x - L"), "function": ("().fit(x)", "().fit(-x)")}


def rewrite(folder: Path, old: str, new: str) -> None:
    (folder / "helpers.py").write_text(HELPERS.replace(old, new))
    importlib.invalidate_caches()


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("asked_when_loaded", [False, True])
def test_what_was_loaded_before_the_edit_has_no_fingerprint(
    folder: Path, edit: str, asked_when_loaded: bool
) -> None:
    write(folder, {"helpers.py": HELPERS, "flow.py": FLOW})
    run = load(folder)
    before = fingerprint(run)
    run(3)
    if asked_when_loaded:
        assert fingerprint(run) == before
    rewrite(folder, *EDITS[edit])
    for _ in range(2):
        stale = fingerprint(run)
        assert stale.digest is None and "its file was changed after it was imported" in stale.unsound[0]
    importlib.reload(importlib.import_module("helpers"))
    reloaded = fingerprint(run)
    assert reloaded.digest not in (None, before.digest)
    rewrite(folder, "", "")
    assert fingerprint(run).digest is None


def test_an_edit_that_is_none_and_one_that_was_taken_back_leave_it(folder: Path) -> None:
    write(folder, {"helpers.py": HELPERS, "flow.py": FLOW})
    run = load(folder)
    before = fingerprint(run)
    run(3)
    rewrite(folder, "LIMIT = 1", "# how much is added\nLIMIT = 1")
    assert fingerprint(run) == before
    rewrite(folder, *EDITS["constant"])
    assert fingerprint(run).digest is None
    rewrite(folder, "", "")
    assert fingerprint(run) == before


def test_a_module_that_was_edited_before_it_was_imported_counts_as_it_is(folder: Path) -> None:
    write(folder, {"helpers.py": HELPERS, "flow.py": FLOW})
    run = load(folder)
    before = fingerprint(run)
    rewrite(folder, *EDITS["constant"])
    after = fingerprint(run)
    assert after.digest not in (None, before.digest)
    assert run(3) == 5 and fingerprint(run) == after
