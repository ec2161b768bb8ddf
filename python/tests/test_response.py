"""The head of a response: what an application may give to start_response."""

from __future__ import annotations

from enum import Enum
from typing import Any, cast

import pytest
from tunicorn import response as response_module
from tunicorn.response import Headers, ResponseHead, encode_interim_fields, parse_status


def lines_of(headers: Headers) -> bytes:
    return ResponseHead("200 OK", headers).field_lines


@pytest.mark.parametrize(
    ("status", "number", "reason"),
    [
        pytest.param("200 OK", 200, b"OK", id="usual"),
        pytest.param("404 Not Found", 404, b"Not Found", id="reason of two words"),
        pytest.param("200 Everything's \t fine!", 200, b"Everything's \t fine!", id="reason of its own"),
        pytest.param("200 Tr\xe8s bien", 200, b"Tr\xe8s bien", id="latin-1 reason"),
        pytest.param("404", 404, b"Not Found", id="number alone"),
        pytest.param("404 ", 404, b"Not Found", id="empty reason"),
        pytest.param("299", 299, b"", id="number without a usual reason"),
        pytest.param("999 Last", 999, b"Last", id="largest number"),
    ],
)
def test_a_status_is_taken_apart(status: str, number: int, reason: bytes) -> None:
    assert parse_status(status) == (number, reason)
    head = ResponseHead(status, [])
    assert (head.status, head.reason) == (number, reason)


@pytest.mark.parametrize(
    "status",
    [
        pytest.param("", id="empty"),
        pytest.param("OK", id="no number"),
        pytest.param("20 OK", id="two digits"),
        pytest.param("2000 OK", id="four digits"),
        pytest.param("099 Low", id="below 100"),
        pytest.param("-20 OK", id="sign"),
        pytest.param(" 200 OK", id="space before"),
        pytest.param("200OK", id="no space"),
        pytest.param("200\tOK", id="tab instead of space"),
        pytest.param("200 OK\n", id="newline at the end"),
        pytest.param("200\n", id="newline after the number"),
        pytest.param("200 OK\r\nSet-Cookie: a=b", id="CR LF"),
        pytest.param("200 O\rK", id="CR"),
        pytest.param("200 O\0K", id="NUL"),
        pytest.param("200 O\x7fK", id="DEL"),
        pytest.param("200 \u0416", id="beyond latin-1"),
        pytest.param("٢٠٠ OK", id="digits that are not ASCII"),
    ],
)
def test_a_status_that_is_none_is_refused(status: str) -> None:
    with pytest.raises(ValueError, match="invalid status"):
        ResponseHead(status, [])


@pytest.mark.parametrize("status", ["100 Continue", "101 Switching Protocols", "103", "199 Last"])
def test_the_status_of_an_interim_response_is_refused(status: str) -> None:
    with pytest.raises(ValueError, match="want a final one"):
        ResponseHead(status, [])


@pytest.mark.parametrize("status", [200, b"200 OK", None], ids=repr)
def test_a_status_that_is_not_text_is_refused(status: Any) -> None:
    with pytest.raises(TypeError, match="the status must be text, not"):
        ResponseHead(status, [])


def test_a_status_may_be_of_a_class_derived_from_text() -> None:
    class Status(str, Enum):
        MISSING = "404 Not Found"

    assert parse_status(Status.MISSING) == (404, b"Not Found")


def test_fields_are_encoded_in_their_order_and_spelling() -> None:
    headers = [("X-b", "2"), ("x-A", "1"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")]
    assert lines_of(headers) == b"X-b: 2\r\nx-A: 1\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n"


def test_white_space_around_a_value_is_no_part_of_it() -> None:
    headers = [("Set-Cookie", " a=b; Path=/"), ("X", "\tx y \t"), ("Content-Length", " 7")]
    head = ResponseHead("200 OK", headers)
    assert (head.field_lines, head.content_length) == (b"Set-Cookie: a=b; Path=/\r\nX: x y\r\n", 7)


def test_no_headers_make_no_lines() -> None:
    assert lines_of([]) == b""


@pytest.mark.parametrize(
    "name",
    ["X", "x-y", "X_Y", "!#$%&'*+-.^_`|~09azAZ", "0"],
)
def test_a_name_may_be_any_token(name: str) -> None:
    assert lines_of([(name, "v")]) == f"{name}: v\r\n".encode()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="empty"),
        pytest.param("a b", id="space inside"),
        pytest.param("a ", id="space after"),
        pytest.param(" a", id="space before"),
        pytest.param("a:", id="colon"),
        pytest.param("a\tb", id="tab"),
        pytest.param("a\r", id="CR"),
        pytest.param("a\n", id="LF"),
        pytest.param("a\0", id="NUL"),
        pytest.param("a\r\nSet-Cookie", id="CR LF"),
        pytest.param("a(b)", id="parentheses"),
        pytest.param('a"b"', id="quotes"),
        pytest.param("a/b", id="slash"),
        pytest.param("\xe4", id="latin-1"),
        pytest.param("\u0416", id="beyond latin-1"),
        pytest.param("\u212aeep-Alive", id="letter whose lower case is ASCII"),
        pytest.param("content-length\n", id="LF after a name that the router decides"),
    ],
)
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    # Twice: the names that were checked are remembered.
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid response header name"):
            ResponseHead("200 OK", [(name, "v")])


def test_a_bad_name_is_refused_when_the_memory_of_names_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_module, "_KNOWN_LIMIT", 0)
    assert lines_of([("X-Never-Seen-Before", "v")]) == b"X-Never-Seen-Before: v\r\n"
    with pytest.raises(ValueError, match="invalid response header name"):
        ResponseHead("200 OK", [("X-Never Seen-Before", "v")])


def test_names_that_are_made_up_for_each_response_do_not_fill_the_memory() -> None:
    for number in range(2000):
        lines_of([(f"X-Request-{number}", "v")])
    assert len(response_module._checked_names) <= response_module._KNOWN_LIMIT


def test_headers_and_statuses_that_are_made_up_for_each_response_do_not_fill_the_memory() -> None:
    for number in range(2000):
        ResponseHead(f"200 Reason {number}", [("X-Request", f"{number}")])
    assert len(response_module._known_headers) <= response_module._KNOWN_LIMIT
    assert len(response_module._known_statuses) <= response_module._KNOWN_LIMIT


def test_headers_that_do_not_fit_into_a_frame_are_refused() -> None:
    fitting = ("X-Large", "v" * (response_module.FIELDS_LIMIT_BYTES - len("X-Large: \r\n")))
    assert len(lines_of([fitting])) == response_module.FIELDS_LIMIT_BYTES
    for headers in ([fitting, ("X", "")], [("X-Large", f"{fitting[1]}v")]):
        for encode in (lines_of, encode_interim_fields):
            with pytest.raises(ValueError, match=r"are \d+ bytes, want at most 4194304"):
                encode(headers)


def test_a_long_header_is_not_kept() -> None:
    header = ("X-Long", "v" * (response_module._KNOWN_VALUE_LIMIT + 1))
    lines_of([header])
    assert header not in response_module._known_headers


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        pytest.param([("X-Again", "v")], b"X-Again: v\r\n", id="a field"),
        pytest.param([("Date", "now")], b"", id="a dropped one"),
        pytest.param([["X-List", "v"]], b"X-List: v\r\n", id="a list in place of a tuple"),
    ],
)
def test_a_header_that_was_given_before_has_the_same_line(headers: Any, line: bytes) -> None:
    assert [lines_of(headers) for _ in range(3)] == [line] * 3


def test_a_length_that_was_given_before_is_still_held_against_another() -> None:
    for _ in range(2):
        head = ResponseHead("200 OK", [("Content-Length", "7"), ("content-length", "7")])
        assert (head.content_length, head.field_lines) == (7, b"")
        with pytest.raises(ValueError, match="two different Content-Lengths"):
            ResponseHead("200 OK", [("Content-Length", "7"), ("Content-Length", "8")])


def test_a_header_of_other_types_is_refused_as_often_as_it_comes() -> None:
    for _ in range(2):
        for entry in (("X", ["v"]), ("X", 1), (["X"], "v")):
            with pytest.raises(TypeError, match="names and values must be text"):
                ResponseHead("200 OK", cast(Headers, [entry]))


def test_the_value_of_a_name_that_was_checked_before_is_still_checked() -> None:
    lines_of([("X-Checked", "good")])
    with pytest.raises(ValueError, match="holds a control character"):
        ResponseHead("200 OK", [("X-Checked", "bad\r\nSet-Cookie: a=b")])


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        pytest.param("", b"", id="empty"),
        pytest.param("plain", b"plain", id="plain"),
        pytest.param("a\tb", b"a\tb", id="tab"),
        pytest.param("caf\xe9", b"caf\xe9", id="latin-1"),
        pytest.param("\x80\x85\x9f\xa0\xff", b"\x80\x85\x9f\xa0\xff", id="octets without a meaning"),
        pytest.param("caf\xc3\xa9", b"caf\xc3\xa9", id="UTF-8 as PEP 3333 carries it"),
    ],
)
def test_a_value_may_be_any_latin_1_text(value: str, encoded: bytes) -> None:
    assert lines_of([("X-Value", value)]) == b"X-Value: " + encoded + b"\r\n"


@pytest.mark.parametrize(
    "control", [*range(0x09), *range(0x0A, 0x20), 0x7F], ids=lambda control: f"0x{control:02x}"
)
@pytest.mark.parametrize("place", ["{}", "{}after", "before{}", "bef{}ore", "\xe9{}"])
def test_a_control_character_in_a_value_is_refused(control: int, place: str) -> None:
    with pytest.raises(ValueError, match="holds a control character"):
        ResponseHead("200 OK", [("X-Value", place.format(chr(control)))])


@pytest.mark.parametrize("name", ["Connection", "Date", "Transfer-Encoding"])
def test_a_control_character_is_refused_in_a_field_that_is_dropped(name: str) -> None:
    with pytest.raises(ValueError, match="holds a control character"):
        ResponseHead("200 OK", [(name, "a\r\nb: c")])


@pytest.mark.parametrize("value", ["\u0100", "snow \u2603", "\U0001f600", "\ud800"], ids=ascii)
def test_a_value_beyond_latin_1_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="holds characters beyond latin-1"):
        ResponseHead("200 OK", [("X-Value", value)])


@pytest.mark.parametrize(
    "entry",
    [(b"X", "v"), ("X", b"v"), ("X", 1), (1, "v"), ("X", None), (None, "v"), ["X", ["v"]]],
    ids=repr,
)
def test_a_name_or_value_that_is_not_text_is_refused(entry: Any) -> None:
    with pytest.raises(TypeError, match="header names and values must be text"):
        ResponseHead("200 OK", [entry])


@pytest.mark.parametrize("entry", [("X",), ("X", "v", "w"), ()], ids=repr)
def test_an_entry_that_is_no_pair_is_refused(entry: Any) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        ResponseHead("200 OK", [entry])


@pytest.mark.parametrize(
    "headers",
    [(("X", "v"),), {"X": "v"}.items(), iter([("X", "v")]), type("Own", (list,), {})([("X", "v")])],
    ids=["tuple", "items of a dictionary", "iterator", "list of a class of its own"],
)
def test_headers_may_be_whatever_yields_pairs(headers: Any) -> None:
    assert ResponseHead("200 OK", headers).field_lines == b"X: v\r\n"


@pytest.mark.parametrize("headers", [{"X": "v"}, "X: v", b"X: v", None], ids=repr)
def test_headers_that_yield_no_pairs_are_refused(headers: Any) -> None:
    with pytest.raises(TypeError, match="response headers must be a list of pairs, not"):
        ResponseHead("200 OK", headers)


@pytest.mark.parametrize(
    "name",
    [
        "Connection",
        "Keep-Alive",
        "Proxy-Authenticate",
        "Proxy-Authorization",
        "TE",
        "Trailers",
        "Transfer-Encoding",
        "Upgrade",
        "Server",
        "Date",
        "cOnNeCtIoN",
    ],
)
def test_a_field_that_the_router_decides_is_dropped(name: str) -> None:
    assert lines_of([("X-Before", "1"), (name, "v"), ("X-After", "2")]) == b"X-Before: 1\r\nX-After: 2\r\n"
    assert encode_interim_fields([("Link", "</a>"), (name, "of the router")]) == b"Link: </a>\r\n"


def test_an_interim_response_has_no_content_length() -> None:
    # What it announces would be taken for a body.
    assert encode_interim_fields([("Content-Length", "5"), ("Link", "</a>")]) == b"Link: </a>\r\n"


@pytest.mark.parametrize(
    ("value", "length"),
    [("0", 0), ("5", 5), ("007", 7), ("9" * 18, 999_999_999_999_999_999)],
)
def test_the_content_length_is_told_apart_from_the_lines(value: str, length: int) -> None:
    head = ResponseHead("200 OK", [("X-Before", "1"), ("Content-LENGTH", value)])
    assert head.content_length == length
    assert head.field_lines == b"X-Before: 1\r\n"


def test_without_a_content_length_there_is_none() -> None:
    assert ResponseHead("200 OK", [("X", "5")]).content_length is None


def test_a_content_length_that_is_given_twice_the_same_counts_once() -> None:
    headers = [("Content-Length", "5"), ("content-length", "05")]
    assert ResponseHead("200 OK", headers).content_length == 5


def test_two_different_content_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="two different Content-Lengths in a response: 5 and 6"):
        ResponseHead("200 OK", [("Content-Length", "5"), ("Content-Length", "6")])


@pytest.mark.parametrize(
    "value",
    ["", " ", "5 5", "+5", "-1", "5, 5", "5.0", "0x5", "1_000", "five", "\xb2", "9" * 19],
    ids=ascii,
)
def test_a_content_length_that_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="invalid Content-Length"):
        ResponseHead("200 OK", [("Content-Length", value)])
