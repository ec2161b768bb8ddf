"""WebSockets of Tornado's handlers. The router speaks their frames; handlers get and send messages."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tornado import gen, httputil, websocket
from tornado.escape import json_encode, utf8

from tunicorn import frame
from tunicorn.response import encode_interim_fields
from tunicorn.tornado_stream import TornadoStream

if TYPE_CHECKING:
    from tunicorn.stream_channel import StreamChannel

#: Without a status (RFC 6455 section 7.1.5), and without a closing handshake: Tornado says None for both.
UNSAID_CODES: Final = (1005, 1006)
NORMAL: Final = 1000

#: What a control frame carries at most (RFC 6455 section 5.5).
CONTROL_LIMIT_BYTES: Final = 125

Message = str | bytes


class ControlFrame(NamedTuple):
    """A ping or pong of the client."""

    opcode: int
    data: bytes


class TornadoWebSocket(TornadoStream):
    """A WebSocket from its opening handshake on; until it is opened it may be answered as any request."""

    __slots__ = ("_incoming", "_outgoing", "_parts", "closed", "hears_control", "is_accepted")

    def __init__(self, channel: StreamChannel, number: int, name: str) -> None:
        super().__init__(channel, number, name, b"", frame.END)
        self.is_accepted = False
        #: The handler wants to know of the client's pings and pongs.
        self.hears_control = False
        #: Code and reason with which it was closed, by whichever side.
        self.closed: tuple[int | None, str | None] | None = None
        #: Parts of a message that is not complete.
        self._parts: list[bytes] = []
        #: Messages that the handler has not taken, with what each takes of the window.
        self._incoming: deque[tuple[Message | ControlFrame, int]] = deque()
        #: Messages that the router has no room for yet, as frames; what each costs; and who waits for it.
        self._outgoing: deque[tuple[bytes, int, asyncio.Future[None]]] = deque()

    @property
    def is_open(self) -> bool:
        """Messages may be sent."""
        return self.is_accepted and self.closed is None and not self.is_complete

    def accept(self, headers: httputil.HTTPHeaders) -> None:
        """Opens it, by the answer that a handler would give by itself."""
        subprotocol = headers.get("Sec-WebSocket-Protocol", "")
        fields = [
            (name, value)
            for name, value in headers.get_all()
            if not name.lower().startswith("sec-websocket-")
        ]
        self.is_accepted = True
        lines = encode_interim_fields(fields)
        encoded = subprotocol.encode("latin-1")
        self.channel.write(frame.encode_accept(self.number, encoded, lines, hears_control=self.hears_control))

    def on_message(self, part: bytes, flags: int) -> None:
        self._parts.append(part)
        if not flags & frame.END:
            return
        data = b"".join(self._parts)
        self._parts.clear()
        message = data.decode() if flags & frame.TEXT else data
        self._incoming.append((message, len(data) + frame.MESSAGE_COST_BYTES))
        self.wake()

    def on_control(self, opcode: int, data: bytes) -> None:
        self._incoming.append((ControlFrame(opcode, data), len(data) + frame.MESSAGE_COST_BYTES))
        self.wake()

    def on_close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (None if code in UNSAID_CODES else code, reason or None)
        self.wake()

    def on_cancel(self, is_half: bool) -> None:
        if self.is_accepted and not is_half:
            self.closed = self.closed or (None, None)
        super().on_cancel(is_half)

    async def receive(self) -> Message | ControlFrame | None:
        """The next message, or a control frame amid them; None when there will be none."""
        while not self._incoming:
            if self.closed is not None or self.is_complete:
                return None
            await self.wait()
        message, cost = self._incoming.popleft()
        self.take(cost)
        return message

    def send_message(self, data: bytes, *, is_text: bool) -> asyncio.Future[None]:
        """Sends a message; done when the router has taken it."""
        return self._put(frame.encode_message(self.number, data, frame.TEXT if is_text else 0), len(data))

    def ping(self, data: bytes) -> None:
        """Pings the client, behind the messages."""
        self._put(frame.encode_ping(self.number, data), len(data))

    def _put(self, frames: bytes, size: int) -> asyncio.Future[None]:
        sent: asyncio.Future[None] = self.channel.loop.create_future()
        self._outgoing.append((frames, size + frame.MESSAGE_COST_BYTES, sent))
        self._send_messages()
        return sent

    def close(self, code: int, reason: str) -> None:
        """Begins the closing handshake, behind the messages."""
        if self.is_open:
            # It is the last that is sent: there need not be room for it.
            self._send_messages(is_last=True)
            self.channel.write(frame.encode_close(self.number, code, reason))

    def leave(self) -> None:
        """The handler is done with it."""
        if not self.is_complete:
            self.channel.write(frame.encode(frame.BODY, self.number, flags=frame.END))
            self._finish()

    def wake(self) -> None:
        super().wake()
        if self.is_accepted:
            self._send_messages()

    def _send_messages(self, *, is_last: bool = False) -> None:
        while self._outgoing:
            is_lost = not self.is_open
            if not (is_lost or is_last or (self.room > 0 and not self.channel.is_full)):
                return
            frames, cost, sent = self._outgoing.popleft()
            if not is_lost:
                self.room -= cost
                self.channel.write(frames)
            if sent.done():
                continue
            if is_lost:
                sent.set_exception(websocket.WebSocketClosedError())
                # It need not be awaited.
                sent.exception()
            else:
                sent.set_result(None)


class RouterProtocol(websocket.WebSocketProtocol):
    """What a handler has in the place of Tornado's own frames."""

    def __init__(self, handler: websocket.WebSocketHandler, link: TornadoWebSocket) -> None:
        super().__init__(handler)
        self._link = link
        self._subprotocol: str | None = None

    @property
    def selected_subprotocol(self) -> str | None:
        return self._subprotocol

    async def accept_connection(self, handler: websocket.WebSocketHandler) -> None:
        offered = handler.request.headers.get("Sec-WebSocket-Protocol", "")
        subprotocols = [name.strip() for name in offered.split(",") if name.strip()]
        self._subprotocol = handler.select_subprotocol(subprotocols)
        if self._subprotocol:
            assert self._subprotocol in subprotocols
            handler.set_header("Sec-WebSocket-Protocol", self._subprotocol)
        self._link.hears_control = _overrides(handler, "on_ping") or _overrides(handler, "on_pong")
        handler.clear_header("Content-Type")
        handler.set_status(101)
        handler.finish()
        self.stream = handler._detach_stream()
        try:
            opened = handler.open(*handler.open_args, **handler.open_kwargs)
            if opened is not None:
                await gen.convert_yielded(opened)
        except Exception:
            self._give_up(handler)
        await self._receive_frame_loop()

    async def _receive_frame_loop(self) -> None:
        link, handler = self._link, self.handler
        assert isinstance(handler, websocket.WebSocketHandler)
        try:
            while (message := await link.receive()) is not None:
                handled = _hand_over(handler, message)
                if handled is not None:
                    await gen.convert_yielded(handled)
        except Exception:
            self._give_up(handler)
        link.leave()
        handler.on_ws_connection_close(*(link.closed or (None, None)))

    def _give_up(self, handler: websocket.WebSocketHandler) -> None:
        """The handler has raised: the client gets 1011."""
        handler.log_exception(*sys.exc_info())
        self._link.fail()

    def write_message(
        self, message: str | bytes | dict[str, Any], binary: bool = False
    ) -> asyncio.Future[None]:
        if self.is_closing():
            raise websocket.WebSocketClosedError
        if isinstance(message, dict):
            message = json_encode(message)
        return self._link.send_message(utf8(message), is_text=not binary)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        if not self.server_terminated:
            self.server_terminated = True
            self._link.close(code or NORMAL, reason or "")

    def is_closing(self) -> bool:
        return self.server_terminated or not self._link.is_open

    def write_ping(self, data: bytes) -> None:
        if len(data) > CONTROL_LIMIT_BYTES:
            raise ValueError(f"a ping carries {len(data)} bytes, want at most {CONTROL_LIMIT_BYTES}")
        self._link.ping(data)

    def start_pinging(self) -> None:
        """The router does, every websocket_ping_interval of the server."""

    def set_nodelay(self, x: bool) -> None:
        """The router sends without delay in any case."""

    def _process_server_headers(self, key: str | bytes, headers: httputil.HTTPHeaders) -> None:
        raise NotImplementedError


def _overrides(handler: websocket.WebSocketHandler, name: str) -> bool:
    method = getattr(handler, name)
    return getattr(method, "__func__", method) is not getattr(websocket.WebSocketHandler, name)


def _hand_over(handler: websocket.WebSocketHandler, received: Message | ControlFrame) -> Any:
    """Calls the handler's method for it; what it returns may have to be awaited."""
    if not isinstance(received, ControlFrame):
        return handler.on_message(received)
    # Tornado's own are annotated as if they returned nothing.
    called: Any = handler.on_ping if received.opcode == frame.PING_OPCODE else handler.on_pong
    return called(received.data)


_own_protocol: Final = websocket.WebSocketHandler.get_websocket_protocol


def _protocol_of(handler: websocket.WebSocketHandler) -> websocket.WebSocketProtocol | None:
    link = getattr(handler.request.connection, "web_socket", None)
    return RouterProtocol(handler, link) if link is not None else _own_protocol(handler)


def install() -> None:
    """Has Tornado's handlers speak to the router. It is where they choose among versions of the protocol."""
    own = _protocol_of
    websocket.WebSocketHandler.get_websocket_protocol = own  # type: ignore[assignment]  # no method
