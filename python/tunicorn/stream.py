"""One stream of a channel that multiplexes: what a request and its worker's channel know of each other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tunicorn import frame

if TYPE_CHECKING:
    from tunicorn.stream_channel import StreamChannel


class Stream:
    """What the router says about one request arrives here; subclasses answer it."""

    __slots__ = ("_given", "_waiters", "channel", "is_gone", "is_half_gone", "number", "room")

    def __init__(self, channel: StreamChannel, number: int) -> None:
        self.channel = channel
        self.number = number
        #: Bytes that may still be sent before the router asks for more.
        self.room = frame.WINDOW_BYTES
        #: The client is gone: nothing that is sent has a reader.
        self.is_gone = False
        #: The client has closed its side, and may be gone.
        self.is_half_gone = False
        #: Bytes that the application has taken since the router was last told.
        self._given = 0
        self._waiters: list[asyncio.Future[None]] = []

    def on_body(self, body: bytes, is_end: bool) -> None:
        """A further piece of the request body has come."""
        raise frame.ProtocolError(f"the router sent a body for stream {self.number}")

    def on_message(self, part: bytes, flags: int) -> None:
        """A part of a message of a WebSocket has come."""
        raise frame.ProtocolError(f"the router sent a message for stream {self.number}")

    def on_control(self, opcode: int, data: bytes) -> None:
        """The client of a WebSocket has sent a ping or a pong."""
        raise frame.ProtocolError(f"the router sent a control frame for stream {self.number}")

    def on_close(self, code: int, reason: str) -> None:
        """The WebSocket is closed."""
        raise frame.ProtocolError(f"the router closed stream {self.number}")

    def on_file_answer(self, is_taken: bool) -> None:
        """Whether the router sends the file that it was offered."""
        raise frame.ProtocolError(f"the router answered for a file of stream {self.number}")

    def on_cancel(self, is_half: bool) -> None:
        """The client is gone, or has closed its side."""
        if is_half:
            self.is_half_gone = True
        elif not self.is_gone:
            self.is_gone = True
            self.channel.gateway.on_abandoned(self)
        self.wake()

    def on_window(self, size: int) -> None:
        """The client has taken so many bytes."""
        self.room += size
        self.wake()

    async def wait(self) -> None:
        """Until something has happened on this stream, or the channel takes more."""
        waiter: asyncio.Future[None] = self.channel.loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def wake(self) -> None:
        """Lets all who wait look again."""
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_for_room(self) -> None:
        """Until something may be sent, or nobody is there to read it."""
        while (self.room <= 0 or self.channel.is_full) and not self.is_gone:
            await self.wait()

    def take(self, size: int) -> None:
        """The application has taken so many bytes of the request; the router is told now and then."""
        self._given += size
        if self._given >= frame.WINDOW_BYTES // 2:
            self.channel.write(frame.encode_window(self.number, self._given))
            self._given = 0
