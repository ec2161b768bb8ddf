"""One HTTP request of an ASGI application: its scope, receive() and send()."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tunicorn import frame
from tunicorn.asgi_scope import target_of
from tunicorn.asgi_types import Message, Scope
from tunicorn.response_stream import ResponseStream

if TYPE_CHECKING:
    from tunicorn.stream_channel import StreamChannel


class HttpRequest(ResponseStream):
    """A request from its head to the end of its response."""

    __slots__ = ("_awaits_continue", "_body", "_is_body_complete", "_is_body_told")

    def __init__(self, channel: StreamChannel, number: int, scope: Scope, body: bytes, flags: int) -> None:
        super().__init__(channel, number, scope)
        self._body: bytes | bytearray = body
        self._is_body_complete = bool(flags & frame.END)
        self._is_body_told = False
        self._awaits_continue = bool(flags & frame.AWAITS_CONTINUE)

    @property
    def name(self) -> str:
        """For log lines."""
        return f"{self.scope['method']} {target_of(self.scope)}"

    async def receive(self) -> Message:
        """What the application awaits: the body, piece by piece, and at last that the client has gone."""
        while not self.is_complete:
            if self._body or (self._is_body_complete and not self._is_body_told):
                return self._take_body()
            # Before its response a client that has closed its side is taken to be there still.
            if self.is_gone or (self.is_half_gone and self.is_started):
                break
            if self._awaits_continue:
                # The client is asked for its body only now.
                self._awaits_continue = False
                self.channel.write(frame.encode_window(self.number, frame.WINDOW_BYTES))
            await self.wait()
        return {"type": "http.disconnect"}

    def _take_body(self) -> Message:
        body, self._body = self._body, b""
        is_more = not self._is_body_complete
        if is_more:
            self.take(len(body))
        else:
            self._is_body_told = True
        return {"type": "http.request", "body": bytes(body), "more_body": is_more}

    def on_body(self, body: bytes, is_end: bool) -> None:
        if not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body
        self._is_body_complete = is_end
        self.wake()

    async def send(self, message: Message) -> None:
        """What the application calls with each message of its response."""
        if self.is_gone:
            # What nobody reads is dropped, so that an application ends in its own way. A loop that only
            # sends must give way to others all the same.
            await asyncio.sleep(0)
            return
        kind = message["type"]
        if not self.is_started:
            if kind == "http.response.start":
                self.start_response(message, self.scope["method"])
            elif not self.send_interim(kind, message):
                raise RuntimeError(f"Expected ASGI message 'http.response.start', but got '{kind}'.")
        elif self.is_complete:
            raise RuntimeError(f"Unexpected ASGI message '{kind}' sent, after response already completed.")
        elif kind == "http.response.body" and self.send_rest(message):
            return
        elif not await self.go_on(kind, message):
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{kind}'.")

    def end(self) -> str | None:
        """The application has returned. What it has left undone, if anything."""
        if self.is_complete:
            return None
        what = "completing" if self.is_started else "starting"
        self.fail()
        return f"ASGI callable returned without {what} response."
