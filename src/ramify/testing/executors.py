"""The contract of `ramify.ports.Executor`, as tests: derive from `ExecutorContract`, say how yours is made.

    class TestMyExecutor(ExecutorContract):
        def make(self, bench, workers):
            return MyExecutor(bench.plan_path, ...)

Needs pytest. The flags say what an executor can; what it cannot is skipped, with the reason.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ramify.dag.job import Job
from ramify.errors import RamifyError, RemoteError
from ramify.ports import Executor
from ramify.testing import jobs
from ramify.testing.bench import Bench, assert_gone, descriptors, heard
from ramify.worker.failure import revive


class ExecutorContract:
    """What every executor does. The fixture `bench` takes jobs by key, and gives them a live executor."""

    isolated = True
    """A job runs in a process other than the driver's, so it may die."""
    tells_deaths = True
    """The death of a job's process is told with its code or signal."""
    captures_children = True
    """What a job's children write is in its log."""
    inherits = True
    """A job sees the driver's directory, import path and environment as they are when the run begins."""

    def make(self, bench: Bench, workers: int) -> Executor:
        raise NotImplementedError

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
        benches: list[Bench] = []

        def opened(workers: int = 2, **work: Any) -> Bench:
            folder = tmp_path / str(len(benches))
            folder.mkdir()
            bench = Bench(
                folder, {key: job if isinstance(job, Job) else Job(job) for key, job in work.items()}
            )
            benches.append(bench)
            bench.start(self.make(bench, workers))
            return bench

        yield opened
        for bench in benches:
            bench.release()
        for bench in benches:
            bench.end()

    # ---- one order, one end

    def test_an_order_starts_and_ends_once(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=Job(jobs.give, {"value": 42}))
        (outcome,) = b.run("a")
        assert outcome.kind == "ok", outcome
        assert b.value("a", outcome) == 42
        b.executor.close()
        assert b.told("a").count("ended") == 1
        assert b.told("a")[-1] == "ended"

    def test_more_orders_than_workers(self, bench: Callable[..., Bench]) -> None:
        b = bench(**{f"j{i}": Job(jobs.give, {"value": i}) for i in range(25)})
        names = [f"j{i}" for i in range(25)]
        outcomes = b.run(*names)
        assert [b.value(n, o) for n, o in zip(names, outcomes, strict=True)] == list(range(25))
        assert all(b.told(name).count("ended") == 1 for name in names)

    def test_orders_may_come_in_pieces_and_repeat_as_attempts(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=Job(jobs.say, {"text": "again"}))
        for attempt in (1, 2, 3):
            (outcome,) = b.run("a", attempt=attempt)
            assert outcome.kind == "ok"
        assert b.log("a").exists() and b.log("a.try2").exists() and b.log("a.try3").exists()

    def test_a_coroutine_is_awaited(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=Job(jobs.give_async, {"value": [1, 2]}))
        assert b.value("a", b.run("a")[0]) == [1, 2]

    def test_a_big_output(self, bench: Callable[..., Bench]) -> None:
        text = "x" * 8_000_000
        b = bench(a=Job(jobs.give, {"value": text}))
        assert b.value("a", b.run("a")[0]) == text

    def test_functions_by_value(self, bench: Callable[..., Bench]) -> None:
        factor = 3
        b = bench(a=Job(lambda x: x * factor, {"x": 5}))
        assert b.value("a", b.run("a")[0]) == 15

    def test_the_figures(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=jobs.give)
        (outcome,) = b.run("a")
        assert outcome.seconds > 0 and outcome.cpu_seconds >= 0
        assert outcome.digest == (outcome.record or {})["checksum"]["digest"]

    # ---- failures

    def test_an_exception_is_the_jobs_own(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=Job(jobs.fail, {"message": "\x1b[31mred \\x"}))
        (outcome,) = b.run("a")
        assert outcome.kind == "error" and outcome.error is not None
        error = revive(outcome.error)
        assert type(error) is ValueError and str(error) == "\x1b[31mred \\x"
        assert outcome.error.during == "call"
        lines = outcome.error.traceback.splitlines()
        assert lines[1].endswith("in fail") and "raise ValueError" in lines[2]

    def test_system_exit_is_a_failure(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=jobs.leave, z=jobs.give)
        outcome, after = b.run("a", "z")
        assert outcome.kind == "error" and outcome.error is not None
        assert outcome.error.type_name == "SystemExit"
        assert after.kind == "ok"

    def test_exceptions_with_odd_constructors(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=jobs.fail_oddly)
        error = revive(b.run("a")[0].error)  # type: ignore[arg-type]  # asserted by what follows
        assert type(error) is jobs.TwoArguments and error.code == 7 and str(error) == "7: odd"

    def test_exceptions_that_cannot_be_pickled(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=jobs.fail_unpicklably)
        (outcome,) = b.run("a")
        assert outcome.error is not None and outcome.error.type_name == "ramify.testing.jobs.Unpicklable"
        error = revive(outcome.error)
        assert isinstance(error, jobs.Unpicklable | RemoteError) and "it holds a lock" in str(error)

    def test_a_value_that_cannot_be_stored(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=jobs.give_what_cannot_be_stored, z=jobs.give)
        outcome, after = b.run("a", "z")
        assert outcome.kind == "error" and outcome.error is not None and outcome.error.during == "store"
        assert after.kind == "ok"

    def test_a_hard_exit(self, bench: Callable[..., Bench]) -> None:
        self._needs(self.tells_deaths, "the death of a job's process is not told apart here")
        b = bench(a=Job(jobs.exit_hard, {"code": 7}))
        (outcome,) = b.run("a")
        assert (outcome.kind, outcome.exit_code, outcome.signal) == ("died", 7, None)

    def test_a_kill_is_blamed_on_the_right_job(self, bench: Callable[..., Bench]) -> None:
        self._needs(self.tells_deaths, "the death of a job's process is not told apart here")
        good = {f"g{i}": Job(jobs.give, {"value": i}) for i in range(12)}
        b = bench(bad=jobs.kill_self, **good)
        outcomes = b.run(*list(good)[:6], "bad", *list(good)[6:])
        assert [o.kind for o in outcomes] == ["ok"] * 6 + ["died"] + ["ok"] * 6
        assert outcomes[6].signal == 9
        assert b.log("bad").read_text() == "last words\n"

    def test_a_worker_killed_from_outside(self, bench: Callable[..., Bench]) -> None:
        self._needs(self.tells_deaths, "the death of a job's process is not told apart here")
        b = bench(a=jobs.give, z=jobs.give)
        fifo = b.fifo("f")
        b = self._again(bench, b, a=Job(jobs.wait_for, {"fifo": fifo}), z=Job(jobs.give))
        b.submit("a", "z")
        (pid,) = heard(fifo)
        psutil.Process(pid).kill()
        outcome, other = b.wait("a", "z")
        assert (outcome.kind, outcome.signal, other.kind) == ("died", 9, "ok")
        assert b.run("z", attempt=2)[0].kind == "ok"

    def test_an_executor_whose_worker_died_says_lost(self, bench: Callable[..., Bench]) -> None:
        self._needs(self.isolated and not self.tells_deaths, "deaths are told apart here")
        b = bench(a=Job(jobs.exit_hard))
        (outcome,) = b.run("a")
        assert outcome.kind == "lost" and outcome.error is not None and outcome.error.message

    # ---- stopping

    def test_stopping_ends_the_whole_tree(self, bench: Callable[..., Bench]) -> None:
        b = bench(x=jobs.give)
        self._needs(b.executor.stops, "this executor cannot stop what runs")
        fifo = b.fifo("f")
        b = self._again(bench, b, a=Job(jobs.wait_with_family, {"fifo": fifo}), z=Job(jobs.give))
        b.submit("a")
        pids = heard(fifo)
        b.executor.stop([(b.numbers["a"], 1)])
        assert b.wait("a")[0].kind == "stopped"
        assert_gone(pids)
        assert b.run("z")[0].kind == "ok"

    def test_what_waits_is_stopped_before_it_starts(self, bench: Callable[..., Bench]) -> None:
        b = bench(x=jobs.give)
        fifo = b.fifo("f")
        work = {f"q{i}": Job(jobs.say, {"text": "ran"}) for i in range(4)}
        b = self._again(bench, b, workers=1, a=Job(jobs.wait_for, {"fifo": fifo}), **work)
        b.submit("a", *work)
        assert heard(fifo)
        b.executor.stop([(b.numbers[name], 1) for name in work])
        assert [o.kind for o in b.wait(*work)] == ["stopped"] * 4
        Path(f"{fifo}.down").write_text("go on")
        assert b.value("a", b.wait("a")[0]) == "go on"
        assert not any(b.log(name).exists() for name in work)

    def test_stopping_what_is_not_there_changes_nothing(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=jobs.give)
        b.executor.stop([(99, 1), (b.numbers["a"], 7)])
        assert b.run("a")[0].kind == "ok"
        b.executor.stop([(b.numbers["a"], 1)])
        b.executor.close()
        assert b.told("a").count("ended") == 1

    # ---- output and surroundings

    def test_a_log_for_each_job(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=Job(jobs.say, {"text": "one"}), z=Job(jobs.say, {"text": "two ☃"}), silent=jobs.give)
        b.run("a", "z", "silent")
        assert b.log("a").read_text() == "one\nwarned\n"
        assert b.log("z").read_text(encoding="utf-8") == "two ☃\nwarned\n"
        assert not b.log("silent").exists()

    def test_children_and_descriptors_write_to_the_log(self, bench: Callable[..., Bench]) -> None:
        self._needs(self.captures_children, "only Python's own streams are told apart here")
        b = bench(a=jobs.say_all_ways, z=jobs.say_by_descriptor)
        b.run("a", "z")
        assert b.log("a").read_text() == "python\ndescriptor\nchild\n"
        assert b.log("z").read_text() == "descriptor\n"

    def test_only_logs_are_left_in_their_folder(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=Job(jobs.say, {"text": "one"}), silent=jobs.give)
        b.run("a", "silent")
        b.executor.close()
        assert [path.name for path in b.log("a").parent.iterdir()] == ["a.log"]

    def test_surroundings_are_the_drivers(
        self, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self._needs(self.isolated and self.inherits, "a job's surroundings are not the executor's to give")
        monkeypatch.setenv("RAMIFY_TEST_MARK", "here")
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(tmp_path))
        b = bench(a=jobs.where)
        seen = b.value("a", b.run("a")[0]).to_dict()
        assert seen["pid"] != os.getpid()
        assert seen["cwd"] == str(tmp_path) and seen["mark"] == "here" and seen["path"][0] == str(tmp_path)
        assert seen["stdin"] == ""

    # ---- the end

    def test_closing_waits_for_what_runs(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=Job(jobs.give, {"value": 1}), z=Job(jobs.give, {"value": 2}))
        b.submit("a", "z")
        b.executor.close()
        assert [o.kind for o in b.wait("a", "z")] == ["ok", "ok"]

    def test_closing_twice_and_submitting_after_it(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=jobs.give)
        b.run("a")
        b.executor.close()
        b.executor.close()
        b.executor.close(force=True)
        with pytest.raises(RamifyError, match="closed"):
            b.submit("a", attempt=2)

    def test_closing_by_force_ends_what_runs(self, bench: Callable[..., Bench]) -> None:
        b = bench(x=jobs.give)
        self._needs(b.executor.stops, "this executor cannot stop what runs")
        fifo = b.fifo("f")
        b = self._again(bench, b, a=Job(jobs.wait_with_family, {"fifo": fifo}))
        b.submit("a")
        pids = heard(fifo)
        b.executor.close(force=True)
        assert_gone(pids)

    def test_nothing_is_left_behind(self, bench: Callable[..., Bench]) -> None:
        b = bench(a=Job(jobs.say, {"text": "x"}))
        b.run("a")
        b.executor.close()
        threads, opened = threading.active_count(), descriptors()
        children = {child.pid for child in self.children()}
        again = self._again(bench, b, a=Job(jobs.say, {"text": "x"}), z=Job(jobs.fail))
        again.run("a", "z")
        again.executor.close()
        self.shut_down(again)
        assert threading.active_count() <= threads
        assert descriptors() <= opened
        assert self._children_but(children) == []

    def children(self) -> list[psutil.Process]:
        """The processes that this one has started, directly or not."""
        found: list[psutil.Process] = psutil.Process().children(recursive=True)
        return found

    def _children_but(self, known: set[int]) -> list[str]:
        """What this process has started besides, by its command."""
        found = [child for child in self.children() if child.pid not in known]
        return [f"{child.pid} {shlex.join(child.cmdline())}" for child in found if child.is_running()]

    def shut_down(self, bench: Bench) -> None:
        """For what the executor itself must not end: the pool that it was given."""

    def _again(self, bench: Callable[..., Bench], old: Bench, **work: Any) -> Bench:
        old.executor.close(force=True)
        return bench(**work)

    def _needs(self, condition: bool, reason: str) -> None:
        if not condition:
            pytest.skip(f"platform: {reason}")
