"""The router's end of a channel, written after src/channel/frame.md and not after the worker's codec."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.helpers.deadlines import DEADLINE_SECONDS

HELLO: Final = 1
READY: Final = 2
LEAVING: Final = 3
DRAIN: Final = 4
PULL: Final = 5
JOIN: Final = 6
REQUEST: Final = 16
CANCEL: Final = 17
FILE_ANSWER: Final = 18
RESPONSE: Final = 32
BODY: Final = 33
FAILED: Final = 34
INTERIM: Final = 35
FILE: Final = 36
PING: Final = 49
PONG: Final = 50
REQUEST_BODY: Final = 19
TRAILERS: Final = 38
WINDOW: Final = 48
ACCEPT: Final = 64
MESSAGE: Final = 65
CLOSE: Final = 66
FETCH: Final = 37
TUNNEL: Final = 40

END: Final = 1
TAKES_MORE: Final = 2
LAST: Final = 4
FILE_BODY: Final = 8
AWAITS_CONTINUE: Final = 16
WEBSOCKET: Final = 32
TEXT: Final = 64

#: Bytes of a stream and direction that may be on their way.
WINDOW_BYTES: Final = 128 * 1024

HEADER: Final = struct.Struct("<IBBHI")
RESPONSE_PREFIX: Final = struct.Struct("<IIQ")
FILE_PREFIX: Final = struct.Struct("<QQ")
NO_CONTENT_LENGTH: Final = 2**64 - 1

#: What the router cooks for `GET /shop?page=2`.
ENVIRON: Final = {
    "REQUEST_METHOD": "GET",
    "RAW_URI": "/shop?page=2",
    "QUERY_STRING": "page=2",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "REMOTE_PORT": "50123",
    "wsgi.url_scheme": "http",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/shop",
    "HTTP_HOST": "localhost:8000",
}


class Received(NamedTuple):
    """A frame that the worker sent."""

    kind: int
    flags: int
    aux: int
    stream: int
    payload: bytes

    @property
    def body(self) -> bytes:
        """The body bytes of a RESPONSE or BODY frame."""
        return response_of(self).body if self.kind == RESPONSE else self.payload


class Response(NamedTuple):
    """The parts of a RESPONSE frame."""

    status: int
    reason: str
    field_lines: str
    content_length: int | None
    body: bytes


class FilePart(NamedTuple):
    """What a FILE frame says."""

    path: bytes
    start: int
    length: int


def encode(kind: int, stream: int = 0, payload: bytes = b"", flags: int = 0, aux: int = 0) -> bytes:
    """A whole frame."""
    return HEADER.pack(len(payload), kind, flags, aux, stream) + payload


def request_payload(environ: Mapping[str, str], body: bytes = b"") -> bytes:
    """The payload of a REQUEST frame."""
    head = "\0".join(f"{name}\0{value}" for name, value in environ.items()).encode("latin-1")
    return struct.pack("<I", len(head)) + head + body


def asgi_payload(
    path: str,
    body: bytes = b"",
    *,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    scheme: str = "http",
    query: str = "",
) -> bytes:
    """The payload of a REQUEST frame for an ASGI application."""
    parts = [method, "1.1", scheme, "", path, query, "127.0.0.1", "50123", "127.0.0.1", "8000"]
    for header in headers:
        parts += header
    head = "\0".join(parts).encode("latin-1")
    return struct.pack("<I", len(head)) + head + body


def window_of(received: Received) -> int:
    """The bytes of a WINDOW frame."""
    assert received.kind == WINDOW
    (size,) = struct.unpack("<I", received.payload)
    assert isinstance(size, int)
    return size


def response_of(received: Received) -> Response:
    """Takes a RESPONSE frame apart."""
    assert received.kind == RESPONSE
    reason_length, lines_length, content_length = RESPONSE_PREFIX.unpack_from(received.payload)
    reason_end = RESPONSE_PREFIX.size + reason_length
    lines_end = reason_end + lines_length
    return Response(
        received.aux,
        received.payload[RESPONSE_PREFIX.size : reason_end].decode("latin-1"),
        received.payload[reason_end:lines_end].decode("latin-1"),
        None if content_length == NO_CONTENT_LENGTH else content_length,
        received.payload[lines_end:],
    )


def file_part_of(received: Received) -> FilePart:
    """Takes a FILE frame apart."""
    assert received.kind == FILE
    start, length = FILE_PREFIX.unpack_from(received.payload)
    return FilePart(received.payload[FILE_PREFIX.size :], start, length)


def kinds_of(frames: list[Received]) -> list[int]:
    """The types of frames, in their order."""
    return [received.kind for received in frames]


def body_of(frames: list[Received]) -> bytes:
    """The body that all frames carry together."""
    return b"".join(received.body for received in frames if received.kind in (RESPONSE, BODY))


class RouterEnd:
    """One channel to a worker."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE_SECONDS)
        self.connection = connection
        self._buffer = b""

    def send(self, data: bytes) -> None:
        """Sends bytes as they are."""
        self.connection.sendall(data)

    def request(
        self,
        stream: int = 1,
        environ: Mapping[str, str] | None = None,
        body: bytes = b"",
        flags: int = END,
    ) -> None:
        """Sends a REQUEST; the environ is added to the usual one."""
        self.send(encode(REQUEST, stream, request_payload({**ENVIRON, **(environ or {})}, body), flags))

    def asgi_request(
        self,
        path: str,
        stream: int = 1,
        body: bytes = b"",
        flags: int = END,
        **options: Any,
    ) -> None:
        """Sends a REQUEST for an ASGI application."""
        self.send(encode(REQUEST, stream, asgi_payload(path, body, **options), flags))

    def give_room(self, size: int, stream: int = 1) -> None:
        """Says that so many more bytes of the response may come."""
        self.send(encode(WINDOW, stream, struct.pack("<I", size)))

    def cancel(self, stream: int = 1, *, is_half: bool = False) -> None:
        """Says that the client has gone, or has closed its side."""
        self.send(encode(CANCEL, stream, aux=int(is_half)))

    def answer_file(self, stream: int = 1, *, is_taken: bool) -> None:
        """Says who sends a file, before or after it was offered."""
        self.send(encode(FILE_ANSWER, stream, aux=int(is_taken)))

    def drain(self) -> None:
        """Tells the worker to leave."""
        self.send(encode(DRAIN))

    def receive(self) -> Received | None:
        """Waits for a frame; None when the worker has closed the channel."""
        while (received := self._take()) is None:
            try:
                data = self.connection.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._buffer += data
        return received

    def expect(self, kind: int) -> Received:
        """Waits for the next frame, which must be of this type."""
        received = self.receive()
        assert received is not None, f"the worker closed the channel, want a frame of type {kind}"
        assert received.kind == kind, received
        return received

    def expect_end(self) -> None:
        """Waits until the worker closes the channel; it may say nothing more."""
        received = self.receive()
        assert received is None, received

    def receive_until_end(self) -> list[Received]:
        """Waits for frames until one that ends its stream."""
        frames: list[Received] = []
        while not frames or not frames[-1].flags & END:
            received = self.receive()
            assert received is not None, "the worker closed the channel, want the end of a stream"
            frames.append(received)
        return frames

    def receive_response(self) -> list[Received]:
        """Waits for all frames of one response."""
        frames = self.receive_until_end()
        assert frames[0].kind == RESPONSE, frames[0]
        return frames

    def wait_until_handled(self) -> None:
        """Returns when a worker that multiplexes has handled everything that was sent before."""
        self.send(encode(PING))
        self.expect(PONG)

    def receive_hello(self) -> dict[str, Any]:
        """Waits for HELLO and gives what it says."""
        hello = json.loads(self.expect(HELLO).payload)
        assert isinstance(hello, dict)
        return hello

    def received(self) -> list[Received]:
        """The frames that have come by now."""
        self.connection.setblocking(False)
        with suppress(BlockingIOError):
            while data := self.connection.recv(65536):
                self._buffer += data
        self.connection.settimeout(DEADLINE_SECONDS)
        frames: list[Received] = []
        while (received := self._take()) is not None:
            frames.append(received)
        return frames

    def close(self) -> None:
        """The router is gone, as far as this worker can see."""
        self.connection.close()

    def _take(self) -> Received | None:
        if len(self._buffer) < HEADER.size:
            return None
        length, kind, flags, aux, stream = HEADER.unpack_from(self._buffer)
        end = HEADER.size + length
        if len(self._buffer) < end:
            return None
        payload, self._buffer = self._buffer[HEADER.size : end], self._buffer[end:]
        return Received(kind, flags, aux, stream, payload)


class RouterListener:
    """The socket in the runtime directory on which workers dial."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ends: list[RouterEnd] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(DEADLINE_SECONDS)
        self._socket.bind(str(path))
        self._socket.listen()

    def accept(self) -> RouterEnd:
        """Waits for a worker to dial."""
        connection, _ = self._socket.accept()
        end = RouterEnd(connection)
        self._ends.append(end)
        return end

    def vanish(self) -> None:
        """Nobody answers on the path any more."""
        self.path.unlink(missing_ok=True)
        self._socket.close()

    def close(self) -> None:
        """Closes the listener and all that was accepted."""
        self.vanish()
        for end in self._ends:
            end.close()
