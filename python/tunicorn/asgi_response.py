"""The head of an ASGI response, checked and encoded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from tunicorn import frame
from tunicorn.response import DROPPED_NAMES, FIELDS_LIMIT_BYTES, FIRST_FINAL_STATUS, too_large

Headers = Iterable[tuple[bytes, bytes]]

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

#: What applications say again and again is checked and encoded once: of a header its line, empty if it is
#: dropped, or the number that a Content-Length says; of a name alone the beginning of its lines.
_known_headers: dict[tuple[bytes, bytes], bytes | int] = {}
_beginnings: dict[bytes, bytes] = {}
_KNOWN_LIMIT: Final = 512
_KNOWN_VALUE_LIMIT: Final = 128

_LENGTH: Final = b"content-length: "

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
    lines: list[bytes] = []
    length = frame.NO_CONTENT_LENGTH
    for header in headers:
        try:
            known = _known_headers.get(header)
        except (TypeError, ValueError):
            # A list, or something else in it than bytes.
            known = None
        if known is None:
            known = _check_header(header)
        if type(known) is bytes:
            lines.append(known)
        elif length in (frame.NO_CONTENT_LENGTH, known):
            length = int(known)
        else:
            raise ValueError(f"two different Content-Lengths in a response: {length} and {int(known)}")
    field_lines = b"".join(lines)
    if len(field_lines) > FIELDS_LIMIT_BYTES:
        raise too_large(field_lines)
    return field_lines, length


def _check_header(header: tuple[bytes, bytes]) -> bytes | int:
    name, value = header
    beginning = _beginnings.get(name)
    if beginning is None:
        beginning = _check_name(name)
    line: bytes | int = b""
    if beginning == _LENGTH:
        line = _parse_length(value)
    elif beginning:
        line = _encode_line(beginning, name, value)
    if type(header) is tuple and type(value) is bytes and len(value) <= _KNOWN_VALUE_LIMIT:
        if len(_known_headers) >= _KNOWN_LIMIT:
            _known_headers.clear()
        _known_headers[header] = line
    return line


def _check_name(name: bytes) -> bytes:
    """The beginning of its lines; empty for a name that is dropped."""
    if not isinstance(name, bytes):
        raise TypeError(f"the name of a response header must be bytes, not {name!r}")
    if _TOKEN.fullmatch(name) is None:
        raise RuntimeError(f"Invalid HTTP header name {name!r}")
    lower = name.lower()
    beginning = b"" if lower.decode("ascii") in DROPPED_NAMES else lower + b": "
    if len(_beginnings) < _KNOWN_LIMIT:
        _beginnings[name] = beginning
    return beginning


def _encode_line(beginning: bytes, name: bytes, value: bytes) -> bytes:
    try:
        line = b"".join((beginning, value, b"\r\n"))
    except TypeError:
        raise _type_error(name, value) from None
    if _CONTROL.search(value) is not None:
        raise RuntimeError(f"Invalid HTTP header value {name!r}: {value!r}")
    return line


def _parse_length(value: bytes) -> int:
    if not isinstance(value, bytes):
        raise _type_error(b"content-length", value)
    if not value.isdigit() or len(value) > 18:
        raise ValueError(f"invalid Content-Length {value!r} in a response, want digits")
    return int(value)


def _type_error(name: bytes, value: object) -> TypeError:
    return TypeError(f"the value of the response header {name!r} must be bytes, not {value!r}")
