"""Further attempts: after which ends, after what waits, and until when; on a driver whose executor obeys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG, DAGExecutionError, Job, ModeError, RamifyWarning, RunTimeout
from ramify.core.engine import EVERYTHING, Engine
from ramify.core.views import snapshot
from ramify.journals.memory import NoJournal
from ramify.models import Backoff, RetryPolicy, RetryStrategy
from ramify.ports import Failure, Order, Outcome, Tell
from ramify.run.contract import Policy
from ramify.run.driver import Driver
from ramify.run.queue import ReadyQueue
from ramify.run.record import Recorder
from ramify.run.view import RunView, runs_in

GUARD = 30.0

OK = Outcome("ok", digest="d")
RAISED = Outcome("error", error=Failure("ValueError", "no"))
DIED = Outcome("died", signal=9)


class Scripted:
    """An executor that ends each attempt as its script says; None: when it is stopped."""

    slots = None
    stops = True

    def __init__(self, script: Callable[[Order], Outcome | None]) -> None:
        self.script = script
        self.begun: list[tuple[int, int]] = []
        self.stopped: list[tuple[int, int]] = []
        self.news = threading.Event()

    def start(self, tell: Tell) -> None:
        self.tell = tell

    def submit(self, orders: Sequence[Order]) -> None:
        for order in orders:
            self.begun.append((order.node, order.attempt))
            outcome = self.script(order)
            if outcome is not None:
                self.tell(order.node, order.attempt, "ended", outcome)
        self.news.set()

    def stop(self, attempts: Iterable[tuple[int, int]]) -> None:
        for node, attempt in attempts:
            self.stopped.append((node, attempt))
            self.tell(node, attempt, "ended", Outcome("stopped"))

    def close(self, force: bool = False) -> None:
        pass


class Nothing:
    """Work without functions."""

    def order(self, node: int, attempt: int) -> Order:
        return Order(node, attempt, str(node))

    def accept(self, node: int, attempt: int, outcome: Outcome) -> str | None:
        return outcome.digest

    def drop(self, node: int, attempt: int) -> None:
        pass

    def early(self, node: int) -> str | None:
        return None

    def late(self, node: int) -> str | None:
        return None


def driver_of(
    parents: Sequence[tuple[int, ...]], script: Callable[[Order], Outcome | None], **policy: Any
) -> tuple[Driver, Scripted]:
    """A driver of nodes with these parents, everything wanted."""
    engine = Engine()
    for node, above in enumerate(parents):
        engine.add(f"n{node}", above)
    engine.want(None, EVERYTHING)
    executor = Scripted(script)
    driver = Driver(
        engine,
        Nothing(),
        [executor],
        policy=Policy(**{"workers": None, "fail_fast": False, **policy}),
        queue=ReadyQueue(),
        recorder=Recorder(NoJournal()),
    )
    return driver, executor


def states(driver: Driver) -> dict[str, int]:
    return driver.counts()


# ---- how often, and after what


def test_a_strategy_says_how_often() -> None:
    driver, executor = driver_of([()], lambda order: RAISED, strategy=RetryStrategy(2))
    driver.run()
    assert executor.begun == [(0, 1), (0, 2), (0, 3)] and states(driver) == {"failed": 1}


def test_a_strategy_says_after_which_ends() -> None:
    ends = {0: RAISED, 1: DIED}
    driver, executor = driver_of(
        [(), ()], lambda order: ends[order.node], strategy=RetryStrategy(1, RetryPolicy.ON_ERROR)
    )
    driver.run()
    assert sorted(executor.begun) == [(0, 1), (1, 1), (1, 2)]


def test_a_nodes_own_words_win() -> None:
    driver, executor = driver_of(
        [(), (), ()],
        lambda order: RAISED,
        strategy=RetryStrategy(3),
        node_strategies={1: RetryStrategy(0)},
        node_retries={2: 1},
    )
    driver.run()
    assert [sum(node == n for n, _ in executor.begun) for node in range(3)] == [4, 1, 2]


def test_attempts_of_an_earlier_driver_do_not_count() -> None:
    driver, executor = driver_of([()], lambda order: RAISED, strategy=RetryStrategy(1), spent={0: 0})
    driver.engine.attempts[0] = driver.policy.spent[0] = 5
    driver.run()
    assert executor.begun == [(0, 6), (0, 7)]


def test_an_expression_that_raises_is_told_and_ends_the_trying() -> None:
    strategy = RetryStrategy(5, expression=lambda attempts, failure: 1 / 0)
    driver, executor = driver_of([()], lambda order: RAISED, strategy=strategy)
    with pytest.warns(RamifyWarning, match="'n0' is not tried again.*ZeroDivisionError"):
        driver.run()
    assert executor.begun == [(0, 1)] and states(driver) == {"failed": 1}


# ---- waits


def test_a_wait_keeps_the_run_going_and_others_run_meanwhile() -> None:
    seen: list[str] = []

    def script(order: Order) -> Outcome:
        seen.append(f"{order.node}.{order.attempt}")
        return RAISED if (order.node, order.attempt) == (0, 1) else OK

    driver, _ = driver_of([(), (), (1,)], script, strategy=RetryStrategy(1, backoff=Backoff("30ms")))
    begun = time.monotonic()
    driver.run()
    assert time.monotonic() - begun >= 0.03
    assert seen == ["0.1", "1.1", "2.1", "0.2"] and states(driver) == {"succeeded": 3}


def test_the_journal_tells_how_long_is_waited() -> None:
    driver, _ = driver_of([()], lambda order: RAISED if order.attempt == 1 else OK, salt="run")
    driver.policy.strategy = RetryStrategy(1, backoff=Backoff("20ms"))
    rows: list[Any] = []
    driver.recorder.write = rows.append  # type: ignore[method-assign, assignment]  # what is written is what is tested
    driver.run()
    told = [fact for _, _, _, data in rows for fact in data if isinstance(fact, dict)]
    assert [fact["again_in"] for fact in told] == [0.02]


def test_cancelling_ends_a_wait_at_once() -> None:
    driver, executor = driver_of([()], lambda order: RAISED, strategy=RetryStrategy(9, backoff=Backoff("1h")))
    thread = threading.Thread(target=driver.run)
    thread.start()
    assert executor.news.wait(GUARD)
    driver.cancel("enough")
    thread.join(GUARD)
    assert not thread.is_alive() and states(driver) == {"cancelled": 1}
    assert driver.cancel_reason == "enough"


def test_a_failure_elsewhere_ends_a_wait_where_the_first_failure_ends_all() -> None:
    driver, executor = driver_of(
        [(), ()],
        lambda order: RAISED,
        fail_fast=True,
        node_strategies={0: RetryStrategy(9, backoff=Backoff("1h")), 1: RetryStrategy(0)},
    )
    driver.run()
    assert executor.begun == [(0, 1), (1, 1)] and states(driver) == {"cancelled": 1, "failed": 1}


def test_the_timer_of_an_attempt_that_is_over_does_not_end_a_wait() -> None:
    driver, executor = driver_of([()], lambda order: RAISED if order.attempt == 1 else OK, timeout=0.01)
    driver.policy.strategy = RetryStrategy(1, backoff=Backoff("80ms"))
    begun = time.monotonic()
    driver.run()
    assert time.monotonic() - begun >= 0.08 and executor.begun == [(0, 1), (0, 2)]


# ---- until when


def test_a_run_past_its_deadline_stops_what_runs_and_says_so() -> None:
    driver, executor = driver_of([(), (0,)], lambda order: None, deadline=0.02)
    driver.run()
    assert executor.stopped == [(0, 1)] and states(driver) == {"cancelled": 2}
    assert driver.overdue and driver.cancel_reason == "the run took longer than its deadline of 0.02 s"


def test_a_deadline_ends_the_waits_too() -> None:
    driver, _ = driver_of([()], lambda order: RAISED, deadline=0.02)
    driver.policy.strategy = RetryStrategy(backoff=Backoff("1h"))
    driver.run()
    assert driver.overdue and states(driver) == {"cancelled": 1}


def test_a_node_past_its_deadline_is_not_tried_again() -> None:
    driver, executor = driver_of([()], lambda order: None, timeout=0.02, node_deadlines={0: 0.05})
    driver.policy.strategy = RetryStrategy(1000)
    driver.run()
    failure = driver.outcomes[0].error
    assert states(driver) == {"failed": 1} and 1 < len(executor.begun) < 10
    assert failure is not None and failure.during == "timeout" and "of 0.05 s" in failure.message


def test_a_wait_that_would_end_after_the_nodes_deadline_is_not_begun() -> None:
    driver, executor = driver_of([()], lambda order: RAISED, node_deadlines={0: GUARD})
    driver.policy.strategy = RetryStrategy(backoff=Backoff("1h"))
    driver.run()
    assert executor.begun == [(0, 1)] and states(driver) == {"failed": 1}


# ---- put back while the run goes on


def held(driver: Driver, executor: Scripted) -> threading.Thread:
    thread = threading.Thread(target=driver.run)
    thread.start()
    assert executor.news.wait(GUARD)
    executor.news.clear()
    return thread


def test_what_failed_is_put_back_with_what_it_blocked() -> None:
    def script(order: Order) -> Outcome | None:
        if order.node == 3:
            return None
        return RAISED if order.node == 0 and order.attempt == 1 else OK

    driver, executor = driver_of([(), (0,), (1,), ()], script)
    thread = held(driver, executor)
    again: list[int] = []
    driver.request(lambda: again.extend(driver.put_back(None, "asked for")))
    executor.tell(3, 1, "ended", OK)
    thread.join(GUARD)
    assert again == [0, 1, 2] and states(driver) == {"succeeded": 4}
    assert driver.first_failure is None and driver.is_good()


def test_a_blocked_one_takes_with_it_what_blocks_it_and_no_more() -> None:
    fine = threading.Event()

    def script(order: Order) -> Outcome | None:
        if order.node == 4:
            return None
        return OK if fine.is_set() else RAISED

    driver, executor = driver_of([(), (0,), (), (2,), ()], script)
    thread = held(driver, executor)
    fine.set()
    driver.request(lambda: driver.put_back([1], "asked for"))  # type: ignore[arg-type]  # what it returns is not read
    executor.tell(4, 1, "ended", OK)
    thread.join(GUARD)
    assert executor.begun == [(0, 1), (2, 1), (4, 1), (0, 2), (1, 1)]
    assert states(driver) == {"succeeded": 3, "failed": 1, "blocked": 1}
    assert driver.first_failure == 2


def test_a_cancelled_run_that_still_works_is_taken_up_again() -> None:
    driver, executor = driver_of([(), (0,), ()], lambda order: None if order.node == 0 else OK)
    thread = held(driver, executor)
    driver.cancel("stop", force=False)
    driver.request(lambda: driver.put_back(None, "go on"))  # type: ignore[arg-type]  # what it returns is not read
    executor.tell(0, 1, "ended", OK)
    thread.join(GUARD)
    assert driver.is_good() and driver.cancel_reason is None


def test_some_are_given_up_and_the_others_go_on() -> None:
    driver, executor = driver_of([(), (), (0,), (1,)], lambda order: None if order.attempt == 1 else OK)
    thread = held(driver, executor)
    changed: list[int] = []
    driver.request(lambda: changed.extend(driver.give_up_some([0, 3], "not needed", force=True)))
    executor.script = lambda order: OK
    executor.tell(1, 1, "ended", OK)
    thread.join(GUARD)
    assert changed == [3, 0] and executor.stopped == [(0, 1)]
    assert states(driver) == {"cancelled": 2, "blocked": 1, "succeeded": 1}


def test_without_force_what_runs_goes_on() -> None:
    driver, executor = driver_of([(), (0,)], lambda order: None if order.node == 0 else OK)
    thread = held(driver, executor)
    changed: list[int] = []
    driver.request(lambda: changed.extend(driver.give_up_some([0, 1], "no", force=False)))
    executor.tell(0, 1, "ended", OK)
    thread.join(GUARD)
    assert changed == [1] and states(driver) == {"succeeded": 1, "cancelled": 1}


# ---- on disk


def flaky(path: str, times: int) -> int:
    """Fails so many times, then says how often it was called."""
    with open(path, "a") as file:
        file.write("x")
    with open(path) as file:
        calls = len(file.read())
    if calls <= times:
        raise ConnectionError(f"call {calls}")
    return calls


def sleeper() -> None:
    time.sleep(GUARD)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["thread", "subprocess"])
def test_a_job_with_a_strategy_of_its_own(mode: str, tmp_path: Path) -> None:
    strategy = RetryStrategy(3, RetryPolicy.ON_TRANSIENT_ERROR, Backoff("10ms", 2), "'call' in message")
    dag = DAG({"a": Job(flaky, {"path": str(tmp_path / "calls"), "times": 2}, retries=strategy)})
    assert dag.evaluate(tmp_path / "exp", execution_mode=mode)["a"] == 3


def test_a_strategy_for_the_whole_run_is_kept_for_whoever_resumes_it(tmp_path: Path) -> None:
    dag = DAG({"a": Job(flaky, {"path": str(tmp_path / "calls"), "times": 2})})
    strategy = {"limit": 2, "backoff": {"duration": "5ms"}}
    assert dag.evaluate(tmp_path / "exp", execution_mode="thread", retries=strategy)["a"] == 3
    kept = RunView(runs_in(str(tmp_path / "exp" / "run"))[0]).facts["options"]["retries"]
    assert kept == {"limit": 2, "backoff": {"duration": "5ms"}}


def test_a_function_as_expression_is_refused_where_it_would_have_to_be_written(tmp_path: Path) -> None:
    strategy = RetryStrategy(2, expression=lambda attempts, failure: True)
    with pytest.raises(ValueError, match="write it as text"):
        Job(sleeper, retries=strategy)
    with pytest.raises(ModeError, match="write it as text"):
        DAG({"a": Job(sleeper)}).evaluate(tmp_path / "exp", retries=strategy)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["thread", "subprocess", "process"])
def test_a_run_on_disk_past_its_deadline(mode: str, tmp_path: Path) -> None:
    dag = DAG({"a": Job(sleeper)})
    with pytest.raises(DAGExecutionError, match=r"deadline of 0\.2 s") as failed:
        dag.evaluate(tmp_path / "exp", execution_mode=mode, deadline=0.2)
    assert isinstance(failed.value.cause, RunTimeout) and failed.value.cancelled_jobs == {"a"}
    assert RunView(runs_in(str(tmp_path / "exp" / "run"))[0]).status == "FAILED"


def test_a_deadline_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(ModeError, match="deadline must be"):
        DAG({"a": Job(sleeper)}).evaluate(tmp_path / "exp", deadline=0)


def test_what_was_put_back_is_in_the_journal_as_it_happened() -> None:
    driver, executor = driver_of(
        [(), ()], lambda order: RAISED if order.attempt == 1 and not order.node else OK
    )
    rows: list[Any] = []
    driver.recorder.write = rows.append  # type: ignore[method-assign, assignment]  # what is written is what is tested
    executor.script = lambda order: None if order.node else (RAISED if order.attempt == 1 else OK)
    thread = held(driver, executor)
    driver.request(lambda: driver.put_back(None, "asked for"))  # type: ignore[arg-type]  # what it returns is not read
    executor.tell(1, 1, "ended", OK)
    thread.join(GUARD)
    from ramify.core.replay import replay

    copy = Engine()
    for node in range(2):
        copy.add(f"n{node}")
    assert snapshot(replay(copy, rows)) == snapshot(driver.engine)
