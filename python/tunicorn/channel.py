"""The worker's end of the channel to a router: blocking frames over a Unix stream socket."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from tunicorn import frame
from tunicorn.forked_child import forget, keep_from_children

if TYPE_CHECKING:
    from tunicorn.borrower import Borrower

#: For more, CPython would map and unmap memory at each call.
RECEIVE_BYTES: Final = 64 * 1024

#: As large as may be: the router passes on what it has of a frame without waiting for the rest.
BODY_FRAME_BYTES: Final = frame.PAYLOAD_LIMIT_BYTES

#: A router that died is replaced within this time, or the worker leaves.
DIAL_SECONDS: Final = 10.0
DIAL_INTERVAL_SECONDS: Final = 0.05
#: A router that starts together with the worker is there sooner: each pause is twice the one before.
FIRST_DIAL_INTERVAL_SECONDS: Final = 0.002


class Frame(NamedTuple):
    """One received frame."""

    kind: int
    flags: int
    aux: int
    stream: int
    payload: bytes


def dial_pauses() -> Iterator[float]:
    """How long to wait after each attempt to dial."""
    pause = FIRST_DIAL_INTERVAL_SECONDS
    while True:
        yield min(pause, DIAL_INTERVAL_SECONDS)
        pause *= 2


class Channel:
    """Sends and receives frames. Not safe for threads: a sync worker has one."""

    def __init__(self, connection: socket.socket, path: str = "") -> None:
        self._connection = connection
        #: Where the router listens.
        self.path = path
        self._buffer = bytearray()
        #: The router said DRAIN while the worker looked for something else.
        self.is_drained = False
        #: The router is gone, or has closed the channel.
        self.is_lost = False
        #: Where the router lends sockets.
        self.borrower: Borrower | None = None
        keep_from_children(connection.fileno())

    @classmethod
    def dial(cls, path: str, is_wanted: Callable[[], bool] = lambda: True) -> Channel | None:
        """Connects to the router that listens at path; None when none answers while it is wanted."""
        deadline = time.monotonic() + DIAL_SECONDS
        parent = os.getppid()
        pauses = dial_pauses()
        while time.monotonic() < deadline and os.getppid() == parent and is_wanted():
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            # The application may have set a default timeout for its own sockets.
            connection.settimeout(None)
            try:
                connection.connect(path)
            except (FileNotFoundError, ConnectionError):
                connection.close()
                time.sleep(next(pauses))
                continue
            return cls(connection, path)
        return None

    def greet(self, worker: int, generation: int, *, is_pulling: bool = False, thread: int = 0) -> None:
        """Says who dialled: a worker, or one of its threads, which pulls its requests or is sent them."""
        self.send(encode_hello(worker, generation, is_pulling=is_pulling, thread=thread))

    def send(self, data: bytes) -> None:
        """Sends whole frames; blocks while the router holds the worker back."""
        try:
            self._connection.sendall(data)
        except BaseException:
            self.break_off()
            raise

    def send_body(self, stream: int, body: bytes | memoryview, flags: int, before: bytes) -> None:
        """Sends a body in frames as large as can be, behind a whole frame, without copying it."""
        size = len(body)
        for start in range(0, size, BODY_FRAME_BYTES):
            piece = memoryview(body)[start : start + BODY_FRAME_BYTES]
            is_last = start + len(piece) == size
            header = frame.HEADER.pack(len(piece), frame.BODY, flags if is_last else 0, 0, stream)
            self._send_both(before + header, piece)
            before = b""

    def _send_both(self, data: bytes, body: memoryview) -> None:
        try:
            sent = self._connection.sendmsg((data, body))
            # A signal may have come in between.
            if sent < len(data):
                self._connection.sendall(data[sent:])
                sent = len(data)
            if sent < len(data) + len(body):
                self._connection.sendall(body[sent - len(data) :])
        except BaseException:
            self.break_off()
            raise

    def break_off(self) -> None:
        """A frame may be half sent, and what came behind it would be taken for its rest.

        A router that is gone is one reason, a signal handler of the application that raises another.
        """
        self.is_lost = True
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def receive(self) -> Frame | None:
        """Waits for the next frame; None when the router is gone."""
        while True:
            received = self._take()
            if received is not None:
                return received
            try:
                data = self._connection.recv(RECEIVE_BYTES)
            except ConnectionError:
                data = b""
            if not data:
                self.is_lost = True
                return None
            if not self._buffer:
                whole = _only_frame(data)
                if whole is not None:
                    return whole
            self._buffer += data

    def receive_exactly(self, size: int) -> bytes | None:
        """The next so many bytes of what is sent, whatever they mean; None when the router is gone."""
        if self._buffer:
            data = bytes(self._buffer[:size])
            del self._buffer[:size]
        else:
            data = b""
        while len(data) < size:
            try:
                more = self._connection.recv(size - len(data), socket.MSG_WAITALL)
            except ConnectionError:
                more = b""
            if not more:
                self.is_lost = True
                return None
            data = data + more if data else more
        return data

    def poll(self) -> Frame | None:
        """The next frame if one has come already."""
        try:
            data = self._connection.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return self._take()
        except ConnectionError:
            data = b""
        if not data:
            self.is_lost = True
            raise ConnectionResetError("the router is gone")
        self._buffer += data
        return self._take()

    @property
    def socket(self) -> socket.socket:
        """The socket, for code that reads and writes it directly."""
        return self._connection

    @property
    def has_frame(self) -> bool:
        """Another frame has come already, together with the one before it."""
        buffer = self._buffer
        if len(buffer) < frame.HEADER_BYTES:
            return False
        length = frame.HEADER.unpack_from(buffer)[0]
        return bool(len(buffer) >= frame.HEADER_BYTES + length)

    def fileno(self) -> int:
        """For poll."""
        return self._connection.fileno()

    def close(self) -> None:
        """Ends the channel."""
        if self.borrower is not None:
            self.borrower.close()
        forget(self._connection.fileno())
        self._connection.close()

    def _take(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < frame.HEADER_BYTES:
            return None
        length, kind, flags, aux, stream = frame.HEADER.unpack_from(buffer)
        _check_length(length)
        end = frame.HEADER_BYTES + length
        if len(buffer) < end:
            return None
        payload = bytes(buffer[frame.HEADER_BYTES : end])
        del buffer[:end]
        return Frame(kind, flags, aux, stream, payload)


def encode_hello(
    worker: int, generation: int, *, is_pulling: bool = False, thread: int = 0, **more: object
) -> bytes:
    """A HELLO frame: who dialled, and what it can do beyond the usual."""
    hello = {
        "version": frame.CHANNEL_VERSION,
        "pid": os.getpid(),
        "worker": worker,
        "generation": generation,
        "isPulling": is_pulling,
        "thread": thread,
        **more,
    }
    return frame.encode(frame.HELLO, payload=json.dumps(hello).encode())


def _only_frame(data: bytes) -> Frame | None:
    """The frame of data that holds one frame and nothing else: the usual case, without a second copy."""
    if len(data) < frame.HEADER_BYTES:
        return None
    length, kind, flags, aux, stream = frame.HEADER.unpack_from(data)
    _check_length(length)
    if len(data) != frame.HEADER_BYTES + length:
        return None
    return Frame(kind, flags, aux, stream, data[frame.HEADER_BYTES :])


def _check_length(length: int) -> None:
    if length > frame.PAYLOAD_LIMIT_BYTES:
        raise frame.ProtocolError(
            f"a frame announces {length} bytes, want at most {frame.PAYLOAD_LIMIT_BYTES}"
        )
