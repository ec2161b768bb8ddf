"""The response to one request of a WSGI application (PEP 3333), sent as frames."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from tunicorn import frame
from tunicorn.file_wrapper import file_part
from tunicorn.response import Headers, ResponseHead, encode_interim_fields

if TYPE_CHECKING:
    from tunicorn.channel import Frame
    from tunicorn.response_channel import ResponseChannel

ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None
)

#: A body above this is not joined with its head.
JOIN_LIMIT_BYTES: Final = 32 * 1024
#: A body below this goes through the router: copying it costs less than asking for the client's socket.
BORROW_FROM_BYTES: Final = 512 * 1024
#: A body above this goes out in chunks if the application has not said its length.
WHOLE_LIMIT_BYTES: Final = 256 * 1024

EARLY_HINTS: Final = 103


class ClientDisconnectedError(Exception):
    """The client is gone: what is left of the response has no reader."""


class Response:
    """The response to one request, from start_response to its last frame."""

    __slots__ = ("_after", "_channel", "_head", "_stream", "body_bytes", "is_after_sent", "is_channel_broken",
                 "is_ended", "is_head_sent")  # fmt: skip

    def __init__(self, channel: ResponseChannel, stream: int, after: int) -> None:
        self._channel = channel
        self._stream = stream
        self._after = after
        self._head: ResponseHead | None = None
        self.body_bytes = 0
        self.is_head_sent = False
        #: The last frame of the response was sent.
        self.is_ended = False
        self.is_after_sent = False
        #: The router is gone, or a frame was cut off: nothing can be sent any more.
        self.is_channel_broken = False

    def start(self, status: str, headers: Headers, exc_info: ExceptionInfo = None) -> Callable[[bytes], None]:
        """start_response."""
        if exc_info is not None:
            try:
                if self.is_head_sent:
                    if exc_info[1] is None:
                        raise AssertionError("start_response was called after the head was sent")
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self._head is not None:
            raise AssertionError("start_response was called a second time without exc_info")
        self._head = ResponseHead(status, headers)
        return self.write

    def write(self, data: bytes) -> None:
        """The callable that start_response returns, for applications that push their body."""
        if data:
            self.send(data)

    def send_whole(self, body: bytes) -> None:
        """Sends a body of which nothing more comes, in one frame if nothing was sent before."""
        if self.is_head_sent or self._is_large(body):
            if body:
                self.send(body)
            self.end()
            return
        self._send_head(body, frame.END | self._after)
        self.is_ended = self.is_after_sent = True

    def send(self, data: bytes) -> None:
        """Sends a piece of the body; the head goes with the first one."""
        if type(data) is not bytes and not isinstance(data, bytes):
            raise TypeError(f"an application must yield bytes, not {type(data).__name__}")
        if self.is_ended:
            return
        self.body_bytes += len(data)
        flags = frame.END if self._is_complete() else 0
        if self.is_head_sent:
            self._check_client()
            self._send_body(data, flags)
        elif self._is_large(data):
            if not self._send_borrowed(data, flags):
                # What goes with the head makes the client's first packet.
                head = self._encode_head(data[:JOIN_LIMIT_BYTES], 0)
                self._send_body(memoryview(data)[JOIN_LIMIT_BYTES:], flags, head)
        else:
            self._send_head(data, flags)
        self.is_ended = flags != 0

    def send_early_hints(self, headers: Headers) -> None:
        """wsgi.early_hints: a 103 response with these headers, as long as the final one has not begun."""
        if not self.is_head_sent:
            self._transmit(
                frame.encode(frame.INTERIM, self._stream, encode_interim_fields(headers), aux=EARLY_HINTS)
            )

    def send_file(self, filelike: Any) -> bool:
        """Lets the router read the rest of a file. False when it cannot; the caller sends it then."""
        part = file_part(filelike)
        head = self._head
        if part is None or head is None or self.is_head_sent:
            return False
        path, start, length = part
        if head.content_length is None:
            head.content_length = length
        length = min(length, head.content_length)
        self._send_head(b"", 0)
        self._transmit(frame.encode_file(self._stream, path, start, length))
        self.is_ended = self._is_file_taken()
        return self.is_ended

    def _is_file_taken(self) -> bool:
        while True:
            received = self._channel.receive()
            if received is None:
                self.is_channel_broken = True
                raise ConnectionResetError("the router went away while it was given a file")
            self._check_kind(received)
            if received.kind == frame.FILE_ANSWER and received.stream == self._stream:
                return received.aux == 1

    def end(self) -> None:
        """The application has nothing more to say."""
        if self.is_ended:
            return
        if self.is_head_sent:
            self._transmit(frame.encode(frame.BODY, self._stream, flags=frame.END))
        else:
            self._send_head(b"", frame.END)
        self.is_ended = True

    def fail(self, after: int) -> None:
        """The response cannot be completed."""
        if self.is_ended or self.is_channel_broken:
            return
        self.is_ended = self.is_after_sent = True
        self._transmit(frame.encode(frame.FAILED, self._stream, flags=frame.END | after))

    def _send_borrowed(self, body: bytes, flags: int) -> bool:
        """Writes a whole body to the client's socket, if the router lends it; False: nothing was sent."""
        head, borrower = self._head, self._channel.borrower
        is_whole = head is not None and head.content_length == len(body)
        if borrower is None or not is_whole or len(body) < BORROW_FROM_BYTES or not borrower.is_ready():
            return False
        try:
            written = borrower.write(self._stream, self._encode_head(b"", 0, frame.BORROW), body)
        except BaseException:
            self.is_channel_broken = self._channel.is_lost
            raise
        if written is None:
            self._send_body(body, flags)
        elif written.body < len(body):
            returned = frame.encode_returned(self._stream, written.octets, flags=0)
            self._send_body(memoryview(body)[written.body :], flags, returned)
        else:
            self._transmit(frame.encode_returned(self._stream, written.octets, flags=flags))
        return True

    def _is_complete(self) -> bool:
        """All bytes that the application announced are there: the client need not wait for its clean-up."""
        length = None if self._head is None else self._head.content_length
        return length is not None and self.body_bytes >= length

    def _is_large(self, body: bytes) -> bool:
        """It goes out in frames of its own. Of a smaller one that is whole, the router knows the length."""
        size = len(body)
        if size <= JOIN_LIMIT_BYTES:
            return False
        return size > WHOLE_LIMIT_BYTES or self._head is None or self._head.content_length is not None

    def _encode_head(self, body: bytes, flags: int, kind: int = frame.RESPONSE) -> bytes:
        head = self._head
        if head is None:
            raise AssertionError("the application gave a body before it called start_response")
        self.is_head_sent = True
        return frame.encode_response(
            self._stream, head.status, head.reason, head.field_lines, head.content_length, body, flags, kind
        )

    def _send_head(self, body: bytes, flags: int) -> None:
        self._transmit(self._encode_head(body, flags))

    def _send_body(self, body: bytes | memoryview, flags: int, before: bytes = b"") -> None:
        """A part of the body, or all of it, behind the frame of its head."""
        try:
            self._channel.send_body(self._stream, body, flags, before)
        except BaseException:
            self.is_channel_broken = self._channel.is_lost
            raise

    def _check_client(self) -> None:
        """Between two pieces: an endless response must end when its reader is gone."""
        try:
            received = self._channel.poll()
        except ConnectionError:
            self.is_channel_broken = True
            raise
        while received is not None:
            self._check_kind(received)
            if received.kind == frame.CANCEL and received.stream == self._stream:
                raise ClientDisconnectedError
            received = self._channel.poll()

    def _check_kind(self, received: Frame) -> None:
        """DRAIN is remembered; a request may not come before the response is complete."""
        if received.kind == frame.DRAIN:
            self._channel.is_drained = True
        elif received.kind not in (frame.CANCEL, frame.FILE_ANSWER, frame.PULL):
            raise frame.ProtocolError(f"the router sent a frame of type {received.kind} during a response")

    def _transmit(self, data: bytes) -> None:
        try:
            self._channel.send(data)
        except BaseException:
            self.is_channel_broken = self._channel.is_lost
            raise


class ReportingResponse(Response):
    """Tells, with its last frame, what the application has changed in its environ."""

    __slots__ = ("_report",)

    def __init__(
        self, channel: ResponseChannel, stream: int, after: int, report: Callable[[], bytes]
    ) -> None:
        """`report` says the entries, as an ENVIRON frame carries them."""
        super().__init__(channel, stream, after)
        self._report = report

    def _transmit(self, data: bytes) -> None:
        kind, flags = frame.kind_and_flags(data)
        entries = b""
        if flags & frame.END:
            entries = self._report_last()
        elif kind == frame.FILE:
            entries = self._report()
        if entries:
            data = frame.encode(frame.ENVIRON, self._stream, entries) + data
        super()._transmit(data)

    def _send_body(self, body: bytes | memoryview, flags: int, before: bytes = b"") -> None:
        entries = self._report_last() if flags & frame.END else b""
        if entries:
            super()._transmit(frame.encode(frame.ENVIRON, self._stream, entries))
        super()._send_body(body, flags, before)

    def _report_last(self) -> bytes:
        """Lets go of the environ, which has the response: cycles would keep the collector busy."""
        entries = self._report()
        self._report = bytes
        return entries
