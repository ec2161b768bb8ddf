"""Writing large responses to a socket that the router lends."""

from __future__ import annotations

import os
import resource
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from tunicorn import borrower as borrowing
from tunicorn import wsgi_response
from tunicorn.borrower import PAUSE_RESPONSES, Borrower, Written
from tunicorn.channel import Channel
from tunicorn.frame import ProtocolError

from tests.helpers.alarm import alarm_when_sent
from tests.helpers.deadlines import DEADLINE_SECONDS
from tests.helpers.gateway import Gateway, answering
from tests.helpers.router import BODY, END, RESPONSE, Received, RouterEnd, encode, kinds_of, response_of

DIAL: Final = 7
LENT: Final = 20
BORROW: Final = 41
RETURNED: Final = 42

HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
#: So that a body fits into the socket pair, which nobody reads meanwhile.
BORROW_FROM_BYTES: Final = 40 * 1024
BODY_BYTES: Final = os.urandom(2 * BORROW_FROM_BYTES)


class Lender:
    """The router's end: what the channel says, the connection on which sockets are lent, and a client."""

    def __init__(self, folder: Path) -> None:
        router, worker = socket.socketpair()
        self.router = RouterEnd(router)
        self.channel = Channel(worker, str(folder / "router-0.sock"))
        self.borrower = Borrower(self.channel)
        self.client, self.accepted = _tcp_pair()
        self.connection = socket.socket(socket.AF_UNIX)
        self.path: Path | None = None

    def dial(self) -> None:
        """Answers the DIAL that the first question makes the worker send."""
        assert not self.borrower.is_ready()
        (dial,) = self.router.received()
        assert (dial.kind, dial.flags, dial.aux, dial.stream) == (DIAL, 0, 0, 0)
        self.path = Path(os.fsdecode(dial.payload))
        self.connection.connect(dial.payload)

    def lend(self, *, stream: int = 5, head: bytes = HEAD) -> None:
        """Before it is asked, so that no thread is needed."""
        socket.send_fds(self.connection, [encode(LENT, stream, head, aux=1)], [self.accepted.fileno()])

    def refuse(self, stream: int = 5) -> None:
        self.connection.sendall(encode(LENT, stream))

    def read(self, size: int) -> bytes:
        """What the client gets."""
        data = b""
        while len(data) < size:
            data += self.client.recv(size - len(data), socket.MSG_WAITALL)
        return data

    def close(self) -> None:
        self.borrower.close()
        for each in (self.client, self.accepted, self.connection, self.channel.socket):
            each.close()
        self.router.close()


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
    client.settimeout(DEADLINE_SECONDS)
    # As Node leaves it.
    accepted.setblocking(False)
    return client, accepted


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """As in a process whose application has used up what it may have open."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def lender(short_folder: Path) -> Iterator[Lender]:
    lender = Lender(short_folder)
    yield lender
    lender.close()


class TestDialling:
    def test_the_router_is_asked_to_dial_once_and_the_path_goes_when_it_has(self, lender: Lender) -> None:
        assert not lender.borrower.is_ready()
        assert not lender.borrower.is_ready()
        (dial,) = lender.router.received()
        path = Path(os.fsdecode(dial.payload))
        assert path.exists()
        lender.connection.connect(dial.payload)
        assert lender.borrower.is_ready()
        assert not path.exists()

    def test_a_path_where_nobody_has_dialled_is_removed_at_the_end(self, lender: Lender) -> None:
        assert not lender.borrower.is_ready()
        (dial,) = lender.router.received()
        lender.borrower.close()
        assert not Path(os.fsdecode(dial.payload)).exists()

    def test_without_the_folder_nothing_is_borrowed(self, short_folder: Path) -> None:
        lender = Lender(short_folder / "removed")
        assert not lender.borrower.is_ready()
        assert not lender.borrower.is_ready()
        assert lender.router.received() == []
        lender.close()

    def test_without_a_descriptor_for_it_nothing_is_borrowed_until_there_is_one(self, lender: Lender) -> None:
        with no_descriptor_left():
            assert not lender.borrower.is_ready()
        assert lender.router.received() == []
        lender.dial()
        with no_descriptor_left():
            assert not lender.borrower.is_ready()
        assert lender.borrower.is_ready()

    def test_a_router_that_is_gone_is_not_asked(self, lender: Lender) -> None:
        lender.router.close()
        assert not lender.borrower.is_ready()
        assert lender.channel.is_lost


class TestWriting:
    def test_head_and_body_go_to_the_client(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.lend()
        assert lender.borrower.write(5, encode(BORROW, 5), b"the body!") == Written(len(HEAD) + 9, 9)
        assert lender.read(len(HEAD) + 9) == HEAD + b"the body!"
        assert [received.kind for received in lender.router.received()] == [BORROW]

    def test_the_descriptor_is_closed_and_the_connection_lives_on(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        before = os.listdir("/proc/self/fd")
        for _ in range(3):
            lender.lend()
            lender.borrower.write(5, encode(BORROW, 5), b"x")
        assert os.listdir("/proc/self/fd") == before
        lender.accepted.send(b"!")
        assert lender.read(3 * len(HEAD) + 4).endswith(b"x!")

    def test_a_client_that_does_not_read_is_written_as_much_as_it_takes_at_once(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.lend()
        body = os.urandom(16 * 1024 * 1024)
        written = lender.borrower.write(5, encode(BORROW, 5), body)
        assert written is not None
        assert 0 < written.body < len(body)
        assert written.octets == len(HEAD) + written.body
        assert lender.read(written.octets) == HEAD + body[: written.body]

    def test_what_a_full_client_does_not_take_of_the_head_is_told(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        with suppress(BlockingIOError):
            while True:
                lender.accepted.send(bytes(65536))
        lender.lend()
        written = lender.borrower.write(5, encode(BORROW, 5), b"the body!")
        assert written is not None
        assert written.octets < len(HEAD)
        assert written.body == 0

    def test_nor_is_it_waited_for_where_the_application_has_a_default_timeout(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.lend()
        socket.setdefaulttimeout(0.05)
        try:
            written = lender.borrower.write(5, encode(BORROW, 5), bytes(16 * 1024 * 1024))
        finally:
            socket.setdefaulttimeout(None)
        assert written is not None
        assert written.body > 0

    def test_without_a_descriptor_for_the_socket_nothing_is_written_and_it_is_returned(
        self, lender: Lender
    ) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.lend()
        with no_descriptor_left():
            assert lender.borrower.write(5, encode(BORROW, 5), b"the body!") == Written(0, 0)

    def test_a_client_that_is_gone_is_no_error(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        lender.client.close()
        lender.lend()
        assert lender.borrower.write(5, encode(BORROW, 5), b"the body!") == Written(0, 0)

    def test_the_head_may_come_in_parts(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        data = encode(LENT, 5, HEAD, aux=1)
        socket.send_fds(lender.connection, [data[:3]], [lender.accepted.fileno()])
        rest = threading.Timer(0.05, lender.connection.sendall, (data[3:],))
        rest.start()
        assert lender.borrower.write(5, encode(BORROW, 5), b"x") == Written(len(HEAD) + 1, 1)
        rest.join()

    def test_a_child_that_is_forked_meanwhile_does_not_hold_the_client(
        self, lender: Lender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.lend()
        send = borrowing._write
        reader, writer = os.pipe()

        def fork_amid(client: socket.socket, before: bytes, body: bytes) -> int:
            pid = os.fork()
            if pid == 0:
                with suppress(OSError):
                    client.send(b"of the child")
                os.write(writer, b"done")
                os._exit(0)
            os.waitpid(pid, 0)
            return send(client, before, body)

        monkeypatch.setattr(borrowing, "_write", fork_amid)
        written = lender.borrower.write(5, encode(BORROW, 5), b"the body!")
        assert written is not None
        assert os.read(reader, 10) == b"done"
        assert lender.client.recv(100) == HEAD + b"the body!"
        for each in (reader, writer):
            os.close(each)


class TestInterruption:
    def test_an_answer_that_was_not_awaited_is_not_taken_for_the_next_one(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        with (
            pytest.raises(TimeoutError, match="of the application"),
            alarm_when_sent(lender.router.connection, 1),
        ):
            lender.borrower.write(5, encode(BORROW, 5), b"x")
        assert not lender.borrower.is_ready()
        with pytest.raises(BrokenPipeError):
            lender.lend()

    def test_what_a_signal_handler_raises_while_it_is_written_is_not_taken_for_a_full_client(
        self, lender: Lender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.lend()

        def interrupted(*_arguments: object) -> int:
            raise TimeoutError("of the application")

        monkeypatch.setattr(socket.socket, "sendmsg", interrupted, raising=False)
        with pytest.raises(TimeoutError, match="of the application"):
            lender.borrower.write(5, encode(BORROW, 5), b"x")
        assert not lender.borrower.is_ready()


class TestNotBorrowing:
    def test_a_refusal_is_told_and_the_next_responses_do_not_ask(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.refuse()
        assert lender.borrower.write(5, encode(BORROW, 5), b"x") is None
        asked = [lender.borrower.is_ready() for _ in range(PAUSE_RESPONSES + 2)]
        assert asked == [False] * PAUSE_RESPONSES + [True, True]

    def test_a_client_that_takes_little_lets_the_next_responses_not_ask(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.lend()
        lender.borrower.write(5, encode(BORROW, 5), bytes(64 * 1024 * 1024))
        assert not lender.borrower.is_ready()

    def test_a_router_that_is_gone_is_said_to_be_lost(self, lender: Lender) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.connection.close()
        with pytest.raises(ConnectionResetError):
            lender.borrower.write(5, encode(BORROW, 5), b"x")
        assert lender.channel.is_lost

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(encode(LENT, 6), id="another stream"),
            pytest.param(encode(BODY, 5), id="another type"),
            pytest.param(encode(LENT, 5) + b"x", id="more than a frame"),
        ],
    )
    def test_another_answer_is_an_error(self, lender: Lender, answer: bytes) -> None:
        lender.dial()
        assert lender.borrower.is_ready()
        lender.connection.sendall(answer)
        with pytest.raises(ProtocolError):
            lender.borrower.write(5, encode(BORROW, 5), b"x")


class FakeBorrower:
    """Answers a response with what a borrower would, without a socket."""

    def __init__(self, result: Written | None, *, is_ready: bool = True) -> None:
        self._result = result
        self._is_ready = is_ready
        self.asked: list[tuple[int, bytes, int]] = []

    def is_ready(self) -> bool:
        return self._is_ready

    def write(self, stream: int, head: bytes, body: bytes) -> Written | None:
        self.asked.append((stream, head, len(body)))
        return self._result

    def close(self) -> None:
        """Nothing is open."""


class TestResponses:
    @pytest.fixture(autouse=True)
    def _smaller_bodies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wsgi_response, "BORROW_FROM_BYTES", BORROW_FROM_BYTES)

    @staticmethod
    def call(
        gateway: Gateway, borrower: Any, result: Any = None, length: int | None = None
    ) -> list[Received]:
        size = len(BODY_BYTES) if length is None else length
        gateway.borrower = borrower
        application = answering(
            [BODY_BYTES] if result is None else result, "200 OK", [("Content-Length", str(size))]
        )
        return gateway.call(application, stream=5)

    def test_a_large_body_is_written_to_a_borrowed_socket(self, gateway: Gateway) -> None:
        borrower = FakeBorrower(Written(len(BODY_BYTES) + 100, len(BODY_BYTES)))
        (returned,) = self.call(gateway, borrower)
        assert (returned.kind, returned.flags, returned.stream) == (RETURNED, END, 5)
        assert returned.payload == struct.pack("<Q", len(BODY_BYTES) + 100)
        ((stream, head, size),) = borrower.asked
        assert (stream, size) == (5, len(BODY_BYTES))
        assert head[4] == BORROW

    def test_what_is_left_of_it_follows(self, gateway: Gateway) -> None:
        borrower = FakeBorrower(Written(10_100, 10_000))
        returned, body = self.call(gateway, borrower)
        assert (returned.kind, returned.flags) == (RETURNED, 0)
        assert returned.payload == struct.pack("<Q", 10_100)
        assert (body.kind, body.flags) == (BODY, END)
        assert body.payload == BODY_BYTES[10_000:]

    def test_all_of_it_follows_a_refusal(self, gateway: Gateway) -> None:
        (body,) = self.call(gateway, FakeBorrower(None))
        assert (body.kind, body.flags, body.payload) == (BODY, END, BODY_BYTES)

    def test_an_iterable_whose_first_piece_is_all_is_written_so_too(self, gateway: Gateway) -> None:
        borrower = FakeBorrower(Written(len(BODY_BYTES) + 100, len(BODY_BYTES)))
        assert kinds_of(self.call(gateway, borrower, iter([BODY_BYTES]))) == [RETURNED]

    @pytest.mark.parametrize(
        ("result", "length"),
        [
            pytest.param([BODY_BYTES], len(BODY_BYTES) + 1, id="not all that was announced"),
            pytest.param([BODY_BYTES], len(BODY_BYTES) - 1, id="more than was announced"),
            pytest.param([BODY_BYTES[: BORROW_FROM_BYTES - 1]], BORROW_FROM_BYTES - 1, id="small"),
            pytest.param(iter([BODY_BYTES, BODY_BYTES]), 2 * len(BODY_BYTES), id="in pieces"),
        ],
    )
    def test_another_goes_through_the_router(self, gateway: Gateway, result: Any, length: int) -> None:
        borrower = FakeBorrower(Written(0, 0))
        frames = self.call(gateway, borrower, result, length)
        assert borrower.asked == []
        assert frames[0].kind == RESPONSE
        assert response_of(frames[0]).content_length == length

    def test_it_goes_through_the_router_while_the_borrower_is_not_ready(self, gateway: Gateway) -> None:
        frames = self.call(gateway, FakeBorrower(None, is_ready=False))
        assert kinds_of(frames) == [RESPONSE, BODY]
