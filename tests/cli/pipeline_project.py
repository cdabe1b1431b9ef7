"""A pipeline for the tests of its commands, and looks at what they leave on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

FLOW = """
from ramify.pipeline import create_pipeline

def flow(dsl):
    one = dsl.task("one").outputs(n=int).calls("export n=20")()
    yield one
    for i in range(4):
        yield dsl.task(f"part.{i}").inputs(one.outputs.n, i=i).outputs(m=int, f=dsl.file("f.txt")).calls('''
            echo "part $i" | tee "$f"
            if [ "$i" = "$BAD" ] && [ ! -e "$__pipeline_instance_dir/mended" ]; then
                echo "no luck with $i"
                exit 3
            fi
            export m=$((n + i))
        ''')()
    for _ in dsl.wait_for_matching_tasks("part.*"):
        yield dsl.task("last").calls("echo the end")()

def groups(key):
    return "parts" if key.startswith("part") else "others"

def pipeline():
    return create_pipeline(flow, task_groupers={"mine": groups})
"""


def tree_hash(folder: Path) -> str:
    """A digest of all names and contents below a folder."""
    digest = hashlib.sha256()
    for path, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            whole = Path(path, name)
            digest.update(str(whole.relative_to(folder)).encode() + b"\0" + whole.read_bytes())
        digest.update(os.path.relpath(path, folder).encode())
    return digest.hexdigest()


def states(instance: Path) -> dict[str, str]:
    """The states of all tasks, by their files."""
    return {
        path.parent.name: path.name.removeprefix("state.")
        for path in sorted(instance.glob(".ramify/*/state.*"))
    }
