"""Frames arrive whole, whatever pieces they come in."""

from __future__ import annotations

import socket
import threading

from hypothesis import given
from hypothesis import strategies as st

from ramify.ports import Outcome
from ramify.worker.wire import Done, Inbox, Outbox, RunJob, frame, receive, send


@given(
    st.lists(st.binary(max_size=300), max_size=5), st.lists(st.integers(1, 40), min_size=1), st.integers(1, 3)
)
def test_any_cutting(buffers: list[bytes], cuts: list[int], times: int) -> None:
    message = Done(Outcome("ok", digest="d"))
    stream = b"".join(bytes(piece) for piece in frame(message, buffers)) * times
    inbox, got, at, turn = Inbox(), [], 0, 0
    while at < len(stream):
        room = inbox.room()
        size = min(len(room), cuts[turn % len(cuts)], len(stream) - at)
        room[:size] = stream[at : at + size]
        done = inbox.took(size)
        at, turn = at + size, turn + 1
        if done is not None:
            got.append(done)
    assert got == [(message, [bytearray(buffer) for buffer in buffers])] * times


def test_a_large_frame_over_a_full_socket() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        big = bytes(range(256)) * 20_000
        outbox = Outbox()
        outbox.add(frame(RunJob("p", "a", "t", "l", "s", True), [big, b"", b"end"]))
        got = []
        reader = threading.Thread(target=lambda: got.append(receive(theirs)))
        assert not outbox.flush(ours)
        reader.start()
        while not outbox.flush(ours):
            continue
        reader.join()
        assert got[0] is not None and got[0][1] == [big, b"", b"end"]


def test_the_end_of_the_stream() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        send(ours, Done(Outcome("ok")))
        ours.close()
        assert receive(theirs) == (Done(Outcome("ok")), [])
        assert receive(theirs) is None
