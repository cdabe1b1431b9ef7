"""Graphs whose driver lives in another process: `Mode.BATCH`, and those that `evaluate` has run."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from batch_flow import broken_until_fixed, double, fails_twice, lists, sleep_on, times, wait_for_go

from ramify import DAG, Job, Mode, RetryStrategy, Status, connect, list_logs, server_logs
from ramify.errors import InfrastructureError, JobCancelled, ParentFailed, StartedError

pytestmark = pytest.mark.e2e

GUARD = 60.0
HERE = str(Path(__file__).parent)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ramify.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wait_until(path: Path) -> None:
    end = time.monotonic() + GUARD
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_graph_of_a_detached_driver_is_followed_and_retried(project: Path) -> None:
    told: list[str] = []
    dag = DAG(mode=Mode.BATCH, max_workers=2, done_callback=lambda g: told.append(str(g.status)))
    first = dag.submit(double, 2)
    gate = dag.submit(wait_for_go, first)
    bad = dag.submit(broken_until_fixed, gate, name="bad")
    last = dag.submit(double, bad)
    source = dag.submit(lists)
    sums = dag.submit_udf_stage(sum, source, expand_node_output=source)
    scaled = dag.submit_udf_stage(times, sums, 10, expand_node_output=sums)
    dag["keyed"] = Job(double, {"x": first})
    ended: list[str] = []
    bad.add_done_callback(lambda n: ended.append(str(n.status)))
    dag.compute()
    assert first.result(GUARD) == 4 and scaled.result(GUARD) == [60, 180]
    assert dag.nodes_by_name["keyed"].result(GUARD) == 8 and not dag.done()
    with pytest.raises(StartedError):
        dag.submit(double, 1)
    (project / "go").touch()
    with pytest.raises(KeyError):
        dag.wait(GUARD)
    assert dag.status is Status.FAILED and isinstance(bad.error, KeyError)
    with pytest.raises(ParentFailed) as caught:
        last.result()
    assert getattr(caught.value, "node", None) is bad
    assert dag.stats()["completed"] == 6 and list(last.parents.values()) == [bad]
    assert (told, ended) == (["Failed"], ["Failed"])
    (project / "fixed").touch()
    assert bad.retry() and last.result(GUARD) == 8
    dag.wait(GUARD)
    assert dag.status is Status.COMPLETED
    assert (told, ended) == (["Failed", "Completed"], ["Failed", "Completed"])


def test_cancelling_stops_the_work_of_a_detached_driver(project: Path) -> None:
    dag = DAG(mode="batch")
    gate = dag.submit(wait_for_go, 1)
    after = dag.submit(double, gate)
    dag.compute()
    wait_until(project / "began")
    dag.cancel(force=True)
    dag.wait(GUARD)
    assert dag.status is Status.CANCELLED and gate.cancelled()
    with pytest.raises((JobCancelled, ParentFailed)):
        after.result(GUARD)


CLIENT = """
import sys
sys.path.insert(0, {here!r})
from batch_flow import double, wait_for_go
from ramify import DAG, Mode
dag = DAG(mode=Mode.BATCH)
dag.submit(double, dag.submit(wait_for_go, 21), name="answer")
dag.compute()
print(dag.run_name, flush=True)
sys.stdin.read()
"""


def test_the_run_outlives_its_client(project: Path) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT.format(here=HERE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    name = client.stdout.readline().strip()
    wait_until(project / "began")
    client.kill()
    client.wait(GUARD)
    run = connect(name)
    assert run.status == "RUNNING" and run.state_of("answer") == "NOT_STARTED"
    (project / "go").touch()
    assert run.wait(GUARD) == "COMPLETED" and run.result("answer") == 42


def test_nodes_of_a_graph_that_evaluate_has_run(project: Path) -> None:
    (project / "go").touch()
    dag = DAG()
    node = dag.submit(double, dag.submit(wait_for_go, 4))
    bad = dag.submit(broken_until_fixed, node)
    after = dag.submit(double, bad)
    with pytest.raises(RuntimeError, match="KeyError"):
        dag.evaluate("exp", execution_mode="thread", on_failure="continue")
    assert node.result() == 8 and dag.status is Status.FAILED
    assert bad.status is Status.FAILED and after.status is Status.PARENT_FAILED
    assert dag.stats()["completed"] == 2 and dag.done()
    with pytest.raises(KeyError):
        dag.wait()
    (project / "fixed").touch()
    dag.retry_all()
    dag.wait(GUARD)
    assert after.result(GUARD) == 16 and dag.status is Status.COMPLETED
    with pytest.raises(StartedError):
        dag.evaluate("exp2")


def test_a_graph_whose_driver_died_goes_on(project: Path) -> None:
    dag = DAG(mode=Mode.BATCH)
    first = dag.submit(double, 1)
    gate = dag.submit(wait_for_go, first)
    last = dag.submit(double, gate)
    dag.compute()
    wait_until(project / "began")
    (driver,) = (p for p in psutil.process_iter() if is_driver_of(p, str(dag.run_name)))
    driver.kill()
    with pytest.raises(InfrastructureError, match="ramify resume"):
        dag.wait(GUARD)
    (project / "go").touch()
    dag.retry_all()
    dag.wait(GUARD)
    assert dag.status is Status.COMPLETED and last.result() == 4 and first.result() == 2


def is_driver_of(process: Any, name: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return any("ramify.run.detached" in word for word in words) and any(name in word for word in words)


def test_retries_of_a_detached_run_are_in_its_log(project: Path) -> None:
    dag = DAG(mode=Mode.BATCH, retry_strategy=RetryStrategy(limit=10, retry_policy="Always"))
    node = dag.submit(fails_twice, "count", name="flaky")
    dag.compute()
    dag.wait(GUARD)
    assert dag.status is Status.COMPLETED and node.result() == 3
    log = server_logs(dag)
    assert log is not None and log.status == "succeeded"
    (told,) = [n for n in log.nodes if n.name == "flaky"]
    assert len(told.executions) == 3
    assert [entry.uuid for entry in list_logs().task_graph_logs] == [dag.server_graph_uuid]


def test_a_deadline_ends_a_detached_run_and_its_processes(project: Path) -> None:
    dag = DAG(mode=Mode.BATCH, deadline=1.0, retry_strategy=RetryStrategy(limit=10, retry_policy="Always"))
    node = dag.submit(sleep_on, "pid")
    dag.compute()
    with pytest.raises(Exception, match="deadline"):
        dag.wait(GUARD)
    assert dag.status is Status.FAILED and node.done()
    pid = int((project / "pid").read_text())
    assert not psutil.pid_exists(pid)


def test_the_deadline_and_the_retries_of_one_node_hold_in_a_detached_run(project: Path) -> None:
    dag = DAG(mode="batch", name="Nightly", namespace="ops", retry_strategy=RetryStrategy(limit=5))
    late = dag.submit(sleep_on, "pid", deadline=1.0, retry=10, name="late")
    once = dag.submit(fails_twice, "count", retry=0, name="once")
    fine = dag.submit(double, 3, resources={"cpu": "500m", "memory": "64Mi"})
    dag.compute()
    assert fine.result(GUARD) == 6
    with pytest.raises(OSError, match="attempt 1"):
        once.result(GUARD)
    with pytest.raises(TimeoutError, match="deadline of 1 s"):
        late.result(GUARD)
    with pytest.raises((OSError, TimeoutError)):
        dag.wait(GUARD)
    assert not psutil.pid_exists(int((project / "pid").read_text()))
    (entry,) = list_logs(search="nightly", namespace="ops")
    assert entry.uuid == dag.server_graph_uuid
    assert {connect(what).name for what in (dag, entry.uuid, str(entry.uuid), "Nightly", entry.run)} == {
        entry.run
    }


def test_a_detached_graph_is_tried_again_as_a_whole(project: Path) -> None:
    told: list[str] = []
    dag = DAG(mode="batch", workflow_retry_strategy=RetryStrategy(limit=2))
    dag.add_done_callback(lambda g: told.append(str(g.status)))
    flaky = dag.submit(fails_twice, "count", name="flaky")
    after = dag.submit(double, flaky)
    dag.compute()
    dag.wait(GUARD)
    assert after.result() == 6 and told == ["Completed"]
    log = server_logs(dag)
    assert log is not None and [len(n.executions) for n in log.nodes if n.name == "flaky"] == [3]


def test_another_process_reads_and_ends_a_detached_graph(project: Path) -> None:
    dag = DAG(mode="batch", name="far away")
    held = dag.submit(wait_for_go, 1, name="held")
    after = dag.submit(double, held, name="after")
    done = dag.submit(double, 4, name="done")
    dag.compute()
    assert done.result(GUARD) == 8
    wait_until(project / "began")
    code = (
        "from ramify import connect\n"
        "run = connect('far away')\n"
        "print(run.status, run.result('done'), run.cancel(keys='after'))\n"
        "open('go', 'w').close()\n"
        "print(run.wait(60), run.result('held'))\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=GUARD)
    assert said.stdout.split() == ["RUNNING", "8", "True", "CANCELLED", "1"], said.stderr
    dag.wait(GUARD)
    assert dag.status is Status.CANCELLED and held.result() == 1
    with pytest.raises(JobCancelled):
        after.result()
    assert after.retry() and after.result(GUARD) == 2
