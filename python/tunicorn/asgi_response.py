"""The head of an ASGI response, checked and encoded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from tunicorn import frame
from tunicorn.response import DROPPED_NAMES, FIRST_FINAL_STATUS

Headers = Iterable[tuple[bytes, bytes]]

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

#: All octets that may stand in a field line; of a block without them only the line ends are left.
_VISIBLE: Final = bytes(octet for octet in range(256) if (octet >= 0x20 and octet != 0x7F) or octet == 0x09)

_DROPPED: Final = b"(dropped)"
_LENGTH: Final = b"(content-length)"

#: Names that were checked, by spelling: the beginning of their line, or one of the two marks above.
_beginnings: dict[bytes, bytes] = {}
_BEGINNINGS_LIMIT: Final = 512

_REASONS: Final = {status.value: status.phrase.encode("latin-1") for status in HTTPStatus}
LAST_STATUS: Final = 999


#: Status, reason, field lines, and the content length: frame.NO_CONTENT_LENGTH if the application gave none.
Head = tuple[int, bytes, bytes, int]


def encode_head(status: object, headers: Headers) -> Head:
    """Raises TypeError, ValueError or RuntimeError for what cannot be sent."""
    if not isinstance(status, int):
        raise TypeError(f"the status of a response must be a number, not {status!r}")
    if not FIRST_FINAL_STATUS <= status <= LAST_STATUS:
        raise ValueError(f"the status of a response is {status}, want {FIRST_FINAL_STATUS} to {LAST_STATUS}")
    field_lines, length = _encode_fields(headers)
    return int(status), _REASONS.get(status, b""), field_lines, length


def encode_fields(headers: Headers) -> bytes:
    """Field lines of trailers and of interim responses."""
    return _encode_fields(headers)[0]


def _encode_fields(headers: Headers) -> tuple[bytes, int]:
    parts: list[bytes] = []
    lines = 0
    length = frame.NO_CONTENT_LENGTH
    for name, value in headers:
        beginning = _beginnings.get(name) or _check_name(name)
        if beginning is _LENGTH:
            length = _parse_length(value, length)
        elif beginning is not _DROPPED:
            parts += (beginning, value, b"\r\n")
            lines += 1
    try:
        block = b"".join(parts)
    except TypeError as error:
        raise _type_error(headers) from error
    # One pass over all of it: a CR, LF or other control in a value would be left over too.
    if block.translate(None, _VISIBLE) != b"\r\n" * lines:
        raise _control_error(headers)
    return block, length


def _check_name(name: bytes) -> bytes:
    if not isinstance(name, bytes):
        raise TypeError(f"the name of a response header must be bytes, not {name!r}")
    if _TOKEN.fullmatch(name) is None:
        raise RuntimeError(f"Invalid HTTP header name {name!r}")
    lower = name.lower()
    beginning = lower + b": "
    if lower == b"content-length":
        beginning = _LENGTH
    elif lower.decode("ascii") in DROPPED_NAMES:
        beginning = _DROPPED
    if len(_beginnings) < _BEGINNINGS_LIMIT:
        _beginnings[name] = beginning
    return beginning


def _parse_length(value: bytes, before: int) -> int:
    if not isinstance(value, bytes):
        raise _type_error([(b"content-length", value)])
    if not value.isdigit() or len(value) > 18:
        raise ValueError(f"invalid Content-Length {value!r} in a response, want digits")
    length = int(value)
    if before not in (frame.NO_CONTENT_LENGTH, length):
        raise ValueError(f"two different Content-Lengths in a response: {before} and {length}")
    return length


def _type_error(headers: Headers) -> TypeError:
    """`headers` has nothing left to look at if it was an iterator."""
    for name, value in headers:
        if not isinstance(value, bytes):
            return TypeError(f"the value of the response header {name!r} must be bytes, not {value!r}")
    return TypeError("the values of response headers must be bytes")


def _control_error(headers: Headers) -> RuntimeError:
    named = [(name, value) for name, value in headers if _CONTROL.search(value) is not None]
    what = f"{named[0][0]!r}: {named[0][1]!r}" if named else "with a control character"
    return RuntimeError(f"Invalid HTTP header value {what}")
