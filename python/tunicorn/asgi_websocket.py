"""One WebSocket of an ASGI application. The router speaks its frames; here are messages only."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Final

from tunicorn import frame
from tunicorn.asgi_response import encode_fields
from tunicorn.asgi_scope import target_of
from tunicorn.asgi_types import ClientDisconnectedError, Message, Scope
from tunicorn.response_stream import ResponseStream

if TYPE_CHECKING:
    from tunicorn.stream_channel import StreamChannel

#: The connection ended without a closing handshake (RFC 6455 section 7.4.1).
ABNORMAL: Final = 1006
#: Status of the denial that websocket.close before websocket.accept stands for.
FORBIDDEN: Final = 403
NORMAL: Final = 1000
#: The codes below 3000 that a close frame may carry (IANA, WebSocket close code number registry).
_CLOSE_CODES: Final = frozenset(range(1000, 1015)) - {1004, 1005, ABNORMAL}
#: A control frame carries 125 bytes, two of which are the code.
REASON_LIMIT_BYTES: Final = 123
#: What the handshake itself answers with.
_HANDSHAKE_NAMES: Final = frozenset((b"sec-websocket-accept", b"sec-websocket-extensions"))
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


class WebSocket(ResponseStream):
    """A WebSocket from its opening handshake on."""

    __slots__ = ("_closed", "_incoming", "_is_accepted", "_is_closing", "_is_connect_told", "_parts")

    def __init__(self, channel: StreamChannel, number: int, scope: Scope) -> None:
        super().__init__(channel, number, scope)
        self._is_connect_told = False
        self._is_accepted = False
        #: The application has closed it.
        self._is_closing = False
        #: Code and reason with which it was closed.
        self._closed: tuple[int, str] | None = None
        #: Parts of a message that is not complete.
        self._parts: list[bytes] = []
        #: Messages that the application has not taken, with what each takes of the window.
        self._incoming: deque[tuple[Message, int]] = deque()

    @property
    def name(self) -> str:
        """For log lines."""
        return f"WebSocket {target_of(self.scope)}"

    def on_message(self, part: bytes, flags: int) -> None:
        self._parts.append(part)
        if not flags & frame.END:
            return
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        message: Message = {"type": "websocket.receive"}
        if flags & frame.TEXT:
            message["text"] = data.decode()
        else:
            message["bytes"] = data
        self._incoming.append((message, len(data) + frame.MESSAGE_COST_BYTES))
        self.wake()

    def on_close(self, code: int, reason: str) -> None:
        self._closed = self._closed or (code, reason)
        if self._is_closing:
            # The application has asked for it, and may go on as after a complete response.
            self.is_gone = True
            self.wake()
        else:
            super().on_cancel(False)

    def on_cancel(self, is_half: bool) -> None:
        if not is_half:
            self._closed = self._closed or (ABNORMAL, "")
        super().on_cancel(is_half)

    async def receive(self) -> Message:
        """What the application awaits: the connect, the messages, and at last the disconnect."""
        if not self._is_connect_told:
            self._is_connect_told = True
            return {"type": "websocket.connect"}
        while not self._incoming:
            if self._closed is not None:
                code, reason = self._closed
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            if self.is_complete:
                # It was denied.
                return {"type": "websocket.disconnect", "code": ABNORMAL}
            await self.wait()
        message, cost = self._incoming.popleft()
        self.take(cost)
        return message

    async def send(self, message: Message) -> None:
        """What the application calls to accept, to send and to close."""
        kind = message["type"]
        if self._is_closing or self.is_complete:
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}', after sending 'websocket.close' "
                "or response already completed."
            )
        if self.is_gone:
            raise ClientDisconnectedError("the client is gone")
        if self._is_accepted:
            await self._send_open(kind, message)
        elif not self.is_started:
            self._answer_handshake(kind, message)
        elif not await self.go_on(kind.replace("websocket.http.", "http.", 1), message):
            raise RuntimeError(f"Expected ASGI message 'websocket.http.response.body' but got '{kind}'.")

    def _answer_handshake(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            subprotocol = message.get("subprotocol") or ""
            if subprotocol and _TOKEN.fullmatch(subprotocol) is None:
                raise ValueError(f"the subprotocol {subprotocol!r} is not a token")
            headers = message.get("headers") or ()
            own = [(name, value) for name, value in headers if name.lower() not in _HANDSHAKE_NAMES]
            lines = encode_fields(own)
            self._is_accepted = True
            self.channel.write(frame.encode_accept(self.number, subprotocol.encode("ascii"), lines))
        elif kind == "websocket.close":
            self._is_closing = True
            self.start_response({"status": FORBIDDEN}, "GET")
            self._write(b"", frame.END)
            self._finish()
        elif kind == "websocket.http.response.start":
            self.start_response(message, "GET")
        else:
            raise RuntimeError(
                "Expected ASGI message 'websocket.accept', 'websocket.close', "
                f"or 'websocket.http.response.start' but got '{kind}'."
            )

    async def _send_open(self, kind: str, message: Message) -> None:
        if kind == "websocket.send":
            data, text = message.get("bytes"), message.get("text")
            payload = text.encode() if data is None and text is not None else data
            if not isinstance(payload, bytes | bytearray | memoryview):
                raise TypeError(f"websocket.send wants text or bytes, but got {message!r}")
            await self.wait_for_room()
            if self.is_gone:
                raise ClientDisconnectedError("the client is gone")
            self.room -= len(payload) + frame.MESSAGE_COST_BYTES
            self.channel.write(
                frame.encode_message(self.number, bytes(payload), frame.TEXT if data is None else 0)
            )
        elif kind == "websocket.close":
            code, reason = _check_close(message)
            self._is_closing = True
            self.channel.write(frame.encode_close(self.number, code, reason))
        else:
            raise RuntimeError(
                f"Expected ASGI message 'websocket.send' or 'websocket.close', but got '{kind}'."
            )

    def end(self) -> str | None:
        """The application has returned. What it has left undone, if anything."""
        if self.is_complete:
            return None
        if self._is_accepted:
            self.channel.write(frame.encode(frame.BODY, self.number, flags=frame.END))
            self._finish()
            return None
        self.fail()
        return "ASGI callable returned without sending handshake."


def _check_close(message: Message) -> tuple[int, str]:
    """Code and reason of a websocket.close; an error for what no close frame may say."""
    code, reason = message.get("code", NORMAL), message.get("reason") or ""
    code = NORMAL if code is None else code
    if not isinstance(code, int) or not (code in _CLOSE_CODES or 3000 <= code <= 4999):
        raise ValueError(
            f"the close code {code!r} cannot be sent; want one that is registered, or 3000 to 4999"
        )
    size = len(reason.encode())
    if size > REASON_LIMIT_BYTES:
        raise ValueError(f"the reason of a close is {size} bytes, want at most {REASON_LIMIT_BYTES}")
    return int(code), reason
