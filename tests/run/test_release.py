"""How long values in memory are kept, and where they are while memory is short."""

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from values_kept import check

from ramify.core.table import GOOD, NAMES
from ramify.errors import ModeError, ParentFailed, ValueReleased
from ramify.run.memory import MemoryRun, Ref

WORKERS = [0, 1, 3]


class Big:
    """Says that it is large, as an array does, and can be watched."""

    nbytes = 2_000_000

    def __init__(self, number: int = 0) -> None:
        self.number = number


class Seen:
    """Makes big values and knows which of them are still alive."""

    def __init__(self) -> None:
        self.made: dict[int, weakref.ref[Big]] = {}

    def make(self, number: int, *_: Any) -> Big:
        value = Big(number)
        self.made[number] = weakref.ref(value)
        return value

    def alive(self) -> list[int]:
        return [number for number, ref in self.made.items() if ref() is not None]


def use(*values: Any) -> int:
    return len(values)


def fail(*values: Any) -> None:
    local = values  # noqa: F841  # what the frame of the error keeps
    raise OSError("no")


@pytest.fixture
def spill_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of values that were put away appear."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


# ---- how long


@pytest.mark.parametrize("workers", WORKERS)
def test_a_large_value_goes_when_its_last_user_has_ended(workers: int) -> None:
    seen = Seen()
    alive: dict[str, list[int]] = {}
    run = MemoryRun(workers=workers)
    big = run.add("big", seen.make, (1,))
    first = run.add("first", use, (big,))
    between = run.add("between", lambda: alive.update(between=seen.alive()), after=(first,))
    second = run.add("second", use, (big,), after=(between,))
    run.add("end", lambda: alive.update(end=seen.alive()), after=(second,))
    run.start()
    assert alive == {"between": [1], "end": []}
    assert run.result("second") == 1
    with pytest.raises(ValueReleased, match=r"'big' was let go .* keep=True") as caught:
        run.result("big")
    assert isinstance(caught.value, LookupError)
    assert caught.value.key == "big"  # type: ignore[attr-defined]  # facts are attributes


@pytest.mark.parametrize("workers", WORKERS)
def test_a_chain_never_has_more_than_two(workers: int) -> None:
    seen, most = Seen(), []
    run = MemoryRun(workers=workers)

    def step(number: int, *parents: Big) -> Big:
        value = seen.make(number)
        most.append(len(seen.alive()))
        return value

    last = run.add("0", step, (0,))
    for number in range(1, 30):
        last = run.add(str(number), step, (number, last))
    run.start()
    assert max(most) == 2
    assert run.result("29").number == 29


def test_results_and_small_values_stay() -> None:
    run = MemoryRun()
    small = run.add("small", lambda: list(range(20_000)))
    run.add("leaf", Big)
    waited = run.add("waited", Big)
    run.add("use", use, (small,), after=(waited,))
    run.start()
    assert len(run.result("small")) == 20_000
    assert isinstance(run.result("leaf"), Big)
    assert isinstance(run.result("waited"), Big)  # nothing uses its value


@pytest.mark.parametrize("workers", WORKERS)
def test_a_call_that_is_tried_again_still_has_its_input(workers: int) -> None:
    seen, had = Seen(), []
    run = MemoryRun(workers=workers, retries=3)

    def flaky(value: Big) -> int:
        had.append(value.number)
        if len(had) < 3:
            raise OSError("not yet")
        return value.number

    run.add("user", flaky, (run.add("big", seen.make, (7,)),))
    run.start()
    assert run.result("user") == 7
    assert had == [7, 7, 7]
    assert seen.alive() == []


@pytest.mark.parametrize("workers", WORKERS)
def test_failed_and_blocked_users_let_go(workers: int) -> None:
    """Although the error is kept, which has the frames of the call."""
    seen = Seen()
    run = MemoryRun(workers=workers)
    bad = run.add("bad", fail, (run.add("a", seen.make, (1,)),))
    other = run.add("b", seen.make, (2,))
    run.add("blocked", use, (bad, other))
    run.start()
    assert seen.alive() == []
    with pytest.raises(OSError, match="no"):
        run.result("bad")
    with pytest.raises(ParentFailed):
        run.result("blocked")


def test_the_error_keeps_its_variables_if_everything_is_kept() -> None:
    run = MemoryRun(keep="all")
    run.add("bad", fail, (run.add("a", Big),))
    run.start()
    with pytest.raises(OSError, match="no") as caught:
        run.result("bad")
    assert "local" in caught.traceback[-1].locals


@pytest.mark.parametrize("way", ["itself", "cause", "context", "group"])
@pytest.mark.parametrize("workers", WORKERS)
def test_an_error_does_not_keep_what_its_call_made(workers: int, way: str) -> None:
    seen = Seen()

    def work() -> None:
        try:
            fail([seen.make(1)])
        except OSError as error:
            if way == "cause":
                raise ValueError("why") from error
            if way == "context":
                raise ValueError("why")  # noqa: B904  # what is tested
            if way == "group":
                raise ExceptionGroup("both", [error]) from None
            raise

    run = MemoryRun(workers=workers)
    run.add("work", work)
    run.start()
    assert seen.alive() == []
    with pytest.raises((OSError, ValueError, ExceptionGroup)):
        run.result("work")


def test_the_variables_of_an_error_stay_if_they_are_small() -> None:
    run = MemoryRun()
    run.add("bad", fail, (1, 2))
    run.start()
    with pytest.raises(OSError, match="no") as caught:
        run.result("bad")
    assert caught.traceback[-1].locals["local"] == (1, 2)


def test_a_failure_in_the_middle_lets_go_before_the_next_call() -> None:
    seen, alive = Seen(), []
    run = MemoryRun()
    for number in range(20):
        big = run.add(f"big{number}", seen.make, (number,))
        run.add(f"bad{number}", fail, (big,))
    run.add("look", lambda: alive.append(seen.alive()))
    run.start()
    assert alive == [[]]


@pytest.mark.parametrize("force", [False, True])
def test_cancelled_users_let_go(force: bool) -> None:
    seen = Seen()
    started, release = threading.Event(), threading.Event()
    run = MemoryRun(workers=2)
    big = run.add("big", seen.make, (1,))

    def wait() -> None:
        started.set()
        release.wait(20)

    waiting = run.add("wait", wait, after=(big,))
    run.add("never", use, (big,), after=(waiting,))

    def cancel() -> None:
        started.wait(20)
        run.cancel(force=force)
        release.set()

    other = threading.Thread(target=cancel)
    other.start()
    run.start()
    other.join()
    assert seen.alive() == []
    with pytest.raises(ValueReleased):
        run.result("big")


def test_what_is_cancelled_lets_go_before_the_run_is_at_rest() -> None:
    seen, alive = Seen(), []
    run = MemoryRun()
    big = run.add("big", seen.make, (1,))

    def give_up() -> None:
        alive.append(seen.alive())
        run.cancel()
        alive.append(seen.alive())

    run.add("never", use, (big,), after=(run.add("give up", give_up, after=(big,)),))
    run.start()
    assert alive == [[1], []]


def test_many_users_that_one_failure_blocks_let_go() -> None:
    """Too many are watched for a look after one failure: the end of the run has it."""
    seen = Seen()
    run = MemoryRun()
    bigs = [run.add(f"big{n}", seen.make, (n,)) for n in range(100)]
    bad = run.add("bad", fail, after=bigs)
    for number, big in enumerate(bigs):
        run.add(f"use{number}", use, (big, bad))
    run.start()
    assert seen.alive() == []


def test_what_ends_after_everything_was_given_up_goes_too() -> None:
    seen = Seen()
    run = MemoryRun()

    def make() -> Big:
        run.cancel()
        return seen.make(1)

    run.add("use", use, (run.add("big", make),))
    run.start()
    assert seen.alive() == []


def test_keeping_one_or_all() -> None:
    run = MemoryRun()
    kept = run.add("kept", Big, keep=True)
    run.add("use", use, (kept, run.add("gone", Big)))
    run.start()
    assert isinstance(run.result("kept"), Big)
    with pytest.raises(ValueReleased):
        run.result("gone")

    run = MemoryRun(keep="all")
    run.add("use", use, (run.add("big", Big),))
    run.start()
    assert isinstance(run.result("big"), Big)


def test_holding_counts() -> None:
    seen = Seen()
    run = MemoryRun()
    big = run.add("big", seen.make, (1,))
    run.add("use", use, (big,))
    run.hold(big)
    run.hold(big)
    run.start()
    run.release(big)
    assert run.result("big").number == 1
    run.release(big)
    assert seen.alive() == []
    run.release(big)  # once more than it was held: nothing happens
    with pytest.raises(ValueReleased):
        run.result("big")


def test_a_finalizer_may_release_in_the_middle_of_anything() -> None:
    """A handle that goes while the values are being looked after: whoever has the lock does it afterwards."""
    seen = Seen()
    run = MemoryRun()
    big = run.add("big", seen.make, (1,))
    run.add("use", use, (big,))
    run.hold(big)
    run.start()
    with run.large._lock:
        run.release(big)  # as a garbage collection in here would
        assert seen.alive() == [1]
    assert seen.alive() == []


@pytest.mark.slow
def test_a_handle_that_goes_lets_the_value_go() -> None:
    class Handle:
        def __init__(self, run: MemoryRun, node: int) -> None:
            run.hold(node)
            weakref.finalize(self, run.release, node)

    seen = Seen()
    run = MemoryRun()
    big = run.add("big", seen.make, (1,))
    run.add("use", use, (big,))
    handle = Handle(run, big)
    run.start()
    assert seen.alive() == [1]
    del handle
    gc.collect()
    assert seen.alive() == []


@pytest.mark.parametrize("kept", [False, True])
def test_a_user_that_comes_later(kept: bool) -> None:
    """A graph that grows while it runs: a held value waits for the new user, one that is gone is told."""
    seen = Seen()
    run = MemoryRun()
    big = run.add("big", seen.make, (5,))
    used = run.add("use", use, (big,))
    if kept:
        run.hold(big)

    def grow() -> None:
        late = run.add("late", lambda value: value.number, (big,))
        run.release(big)
        run.driver.request(lambda: run.engine.want([late], "grown"))

    run.add("grow", grow, after=(used,))
    run.start()
    if kept:
        assert run.result("late") == 5
        assert seen.alive() == []
    else:
        with pytest.raises(ValueReleased, match="'big' was let go"):
            run.result("late")


def test_a_result_of_the_run_that_gets_a_user_later_goes_with_it() -> None:
    seen = Seen()
    run = MemoryRun()
    big = run.add("big", seen.make, (5,))

    def grow() -> None:
        late = run.add("late", use, (big,))
        run.driver.request(lambda: run.engine.want([late], "grown"))

    run.add("grow", grow, after=(big,))
    run.start()
    assert run.result("late") == 1
    assert seen.alive() == []


def test_unknown_ways_to_keep_are_refused() -> None:
    with pytest.raises(ModeError, match='"results" or "all"'):
        MemoryRun(keep="some")
    with pytest.raises(ModeError, match="bytes"):
        MemoryRun(memory_limit=-1)


# ---- any graph


def random_run(random: Random, run: MemoryRun, make: Callable[..., Any]) -> tuple[list[list[int]], set[int]]:
    """Adds calls with parents that they use and others that they wait for; returns the used ones, and whom
    somebody keeps."""
    refs: list[Ref] = []
    used: list[list[int]] = []
    kept: set[int] = set()
    for number in range(random.randint(2, 40)):
        chosen = random.sample(range(number), min(number, random.choice((0, 1, 1, 2, 4))))
        after = random.sample(range(number), min(number, random.choice((0, 0, 0, 1, 2))))
        keep = random.random() < 0.1
        kept |= {number} if keep else set()
        args = (number, *(refs[c] for c in chosen))
        refs.append(run.add(str(number), make, args, after=[refs[a] for a in after], keep=keep))
        used.append(chosen)
    return used, kept


@pytest.mark.slow
@pytest.mark.parametrize("workers", WORKERS)
def test_in_any_graph_exactly_what_is_needed_stays(workers: int) -> None:
    random = Random(workers)
    for _ in range(150):
        seen = Seen()
        wrong: list[Any] = []
        bad = random.choice((0.0, 0.1))
        run = MemoryRun(workers=workers, retries=1, fail_fast=random.random() < 0.2)

        def make(number: int, *parents: Big, seen: Seen = seen, bad: float = bad, wrong: Any = wrong) -> Big:
            wrong += [p for p in parents if type(p) is not Big]
            if Random(number).random() < bad:
                raise OSError("no")
            return seen.make(number)

        used, kept = random_run(random, run, make)
        run.start()
        assert wrong == []
        good = {n for n, state in enumerate(run.engine.state) if GOOD[state]}
        with_users = {parent for parents in used for parent in parents}
        expected = {n for n in good if n in kept or n not in with_users}
        assert set(seen.alive()) == expected, [NAMES[s] for s in run.engine.state]
        assert set(run.large.entries) == expected
        check(run)


@pytest.mark.slow
@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("limit", [0, 20_000, 60_000])
def test_with_a_limit_any_graph_gives_the_same_values(workers: int, limit: int, spill_home: Path) -> None:
    random = Random(workers)
    stored = 0
    for _ in range(25):
        run = MemoryRun(workers=workers, memory_limit=limit)

        def make(number: int, *parents: bytes) -> bytes:
            return (sum(p[0] for p in parents) + number).to_bytes(2)[1:] * 6000

        used, _ = random_run(random, run, make)
        run.start()
        check(run)
        stored += sum(e.stored is not None for e in run.large.entries.values())
        expected: list[bytes] = []
        for number, parents in enumerate(used):
            expected.append(make(number, *(expected[p] for p in parents)))
        assert [run.result(str(n)) for n in range(len(used))] == expected
        check(run)
        run.close()
    assert stored > 0
    assert list(spill_home.iterdir()) == []
