"""The sync worker: one request at a time."""

from __future__ import annotations

import os
import signal
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tunicorn.config import Config
from tunicorn.log import Logger
from tunicorn.server import Server
from tunicorn.workers.sync import SyncWorker

from tests.conftest import StartWorker
from tests.helpers.deadlines import AT_ONCE_SECONDS
from tests.helpers.mold import MoldProcess
from tests.helpers.router import (
    BODY,
    END,
    FAILED,
    HEADER,
    HELLO,
    LAST,
    LEAVING,
    READY,
    REQUEST,
    RESPONSE,
    TAKES_MORE,
    Received,
    RouterListener,
    body_of,
    encode,
    kinds_of,
)
from tests.helpers.wsgi_types import Environ, StartResponse

#: The path says how: whole, in pieces, with a wait at the gate, raising, ending the process.
APPLICATION = """
import sys


def application(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [])
    if path == "/whole":
        return [b"whole"]
    if path == "/wait-whole":
        return [wait()]
    if path == "/exit":
        sys.exit(9)
    return pieces(path)


def pieces(path):
    yield b"first"
    if path == "/raises":
        raise ValueError("in the middle")
    if path == "/wait":
        yield wait()
    yield b"last"


def wait():
    with open("gate", "rb") as gate:
        return gate.read()
"""


class TestRequests:
    def test_one_request_is_answered_after_another(self, start_worker: StartWorker) -> None:
        channel = start_worker(APPLICATION).channel
        for stream in (1, 2, 3):
            channel.request(stream, {"PATH_INFO": "/whole"})
            (answer,) = channel.receive_response()
            assert (answer.stream, answer.flags, answer.body) == (stream, END | TAKES_MORE, b"whole")

    def test_after_an_answer_in_pieces_the_worker_says_that_it_is_ready(
        self, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION).channel
        for stream in (1, 2):
            channel.request(stream, {"PATH_INFO": "/pieces"})
            frames = channel.receive_response()
            assert body_of(frames) == b"firstlast"
            assert frames[-1].flags == END
            assert channel.expect(READY).flags == 0

    def test_a_worker_is_ready_again_after_an_application_that_raised(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION).channel
        channel.request(1, {"PATH_INFO": "/raises"})
        channel.expect(RESPONSE)
        assert channel.expect(FAILED).flags == END | TAKES_MORE
        channel.request(2, {"PATH_INFO": "/whole"})
        assert body_of(channel.receive_response()) == b"whole"
        assert "ValueError: in the middle" in mold.stderr

    def test_an_application_that_exits_ends_its_worker(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION).channel
        channel.request(1, {"PATH_INFO": "/exit"})
        assert channel.expect(FAILED).flags == END | LAST
        channel.expect_end()
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"]) == (9, None)

    def test_a_cancel_for_a_request_that_is_answered_means_nothing(self, start_worker: StartWorker) -> None:
        channel = start_worker(APPLICATION).channel
        channel.request(1, {"PATH_INFO": "/whole"})
        channel.receive_response()
        channel.cancel(1)
        channel.request(2, {"PATH_INFO": "/whole"})
        assert body_of(channel.receive_response()) == b"whole"

    def test_a_client_that_leaves_between_two_pieces_ends_the_answer(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path
    ) -> None:
        channel = start_worker(APPLICATION).channel
        channel.request(1, {"PATH_INFO": "/wait"})
        channel.expect(RESPONSE)
        with blocking_gate.open("wb") as writing:
            channel.cancel(1)
            writing.write(b"second")
        received = channel.receive()
        assert received is not None
        assert received.flags & END
        assert body_of([received]) == b""
        assert "[ERROR]" not in mold.stderr


class TestBrokenProtocol:
    @pytest.mark.parametrize(
        "octets",
        [
            pytest.param(HEADER.pack(8 * 1024 * 1024 + 1, REQUEST, END, 0, 1), id="length beyond the limit"),
            pytest.param(encode(99), id="type that is none"),
            pytest.param(encode(RESPONSE, 1, bytes(16)), id="type of the other direction"),
            pytest.param(encode(REQUEST, 1, struct.pack("<I", 99), END), id="head cut short"),
        ],
    )
    def test_a_channel_that_breaks_the_protocol_is_never_used_again(
        self, mold: MoldProcess, start_worker: StartWorker, octets: bytes
    ) -> None:
        channel = start_worker(APPLICATION).channel
        channel.send(octets)
        channel.expect_end()
        assert mold.expect("worker-exited")["status"] != 0
        assert "ProtocolError: " in mold.stderr


class TestLeaving:
    def test_an_idle_worker_that_is_told_to_leave_asks_the_router(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION).channel
        mold.send("signal", worker=1, signal="SIGTERM")
        leaving = channel.expect(LEAVING)
        assert leaving[1:] == (0, 0, 0, b"")
        channel.drain()
        channel.expect_end()
        exited = mold.expect("worker-exited")
        assert (exited["status"], exited["signal"], exited["report"]) == (0, None, None)

    def test_a_request_that_crosses_the_wish_to_leave_is_answered(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION).channel
        mold.send("signal", worker=1, signal="SIGTERM")
        channel.expect(LEAVING)
        for stream in (1, 2):
            channel.request(stream, {"PATH_INFO": "/whole"})
            assert body_of(channel.receive_response()) == b"whole"
        channel.drain()
        channel.expect_end()

    def test_a_worker_asks_once(self, mold: MoldProcess, start_worker: StartWorker) -> None:
        channel = start_worker(APPLICATION).channel
        mold.send("signal", worker=1, signal="SIGTERM")
        channel.expect(LEAVING)
        mold.send("signal", worker=1, signal="SIGTERM")
        mold.send("hook", hook="on_exit")
        mold.expect("hook-done")
        channel.request(1, {"PATH_INFO": "/pieces"})
        channel.receive_response()
        channel.expect(READY)
        channel.drain()
        channel.expect_end()

    @pytest.mark.parametrize(
        ("path", "kinds"),
        [("/wait", [RESPONSE, BODY, BODY, BODY, READY, LEAVING]), ("/wait-whole", [RESPONSE, LEAVING])],
        ids=["in pieces", "whole"],
    )
    def test_a_busy_worker_that_is_told_to_leave_answers_first(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path, path: str, kinds: list[int]
    ) -> None:
        worker = start_worker(APPLICATION)
        worker.channel.request(1, {"PATH_INFO": path})
        with blocking_gate.open("wb") as writing:
            os.kill(worker.pid, signal.SIGTERM)
            writing.write(b"second")
        frames: list[Received] = []
        while not frames or frames[-1].kind != LEAVING:
            received = worker.channel.receive()
            assert received is not None
            frames.append(received)
        assert kinds_of(frames) == kinds
        assert b"second" in body_of(frames)
        worker.channel.drain()
        worker.channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0

    def test_a_worker_that_the_router_drains_need_not_be_asked(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION).channel
        channel.request(1, {"PATH_INFO": "/whole"})
        channel.drain()
        assert body_of(channel.receive_response()) == b"whole"
        channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0

    def test_a_drain_that_comes_between_two_pieces_is_not_lost(
        self, mold: MoldProcess, start_worker: StartWorker, blocking_gate: Path
    ) -> None:
        # frame.md: no further request will come; finish and leave.
        channel = start_worker(APPLICATION).channel
        channel.request(1, {"PATH_INFO": "/wait"})
        channel.expect(RESPONSE)
        with blocking_gate.open("wb") as writing:
            channel.drain()
            writing.write(b"second")
        frames = [channel.expect(BODY), channel.expect(BODY), channel.expect(BODY)]
        assert body_of(frames) == b"secondlast"
        mold.set_deadline(AT_ONCE_SECONDS)
        assert mold.expect("worker-exited")["status"] == 0


class TestMaxRequests:
    def test_after_the_last_answer_the_worker_asks_to_leave_and_serves_on_until_it_may(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION, max_requests=3).channel
        for stream in range(1, 4):
            channel.request(stream, {"PATH_INFO": "/whole"})
            assert channel.receive_response()[-1].flags == END | TAKES_MORE
        channel.expect(LEAVING)
        for stream in range(4, 6):
            channel.request(stream, {"PATH_INFO": "/whole"})
            assert channel.receive_response()[-1].flags == END | TAKES_MORE
        channel.drain()
        channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0
        assert mold.stderr.count("Autorestarting worker after current request.") == 1

    def test_with_one_request_the_answer_says_that_the_worker_takes_no_other(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION, max_requests=1).channel
        channel.request(1, {"PATH_INFO": "/whole"})
        assert channel.receive_response()[-1].flags == END | TAKES_MORE | LAST
        channel.drain()
        channel.expect_end()
        assert mold.expect("worker-exited")["status"] == 0

    def test_after_a_last_answer_in_pieces_ready_says_that_the_worker_leaves(
        self, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION, max_requests=1).channel
        channel.request(1, {"PATH_INFO": "/pieces"})
        assert channel.receive_response()[-1].flags == END
        assert channel.expect(READY).flags == LAST
        channel.drain()
        channel.expect_end()

    def test_a_last_request_that_fails_says_that_the_worker_leaves(self, start_worker: StartWorker) -> None:
        channel = start_worker(APPLICATION, max_requests=1).channel
        channel.request(1, {"PATH_INFO": "/raises"})
        channel.expect(RESPONSE)
        assert channel.expect(FAILED).flags == END | TAKES_MORE | LAST

    def test_a_worker_that_leaves_by_itself_does_not_ask_as_well(
        self, mold: MoldProcess, start_worker: StartWorker
    ) -> None:
        channel = start_worker(APPLICATION, max_requests=1).channel
        channel.request(1, {"PATH_INFO": "/whole"})
        channel.receive_response()
        mold.send("signal", worker=1, signal="SIGTERM")
        mold.send("hook", hook="on_exit")
        mold.expect("hook-done")
        channel.drain()
        channel.expect_end()


def never_called(_environ: Environ, _start_response: StartResponse) -> list[bytes]:
    raise AssertionError("there was no request")


class TermAfterTheCheck(SyncWorker):
    """A worker that is told to leave right after it has seen that it need not."""

    _is_alive = True
    #: Two checks belong to dialling.
    _checks = 0

    @property
    def alive(self) -> bool:
        is_alive = self._is_alive
        self._checks += 1
        if self._checks == 3:
            signal.raise_signal(signal.SIGTERM)
        return is_alive

    @alive.setter
    def alive(self, is_alive: bool) -> None:
        self._is_alive = is_alive


@pytest.fixture
def term_handler() -> Iterator[None]:
    """Puts the test's own handler of SIGTERM back."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.usefixtures("term_handler")
def test_a_worker_that_is_told_to_leave_just_before_it_waits_asks_the_router(
    logger: Logger, short_folder: Path
) -> None:
    cfg = Config({"workers": 1, "threads": 1, "max_requests": 0, "max_requests_jitter": 0, "timeout": 30}, {})
    worker = TermAfterTheCheck.make(Server(cfg, logger, 4121), 1, never_called)
    worker.ppid = os.getppid()
    signal.signal(signal.SIGTERM, worker.handle_exit)
    listener = RouterListener(short_folder / "channel")
    kinds: list[int] = []

    def play_router() -> None:
        router = listener.accept()
        router.connection.settimeout(AT_ONCE_SECONDS)
        try:
            while LEAVING not in kinds:
                received = router.receive()
                assert received is not None
                kinds.append(received.kind)
        except TimeoutError:
            pass
        router.drain()
        router.close()

    thread = threading.Thread(target=play_router)
    thread.start()
    worker.serve([str(listener.path)])
    thread.join()
    listener.close()
    assert kinds == [HELLO, READY, LEAVING]
