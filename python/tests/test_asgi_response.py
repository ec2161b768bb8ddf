"""The head of an ASGI response: what an application may send, once and again."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tunicorn import asgi_response, frame
from tunicorn.asgi_response import Headers, encode_fields, encode_head


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests have sent does not count."""
    monkeypatch.setattr(asgi_response, "_known_headers", {})
    monkeypatch.setattr(asgi_response, "_beginnings", {})


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([(b"X-A", b"1"), (b"x-b", b"\xe9\t2"), (b"x-c", b"")], id="tuples"),
        pytest.param([[b"X-A", b"1"], [b"x-b", b"\xe9\t2"], [b"x-c", b""]], id="lists"),
        pytest.param([(b"X-A", bytearray(b"1")), (b"x-b", memoryview(b"\xe9\t2")), (b"x-c", b"")],
                     id="octets that are no bytes"),
    ],
)  # fmt: skip
def test_headers_are_the_same_lines_each_time(headers: object) -> None:
    for _ in range(3):
        assert encode_fields(cast(Headers, headers)) == b"x-a: 1\r\nx-b: \xe9\t2\r\nx-c: \r\n"


def test_a_value_that_may_change_is_looked_at_each_time() -> None:
    value = bytearray(b"1")
    headers = cast(Headers, [(b"x-a", value)])
    assert encode_fields(headers) == b"x-a: 1\r\n"
    value[:] = b"2"
    assert encode_fields(headers) == b"x-a: 2\r\n"
    value[:] = b"\r\n"
    with pytest.raises(RuntimeError, match="Invalid HTTP header value b'x-a'"):
        encode_fields(headers)


def test_what_the_router_decides_is_dropped_each_time() -> None:
    for _ in range(2):
        assert encode_fields([(b"Date", b"today"), (b"server", b"\0"), (b"x-a", b"1")]) == b"x-a: 1\r\n"


def test_the_length_is_told_apart_from_the_lines() -> None:
    for length in (5, 6, 5):
        headers = [(b"Content-Length", b"%d" % length), (b"x-a", b"1")]
        assert encode_head(200, headers) == (200, b"OK", b"x-a: 1\r\n", length)
    assert encode_head(200, [])[3] == frame.NO_CONTENT_LENGTH


def test_headers_that_do_not_fit_into_a_frame_are_refused() -> None:
    with pytest.raises(ValueError, match=r"are 4194305 bytes, want at most 4194304"):
        encode_fields([(b"x", b"v" * (4 * 1024 * 1024 - 4))])


def test_two_lengths_must_agree_also_when_each_is_known() -> None:
    five, six = (b"content-length", b"5"), (b"content-length", b"6")
    for _ in range(2):
        assert encode_head(200, [five, five])[3] == 5
        assert encode_head(200, [six])[3] == 6
        with pytest.raises(ValueError, match="two different Content-Lengths in a response: 5 and 6"):
            encode_head(200, [five, six])


@pytest.mark.parametrize(
    ("header", "error", "complaint"),
    [
        pytest.param((b"x-a", b"b\nc"), RuntimeError, "header value b'x-a': b'b.nc'", id="line end"),
        pytest.param((b"x-a", b"b\x7f"), RuntimeError, "header value b'x-a'", id="control"),
        pytest.param((b"x a", b"b"), RuntimeError, "header name b'x a'", id="name"),
        pytest.param(("x-a", b"b"), TypeError, "must be bytes, not 'x-a'", id="name as text"),
        pytest.param((b"x-a", "b"), TypeError, "b'x-a' must be bytes, not 'b'", id="value as text"),
        pytest.param((b"content-length", "1"), TypeError, "must be bytes, not '1'", id="length as text"),
        pytest.param((b"content-length", b"-1"), ValueError, "invalid Content-Length", id="length"),
    ],
)
def test_a_header_that_is_refused_is_refused_each_time(
    header: Any, error: type[Exception], complaint: str
) -> None:
    for _ in range(2):
        with pytest.raises(error, match=complaint):
            encode_fields([header])


def test_headers_that_never_come_again_do_not_fill_the_memory() -> None:
    for number in range(3000):
        line = b"x-%d: %d\r\n" % (number, number)
        assert encode_fields([(b"x-%d" % number, b"%d" % number)]) == line
    encode_fields([(b"x-long", b"x" * 10_000)])
    assert 0 < len(asgi_response._known_headers) <= 512
    assert len(asgi_response._beginnings) <= 512
    assert all(len(value) <= 128 for _, value in asgi_response._known_headers)
