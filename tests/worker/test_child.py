"""A worker process by itself, without an executor: calls whose values travel in the frames."""

from __future__ import annotations

import os
import pickle
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ramify.worker.child import dump_buffers
from ramify.worker.failure import revive
from ramify.worker.launch import spawn, surroundings
from ramify.worker.wire import Call, Done, receive, send

Answer = tuple[Done, list[bytearray]]
Ask = Callable[..., Answer]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple[socket.socket, int]]:
    ours, theirs = socket.socketpair()
    with open(os.devnull, "wb") as nothing:
        pid = spawn("child", theirs.fileno(), nothing.fileno())
    theirs.close()
    send(ours, surroundings())
    yield ours, pid
    ours.close()
    os.waitpid(pid, 0)


@pytest.fixture
def ask(worker: tuple[socket.socket, int], tmp_path: Path) -> Ask:
    def asked(function: Any, *args: Any, **kwargs: Any) -> Answer:
        log = str(tmp_path / "logs" / "call.log")
        send(worker[0], Call(log, str(tmp_path / ".slot"), False), dump_buffers((function, args, kwargs)))
        answer = receive(worker[0])
        assert answer is not None and isinstance(answer[0], Done)
        return answer[0], answer[1]

    return asked


def value(answer: Answer) -> Any:
    assert answer[0].outcome.kind == "ok", answer
    return pickle.loads(answer[1][0], buffers=answer[1][1:])


def test_calls_one_after_the_other(ask: Ask) -> None:
    assert value(ask(divmod, 7, 2)) == (3, 1)
    assert value(ask(lambda *, a: a * 2, a="x")) == "xx"
    assert value(ask(os.getpid)) == value(ask(os.getpid)) != os.getpid()


def test_large_arrays_travel_beside_the_pickle(ask: Ask) -> None:
    np = pytest.importorskip("numpy")
    array = np.arange(1_000_000)
    answer = ask(lambda a: a[::-1].copy(), array)
    assert len(answer[1]) == 2 and len(answer[1][0]) < 2000
    assert (value(answer) == array[::-1]).all()


def test_a_call_that_fails_leaves_the_worker_alive(ask: Ask) -> None:
    done, _ = ask(int, "x")
    assert done.outcome.kind == "error" and done.outcome.error is not None
    assert isinstance(revive(done.outcome.error), ValueError)
    assert ask(sys.exit, 3)[0].outcome.kind == "error"
    assert value(ask(int, "7")) == 7


def test_a_value_that_cannot_travel(ask: Ask) -> None:
    import threading

    done, _ = ask(threading.Lock)
    assert done.outcome.error is not None and done.outcome.error.during == "store"


def test_what_a_call_prints_is_logged(ask: Ask, tmp_path: Path) -> None:
    ask(print, "hello")
    assert (tmp_path / "logs" / "call.log").read_text() == "hello\n"


def test_a_worker_dies_with_the_other_end(worker: tuple[socket.socket, int], tmp_path: Path) -> None:
    import signal

    sock, pid = worker
    log = str(tmp_path / "call.log")
    os.mkfifo(tmp_path / "up")
    call = dump_buffers((_tell_and_wait, (str(tmp_path / "up"),), {}))
    send(sock, Call(log, str(tmp_path / ".slot"), False), call)
    with open(tmp_path / "up") as up:
        assert up.read() == "up"
    sock.close()
    assert os.WTERMSIG(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT).si_status) == signal.SIGKILL


def _tell_and_wait(fifo: str) -> None:
    import signal

    with open(fifo, "w") as up:
        up.write("up")
    signal.pause()
