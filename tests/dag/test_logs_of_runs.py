"""Live graphs are written down, and any process reads what became of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from ramify import DAG, ArgumentError, DAGExecutionError, GraphError, Job, RamifyWarning, UnknownRunError
from ramify.catalogue import open_catalogue
from ramify.dag.logs import GraphLog, list_logs, server_logs
from ramify.models import RetryStrategy
from ramify.run.recording import Recording
from ramify.run.view import RunView
from ramify.show.status import status_document

HOLD = 30.0


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own, where graphs are recorded."""
    (tmp_path / "ramify.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAMIFY_RECORD")
    return tmp_path


def folder_of(dag: DAG) -> str:
    assert dag._recording is not None and dag._recording.folder is not None
    return dag._recording.folder


def log_of(what: Any) -> GraphLog:
    log = server_logs(what)
    assert log is not None
    return log


def computed(name: str, func: Callable[[], Any] = int) -> DAG:
    dag = DAG(name=name)
    dag.submit(func, name="only")
    dag.compute()
    dag.wait()
    return dag


def elsewhere(code: str) -> Any:
    """What another process prints, as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=HOLD * 2)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# ---- the list


def test_a_page_of_the_list_from_another_process(project: Path) -> None:
    """Scenario 10 of the study."""
    for number in range(5):
        computed(f"Sales {number}")
    computed("other")
    told = elsewhere(
        "import json; from ramify.dag.logs import list_logs\n"
        "found = list_logs(search='sales', per_page=2, page=2); at = found.pagination_metadata\n"
        "print(json.dumps([[log.name for log in found], at.total_items, at.total_pages, at.page]))"
    )
    assert told == [["Sales 2", "Sales 1"], 5, 3, 2]


def test_the_list_is_light_and_says_how_it_went() -> None:
    dag = computed("calm")
    (log,) = list_logs()
    assert (log.uuid, log.name, log.status, log.nodes) == (dag.server_graph_uuid, "calm", "succeeded", [])
    assert log.namespace == log.created_by and log.start_time is not None and log.end_time is not None
    assert log.execution_time == pytest.approx((log.end_time - log.start_time).total_seconds() * 1e9, abs=2e3)
    assert "calm" in list_logs()._repr_html_()


def test_html_of_the_list_is_escaped() -> None:
    computed("<script>")
    assert "<script>" not in list_logs()._repr_html_()


def test_filters_of_the_list_by_position_too() -> None:
    dag = DAG(name="theirs", namespace="team")
    dag.submit(int)
    dag.compute()
    dag.wait()
    mine = computed("mine_50%")
    assert [log.name for log in list_logs("team")] == ["theirs"]
    assert [log.name for log in list_logs(None, log_of(mine).created_by, "MINE")] == ["mine_50%"]
    assert [log.name for log in list_logs(search="_50%")] == ["mine_50%"]
    assert len(list_logs(created_by="nobody")) == 0
    now = datetime.now()
    assert len(list_logs(start_time=now + timedelta(hours=1))) == 0
    assert len(list_logs(end_time=now - timedelta(hours=1))) == 0
    assert len(list_logs(start_time=now - timedelta(hours=1), end_time=now + timedelta(hours=1))) == 2


@pytest.mark.parametrize("wrong", [{"page": 0}, {"per_page": 0}, {"per_page": 1001}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match="use 1"):
        list_logs(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"page": "2"}, {"per_page": True}, {"search": 3}, {"start_time": 5.0}, {"namespace": b"x"}]
)
def test_wrong_types_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(wrong))):
        list_logs(**wrong)


def test_a_page_after_the_last_is_empty() -> None:
    computed("one")
    found = list_logs(page=7)
    assert len(found) == 0 and found.pagination_metadata.total_items == 1


# ---- one graph


def test_every_node_and_attempt_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    tries: list[int] = []

    def flaky(x: int) -> int:
        print("try", len(tries))
        tries.append(x)
        if len(tries) < 3:
            raise ValueError(f"no {len(tries)}")
        return x

    dag = DAG(name="two")
    first = dag.submit_local(lambda: 1, name="first/one")
    last = dag.submit(flaky, first, retry=RetryStrategy(limit=5))
    dag.compute()
    dag.wait()
    log = log_of(dag)
    one, two = log.nodes
    assert (one.name, one.run_location, one.client_node_uuid) == ("first/one", "client", first.id)
    assert (two.run_location, two.depends_on, two.client_node_uuid) == ("server", [first.id], last.task_id())
    assert [(e.status, e.logs) for e in two.executions] == [
        ("FAILED", "try 0\n"),
        ("FAILED", "try 1\n"),
        ("COMPLETED", "try 2\n"),
    ]
    assert two.executions[0].error is not None and "ValueError: no 1" in two.executions[0].error
    assert two.executions[2].pid == os.getpid() and two.executions[2].duration is not None
    assert log.status_count == {"COMPLETED": 2}
    assert "try 2" in capfd.readouterr().out  # it is on the terminal as before


def test_all_that_is_a_graph_leads_to_it() -> None:
    dag = computed("known")
    log = log_of(dag)
    identity = dag.server_graph_uuid
    for what in (log, next(iter(list_logs())), identity, str(identity), identity.hex, log.run, "known"):  # type: ignore[union-attr]  # it has one
        assert log_of(what).uuid == identity


def test_an_unknown_graph_is_an_error_with_near_names() -> None:
    computed("forecast")
    with pytest.raises(UnknownRunError, match="'forecast'"):
        server_logs("forecats")
    with pytest.raises(KeyError, match="no graph"):
        server_logs(uuid4())
    with pytest.raises(UnknownRunError, match="namespace"):
        server_logs("forecast", "elsewhere")
    with pytest.raises(TypeError, match="dag_or_id"):
        server_logs(5)


def test_a_graph_of_local_nodes_has_no_log_of_its_own() -> None:
    dag = DAG()
    dag.submit_local(int)
    dag.compute()
    dag.wait()
    assert dag.server_graph_uuid is None and dag.initial_setup() is None and server_logs(dag) is None
    assert [log.status for log in list_logs()] == ["succeeded"]


def test_failure_cancellation_and_what_came_of_them() -> None:
    gate, under_way = threading.Event(), threading.Event()

    def held() -> None:
        under_way.set()
        gate.wait(HOLD)

    def fail() -> None:
        raise KeyError("gone")

    dag = DAG(max_workers=2)
    bad = dag.submit(fail)
    dag.submit(abs, bad, name="child")
    slow = dag.submit(held)
    dag.submit(lambda _: 1, slow, name="later")
    dag.compute()
    assert under_way.wait(HOLD)
    bad.wait(HOLD)
    running = log_of(dag)
    assert running.status == "running" and running.end_time is None
    assert [n.status for n in running.nodes] == ["FAILED", "PARENT_FAILED", "RUNNING", "QUEUED"]
    dag.cancel()
    gate.set()
    with pytest.raises(KeyError):
        dag.wait()
    log = log_of(dag)
    assert log.status == "failed" and {n.name: n.status for n in log.nodes}["later"] == "CANCELLED"
    assert "KeyError" in str(log.nodes[0].status_message)


def test_a_retry_opens_the_record_again() -> None:
    broken = [True]

    def maybe() -> int:
        if broken[0]:
            raise OSError("not yet")
        return 1

    dag = DAG()
    dag.submit(maybe)
    dag.compute()
    with pytest.raises(OSError, match="not yet"):
        dag.wait()
    assert log_of(dag).status == "failed"
    broken[0] = False
    dag.retry_all()
    dag.wait()
    log = log_of(dag)
    assert log.status == "succeeded" and [e.status for e in log.nodes[0].executions] == [
        "FAILED",
        "COMPLETED",
    ]
    assert [entry.status for entry in list_logs()] == ["succeeded"]


def test_nodes_that_are_added_while_it_runs_are_in_the_record() -> None:
    gate = threading.Event()
    dag = DAG(max_workers=4)
    first = dag.submit(gate.wait, HOLD)
    dag.compute()
    more = [dag.submit(lambda _: 1, first) for _ in range(3)]
    items = dag.submit(lambda _: [1, 2], more[0])
    stage = dag.submit_udf_stage(lambda x: x + 1, items, expand_node_output=items)
    gate.set()
    assert stage.result() == [2, 3]
    dag.wait()
    view = RunView(folder_of(dag))
    assert view.counts() == {"succeeded": 8} and view.status == "COMPLETED"


def test_what_was_given_up_before_the_start_is_in_the_record() -> None:
    dag = DAG()
    dag.submit(int, name="kept")
    dag.submit(int, name="given up").cancel()
    dag.compute()
    dag.wait()
    assert {n.name: n.status for n in log_of(dag).nodes} == {"kept": "COMPLETED", "given up": "CANCELLED"}


def test_what_processes_took_and_printed() -> None:
    dag = DAG(use_processes=True, max_workers=1)
    node = dag.submit(lambda: print("from", os.getpid()) or os.getpid(), name="far")
    dag.compute()
    pid = node.result()
    dag.wait()
    (execution,) = log_of(dag).nodes[0].executions
    assert execution.pid == pid and execution.logs == f"from {pid}\n"
    assert execution.peak_memory is not None and execution.peak_memory > 1_000_000
    assert execution.cpu_seconds is not None


def test_a_run_on_disk_has_a_log_too(project: Path) -> None:
    DAG({"a": Job(pow, {"base": 2, "exp": 3})}).evaluate("exp")
    (entry,) = list_logs()
    log = log_of(entry.uuid)
    assert [(n.key, n.status) for n in log.nodes] == [("a", "COMPLETED")]
    assert isinstance(log.uuid, UUID) and log.created_by


def test_a_run_on_disk_is_found_by_the_name_of_its_graph_and_tells_what_it_took(project: Path) -> None:
    dag = DAG(name="monthly Sales", namespace="reports")
    dag["fine"] = Job(pow, {"base": 2, "exp": 3})
    dag["bad"] = Job(pow, {"base": 0, "exp": -1})
    with pytest.raises(DAGExecutionError):
        dag.evaluate("exp", on_failure="continue", execution_mode="process")
    (entry,) = list_logs(search="sales", namespace="reports")
    assert (entry.name, entry.namespace) == ("monthly Sales", "reports")
    assert len(list_logs(namespace="others")) == 0
    log = log_of(dag)
    assert (log.name, log.uuid) == ("monthly Sales", entry.uuid)
    for node in log.nodes:
        (execution,) = node.executions
        assert execution.cpu_seconds is not None and 0 <= execution.cpu_seconds < 60
        assert execution.peak_memory is not None and execution.peak_memory > 1_000_000
        assert execution.pid and execution.pid != os.getpid()
    told = {job["job_id"]: job for job in status_document(RunView(entry.folder), True)["jobs"]}
    took = {node.key: node.executions[0] for node in log.nodes}
    for key in ("fine", "bad"):
        assert told[key]["cpu_seconds"] == took[key].cpu_seconds
        assert told[key]["peak_memory"] == took[key].peak_memory


def test_without_a_namespace_a_run_on_disk_is_in_that_of_the_settings(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAMIFY_NAMESPACE", "team")
    DAG({"a": Job(pow, {"base": 2, "exp": 3})}).evaluate("exp", execution_mode="thread")
    assert [entry.namespace for entry in list_logs(namespace="team")] == ["team"]


def test_what_failed_in_a_process_took_something_too() -> None:
    dag = DAG(use_processes=True, max_workers=1)
    node = dag.submit(pow, 0, -1)
    dag.compute()
    assert isinstance(node.exception(HOLD), ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        dag.wait()
    (execution,) = log_of(dag).nodes[0].executions
    assert execution.status == "FAILED" and execution.peak_memory > 1_000_000


def test_a_driver_that_was_killed_leaves_an_abandoned_graph(project: Path) -> None:
    code = (
        "import os, signal; from ramify import DAG\n"
        "dag = DAG(name='lost'); dag.submit(lambda: os.kill(os.getpid(), signal.SIGKILL))\n"
        "dag.initial_setup(); dag.compute()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=HOLD * 2)
    assert done.returncode == -9
    (log,) = list_logs()
    assert log.status == "abandoned"


# ---- what is written, and when nothing is


@pytest.mark.parametrize("how", ["argument", "variable", "file"])
def test_nothing_is_written_where_nothing_is_to_be(
    how: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "variable":
        monkeypatch.setenv("RAMIFY_RECORD", "0")
    if how == "file":
        (project / "ramify.toml").write_text("record = false\n")
    dag = DAG(record=False if how == "argument" else None)
    dag.submit(print, "hello")
    dag.compute()
    dag.wait()
    assert os.listdir(project) == ["ramify.toml"]
    with pytest.raises(UnknownRunError, match="not recorded"):
        server_logs(dag)


def test_the_argument_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAMIFY_RECORD", "0")
    dag = DAG(record=True)
    dag.submit(int)
    dag.compute()
    dag.wait()
    assert log_of(dag).status == "succeeded"


def test_an_empty_graph_writes_nothing(project: Path) -> None:
    dag = DAG()
    dag.compute()
    dag.wait()
    assert os.listdir(project) == ["ramify.toml"]


def test_a_folder_that_cannot_be_written_is_one_warning(project: Path) -> None:
    (project / ".ramify").write_text("no folder")
    dag = DAG()
    nodes = [dag.submit(print, number) for number in range(3)]
    with pytest.warns(RamifyWarning, match="nothing more is written") as told:
        dag.compute()
        dag.wait()
    assert len(told) == 1 and all(node.done() for node in nodes)


def test_a_log_that_cannot_be_written_is_one_warning_and_the_rest_is_recorded() -> None:
    dag = DAG()
    for number in range(2):
        dag.submit(print, "hello", number)
    dag.initial_setup()
    Path(folder_of(dag), "logs").write_text("in the way")
    with pytest.warns(RamifyWarning, match="is not kept") as told:
        dag.compute()
        dag.wait()
    assert len(told) == 1
    assert log_of(dag).status_count == {"COMPLETED": 2}


@pytest.mark.filterwarnings("error")
def test_where_warnings_are_errors_the_graph_goes_on(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / ".ramify").write_text("no folder")
    dag = DAG()
    node = dag.submit(int)
    dag.compute()
    dag.wait()
    assert node.result() == 0 and "nothing more is written" in capfd.readouterr().err


def test_the_setup_is_idempotent_and_lists_the_graph_before_it_runs() -> None:
    dag = DAG(name="soon")
    dag.submit(int)
    assert dag.initial_setup() == dag.initial_setup() == dag.id
    assert [(log.name, log.status) for log in list_logs()] == [("soon", "submitted")]
    dag.compute()
    dag.wait()
    assert [(log.name, log.status) for log in list_logs()] == [("soon", "succeeded")]


def test_a_report_of_completion_checks_whose_node_it_is() -> None:
    dag, other = DAG(), DAG()
    node = dag.submit(int)
    dag.report_node_complete(node)
    assert not node.done()
    with pytest.raises(GraphError, match="no node of this graph"):
        other.report_node_complete(node)


@pytest.mark.slow
def test_the_record_is_written_while_a_node_hangs() -> None:
    """Not only at the end: what has not changed for a second is on disk."""
    gate = threading.Event()
    dag = DAG(name="hanging")
    dag.submit(gate.wait, HOLD)
    dag.compute()
    end = time.monotonic() + HOLD
    while not list(list_logs()) and time.monotonic() < end:
        gate.wait(0.05)
    (log,) = list_logs()
    assert log.status == "running"
    gate.set()
    dag.wait()


def test_many_rows_are_written_early(project: Path) -> None:
    recording = Recording(str(project / ".ramify"), {"id": str(uuid4())}, limit=10)
    dag = DAG()
    dag._recording = recording
    gate = threading.Event()
    nodes = [dag.submit(int) for _ in range(20)]
    dag.submit(lambda *_: gate.wait(HOLD), *nodes)
    dag.compute()
    for node in nodes:
        node.wait(HOLD)
    assert recording.folder is not None
    gate.set()
    dag.wait()


def test_the_folder_is_given_back_at_the_end() -> None:
    dag = computed("held")
    assert RunView(folder_of(dag))._driven is False
    assert open_catalogue(".ramify").find("latest") == folder_of(dag)


def test_output_goes_where_it_went_before_when_the_graph_is_over() -> None:
    before = sys.stdout, sys.stderr
    computed("quiet", lambda: print("x", file=sys.stderr))
    assert (sys.stdout, sys.stderr) == before
