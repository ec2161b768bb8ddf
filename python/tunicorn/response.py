"""The head of a response: what the application gave to start_response, checked and encoded (PEP 3333)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

#: All field lines go in one frame, together with the beginning of the body. The router takes no frame that is
#: too large: it disconnects the worker, and all requests of that would get 502.
FIELDS_LIMIT_BYTES: Final = 4 * 1024 * 1024

#: Below are interim responses, behind which the client waits for another one.
FIRST_FINAL_STATUS: Final = 200

Headers = list[tuple[str, str]]

_STATUS: Final = re.compile(r"[1-9][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]*)?", re.ASCII)
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
#: NUL, CR, LF and the other controls but HTAB: none may stand in a field value (RFC 9110 section 5.5).
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

#: The router decides these; an application's own are dropped, as Gunicorn does.
DROPPED_NAMES: Final = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
        "server",
        "date",
    )
)

#: What applications say again and again is checked and encoded once: names by spelling, with their lower-case
#: form; whole headers, with their line or the number that a Content-Length says; statuses.
_checked_names: dict[str, str] = {}
_known_headers: dict[tuple[str, str], bytes | int] = {}
_known_statuses: dict[str, tuple[int, bytes]] = {}
_KNOWN_LIMIT: Final = 512
_KNOWN_VALUE_LIMIT: Final = 128


class ResponseHead:
    """Status, reason and encoded field lines, ready for a frame."""

    __slots__ = ("content_length", "field_lines", "reason", "status")

    def __init__(self, status: str, headers: Headers) -> None:
        """Raises TypeError or ValueError when PEP 3333 or RFC 9110 does not allow it."""
        self.status, self.reason = parse_status(status)
        self.content_length: int | None = None
        if type(headers) is not list:
            headers = to_list(headers)
        lines: list[bytes] = []
        for entry in headers:
            try:
                known = _known_headers.get(entry)
            except TypeError:
                known = None
            if known is None:
                known = _check_entry(entry)
            if type(known) is bytes:
                lines.append(known)
            else:
                self._announce(int(known))
        self.field_lines = b"".join(lines)
        if len(self.field_lines) > FIELDS_LIMIT_BYTES:
            raise too_large(self.field_lines)

    def _announce(self, length: int) -> None:
        before = self.content_length
        if before is not None and before != length:
            raise ValueError(f"two different Content-Lengths in a response: {before} and {length}")
        self.content_length = length


def to_list(headers: object) -> Headers:
    """PEP 3333 wants a list; Gunicorn takes whatever yields pairs, such as a tuple or dict.items()."""
    if isinstance(headers, list):
        return headers
    if isinstance(headers, Iterable) and not isinstance(headers, dict | str | bytes):
        return list(headers)
    raise TypeError(f"response headers must be a list of pairs, not {type(headers).__name__}")


def _check_entry(entry: tuple[str, str]) -> bytes | int:
    """The line of a header, empty for one that is dropped; of a Content-Length its number."""
    name, value = _check_header(entry)
    lower = _checked_names.get(name) or _check_name(name)
    line: bytes | int = b""
    if lower == "content-length":
        line = _parse_length(value)
    elif lower not in DROPPED_NAMES:
        line = f"{name}: {value}\r\n".encode("latin-1")
    if type(entry) is tuple and len(value) <= _KNOWN_VALUE_LIMIT:
        if len(_known_headers) >= _KNOWN_LIMIT:
            _known_headers.clear()
        _known_headers[entry] = line
    return line


def encode_interim_fields(headers: Headers) -> bytes:
    """Field lines of an interim response, checked like those of a final one."""
    lines: list[str] = []
    for entry in headers:
        name, value = _check_header(entry)
        lower = _checked_names.get(name) or _check_name(name)
        if lower != "content-length" and lower not in DROPPED_NAMES:
            lines.append(f"{name}: {value}\r\n")
    field_lines = "".join(lines).encode("latin-1")
    if len(field_lines) > FIELDS_LIMIT_BYTES:
        raise too_large(field_lines)
    return field_lines


def too_large(field_lines: bytes) -> ValueError:
    """What is raised for headers that do not fit into a frame."""
    return ValueError(
        f"the headers of a response are {len(field_lines)} bytes, want at most {FIELDS_LIMIT_BYTES}"
    )


def parse_status(status: str) -> tuple[int, bytes]:
    """The number and the reason of a status such as "200 OK"."""
    if type(status) is not str:
        if not isinstance(status, str):
            raise TypeError(f"the status must be text, not {type(status).__name__}")
        # The text itself, also of a member of an enumeration.
        status = str.__str__(status)
    known = _known_statuses.get(status)
    if known is None:
        known = _check_status(status)
        if len(_known_statuses) < _KNOWN_LIMIT and len(status) <= _KNOWN_VALUE_LIMIT:
            _known_statuses[status] = known
    return known


def _check_status(status: str) -> tuple[int, bytes]:
    if _STATUS.fullmatch(status) is None:
        raise ValueError(f"invalid status {status!r}, want three digits and a reason")
    number = int(status[:3])
    if number < FIRST_FINAL_STATUS:
        raise ValueError(f"status {status!r} is that of an interim response, want a final one")
    reason = status[4:]
    if not reason:
        reason = HTTPStatus(number).phrase if number in HTTPStatus._value2member_map_ else ""
    return number, reason.encode("latin-1")


def _check_header(entry: tuple[str, str]) -> tuple[str, str]:
    name, value = entry
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"header names and values must be text, not {name!r}: {value!r}")
    # Most values are plain ASCII, which two C calls prove.
    if not (value.isascii() and value.isprintable()):
        if _CONTROL.search(value) is not None:
            raise ValueError(f"the response header {name!r} holds a control character: {value!r}")
        try:
            value.encode("latin-1")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"the response header {name!r} holds characters beyond latin-1: {value!r}"
            ) from error
    # White space around a value is no part of it (RFC 9110 section 5.5). Django's cookies begin with a space.
    return name, value.strip(" \t")


def _check_name(name: str) -> str:
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"invalid response header name {name!r}")
    lower = name.lower()
    if len(_checked_names) < _KNOWN_LIMIT:
        _checked_names[name] = lower
    return lower


def _parse_length(value: str) -> int:
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise ValueError(f"invalid Content-Length {value!r} in a response, want digits")
    return int(value)
