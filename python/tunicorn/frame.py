"""Frames of the channel between router and worker. The drawing is in src/channel/frame.md."""

from __future__ import annotations

import struct
from typing import Any, Final

#: payload length, type, flags, aux, stream
HEADER: Final = struct.Struct("<IBBHI")
HEADER_BYTES: Final = HEADER.size

#: The largest payload a peer may announce; more means that the stream is out of step.
PAYLOAD_LIMIT_BYTES: Final = 8 * 1024 * 1024

HELLO: Final = 1
READY: Final = 2
LEAVING: Final = 3
DRAIN: Final = 4
PULL: Final = 5
JOIN: Final = 6
DIAL: Final = 7
REQUEST: Final = 16
CANCEL: Final = 17
FILE_ANSWER: Final = 18
REQUEST_BODY: Final = 19
LENT: Final = 20
RESPONSE: Final = 32
BODY: Final = 33
FAILED: Final = 34
INTERIM: Final = 35
FILE: Final = 36
FETCH: Final = 37
TRAILERS: Final = 38
ENVIRON: Final = 39
TUNNEL: Final = 40
BORROW: Final = 41
RETURNED: Final = 42
WINDOW: Final = 48
PING: Final = 49
PONG: Final = 50
ACCEPT: Final = 64
MESSAGE: Final = 65
CLOSE: Final = 66
CONTROL: Final = 67

#: The message of this stream is complete with this frame.
END: Final = 1
#: The worker that sends this takes a further request now.
TAKES_MORE: Final = 2
#: The worker that sends this takes no further request and leaves.
LAST: Final = 4
#: The request body is in a file; its path is the body of the frame.
FILE_BODY: Final = 8
#: The client of the request waits for `100 Continue`, and the window of its body is closed at first.
AWAITS_CONTINUE: Final = 16
#: The request is the opening handshake of a WebSocket.
WEBSOCKET: Final = 32
#: A message is text.
TEXT: Final = 64
#: The body of a request is in a place of the shared queue's ring.
PLACED_BODY: Final = 64

#: reason length, field lines length, content length
RESPONSE_PREFIX: Final = struct.Struct("<IIQ")
#: The header and these three.
RESPONSE_START: Final = struct.Struct("<IBBHIIIQ")
NO_CONTENT_LENGTH: Final = 0xFFFF_FFFF_FFFF_FFFF

#: epoch of the ring, number of the worker's claim there
PULL_PAYLOAD: Final = struct.Struct("<HH")

#: start and length of a part of a file
FILE_PREFIX: Final = struct.Struct("<QQ")

#: octets written to a socket that was lent
RETURNED_PAYLOAD: Final = struct.Struct("<Q")

HEAD_LENGTH: Final = struct.Struct("<I")

#: Bytes of one stream and direction that may be on their way before the receiver has asked for more.
WINDOW_BYTES: Final = 128 * 1024
#: What a message of a WebSocket takes of a window beside its own bytes.
MESSAGE_COST_BYTES: Final = 64
#: Opcodes of a WebSocket's control frames.
PING_OPCODE: Final = 9
PONG_OPCODE: Final = 10
#: Largest payload of a frame with a part of a body or message.
PART_BYTES: Final = 256 * 1024
WINDOW_PAYLOAD: Final = struct.Struct("<I")

CHANNEL_VERSION: Final = 1


class ProtocolError(Exception):
    """The peer sent what cannot be; the channel must not be used again."""


def encode(kind: int, stream: int = 0, payload: bytes = b"", *, flags: int = 0, aux: int = 0) -> bytes:
    """A whole frame."""
    return HEADER.pack(len(payload), kind, flags, aux, stream) + payload


def kind_and_flags(data: bytes) -> tuple[int, int]:
    """Of an encoded frame."""
    return data[4], data[5]


def encode_response(
    stream: int,
    status: int,
    reason: bytes,
    field_lines: bytes,
    content_length: int | None,
    body: bytes,
    flags: int,
    kind: int = RESPONSE,
) -> bytes:
    """A RESPONSE frame with the head and the first body bytes, or a BORROW frame with the head alone."""
    length = NO_CONTENT_LENGTH if content_length is None else content_length
    reason_length, lines_length = len(reason), len(field_lines)
    size = RESPONSE_PREFIX.size + reason_length + lines_length + len(body)
    start = RESPONSE_START.pack(size, kind, flags, status, stream, reason_length, lines_length, length)
    return b"".join((start, reason, field_lines, body))


def encode_file(stream: int, path: bytes, start: int, length: int) -> bytes:
    """A FILE frame: the rest of the body is this part of a file."""
    return encode(FILE, stream, FILE_PREFIX.pack(start, length) + path)


def encode_returned(stream: int, written: int, *, flags: int) -> bytes:
    """A RETURNED frame: so many octets were written to the socket that was lent."""
    return encode(RETURNED, stream, RETURNED_PAYLOAD.pack(written), flags=flags)


def encode_window(stream: int, size: int) -> bytes:
    """A WINDOW frame: so many more bytes of the stream may be sent."""
    return encode(WINDOW, stream, WINDOW_PAYLOAD.pack(size))


def encode_accept(
    stream: int, subprotocol: bytes, field_lines: bytes, *, hears_control: bool = False
) -> bytes:
    """An ACCEPT frame: the WebSocket is opened. Whether the worker wants the client's pings and pongs."""
    payload = HEAD_LENGTH.pack(len(subprotocol)) + subprotocol + field_lines
    return encode(ACCEPT, stream, payload, aux=int(hears_control))


def encode_message(stream: int, message: bytes, kind: int) -> bytes:
    """MESSAGE frames with a whole message; `kind` is TEXT or 0."""
    size = len(message)
    if size <= PART_BYTES:
        return encode(MESSAGE, stream, message, flags=kind | END)
    frames = []
    for start in range(0, size, PART_BYTES):
        flags = kind | (END if start + PART_BYTES >= size else 0)
        frames.append(encode(MESSAGE, stream, message[start : start + PART_BYTES], flags=flags))
    return b"".join(frames)


def encode_ping(stream: int, data: bytes) -> bytes:
    """A CONTROL frame: the client of a WebSocket is pinged."""
    return encode(CONTROL, stream, data, aux=PING_OPCODE)


def encode_close(stream: int, code: int, reason: str) -> bytes:
    """A CLOSE frame: the WebSocket is to be closed."""
    return encode(CLOSE, stream, reason.encode(), aux=code)


def decode_request(payload: bytes) -> tuple[dict[str, str], bytes]:
    """The environ entries and the body (or the path of its file) of a REQUEST frame."""
    environ: dict[str, str] = {}
    return environ, fill_environ(environ, payload)


def fill_environ(environ: dict[str, Any], payload: bytes) -> bytes:
    """Adds the entries of a REQUEST frame to an environ; returns the body, or the path of its file."""
    (head_length,) = HEAD_LENGTH.unpack_from(payload)
    end = HEAD_LENGTH.size + head_length
    if end > len(payload):
        raise ProtocolError("a request frame is shorter than its head")
    parts = payload[HEAD_LENGTH.size : end].decode("latin-1").split("\0")
    if len(parts) % 2:
        raise ProtocolError("a name in the head of a request frame has no value")
    # Each name is followed by its value.
    entries = iter(parts)
    environ.update(zip(entries, entries, strict=True))
    return payload[end:]
