"""The worker's end of its channel on an event loop: many requests at a time (src/channel/frame.md)."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from tunicorn import frame
from tunicorn.forked_child import forget, keep_from_children

if TYPE_CHECKING:
    from tunicorn.stream import Stream

#: An answer that is complete this long after the last write is sent at once, not at the end of the turn.
GATHER_SECONDS: Final = 0.0002


class StreamGateway(Protocol):
    """Who answers the requests of a channel."""

    def begin(self, channel: StreamChannel, number: int, flags: int, payload: bytes) -> Stream | None:
        """A request has come; None: it was answered on the spot."""

    def on_abandoned(self, stream: Any) -> None:
        """The client of a stream that is not over is gone."""

    def on_drain(self) -> None:
        """No further request will come over one of the channels."""

    def on_lost(self, channel: StreamChannel, error: Exception | None) -> None:
        """The router is gone, or the channel was closed."""


class HeldHead(Protocol):
    """A response head that waits for its body, so that both leave in one frame."""

    def release_head(self) -> None:
        """Sends the head if it still waits."""


class StreamChannel(asyncio.Protocol):
    """Cuts what comes into frames, each for its stream; joins what is sent shortly after one another.

    All that comes at once is handled in one turn of the loop, whose end may be far away: an answer must not
    wait for those that are computed behind it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, gateway: StreamGateway) -> None:
        self.loop = loop
        #: Requests that the router counts as open.
        self.streams: dict[int, Stream] = {}
        #: The router takes nothing more for now.
        self.is_full = False
        #: The router said DRAIN: no further request will come.
        self.is_drained = False
        #: Set when it is drained or lost.
        self.is_over = asyncio.Event()
        #: Set when the router has everything, or is gone.
        self.is_lost = asyncio.Event()
        self._has_asked_to_leave = False
        self.gateway = gateway
        self._transport: asyncio.Transport | None = None
        self._descriptor = -1
        #: A second descriptor of the transport's socket: uvloop sends nothing before the end of a turn.
        self._socket: socket.socket | None = None
        self._sent_at = 0.0
        self._rest = b""
        self._out: list[bytes] = []
        self._held: list[HeldHead] = []
        self._is_flush_due = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The router was reached."""
        # uvloop's have the methods of asyncio.Transport, but not that class.
        self._transport = cast(asyncio.Transport, transport)
        own = transport.get_extra_info("socket")
        self._descriptor = own.fileno()
        self._socket = socket.fromfd(own.fileno(), own.family, own.type)
        keep_from_children(self._descriptor)
        keep_from_children(self._socket.fileno())

    def connection_lost(self, exc: Exception | None) -> None:
        """Every client of this channel is gone with the router."""
        forget(self._descriptor)
        self._let_go()
        self.is_full = False
        for stream in list(self.streams.values()):
            stream.on_cancel(False)
        self.streams.clear()
        self.is_over.set()
        self.is_lost.set()
        self.gateway.on_lost(self, exc)

    def pause_writing(self) -> None:
        """The router does not keep up."""
        self.is_full = True

    def resume_writing(self) -> None:
        """The router keeps up again."""
        self.is_full = False
        # A stream that sends its last piece leaves the table.
        for stream in list(self.streams.values()):
            stream.wake()

    def data_received(self, data: bytes) -> None:
        """Handles all frames that are complete."""
        if self._rest:
            data = self._rest + data
        offset, size = 0, len(data)
        unpack = frame.HEADER.unpack_from
        while size - offset >= frame.HEADER_BYTES:
            length, kind, flags, aux, number = unpack(data, offset)
            if length > frame.PAYLOAD_LIMIT_BYTES:
                raise frame.ProtocolError(
                    f"a frame announces {length} bytes, want at most {frame.PAYLOAD_LIMIT_BYTES}"
                )
            start = offset + frame.HEADER_BYTES
            end = start + length
            if end > size:
                break
            payload = data[start:end]
            offset = end
            if kind == frame.REQUEST:
                stream = self.gateway.begin(self, number, flags, payload)
                if stream is not None:
                    self.streams[number] = stream
            else:
                self._handle(kind, flags, aux, number, payload)
        self._rest = data[offset:]

    def _handle(self, kind: int, flags: int, aux: int, number: int, payload: bytes) -> None:
        if kind == frame.PING:
            self.write(frame.encode(frame.PONG))
            return
        if kind == frame.DRAIN:
            self.is_drained = self._has_asked_to_leave = True
            self.is_over.set()
            self.gateway.on_drain()
            return
        stream = self.streams.get(number)
        # The router may not know yet that the stream is over.
        if stream is None:
            return
        if kind == frame.WINDOW:
            stream.on_window(frame.WINDOW_PAYLOAD.unpack(payload)[0])
        elif kind == frame.REQUEST_BODY:
            stream.on_body(payload, bool(flags & frame.END))
        elif kind == frame.CANCEL:
            stream.on_cancel(aux == 1)
        elif kind == frame.MESSAGE:
            stream.on_message(payload, flags)
        elif kind == frame.CONTROL:
            stream.on_control(aux, payload)
        elif kind == frame.CLOSE:
            stream.on_close(aux, payload.decode("utf-8", "replace"))
        elif kind == frame.FILE_ANSWER:
            stream.on_file_answer(aux == 1)
        else:
            raise frame.ProtocolError(f"the router sent a frame of type {kind}")

    def write(self, *parts: bytes) -> None:
        """Sends whole frames, given in any number of parts, in this turn."""
        self._out += parts
        if not self._is_flush_due:
            self._is_flush_due = True
            self.loop.call_soon(self._flush)

    def ask_to_leave(self) -> None:
        """Tells the router once; until it answers with DRAIN, requests may still come and are served."""
        if not self._has_asked_to_leave:
            self._has_asked_to_leave = True
            self.write(frame.encode(frame.LEAVING))

    def hold(self, head: HeldHead) -> None:
        """Asks for the head to be released at the end of this turn, if no body has taken it along."""
        self._held.append(head)
        if not self._is_flush_due:
            self._is_flush_due = True
            self.loop.call_soon(self._flush)

    def flush(self) -> None:
        """Sends at once what was to be sent at the end of the turn."""
        if self._is_flush_due:
            self._flush()

    def end(self, number: int) -> None:
        """The stream is over: its last frame was written, and waits for nothing that this turn computes."""
        self.streams.pop(number, None)
        if self._out and monotonic() - self._sent_at >= GATHER_SECONDS:
            self._send()

    def close(self) -> None:
        """Ends the channel once everything is sent: `is_lost` tells."""
        self.flush()
        if self._transport is not None:
            self._transport.close()
        self._let_go()

    def _let_go(self) -> None:
        self._transport = None
        if self._socket is not None:
            forget(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _flush(self) -> None:
        for head in self._held:
            head.release_head()
        self._held.clear()
        self._is_flush_due = False
        if self._out:
            self._send()

    def _send(self) -> None:
        """Sends what was gathered: what the socket takes at once, and the rest by the transport."""
        data = b"".join(self._out)
        self._out.clear()
        self._sent_at = monotonic()
        if self._transport is None or self._socket is None:
            return
        sent = 0
        if self._transport.get_write_buffer_size() == 0:
            # An error here is the transport's to find, too.
            with suppress(OSError):
                sent = self._socket.send(data)
        if sent < len(data):
            self._transport.write(memoryview(data)[sent:])
