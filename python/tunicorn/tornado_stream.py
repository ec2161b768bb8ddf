"""One request of a Tornado application, as its worker's channel knows it: body in, response out."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from tunicorn import frame
from tunicorn.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunicorn.response import ResponseHead
    from tunicorn.stream_channel import StreamChannel


class TornadoStream(Stream):
    """Nothing here waits but read(): Tornado writes first and may await what it has written."""

    __slots__ = ("_awaits_continue", "_body", "_head", "_is_body_complete", "_is_ending", "_is_held",
                 "_pieces", "_written", "is_complete", "is_started", "name", "on_closed",
                 "on_complete")  # fmt: skip

    def __init__(self, channel: StreamChannel, number: int, name: str, body: bytes, flags: int) -> None:
        super().__init__(channel, number)
        #: For log lines.
        self.name = name
        self._body: bytes | bytearray = body
        self._is_body_complete = bool(flags & frame.END)
        self._awaits_continue = bool(flags & frame.AWAITS_CONTINUE)
        #: Waits for the end of the turn, or of the response.
        self._head: ResponseHead | None = None
        #: The channel will ask for what waits when this turn ends.
        self._is_held = False
        #: What waits for the same, or for the router to have room.
        self._pieces: deque[bytes | memoryview] = deque()
        #: Nothing follows the pieces.
        self._is_ending = False
        #: Done when there is room for more.
        self._written: asyncio.Future[None] | None = None
        self.is_started = False
        #: The last frame of the worker was sent.
        self.is_complete = False
        #: Called when the client has left, or has closed its side of an endless response.
        self.on_closed: Callable[[], None] = lambda: None
        #: Called when nothing more will be sent.
        self.on_complete: Callable[[TornadoStream], None] = lambda _: None

    def on_body(self, body: bytes, is_end: bool) -> None:
        self._body = self._body + body if self._body else body
        self._is_body_complete = is_end
        self.wake()

    def on_cancel(self, is_half: bool) -> None:
        super().on_cancel(is_half)
        if not self.is_complete:
            self.on_closed()
        if self.is_gone:
            # The router waits for an end, and the handler may never come to one.
            self.fail()

    async def read(self) -> bytes:
        """The next piece of the request body, b"" at its end."""
        while not self._body:
            if self.is_gone:
                raise StreamClosedError
            if self._is_body_complete or self.is_complete:
                return b""
            if self._awaits_continue:
                # The client is asked for its body only now.
                self._awaits_continue = False
                self.channel.write(frame.encode_window(self.number, frame.WINDOW_BYTES))
            await self.wait()
        body, self._body = self._body, b""
        if not self._is_body_complete:
            self.take(len(body))
        return bytes(body)

    def start(self, head: ResponseHead) -> None:
        """The response begins."""
        self.is_started = True
        self._head = head
        self._hold()

    def send(self, piece: bytes) -> asyncio.Future[None]:
        """A piece of the body; done when the router has taken it and has room for more."""
        if self._written is None or self._written.done():
            self._written = self.channel.loop.create_future()
        written = self._written
        if piece:
            self._pieces.append(piece)
        self._hold()
        return written

    def _hold(self) -> None:
        """What is written in one turn leaves together."""
        if not self._is_held:
            self._is_held = True
            self.channel.hold(self)

    def end(self) -> None:
        """The response is complete."""
        self._is_ending = True
        self.release_head()

    def fail(self) -> None:
        """The response cannot be given, or not to its end."""
        if self.is_complete:
            return
        self._head = None
        self._pieces.clear()
        self.channel.write(frame.encode(frame.FAILED, self.number, flags=frame.END))
        self._finish()

    def wake(self) -> None:
        super().wake()
        if self.is_started:
            self.release_head()

    def release_head(self) -> None:
        """Sends what waits: the head with the first piece, and further pieces."""
        self._is_held = False
        head, self._head = self._head, None
        if head is None:
            self._send_pieces()
            return
        piece, flags = self._next_piece()
        self.channel.write(
            frame.encode_response(
                self.number, head.status, head.reason, head.field_lines, head.content_length, piece, flags
            )
        )
        if flags:
            self._finish()
        else:
            self._send_pieces()

    def _send_pieces(self) -> None:
        """As much as the router has room for: a slow client holds up its own handler alone."""
        if self.is_complete:
            return
        while self._pieces and self.room > 0 and not self.channel.is_full:
            piece, flags = self._next_piece()
            self._send(piece, flags)
            if flags:
                return
        if self._pieces:
            return
        if self._is_ending:
            self._send(b"", frame.END)
        elif self.room > 0 and not self.channel.is_full:
            self._tell_written()

    def _next_piece(self) -> tuple[bytes, int]:
        """What there is room for, and END if nothing follows it."""
        piece: bytes | memoryview = b""
        if self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > self.room:
                view = memoryview(piece)
                self._pieces.appendleft(view[self.room :])
                piece = view[: self.room]
            self.room -= len(piece)
        return bytes(piece), frame.END if self._is_ending and not self._pieces else 0

    def _send(self, piece: bytes, flags: int) -> None:
        self.channel.write(frame.HEADER.pack(len(piece), frame.BODY, flags, 0, self.number), piece)
        if flags:
            self._finish()

    def _tell_written(self) -> None:
        if self._written is not None and not self._written.done():
            self._written.set_result(None)

    def _finish(self) -> None:
        self.is_complete = True
        self.channel.end(self.number)
        self._tell_written()
        self.on_complete(self)
        # A body that nobody reads any more.
        super().wake()
