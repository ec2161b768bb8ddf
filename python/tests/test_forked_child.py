"""What a process that the application forks has of the worker's connections."""

from __future__ import annotations

import os
import socket

from tunicorn import frame
from tunicorn.channel import Channel
from tunicorn.forked_child import forget, keep_from_children

from tests.helpers.deadlines import DEADLINE_SECONDS
from tests.helpers.router import READY, RouterEnd


def test_a_child_neither_holds_the_channel_of_its_parent_nor_speaks_on_it() -> None:
    router, worker = socket.socketpair()
    channel = Channel(worker)
    reader, writer = os.pipe()
    gate, opener = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            channel.send(frame.encode(frame.FAILED, 1))
        except ConnectionError:
            os.write(writer, b"lost" if channel.is_lost else b"not lost")
        # It lives on.
        os.read(gate, 1)
        os._exit(0)
    try:
        assert os.read(reader, 10) == b"lost"
        channel.send(frame.encode(frame.READY))
        end = RouterEnd(router)
        assert [received.kind for received in end.received()] == [READY]
        worker.close()
        router.settimeout(DEADLINE_SECONDS)
        assert router.recv(1) == b""
    finally:
        os.write(opener, b"x")
        os.waitpid(pid, 0)
        channel.close()
        for each in (reader, writer, gate, opener):
            os.close(each)
        router.close()


def test_what_was_closed_is_left_alone() -> None:
    reader, writer = os.pipe()
    keep_from_children(writer)
    forget(writer)
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"x")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 1) == b"x"
    for each in (reader, writer):
        os.close(each)
