"""A stream that is answered by an HTTP response, sent in the messages of ASGI."""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING, Final

from tunicorn import frame
from tunicorn.asgi_response import Head, encode_fields, encode_head
from tunicorn.asgi_types import Message, Scope
from tunicorn.stream import Stream

if TYPE_CHECKING:
    from tunicorn.stream_channel import StreamChannel

EARLY_HINTS: Final = 103
#: Without 101, behind which no HTTP would follow.
INTERIM_STATUSES: Final = frozenset((100, *range(102, 200)))

#: A frame's header and the lengths before a response, in one step.
_RESPONSE: Final = struct.Struct(frame.HEADER.format + frame.RESPONSE_PREFIX.format[1:])


class ResponseStream(Stream):
    """Checks the order of the messages as uvicorn does, and sends each as soon as there is room for it."""

    __slots__ = ("_answer", "_expected", "_has_trailers", "_head", "_is_body_over",
                 "is_complete", "is_started", "scope")  # fmt: skip

    def __init__(self, channel: StreamChannel, number: int, scope: Scope) -> None:
        super().__init__(channel, number)
        self.scope = scope
        #: The application has started its response.
        self.is_started = False
        #: The last frame of the worker was sent.
        self.is_complete = False
        #: Waits for the first piece of the body.
        self._head: Head | None = None
        #: Bytes that are left of the announced length; None where nothing counts them.
        self._expected: int | None = None
        self._has_trailers = False
        #: Only the trailers are missing.
        self._is_body_over = False
        #: Whether the router sends the file that it was offered; None while its answer is awaited.
        self._answer: bool | None = None

    def on_file_answer(self, is_taken: bool) -> None:
        self._answer = is_taken
        self.wake()

    def start_response(self, message: Message, method: str) -> None:
        """http.response.start: the head leaves with the first piece of the body, or when this turn ends."""
        head = encode_head(message["status"], message.get("headers", ()))
        self._head = head
        self.is_started = True
        status, _, _, length = head
        if "trailers" in message:
            self._has_trailers = bool(message["trailers"])
        if length != frame.NO_CONTENT_LENGTH and method != "HEAD" and status not in (204, 304):
            self._expected = length
        self.channel.hold(self)

    async def go_on(self, kind: str, message: Message) -> bool:
        """What follows http.response.start. False: it may not come now."""
        if self._is_body_over:
            if kind != "http.response.trailers":
                return False
            self._send_trailers(message)
        elif kind == "http.response.body":
            await self.send_body(message.get("body", b""), message.get("more_body", False))
        elif kind == "http.response.pathsend":
            await self._send_path(message["path"])
        else:
            return self.send_interim(kind, message)
        return True

    def send_interim(self, kind: str, message: Message) -> bool:
        """Early hints, and Gunicorn's informational responses. Whether it was one."""
        if kind == "http.response.early_hint":
            status, headers = EARLY_HINTS, [(b"link", link) for link in message.get("links", ())]
        elif kind == "http.response.informational":
            status, headers = int(message["status"]), message.get("headers", [])
            if status not in INTERIM_STATUSES:
                raise ValueError(f"status {status} is not that of an interim response")
        else:
            return False
        if not self.is_started or self._head is not None:
            lines = encode_fields(headers)
            self.channel.write(frame.encode(frame.INTERIM, self.number, lines, aux=status))
        return True

    def send_rest(self, message: Message) -> bool:
        """http.response.body as it mostly is: the last one, and nothing to wait for. False: it is not so."""
        body = message.get("body", b"")
        is_more = message.get("more_body", False)
        if is_more or self._has_trailers or type(body) is not bytes or len(body) > self.room:
            return False
        self._send_last(body)
        return True

    async def send_body(self, body: bytes, is_more: bool) -> None:
        """http.response.body."""
        if type(body) is not bytes:
            body = _to_bytes(body)
        if is_more or self._has_trailers or len(body) > self.room:
            if self._expected is not None:
                self._count(body, is_more)
            await self._send_pieces(body, is_more)
        else:
            self._send_last(body)

    def _send_last(self, body: bytes) -> None:
        if self._expected is not None:
            self._count(body, False)
        self._write(body, frame.END)
        self._finish()

    def _count(self, body: bytes, is_more: bool) -> None:
        """Holds the body against the length that was announced."""
        assert self._expected is not None
        size = len(body)
        if size > self._expected:
            raise RuntimeError("Response content longer than Content-Length")
        self._expected -= size
        if not is_more and self._expected != 0:
            # The client gets what there is, and sees that bytes are missing.
            self._write(body, 0)
            raise RuntimeError("Response content shorter than Content-Length")

    async def _send_pieces(self, body: bytes, is_more: bool) -> None:
        """Never more than the router has room for; so a slow client holds up the application."""
        is_last = not (is_more or self._has_trailers)
        start, size = 0, len(body)
        while True:
            await self.wait_for_room()
            if self.is_gone:
                return
            piece = body[start : start + self.room]
            start += len(piece)
            self.room -= len(piece)
            self._write(piece, frame.END if is_last and start >= size else 0)
            if start >= size:
                break
        if is_last:
            self._finish()
        elif is_more:
            await self.wait_for_room()
        else:
            self._is_body_over = True

    def _write(self, body: bytes, flags: int) -> None:
        """A piece of the body; the head goes along if it still waits."""
        head = self._head
        if head is None:
            if body or flags:
                header = frame.HEADER.pack(len(body), frame.BODY, flags, 0, self.number)
                self.channel.write(header, body)
            return
        self._head = None
        status, reason, lines, length = head
        size = frame.RESPONSE_PREFIX.size + len(reason) + len(lines) + len(body)
        prefix = _RESPONSE.pack(
            size, frame.RESPONSE, flags, status, self.number, len(reason), len(lines), length
        )
        self.channel.write(prefix, reason, lines, body)

    def release_head(self) -> None:
        """Sends the head without a body, if it still waits for one."""
        if self._head is not None:
            self._write(b"", 0)

    def _send_trailers(self, message: Message) -> None:
        if message.get("more_trailers", False):
            raise RuntimeError("Trailers in several messages are not offered.")
        lines = encode_fields(message.get("headers", ()))
        self.channel.write(frame.encode(frame.TRAILERS, self.number, lines, flags=frame.END))
        self._finish()

    async def _send_path(self, path: str) -> None:
        """The router reads the file itself; where it cannot, it is sent like any body."""
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            size = status.st_size if self._expected is None else self._expected
            if size > status.st_size:
                raise RuntimeError("Response content shorter than Content-Length")
            if stat.S_ISREG(status.st_mode) and size > 0 and not self._has_trailers:
                self.release_head()
                self.channel.write(frame.encode_file(self.number, _path_of(file.fileno(), path), 0, size))
                while self._answer is None and not self.is_gone:
                    await self.wait()
                if self.is_gone:
                    return
                if self._answer:
                    self._finish()
                    return
            while piece := file.read(frame.WINDOW_BYTES):
                await self.send_body(piece, True)
            await self.send_body(b"", False)

    def fail(self) -> None:
        """The response cannot be given, or not to its end."""
        if self.is_complete:
            return
        # What was not sent yet makes room for an error page.
        self._head = None
        self.channel.write(frame.encode(frame.FAILED, self.number, flags=frame.END))
        self._finish()

    def _finish(self) -> None:
        self.is_complete = True
        self.channel.end(self.number)
        self.wake()


def _path_of(fd: int, path: str) -> bytes:
    """A path to the open file itself, where the system has one: the name may be another file's by now."""
    own = f"/proc/{os.getpid()}/fd/{fd}"
    return (own if os.path.exists(own) else os.path.abspath(path)).encode()


def _to_bytes(body: object) -> bytes:
    if isinstance(body, bytearray | memoryview | bytes):
        return bytes(body)
    raise TypeError(f"the body of a response must be bytes, not {type(body).__name__}")
