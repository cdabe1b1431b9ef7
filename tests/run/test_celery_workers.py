"""Celery workers that are killed, stopped, of other kinds and of other apps; and what they print."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest
from backend_services import PASSWORD, Program, celery_worker, redis_server

from ramify import DAG, CeleryExecutor, Job
from ramify.errors import InfrastructureError, ModeError, RamifyWarning
from ramify.executors.celery_tasks import new_app
from ramify.executors.remote import WorkerLost
from ramify.testing import jobs
from ramify.testing.bench import assert_gone

celery = pytest.importorskip("celery")

GUARD = 30.0

pytestmark = [pytest.mark.service, pytest.mark.timeout(110)]

Start = Callable[..., Program]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def start(url: str) -> Iterator[Start]:
    """Starts workers, and ends them."""
    started: list[Program] = []

    def start(*more: str, **how: object) -> Program:
        started.append(celery_worker(url, *more, **how))  # type: ignore[arg-type]  # as they are there
        return started[-1]

    yield start
    for program in started:
        program.end()


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[str]:
    paths = [tmp_path / f"gate.{way}" for way in ("up", "down")]
    for path in paths:
        os.mkfifo(path)
    yield str(tmp_path / "gate")
    for path in paths:
        held = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        os.write(held, b"\n")
        os.close(held)


def heard(fifo: str) -> list[int]:
    return [int(word) for word in Path(f"{fifo}.up").read_text().split()]


def test_a_whole_worker_that_is_killed_is_noticed_and_its_jobs_end_with_it(
    url: str, start: Start, fifo: str
) -> None:
    worker = start("-Q", "killed", name="killed")
    with CeleryExecutor(url, queue="killed") as executor:
        assert repr(executor) == "CeleryExecutor(queue='killed', max_workers=2)"
        future = executor.submit(jobs.wait_with_family, fifo)
        pids = heard(fifo)
        os.kill(worker.process.pid, signal.SIGKILL)
        assert_gone(pids)
        with pytest.raises(WorkerLost, match="the Celery worker killed@tests was lost while it had the call"):
            future.result(GUARD)
        start("-Q", "killed", name="killed")
        assert executor.submit(abs, -1).result(GUARD) == 1


def test_what_runs_is_killed_with_all_that_it_started(url: str, start: Start, fifo: str) -> None:
    start()
    with CeleryExecutor(url) as executor:
        future = executor.submit(jobs.wait_with_family, fifo)
        pids = heard(fifo)
        executor.end_task(future)
        with pytest.raises(CancelledError):
            future.result(GUARD)
        assert_gone(pids)
        assert executor.submit(abs, -1).result(GUARD) == 1
        executor.end_task(future)  # it has ended: nothing happens


def test_a_job_that_takes_too_long_is_stopped(url: str, start: Start, fifo: str, tmp_path: Path) -> None:
    start()
    dag = DAG(nodes={"a": Job(jobs.wait_with_family, {"fifo": fifo}, timeout=1.0)})
    pids: list[int] = []
    with CeleryExecutor(url) as executor:
        from threading import Thread

        listener = Thread(target=lambda: pids.extend(heard(fifo)))
        listener.start()
        with pytest.raises(Exception, match="1 s"):
            dag.evaluate(tmp_path / "run", executor=executor)
        listener.join(GUARD)
    assert len(pids) == 3
    assert_gone(pids)


def test_a_live_node_is_cancelled_by_force(url: str, start: Start, fifo: str) -> None:
    start()
    with CeleryExecutor(url) as executor:
        dag = DAG()
        node = dag.submit(jobs.wait_with_family, fifo, on=executor)
        dag.compute()
        pids = heard(fifo)
        dag.cancel(force=True)
        assert_gone(pids)
        with pytest.raises(Exception, match="cancel"):
            node.result(GUARD)


def test_a_worker_that_answers_nothing_while_it_works_is_not_taken_for_lost(
    url: str, start: Start, fifo: str
) -> None:
    start("-Q", "alone", "--pool", "solo", name="alone")
    with CeleryExecutor(url, queue="alone") as executor:
        future = executor.submit(jobs.wait_for, fifo)
        assert heard(fifo)
        looked = [executor._look() for _ in range(6)]
        assert all(looked) and not future.done()
        Path(f"{fifo}.down").write_text("on")
        assert future.result(GUARD) == "on"


def test_an_app_of_your_own(url: str, tmp_path: Path) -> None:
    (tmp_path / "own_app.py").write_text(
        "import os\n"
        "from celery import Celery\n"
        "from ramify.executors.celery import register\n"
        "app = Celery('own', broker=os.environ['WHERE'], backend=os.environ['WHERE'])\n"
        "register(app)\n"
    )
    order = [
        "-m",
        "celery",
        "--workdir",
        str(tmp_path),
        "-A",
        "own_app",
        "worker",
        "-c",
        "1",
        "-n",
        "own@tests",
    ]
    worker = Program(sys.executable, *order, "--loglevel", "INFO", WHERE=url)
    try:
        assert worker.wait_for(" ready.") is not None, worker.log()
        with CeleryExecutor(celery.Celery("mine", broker=url, backend=url)) as executor:
            assert repr(executor) == "CeleryExecutor(queue='celery', max_workers=1)"
            assert executor.submit(divmod, 7, 2).result(GUARD) == (3, 1)
    finally:
        worker.end()


def test_a_worker_that_does_not_know_the_task_is_told_of(url: str) -> None:
    order = ["-m", "celery", "-b", url, "--result-backend", url, "worker", "-c", "1", "-n", "dumb@tests"]
    worker = Program(sys.executable, *order, "-Q", "dumb", "--loglevel", "INFO")
    try:
        assert worker.wait_for(" ready.") is not None, worker.log()
        with CeleryExecutor(url, queue="dumb", patience=1) as executor:
            future = executor.submit(abs, -1)
            with pytest.raises(WorkerLost, match=r"NotRegistered|no Celery worker was seen"):
                future.result(GUARD)
    finally:
        worker.end()


def test_results_that_nobody_can_ask_for_are_refused(url: str) -> None:
    with pytest.raises(ModeError, match="result backend is RPCBackend"):
        CeleryExecutor(celery.Celery("mine", broker=url, backend="rpc://"))
    with pytest.raises(ModeError, match="result backend is DisabledBackend"):
        CeleryExecutor("amqp://localhost//")


def test_passwords_and_values_are_shown_to_nobody(url: str, start: Start) -> None:
    worker = start("-Q", "quiet", name="quiet")
    with CeleryExecutor(url, queue="quiet") as executor:
        assert executor.submit(str.upper, "hush-hush").result(GUARD) == "HUSH-HUSH"
        assert PASSWORD not in repr(executor)
        worker.wait_for("succeeded in")
    log = worker.log()
    assert PASSWORD not in log and "hush" not in log.lower() and "SFVTSC1IVVNI" not in log


def test_a_broker_that_is_not_there(url: str) -> None:
    from postgres_server import free_port

    head = url.rpartition(":")[0]
    with pytest.raises(InfrastructureError, match="broker cannot be reached") as caught:
        CeleryExecutor(f"{head}:{free_port()}/0")
    assert PASSWORD not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_a_broker_that_goes_away(start: Start, fifo: str) -> None:
    with redis_server() as url:
        worker = celery_worker(url)
        try:
            executor = CeleryExecutor(url, patience=1)
            future = executor.submit(jobs.wait_for, fifo)
            assert heard(fifo)
            port = url.rpartition(":")[2].removesuffix("/0")
            for process in psutil.Process().children():
                if process.name().startswith("redis") and port in _ports(process):
                    process.kill()
            with pytest.warns(RamifyWarning, match="could not be told to drop a call: OperationalError"):
                with pytest.raises(WorkerLost, match="no Celery worker was seen for 1 s"):
                    future.result(GUARD)
                executor.shutdown()
        finally:
            worker.end()


def _ports(process: psutil.Process) -> set[str]:
    return {str(one.laddr.port) for one in process.net_connections() if one.status == psutil.CONN_LISTEN}


def test_messages_are_json_and_each_process_takes_one(url: str) -> None:
    conf = new_app(url).conf
    assert (conf.accept_content, conf.task_serializer, conf.result_serializer) == (["json"], "json", "json")
    assert (conf.worker_prefetch_multiplier, conf.worker_disable_prefetch) == (1, True)
