"""The codec, held against frames that neither side's codec has written (test/frames/README.md)."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any, Final

import pytest
from tunicorn import frame
from tunicorn.asgi_scope import make_scope
from tunicorn.channel import Channel, Frame

FOLDER: Final = Path(__file__).parents[2] / "test" / "frames"
RECORDS: Final[dict[str, dict[str, Any]]] = json.loads((FOLDER / "frames.json").read_text())

KINDS: Final = {
    "hello": frame.HELLO,
    "ready": frame.READY,
    "leaving": frame.LEAVING,
    "drain": frame.DRAIN,
    "pull": frame.PULL,
    "fetch": frame.FETCH,
    "environ": frame.ENVIRON,
    "join": frame.JOIN,
    "dial": frame.DIAL,
    "lent": frame.LENT,
    "borrow": frame.BORROW,
    "returned": frame.RETURNED,
    "tunnel": frame.TUNNEL,
    "ping": frame.PING,
    "pong": frame.PONG,
    "request-body": frame.REQUEST_BODY,
    "trailers": frame.TRAILERS,
    "window": frame.WINDOW,
    "accept": frame.ACCEPT,
    "message": frame.MESSAGE,
    "close": frame.CLOSE,
    "control": frame.CONTROL,
    "request": frame.REQUEST,
    "cancel": frame.CANCEL,
    "file-answer": frame.FILE_ANSWER,
    "response": frame.RESPONSE,
    "body": frame.BODY,
    "failed": frame.FAILED,
    "interim": frame.INTERIM,
    "file": frame.FILE,
}
FLAGS: Final = {
    "end": frame.END,
    "ready": frame.TAKES_MORE,
    "last": frame.LAST,
    "file-body": frame.FILE_BODY,
    "awaits-continue": frame.AWAITS_CONTINUE,
    "websocket": frame.WEBSOCKET,
    "text": frame.TEXT,
    "placed-body": frame.PLACED_BODY,
}


def octets(name: str) -> bytes:
    return (FOLDER / f"{name}.bin").read_bytes()


def flags_of(record: dict[str, Any]) -> int:
    return sum(FLAGS[name] for name in record["flags"])


def names_of(direction: str, *kinds: str) -> list[str]:
    return [
        name
        for name, record in RECORDS.items()
        if record["direction"] == direction and (not kinds or record["type"] in kinds)
    ]


def receive(data: bytes) -> Frame | None:
    router, worker = socket.socketpair()
    with router, worker:
        router.sendall(data)
        return Channel(worker).receive()


def test_every_recorded_frame_is_described_and_every_description_has_a_frame() -> None:
    assert {path.stem for path in FOLDER.glob("*.bin")} == set(RECORDS)


def test_every_type_of_frame_is_recorded() -> None:
    assert {record["type"] for record in RECORDS.values()} == set(KINDS)


@pytest.mark.parametrize("name", RECORDS)
def test_the_header_of_a_recorded_frame_is_read(name: str) -> None:
    record = RECORDS[name]
    received = receive(octets(name))
    assert received is not None
    assert received[:4] == (KINDS[record["type"]], flags_of(record), record["aux"], record["stream"])
    assert received.payload == octets(name)[frame.HEADER_BYTES :]


@pytest.mark.parametrize(
    "name", [name for name in names_of("to-worker", "request") if "environ" in RECORDS[name]]
)
def test_a_recorded_request_is_decoded(name: str) -> None:
    environ, body = frame.decode_request(octets(name)[frame.HEADER_BYTES :])
    assert list(environ.items()) == [tuple(pair) for pair in RECORDS[name]["environ"]]
    assert body == RECORDS[name]["body"].encode("latin-1")


@pytest.mark.parametrize(
    "name", [name for name in names_of("to-worker", "request") if "asgi" in RECORDS[name]]
)
def test_a_recorded_asgi_head_becomes_a_scope(name: str) -> None:
    record = RECORDS[name]
    recorded = record["asgi"]
    payload = octets(name)[frame.HEADER_BYTES :]
    (length,) = frame.HEAD_LENGTH.unpack_from(payload)
    head, body = payload[4 : 4 + length], payload[4 + length :]
    scope = make_scope(head, {}, is_websocket="websocket" in record["flags"])
    assert body == record["body"].encode("latin-1")
    assert scope["http_version"] == recorded["httpVersion"]
    assert scope.get("method", "GET") == recorded["method"]
    assert (scope["scheme"], scope["root_path"]) == (recorded["scheme"], recorded["rootPath"])
    assert scope["raw_path"] == recorded["rawPath"].encode("latin-1")
    assert scope["query_string"] == recorded["query"].encode("latin-1")
    for key in ("client", "server"):
        assert scope[key] == (None if recorded[key] is None else tuple(recorded[key]))
    assert scope["headers"] == [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in recorded["headers"]
    ]


@pytest.mark.parametrize("name", names_of("to-router", "response", "borrow"))
def test_a_recorded_response_is_encoded(name: str) -> None:
    record = RECORDS[name]
    encoded = frame.encode_response(
        record["stream"],
        record["aux"],
        record["reason"].encode("latin-1"),
        record["fieldLines"].encode("latin-1"),
        record["contentLength"],
        record["body"].encode("latin-1"),
        flags_of(record),
        KINDS[record["type"]],
    )
    assert encoded == octets(name)


@pytest.mark.parametrize("name", names_of("to-router", "returned"))
def test_a_recorded_return_is_encoded(name: str) -> None:
    record = RECORDS[name]
    encoded = frame.encode_returned(record["stream"], record["written"], flags=flags_of(record))
    assert encoded == octets(name)


@pytest.mark.parametrize("name", names_of("to-router", "file"))
def test_a_recorded_file_is_encoded(name: str) -> None:
    record = RECORDS[name]
    path = record["path"].encode("latin-1")
    assert frame.encode_file(record["stream"], path, record["start"], record["length"]) == octets(name)


def test_recorded_windows_are_encoded() -> None:
    for name in names_of("to-router", "window"):
        assert frame.encode_window(RECORDS[name]["stream"], RECORDS[name]["bytes"]) == octets(name)


@pytest.mark.parametrize("name", names_of("to-router", "accept"))
def test_a_recorded_accept_is_encoded(name: str) -> None:
    record = RECORDS[name]
    subprotocol, lines = (record[key].encode("latin-1") for key in ("subprotocol", "fieldLines"))
    hears_control = record["aux"] == 1
    encoded = frame.encode_accept(record["stream"], subprotocol, lines, hears_control=hears_control)
    assert encoded == octets(name)


@pytest.mark.parametrize("name", names_of("to-router", "control"))
def test_a_recorded_ping_is_encoded(name: str) -> None:
    record = RECORDS[name]
    assert frame.encode_ping(record["stream"], record["body"].encode("latin-1")) == octets(name)


@pytest.mark.parametrize("name", names_of("to-router", "close"))
def test_a_recorded_close_is_encoded(name: str) -> None:
    record = RECORDS[name]
    assert frame.encode_close(record["stream"], record["aux"], record["reason"]) == octets(name)


def test_a_message_is_encoded_in_one_frame_unless_it_is_large() -> None:
    assert frame.encode_message(13, b"", frame.TEXT) == octets("message-empty-to-router")
    large = bytes(2 * frame.PART_BYTES + 1)
    encoded = frame.encode_message(13, large, 0)
    headers, offset = [], 0
    while offset < len(encoded):
        headers.append(frame.HEADER.unpack_from(encoded, offset))
        offset += frame.HEADER_BYTES + headers[-1][0]
    assert [(length, flags) for length, _, flags, _, _ in headers] == [
        (frame.PART_BYTES, 0),
        (frame.PART_BYTES, 0),
        (1, frame.END),
    ]


@pytest.mark.parametrize(
    "name",
    names_of(
        "to-router", "ready", "leaving", "body", "failed", "interim", "pong", "trailers", "join", "tunnel"
    ),
)
def test_a_recorded_frame_without_head_is_encoded(name: str) -> None:
    record = RECORDS[name]
    payload = (record.get("body") or record.get("fieldLines") or "").encode("latin-1")
    encoded = frame.encode(
        KINDS[record["type"]], record["stream"], payload, flags=flags_of(record), aux=record["aux"]
    )
    assert encoded == octets(name)


@pytest.mark.parametrize("name", names_of("to-router", "environ"))
def test_recorded_entries_of_an_environ_are_encoded(name: str) -> None:
    record = RECORDS[name]
    assert frame.encode(frame.ENVIRON, record["stream"], record["entries"].encode()) == octets(name)


def test_the_hello_of_a_worker_says_what_the_recorded_one_says() -> None:
    router, worker = socket.socketpair()
    with router, worker:
        Channel(worker).greet(12, 345, is_pulling=True, thread=3)
        sent = router.recv(65536)
    recorded = octets("hello")
    # The length differs with the white space of the JSON.
    assert sent[4 : frame.HEADER_BYTES] == recorded[4 : frame.HEADER_BYTES]
    hello = json.loads(sent[frame.HEADER_BYTES :])
    assert json.loads(recorded[frame.HEADER_BYTES :]) == RECORDS["hello"]["hello"]
    assert {**hello, "pid": 4194304} == RECORDS["hello"]["hello"]


def test_aux_is_encoded_as_the_status() -> None:
    assert frame.encode(frame.RESPONSE, 3, b"", aux=0x1234) == bytes.fromhex("00000000 20 00 3412 03000000")


def test_a_request_with_two_fields_of_one_name_keeps_the_last() -> None:
    head = b"A\x001\x00A\x002"
    assert frame.decode_request(struct.pack("<I", len(head)) + head) == ({"A": "2"}, b"")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(struct.pack("<I", 10) + b"A\x001", id="head cut short"),
        pytest.param(struct.pack("<I", 0xFFFF_FFFF) + b"A\x001", id="head length of all bits"),
    ],
)
def test_a_request_that_is_shorter_than_its_head_breaks_the_protocol(payload: bytes) -> None:
    with pytest.raises(frame.ProtocolError, match="shorter than its head"):
        frame.decode_request(payload)
