"""What changes nothing that a function does changes nothing of its fingerprint.

The edits are in `edits/non_edits.txt`. The function gives the same before and after, so each row is what
it says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from edited_projects import Edit, edited, see, tried


@pytest.mark.parametrize("edit", tried("non_edits"))
def test_what_changes_nothing_is_not_seen(folder: Path, edit: Edit) -> None:
    before, after = see(folder, edit.files), see(folder, edited(edit))
    assert before.result == after.result
    assert before.fingerprint.digest is not None, before.fingerprint.unsound
    assert before.fingerprint.digest == after.fingerprint.digest


CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); sys.dont_write_bytecode = True\n"
    "import json, pathlib, edited_projects\n"
    "found = edited_projects.digests(pathlib.Path(sys.argv[2]), as_script=sys.argv[3] == 'script')\n"
    "print(json.dumps(found))"
)


def digests_in_child(folder: Path, seed: str, way: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(folder), way],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_seed_of_hashes_folder_and_way_of_starting_change_nothing(tmp_path: Path) -> None:
    first = digests_in_child(tmp_path / "one", "1", "import")
    assert len(first) > 300 and len(set(first.values())) > 250
    assert digests_in_child(tmp_path / "another" / "place", "2", "script") == first
