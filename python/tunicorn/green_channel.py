"""The worker's end of its channel among greenlets: many requests at a time (src/channel/frame.md)."""

from __future__ import annotations

import os
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final, Protocol

from tunicorn import frame
from tunicorn.channel import RECEIVE_BYTES, Frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.channel import Channel

#: An answer that is complete so long after the last write is written at once, not at the end of its turn.
#: Longer than on an event loop: small answers cost worker and router a sixth more with a write each 0.2 ms.
GATHER_SECONDS: Final = 0.002

#: Looked up before anything is patched, since the patched one would wait in the hub.
_write: Final = os.write


class GreenGateway(Protocol):
    """Who answers the requests of a channel."""

    def begin(self, stream: GreenStream, flags: int, payload: bytes) -> None:
        """A request has come. It must not wait."""

    def on_drain(self, channel: GreenChannel) -> None:
        """No further request will come."""


class Hub(Protocol):
    """What a library of greenlets offers."""

    def spawn(self, function: Callable[..., object], *arguments: object) -> None:
        """Runs a function in a greenlet of its own."""

    def call_soon(self, function: Callable[[], object]) -> None:
        """Calls a function, which must not wait, when the greenlets that can run have run."""


#: How much of a request is kept to name it. Its body is not needed.
NAMING_BYTES: Final = 1024


class GreenStream:
    """One request and its response. For a gateway it is a channel of its own."""

    __slots__ = (
        "_answers",
        "_changed",
        "_is_told",
        "channel",
        "head",
        "is_drained",
        "is_gone",
        "number",
        "room",
    )

    def __init__(self, channel: GreenChannel, number: int, head: bytes) -> None:
        self.channel = channel
        self.number = number
        #: The beginning of the REQUEST frame's payload, which names the request.
        self.head = head
        #: Bytes that may still be sent before the router asks for more.
        self.room = frame.WINDOW_BYTES
        self.is_gone = False
        self.is_drained = False
        self._is_told = False
        self._answers: list[Frame] = []
        #: Made when somebody waits, which is rare.
        self._changed: threading.Event | None = None

    @property
    def path(self) -> str:
        """Where the router listens."""
        return self.channel.path

    @property
    def is_lost(self) -> bool:
        """Nothing can be sent any more."""
        return self.channel.is_lost

    @property
    def borrower(self) -> None:
        """A wait for a socket would hold up all others."""
        return None

    def send(self, data: bytes) -> None:
        """Sends a whole frame. Of a body it waits until the router has room for more."""
        _, kind, flags, _, _ = frame.HEADER.unpack_from(data)
        if kind in (frame.RESPONSE, frame.BODY):
            while self.room <= 0 and not self.is_gone and not self.channel.is_lost:
                self._wait()
            self.room -= len(data) - frame.HEADER_BYTES
            if self.is_gone and not flags & frame.END:
                return
        self.channel.write(data)

    def send_body(self, stream: int, body: bytes | memoryview, flags: int, before: bytes) -> None:
        """Sends a body in frames, behind a whole frame."""
        if before:
            self.send(before)
        size = len(body)
        for start in range(0, size, frame.PART_BYTES):
            piece = bytes(body[start : start + frame.PART_BYTES])
            is_last = start + len(piece) == size
            self.send(frame.encode(frame.BODY, stream, piece, flags=flags if is_last else 0))

    def poll(self) -> Frame | None:
        """CANCEL, once, if the client is gone."""
        if self.channel.is_lost:
            raise ConnectionResetError("the router is gone")
        if not self.is_gone or self._is_told:
            return None
        self._is_told = True
        return Frame(frame.CANCEL, 0, 0, self.number, b"")

    def receive(self) -> Frame | None:
        """Waits for the next frame of this stream that is an answer; None when nobody will answer."""
        while not self._answers:
            if self.channel.is_lost or self.is_gone:
                return None
            self._wait()
        return self._answers.pop(0)

    def on_frame(self, received: Frame) -> None:
        """What the router says about this stream."""
        if received.kind == frame.WINDOW:
            self.room += frame.WINDOW_PAYLOAD.unpack(received.payload)[0]
        elif received.kind == frame.CANCEL:
            # With aux 1 the client has only closed its side, and may still read.
            self.is_gone = self.is_gone or received.aux == 0
        elif received.kind == frame.FILE_ANSWER:
            self._answers.append(received)
        else:
            raise frame.ProtocolError(f"the router sent a frame of type {received.kind} for a stream")
        self.wake()

    def wake(self) -> None:
        """Lets whoever waits look again."""
        if self._changed is not None:
            self._changed.set()

    def _wait(self) -> None:
        if self._changed is None:
            self._changed = threading.Event()
        self._changed.wait()
        self._changed.clear()


class GreenChannel:
    """Reads frames in the greenlet that calls run, and sends together what comes soon after one another."""

    def __init__(self, channel: Channel, gateway: GreenGateway, hub: Hub) -> None:
        self._channel = channel
        self._socket = channel.socket
        self.path = channel.path
        self._gateway = gateway
        self._hub = hub
        #: Requests whose greenlets have not ended.
        self.streams: dict[int, GreenStream] = {}
        #: The router is gone, or the channel was closed.
        self.is_lost = False
        self._out: list[bytes] = []
        self._sent_at = 0.0
        self._is_flush_due = False
        self._is_draining = False
        self._has_asked_to_leave = False
        #: A greenlet waits for the router to take what was written.
        self._is_writing = False
        #: Nothing more may be written; run ends once everything is sent.
        self._is_stopping = False

    def run(self) -> None:
        """Until the router is gone, or stop is called."""
        rest = b""
        while True:
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except OSError:
                # Also what gevent says to a greenlet that waits here when stop is called in another.
                data = b""
            if not data:
                break
            if self._is_stopping:
                continue
            rest = self._handle_all(rest + data if rest else data)
        self.is_lost = True
        for stream in list(self.streams.values()):
            stream.wake()

    def stop(self) -> None:
        """Ends run once everything is sent."""
        self._flush()
        self._is_stopping = True
        if not self._is_writing:
            self._stop_reading()

    def _stop_reading(self) -> None:
        # Not before everything is sent: a router that cannot write any more gives the whole channel up.
        try:
            self._socket.shutdown(socket.SHUT_RD)
        except OSError:
            self.is_lost = True

    def end(self, number: int) -> None:
        """A request is done with: its answer is sent before others of this turn that take long."""
        self.streams.pop(number, None)
        if monotonic() - self._sent_at >= GATHER_SECONDS:
            self._flush()
        self.stop_if_done()

    def stop_if_done(self) -> None:
        """Ends run when no request will come and none is left."""
        if self._is_draining and not self.streams:
            self.stop()

    def ask_to_leave(self) -> None:
        """Tells the router once; until it answers with DRAIN, requests may still come and are served."""
        if not (self._has_asked_to_leave or self.is_lost):
            self._has_asked_to_leave = True
            self.write(frame.encode(frame.LEAVING))

    def write(self, data: bytes) -> None:
        """Sends whole frames soon, without waiting."""
        if self.is_lost or self._is_stopping:
            raise ConnectionResetError("the router is gone")
        self._out.append(data)
        if not self._is_flush_due:
            self._is_flush_due = True
            self._hub.call_soon(self._flush)

    def _handle_all(self, data: bytes) -> bytes:
        """Handles the frames that are complete; returns what is left."""
        offset, size = 0, len(data)
        while size - offset >= frame.HEADER_BYTES:
            length, kind, flags, aux, number = frame.HEADER.unpack_from(data, offset)
            if length > frame.PAYLOAD_LIMIT_BYTES:
                raise frame.ProtocolError(f"a frame announces {length} bytes")
            start = offset + frame.HEADER_BYTES
            if start + length > size:
                break
            offset = start + length
            self._handle(Frame(kind, flags, aux, number, data[start:offset]))
        return data[offset:]

    def _handle(self, received: Frame) -> None:
        if received.kind == frame.REQUEST:
            stream = GreenStream(self, received.stream, received.payload[:NAMING_BYTES])
            self.streams[received.stream] = stream
            self._gateway.begin(stream, received.flags, received.payload)
        elif received.kind == frame.PING:
            self.write(frame.encode(frame.PONG))
        elif received.kind == frame.DRAIN:
            self._is_draining = self._has_asked_to_leave = True
            self._gateway.on_drain(self)
        else:
            known = self.streams.get(received.stream)
            # The router may not know yet that the stream is over.
            if known is not None:
                known.on_frame(received)

    def _flush(self) -> None:
        """The hub may call it, which may not wait: what the socket does not take is left to a greenlet."""
        self._is_flush_due = False
        if self._is_writing or not self._out:
            return
        data = b"".join(self._out)
        self._out.clear()
        self._sent_at = monotonic()
        try:
            sent = _write(self._socket.fileno(), data)
        except BlockingIOError:
            sent = 0
        except BaseException as error:
            # The greenlet that reads finds the channel broken, too.
            self._channel.break_off()
            if isinstance(error, OSError):
                return
            raise
        if sent < len(data):
            self._is_writing = True
            self._hub.spawn(self._write_rest, data[sent:])

    def _write_rest(self, data: bytes) -> None:
        try:
            while data:
                self._socket.sendall(data)
                data = b"".join(self._out)
                self._out.clear()
        except BaseException as error:
            self._channel.break_off()
            if not isinstance(error, OSError):
                raise
        finally:
            self._is_writing = False
            if self._is_stopping:
                self._stop_reading()
