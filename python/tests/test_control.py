"""The control channel of the mold, over real socket pairs."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from tunicorn.control import ControlChannel

TWO_MESSAGES = b'{"type":"fork","worker":1}\n{"type":"stop"}\n'


class Pair(NamedTuple):
    arbiter: socket.socket
    mold: ControlChannel


@pytest.fixture
def pair() -> Iterator[Pair]:
    arbiter, mold = socket.socketpair()
    channel = ControlChannel(mold.detach())
    yield Pair(arbiter, channel)
    arbiter.close()
    channel.close()


def test_a_message_is_one_line_of_json(pair: Pair) -> None:
    pair.mold.send("forked", worker=3, pid=4121)
    data = pair.arbiter.recv(65536)
    assert data.count(b"\n") == 1
    assert data.endswith(b"\n")
    assert json.loads(data) == {"type": "forked", "worker": 3, "pid": 4121}


def test_text_of_several_lines_stays_one_message(pair: Pair) -> None:
    pair.mold.send("load-failed", message="first\nsecond\u2028third \u2603")
    data = pair.arbiter.recv(65536)
    assert data.count(b"\n") == 1
    assert json.loads(data)["message"] == "first\nsecond\u2028third \u2603"


def test_several_messages_may_come_together(pair: Pair) -> None:
    pair.arbiter.sendall(TWO_MESSAGES)
    assert pair.mold.receive() == [{"type": "fork", "worker": 1}, {"type": "stop"}]


@pytest.mark.parametrize("cut", range(1, len(TWO_MESSAGES)))
def test_where_the_input_is_cut_makes_no_difference(pair: Pair, cut: int) -> None:
    pair.arbiter.sendall(TWO_MESSAGES[:cut])
    messages = pair.mold.receive()
    assert messages is not None
    pair.arbiter.sendall(TWO_MESSAGES[cut:])
    rest = pair.mold.receive()
    assert rest is not None
    assert messages + rest == [{"type": "fork", "worker": 1}, {"type": "stop"}]


def test_text_beyond_ascii_is_received(pair: Pair) -> None:
    pair.arbiter.sendall('{"type":"load","where":"/srv/café"}\n'.encode())
    assert pair.mold.receive() == [{"type": "load", "where": "/srv/café"}]


def test_receive_is_none_when_the_arbiter_is_gone(pair: Pair) -> None:
    pair.arbiter.close()
    assert pair.mold.receive() is None


def test_receive_is_none_when_the_arbiter_dies_with_unread_messages(pair: Pair) -> None:
    pair.mold.send("hello")
    pair.arbiter.close()
    assert pair.mold.receive() is None


def test_messages_that_came_before_the_arbiter_went_are_received(pair: Pair) -> None:
    pair.arbiter.sendall(TWO_MESSAGES)
    pair.arbiter.close()
    assert pair.mold.receive() == [{"type": "fork", "worker": 1}, {"type": "stop"}]
    assert pair.mold.receive() is None


def test_sending_to_an_arbiter_that_is_gone_is_no_error(pair: Pair) -> None:
    pair.arbiter.close()
    pair.mold.send("worker-exited", worker=1)


def test_select_sees_what_comes(pair: Pair) -> None:
    assert select.select([pair.mold.fileno()], [], [], 0)[0] == []
    pair.arbiter.sendall(TWO_MESSAGES)
    assert select.select([pair.mold.fileno()], [], [], 0)[0] == [pair.mold.fileno()]
