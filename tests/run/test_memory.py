"""Runs in memory: the driver with functions and values of this process."""

import threading
from random import Random
from typing import Any

import pytest

from ramify.core.replay import replay
from ramify.core.views import snapshot
from ramify.errors import DuplicateKeyError, JobCancelled, ParentFailed
from ramify.journals.memory import MemoryJournal
from ramify.run.memory import MemoryRun, Ref

WORKERS = [0, 1, 2, 4]


@pytest.mark.parametrize("workers", WORKERS)
def test_random_graphs_give_what_plain_calls_give(workers: int) -> None:
    random = Random(workers)
    for _ in range(60):
        run = MemoryRun(workers=workers)
        expected: list[int] = []
        refs: list[Ref] = []
        for number in range(random.randint(1, 40)):
            chosen = random.sample(range(number), min(number, random.choice((0, 1, 1, 2, 5))))
            refs.append(run.add(str(number), lambda *a: sum(a) + 1, tuple(refs[c] for c in chosen)))
            expected.append(sum(expected[c] for c in chosen) + 1)
        run.start()
        assert [run.result(str(n)) for n in range(len(expected))] == expected


def test_inline_calls_run_in_this_thread_in_order() -> None:
    seen: list[Any] = []
    run = MemoryRun()
    for number in (3, 1, 2):
        run.add(str(number), lambda n=number: seen.append((n, threading.current_thread())))
    run.start()
    assert seen == [(n, threading.main_thread()) for n in (3, 1, 2)]


def test_threads_run_at_the_same_time() -> None:
    barrier = threading.Barrier(4, timeout=20)
    run = MemoryRun(workers=4)
    for number in range(4):
        run.add(str(number), barrier.wait)
    run.start()
    assert sorted(run.result(str(n)) for n in range(4)) == [0, 1, 2, 3]


def test_short_calls_do_not_keep_long_ones_from_running_together() -> None:
    """The same function is quick many times and then slow: a guess that must be mended."""
    barrier = threading.Barrier(2, timeout=20)
    run = MemoryRun(workers=2)

    def work(wait: bool) -> None:
        if wait:
            barrier.wait()

    refs = [run.add(f"quick{n}", work, (False,)) for n in range(50)]
    run.add("slow0", work, (True,), after=refs)
    run.add("slow1", work, (True,), after=refs)
    run.start()
    assert run.driver.counts() == {"succeeded": 52}


@pytest.mark.parametrize("workers", WORKERS)
def test_threads_are_gone_afterwards(workers: int) -> None:
    before = set(threading.enumerate())
    run = MemoryRun(workers=workers)
    for number in range(20):
        run.add(str(number), lambda: None)
    run.start()
    assert set(threading.enumerate()) == before


def fail() -> None:
    raise KeyError("no")


@pytest.mark.parametrize("workers", WORKERS)
def test_a_failure_stops_only_what_needs_it(workers: int) -> None:
    run = MemoryRun(workers=workers)
    bad = run.add("bad", fail)
    run.add("child", lambda x: x, (bad,))
    run.add("other", lambda: 1)
    run.start()
    assert run.result("other") == 1
    with pytest.raises(KeyError, match="no"):
        run.result("bad")
    with pytest.raises(ParentFailed, match="'bad' has no value") as caught:
        run.result("child")
    assert isinstance(caught.value.__cause__, KeyError)


def test_fail_fast_starts_nothing_more() -> None:
    run = MemoryRun(fail_fast=True)
    run.add("a", fail)
    run.add("b", lambda: 1)
    run.start()
    with pytest.raises(JobCancelled, match="a failed"):
        run.result("b")
    assert run.driver.counts() == {"failed": 1, "cancelled": 1}


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), BaseException("odd")])
@pytest.mark.parametrize("workers", [0, 2])
def test_no_exception_of_a_call_escapes(workers: int, error: BaseException) -> None:
    def raising() -> None:
        raise error

    run = MemoryRun(workers=workers)
    run.add("a", raising)
    run.start()
    with pytest.raises(type(error)):
        run.result("a")


@pytest.mark.parametrize("workers", [0, 2])
def test_retries_are_counted_from_the_first_failure(workers: int) -> None:
    calls: list[int] = []

    def flaky() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise OSError("not yet")
        return len(calls)

    run = MemoryRun(workers=workers, retries=2)
    run.add("a", flaky)
    run.start()
    assert run.result("a") == 3
    assert run.engine.attempts == [3]


def test_cancelling_from_another_thread_ends_the_run() -> None:
    run = MemoryRun(workers=1)
    started = threading.Event()
    release = threading.Event()

    def hold() -> None:
        started.set()
        release.wait(20)

    run.add("a", hold)
    run.add("b", lambda: 1)

    def cancel() -> None:
        started.wait(20)
        run.driver.cancel("enough", force=False)
        release.set()

    other = threading.Thread(target=cancel)
    other.start()
    run.start()
    other.join()
    assert run.driver.counts() == {"succeeded": 1, "cancelled": 1}


def test_a_forced_cancel_does_not_wait_for_a_thread() -> None:
    run = MemoryRun(workers=2)
    release = threading.Event()
    started = threading.Event()

    def hold() -> None:
        started.set()
        release.wait(20)

    run.add("a", hold)

    def cancel() -> None:
        started.wait(20)
        run.driver.cancel("enough", force=True)

    other = threading.Thread(target=cancel)
    other.start()
    run.start()
    assert run.driver.counts() == {"cancelled": 1}
    other.join()
    release.set()


@pytest.mark.parametrize("workers", [0, 2])
def test_the_journal_replays_to_the_same_state(workers: int) -> None:
    journal = MemoryJournal()
    run = MemoryRun(workers=workers, journal=journal)
    refs = [run.add(f"a{n}", lambda: 1) for n in range(10)]
    run.add("bad", fail)
    run.add("sum", lambda *a: sum(a), tuple(refs))
    run.start()
    from ramify.core.engine import Engine

    second = Engine()
    for key, parents in zip(run.engine.keys, run.engine.parents, strict=True):
        second.add(key, parents)
    replay(second, [tuple(r[1:]) for r in journal.records])  # type: ignore[misc]  # rows are lists here
    assert snapshot(second) == snapshot(run.engine)


class Watcher:
    def __init__(self) -> None:
        self.letters: list[str] = []
        self.done = False

    def saw(self, changes: Any) -> None:
        self.letters += [letter for letter, *_ in changes]

    def ended(self) -> None:
        self.done = True


@pytest.mark.parametrize("workers", [0, 2])
def test_observers_see_everything_in_order(workers: int) -> None:
    watcher = Watcher()
    run = MemoryRun(workers=workers, observers=[watcher])
    first = run.add("a", lambda: 1)
    run.add("b", lambda x: x, (first,))
    run.start()
    assert "".join(watcher.letters) == "wsSsS"


def test_an_observer_that_fails_is_reported_and_the_run_goes_on() -> None:
    class Broken(Watcher):
        def saw(self, changes: Any) -> None:
            raise ValueError("blind")

    run = MemoryRun(observers=[Broken()])
    run.add("a", lambda: 1)
    with pytest.warns(match="Broken failed and is shown nothing more"):
        run.start()
    assert run.result("a") == 1


def test_ctrl_c_in_a_call_ends_the_run() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    run = MemoryRun()
    run.add("a", interrupt)
    run.add("b", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        run.start()
    assert run.driver.counts() == {"cancelled": 2}


def test_a_key_stands_for_one_call() -> None:
    run = MemoryRun()
    held = [1]
    one = run.add("one", max, (1, held, "text"), {"key": len})
    assert run.add("one", max, (1, held, "text"), {"key": len}) == one
    for call in [
        (min, (1, held, "text"), {"key": len}),
        (max, (True, held, "text"), {"key": len}),
        (max, (1, [2], "text"), {"key": len}),
        (max, (1, held, "text"), None),
        (max, (1, held), {"key": len}),
    ]:
        with pytest.raises(DuplicateKeyError, match="'one' has another call"):
            run.add("one", *call)
