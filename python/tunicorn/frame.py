"""Frames of the channel between router and worker. The drawing is in src/channel/frame.md."""

from __future__ import annotations

import struct
from typing import Final

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
REQUEST: Final = 16
CANCEL: Final = 17
FILE_ANSWER: Final = 18
RESPONSE: Final = 32
BODY: Final = 33
FAILED: Final = 34
INTERIM: Final = 35
FILE: Final = 36
FETCH: Final = 37
ENVIRON: Final = 39

#: The message of this stream is complete with this frame.
END: Final = 1
#: The worker that sends this takes a further request now.
TAKES_MORE: Final = 2
#: The worker that sends this takes no further request and leaves.
LAST: Final = 4
#: The request body is in a file; its path is the body of the frame.
FILE_BODY: Final = 8

#: reason length, field lines length, content length
RESPONSE_PREFIX: Final = struct.Struct("<IIQ")
NO_CONTENT_LENGTH: Final = 0xFFFF_FFFF_FFFF_FFFF

#: epoch of the ring, number of the worker's claim there
PULL_PAYLOAD: Final = struct.Struct("<HH")

#: start and length of a part of a file
FILE_PREFIX: Final = struct.Struct("<QQ")

HEAD_LENGTH: Final = struct.Struct("<I")

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
) -> bytes:
    """A RESPONSE frame with the head and the first body bytes."""
    length = NO_CONTENT_LENGTH if content_length is None else content_length
    prefix = RESPONSE_PREFIX.pack(len(reason), len(field_lines), length)
    size = len(prefix) + len(reason) + len(field_lines) + len(body)
    header = HEADER.pack(size, RESPONSE, flags, status, stream)
    return b"".join((header, prefix, reason, field_lines, body))


def encode_file(stream: int, path: bytes, start: int, length: int) -> bytes:
    """A FILE frame: the rest of the body is this part of a file."""
    return encode(FILE, stream, FILE_PREFIX.pack(start, length) + path)


def decode_request(payload: bytes) -> tuple[dict[str, str], bytes]:
    """The environ entries and the body (or the path of its file) of a REQUEST frame."""
    (head_length,) = HEAD_LENGTH.unpack_from(payload)
    end = HEAD_LENGTH.size + head_length
    if end > len(payload):
        raise ProtocolError("a request frame is shorter than its head")
    parts = payload[HEAD_LENGTH.size : end].decode("latin-1").split("\0")
    return dict(zip(parts[::2], parts[1::2], strict=True)), payload[end:]
