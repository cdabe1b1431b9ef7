"""The example of a graph that grows, run as its page says."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, Status

FLOW = Path(__file__).resolve().parent.parent.parent / "examples/physics/flow.py"
GUARD = 60


@pytest.fixture(scope="module")
def flow() -> Any:
    spec = importlib.util.spec_from_file_location("physics_flow", FLOW)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def ran(target: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ramify", "run", target, "-o", str(folder / "out"), *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=GUARD, check=False)


@pytest.mark.slow
def test_it_runs_from_the_shell(flow: Any, tmp_path: Path) -> None:
    done = ran(str(FLOW), tmp_path)
    assert done.returncode == 0, done.stderr
    outputs = tmp_path / "out/outputs"
    files = {f"{s}/{name}" for s in flow.SAMPLES for name in flow.download(s)}
    events = outputs / "events"
    assert {str(p.relative_to(events).with_suffix("")) for p in events.glob("*/*.ramify")} == files
    assert sorted(p.stem for p in outputs.glob("limits/*.json")) == sorted(flow.points())
    report = json.loads((outputs / "report.json").read_text())
    assert report.endswith("no file was lost") and report.count(" %") == len(flow.points())


def test_the_merge_has_every_file_of_its_sample(flow: Any) -> None:
    dag = flow.flow()
    dag.compute()
    dag.wait(GUARD)
    assert not dag.rules
    nodes = dag.nodes_by_name
    for sample in flow.SAMPLES:
        by_hand = flow.merge([flow.histogram(text) for text in flow.download(sample).values()])
        assert nodes[f"background/{sample}"].result() == by_hand
    for name, (word, window) in flow.points().items():
        texts = [text for sample in flow.SAMPLES for text in flow.download(sample).values()]
        assert nodes[f"scan/{name}"].result() == flow.merge(
            [flow.histogram(text, word, window) for text in texts]
        )


@pytest.mark.slow
def test_a_damaged_file_fails_alone_and_the_run_has_failed(flow: Any, tmp_path: Path) -> None:
    dag: DAG = flow.damaged()
    dag.compute()
    with pytest.raises(ValueError, match="damaged"):
        dag.wait(GUARD)
    assert [node.name for node in dag.failed_nodes.values()] == ["events/json/decoder"]
    assert dag.nodes_by_name["report"].result().endswith("1 file was lost")
    assert dag.status is Status.FAILED and not dag.rules
    done = ran(f"{FLOW}:damaged", tmp_path, "-k")
    assert done.returncode == 1, done.stderr
    assert "events/json/decoder" in done.stdout + done.stderr
    assert json.loads((tmp_path / "out/outputs/report.json").read_text()).endswith("1 file was lost")
