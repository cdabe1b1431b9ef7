"""Frames between a driver and a worker process: one small message each, with large buffers beside it.

A frame is two unsigned 32-bit integers (bytes of the message, number of buffers), one unsigned 64-bit length
per buffer, the message (msgpack), the buffers. All integers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ramify.ports import Outcome

if TYPE_CHECKING:
    import socket

_HEAD: Final = struct.Struct("<II")
_CHUNK: Final = 65536
_MANY: Final = 64
"""Pieces per system call; Linux takes 1024, POSIX promises 16."""

Buffer = bytes | bytearray | memoryview


class Setup(msgspec.Struct, tag="setup", omit_defaults=True):
    """What a process needs before any work: the driver's surroundings, and what to import beforehand."""

    cwd: str
    path: list[str]
    argv: list[str]
    environ: dict[str, str] | None = None
    plan: str = ""
    fork: bool = True
    mark: str = ""


class RunJob(msgspec.Struct, tag="job"):
    """One attempt of one job of the plan; `log` is the file of its output, `slot` the spare it is kept in."""

    plan: str
    job_id: str
    token: str
    log: str
    slot: str
    last: bool


class Call(msgspec.Struct, tag="call"):
    """A call of a function; the frame's buffers are the pickle of (function, args, kwargs), then its own."""

    log: str
    slot: str
    last: bool


class Done(msgspec.Struct, tag="done"):
    """How it ended. After a call that returned, the buffers are the pickle of the value, then its own."""

    outcome: Outcome


Message = Setup | RunJob | Call | Done
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


def frame(message: Message, buffers: Sequence[Any] = ()) -> list[Buffer]:
    """The frame, as the pieces that are sent one after the other."""
    body = _encode(message)
    head = _HEAD.pack(len(body), len(buffers))
    if not buffers:
        return [head + body]
    raw = [memoryview(buffer).cast("B") for buffer in buffers]
    lengths = struct.pack(f"<{len(raw)}Q", *(view.nbytes for view in raw))
    return [head + lengths + body, *raw]


def send(sock: socket.socket, message: Message, buffers: Sequence[Any] = ()) -> None:
    """Sends one frame over a blocking socket."""
    for piece in frame(message, buffers):
        sock.sendall(piece)


def receive(sock: socket.socket) -> tuple[Message, list[bytearray]] | None:
    """Takes one frame from a blocking socket; None at the end of the stream."""
    inbox = Inbox()
    while True:
        wanted = inbox.room()
        count = sock.recv_into(wanted)
        if not count:
            return None
        frames = inbox.took(count)
        if frames:
            return frames


class Inbox:
    """Puts one stream's frames together, whatever pieces they come in; large buffers are received in place.

    `room()` says where the next bytes belong; `took(count)` that they came, and gives the frame they end.
    """

    def __init__(self) -> None:
        self._begin()

    def room(self) -> memoryview:
        return self._view[self._have :]

    def took(self, count: int) -> tuple[Message, list[bytearray]] | None:
        self._have += count
        while self._have == len(self._view):
            if self._next():
                message, buffers = _decode(self._body), self._buffers
                self._begin()
                return message, buffers
        return None

    def _begin(self) -> None:
        self._stage, self._body, self._buffers = 0, bytearray(), list[bytearray]()
        self._into(bytearray(_HEAD.size))

    def _into(self, target: bytearray) -> None:
        self._target, self._view, self._have = target, memoryview(target), 0

    def _next(self) -> bool:
        """Goes to the next part of the frame; whether that was the last."""
        self._stage += 1
        if self._stage == 1:
            length, self._count = _HEAD.unpack(self._target)
            self._body = bytearray(length)
            self._into(bytearray(8 * self._count))
        elif self._stage == 2:
            self._buffers = [bytearray(n) for n in struct.unpack(f"<{self._count}Q", self._target)]
            self._into(self._body)
        elif self._stage - 3 < self._count:
            self._into(self._buffers[self._stage - 3])
        else:
            return True
        return False


class Outbox:
    """What is still to be sent over a non-blocking socket."""

    def __init__(self) -> None:
        self._pieces: list[memoryview] = []

    def add(self, pieces: Sequence[Buffer]) -> None:
        self._pieces += [memoryview(piece) for piece in pieces if len(piece)]

    def flush(self, sock: socket.socket) -> bool:
        """Sends what the socket takes now; whether nothing is left."""
        while self._pieces:
            try:
                sent = sock.sendmsg(self._pieces[:_MANY])
            except BlockingIOError:
                return False
            self._drop(sent)
        return True

    def _drop(self, sent: int) -> None:
        done = 0
        while done < len(self._pieces) and sent >= len(self._pieces[done]):
            sent -= len(self._pieces[done])
            done += 1
        del self._pieces[:done]
        if sent:
            self._pieces[0] = self._pieces[0][sent:]
