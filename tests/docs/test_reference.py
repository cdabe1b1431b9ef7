"""The pages to look things up in leave nothing out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ramify.settings import KEYS

ROOT = Path(__file__).resolve().parent.parent.parent
CLI = (ROOT / "docs/reference/cli.md").read_text()
COMMANDS = (ROOT / "docs/_generated/cli.md").read_text()
LATER = {"SlurmExecutor", "AwsBatchExecutor"}
TIDYRUN = """
DAG Job ParametrizedJob DAGExecutionError LazyDict PlanPaths SlurmExecutor AwsBatchExecutor
serialize deserialize execute_plan get_job_states load_callable load_inputs_and_callable
load_job_definition load_job_inputs rerun_snippet run_materialized_job batch_entrypoint __version__
evaluate evaluate_in_subprocesses materialize execute_materialized clear_outputs skip_running prefix
to_dict concat ChecksumInfo EncoderSpec GoToNextEncoderException encode_key decode_key
"""


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "cli_reference.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr + "run `make diagrams`"


def test_examples_of_commands_can_be_pasted() -> None:
    examples = [line for line in COMMANDS.splitlines() if line.startswith("$ ")]
    assert "$ ramify restart -pid data/run1 --signature 2" in examples
    assert not any("`" in line for line in examples)


OF_GRAPHS = ("namespace", "record")
"""Settings that have an argument of `DAG` in place of a flag."""


@pytest.mark.parametrize("key", OF_GRAPHS)
def test_every_setting_of_graphs_has_its_row(key: str) -> None:
    row = next(line for line in CLI.splitlines() if line.startswith(f"| `{key}` |"))
    assert f"`RAMIFY_{key.upper()}` | `DAG({key}=...)`" in row


@pytest.mark.parametrize("key", [key for key in KEYS if key not in OF_GRAPHS])
def test_every_setting_has_its_row(key: str) -> None:
    flag = "--" + key.replace("_", "-")
    row = next(line for line in CLI.splitlines() if line.startswith(f"| `{flag[2:]}` |"))
    assert f"`RAMIFY_{key.upper()}`" in row
    assert f"`{flag}`" in row
    assert re.search(rf"{flag}\b", COMMANDS)


@pytest.mark.parametrize("name", TIDYRUN.split())
def test_every_name_of_tidyrun_is_in_its_page(name: str) -> None:
    page = (ROOT / "docs/coming-from/tidyrun.md").read_text()
    assert re.search(rf"\b{name}\b", page)


def test_names_that_the_page_calls_the_same_are_there() -> None:
    import ramify

    public = [name for name in TIDYRUN.split() if name in ramify.__all__ or hasattr(ramify.DAG, name)]
    assert {*TIDYRUN.split()} - {*public} == {*LATER, "skip_running", "prefix", "to_dict", "concat"}


DRYPIPE = """
run prepare service upgrade-drypipe restart-failed-array-tasks report-execution-times task restart poll-task
remote-exec fetch-remote-state upload-drypipe-for-remote-instance upload-task-inputs sbatch sbatch-gen
dump-env
array-submit array-upload array-download array-submit-from-remote array-watch-from-remote array-create-parent
list-states array-rsync-list call
"""


@pytest.mark.parametrize("command", DRYPIPE.split())
def test_every_command_of_drypipe_is_in_its_page(command: str) -> None:
    page = (ROOT / "docs/coming-from/drypipe.md").read_text()
    rows = page.split("## The command line")[1].split("|---|---|---|")[1]
    firsts = [line.split("|")[1] for line in rows.splitlines() if line.startswith("|")]
    assert sum(f"`{command}`" in first for first in firsts) == 1
