"""The worker's end of the channel, over real socket pairs."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tunicorn import channel as channel_module
from tunicorn import frame
from tunicorn.channel import Channel, Frame

from tests.helpers.router import CANCEL, DRAIN, REQUEST, RouterEnd, RouterListener, encode

TWO_FRAMES = encode(REQUEST, 1, b"abcdefgh", flags=frame.END) + encode(CANCEL, 1)


class Pair:
    """Both ends of a channel."""

    def __init__(self) -> None:
        router, worker = socket.socketpair()
        self.router = RouterEnd(router)
        self.channel = Channel(worker)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.router.close()
    pair.channel.close()


def test_a_frame_comes_as_it_was_sent(pair: Pair) -> None:
    pair.router.send(encode(REQUEST, 9, b"payload", flags=frame.END | frame.FILE_BODY))
    assert pair.channel.receive() == Frame(REQUEST, frame.END | frame.FILE_BODY, 0, 9, b"payload")


def test_a_frame_without_payload_comes(pair: Pair) -> None:
    pair.router.drain()
    assert pair.channel.receive() == Frame(DRAIN, 0, 0, 0, b"")


def test_several_frames_in_one_piece_come_one_after_another(pair: Pair) -> None:
    pair.router.send(TWO_FRAMES + encode(DRAIN))
    kinds = [received.kind for _ in range(3) if (received := pair.channel.receive()) is not None]
    assert kinds == [REQUEST, CANCEL, DRAIN]


@pytest.mark.parametrize("cut", range(1, len(TWO_FRAMES)))
def test_where_the_input_is_cut_makes_no_difference(pair: Pair, cut: int) -> None:
    pair.router.send(TWO_FRAMES[:cut])
    # Takes in the first piece without waiting for more.
    frames = [pair.channel.poll()]
    pair.router.send(TWO_FRAMES[cut:])
    frames += [pair.channel.receive() for _ in range(2 - sum(found is not None for found in frames))]
    assert [found for found in frames if found is not None] == [
        Frame(REQUEST, frame.END, 0, 1, b"abcdefgh"),
        Frame(CANCEL, 0, 0, 1, b""),
    ]


def test_a_frame_that_comes_octet_by_octet_is_put_together(pair: Pair) -> None:
    for octet in TWO_FRAMES[:-1]:
        pair.router.send(bytes((octet,)))
        pair.channel.poll()
    pair.router.send(TWO_FRAMES[-1:])
    assert pair.channel.receive() == Frame(CANCEL, 0, 0, 1, b"")


def test_a_payload_larger_than_one_read_comes_whole(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_module, "RECEIVE_BYTES", 1000)
    payload = bytes(range(256)) * 40
    pair.router.send(encode(REQUEST, 1, payload))
    received = pair.channel.receive()
    assert received is not None
    assert received.payload == payload


def test_poll_does_not_wait(pair: Pair) -> None:
    assert pair.channel.poll() is None


def test_poll_takes_what_came_together_with_an_earlier_frame(pair: Pair) -> None:
    pair.router.send(encode(REQUEST, 1) + encode(CANCEL, 1))
    first = pair.channel.receive()
    second = pair.channel.poll()
    assert first is not None
    assert second is not None
    assert (first.kind, second.kind) == (REQUEST, CANCEL)
    assert pair.channel.poll() is None


def test_receive_is_none_when_the_router_is_gone(pair: Pair) -> None:
    pair.router.close()
    assert pair.channel.receive() is None
    assert pair.channel.receive() is None


def test_receive_is_none_when_the_router_goes_in_the_middle_of_a_frame(pair: Pair) -> None:
    pair.router.send(TWO_FRAMES[:15])
    pair.router.close()
    assert pair.channel.receive() is None


def test_what_the_router_sent_before_it_went_is_received(pair: Pair) -> None:
    pair.router.send(TWO_FRAMES)
    pair.router.close()
    kinds = [received.kind for _ in range(3) if (received := pair.channel.receive()) is not None]
    assert kinds == [REQUEST, CANCEL]


def test_receive_is_none_when_the_router_resets_the_connection(pair: Pair) -> None:
    # A Unix socket that is closed with unread data resets its peer.
    pair.channel.send(encode(frame.READY))
    pair.router.close()
    assert pair.channel.receive() is None


def test_poll_raises_when_the_router_is_gone(pair: Pair) -> None:
    pair.router.close()
    with pytest.raises(ConnectionResetError, match="the router is gone"):
        pair.channel.poll()


def test_send_raises_when_the_router_is_gone(pair: Pair) -> None:
    pair.router.close()
    with pytest.raises(ConnectionError):
        pair.channel.send(encode(frame.READY))


@pytest.mark.parametrize("prefix", [b"", encode(CANCEL, 1)], ids=["first frame", "later frame"])
@pytest.mark.parametrize("length", [frame.PAYLOAD_LIMIT_BYTES + 1, 0xFFFF_FFFF])
def test_a_length_beyond_the_limit_breaks_the_protocol(pair: Pair, prefix: bytes, length: int) -> None:
    pair.router.send(prefix + frame.HEADER.pack(length, REQUEST, 0, 0, 1))
    if prefix:
        assert pair.channel.receive() is not None
    with pytest.raises(frame.ProtocolError, match=f"announces {length} bytes, want at most 8388608"):
        pair.channel.receive()


def test_a_length_of_the_limit_is_allowed(pair: Pair) -> None:
    pair.router.send(frame.HEADER.pack(frame.PAYLOAD_LIMIT_BYTES, REQUEST, 0, 0, 1))
    assert pair.channel.poll() is None


def test_greet_says_who_dialled(pair: Pair) -> None:
    pair.channel.greet(3, 12)
    assert pair.router.receive_hello() == {
        "version": 1,
        "pid": os.getpid(),
        "worker": 3,
        "generation": 12,
        "isPulling": False,
        "thread": 0,
    }


def test_greet_is_a_frame_of_no_request(pair: Pair) -> None:
    pair.channel.greet(3, 12)
    hello = pair.router.expect(frame.HELLO)
    assert (hello.flags, hello.aux, hello.stream) == (0, 0, 0)
    assert json.loads(hello.payload)["version"] == frame.CHANNEL_VERSION


def test_dial_connects_to_the_router_that_listens(short_folder: Path) -> None:
    listener = RouterListener(short_folder / "channel")
    channel = Channel.dial(str(listener.path))
    assert channel is not None
    channel.greet(1, 1)
    assert listener.accept().receive_hello()["worker"] == 1
    channel.close()
    listener.close()


@pytest.mark.parametrize("leftover", [False, True], ids=["no such path", "path of a dead router"])
def test_dial_waits_for_a_router_that_comes_later(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, leftover: bool
) -> None:
    path = short_folder / "channel"
    if leftover:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(str(path))
    listeners: list[RouterListener] = []

    def router_comes(_seconds: float) -> None:
        path.unlink(missing_ok=True)
        listeners.append(RouterListener(path))

    monkeypatch.setattr(time, "sleep", router_comes)
    channel = Channel.dial(str(path))
    assert channel is not None
    assert len(listeners) == 1
    channel.close()
    listeners[0].close()


@pytest.mark.parametrize("leftover", [False, True], ids=["no such path", "path of a dead router"])
def test_dial_gives_up_when_no_router_comes(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, leftover: bool
) -> None:
    path = short_folder / "channel"
    if leftover:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(str(path))
    monkeypatch.setattr(channel_module, "DIAL_SECONDS", 0.02)
    monkeypatch.setattr(channel_module, "DIAL_INTERVAL_SECONDS", 0.001)
    assert Channel.dial(str(path)) is None


def test_the_channel_waits_without_limit_whatever_the_application_has_set_for_its_sockets(
    short_folder: Path,
) -> None:
    listener = RouterListener(short_folder / "channel")
    # An application may do this when it is imported, which is before the worker dials.
    socket.setdefaulttimeout(0.001)
    try:
        channel = Channel.dial(str(listener.path))
    finally:
        socket.setdefaulttimeout(None)
    assert channel is not None
    assert channel.poll() is None
    channel.close()
    listener.close()
