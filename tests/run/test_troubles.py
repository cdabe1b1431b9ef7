"""What goes wrong around a run: full disks, broken watchers, stubborn coroutines. It ends, and says why."""

import asyncio
import errno
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import run_jobs as jobs

from ramify import DAG, DAGExecutionError, Job, ParametrizedJob
from ramify.errors import InfrastructureError, JobTimeout, RamifyWarning, StorageError
from ramify.executors.aio import AsyncExecutor
from ramify.executors.threads import ThreadExecutor
from ramify.files.lock import FolderLock, read_holder
from ramify.journals.file import FileJournal, read_journal
from ramify.ports import Order, Outcome
from ramify.run.execute import execute
from ramify.run.view import RunView, runs_in

MODES = ["thread", "subprocess", "process"]


def view(folder: Path) -> RunView:
    return RunView(runs_in(str(folder / "run"))[0])


def grid(count: int = 20) -> DAG:
    return DAG(nodes={"g": ParametrizedJob(jobs.done, ["value"], [(n,) for n in range(count)])})


# ---- the journal cannot be written


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("after", [0, 1, 2, 3, 6])
def test_a_journal_that_cannot_be_written_ends_the_run(
    mode: str, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    append, left = FileJournal.append, [after]

    def full(self: FileJournal, record: Sequence[Any]) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise StorageError("no space left on device", path=self.path, errno=errno.ENOSPC)
        append(self, record)

    threads, children = set(threading.enumerate()), psutil.Process().children(recursive=True)
    monkeypatch.setattr(FileJournal, "append", full)
    with pytest.raises(StorageError, match="no space left"):
        grid().evaluate(tmp_path / "exp", execution_mode=mode, max_workers=2)
    monkeypatch.undo()
    assert psutil.Process().children(recursive=True) == children
    assert {t for t in threading.enumerate() if not t.daemon} <= threads
    assert read_holder(tmp_path / "exp" / "run") is None
    result = grid().evaluate(tmp_path / "exp", execution_mode="thread", skip_completed=True)
    assert result["g"].to_dict() == {n: n for n in range(20)}


def test_a_journal_takes_a_record_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "journal.jsonl")
    journal = FileJournal(path)
    journal.append(["first"])
    write = os.write

    def short(file: int, data: bytes) -> int:
        if len(data) < 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data[:5])

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(StorageError, match="No space left"):
        journal.append(["a long record"])
    monkeypatch.undo()
    with pytest.raises(StorageError, match="No space left"):  # or there would be a gap
        journal.append(["what builds on the long one"])
    journal.close()
    later = FileJournal(path)
    later.append(["second"])
    later.close()
    assert list(read_journal(path)) == [["first"], ["second"]]


@pytest.mark.parametrize("after", [1, 2, 4, 8])
def test_a_disk_that_was_full_for_a_moment_leaves_no_gap(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ramify.journals import file
    from ramify.run.view import RunView

    put, left = file._put, [after]

    def full_once(descriptor: int, lines: bytes) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(descriptor, lines)

    monkeypatch.setattr(file, "_put", full_once)
    with pytest.raises(StorageError, match="No space left"):
        grid().evaluate(tmp_path / "exp", execution_mode="thread", max_workers=2)
    monkeypatch.undo()
    for folder in (tmp_path / "exp" / "run").glob("*/journal.jsonl"):
        assert RunView(str(folder.parent)).status == "LOST"
    result = grid().evaluate(tmp_path / "exp", execution_mode="thread", skip_completed=True)
    assert result["g"].to_dict() == {n: n for n in range(20)}


def test_a_journal_whose_head_was_cut_short_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'["ramify-jour')
    journal = FileJournal(str(path))
    journal.append(["first"])
    journal.close()
    assert list(read_journal(str(path))) == [["first"]]


@pytest.mark.parametrize("mode", ["thread", "process"])
def test_an_output_that_cannot_be_put_in_place_is_that_jobs_failure(mode: str, tmp_path: Path) -> None:
    """A folder that is not empty stands where the payload's sidecar should be."""
    (tmp_path / "exp" / "outputs" / "a.ramify" / "x").mkdir(parents=True)
    dag = DAG(nodes={"a": Job(jobs.done, {"value": 1}), "b": Job(jobs.done, {"value": 2})})
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode=mode, on_failure="continue")
    assert caught.value.failed_job_id == "a"
    assert caught.value.completed_jobs == {"b"}


def test_words_that_utf8_cannot_say_are_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [b"fl\xffow.py".decode("utf-8", "surrogateescape")])
    grid(1).evaluate(tmp_path / "exp", execution_mode="thread")
    assert view(tmp_path / "exp").facts["command"] == ["fl\\udcffow.py"]


def test_a_current_folder_that_is_gone_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.warns(RamifyWarning, match="catalogue"), pytest.warns(RamifyWarning, match="reuse between"):
        assert grid(1).evaluate(tmp_path / "exp", execution_mode="thread")["g"][0] == 0


# ---- who watches


class Watcher:
    """Raises in one of its methods, and counts its calls."""

    def __init__(self, bad: str = "") -> None:
        self.bad = bad
        self.calls: list[str] = []

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self.bad:
            raise BrokenPipeError("nobody reads")

    def begin(self, engine: Any, facts: Any) -> None:
        self._called("begin")

    def saw(self, changes: Any) -> None:
        self._called("saw")

    def tick(self) -> None:
        self._called("tick")

    def ended(self) -> None:
        self._called("ended")


@pytest.mark.parametrize("bad", ["begin", "saw", "tick", "ended"])
@pytest.mark.parametrize("mode", ["thread", "process"])
def test_a_watcher_that_fails_does_not_disturb_the_run(mode: str, bad: str, tmp_path: Path) -> None:
    broken, whole = Watcher(bad), Watcher()
    plan = grid().materialize(tmp_path / "exp" / "plan")
    with pytest.warns(RamifyWarning, match="Watcher failed and is shown nothing more"):
        result = execute(str(plan), execution_mode=mode, observers=[broken, whole])
    assert len(result["g"]) == 20
    assert broken.calls[-1] == bad
    assert set(whole.calls) == {"begin", "saw", "tick", "ended"}
    assert whole.calls[0], whole.calls[-1] == ("begin", "ended")


def test_a_run_that_is_just_over_is_not_taken_for_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock goes between reading the journal and asking for the driver: the run was there all the time."""
    grid(1).evaluate(tmp_path / "exp", execution_mode="thread", name="r")
    folder = tmp_path / "exp" / "run"
    journal = folder / "r" / "journal.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-1]))
    lock = FolderLock(folder, run="r")
    lock.acquire()
    seen = RunView(str(folder / "r"))
    lock.release()
    assert seen.status == "RUNNING"
    assert RunView(str(folder / "r")).status == "LOST"


# ---- threads


def test_where_the_system_gives_no_more_threads_fewer_do_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = threading.Thread.start, []

    def limited(self: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", limited)
    dag = DAG(nodes={"g": ParametrizedJob(jobs.nap, ["n"], [(n,) for n in range(12)])})
    result = dag.evaluate(tmp_path / "exp", execution_mode="thread", max_workers=1000)
    assert len(result["g"]) == 12


def test_where_there_is_no_thread_at_all_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    executor = ThreadExecutor(lambda order: Outcome("ok"), 2)
    executor.start(lambda *news: None)
    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(InfrastructureError, match="can't start new thread"):
        executor.submit([Order(1, 1, "a")])
    monkeypatch.undo()
    executor.close(force=True)


# ---- coroutines


@pytest.mark.slow
@pytest.mark.parametrize("name", ["async_stubborn", "async_deaf"])
def test_a_coroutine_that_will_not_end_is_let_go(name: str, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    dag = DAG(nodes={"a": Job(getattr(jobs, name), {"flag": str(flag)}, timeout=0.2)})
    dag["b"] = Job(jobs.done, {"value": 1})
    try:
        with pytest.raises(DAGExecutionError) as caught:
            dag.evaluate(tmp_path / "exp", execution_mode="thread", max_workers=2, on_failure="continue")
        assert isinstance(caught.value.cause, JobTimeout)
        assert caught.value.completed_jobs == {"b"}
    finally:
        flag.touch()


@pytest.mark.slow
def test_closing_by_force_does_not_wait_for_a_blocked_loop() -> None:
    running, free = threading.Event(), threading.Event()

    async def perform(order: Order) -> Outcome:
        running.set()
        assert free.wait(30)
        return Outcome("ok")

    executor = AsyncExecutor(perform, 1)
    executor.start(lambda *news: None)
    executor.submit([Order(1, 1, "a")])
    assert running.wait(30)
    executor.close(force=True)
    free.set()


@pytest.mark.parametrize("workers", [1, 2])
def test_inside_a_running_loop_coroutines_run_as_well(workers: int, tmp_path: Path) -> None:
    async def cell() -> Any:
        dag = DAG(nodes={"a": Job(jobs.async_done, {"value": 1}), "b": Job(jobs.asyncio_run, {"value": 2})})
        return dag.evaluate(tmp_path / "exp", execution_mode="thread", max_workers=workers).to_dict()

    assert asyncio.run(cell()) == {"a": 1, "b": 2}


# ---- what is written, and when


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_a_job_is_written_down_before_it_begins(mode: str, tmp_path: Path) -> None:
    """Another process that reads the journal while a job runs sees it running."""
    dag = DAG(nodes={"a": Job(jobs.read_own_state, {"run": str(tmp_path / "exp" / "run" / "r")})})
    assert dag.evaluate(tmp_path / "exp", execution_mode=mode, name="r")["a"] == ["RUNNING", "running"]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["thread", "process"])
def test_many_into_one_and_long_chains(mode: str, tmp_path: Path) -> None:
    count = 20_000 if mode == "thread" else 200
    dag = grid(count)
    dag["sum"] = Job(jobs.total, {"group": dag["g"]})
    previous: Any = dag["sum"]
    for n in range(count // 20):
        previous = dag[f"c{n}"] = Job(jobs.add, {"x": previous, "y": 1})
    result = dag.evaluate(tmp_path / "exp", execution_mode=mode, max_workers=2)
    assert result[f"c{count // 20 - 1}"] == count * (count - 1) // 2 + count // 20


def test_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refused(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").write_text(f'{{"host":"elsewhere","pid":{os.getpid()},"run":"r"}}')
    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(StorageError, match=r"(?i)cannot lock .*No locks available"):
        grid(1).evaluate(tmp_path / "exp", execution_mode="thread")
    holder = read_holder(tmp_path / "run")
    assert holder is not None
    assert holder["run"] == "r"


def test_a_closed_pool_is_said_by_name(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(DAGExecutionError) as caught:
        grid(3).evaluate(tmp_path / "exp", executor=pool)
    assert isinstance(caught.value.cause, InfrastructureError)
    assert "after shutdown" in str(caught.value.cause)


@pytest.mark.slow
def test_an_executor_that_never_answers_is_left_after_the_timeout(tmp_path: Path) -> None:
    from concurrent.futures import Executor, Future

    class Never(Executor):
        def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
            return Future()

    with pytest.raises(DAGExecutionError) as caught:
        grid(2).evaluate(tmp_path / "exp", executor=Never(), timeout=0.2)
    assert isinstance(caught.value.cause, JobTimeout)


def test_a_failed_job_is_told_although_its_words_are_odd(tmp_path: Path) -> None:
    dag = DAG(nodes={"a": Job(jobs.raise_surrogate, {})})
    with pytest.raises(DAGExecutionError) as caught:
        dag.evaluate(tmp_path / "exp", execution_mode="thread")
    assert isinstance(caught.value.cause, FileNotFoundError)
    assert "udcff" in str(view(tmp_path / "exp").job("a").failure)
